/* The process part of a plan: what becomes a step, in which lane, and what the payload is given. */
#include "tests/unit/plan_case.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>

#define USERNS             "\"namespaces\":[{\"type\":\"user\"}]"
#define NOFILE(soft, hard) "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":" #soft ",\"hard\":" #hard "}]"

static struct build *built(const char *process, const char *linux_, const char *probe) {
        struct build *b = plan_case_build(
                &(struct plan_case){ .process = process ? str_format(USER(0, 0) ",%s", process) : USER(0, 0),
                                     .linux_ = linux_,
                                     .probe = probe });
        CHECK(plan_process(b) == 0);
        return b;
}

static void test_session(void) {
        struct build *b = built(NULL, NULL, NULL);
        CHECK_STR(plan_case_words(b->plan, LANE_CHILD),
                  str_format("%s %s %s", step_name(STEP_KEYRING), step_name(STEP_SESSION), step_name(STEP_UMASK)));
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_KEYRING, 0);
        CHECK_STR((const char *)plan_case_data(b->plan, step->a), "_ses.web");
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_UMASK, 0)->flags, 0022);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_SESSION, 0)->slot, SLOT_NONE);

        b = built("\"terminal\":true", NULL, NULL);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_SESSION, 0)->slot, SLOT_TTY);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_STDIO, 0)->slot, SLOT_TTY);

        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0), .has_no_keyring = true });
        CHECK(plan_process(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_KEYRING, 0));
        b = plan_case_build(&(struct plan_case){ .process = "\"user\":{\"uid\":0,\"gid\":0,\"umask\":63}" });
        CHECK(plan_process(b) == 0);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_UMASK, 0)->flags, 077);
}

/* The leader of a session must not be the process that ends at the fork into a pid namespace. */
static void test_session_after_fork(void) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) ",\"terminal\":true" });
        b->plan->joins_pidns = true;
        CHECK(plan_process(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_SESSION, 0));
        CHECK(plan_session(b) == 0 && plan_case_step(b->plan, LANE_CHILD, STEP_SESSION, 0)->slot == SLOT_TTY);
        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        b->plan->joins_pidns = true;
        CHECK(plan_process(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_SESSION, 0));
        CHECK(plan_session(b) == 0 && plan_case_step(b->plan, LANE_CHILD, STEP_SESSION, 0)->slot == SLOT_NONE);
}

static void test_rlimits(void) {
        static const struct {
                const char *process, *linux_, *probe;
                enum plan_lane lane;
        } rows[] = {
                { NOFILE(2048, 4096), NULL, NULL, LANE_CHILD },
                { NOFILE(2048, 4096), USERNS, NULL, LANE_HOST },
                { NOFILE(4, 4), USERNS, NULL, LANE_CHILD },
                { NOFILE(2048, 4096), USERNS, "rootless", LANE_CHILD },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b = built(rows[i].process, rows[i].linux_, rows[i].probe);
                const struct step *step = plan_case_step(b->plan, rows[i].lane, STEP_RLIMIT, 0);
                enum plan_lane other = rows[i].lane == LANE_HOST ? LANE_CHILD : LANE_HOST;
                CHECK_ROW(step && !plan_case_step(b->plan, other, STEP_RLIMIT, 0), rows[i].process);
                CHECK_INT(step->flags, RLIMIT_NOFILE);
                CHECK_INT(((const uint64_t *)plan_case_data(b->plan, step->b))[1], i == 2 ? 4 : 4096);
        }
        struct build *b =
                built("\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615}]", NULL, NULL);
        const uint64_t *pair = plan_case_data(b->plan, plan_case_step(b->plan, LANE_CHILD, STEP_RLIMIT, 0)->b);
        CHECK(pair[0] == 0 && pair[1] == UINT64_MAX);
}

