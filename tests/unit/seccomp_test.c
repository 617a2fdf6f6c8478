/* Seccomp profiles are compiled, then executed in a small interpreter and compared with what the profile says; one is
 * loaded for real. */
#include "tests/unit/seccomp_case.h"

#include "specs/oci_names.h"

#include <errno.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#define NATIVE AUDIT_ARCH_RISCV64
#endif

static uint32_t call(const struct filter *f, uint32_t arch, int number, uint64_t first, uint64_t second) {
        return run_filter(f, &(struct seccomp_data){ .nr = number, .arch = arch, .args = { first, second } });
}

/* -- what a profile means -- */
static uint32_t meaning_of(int64_t action, const struct opt_u32 *errno_ret) {
        uint32_t number = errno_ret->set ? errno_ret->v : EPERM;
        switch ((enum oci_seccomp_action)action) {
        case OCI_ACT_KILL:
        case OCI_ACT_KILL_THREAD:
                return SECCOMP_RET_KILL_THREAD;
        case OCI_ACT_KILL_PROCESS:
                return SECCOMP_RET_KILL_PROCESS;
        case OCI_ACT_TRAP:
                return SECCOMP_RET_TRAP;
        case OCI_ACT_ERRNO:
                return SECCOMP_RET_ERRNO | number;
        case OCI_ACT_TRACE:
                return SECCOMP_RET_TRACE | number;
        case OCI_ACT_ALLOW:
                return SECCOMP_RET_ALLOW;
        case OCI_ACT_LOG:
                return SECCOMP_RET_LOG;
        case OCI_ACT_NOTIFY:
                return SECCOMP_RET_USER_NOTIF;
        }
        return BAD_PROGRAM;
}

static bool arg_holds(const struct oci_seccomp_arg *arg, const uint64_t *args) {
        uint64_t x = args[arg->index];
        switch ((enum oci_seccomp_op)arg->op.v) {
        case OCI_CMP_NE:
                return x != arg->value;
        case OCI_CMP_LT:
                return x < arg->value;
        case OCI_CMP_LE:
                return x <= arg->value;
        case OCI_CMP_EQ:
                return x == arg->value;
        case OCI_CMP_GE:
                return x >= arg->value;
        case OCI_CMP_GT:
                return x > arg->value;
        case OCI_CMP_MASKED_EQ:
                return (x & arg->value) == arg->value_two;
        }
        return false;
}

static bool rule_holds(const struct oci_seccomp_syscall *rule, const char *name, const uint64_t *args) {
        bool is_repeated = false, all = true, any = false;
        if (!strv_has(&rule->names, name))
                return false;
        for (size_t i = 0; i < rule->args.n; i++) {
                bool holds = arg_holds(&rule->args.at[i], args);
                all = all && holds;
                any = any || holds;
                for (size_t j = 0; j < i; j++)
                        is_repeated = is_repeated || rule->args.at[i].index == rule->args.at[j].index;
        }
        return is_repeated ? any : all;
}

static uint32_t meaning(const struct oci_seccomp *profile, const char *name, const uint64_t *args) {
        for (size_t i = 0; i < profile->syscalls.n; i++)
                if (rule_holds(&profile->syscalls.at[i], name, args))
                        return meaning_of(profile->syscalls.at[i].action.v, &profile->syscalls.at[i].errno_ret);
        return meaning_of(profile->default_action.v, &profile->default_errno_ret);
}

/* -- random profiles -- */
static const struct {
        const char *name;
        int number;
} calls[] = {
        { "read", SYS_read },       { "write", SYS_write },
        { "close", SYS_close },     { "openat", SYS_openat },
        { "mount", SYS_mount },     { "socket", SYS_socket },
        { "clone", SYS_clone },     { "personality", SYS_personality },
        { "kill", SYS_kill },       { "getppid", SYS_getppid },
        { "ptrace", SYS_ptrace },   { "umount2", SYS_umount2 },
        { "keyctl", SYS_keyctl },   { "bpf", SYS_bpf },
        { "unshare", SYS_unshare }, { "setns", SYS_setns },
        { "ioctl", SYS_ioctl },     { "prctl", SYS_prctl },
        { "fcntl", SYS_fcntl },     { "acct", SYS_acct },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_below(uint32_t n) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t)(random_state >> 33) % n;
}

/* Few different numbers, so that comparisons are often equal; some only differ in their upper half. */
static uint64_t random_value(void) {
        static const uint64_t values[] = {
                0, 1, 2, 38, 40, 0xffffffff, 0x100000000, 0x100000026, UINT64_MAX, 0x7e020000
        };
        return values[random_below(sizeof(values) / sizeof(values[0]))];
}

