#include "specs/base/file.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/path.h"
#include "specs/base/str.h"
#include "specs/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

struct bytes {
        char *text;
        size_t size;
};

/* Reads fd from where it is to its end; guess is how much is expected, what names it in messages. */
static int read_to_end(int fd, size_t guess, size_t max, const char *what, struct bytes *ret) {
        size_t room = guess < 4096 ? 4096 : guess + 2, size = 0;
        char *text = arena_alloc(room);
        for (;;) {
                ssize_t n = read(fd, text + size, room - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fail(errno, "read %s", what);
                if (n == 0)
                        break;
                size += (size_t)n;
                if (size > max)
                        return fail_words(EFBIG, "read %s: larger than %zu bytes", what, max);
                if (size + 1 == room) {
                        text = arena_grow(text, size, room * 2);
                        room *= 2;
                }
        }
        text[size] = '\0';
        *ret = (struct bytes){ text, size };
        return 0;
}

/* Is what was opened of a kind that has an end?  A pipe without a name (a shell's <(...), standard input) has a writer
 * who will close it; a FIFO in a folder may have none for ever. */
static int check_readable(int fd, const struct stat *status, const char *path) {
        struct statfs filesystem;
        if (S_ISDIR(status->st_mode))
                return fail(EISDIR, "read %s", path);
        if (S_ISREG(status->st_mode))
                return 0;
        if (!S_ISFIFO(status->st_mode) || fstatfs(fd, &filesystem) < 0 || filesystem.f_type != PIPEFS_MAGIC)
                return fail_words(EINVAL, "read %s: not a regular file", path);
        if (fcntl(fd, F_SETFL, 0) < 0)
                return fail(errno, "read %s", path);
        return 0;
}

int read_file_at(int dir, const char *path, size_t max, char **ret_text, size_t *ret_size) {
        struct stat status;
        struct bytes bytes;
        autofd fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return fail(errno, "open %s", path);
        if (fstat(fd, &status) < 0)
                return fail(errno, "read %s", path);
        int r = check_readable(fd, &status, path);
        if (r < 0)
                return r;
        size_t guess = S_ISREG(status.st_mode) ? (size_t)status.st_size : 0;
        if (guess > max && guess > 4096) /* a kernel file says 4096 whatever it holds */
                return fail_words(EFBIG, "read %s: larger than %zu bytes", path, max);
        r = read_to_end(fd, guess, max, path, &bytes);
        if (r < 0)
                return r;
        *ret_text = bytes.text;
        if (ret_size)
                *ret_size = bytes.size;
        return 0;
}

int read_fd(int fd, size_t max, char **ret_text, size_t *ret_size) {
        struct bytes bytes;
        const char *what = fd == STDIN_FILENO ? "standard input" : str_format("file descriptor %d", fd);
        int r = read_to_end(fd, 0, max, what, &bytes);
        if (r < 0)
                return r;
        *ret_text = bytes.text;
        if (ret_size)
                *ret_size = bytes.size;
        return 0;
}

int write_file_at(int dir, const char *path, const void *bytes, size_t size) {
        autofd fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return fail(errno, "open %s", path);
        ssize_t n;
        do {
                n = write(fd, bytes, size);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return fail(errno, "write %s", path);
        if ((size_t)n != size)
                return fail_words(EIO, "write %s: only %zd of %zu bytes were taken", path, n, size);
        return 0;
}

int write_fd(int fd, const void *bytes, size_t size) {
        const char *at = bytes;
        while (size > 0) {
                ssize_t n = write(fd, at, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return fail(errno, "write file descriptor %d", fd);
                at += n;
                size -= (size_t)n;
        }
        return 0;
}

/* A new file in dir under a random name, which goes to temporary. */
static int make_temporary(int dir, char temporary[32]) {
        for (int attempt = 0; attempt < 16; attempt++) {
                uint64_t number;
                if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
                        return fail(errno, "get random bytes");
                (void)snprintf(temporary, 32, ".new-%016llx", (unsigned long long)number);
                int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd >= 0 || errno != EEXIST)
                        return fd >= 0 ? fd : fail(errno, "create %s", temporary);
        }
        return fail(EEXIST, "create %s", temporary);
}

static int fill(int fd, mode_t mode, const void *bytes, size_t size) {
        int r = write_fd(fd, bytes, size);
        if (r < 0)
                return r;
        if (fchmod(fd, mode) < 0) /* the mode asked for, whatever the umask is */
                return fail(errno, "fchmod");
        if (fsync(fd) < 0)
                return fail(errno, "fsync");
        return 0;
}

static int sync_folder(int dir) {
        autofd folder = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return fail(errno, "open the folder");
        if (fsync(folder) < 0 && errno != EINVAL) /* EINVAL: a file system that has nothing to sync for folders */
                return fail(errno, "fsync the folder");
        return 0;
}

static bool is_plain_name(const char *name) {
        return *name && !strchr(name, '/') && !str_eq(name, ".") && !str_eq(name, "..");
}

int replace_file_at(int dir, const char *name, mode_t mode, const void *bytes, size_t size) {
        char temporary[32];
        if (!is_plain_name(name))
                return fail_words(EINVAL, "replace %s: not a plain name", name);
        autofd fd = make_temporary(dir, temporary);
        if (fd < 0)
                return fail_in(fd, "replace %s", name);
        int r = fill(fd, mode, bytes, size);
        if (r == 0 && renameat(dir, temporary, dir, name) < 0)
                r = fail(errno, "rename %s", temporary);
        if (r < 0) {
                (void)unlinkat(dir, temporary, 0);
                return fail_in(r, "replace %s", name);
        }
        r = sync_folder(dir);
        return r < 0 ? fail_in(r, "replace %s", name) : 0;
}

int lock_fd(int fd, int operation) {
        while (flock(fd, operation) < 0)
                if (errno != EINTR)
                        return fail(errno, "lock");
        return 0;
}

#define TREE_DEPTH 32

/* One open folder on the way down; its name is what the folder above calls it. */
struct level {
        DIR *folder;
        char name[NAME_MAX + 1];
        bool again; /* something was removed since the last rewind, so the listing may have skipped entries */
};

struct levels {
        struct level at[TREE_DEPTH];
        size_t n;
};

static void levels_close(struct levels *levels) {
        while (levels->n > 0)
                (void)closedir(levels->at[--levels->n].folder);
}

/* RESOLVE_NO_XDEV also stops at bind mounts of the same file system, which st_dev cannot tell. */
static int open_level(int dir, const char *name) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        struct stat outer, inner;
        long r = sys_openat2(dir, name, &how, sizeof(how));
        if (r != -ENOSYS && r != -EPERM)
                return (int)r;
        autofd fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstatat(dir, "", &outer, AT_EMPTY_PATH) < 0 || fstat(fd, &inner) < 0)
                return -errno;
        return outer.st_dev == inner.st_dev ? fd_take(&fd) : -EXDEV;
}

