#include "runtime/steps/table.h"

#include <linux/magic.h>
#include <linux/nsfs.h>

#define PROC_ROOT_INO 1
#define NAME_SIZE     256

static int stat_fd(int fd, struct statx *ret) {
        return (int)sys_statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID, ret);
}

static bool is_filesystem(int fd, long magic) {
        struct statfs fs;
        return sys_fstatfs(fd, &fs) == 0 && (long)fs.f_type == magic;
}

static int check_opened(int fd, enum open_expect expect, uint32_t namespace) {
        struct statx status;
        long r = stat_fd(fd, &status);
        if (r < 0)
                return (int)r;
        switch (expect) {
        case OPEN_ANY:
                return 0;
        case OPEN_NULL:
                return is_mode(&status, S_IFCHR) && status.stx_rdev_major == 1 && status.stx_rdev_minor == 3 ? 0
                                                                                                             : -ENODEV;
        case OPEN_FOLDER:
                return is_mode(&status, S_IFDIR) ? 0 : -ENOTDIR;
        case OPEN_PROC:
                return is_filesystem(fd, PROC_SUPER_MAGIC) && status.stx_ino == PROC_ROOT_INO ? 0 : -ENODEV;
        case OPEN_NAMESPACE:
                if (!is_filesystem(fd, NSFS_MAGIC))
                        return -EINVAL;
                r = sys_ioctl(fd, NS_GET_NSTYPE, NULL);
                return r >= 0 && (uint32_t)r == namespace ? 0 : -EINVAL;
        }
        return -EINVAL;
}

int step_open(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a);
        enum open_expect expect = LOW32(step->more);
        int flags = (int)step->flags | O_CLOEXEC, dir = -EBADF;
        if (!path)
                return -EINVAL;
        if (!(flags & O_PATH)) /* openat2 refuses these with it */
                flags |=
                        O_NOCTTY | (expect == OPEN_NAMESPACE ? O_NONBLOCK : 0); /* a FIFO in its place must not block */
        if (step->slot != SLOT_NONE && (dir = slot_fd(context, step->slot)) < 0)
                return dir;
        sysfd fd = step->slot == SLOT_NONE ? (int)sys_openat(AT_FDCWD, path, flags, 0) : open_in(dir, path, flags);
        if (fd < 0)
                return fd;
        int r = check_opened(fd, expect, HIGH32(step->more));
        return r < 0 ? r : slot_put(context, step->into, sys_take(&fd));
}

int step_close(const struct step *step, struct context *context) {
        return slot_put(context, step->slot, -1);
}

static int open_strict(int dir, const char *name, uint64_t resolve) {
        struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve };
        return (int)sys_openat2(dir, name, &how, sizeof(how));
}

/* One component of a plain path: made as a folder when it is missing, never a link; another mount only if it is procfs
 * or sysfs (a volume there could lie about labels, masks and sysctls). */
static int open_plain_component(int dir, const char *name, mode_t mode) {
        struct statx status;
        int r = open_strict(dir, name, RESOLVE_NO_XDEV);
        if (r == -ENOENT) {
                r = (int)sys_mkdirat(dir, name, mode);
                if (r < 0 && r != -EEXIST)
                        return r;
                r = open_strict(dir, name, RESOLVE_NO_XDEV);
        }
        sysfd fd = r == -EXDEV ? open_strict(dir, name, 0) : r;
        if (fd < 0)
                return fd;
        if (r == -EXDEV && !is_filesystem(fd, PROC_SUPER_MAGIC) && !is_filesystem(fd, SYSFS_MAGIC))
                return -EXDEV;
        r = stat_fd(fd, &status);
        if (r < 0)
                return r;
        if (is_mode(&status, S_IFLNK)) /* O_PATH|O_NOFOLLOW opens a last link itself */
                return -ELOOP;
        return is_mode(&status, S_IFDIR) ? sys_take(&fd) : -ENOTDIR;
}

static int open_plain(int root, const char *path, mode_t mode) {
        char name[NAME_SIZE];
        sysfd at = (int)sys_openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        while (at >= 0) {
                size_t n = 0;
                while (*path == '/')
                        path++;
                if (!*path)
                        return sys_take(&at);
                for (; *path && *path != '/'; path++) {
                        if (n == NAME_SIZE - 1)
                                return -ENAMETOOLONG;
                        name[n++] = *path;
                }
                name[n] = '\0';
                int next = sys_strcmp(name, "..") == 0 ? -EINVAL : open_plain_component(at, name, mode);
                sys_closep(&at);
                at = next;
        }
        return at;
}

