#include "specs/base/path.h"

#include "specs/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <stddef.h>

#define FOLDER_FLAGS      (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define LINKS_MAX         40 /* the kernel's */
#define RACES_MAX         64
#define MOUNT_NOSYMFOLLOW 0x2000 /* ST_NOSYMFOLLOW of statfs(2), Linux 5.10 */

static void close_folder(int *fd) {
        if (*fd >= 0)
                (void)sys_close(*fd);
        *fd = -1;
}

#define auto_folder __attribute__((cleanup(close_folder))) int

/* The walk by hand.  It never asks the kernel for "..", which could leave the root when a folder is moved meanwhile:
 * the resolved path is kept as text, and going up means to walk its rest once more from the root. */
struct walk {
        int root;
        int at;           /* the folder reached, never a link */
        int flags;        /* to open the last component with */
        mode_t dir_mode;  /* of missing folders, 0: they are an error */
        mode_t file_mode; /* of a missing last component, 0: it is made as a folder if dir_mode says so */
        int links;
        size_t start;         /* of what is to be walked in rest, which ends with the buffer: links are put in front */
        size_t resolved_size; /* of the path of at, as "/a/b" */
        char name[NAME_MAX + 1];
        char rest[PATH_MAX];
        char resolved[PATH_MAX];
};

/* Replaces the folder reached. */
static void walk_to(struct walk *w, int fd) {
        if (w->at != w->root)
                close_folder(&w->at);
        w->at = fd;
}

static int walk_prepend(struct walk *w, const char *text, size_t size) {
        if (size > w->start)
                return -ENAMETOOLONG;
        w->start -= size;
        sys_copy(w->rest + w->start, text, size);
        return 0;
}

/* Takes the next component into w->name: 1, or 0 when there is none. */
static int walk_next(struct walk *w) {
        size_t n = 0;
        while (w->rest[w->start] == '/')
                w->start++;
        while (w->rest[w->start + n] && w->rest[w->start + n] != '/')
                n++;
        if (n > NAME_MAX)
                return -ENAMETOOLONG;
        sys_copy(w->name, w->rest + w->start, n);
        w->name[n] = '\0';
        w->start += n;
        return n > 0;
}

static int walk_up(struct walk *w) {
        size_t end = w->resolved_size;
        while (end > 0 && w->resolved[end - 1] != '/')
                end--;
        w->resolved_size = end > 0 ? end - 1 : 0;
        walk_to(w, w->root);
        for (size_t i = 0, n; i < w->resolved_size; i += n + 1) {
                for (n = 0; i + 1 + n < w->resolved_size && w->resolved[i + 1 + n] != '/'; n++)
                        w->name[n] = w->resolved[i + 1 + n];
                w->name[n] = '\0';
                long fd = sys_openat(w->at, w->name, FOLDER_FLAGS, 0);
                if (fd < 0)
                        return (int)fd;
                walk_to(w, (int)fd);
        }
        return 0;
}

