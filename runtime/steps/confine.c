/* Steps that confine the process by a security module of the kernel.  Child side. */
#include "runtime/steps/table.h"

#include <linux/magic.h>

/* Neither a link out of it nor a mount over a file of it may turn what is written to another file: a volume over
 * attr/exec could take a label for itself, or be sysrq-trigger. */
static int open_attribute(int proc, const char *path) {
        struct open_how how = { .flags = O_WRONLY | O_NOCTTY | O_CLOEXEC,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
        struct statfs fs;
        sysfd fd = (int)sys_openat2(proc, path, &how, sizeof(how));
        if (fd < 0)
                return fd;
        long r = sys_fstatfs(fd, &fs);
        if (r < 0)
                return (int)r;
        return fs.f_type == PROC_SUPER_MAGIC ? sys_take(&fd) : -EXDEV;
}

int step_label(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a), *text = step_text(context, step->b);
        int proc = slot_fd(context, step->slot);
        if (proc < 0 || !path || !text)
                return proc < 0 ? proc : -EINVAL;
        sysfd fd = open_attribute(proc, path);
        if (fd < 0)
                return fd;
        size_t size = sys_strlen(text);
        long n = sys_write(fd, text, size);
        if (n < 0)
                return (int)n;
        return (size_t)n == size ? 0 : -EIO;
}

int step_relabel(const struct step *step, struct context *context) {
        const char *label = step_text(context, step->a);
        int mount = slot_fd(context, step->slot);
        if (mount < 0 || !label)
                return mount < 0 ? mount : -EINVAL;
        sysfd root = (int)sys_openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (root < 0)
                return root;
        return (int)sys_fsetxattr(root, "security.selinux", label, sys_strlen(label) + 1, 0);
}
