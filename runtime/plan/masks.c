/* What is hidden from the container or made read-only, and its kernel parameters.  Parent side; pure.
 * Spec: config-linux.md "Masked Paths", "Readonly Paths", "Sysctl". */
#include "runtime/plan/plan.h"

#include "specs/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>

#define EMPTY_ATTRIBUTES (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* Never the container's own /proc, where anything may be mounted over the file that is meant.  A user namespace that
 * has no pid namespace of its own may not mount procfs; the host's, seen before pivot_root, is as trustworthy. */
int plan_proc(struct build *b) {
        const struct oci_linux *linux_ = b->config->linux_;
        bool is_exec = b->process != b->config->process;
        bool writes_sysctls = !is_exec && linux_ && linux_->sysctl.n > 0;
        b->plan->place = "linux.sysctl";
        if (!writes_sysctls && !plan_writes_labels(b))
                return 0;
        if (is_exec || (plan_has_own(b, CLONE_NEWUSER) && !plan_has_own(b, CLONE_NEWPID)))
                plan_add(b->plan, LANE_CHILD, STEP_OPEN, .into = SLOT_PROC, .a = plan_text(b->plan, "/proc"),
                         .flags = O_PATH | O_DIRECTORY, .more = OPEN_PROC);
        else
                plan_add(b->plan, LANE_CHILD, STEP_FS, .into = SLOT_PROC, .a = plan_text(b->plan, "proc"),
                         .flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        return 0;
}

void plan_covers(struct build *b) {
        struct plan *plan = b->plan;
        struct strv options = { 0 };
        if (!b->config->linux_ || !b->config->linux_->masked_paths.n)
                return;
        plan->place = "linux.maskedPaths";
        plan_add(plan, LANE_CHILD, STEP_OPEN, .into = SLOT_NULL, .a = plan_text(plan, "/dev/null"), .flags = O_PATH,
                 .more = OPEN_NULL);
        strv_add(&options, "source=tmpfs");
        strv_add(&options, "size=0");
        strv_add(&options, "nr_inodes=2");
        strv_add(&options, "mode=0555");
        if (plan_mount_context(b))
                strv_add(&options, plan_mount_context(b));
        plan_add(plan, LANE_CHILD, STEP_FS, .into = SLOT_EMPTY, .a = plan_text(plan, "tmpfs"),
                 .b = plan_option_list(plan, &options), .flags = EMPTY_ATTRIBUTES);
        plan_add(plan, LANE_CHILD, STEP_ATTACH, .slot = SLOT_EMPTY, .into = SLOT_ROOTFS);
}

int plan_sysctls(struct build *b) {
        const struct oci_linux *linux_ = b->config->linux_;
        for (size_t i = 0; linux_ && i < linux_->sysctl.n; i++) {
                const struct str_pair *pair = &linux_->sysctl.at[i];
                const char *path = oci_sysctl_path(pair->key);
                if (!path)
                        return fail_words(EINVAL, "linux.sysctl[\"%s\"]: not a kernel parameter", pair->key);
                b->plan->place = str_format("linux.sysctl[\"%s\"]", pair->key);
                /* The file is of the host's root even in a user namespace that may change the name. */
                if (str_eq(path, "kernel/domainname"))
                        plan_add(b->plan, LANE_CHILD, STEP_DOMAINNAME, .a = plan_text(b->plan, pair->value));
                else
                        plan_add(b->plan, LANE_CHILD, STEP_WRITE, .slot = SLOT_PROC,
                                 .a = plan_text(b->plan, str_path("sys", path)), .b = plan_text(b->plan, pair->value));
        }
        return 0;
}

int plan_masks(struct build *b) {
        const struct oci_linux *linux_ = b->config->linux_;
        if (!linux_)
                return 0;
        for (size_t i = 0; i < linux_->readonly_paths.n; i++) {
                b->plan->place = str_format("linux.readonlyPaths[%zu]", i);
                plan_add(b->plan, LANE_CHILD, STEP_READONLY, .slot = SLOT_ROOT,
                         .a = plan_text(b->plan, linux_->readonly_paths.at[i]), .flags = MOUNT_ATTR_RDONLY);
        }
        for (size_t i = 0; i < linux_->masked_paths.n; i++) {
                b->plan->place = str_format("linux.maskedPaths[%zu]", i);
                plan_add(b->plan, LANE_CHILD, STEP_MASK, .slot = SLOT_ROOT,
                         .a = plan_text(b->plan, linux_->masked_paths.at[i]));
        }
        return 0;
}
