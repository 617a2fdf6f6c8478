/* The payload's own process: session, terminal, limits, scheduling, environment.  Parent side; pure. */
#include "runtime/plan/id_list.h"
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>

#define DEFAULT_UMASK 0022

static bool is_exec(const struct build *b) {
        return b->process != b->config->process;
}

static void add_session(struct build *b) {
        b->plan->place = b->process->terminal ? "process.terminal" : "process";
        plan_add(b->plan, LANE_CHILD, STEP_SESSION, .slot = b->process->terminal ? SLOT_TTY : SLOT_NONE);
}

/* STEP_FORK ends the process that comes before it, and a payload is the leader of its session (whose end would hang up
 * its terminal): so the session is then made behind it, by plan_session. */
static bool is_session_late(const struct build *b) {
        return b->plan->joins_pidns;
}

void plan_keyring(struct build *b) {
        if (b->options->no_keyring)
                return;
        plan_keyring_label(b);
        b->plan->place = "session keyring";
        plan_add(b->plan, LANE_CHILD, STEP_KEYRING, .a = plan_text(b->plan, str_format("_ses.%s", b->options->id)),
                 .tolerate = ENOSYS);
}

static void add_session_and_stdio(struct build *b) {
        plan_keyring(b);
        if (!is_session_late(b))
                add_session(b);
        if (b->process->terminal)
                plan_add(b->plan, LANE_CHILD, STEP_STDIO, .slot = SLOT_TTY);
        b->plan->place = "process.user.umask";
        plan_add(b->plan, LANE_CHILD, STEP_UMASK,
                 .flags = b->process->user.umask.set ? b->process->user.umask.v : DEFAULT_UMASK);
}

/* Soft limits below these would stop our own steps when they are set from outside at an unknown moment. */
static const struct {
        int resource;
        uint64_t least;
} workable[] = {
        { RLIMIT_NOFILE, 1024 },  { RLIMIT_NPROC, 64 },      { RLIMIT_FSIZE, 1 << 30 }, { RLIMIT_AS, 1 << 28 },
        { RLIMIT_DATA, 1 << 28 }, { RLIMIT_STACK, 1 << 20 }, { RLIMIT_CPU, 60 },        { RLIMIT_RTTIME, 1000 * 1000 },
};

static bool is_workable(const struct oci_rlimit *limit) {
        for (size_t i = 0; i < sizeof(workable) / sizeof(workable[0]); i++)
                if (workable[i].resource == limit->type.v)
                        return limit->soft >= workable[i].least;
        return true;
}

/* Only CAP_SYS_RESOURCE of the first user namespace raises a hard limit, so for a child in a namespace of its own the
 * parent does it.  Small limits are the child's: they need no right, and come after the steps that they could stop. */
static void add_rlimits(struct build *b) {
        bool is_ours = b->probe->can_set_rlimits && plan_has_own(b, CLONE_NEWUSER);
        for (size_t i = 0; i < b->process->rlimits.n; i++) {
                const struct oci_rlimit *limit = &b->process->rlimits.at[i];
                uint64_t pair[2] = { limit->soft, limit->hard }; /* struct rlimit64 */
                b->plan->place = str_format("process.rlimits[%zu]", i);
                plan_add(b->plan, is_ours && is_workable(limit) ? LANE_HOST : LANE_CHILD, STEP_RLIMIT,
                         .flags = (uint64_t)limit->type.v,
                         .b = plan_bytes(b->plan, pair, sizeof(pair), sizeof(pair[0])));
        }
}

static void add_oom_score(struct build *b) {
        if (!b->process->oom_score_adj.set)
                return;
        b->plan->place = "process.oomScoreAdj";
        plan_add(b->plan, LANE_HOST, STEP_WRITE, .slot = SLOT_TARGET, .a = plan_text(b->plan, "oom_score_adj"),
                 .b = plan_text(b->plan, str_format("%d", b->process->oom_score_adj.v)));
}

/* The fork of exec is the last step but few: SCHED_DEADLINE would not let it happen, SCHED_FLAG_RESET_ON_FORK would let
 * it lose the policy, and the process behind it has no rights any more.  So there the parent does it. */
static enum plan_lane scheduler_lane(const struct build *b) {
        return is_exec(b) && b->plan->joins_pidns ? LANE_READY : LANE_CHILD;
}

static void add_scheduler(struct build *b) {
        const struct oci_scheduler *s = b->process->scheduler;
        if (!s)
                return;
        struct sched_attr attr = {
                .size = sizeof(attr),
                .sched_policy = (uint32_t)s->policy.v,
                .sched_flags = s->flags.bits,
                .sched_nice = s->nice.v,
                .sched_priority = (uint32_t)s->priority.v,
                .sched_runtime = s->runtime.v,
                .sched_deadline = s->deadline.v,
                .sched_period = s->period.v,
        };
        b->plan->place = "process.scheduler";
        plan_add(b->plan, scheduler_lane(b), STEP_SCHED,
                 .b = plan_bytes(b->plan, &attr, sizeof(attr), _Alignof(struct sched_attr)));
}

