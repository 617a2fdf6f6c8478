#include "runtime/steps/table.h"

#include <linux/magic.h>

/* A device number as the kernel packs it into 32 bits. */
#define MAJOR(dev) ((dev) >> 8 & 0xfff)
#define MINOR(dev) (((dev)&0xff) | ((dev) >> 12 & 0xfff00))

#define WHOLE_NAME (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)

void folder_forget(struct context *context) {
        if (context->folder_path)
                sys_closep(&context->folder);
        context->folder_path = NULL;
}

static bool is_same_folder(const struct step *step, const struct context *context, const char *path, size_t size) {
        if (!context->folder_path || context->folder_slot != step->slot || context->folder_size != size)
                return false;
        for (size_t i = 0; i < size; i++)
                if (path[i] != context->folder_path[i])
                        return false;
        return true;
}

/* The folder that a is in, still the context's.  Nodes and links of one folder come one after the other; only the first
 * has to look for it. */
static int folder_of(const struct step *step, struct context *context, const char **ret_name) {
        const char *path = step_text(context, step->a);
        int root = slot_fd(context, step->slot);
        size_t size = 0;
        if (root < 0 || !path)
                return root < 0 ? root : -EINVAL;
        for (size_t i = 0; path[i]; i++)
                if (path[i] == '/')
                        size = i + 1;
        /* Names of dots are refused below. */
        if (path[size] && path[size] != '.' && is_same_folder(step, context, path, size)) {
                *ret_name = path + size;
                return context->folder;
        }
        folder_forget(context);
        int fd = open_parent_in(root, path, 0755, ret_name);
        if (fd < 0)
                return fd;
        context->folder = fd;
        context->folder_slot = step->slot;
        context->folder_path = path;
        context->folder_size = size;
        return fd;
}

static int open_here(int dir, const char *name, int flags) {
        struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_NOFOLLOW | O_CLOEXEC,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        return (int)sys_openat2(dir, name, &how, sizeof(how));
}

static bool is_device(int fd, unsigned major_number, unsigned minor_number) {
        struct statx status;
        return sys_statx(fd, "", WHOLE_NAME, STATX_BASIC_STATS, &status) == 0 && is_mode(&status, S_IFCHR) &&
               status.stx_rdev_major == major_number && status.stx_rdev_minor == minor_number;
}

static bool is_equal(const struct statx *status, mode_t mode, uint32_t dev) {
        return is_mode(status, mode & S_IFMT) && (is_mode(status, S_IFIFO) || (status->stx_rdev_major == MAJOR(dev) &&
                                                                               status->stx_rdev_minor == MINOR(dev)));
}

/* Is there a node of this type and number already? */
static bool is_equal_node(int dir, const char *name, mode_t mode, uint32_t dev) {
        struct statx status;
        sysfd fd = open_here(dir, name, O_PATH);
        return fd >= 0 && sys_statx(fd, "", WHOLE_NAME, STATX_BASIC_STATS, &status) >= 0 &&
               is_equal(&status, mode, dev);
}

/* What is there, or an empty file made there.  The last component is never followed. */
static int open_or_make(int dir, const char *name, struct statx *ret_status) {
        sysfd made = (int)sys_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (made < 0 && made != -EEXIST)
                return made;
        sysfd fd = open_here(dir, name, O_PATH);
        long r = fd < 0 ? fd : sys_statx(fd, "", WHOLE_NAME, STATX_BASIC_STATS, ret_status);
        return r < 0 ? (int)r : sys_take(&fd);
}

