#include "runtime/steps/table.h"

#include <linux/limits.h>

#define DEPTH_MAX 64
#define HERE      (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)

/* linux_dirent64 of getdents64(2), which no header has. */
struct folder_entry {
        uint64_t inode;
        int64_t next;
        unsigned short size;
        unsigned char type;
        char name[];
};

/* The way down, one pair of folders a level; next is where reading goes on in a folder after one of its folders. */
struct copy {
        int depth;
        struct {
                int from, to;
                int64_t next;
        } level[DEPTH_MAX];
};

static int open_source(int dir, const char *name, int flags) {
        struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_NOFOLLOW | O_CLOEXEC,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                                           RESOLVE_NO_XDEV };
        return (int)sys_openat2(dir, name, &how, sizeof(how));
}

static int copy_times(int dir, const char *name, const struct statx *from, int flags) {
        struct timespec times[2] = { { .tv_sec = from->stx_atime.tv_sec, .tv_nsec = from->stx_atime.tv_nsec },
                                     { .tv_sec = from->stx_mtime.tv_sec, .tv_nsec = from->stx_mtime.tv_nsec } };
        return (int)sys_utimensat(dir, name, times, flags);
}

/* Owner first: changing it takes set-id bits away. */
static int copy_attributes(int to, const struct statx *from) {
        long r = sys_fchownat(to, "", from->stx_uid, from->stx_gid, AT_EMPTY_PATH);
        if (r >= 0)
                r = sys_fchmod(to, from->stx_mode & 07777);
        return r < 0 ? (int)r : copy_times(to, NULL, from, 0);
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct statx *status) {
        static char buffer[65536];
        struct statx opened;
        long n;
        sysfd from = open_source(from_dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        long r = from < 0 ? from : sys_statx(from, "", HERE, STATX_BASIC_STATS, &opened);
        if (r < 0)
                return (int)r;
        if (!is_mode(&opened, S_IFREG))
                return -EAGAIN; /* exchanged since it was looked at */
        sysfd to = (int)sys_openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return to;
        while ((n = sys_read(from, buffer, sizeof(buffer))) > 0)
                for (long done = 0; done < n; done += r) {
                        r = sys_write(to, buffer + done, (size_t)(n - done));
                        if (r < 0)
                                return (int)r;
                }
        return n < 0 ? (int)n : copy_attributes(to, status);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct statx *status) {
        char target[PATH_MAX];
        long r = sys_readlinkat(from_dir, name, target, sizeof(target) - 1);
        if (r < 0)
                return (int)r;
        target[r] = '\0';
        r = sys_symlinkat(target, to_dir, name);
        if (r >= 0)
                r = sys_fchownat(to_dir, name, status->stx_uid, status->stx_gid, AT_SYMLINK_NOFOLLOW);
        return r < 0 ? (int)r : copy_times(to_dir, name, status, AT_SYMLINK_NOFOLLOW);
}

/* Opens a folder of the source and its new twin as the next level. */
static int enter(struct copy *copy, const char *name) {
        int from_dir = copy->level[copy->depth].from, to_dir = copy->level[copy->depth].to;
        if (copy->depth + 1 == DEPTH_MAX)
                return -ELOOP;
        sysfd from = open_source(from_dir, name, O_RDONLY | O_DIRECTORY);
        long r = from < 0 ? from : sys_mkdirat(to_dir, name, 0700);
        if (r < 0)
                return (int)r;
        sysfd to = open_source(to_dir, name, O_RDONLY | O_DIRECTORY);
        if (to < 0)
                return to;
        copy->depth++;
        copy->level[copy->depth].from = sys_take(&from);
        copy->level[copy->depth].to = sys_take(&to);
        copy->level[copy->depth].next = 0;
        return 0;
}

/* Closes the deepest level; its folder gets its attributes last, because filling it changed its times. */
static int leave(struct copy *copy) {
        struct statx status;
        sysfd from = copy->level[copy->depth].from, to = copy->level[copy->depth].to;
        if (copy->depth-- == 0) /* the tmpfs has attributes of its own, from its options */
                return 0;
        long r = sys_statx(from, "", HERE, STATX_BASIC_STATS, &status);
        return r < 0 ? (int)r : copy_attributes(to, &status);
}

/* 1: a folder was entered; 0: done with this one.  Devices, sockets and FIFOs are not copied, neither is what lies on
 * another mount. */
static int copy_entry(struct copy *copy, const char *name) {
        struct statx status;
        int from = copy->level[copy->depth].from, to = copy->level[copy->depth].to, r;
        if (sys_strcmp(name, ".") == 0 || sys_strcmp(name, "..") == 0)
                return 0;
        sysfd entry = open_source(from, name, O_PATH);
        if (entry == -EXDEV || entry == -ENOENT)
                return 0;
        r = entry < 0 ? entry : (int)sys_statx(entry, "", HERE, STATX_BASIC_STATS, &status);
        if (r < 0)
                return r;
        if (is_mode(&status, S_IFREG))
                return copy_file(from, to, name, &status);
        if (is_mode(&status, S_IFLNK))
                return copy_link(from, to, name, &status);
        if (!is_mode(&status, S_IFDIR))
                return 0;
        r = enter(copy, name);
        return r < 0 ? r : 1;
}

/* Goes on in the deepest folder until it is read to its end (0), a folder of it was entered (1), or a failure. */
static int copy_folder(struct copy *copy) {
        char buffer[8192] __attribute__((aligned(8)));
        int depth = copy->depth;
        long size = sys_lseek(copy->level[depth].from, copy->level[depth].next, SEEK_SET);
        if (size < 0)
                return (int)size;
        while ((size = sys_getdents64(copy->level[depth].from, buffer, sizeof(buffer))) > 0)
                for (long at = 0; at < size;) {
                        const struct folder_entry *entry = (const void *)(buffer + at);
                        at += entry->size;
                        copy->level[depth].next = entry->next;
                        int r = copy_entry(copy, entry->name);
                        if (r != 0)
                                return r;
                }
        return (int)size;
}

int step_copyup(const struct step *step, struct context *context) {
        struct copy copy = { .depth = 0 };
        int from = slot_fd(context, step->slot), to = slot_fd(context, step->into), r = 0;
        if (from < 0 || to < 0)
                return -EBADF;
        /* The slots hold O_PATH fds as a rule: these can be read. */
        copy.level[0].from = open_source(from, ".", O_RDONLY | O_DIRECTORY);
        copy.level[0].to = open_source(to, ".", O_RDONLY | O_DIRECTORY);
        if (copy.level[0].from < 0 || copy.level[0].to < 0)
                r = copy.level[0].from < 0 ? copy.level[0].from : copy.level[0].to;
        while (copy.depth >= 0) {
                if (r >= 0)
                        r = copy_folder(&copy);
                if (r > 0)
                        continue;
                int left = leave(&copy);
                if (r >= 0)
                        r = left;
        }
        return r;
}