static void test_oom_score(void) {
        CHECK(!plan_case_step(built(NULL, NULL, NULL)->plan, LANE_HOST, STEP_WRITE, 0));
        struct build *b = built("\"oomScoreAdj\":-500", NULL, NULL);
        const struct step *step = plan_case_step(b->plan, LANE_HOST, STEP_WRITE, 0);
        CHECK_INT(step->slot, SLOT_TARGET);
        CHECK_STR((const char *)plan_case_data(b->plan, step->a), "oom_score_adj");
        CHECK_STR((const char *)plan_case_data(b->plan, step->b), "-500");
}

static void test_scheduling(void) {
        struct build *b = built("\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"],"
                                "\"runtime\":1,\"deadline\":2,\"period\":3}",
                                NULL, NULL);
        const struct sched_attr *attr = plan_case_data(b->plan, plan_case_step(b->plan, LANE_CHILD, STEP_SCHED, 0)->b);
        CHECK(attr->size == sizeof(*attr) && attr->sched_policy == SCHED_DEADLINE &&
              attr->sched_flags == SCHED_FLAG_RESET_ON_FORK && attr->sched_runtime == 1 && attr->sched_deadline == 2 &&
              attr->sched_period == 3);
        b = built("\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":-5}", NULL, NULL);
        attr = plan_case_data(b->plan, plan_case_step(b->plan, LANE_CHILD, STEP_SCHED, 0)->b);
        CHECK(attr->sched_policy == SCHED_BATCH && attr->sched_nice == -5);
        b = built("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":4}", NULL, NULL);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_IOPRIO, 0)->flags, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 4));
        b = built(NULL, "\"personality\":{\"domain\":\"LINUX32\"}", NULL);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_PERSONALITY, 0)->flags, 8);
}

/* exec's fork comes late: a policy that forbids or forgets it is given to what comes out of it. */
static void test_scheduler_after_fork(void) {
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0) ",\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":1}" });
        struct oci_process process = *b->process;
        b->process = &process;
        b->plan->joins_pidns = true;
        CHECK(plan_process(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_SCHED, 0) &&
              plan_case_step(b->plan, LANE_READY, STEP_SCHED, 0));
}

static void test_memory_policy(void) {
        struct build *b = built(NULL,
                                "\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0-1,65\","
                                "\"flags\":[\"MPOL_F_STATIC_NODES\"]}",
                                NULL);
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_MEMPOLICY, 0);
        const uint64_t *mask = plan_case_data(b->plan, step->b);
        CHECK(step->flags == (3 | 1 << 15) && step->more == 128 && mask[0] == 3 && mask[1] == 2);
        b = built(NULL, "\"memoryPolicy\":{\"mode\":\"MPOL_DEFAULT\",\"nodes\":\"\"}", NULL);
        step = plan_case_step(b->plan, LANE_CHILD, STEP_MEMPOLICY, 0);
        CHECK(step->flags == 0 && step->more == 0 && step->b == 0);
        b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0), .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\"}" });
        b->config->linux_->memory_policy->nodes = "3-1";
        CHECK_FAIL(plan_process(b), "linux.memoryPolicy.nodes");
}

#define AFFINITY "\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"1,3-4\"}"

/* Only exec: initial is the caller's own before clone, final the child's. */
static void test_exec_affinity(void) {
        struct build *b = built(AFFINITY, NULL, NULL);
        CHECK(!plan_case_step(b->plan, LANE_OPEN, STEP_AFFINITY, 0) &&
              !plan_case_step(b->plan, LANE_CHILD, STEP_AFFINITY, 0));
        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) "," AFFINITY });
        struct oci_process process = *b->process;
        b->process = &process;
        CHECK(plan_process(b) == 0);
        const struct step *initial = plan_case_step(b->plan, LANE_OPEN, STEP_AFFINITY, 0);
        const struct step *final = plan_case_step(b->plan, LANE_CHILD, STEP_AFFINITY, 0);
        CHECK(initial && initial->flags == 8 && *(const uint64_t *)plan_case_data(b->plan, initial->b) == 1);
        CHECK(final && final->flags == 8 && *(const uint64_t *)plan_case_data(b->plan, final->b) == 0x1a);
}

