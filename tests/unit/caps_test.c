/* Capability lists become exactly what the kernel can be asked for, never more; identity keeps the order of drops. */
#include "tests/unit/plan_case.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIT(name) (UINT64_C(1) << CAP_##name)
#define USERNS    "\"namespaces\":[{\"type\":\"user\"}]"

struct caps_case {
        const char *name, *capabilities, *linux_, *probe;
        uint64_t held, bounding, permitted, effective, inheritable, ambient;
        const char *warnings;
};

static const struct caps_case cases[] = {
        { "absent: nothing", NULL, NULL, NULL, ~UINT64_C(0), 0, 0, 0, 0, 0, "" },
        { "exact sets",
          "\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"]", NULL,
          NULL, ~UINT64_C(0), BIT(CHOWN) | BIT(KILL), BIT(KILL), BIT(KILL), 0, 0, "" },
        { "permitted without effective", "\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]", NULL, NULL,
          ~UINT64_C(0), BIT(KILL), BIT(KILL), 0, 0, 0, "" },
        { "effective needs permitted", "\"effective\":[\"CAP_KILL\"]", NULL, NULL, ~UINT64_C(0), 0, 0, 0, 0, 0, "" },
        { "ambient needs inheritable",
          "\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]", NULL, NULL,
          ~UINT64_C(0), BIT(KILL), BIT(KILL), 0, 0, 0, "" },
        { "ambient granted",
          "\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_"
          "KILL\"]",
          NULL, NULL, ~UINT64_C(0), BIT(KILL), BIT(KILL), 0, BIT(KILL), BIT(KILL), "" },
        { "inheritable needs bounding", "\"inheritable\":[\"CAP_KILL\"]", NULL, NULL, ~UINT64_C(0), 0, 0, 0, 0, 0,
          "process.capabilities.inheritable: CAP_KILL: not in bounding, left out" },
        { "not held by the caller", "\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"]", NULL, NULL, BIT(CHOWN), BIT(CHOWN), 0,
          0, 0, 0, "process.capabilities.bounding: CAP_KILL: not held by the caller, left out" },
        { "a user namespace holds all", "\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"]", USERNS, "rootless", 0,
          BIT(CHOWN) | BIT(KILL), 0, 0, 0, 0, "" },
};

static void test_sets(void) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct caps_case *c = &cases[i];
                struct plan_case row = { .linux_ = c->linux_, .probe = c->probe, .process = USER(0, 0) };
                if (c->capabilities)
                        row.process = str_format(USER(0, 0) ",\"capabilities\":{%s}", c->capabilities);
                struct build *b = plan_case_build(&row);
                struct probe probe = *b->probe;
                struct step_caps caps;
                uint64_t bounding;
                probe.capabilities = c->held;
                b->probe = &probe;
                CHECK_ROW(plan_caps(b, &caps, &bounding) == 0, c->name);
                CHECK_ROW(bounding == c->bounding && caps.permitted == c->permitted && caps.effective == c->effective &&
                                  caps.inheritable == c->inheritable && caps.ambient == c->ambient,
                          c->name);
                CHECK_STR(plan_case_warnings(b->plan), c->warnings);
        }
}

static void test_old_kernel(void) {
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0) ",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_BPF\"]}" });
        struct probe probe = *b->probe;
        struct step_caps caps;
        uint64_t bounding;
        probe.last_capability = CAP_AUDIT_READ;
        b->probe = &probe;
        CHECK(plan_caps(b, &caps, &bounding) == 0);
        CHECK(bounding == BIT(CHOWN));
        CHECK_STR(plan_case_warnings(b->plan),
                  "process.capabilities.bounding: CAP_BPF: not available on this kernel, left out");
}

#define FILTER                                                                                                         \
        "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["                                             \
        "{\"names\":[\"acct\"],\"action\":\"SCMP_ACT_ERRNO\"}]}"

