/* Paths that are never followed out of their root.  Raw system calls only, no libc state: used on both sides of clone
 * and linked into the init image.  Every function returns -errno, never touches the error record.
 *
 * "in" means: below the directory fd, symbolic links resolved as if that directory were "/" (openat2(2)
 * RESOLVE_IN_ROOT), magic links refused (RESOLVE_NO_MAGICLINKS). */
#ifndef SPECS_BASE_PATH_H
#define SPECS_BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens path in root with openat2; flags as of open(2), O_CLOEXEC is added.  EAGAIN is retried a bounded number of
 * times (the kernel saw a rename race).  Flags that make files are -EINVAL.  Returns the fd or -errno. */
int open_in(int root, const char *path, int flags);

/* What open_in() falls back to where openat2 is missing: component by component, as strict as the kernel, and refusing
 * every link of proc.  Here so that a test can compare both. */
int open_in_by_hand(int root, const char *path, int flags);

/* Makes the missing components of path in root as directories of the mode (less the umask), one at a time with mkdirat
 * on O_NOFOLLOW fds, and opens the last as O_PATH|O_DIRECTORY.  Links are resolved in root; what a dangling link names
 * is made there too.  Returns the fd or -errno. */
int mkdirs_in(int root, const char *path, mode_t mode);

/* The same of a path that was just not found. */
int mkdirs_missing_in(int root, const char *path, mode_t mode);

/* As mkdirs_in (mode 0755) for the parent, then makes the last component an empty regular file (O_EXCL|O_NOFOLLOW) when
 * it is missing, and opens it O_PATH; a dangling link is resolved in root first.  Returns the fd or -errno. */
int mkfile_in(int root, const char *path, mode_t mode);

/* Opens the folder that holds the last component of path in root, making what is missing when mode is not 0; *ret_name
 * points into path at the last component ("" when path is "/").  Returns the fd or -errno; a path that ends with ".",
 * ".." or (except "/") a slash is -EINVAL. */
int open_parent_in(int root, const char *path, mode_t mode, const char **ret_name);

#define FD_NAME_SIZE 32
/* "/proc/self/fd/N" in buffer. */
const char *fd_name(int fd, char buffer[FD_NAME_SIZE]);

#endif