static const char *strings(const struct plan *plan, uint32_t at) {
        const uint32_t *offsets = plan_case_data(plan, at);
        struct strv list = { 0 };
        for (uint32_t i = 0; i < offsets[0]; i++)
                strv_add(&list, plan->data + offsets[1 + i]);
        return str_join(&list, " ");
}

static void test_exec(void) {
        static const struct {
                const char *process;
                unsigned preserve_fds, listen_fds;
                const char *env;
        } rows[] = {
                { USER(0, 0), 0, 0, "HOME=/root" },
                { USER(7, 0) ",\"env\":[\"A=1\"]", 2, 0, "A=1 HOME=/" },
                { USER(7, 0) ",\"env\":[\"HOME=/x\",\"LISTEN_FDS=9\"]", 0, 0, "HOME=/x LISTEN_FDS=9" },
                { USER(7, 0) ",\"env\":[\"HOME=/x\",\"LISTEN_FDS=9\"]", 2, 2, "HOME=/x LISTEN_FDS=2 LISTEN_PID=1" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b = plan_case_build(&(struct plan_case){ .process = rows[i].process,
                                                                       .preserve_fds = rows[i].preserve_fds,
                                                                       .listen_fds = rows[i].listen_fds });
                plan_fds(b);
                CHECK(plan_exec(b) == 0);
                const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_EXEC, 0);
                CHECK_STR(strings(b->plan, step->a), "sh -c");
                CHECK_STR(strings(b->plan, step->b), rows[i].env);
                CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_FDS, 0)->flags, 3 + rows[i].preserve_fds);
        }
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        struct oci_process process = *b->process;
        process.args.n = 0;
        b->process = &process;
        CHECK_FAIL(plan_exec(b), "process.args");
        CHECK_FAIL(plan_identity(b), "process.args");
}

#define HOOK(path, more) "{\"path\":\"" path "\"" more "}"

static void test_hooks(void) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        CHECK(plan_hooks(b) == 0 && plan_hooks_start(b) == 0 && !b->plan->has_hooks_barrier &&
              b->plan->count[LANE_CHILD] == 0);
        b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0),
                .rest = "\"hooks\":{\"poststart\":[" HOOK("/a", "") "],\"startContainer\":[" HOOK("/b", "") "]}" });
        CHECK(plan_hooks(b) == 0 && !b->plan->has_hooks_barrier && plan_hooks_start(b) == 0);
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_HOOK, 0);
        const struct hook_data *data = plan_case_data(b->plan, step->b);
        CHECK_STR(strings(b->plan, data->args), "/b");
        CHECK_STR(strings(b->plan, data->env), "");
        CHECK_STR(b->plan->places[LANE_CHILD][0], "hooks.startContainer[0]");

        b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0),
                .rest = "\"hooks\":{\"createRuntime\":[" HOOK("/a", "") "],\"createContainer\":[" HOOK(
                        "/b", ",\"args\":[\"b\",\"1\"],\"env\":[\"X=1\"],\"timeout\":3") "]}" });
        CHECK(plan_hooks(b) == 0 && b->plan->has_hooks_barrier);
        CHECK_STR(plan_case_words(b->plan, LANE_CHILD),
                  str_format("%s %s %s", step_name(STEP_SEND), step_name(STEP_AWAIT), step_name(STEP_HOOK)));
        step = plan_case_step(b->plan, LANE_CHILD, STEP_HOOK, 0);
        data = plan_case_data(b->plan, step->b);
        CHECK_STR(strings(b->plan, data->args), "b 1");
        CHECK_STR(strings(b->plan, data->env), "X=1");
        CHECK_INT(step->more, 3000);
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_SEND, 0)->flags, MESSAGE_HOOKS);

        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        CHECK(plan_hooks(b) == 0 && !b->plan->has_hooks_barrier);
}

int main(void) {
        test_session();
        test_session_after_fork();
        test_rlimits();
        test_oom_score();
        test_scheduling();
        test_scheduler_after_fork();
        test_memory_policy();
        test_exec_affinity();
        test_exec();
        test_hooks();
        return test_done();
}