void plan_io_priority(struct build *b) {
        const struct oci_io_priority *io = b->process->io_priority;
        if (!io)
                return;
        b->plan->place = "process.ioPriority";
        plan_add(b->plan, LANE_CHILD, STEP_IOPRIO,
                 .flags = (uint64_t)io->class_.v << IOPRIO_CLASS_SHIFT | (uint32_t)io->priority.v);
}

static int add_affinity(struct build *b, enum plan_lane lane, const char *place, const char *cpus) {
        struct id_mask *mask = arena_alloc(sizeof(*mask));
        if (!cpus || !*cpus)
                return 0;
        int r = id_list_read(place, cpus, mask);
        if (r < 0 || !mask->used)
                return r;
        b->plan->place = place;
        plan_add(b->plan, lane, STEP_AFFINITY, .flags = mask->used * sizeof(mask->words[0]),
                 .b = plan_bytes(b->plan, mask->words, mask->used * sizeof(mask->words[0]), sizeof(mask->words[0])));
        return 0;
}

/* The child is cloned into the container's cgroup, so "before the move" is before clone: our own mask, which it
 * inherits. */
static int add_exec_affinity(struct build *b) {
        const struct oci_cpu_affinity *affinity = b->process->exec_cpu_affinity;
        if (!affinity || !is_exec(b))
                return 0;
        int r = add_affinity(b, LANE_OPEN, "process.execCPUAffinity.initial", affinity->initial);
        if (r < 0)
                return r;
        return add_affinity(b, LANE_CHILD, "process.execCPUAffinity.final", affinity->final);
}

int plan_memory_policy(struct build *b) {
        const struct oci_memory_policy *policy = b->config->linux_ ? b->config->linux_->memory_policy : NULL;
        if (!policy)
                return 0;
        struct id_mask *mask = arena_alloc(sizeof(*mask));
        int r = id_list_read("linux.memoryPolicy.nodes", policy->nodes ? policy->nodes : "", mask);
        if (r < 0)
                return r;
        size_t size = mask->used * sizeof(mask->words[0]);
        b->plan->place = "linux.memoryPolicy";
        plan_add(b->plan, LANE_CHILD, STEP_MEMPOLICY, .flags = (uint64_t)policy->mode.v | policy->flags.bits,
                 .b = mask->used ? plan_bytes(b->plan, mask->words, size, sizeof(mask->words[0])) : 0,
                 .more = mask->used * 64);
        return 0;
}

static void add_personality(struct build *b) {
        const struct oci_personality *personality = b->config->linux_ ? b->config->linux_->personality : NULL;
        if (!personality)
                return;
        b->plan->place = "linux.personality";
        plan_add(b->plan, LANE_CHILD, STEP_PERSONALITY, .flags = (uint64_t)personality->domain.v);
}

int plan_process(struct build *b) {
        if (!b->process)
                return fail_words(EINVAL, "process: missing");
        add_session_and_stdio(b);
        add_oom_score(b);
        add_scheduler(b);
        plan_io_priority(b);
        int r = add_exec_affinity(b);
        if (r < 0)
                return r;
        r = plan_memory_policy(b);
        if (r < 0)
                return r;
        add_personality(b);
        plan_labels(b);
        add_rlimits(b);
        return 0;
}

static bool env_has(const struct strv *env, const char *prefix) {
        for (size_t i = 0; i < env->n; i++)
                if (str_starts(env->at[i], prefix))
                        return true;
        return false;
}

/* The configured environment, then HOME when it has none (number *ret_home, from one; else 0) as it is when the
 * container's passwd says nothing, then what sd_listen_fds(3) expects of passed sockets. */
static struct strv payload_env(const struct build *b, size_t *ret_home) {
        struct strv env = { 0 };
        unsigned listen_fds = b->options->listen_fds;
        for (size_t i = 0; i < b->process->env.n; i++) {
                const char *entry = b->process->env.at[i];
                if (!listen_fds || (!str_starts(entry, "LISTEN_FDS=") && !str_starts(entry, "LISTEN_PID=")))
                        strv_add(&env, entry);
        }
        *ret_home = 0;
        if (!env_has(&env, "HOME=")) {
                strv_add(&env, b->process->user.uid == 0 ? "HOME=/root" : "HOME=/");
                *ret_home = env.n;
        }
        if (listen_fds) {
                strv_add(&env, str_format("LISTEN_FDS=%u", listen_fds));
                strv_add(&env, "LISTEN_PID=1");
        }
        return env;
}

int plan_session(struct build *b) {
        if (is_session_late(b))
                add_session(b);
        return 0;
}

/* Before the filter, which may know nothing of close_range (profiles are older than it). */
void plan_fds(struct build *b) {
        b->plan->place = "process.args";
        plan_add(b->plan, LANE_CHILD, STEP_FDS, .flags = 3 + b->options->preserve_fds);
}

int plan_exec(struct build *b) {
        if (!b->process || !b->process->args.n)
                return fail_words(EINVAL, "process.args: missing");
        size_t home;
        struct strv env = payload_env(b, &home);
        b->plan->place = "process.args";
        plan_add(b->plan, LANE_CHILD, STEP_EXEC, .a = plan_strings(b->plan, &b->process->args),
                 .b = plan_strings(b->plan, &env), .flags = home);
        return 0;
}