/* An ordinary user removes also folders that deny it their entries: overlayfs leaves one of mode 000. */
static int open_level_allowed(int dir, const char *name) {
        char link[FD_NAME_SIZE];
        struct stat status;
        autofd fd = open_level(dir, name);
        if (fd == -EACCES) {
                autofd place = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (place < 0)
                        return -errno;
                fd_name(place, link);
                if (chmod(link, S_IRWXU) < 0)
                        return -errno;
                fd = open_level(dir, name);
        }
        if (fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & S_IRWXU) != S_IRWXU)
                (void)fchmod(fd, S_IRWXU); /* refused: the entries will say so */
        return fd_take(&fd);
}

static int push_level(struct levels *levels, int dir, const char *name) {
        if (levels->n == TREE_DEPTH)
                return fail_words(ELOOP, "open %s: more than %d folders deep", name, TREE_DEPTH);
        autofd fd = open_level_allowed(dir, name);
        if (fd < 0)
                return fail(fd, "open %s", name);
        struct level *level = &levels->at[levels->n];
        level->folder = fdopendir(fd);
        if (!level->folder)
                return fail(errno, "open %s", name);
        (void)fd_take(&fd);
        (void)snprintf(level->name, sizeof(level->name), "%s", name);
        level->again = false;
        levels->n++;
        return 0;
}

/* Removes name when it is no folder: 0 when it is gone, FOLDER when it is one. */
#define FOLDER 1
static int remove_file(int dir, const char *name) {
        if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
                return 0;
        return errno == EISDIR ? FOLDER : fail(errno, "remove %s", name);
}

/* The deepest folder has no more entries: lists it again if that could show some, otherwise removes it. */
static int pop_level(struct levels *levels, int dir) {
        struct level *level = &levels->at[levels->n - 1];
        if (level->again) {
                level->again = false;
                rewinddir(level->folder);
                return 0;
        }
        (void)closedir(level->folder);
        levels->n--;
        int above = levels->n > 0 ? dirfd(levels->at[levels->n - 1].folder) : dir;
        if (unlinkat(above, level->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return fail(errno, "remove %s", level->name);
        return 0;
}

static int remove_next(struct levels *levels, int dir) {
        struct level *level = &levels->at[levels->n - 1];
        errno = 0;
        struct dirent *entry = readdir(level->folder);
        if (!entry)
                return errno ? fail(errno, "list %s", level->name) : pop_level(levels, dir);
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
                return 0;
        level->again = true;
        int r = remove_file(dirfd(level->folder), entry->d_name);
        return r == FOLDER ? push_level(levels, dirfd(level->folder), entry->d_name) : r;
}

int remove_tree_at(int dir, const char *name) {
        __attribute__((cleanup(levels_close))) struct levels levels = { .n = 0 };
        if (!is_plain_name(name))
                return fail_words(EINVAL, "remove %s: not a plain name", name);
        int r = remove_file(dir, name);
        if (r == FOLDER)
                r = push_level(&levels, dir, name);
        while (r == 0 && levels.n > 0)
                r = remove_next(&levels, dir);
        return r < 0 ? fail_in(r, "remove tree %s", name) : 0;
}
