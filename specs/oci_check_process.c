/* Rules of config.md "Process", for `create` and `exec` alike. */
#include "specs/oci_check_rules.h"
#include "specs/oci_names.h"
#include "specs/oci_shape.h"

#include <limits.h>
#include <sched.h>
#include <string.h>

static void rule_cwd(struct check *c) {
        check_shape(c, "process.cwd", c->process->cwd ? oci_shape_absolute(c->process->cwd) : "required");
}

static void rule_args(struct check *c) {
        if (c->process->args.n == 0)
                check_error(c, "process.args: at least one entry is required");
        else if (!*c->process->args.at[0])
                check_error(c, "process.args[0]: empty");
}

static void rule_env(struct check *c) {
        for (size_t i = 0; i < c->process->env.n; i++) {
                const char *entry = c->process->env.at[i], *equals = strchr(entry, '=');
                if (!equals)
                        check_error(c, "process.env[%zu]: %s: not of the form NAME=value", i, entry);
                else if (equals == entry)
                        check_error(c, "process.env[%zu]: %s: the name is empty", i, entry);
        }
}

static void rule_groups(struct check *c) {
        if (c->process->user.additional_gids.n > NGROUPS_MAX)
                check_error(c, "process.user.additionalGids: more than %d", NGROUPS_MAX);
}

static void rule_rlimit_twice(struct check *c) {
        uint64_t seen = 0;
        for (size_t i = 0; i < c->process->rlimits.n; i++) {
                uint64_t bit = 1ULL << c->process->rlimits.at[i].type.v;
                if (seen & bit)
                        check_error(c, "process.rlimits[%zu].type: %s is there twice", i,
                                    names_of(&oci_rlimit_names, c->process->rlimits.at[i].type.v));
                seen |= bit;
        }
}

static void rule_rlimit_order(struct check *c) {
        for (size_t i = 0; i < c->process->rlimits.n; i++)
                if (c->process->rlimits.at[i].soft > c->process->rlimits.at[i].hard)
                        check_error(c, "process.rlimits[%zu].soft: above hard", i);
}

static void warn_not_granted(struct check *c, const char *set, uint64_t lost, const char *without) {
        struct strv names = { 0 };
        for (int64_t i = 0; i < 64; i++)
                if (lost >> i & 1)
                        strv_add(&names, names_of(&oci_capability_names, i));
        if (names.n)
                check_warning(c, "process.capabilities.%s: %s: not granted without %s", set, str_join(&names, " "),
                              without);
}

static void rule_capabilities(struct check *c) {
        const struct oci_capabilities *caps = c->process->capabilities;
        if (!caps)
                return;
        warn_not_granted(c, "effective", caps->effective.bits & ~caps->permitted.bits, "permitted");
        /* execve leaves root, without being ambient, what is permitted and in bounding: buildah's root has eleven
         * ambient ones that are not inheritable, at each step of a build, and loses nothing. */
        uint64_t kept = caps->inheritable.bits | (c->process->user.uid ? 0 : caps->bounding.bits);
        warn_not_granted(c, "ambient", caps->ambient.bits & ~(caps->permitted.bits & kept),
                         "permitted and inheritable");
}

static bool is_set(const struct opt_u64 *value) {
        return value->set && value->v != 0;
}

/* The orders that sched_setattr(2) asks for; the kernel takes a runtime of 1024 ns or more and a top bit of 0. */
static void check_deadline(struct check *c, const struct oci_scheduler *s) {
        uint64_t period = is_set(&s->period) ? s->period.v : s->deadline.v;
        if (s->runtime.v < 1024)
                check_error(c, "process.scheduler.runtime: below 1024");
        if (s->runtime.v > s->deadline.v)
                check_error(c, "process.scheduler.deadline: below runtime");
        if (s->deadline.v > period)
                check_error(c, "process.scheduler.period: below deadline");
        if (period > INT64_MAX)
                check_error(c, "process.scheduler.period: above 9223372036854775807");
}

static void rule_scheduler(struct check *c) {
        const struct oci_scheduler *s = c->process->scheduler;
        if (!s)
                return;
        bool is_realtime = s->policy.v == SCHED_FIFO || s->policy.v == SCHED_RR;
        bool has_nice = s->policy.v == SCHED_OTHER || s->policy.v == SCHED_BATCH;
        const char *name = names_of(&oci_scheduler_policy_names, s->policy.v);
        if (is_realtime && s->priority.v < 1)
                check_error(c, "process.scheduler.priority: %s needs 1 to 99", name);
        if (!is_realtime && s->priority.v != 0)
                check_error(c, "process.scheduler.priority: %s has none", name);
        if (s->nice.v != 0 && !has_nice)
                check_warning(c, "process.scheduler.nice: %s has none", name);
        if (s->policy.v == SCHED_DEADLINE)
                check_deadline(c, s);
        else if (is_set(&s->runtime) || is_set(&s->deadline) || is_set(&s->period))
                check_error(c, "process.scheduler: runtime, deadline and period are for SCHED_DEADLINE");
}

static const struct check_rule rows[] = {
        { "config.md process.cwd", "an absolute path", rule_cwd },
        { "config.md process.args", "at least one entry", rule_args },
        { "config.md process.env", "entries are NAME=value", rule_env },
        { "config.md process.user.additionalGids", "no more than the kernel takes", rule_groups },
        { "config.md process.rlimits", "no type twice", rule_rlimit_twice },
        { "config.md process.rlimits.soft", "the hard limit is the ceiling", rule_rlimit_order },
        { "config.md process.capabilities", "what cannot be granted is a warning", rule_capabilities },
        { "config.md process.scheduler", "values that go with the policy", rule_scheduler },
};
const struct check_rules check_process_rules = { rows, sizeof(rows) / sizeof(rows[0]) };