/* The order in which rights go, for the four combinations of no_new_privs and a filter. */
static void test_order(void) {
        static const struct {
                const char *process, *linux_, *words;
        } rows[] = {
                { USER(5, 6), NULL, "fds" },
                { USER(5, 6) ",\"noNewPrivileges\":true", NULL, "no-new-privs fds" },
                { USER(5, 6) ",\"noNewPrivileges\":true", FILTER, "no-new-privs fds seccomp" },
                { USER(5, 6), FILTER, "caps fds seccomp caps" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b =
                        plan_case_build(&(struct plan_case){ .process = rows[i].process, .linux_ = rows[i].linux_ });
                CHECK(plan_identity(b) == 0);
                const char *names[] = { step_name(STEP_BOUNDS), step_name(STEP_GROUPS), step_name(STEP_IDS),
                                        step_name(STEP_GUARD),  step_name(STEP_CAPS),   step_name(STEP_CWD),
                                        step_name(STEP_FIND) };
                struct strv want = { names, 7, 0 };
                CHECK_STR(plan_case_words(b->plan, LANE_CHILD), str_join(&want, " "));
                size_t before = b->plan->count[LANE_CHILD];
                CHECK(plan_confine(b) == 0);
                struct strv got = { 0 };
                for (size_t s = before; s < b->plan->count[LANE_CHILD]; s++) {
                        int kind = b->plan->steps[LANE_CHILD][s].kind;
                        strv_add(&got, kind == STEP_CAPS      ? "caps"
                                       : kind == STEP_SECCOMP ? "seccomp"
                                       : kind == STEP_NNP     ? "no-new-privs"
                                                              : step_name(kind));
                }
                CHECK_STR(str_join(&got, " "), rows[i].words);
        }
}

/* Without no_new_privs CAP_SYS_ADMIN lives exactly until the filter is loaded; looking up happens without it. */
static void test_admin_until_filter(void) {
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(5, 6) ",\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
                                      "\"effective\":[\"CAP_KILL\"]}",
                .linux_ = FILTER });
        CHECK(plan_identity(b) == 0 && plan_confine(b) == 0);
        static const struct step_caps want[] = {
                { .effective = BIT(KILL), .permitted = BIT(KILL) | BIT(SYS_ADMIN) },
                { .effective = BIT(KILL) | BIT(SYS_ADMIN), .permitted = BIT(KILL) | BIT(SYS_ADMIN) },
                { .effective = BIT(KILL), .permitted = BIT(KILL) },
        };
        for (size_t i = 0; i < 3; i++) {
                const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_CAPS, i);
                CHECK(step && memcmp(plan_case_data(b->plan, step->b), &want[i], sizeof(want[i])) == 0);
        }
        CHECK(!plan_case_step(b->plan, LANE_CHILD, STEP_CAPS, 3));
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_BOUNDS, 0)->flags, BIT(KILL));
        CHECK_INT(plan_case_step(b->plan, LANE_CHILD, STEP_IDS, 0)->flags, IDS(5, 6));
}

#define ONE_GROUP                                                                                                      \
        "\"namespaces\":[{\"type\":\"user\"}],\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]"
#define GIDS "\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[7,9]}"

static void test_groups(void) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = GIDS });
        CHECK(plan_identity(b) == 0);
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_GROUPS, 0);
        const uint32_t *gids = plan_case_data(b->plan, step->b);
        CHECK(step->flags == 2 && gids[0] == 7 && gids[1] == 9 && step->tolerate == 0);

        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        CHECK(plan_identity(b) == 0);
        step = plan_case_step(b->plan, LANE_CHILD, STEP_GROUPS, 0);
        CHECK(step && step->flags == 0 && step->tolerate == 0);

        b = plan_case_build(&(struct plan_case){ .process = GIDS, .probe = "rootless", .linux_ = ONE_GROUP });
        CHECK_FAIL(plan_identity(b), "process.user.additionalGids");
        b = plan_case_build(&(struct plan_case){ .process = USER(0, 0), .probe = "rootless", .linux_ = ONE_GROUP });
        CHECK(plan_identity(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_GROUPS, 0));
        b = plan_case_build(&(struct plan_case){ .process = GIDS,
                                                 .rest = "\"annotations\":{\"run.oci.keep_original_groups\":\"1\"}" });
        CHECK(plan_identity(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_GROUPS, 0));
}

