#include "runtime/steps/table.h"

#include <linux/limits.h>
#include <linux/magic.h>

#define SLOT_BYTE   1
#define OPTION_SIZE 4096
#define STACK_MAX   16

static const struct open_how folder_how = { .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

int step_tree(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a);
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)step->flags;
        int dir = path ? AT_FDCWD : slot_fd(context, step->slot);
        if (!path && dir < 0)
                return dir;
        int fd = (int)sys_open_tree(dir, path ? path : "", path ? flags : flags | AT_EMPTY_PATH);
        return fd < 0 ? fd : slot_put(context, step->into, fd);
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The slot number of the four hex digits at text, or -1. */
static int slot_reference(const char *text) {
        int slot = 0;
        for (int i = 0; i < 4; i++) {
                int digit = hex_digit(text[i]);
                if (digit < 0)
                        return -1;
                slot = slot << 4 | digit;
        }
        return slot;
}

/* Copies text up to its NUL with the slot references replaced by names of their fds, whose first `skip` bytes are left
 * out.  Returns how many bytes of text were read without its NUL, or -errno. */
static long expand(const struct context *context, const char *text, size_t skip, char buffer[OPTION_SIZE]) {
        char name[FD_NAME_SIZE];
        size_t n = 0, i = 0;
        for (; text[i]; i++) {
                const char *piece = text + i;
                size_t size = 1;
                if (text[i] == SLOT_BYTE) {
                        int slot = slot_reference(text + i + 1), fd = slot_fd(context, slot);
                        if (fd < 0)
                                return fd;
                        piece = fd_name(fd, name) + skip;
                        size = sys_strlen(piece);
                        i += 4;
                }
                if (n + size >= OPTION_SIZE)
                        return -E2BIG;
                sys_copy(buffer + n, piece, size);
                n += size;
        }
        buffer[n] = '\0';
        return (long)i;
}

static int set_options(const struct context *context, int fs, const char *options) {
        char option[OPTION_SIZE];
        while (*options) {
                char *value = option;
                long r = expand(context, options, 0, option);
                if (r < 0)
                        return (int)r;
                options += r + 1;
                while (*value && *value != '=')
                        value++;
                if (*value) {
                        *value++ = '\0';
                        r = sys_fsconfig(fs, FSCONFIG_SET_STRING, option, value, 0);
                } else {
                        r = sys_fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0);
                }
                if (r < 0)
                        return (int)r;
        }
        return 0;
}

int step_fs(const struct step *step, struct context *context) {
        const char *type = step_text(context, step->a), *options = step_text(context, step->b);
        sysfd fs = type ? (int)sys_fsopen(type, FSOPEN_CLOEXEC) : -EINVAL;
        if (fs < 0)
                return fs;
        long r = options ? set_options(context, fs, options) : 0;
        if (r >= 0)
                r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
        if (r >= 0)
                r = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)step->flags);
        return r < 0 ? (int)r : slot_put(context, step->into, (int)r);
}

/* The mount on top of what covered names.  An fd never sees a mount made over it later, so its name is looked up once
 * more in its parent; the caller checks what was found. */
static int open_above(int covered, const char *covered_name) {
        char path[PATH_MAX];
        long size = sys_readlinkat(AT_FDCWD, covered_name, path, sizeof(path) - 1);
        if (size < 0)
                return (int)size;
        path[size] = '\0';
        const char *name = path + size;
        while (name > path && name[-1] != '/')
                name--;
        sysfd parent = (int)sys_openat(covered, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        if (parent < 0)
                return parent;
        return (int)sys_openat2(parent, *name ? name : ".", &folder_how, sizeof(folder_how));
}

int step_overlay_old(const struct step *step, struct context *context) {
        static const size_t folder_size = sizeof("/proc/self/fd/") - 1;
        char options[OPTION_SIZE], name[FD_NAME_SIZE];
        struct statfs fs;
        const char *text = step_text(context, step->a);
        int target = slot_fd(context, step->slot);
        long r = text ? expand(context, text, folder_size, options) : -EINVAL;
        if (target < 0 || r < 0)
                return target < 0 ? target : (int)r;
        sysfd before = (int)sys_openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        if (before < 0)
                return before;
        r = sys_chdir("/proc/self/fd");
        if (r < 0)
                return (int)r;
        r = sys_mount("overlay", fd_name(target, name) + folder_size, "overlay", (unsigned long)step->flags, options);
        (void)sys_fchdir(before);
        sysfd fd = r < 0 ? (int)r : open_above(target, name);
        if (fd < 0)
                return fd;
        r = sys_fstatfs(fd, &fs);
        if (r < 0 || (long)fs.f_type != OVERLAYFS_SUPER_MAGIC)
                return r < 0 ? (int)r : -EXDEV;
        return slot_put(context, step->into, sys_take(&fd));
}

int step_attr(const struct step *step, struct context *context) {
        struct mount_attr attr = { .attr_set = LOW32(step->flags),
                                   .attr_clr = HIGH32(step->flags),
                                   .propagation = HIGH32(step->more) };
        if (step->slot == SLOT_NONE)
                return (int)sys_mount_setattr(AT_FDCWD, "/", LOW32(step->more), &attr, sizeof(attr));
        int fd = slot_fd(context, step->slot);
        return fd < 0 ? fd : (int)sys_mount_setattr(fd, "", AT_EMPTY_PATH | LOW32(step->more), &attr, sizeof(attr));
}

int step_idmap(const struct step *step, struct context *context) {
        int fd = slot_fd(context, step->slot), userns = slot_fd(context, step->into);
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
        if (fd < 0 || userns < 0)
                return -EBADF;
        return (int)sys_mount_setattr(fd, "", AT_EMPTY_PATH | LOW32(step->more), &attr, sizeof(attr));
}

static bool is_folder(int fd) {
        struct statx status;
        return sys_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) >= 0 && is_mode(&status, S_IFDIR);
}