/* The empty file may be there from an earlier time. */
static int lay_over(int dir, const char *name, const struct step *step, int node) {
        mode_t mode = LOW32(step->flags) & ~NODE_EXACT;
        struct statx status;
        long r = sys_statx(node, "", WHOLE_NAME, STATX_BASIC_STATS, &status);
        if (r < 0 || !is_equal(&status, mode, HIGH32(step->flags)))
                return r < 0 ? (int)r : -ENODEV;
        sysfd target = open_or_make(dir, name, &status);
        if (target < 0)
                return target;
        if (!is_equal(&status, mode, HIGH32(step->flags)) && (!is_mode(&status, S_IFREG) || status.stx_size))
                return -EEXIST;
        return (int)sys_move_mount(node, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int step_node(const struct step *step, struct context *context) {
        const char *name;
        mode_t mode = LOW32(step->flags) & ~NODE_EXACT;
        uint32_t dev = HIGH32(step->flags);
        int node = step->into == SLOT_NONE ? -1 : slot_fd(context, step->into);
        if (step->into != SLOT_NONE && node < 0)
                return -EBADF;
        int parent = folder_of(step, context, &name);
        if (parent < 0)
                return parent;
        if (node >= 0)
                return lay_over(parent, name, step, node);
        long r = sys_mknodat(parent, name, mode, dev);
        if (r == -EEXIST) {
                if (is_equal_node(parent, name, mode, dev))
                        return 0;
                r = LOW32(step->flags) & NODE_EXACT ? -EEXIST : sys_unlinkat(parent, name, 0);
                if (r >= 0)
                        r = sys_mknodat(parent, name, mode, dev);
        }
        if (r < 0)
                return (int)r;
        /* The mode is exact: the init image has umask 0.  Set-id bits would not survive, devices have none. */
        return (int)sys_fchownat(parent, name, LOW32(step->more), HIGH32(step->more), AT_SYMLINK_NOFOLLOW);
}

int step_link(const struct step *step, struct context *context) {
        const char *target = step_text(context, step->b), *name;
        if (!target)
                return -EINVAL;
        int parent = folder_of(step, context, &name);
        if (parent < 0)
                return parent;
        long r = sys_symlinkat(target, parent, name);
        return r == -EEXIST ? 0 : (int)r;
}

/* The multiplexer of a real devpts: path is its folder or the ptmx in it. */
static int open_multiplexer(int root, const char *path) {
        struct statfs fs;
        const char *name = "ptmx";
        sysfd folder = open_in(root, path, O_PATH | O_DIRECTORY);
        if (folder == -ENOTDIR)
                folder = open_parent_in(root, path, 0, &name);
        long r = folder < 0 ? folder : sys_fstatfs(folder, &fs);
        if (r < 0)
                return (int)r;
        if ((long)fs.f_type != DEVPTS_SUPER_MAGIC)
                return -ENODEV;
        sysfd fd = open_here(folder, name, O_RDWR | O_NOCTTY);
        if (fd < 0)
                return fd;
        return is_device(fd, 5, 2) ? sys_take(&fd) : -ENODEV;
}

/* "/dev/pts/N"; returns its size. */
static size_t terminal_name(unsigned number, char buffer[FD_NAME_SIZE]) {
        static const char folder[] = "/dev/pts/";
        char digits[FD_NAME_SIZE], *end = digits + sizeof(digits), *at = end;
        do {
                *--at = (char)('0' + number % 10);
                number /= 10;
        } while (number);
        sys_copy(buffer, folder, sizeof(folder) - 1);
        sys_copy(buffer + sizeof(folder) - 1, at, (size_t)(end - at));
        return sizeof(folder) - 1 + (size_t)(end - at);
}

int step_pty(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a);
        struct winsize size = { .ws_row = (unsigned short)(step->flags >> 16), .ws_col = (unsigned short)step->flags };
        char name[FD_NAME_SIZE];
        unsigned number = 0;
        int unlocked = 0, root = slot_fd(context, step->slot), console = slot_fd(context, SLOT_CONSOLE);
        if (root < 0 || console < 0 || !path)
                return -EBADF;
        sysfd master = open_multiplexer(root, path);
        long r = master < 0 ? master : sys_ioctl(master, TIOCSPTLCK, &unlocked);
        if (r >= 0)
                r = sys_ioctl(master, TIOCGPTN, &number);
        if (r < 0)
                return (int)r;
        /* The other end comes from the master itself: no name of the container is asked. */
        sysfd terminal = (int)sys_ioctl(master, TIOCGPTPEER, (void *)(long)(O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (terminal < 0)
                return terminal;
        r = size.ws_row || size.ws_col ? sys_ioctl(master, TIOCSWINSZ, &size) : 0;
        if (r >= 0)
                r = sys_fchownat(terminal, "", LOW32(step->more), (gid_t)-1, AT_EMPTY_PATH);
        if (r >= 0)
                r = send_bytes(console, name, terminal_name(number, name), master);
        if (r >= 0)
                r = slot_put(context, SLOT_CONSOLE, -1);
        return r < 0 ? (int)r : slot_put(context, step->into, sys_take(&terminal));
}

int step_console(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a);
        int root = slot_fd(context, step->slot), terminal = slot_fd(context, SLOT_TTY);
        struct statx status;
        const char *name;
        if (root < 0 || terminal < 0 || !path)
                return -EBADF;
        sysfd parent = open_parent_in(root, path, 0755, &name);
        sysfd target = parent < 0 ? parent : open_or_make(parent, name, &status);
        if (target < 0 || is_mode(&status, S_IFLNK))
                return target < 0 ? target : -ELOOP;
        sysfd tree = (int)sys_open_tree(terminal, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (tree < 0)
                return tree;
        return (int)sys_move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