/* -- the steps carried out: what the kernel then says about the process -- */
#define ALL_SETS                                                                                                       \
        "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_CHOWN\"],\"permitted\":[\"CAP_KILL\",\"CAP_CHOWN\"],"      \
        "\"effective\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]}"
#define PERSON(uid) "\"user\":{\"uid\":" #uid ",\"gid\":7,\"additionalGids\":[9,10]}"

/* In a child of our own: becomes the process of the plan and compares lines of its status.  0, or which one is wrong.
 */
static int become(struct build *b, const char *const *lines) {
        static int slots[SLOT_MAX];
        struct context context = { .data = b->plan->data, .slot = slots, .start = -1 };
        struct lane lane = plan_lane(b->plan, LANE_CHILD);
        char status[4096];
        size_t failed;
        for (size_t i = 0; i < SLOT_MAX; i++)
                slots[i] = -1;
        if (steps_run(&lane, &context, &failed) < 0)
                return 100 + (int)failed;
        FILE *file = fopen("/proc/self/status", "re");
        if (!file)
                return 99;
        size_t size = fread(status, 1, sizeof(status) - 1, file);
        status[size] = '\0';
        (void)fclose(file);
        for (int i = 0; lines[i]; i++)
                if (!strstr(status, lines[i]))
                        return i + 1;
        return 0;
}

static void test_live(void) {
        static const struct {
                const char *process, *linux_, *lines[10];
        } rows[] = {
                { PERSON(1000) "," ALL_SETS,
                  FILTER,
                  { "Uid:\t1000\t1000\t1000\t1000\n", "Gid:\t7\t7\t7\t7\n", "Groups:\t9 10 \n",
                    "CapInh:\t0000000000000020\n", "CapPrm:\t0000000000000021\n", "CapEff:\t0000000000000020\n",
                    "CapBnd:\t0000000000000021\n", "CapAmb:\t0000000000000020\n", "NoNewPrivs:\t0\nSeccomp:\t2\n" } },
                { PERSON(1000) ",\"noNewPrivileges\":true",
                  FILTER,
                  { "Uid:\t1000\t1000\t1000\t1000\n", "CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
                    "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
                    "NoNewPrivs:\t1\nSeccomp:\t2\n" } },
                { PERSON(0) "," ALL_SETS,
                  NULL,
                  { "Uid:\t0\t0\t0\t0\n", "Groups:\t9 10 \n", "CapPrm:\t0000000000000021\n",
                    "CapEff:\t0000000000000020\n", "CapBnd:\t0000000000000021\n", "NoNewPrivs:\t0\n" } },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b =
                        plan_case_build(&(struct plan_case){ .process = rows[i].process, .linux_ = rows[i].linux_ });
                CHECK(plan_identity(b) == 0 && plan_confine(b) == 0);
                if (geteuid() != 0) {
                        printf("ok %d - the process is as planned # SKIP not root\n", ++test_count);
                        continue;
                }
                fflush(stdout);
                pid_t pid = fork();
                if (pid == 0)
                        _exit(become(b, rows[i].lines));
                int status = -1;
                (void)waitpid(pid, &status, 0);
                CHECK_ROW(status == 0, "the process is as planned");
                if (status)
                        printf("# row %zu: line %d, or step from 100\n", i, WEXITSTATUS(status));
        }
}

int main(void) {
        test_sets();
        test_old_kernel();
        test_order();
        test_admin_until_filter();
        test_groups();
        test_live();
        return test_done();
}
