/* Annotations: which there are, and those that are one step or one write.  Parent side; pure.
 *
 * Spec: config.md "Annotations": one that is not known is no error.  A name of our own that is not known is most likely
 * misspelt, so it is a warning; one of crun's that asks for what rundlet does not do is refused, because the container
 * would be another one than was asked for. */
#include "runtime/plan/plan.h"
#include "runtime/plan/resources.h"

#include "specs/base/err.h"
#include "specs/oci_shape.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define OWN      "org.rundlet."
#define OOM      OWN "memory.oom.group"
#define CORE     OWN "core-scheduling"
#define DELEGATE "run.oci.delegate-cgroup"

/* A name that ends with a dot stands for all that begin with it.  refused: why, NULL for those that are followed. */
static const struct {
        const char *name, *refused;
} known[] = {
        { OWN "overlay.lower", NULL },
        { OWN "overlay.upper", NULL },
        { OWN "overlay.options", NULL },
        { OWN "net.", NULL },
        { OWN "landlock", NULL },
        { OOM, NULL },
        { CORE, NULL },
        { "org.systemd.property.", NULL },
        { DELEGATE, NULL },
        { "run.oci.hooks.stderr", NULL },
        { "run.oci.hooks.stdout", NULL },
        { "run.oci.keep_original_groups", NULL },
        { "run.oci.mount_context_type", NULL },
        { "run.oci.pidfd_receiver", NULL },
        { "run.oci.seccomp.receiver", NULL },
        { "run.oci.seccomp_fail_unknown_syscall", NULL },
        { "run.oci.systemd.subgroup", NULL },
        { "run.oci.timens_offset", NULL },
        { "run.oci.handler", "rundlet has no handlers: a container is run by the kernel alone" },
        { "run.oci.seccomp.plugins", "rundlet loads no foreign code" },
        { "run.oci.seccomp_bpf_data", "a filter is made of linux.seccomp only" },
        { "run.oci.systemd.force_cgroup_v1", "rundlet knows cgroup version 2 only" },
};

static bool is_known(const char *name, size_t row) {
        size_t size = strlen(known[row].name);
        return known[row].name[size - 1] == '.' ? strncmp(name, known[row].name, size) == 0
                                                : str_eq(name, known[row].name);
}

struct strv plan_annotation_names(void) {
        struct strv names = { 0 };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (!known[i].refused)
                        strv_add(&names, known[i].name);
        return names;
}

static int check_name(struct build *b, const char *name) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (!is_known(name, i))
                        continue;
                return known[i].refused ? fail_words(EOPNOTSUPP, "annotations[\"%s\"]: %s", name, known[i].refused) : 0;
        }
        if (str_starts(name, OWN))
                plan_warn(b->plan, "annotations[\"%s\"]: unknown, ignored", str_printable(name));
        return 0;
}

static int read_switch(const struct build *b, const char *name, bool *ret) {
        const char *text = oci_annotation(b->config, name);
        if (!text || str_eq(text, "0") || str_eq(text, "false"))
                return 0;
        if (!str_eq(text, "1") && !str_eq(text, "true"))
                return fail_words(EINVAL, "annotations[\"%s\"]: %s: 1 or 0 expected", name, str_printable(text));
        *ret = true;
        return 0;
}

int plan_annotations(struct build *b) {
        bool is_on;
        for (size_t i = 0; i < b->config->annotations.n; i++) {
                int r = check_name(b, b->config->annotations.at[i].key);
                if (r < 0)
                        return r;
        }
        int r = read_switch(b, OOM, &is_on);
        return r < 0 ? r : read_switch(b, CORE, &is_on);
}

/* Whoever writes the file by its own name knows better. */
int plan_oom_group(struct build *b) {
        const struct oci_resources *resources = b->config->linux_ ? b->config->linux_->resources : NULL;
        bool is_on = false;
        int r = read_switch(b, OOM, &is_on);
        for (size_t i = 0; is_on && resources && i < resources->unified.n; i++)
                if (str_eq(resources->unified.at[i].key, "memory.oom.group"))
                        return 0;
        if (is_on)
                resource_write(b, &(struct cgroup_write){ .controller = "memory",
                                                          .file = "memory.oom.group",
                                                          .value = "1",
                                                          .place = "annotations[\"" OOM "\"]" });
        return r;
}

/* The payload begins in a cgroup of its own below the container's, which its cgroup namespace shows as the root: the
 * limits are above it, all else is its affair.  It makes the folder itself, so that it is its owner's. */
int plan_delegate_cgroup(struct build *b) {
        const char *name = oci_annotation(b->config, DELEGATE);
        if (!name || !*name)
                return 0;
        name += *name == '/';
        const char *why = oci_shape_file_name(name);
        b->plan->place = "annotations[\"" DELEGATE "\"]";
        if (why)
                return fail_words(EINVAL, "%s: %s: %s", b->plan->place, str_printable(name), why);
        if (!plan_has_new(b, CLONE_NEWCGROUP) || b->options->driver == DRIVER_DISABLED)
                return fail_words(EINVAL, "%s: needs a cgroup and a new cgroup namespace", b->plan->place);
        plan_add(b->plan, LANE_CHILD, STEP_TARGET, .slot = SLOT_CGROUP, .into = SLOT_TARGET,
                 .a = plan_text(b->plan, name), .flags = TARGET_FOLDER, .more = 0755);
        plan_add(b->plan, LANE_CHILD, STEP_WRITE, .slot = SLOT_TARGET, .a = plan_text(b->plan, "cgroup.procs"),
                 .b = plan_text(b->plan, "0"));
        return 0;
}

/* A new cookie for the container's first process, inherited by all that follow; the creator of one more process takes
 * it over before it makes it. */
int plan_core_scheduling(struct build *b) {
        bool is_exec = b->process != b->config->process, is_on = false;
        int r = read_switch(b, CORE, &is_on);
        b->plan->place = "annotations[\"" CORE "\"]";
        if (is_on)
                plan_add(b->plan, is_exec ? LANE_OPEN : LANE_CHILD, STEP_CORE,
                         .flags = is_exec ? (uint64_t)b->options->init_pid : 0);
        return r;
}