/* A file on a folder, or the other way round, is among the many things that EINVAL says; users are told which. */
int step_attach(const struct step *step, struct context *context) {
        int fd = slot_fd(context, step->slot), target = slot_fd(context, step->into);
        if (fd < 0 || target < 0)
                return -EBADF;
        if (step->flags && !context->is_target_new) {
                struct statx status;
                long r = sys_statx(target, "", AT_EMPTY_PATH, STATX_MODE, &status);
                if (r >= 0)
                        r = sys_fchmodat(fd, ".", status.stx_mode & 07777);
                if (r < 0)
                        return (int)r;
        }
        int r = (int)sys_move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
        return r == -EINVAL && is_folder(fd) != is_folder(target) ? -ENOTDIR : r;
}

/* umount(2) takes no fd, and a name could lead elsewhere the second time: what was found in the root is named by our
 * own procfs, not by the one of the container that we are in. */
int step_detach(const struct step *step, struct context *context) {
        static const size_t proc_size = sizeof("/proc/") - 1;
        const char *path = step_text(context, step->a);
        char name[FD_NAME_SIZE];
        int root = slot_fd(context, step->slot), proc = slot_fd(context, step->into);
        if (root < 0 || proc < 0 || !path)
                return -EBADF;
        sysfd fd = open_in(root, path, O_PATH);
        long r = fd < 0 ? fd : sys_fchdir(proc);
        return r < 0 ? (int)r : (int)sys_umount2(fd_name(fd, name) + proc_size, MNT_DETACH);
}

/* umount goes through "." to whatever is stacked over it, so this is done until "." itself is mounted nowhere:
 * otherwise the old root would stay, one chdir("/..") away. */
static int detach_here(void) {
        long r = 0;
        int n = 0;
        while (n < STACK_MAX && (r = sys_umount2(".", MNT_DETACH)) >= 0)
                n++;
        if (n && r == -EINVAL)
                return 0;
        return r < 0 ? (int)r : -ELOOP;
}

int step_pivot(const struct step *step, struct context *context) {
        struct mount_attr slave = { .propagation = MS_SLAVE };
        int root = slot_fd(context, step->slot);
        if (root < 0)
                return root;
        sysfd old = (int)sys_openat2(AT_FDCWD, "/", &folder_how, sizeof(folder_how));
        long r = old < 0 ? old : sys_fchdir(root);
        /* With both names ".", the old root is stacked over the new one at the same place: no folder is needed for it.
         */
        if (r >= 0)
                r = sys_pivot_root(".", ".");
        if (r >= 0)
                r = sys_fchdir(old);
        /* Unmounting must not travel to the host through shared mounts. */
        if (r >= 0)
                r = sys_mount_setattr(old, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof(slave));
        if (r >= 0)
                r = detach_here();
        return r < 0 ? (int)r : (int)sys_chdir("/");
}

/* linux_dirent64 of getdents64(2), which no header has. */
struct folder_entry {
        uint64_t inode;
        int64_t next;
        unsigned short size;
        unsigned char type;
        char name[];
};

/* Everything mounted on a name of the old root goes, as far as the kernel lets it. */
static void detach_children(int old) {
        char buffer[4096] __attribute__((aligned(8)));
        long size;
        if (sys_fchdir(old) < 0)
                return;
        while ((size = sys_getdents64(old, buffer, sizeof(buffer))) > 0) {
                for (long at = 0; at < size;) {
                        const struct folder_entry *entry = (const void *)(buffer + at);
                        if (sys_strcmp(entry->name, ".") != 0 && sys_strcmp(entry->name, "..") != 0)
                                (void)sys_umount2(entry->name, MNT_DETACH | UMOUNT_NOFOLLOW);
                        at += entry->size;
                }
        }
}

int step_move_root(const struct step *step, struct context *context) {
        int root = slot_fd(context, step->slot);
        if (root < 0)
                return root;
        sysfd old = (int)sys_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (old < 0)
                return old;
        /* First out from below, then the rest of the old tree can go: names still lead into it until chroot. */
        long r = sys_move_mount(root, "", old, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
        if (r < 0)
                return (int)r;
        detach_children(old);
        return step_chroot(step, context);
}

int step_chroot(const struct step *step, struct context *context) {
        int root = slot_fd(context, step->slot);
        long r = root < 0 ? root : sys_fchdir(root);
        if (r >= 0)
                r = sys_chroot(".");
        return r < 0 ? (int)r : (int)sys_chdir("/");
}