#define MAX_RULES 12

struct random_profile {
        struct oci_seccomp profile;
        struct oci_seccomp_syscall rules[MAX_RULES];
        struct oci_seccomp_arg args[MAX_RULES][3];
        const char *names[MAX_RULES][3];
};

/* A call has one action in a profile (what rules of different actions for one call mean is not defined by the spec). */
static void make_random(struct random_profile *p) {
        static const int64_t defaults[] = { OCI_ACT_ERRNO, OCI_ACT_ALLOW, OCI_ACT_KILL_PROCESS, OCI_ACT_LOG };
        static const int64_t actions[] = { OCI_ACT_ALLOW, OCI_ACT_ERRNO, OCI_ACT_TRAP,
                                           OCI_ACT_KILL,  OCI_ACT_TRACE, OCI_ACT_LOG };
        memset(p, 0, sizeof(*p));
        p->profile.default_action = (struct named){ true, defaults[random_below(4)] };
        p->profile.syscalls.at = p->rules;
        p->profile.syscalls.n = 1 + random_below(MAX_RULES);
        uint32_t offset = random_below(6);
        for (size_t i = 0; i < p->profile.syscalls.n; i++) {
                struct oci_seccomp_syscall *rule = &p->rules[i];
                uint32_t group = random_below(6);
                rule->action = (struct named){ true, actions[(group + offset) % 6] };
                if (rule->action.v == OCI_ACT_ERRNO)
                        rule->errno_ret = (struct opt_u32){ true, 30 + group };
                rule->names = (struct strv){ p->names[i], 1 + random_below(2), 0 };
                for (size_t n = 0; n < rule->names.n; n++)
                        p->names[i][n] = calls[group + 6 * random_below(3)].name;
                rule->args.at = p->args[i];
                rule->args.n = random_below(4);
                for (size_t n = 0; n < rule->args.n; n++) {
                        uint64_t value = random_value(), datum = random_value();
                        int64_t op = random_below(7);
                        p->args[i][n] =
                                (struct oci_seccomp_arg){ .index = random_below(3),
                                                          .op = { true, op },
                                                          .value = value,
                                                          .value_two = op == OCI_CMP_MASKED_EQ ? value & datum : 0 };
                }
        }
}

static void test_random(void) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        size_t wrong = 0, failed = 0, bad_arch = 0, tried = 0;
        for (int round = 0; round < 3000; round++) {
                struct random_profile p;
                make_random(&p);
                b->plan = plan_new();
                b->config->linux_->seccomp = &p.profile;
                if (plan_seccomp(b) < 0) {
                        failed++;
                        printf("# %s\n", err_message());
                        continue;
                }
                struct filter f = filter_of(b);
                for (int i = 0; i < 400; i++, tried++) {
                        uint32_t c = random_below(CALLS);
                        struct seccomp_data data = { .nr = calls[c].number,
                                                     .arch = NATIVE,
                                                     .args = { random_value(), random_value(), random_value() } };
                        uint64_t args[6] = { data.args[0], data.args[1], data.args[2] };
                        uint32_t got = run_filter(&f, &data), want = meaning(&p.profile, calls[c].name, args);
                        if (got != want && wrong++ < 5)
                                printf("# round %d %s(%llx, %llx, %llx): got %x, want %x\n", round, calls[c].name,
                                       (unsigned long long)args[0], (unsigned long long)args[1],
                                       (unsigned long long)args[2], got, want);
                        data.arch = AUDIT_ARCH_S390;
                        bad_arch += run_filter(&f, &data) != SECCOMP_RET_KILL_PROCESS;
                }
        }
        CHECK_INT(failed, 0);
        CHECK_INT(wrong, 0);
        CHECK_INT(bad_arch, 0);
        CHECK_INT(tried, 1200000);
}

/* Calls with so many rules that a jump does not reach over them. */
#define FAR_RULES 40

