/* Whole files, replaced whole.  Parent side of clone only; for host paths that we or the caller own, never for paths
 * inside a rootfs (those go through open_in of path.h). */
#ifndef SPECS_BASE_FILE_H
#define SPECS_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a regular file, a pipe without a name (<(...) of a shell) or a kernel file (proc, sys, cgroup) below dir
 * (AT_FDCWD for none) to its end, at most max bytes; the text is NUL-terminated in the arena and its length goes to
 * *ret_size (may be NULL).  Never blocks on a FIFO.  A larger file is -EFBIG, a directory -EISDIR, another type (a FIFO
 * too) -EINVAL. */
int read_file_at(int dir, const char *path, size_t max, char **ret_text, size_t *ret_size);

/* The same from an open fd (standard input, a pipe, a memfd): reads to end of file, EINTR retried. */
int read_fd(int fd, size_t max, char **ret_text, size_t *ret_size);

/* Writes all bytes with one write(2) to an existing kernel file (cgroup, proc); a short write is -EIO. */
int write_file_at(int dir, const char *path, const void *bytes, size_t size);

/* write(2) until all is written; EINTR and short writes retried. */
int write_fd(int fd, const void *bytes, size_t size);

/* Atomic replacement: temporary file with O_EXCL in the same folder, write, fsync, rename, fsync of the folder.
 * Readers see the old or the new file.  name is a plain name below dir; mode is exact, whatever the umask. */
int replace_file_at(int dir, const char *name, mode_t mode, const void *bytes, size_t size);

/* flock(2) on fd, LOCK_EX or LOCK_SH (| LOCK_NB); EINTR retried. The kernel releases it when the last fd closes. */
int lock_fd(int fd, int operation);

/* Removes the tree name (a plain name) below dir without following links or crossing mounts (-EXDEV); absent is
 * success.  Bounded depth (-ELOOP). */
int remove_tree_at(int dir, const char *name);

#endif
