/* Steps that confine the process by a security module of the kernel.  Child side. */
#include "runtime/steps/landlock.h"
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
        return fd < 0 ? fd : write_text(fd, text);
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

int step_ruleset(const struct step *step, struct context *context) {
        const struct landlock_ruleset *ruleset = (const void *)step_text(context, step->b);
        if (!ruleset)
                return -EINVAL;
        int fd = (int)sys_landlock_create_ruleset(ruleset, sizeof(*ruleset), 0);
        return fd < 0 ? fd : slot_put(context, step->into, fd);
}

static int add_port(int ruleset, const struct step *step) {
        struct landlock_port port = { .rights = step->flags, .port = step->more };
        return (int)sys_landlock_add_rule(ruleset, RULE_PORT, &port, 0);
}

int step_rule(const struct step *step, struct context *context) {
        struct landlock_path rule = { .rights = step->flags };
        const char *path = step_text(context, step->a);
        struct statx status;
        int ruleset = slot_fd(context, SLOT_RULESET);
        if (ruleset < 0 || !path)
                return ruleset < 0 ? ruleset : add_port(ruleset, step);
        int root = slot_fd(context, step->slot);
        sysfd fd = root < 0 ? root : open_in(root, path, O_PATH);
        if (fd < 0)
                return fd;
        long r = sys_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status);
        if (r < 0)
                return (int)r;
        if (!is_mode(&status, S_IFDIR))
                rule.rights &= RIGHTS_OF_FILES;
        rule.fd = fd;
        return (int)sys_landlock_add_rule(ruleset, RULE_PATH, &rule, 0);
}

int step_restrict(const struct step *step, struct context *context) {
        int ruleset = slot_fd(context, step->slot);
        long r = ruleset < 0 ? ruleset : sys_landlock_restrict_self(ruleset, 0);
        return r < 0 ? (int)r : slot_put(context, step->slot, -1);
}

/* The kernel's names are in headers that are younger than some (PR_SCHED_CORE, prctl(2)). */
enum { SCHED_CORE = 62, SCHED_CORE_CREATE = 1, SCHED_CORE_SHARE_FROM = 3, SCOPE_THREAD = 0, SCOPE_PROCESS = 1 };

int step_core(const struct step *step, struct context *context) {
        (void)context;
        if (step->flags)
                return (int)sys_prctl(SCHED_CORE, SCHED_CORE_SHARE_FROM, (unsigned long)step->flags, SCOPE_THREAD, 0);
        return (int)sys_prctl(SCHED_CORE, SCHED_CORE_CREATE, 0, SCOPE_PROCESS, 0);
}