int step_target(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a);
        mode_t mode = step->more ? (mode_t)step->more : 0755;
        bool is_folder = (step->flags & TARGET_FOLDER) != 0, is_file = (step->flags & TARGET_FILE) != 0;
        struct statx status;
        int root = slot_fd(context, step->slot), fd;
        if (root < 0 || !path)
                return root < 0 ? root : -EINVAL;
        if (step->flags & TARGET_LIKE) {
                int mount = slot_fd(context, (int)HIGH32(step->flags)), r = mount < 0 ? mount : stat_fd(mount, &status);
                if (r < 0)
                        return r;
                is_folder = is_mode(&status, S_IFDIR);
                is_file = !is_folder;
        }
        context->is_target_new = false;
        if (step->flags & TARGET_PLAIN) {
                fd = open_plain(root, path, mode);
        } else if (is_folder) {
                fd = open_in(root, path, O_PATH | O_DIRECTORY);
                context->is_target_new = fd == -ENOENT;
                if (fd == -ENOENT)
                        fd = mkdirs_missing_in(root, path, mode);
        } else if (is_file) {
                fd = mkfile_in(root, path, step->more ? mode : 0644);
        } else {
                fd = open_in(root, path, O_PATH);
        }
        return fd < 0 ? fd : slot_put(context, step->into, fd);
}

int write_text(int fd, const char *text) {
        size_t size = sys_strlen(text);
        long n = sys_write(fd, text, size);
        if (n < 0)
                return (int)n;
        return (size_t)n == size ? 0 : -EIO;
}

int step_write(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a), *text = step_text(context, step->b);
        int dir = slot_fd(context, step->slot);
        if (dir < 0 || !path || !text)
                return dir < 0 ? dir : -EINVAL;
        sysfd fd = open_in(dir, path, O_WRONLY | O_NOCTTY | (int)step->flags);
        return fd < 0 ? fd : write_text(fd, text);
}

/* A copy of the mount that fd lies on, rooted at fd, which nobody sees yet. */
static int copy_mount(int fd, unsigned recursive) {
        return (int)sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);
}

static int set_attributes(int mount, uint64_t attributes, unsigned recursive) {
        struct mount_attr attr = { .attr_set = attributes };
        return (int)sys_mount_setattr(mount, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr));
}

static int lay_onto(int mount, int target) {
        return (int)sys_move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* What shall be covered and is not there is covered well enough. */
static int open_covered(const struct step *step, const struct context *context) {
        const char *path = step_text(context, step->a);
        int root = slot_fd(context, step->slot);
        if (root < 0 || !path)
                return root < 0 ? root : -EINVAL;
        return open_in(root, path, O_PATH);
}

/* The empty folder is our own, made with the attributes of a mask, which every copy has. */
static int mask_folder(const struct context *context, int target) {
        int empty = slot_fd(context, SLOT_EMPTY);
        sysfd tree = empty < 0 ? empty : copy_mount(empty, 0);
        return tree < 0 ? tree : lay_onto(tree, target);
}

/* /dev/null is the host's: the first copy gets the attributes, and all others are copies of that.  A device works on a
 * read-only mount: reads are empty, writes vanish. */
static int mask_file(struct context *context, int target) {
        const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        int null = slot_fd(context, SLOT_NULL);
        sysfd tree = null < 0 ? null : copy_mount(null, 0);
        int r = tree < 0 || context->is_null_set ? tree : set_attributes(tree, attributes, 0);
        if (r >= 0)
                r = lay_onto(tree, target);
        if (r < 0 || context->is_null_set)
                return r;
        context->is_null_set = true;
        return slot_put(context, SLOT_NULL, sys_take(&tree));
}

int step_mask(const struct step *step, struct context *context) {
        struct statx status;
        sysfd target = open_covered(step, context);
        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        int r = target < 0 ? target : stat_fd(target, &status);
        if (r < 0)
                return r;
        return is_mode(&status, S_IFDIR) ? mask_folder(context, target) : mask_file(context, target);
}

int step_readonly(const struct step *step, struct context *context) {
        sysfd target = open_covered(step, context);
        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        sysfd tree = target < 0 ? target : copy_mount(target, AT_RECURSIVE);
        int r = tree < 0 ? tree : set_attributes(tree, MOUNT_ATTR_RDONLY | LOW32(step->flags), AT_RECURSIVE);
        return r < 0 ? r : lay_onto(tree, target);
}
