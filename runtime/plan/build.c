/* The order of everything.  Parent side; pure.  Each builder says in its own file why its steps are as they are; this
 * one says why they come when they do. */
#include "runtime/plan/plan.h"

#include "specs/base/err.h"

#include <errno.h>
#include <fcntl.h>

typedef int builder(struct build *b);

static int run_builders(struct build *b, builder *const *builders) {
        for (; *builders; builders++) {
                int r = (*builders)(b);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What exec finds in the container's root: nothing is mounted there, only the terminal is looked for. */
static int enter_root(struct build *b) {
        b->plan->place = "process.terminal";
        if (b->process->terminal)
                plan_add(b->plan, LANE_CHILD, STEP_OPEN, .into = SLOT_ROOT, .a = plan_text(b->plan, "/"),
                         .flags = O_PATH | O_DIRECTORY, .more = OPEN_FOLDER);
        return plan_terminal(b);
}

/* Mount points and nodes are made while everything can still be written; createContainer hooks see the finished /dev
 * but the host's root; kernel parameters follow the hooks that may set up the network; masks cover what is there by
 * then. */
static builder *const container_root[] = {
        plan_rootfs,  plan_mounts, plan_devices, plan_mounts_readonly, plan_namespaces_late, plan_hooks,
        plan_sysctls, plan_masks,  plan_pivot,   plan_landlock,        plan_core_scheduling, NULL,
};

/* Ready is said when all that can fail early is done; the parent saves the state and answers.  Whoever waits for
 * `start` no longer dies with the command that made it. */
static int add_ready(struct build *b) {
        struct plan *plan = b->plan;
        plan->place = NULL;
        plan_add(plan, LANE_CHILD, STEP_SEND, .flags = MESSAGE_READY);
        plan_add(plan, LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_GO);
        plan_add(plan, LANE_CHILD, STEP_GUARD, .flags = 0);
        if (b->options->waits_for_start) {
                /* `create` hears the end of file and may go.  plan_add() takes 0 for no slot. */
                plan_add(plan, LANE_CHILD, STEP_CLOSE)->slot = SLOT_SYNC;
                plan_add(plan, LANE_CHILD, STEP_START, .flags = plan->count[LANE_CHILD] + 1);
        }
        return 0;
}

/* The caller wants no cgroup at all: what only one can do is not passed over either. */
static int without_cgroup(struct build *b) {
        struct plan *plan = b->plan;
        if (b->options->driver != DRIVER_DISABLED)
                return 0;
        if (plan->cgroup_writes.n)
                return fail_words(EINVAL, "%s: no limit without a cgroup (--cgroup-manager=disabled)",
                                  plan->cgroup_writes.at[0].place);
        if (plan->device_filter)
                plan_warn(plan, "linux.resources.devices: no rules without a cgroup (--cgroup-manager=disabled), left "
                                "out");
        plan->device_filter = NULL;
        plan->device_filter_count = 0;
        return 0;
}

static builder *const container_head[] = {
        plan_rdt, plan_annotations, plan_label_modules, plan_namespaces, plan_delegate_cgroup, plan_proc, NULL
};
static builder *const container_tail[] = {
        plan_process,   plan_identity,  add_ready,      plan_hooks_start, plan_session,   plan_confine, plan_exec,
        plan_resources, plan_oom_group, plan_devfilter, plan_unit,        without_cgroup, NULL,
};

int plan_build(const struct oci_config *config, const struct probe *probe, const struct plan_options *options,
               struct plan **ret) {
        struct build b = {
                .plan = plan_new(), .config = config, .process = config->process, .probe = probe, .options = options
        };
        if (!config->process)
                return fail_words(EINVAL, "process: missing");
        int r = run_builders(&b, container_head);
        if (r == 0)
                r = run_builders(&b, container_root);
        if (r == 0)
                r = run_builders(&b, container_tail);
        if (r < 0)
                return r;
        *ret = b.plan;
        return 0;
}

/* The container's processes could see and trace one of ours in their pid namespace, so it is entered as late as may be.
 */
static int fork_late(struct build *b) {
        if (b->plan->joins_pidns)
                plan_fork(b);
        return 0;
}

static bool loses_rights_to_filter(const struct build *b) {
        return b->config->linux_ && b->config->linux_->seccomp && !b->process->no_new_privileges;
}

/* labels are written to a procfs that is opened before anything is joined. */
static builder *const exec_head[] = { plan_label_modules,   plan_proc,    plan_join,     enter_root, plan_landlock,
                                      plan_core_scheduling, plan_process, plan_identity, NULL };
static builder *const exec_confined[] = { plan_confine, fork_late, add_ready, plan_session, plan_exec, NULL };
static builder *const exec_plain[] = { fork_late, add_ready, plan_session, plan_confine, plan_exec, NULL };

int plan_build_exec(const struct oci_config *config, const struct oci_process *process, const struct probe *probe,
                    const struct plan_options *options, struct plan **ret) {
        struct build b = {
                .plan = plan_new(), .config = config, .process = process, .probe = probe, .options = options
        };
        int r = run_builders(&b, exec_head);
        /* Without no_new_privs the filter needs CAP_SYS_ADMIN, which must not be seen in the container's pid namespace.
         */
        if (r == 0)
                r = run_builders(&b, loses_rights_to_filter(&b) ? exec_confined : exec_plain);
        if (r < 0)
                return r;
        *ret = b.plan;
        return 0;
}