static void test_far(void) {
        static struct oci_seccomp_syscall rules[CALLS * FAR_RULES];
        static struct oci_seccomp_arg args[CALLS * FAR_RULES];
        struct oci_seccomp profile = { .default_action = { true, OCI_ACT_ERRNO } };
        for (size_t i = 0; i < CALLS * FAR_RULES; i++) {
                args[i] = (struct oci_seccomp_arg){ .index = 1,
                                                    .op = { true, OCI_CMP_EQ },
                                                    .value = (i + 1) * 0x100000003 >> (i % 2 * 32) };
                rules[i] = (struct oci_seccomp_syscall){ .names = { (const char **)&calls[i / FAR_RULES].name, 1, 0 },
                                                         .action = { true, OCI_ACT_ALLOW },
                                                         .args = { &args[i], 1 } };
        }
        profile.syscalls.at = rules;
        profile.syscalls.n = CALLS * FAR_RULES;
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        b->config->linux_->seccomp = &profile;
        CHECK(plan_seccomp(b) == 0);
        struct filter f = filter_of(b);
        size_t wrong = 0, allowed = 0, far = 0;
        for (size_t i = 0; i < f.n; i++)
                far += f.at[i].code == (BPF_JMP | BPF_JA);
        for (size_t c = 0; c < CALLS; c++)
                for (size_t i = 0; i < CALLS * FAR_RULES; i++) {
                        uint64_t values[6] = { 0, args[i].value };
                        uint32_t got = call(&f, NATIVE, calls[c].number, values[0], values[1]);
                        wrong += got != meaning(&profile, calls[c].name, values);
                        allowed += got == SECCOMP_RET_ALLOW;
                }
        CHECK_INT(wrong, 0);
        CHECK(f.n > 2000 && far > 10);
        CHECK_INT(allowed, CALLS * FAR_RULES);
        CHECK_INT(call(&f, NATIVE, 9999, 0, 0), SECCOMP_RET_ERRNO | EPERM);
        CHECK_INT(call(&f, AUDIT_ARCH_S390, SYS_read, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

/* -- the shape that engines send -- */
#define ENGINE_PROFILE                                                                                                 \
        "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,"                                     \
        "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":["                  \
        "{\"names\":[\"accept\",\"close\",\"execve\",\"futex_waitv_of_the_future\",\"openat\",\"read\",\"write\"],"    \
        "\"action\":\"SCMP_ACT_ALLOW\"},"                                                                              \
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":0,\"op\":\"SCMP_" \
        "CMP_EQ\"}]},"                                                                                                 \
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":8,\"op\":\"SCMP_" \
        "CMP_EQ\"}]},"                                                                                                 \
        "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,"            \
        "\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"                                                             \
        "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38},"                                      \
        "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1},"                                        \
        "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":40,\"op\":\"SCMP_CMP_" \
        "NE\"}]}]}"

static void test_engine_profile(void) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0), .linux_ = ENGINE_PROFILE });
        CHECK(plan_seccomp(b) == 0);
        CHECK_STR(plan_case_warnings(b->plan),
                  "linux.seccomp.syscalls: unknown to libseccomp, left out: futex_waitv_of_the_future");
        struct filter f = filter_of(b);
        const uint32_t denied = SECCOMP_RET_ERRNO | EPERM, allowed = SECCOMP_RET_ALLOW;
        CHECK_INT(call(&f, NATIVE, SYS_read, 0, 0), allowed);
        CHECK_INT(call(&f, NATIVE, SYS_mount, 0, 0), denied);
        CHECK_INT(call(&f, NATIVE, SYS_personality, 8, 0), allowed);
        CHECK_INT(call(&f, NATIVE, SYS_personality, 9, 0), denied);
        CHECK_INT(call(&f, NATIVE, SYS_clone, 0x11, 0), allowed);
        CHECK_INT(call(&f, NATIVE, SYS_clone, 0x10000000, 0), denied);
        CHECK_INT(call(&f, NATIVE, SYS_clone3, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
        CHECK_INT(call(&f, NATIVE, SYS_socket, 2, 0), allowed);
        CHECK_INT(call(&f, NATIVE, SYS_socket, 40, 0), denied);
        CHECK_INT(call(&f, NATIVE, 9999, 0, 0), denied);
        CHECK_INT(call(&f, AUDIT_ARCH_S390, SYS_read, 0, 0), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
        CHECK_INT(call(&f, AUDIT_ARCH_I386, 4, 0, 0), allowed); /* write of i386 */
        CHECK_INT(call(&f, AUDIT_ARCH_I386, 21, 0, 0), denied); /* mount of i386 */
        CHECK_INT(call(&f, NATIVE, 0x40000000, 0, 0), allowed); /* read of x32 */
        b = plan_case_build(
                &(struct plan_case){ .process = USER(0, 0),
                                     .linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
                                               "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}" });
        CHECK(plan_seccomp(b) == 0);
        f = filter_of(b);
        CHECK_INT(call(&f, NATIVE, 0x40000000, 0, 0), SECCOMP_RET_KILL_PROCESS);
        CHECK_INT(call(&f, AUDIT_ARCH_I386, 4, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

#define KILL_ONE                                                                                                       \
        "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["                                               \
        "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}"

/* Socket and ipc calls of i386 by their own number and through the shared one, whose other arguments nobody sees. */
static void test_i386_doors(void) {
#if defined(__x86_64__)
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0),
                .linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],"
                          "\"syscalls\":[{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
                          "{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]},"
                          "{\"names\":[\"recv\",\"shmat\"],\"action\":\"SCMP_ACT_ALLOW\"}]}" });
        static const struct {
                uint64_t first;
                int number;
                bool is_allowed;
        } rows[] = {
                { 2, 359, true },  { 40, 359, false }, { 1, 102, true },       { 2, 102, false },
                { 10, 102, true }, { 21, 117, true },  { 0x10015, 117, true }, { 22, 117, false },
                { 0, 397, true },  { 0, 398, false },  { 2, 41, false },
        };
        CHECK(plan_seccomp(b) == 0);
        struct filter f = filter_of(b);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_INT(call(&f, AUDIT_ARCH_I386, rows[i].number, rows[i].first, 99),
                          rows[i].is_allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM);
        CHECK_INT(call(&f, NATIVE, SYS_socket, 2, 0), SECCOMP_RET_ALLOW);
        CHECK_INT(call(&f, NATIVE, 0x40000000 + SYS_socket, 2, 0), SECCOMP_RET_KILL_PROCESS);
        CHECK_INT(call(&f, NATIVE, -1, 0, 0), SECCOMP_RET_ERRNO | EPERM);
        CHECK_INT(call(&f, NATIVE, -2, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

/* A rule without comparisons settles a call, wherever it stands. */
static void test_unconditional(void) {
        static const char *const profiles[] = {
                "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_TRAP\"}," KILL_ONE,
                KILL_ONE ",{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_TRAP\"}",
        };
        for (size_t i = 0; i < 2; i++) {
                struct build *b = plan_case_build(&(struct plan_case){
                        .process = USER(0, 0),
                        .linux_ = str_format("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[%s]}",
                                             profiles[i]) });
                CHECK(plan_seccomp(b) == 0);
                struct filter f = filter_of(b);
                CHECK_INT(call(&f, NATIVE, SYS_kill, 1, 0), SECCOMP_RET_TRAP);
                CHECK_INT(call(&f, NATIVE, SYS_kill, 2, 0), SECCOMP_RET_TRAP);
                CHECK_INT(call(&f, NATIVE, SYS_getppid, 2, 0), SECCOMP_RET_ALLOW);
        }
}

/* On an architecture of 32 bits, a number is compared as the 32 bits it is there. */
static void test_narrow(void) {
#if defined(__x86_64__)
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0),
                .linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\","
                          "\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\","
                          "\"args\":[{\"index\":0,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}]},"
                          "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
                          "{\"index\":1,\"value\":40,\"op\":\"SCMP_CMP_GE\"}]}]}" });
        static const struct {
                uint32_t arch;
                int number;
                uint64_t first, second;
                bool is_denied;
        } rows[] = {
                { AUDIT_ARCH_I386, 37, UINT32_MAX, 1, true },
                { AUDIT_ARCH_I386, 37, 1, 1, false },
                { AUDIT_ARCH_I386, 37, 1, 40, true },
                { AUDIT_ARCH_I386, 62, 1, 40, false },
                { NATIVE, 62, UINT64_MAX, 1, true },
                { NATIVE, 62, UINT32_MAX, 1, false },
                { NATIVE, 0x40000000 + 62, UINT32_MAX, 1, true },
                { NATIVE, 0x40000000 + 62, 1, 39, false },
        };
        CHECK(plan_seccomp(b) == 0);
        struct filter f = filter_of(b);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_INT(call(&f, rows[i].arch, rows[i].number, rows[i].first, rows[i].second),
                          rows[i].is_denied ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
#endif
}

#define PROFILE(members)         "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"" members "}"
#define RULE(name, action, more) ",\"syscalls\":[{\"names\":[\"" name "\"],\"action\":\"" action "\"" more "}]"

static void test_flags(void) {
        static const struct {
                const char *profile, *probe;
                uint64_t flags;
        } rows[] = {
                { PROFILE(",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"]"), NULL,
                  SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC },
                { PROFILE(",\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]"), NULL, SECCOMP_FILTER_FLAG_SPEC_ALLOW },
                { PROFILE(",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]"), NULL, 0 },
                { PROFILE(",\"listenerPath\":\"/run/agent\""), NULL, 0 },
                { PROFILE(",\"listenerPath\":\"/run/agent\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\","
                          "\"SECCOMP_FILTER_FLAG_TSYNC\"]" RULE("mkdirat", "SCMP_ACT_NOTIFY", "")),
                  NULL,
                  SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
                          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH },
                { PROFILE(",\"listenerPath\":\"/run/"
                          "agent\",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]" RULE("mkdirat",
                                                                                                "SCMP_ACT_NOTIFY", "")),
                  "old", SECCOMP_FILTER_FLAG_NEW_LISTENER },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b = plan_case_build(&(struct plan_case){
                        .process = USER(0, 0), .linux_ = rows[i].profile, .probe = rows[i].probe });
                CHECK_ROW(plan_seccomp(b) == 0 && filter_of(b).flags == rows[i].flags, rows[i].profile);
        }
}

/* A profile for more machines than libseccomp knows is still one for this machine. */
static void test_unknown_architecture(void) {
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0), .linux_ = PROFILE(",\"architectures\":[\"SCMP_ARCH_LOONGARCH64\"]") });
        b->config->linux_->seccomp->architectures.at[0] = "SCMP_ARCH_PDP11";
        CHECK(plan_seccomp(b) == 0);
        CHECK_STR(plan_case_warnings(b->plan),
                  "linux.seccomp.architectures[0]: SCMP_ARCH_PDP11: unknown to libseccomp, left out");
        struct filter f = filter_of(b);
        CHECK_INT(call(&f, NATIVE, SYS_read, 0, 0), SECCOMP_RET_ALLOW);
        CHECK_INT(call(&f, AUDIT_ARCH_S390, SYS_read, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

static void test_refused(void) {
        static const struct {
                const char *profile, *rest, *words;
        } rows[] = {
                { PROFILE(RULE("mkdirat", "SCMP_ACT_KILL", ",\"errnoRet\":1")), NULL,
                  "linux.seccomp.syscalls[0]: SCMP_ACT_KILL takes no errno" },
                { PROFILE(",\"defaultErrnoRet\":1"), NULL, "linux.seccomp.defaultErrnoRet" },
                { PROFILE(RULE("mkdirat", "SCMP_ACT_ERRNO", ",\"errnoRet\":65536")), NULL, "above 65535" },
                { PROFILE(RULE("mkdirat", "SCMP_ACT_NOTIFY", "")), NULL, "listenerPath" },
                { PROFILE(",\"listenerPath\":\"/a\"" RULE("sendmsg", "SCMP_ACT_NOTIFY", "")), NULL, "sendmsg" },
                { "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"/a\"}", NULL,
                  "defaultAction" },
                { PROFILE(RULE("no_such_call", "SCMP_ACT_ERRNO", "")),
                  "\"annotations\":{\"run.oci.seccomp_fail_unknown_syscall\":\"1\"}",
                  "unknown to libseccomp: no_such_call" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b = plan_case_build(
                        &(struct plan_case){ .process = USER(0, 0), .linux_ = rows[i].profile, .rest = rows[i].rest });
                err_clear();
                CHECK_ROW(plan_seccomp(b) < 0 && strstr(err_message(), rows[i].words), rows[i].words);
        }
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        CHECK(plan_seccomp(b) == 0 && b->plan->count[LANE_CHILD] == 0);
}

/* The kernel takes the program and holds the caller to it. */
static void test_live(void) {
        struct build *b = plan_case_build(&(struct plan_case){
                .process = USER(0, 0), .linux_ = PROFILE(RULE("getppid", "SCMP_ACT_ERRNO", ",\"errnoRet\":99")) });
        CHECK(plan_seccomp(b) == 0);
        struct filter f = filter_of(b);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
                struct sock_fprog program = { (unsigned short)f.n, (struct sock_filter *)f.at };
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f.flags, &program) < 0)
                        _exit(2);
                long r = syscall(SYS_getppid);
                _exit(r == -1 && errno == 99 && syscall(SYS_getpid) > 0 ? 0 : 3);
        }
        int status = -1;
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        CHECK_INT(status, 0);
}

int main(void) {
        test_engine_profile();
        test_i386_doors();
        test_unconditional();
        test_narrow();
        test_flags();
        test_refused();
        test_unknown_architecture();
        test_live();
        test_random();
        test_far();
        return test_done();
}
