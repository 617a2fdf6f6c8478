/* A mount more, or one less, in a container that runs: `mounts add` and `mounts remove`.  Parent side; pure.
 *
 * A process of ours enters the container's namespaces by its pidfd, as exec's does, but becomes nothing there: it makes
 * the mount through the same steps as create's and ends.  It stays in our own pid namespace, where nobody in the
 * container sees it. */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* The rest was right at create. */
static int refuse(const struct oci_mount *mount, size_t index) {
        const char *type = mount->type ? mount->type : "";
        /* They show the namespaces of whoever mounts them, and we are not in the container's pid namespace. */
        if (str_eq(type, "proc") || str_starts(type, "cgroup"))
                return fail_words(EINVAL, "mounts[%zu].type: %s cannot be mounted in a running container", index, type);
        if (strv_has(&mount->options, "remount"))
                return fail_words(EINVAL, "mounts[%zu].options: remount: a mount that is there is not changed", index);
        return 0;
}

static int enter(struct build *b) {
        if (plan_shares_mounts(b))
                return fail_words(EINVAL, "linux.namespaces: its mount namespace is not its own");
        int r = plan_join(b);
        if (r < 0)
                return r;
        b->plan->place = "root";
        plan_add(b->plan, LANE_CHILD, STEP_OPEN, .into = SLOT_ROOT, .a = plan_text(b->plan, "/"),
                 .flags = O_PATH | O_DIRECTORY, .more = OPEN_FOLDER);
        return 0;
}

static void add_end(struct build *b) {
        b->plan->place = NULL;
        plan_add(b->plan, LANE_CHILD, STEP_SEND, .flags = MESSAGE_READY);
}

/* The parent has no right to copy host trees: what was meant for it is the child's work, before it is inside. */
static void leave_copies_to_child(struct build *b) {
        struct plan *plan = b->plan;
        size_t copies = plan->count[LANE_OPEN], steps = plan->count[LANE_CHILD], after = steps - b->copies_at;
        for (size_t i = 0; i < copies; i++)
                plan_add_step(plan, LANE_CHILD, plan->steps[LANE_OPEN][i]);
        struct step *at = plan->steps[LANE_CHILD] + b->copies_at;
        const char **place = plan->places[LANE_CHILD] + b->copies_at;
        memmove(at + copies, at, after * sizeof(*at));
        memmove(place + copies, place, after * sizeof(*place));
        if (copies) {
                memcpy(at, plan->steps[LANE_OPEN], copies * sizeof(*at));
                memcpy(place, plan->places[LANE_OPEN], copies * sizeof(*place));
        }
        plan->count[LANE_OPEN] = 0;
}

int plan_build_mount(const struct oci_config *config, size_t index, const struct probe *probe,
                     const struct plan_options *options, struct plan **ret) {
        struct oci_config one = *config;
        struct build b = {
                .plan = plan_new(),
                .config = &one,
                .process = config->process,
                .probe = probe,
                .options = options,
                .first_mount = index,
                .is_entering = true,
        };
        one.mounts.n = index + 1;
        int r = refuse(&config->mounts.at[index], index);
        if (r == 0)
                r = enter(&b);
        if (r == 0)
                r = plan_mounts(&b);
        if (r == 0)
                r = plan_mounts_readonly(&b);
        if (r < 0)
                return r;
        add_end(&b);
        if (!probe->is_root)
                leave_copies_to_child(&b);
        *ret = b.plan;
        return 0;
}

int plan_build_remounts(const struct oci_config *config, const struct probe *probe, const struct plan_options *options,
                        struct plan **ret) {
        struct build b = { .plan = plan_new(),
                           .config = config,
                           .process = config->process,
                           .probe = probe,
                           .options = options,
                           .is_entering = true };
        int r = enter(&b);
        if (r == 0)
                r = plan_mounts(&b);
        if (r < 0)
                return r;
        add_end(&b);
        *ret = b.plan;
        return 0;
}

int plan_build_detach(const struct oci_config *config, size_t index, const struct probe *probe, struct plan **ret) {
        struct build b = { .plan = plan_new(), .config = config, .process = config->process, .probe = probe };
        const char *destination = plan_destination(&config->mounts.at[index]);
        const char *place = str_format("mounts[%zu]", index);
        if (str_eq(destination, "/"))
                return fail_words(EINVAL, "%s.destination: the root stays", place);
        int proc = plan_slot(b.plan, "own proc");
        if (proc < 0)
                return proc;
        b.plan->place = place;
        plan_add(b.plan, LANE_OPEN, STEP_OPEN, .into = proc, .a = plan_text(b.plan, "/proc"),
                 .flags = O_PATH | O_DIRECTORY, .more = OPEN_PROC);
        int r = enter(&b);
        if (r < 0)
                return r;
        b.plan->place = place;
        plan_add(b.plan, LANE_CHILD, STEP_DETACH, .slot = SLOT_ROOT, .into = proc, .a = plan_text(b.plan, destination));
        add_end(&b);
        *ret = b.plan;
        return 0;
}