/* Opens w->name itself, making it when it is missing and wanted. */
static int walk_look(struct walk *w, bool is_last) {
        for (int i = 0; i < RACES_MAX; i++) {
                const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
                long made, fd = sys_openat(w->at, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
                if (fd != -ENOENT || w->dir_mode == 0)
                        return (int)fd;
                if (is_last && w->file_mode != 0) {
                        made = sys_openat(w->at, w->name, flags, w->file_mode);
                        if (made >= 0)
                                (void)sys_close((int)made);
                } else {
                        made = sys_mkdirat(w->at, w->name, w->dir_mode);
                }
                if (made < 0 && made != -EEXIST)
                        return (int)made;
        }
        return -EAGAIN;
}

/* Puts the target of the link in front of what is left. */
static int walk_follow(struct walk *w, int link, const char *target, size_t size) {
        struct statfs filesystem;
        long r = sys_fstatfs(link, &filesystem);
        if (r < 0)
                return (int)r;
        /* The links of proc that lead anywhere look like any other: refuse all of proc. */
        if (filesystem.f_type == PROC_SUPER_MAGIC || (filesystem.f_flags & MOUNT_NOSYMFOLLOW) ||
            w->links++ == LINKS_MAX)
                return -ELOOP;
        if (size == 0)
                return -ENOENT;
        if (size >= PATH_MAX)
                return -ENAMETOOLONG;
        if (target[0] == '/') {
                walk_to(w, w->root);
                w->resolved_size = 0;
        }
        return walk_prepend(w, target, size);
}

static int check_folder(int fd) {
        long r = sys_openat(fd, ".", FOLDER_FLAGS, 0);
        if (r >= 0)
                (void)sys_close((int)r);
        return r < 0 ? (int)r : 0;
}

static int walk_enter(struct walk *w, int *folder) {
        size_t n = sys_strlen(w->name);
        int r = check_folder(*folder);
        if (r < 0)
                return r;
        if (w->resolved_size + n + 1 > sizeof(w->resolved))
                return -ENAMETOOLONG;
        w->resolved[w->resolved_size] = '/';
        sys_copy(w->resolved + w->resolved_size + 1, w->name, n);
        w->resolved_size += n + 1;
        walk_to(w, *folder);
        *folder = -1;
        return 0;
}

/* Opens the last component, already seen as *fd, with the flags of the caller. */
static int walk_finish(struct walk *w, int *fd) {
        if (!(w->flags & O_PATH))
                return (int)sys_openat(w->at, w->name, w->flags | O_NOFOLLOW | O_CLOEXEC, 0);
        int r = w->flags & O_DIRECTORY ? check_folder(*fd) : 0;
        if (r < 0)
                return r;
        r = *fd;
        *fd = -1;
        return r;
}

/* Goes through the component w->name; *ret_fd is the result when the walk is over, otherwise it stays -1. */
static int walk_component(struct walk *w, int *ret_fd) {
        char target[PATH_MAX];
        bool is_last = w->rest[w->start] == '\0';
        auto_folder fd = walk_look(w, is_last);
        if (fd < 0)
                return fd;
        /* An empty name reads the link that fd is; ENOENT says that it is none. */
        long size = sys_readlinkat(fd, "", target, sizeof(target));
        if (size < 0 && size != -ENOENT)
                return (int)size;
        if (size >= 0 && !(is_last && (w->flags & O_NOFOLLOW)))
                return walk_follow(w, fd, target, (size_t)size);
        if (!is_last)
                return walk_enter(w, &fd);
        *ret_fd = walk_finish(w, &fd);
        return *ret_fd < 0 ? *ret_fd : 0;
}

static int walk_all(struct walk *w) {
        int fd = -1;
        for (;;) {
                int r = walk_next(w);
                if (r < 0)
                        return r;
                if (r == 0) /* "/", or an end like "a/", "a/." or "a/.." */
                        return (int)sys_openat(w->at, ".", w->flags | O_CLOEXEC, 0);
                if (sys_strcmp(w->name, ".") == 0)
                        continue;
                r = sys_strcmp(w->name, "..") == 0 ? walk_up(w) : walk_component(w, &fd);
                if (r < 0 || fd >= 0)
                        return r < 0 ? r : fd;
        }
}

static int walk_path(struct walk *w, int root, const char *path) {
        size_t size = sys_strlen(path);
        if (size == 0)
                return -ENOENT;
        if (size >= PATH_MAX)
                return -ENAMETOOLONG;
        w->root = w->at = root;
        w->links = 0;
        w->resolved_size = 0;
        w->start = PATH_MAX - 1;
        w->rest[PATH_MAX - 1] = '\0';
        (void)walk_prepend(w, path, size);
        int r = walk_all(w);
        walk_to(w, root);
        return r;
}

/* Files are made by mkfile_in() only: there is no mode here. */
static bool makes_files(int flags) {
        return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

int open_in_by_hand(int root, const char *path, int flags) {
        struct walk w;
        if (makes_files(flags))
                return -EINVAL;
        w.flags = flags;
        w.dir_mode = w.file_mode = 0;
        return walk_path(&w, root, path);
}

int open_in(int root, const char *path, int flags) {
        struct open_how how;
        long r = -EAGAIN;
        if (makes_files(flags))
                return -EINVAL;
        how.flags = (uint64_t)(unsigned)flags | O_CLOEXEC;
        how.mode = 0;
        how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
        for (int i = 0; i < RACES_MAX && r == -EAGAIN; i++)
                r = sys_openat2(root, path, &how, sizeof(how));
        /* ENOSYS: Linux before 5.6.  EPERM: a seccomp filter of a container around us that is older than the call. */
        if (r == -ENOSYS || r == -EPERM)
                return open_in_by_hand(root, path, flags);
        return (int)r;
}

/* Most often only the last component is missing.  Whatever is unusual is left to the walk. */
static int make_last(int root, const char *path, mode_t mode) {
        const char *name;
        auto_folder parent = open_parent_in(root, path, 0, &name);
        long r = parent < 0 ? parent : sys_mkdirat(parent, name, mode);
        return r < 0 ? (int)r : (int)sys_openat(parent, name, FOLDER_FLAGS, 0);
}

int mkdirs_missing_in(int root, const char *path, mode_t mode) {
        struct walk w;
        int fd = make_last(root, path, mode);
        if (fd >= 0)
                return fd;
        w.flags = O_PATH | O_DIRECTORY;
        w.dir_mode = mode;
        w.file_mode = 0;
        return walk_path(&w, root, path);
}

int mkdirs_in(int root, const char *path, mode_t mode) {
        int fd = open_in(root, path, O_PATH | O_DIRECTORY);
        return fd == -ENOENT ? mkdirs_missing_in(root, path, mode) : fd;
}

int mkfile_in(int root, const char *path, mode_t mode) {
        struct walk w;
        size_t size = sys_strlen(path);
        int fd = open_in(root, path, O_PATH);
        if (fd != -ENOENT)
                return fd;
        if (size > 0 && path[size - 1] == '/')
                return -EISDIR;
        w.flags = O_PATH;
        w.dir_mode = 0755;
        w.file_mode = mode;
        return walk_path(&w, root, path);
}

int open_parent_in(int root, const char *path, mode_t mode, const char **ret_name) {
        char parent[PATH_MAX];
        size_t size = sys_strlen(path), n = size, all = 0;
        if (size == 0)
                return -ENOENT;
        if (size >= PATH_MAX)
                return -ENAMETOOLONG;
        while (n > 0 && path[n - 1] != '/')
                n--;
        while (path[all] == '/')
                all++;
        const char *name = path + n;
        /* With a slash behind it a name would be followed even where links are refused. */
        if ((n == size && all < size) || sys_strcmp(name, ".") == 0 || sys_strcmp(name, "..") == 0)
                return -EINVAL;
        sys_copy(parent, n > 0 ? path : "/", n > 0 ? n : 1);
        parent[n > 0 ? n : 1] = '\0';
        int fd = mode != 0 ? mkdirs_in(root, parent, mode) : open_in(root, parent, O_PATH | O_DIRECTORY);
        if (fd >= 0)
                *ret_name = name;
        return fd;
}

const char *fd_name(int fd, char buffer[FD_NAME_SIZE]) {
        static const char folder[] = "/proc/self/fd/";
        char digits[16];
        size_t n = 0, at = sizeof(folder) - 1;
        unsigned value = (unsigned)fd;
        do {
                digits[n++] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        sys_copy(buffer, folder, at);
        while (n > 0)
                buffer[at++] = digits[--n];
        buffer[at] = '\0';
        return buffer;
}
