/* The numbers of system calls and the program for the profile that engines send, against libseccomp's. */
#include "runtime/plan/seccomp_calls.h"
#include "specs/base/file.h"
#include "tests/unit/seccomp_case.h"

#include "specs/oci_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#define X32_BIT 0x40000000

/* The same number, or on both sides none. */
static bool is_same(int ours, int theirs) {
        return theirs >= 0 ? ours == theirs : ours < 0;
}

/* Here calls behind socketcall(2) and ipc(2) have negative numbers that count. */
static bool is_same_i386(int ours, int theirs) {
        bool is_door = theirs < -100 && theirs >= -224;
        return is_door ? ours == theirs : is_same(ours, theirs) && (ours > -101 || ours < -224);
}

static void test_rows(void) {
        size_t wrong = 0, unsorted = 0, compared = 0;
        for (size_t i = 0; i < seccomp_calls_n; i++) {
                const struct seccomp_call *row = &seccomp_calls[i];
                unsorted += i > 0 && strcmp(row[-1].name, row->name) >= 0;
                if (seccomp_syscall_resolve_name(row->name) == __NR_SCMP_ERROR)
                        continue; /* this libseccomp is older */
                compared++;
                int x32 = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X32, row->name);
                bool is_right = is_same(row->x86_64, seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, row->name)) &&
                                is_same_i386(row->i386, seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, row->name)) &&
                                is_same(row->x32, x32 < 0 ? x32 : x32 - X32_BIT);
                if (!is_right && wrong++ < 5)
                        printf("# %s\n", row->name);
        }
        CHECK_INT(wrong, 0);
        CHECK_INT(unsorted, 0);
        CHECK(compared > 450);
}

static void test_find(void) {
        size_t wrong = 0, place = 0;
        for (size_t i = 0; i < seccomp_calls_n; i++) {
                size_t from = i * 7 % seccomp_calls_n;
                wrong += seccomp_calls_find(seccomp_calls[i].name, &from) != &seccomp_calls[i] || from != i;
                wrong += seccomp_calls_find(seccomp_calls[i].name, &place) != &seccomp_calls[i] || place != i;
        }
        CHECK_INT(wrong, 0);
        static const char *const names[] = { "", "a", "futex_waitv_of_the_future", "zz" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                CHECK_ROW(!seccomp_calls_find(names[i], &place) && place == seccomp_calls_n - 1, names[i]);
}

/* -- the profile of engines -- */
static const struct oci_seccomp *engine_profile(void) {
        char *text;
        size_t size;
        if (read_file_at(AT_FDCWD, "tests/bats/seccomp.json", 1 << 20, &text, &size) < 0) {
                printf("Bail out! %s\n", err_message());
                exit(1);
        }
        struct build *b = plan_case_build(
                &(struct plan_case){ .process = USER(0, 0), .linux_ = str_format("\"seccomp\":%s", text) });
        return b->config->linux_->seccomp;
}

static uint32_t action_of(const struct named *action, const struct opt_u32 *number) {
        return action->v == OCI_ACT_ALLOW ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(number->set ? number->v : EPERM);
}

/* libseccomp's own program for the profile, whose actions are only ALLOW and ERRNO. */
static struct filter program_of_libseccomp(const struct oci_seccomp *profile) {
        static const enum scmp_compare compare[] = {
                [OCI_CMP_NE] = SCMP_CMP_NE,
                [OCI_CMP_LT] = SCMP_CMP_LT,
                [OCI_CMP_LE] = SCMP_CMP_LE,
                [OCI_CMP_EQ] = SCMP_CMP_EQ,
                [OCI_CMP_GE] = SCMP_CMP_GE,
                [OCI_CMP_GT] = SCMP_CMP_GT,
                [OCI_CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
        };
        uint32_t otherwise = action_of(&profile->default_action, &profile->default_errno_ret);
        scmp_filter_ctx context = seccomp_init(otherwise);
        int failed = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0;
        failed += seccomp_arch_add(context, SCMP_ARCH_X86) < 0 || seccomp_arch_add(context, SCMP_ARCH_X32) < 0;
        for (size_t i = 0; i < profile->syscalls.n; i++) {
                const struct oci_seccomp_syscall *rule = &profile->syscalls.at[i];
                uint32_t action = action_of(&rule->action, &rule->errno_ret);
                struct scmp_arg_cmp args[6];
                for (size_t a = 0; a < rule->args.n; a++)
                        args[a] = (struct scmp_arg_cmp){ rule->args.at[a].index, compare[rule->args.at[a].op.v],
                                                         rule->args.at[a].value, rule->args.at[a].value_two };
                for (size_t n = 0; action != otherwise && n < rule->names.n; n++) {
                        int number = seccomp_syscall_resolve_name(rule->names.at[n]);
                        if (number != __NR_SCMP_ERROR)
                                failed += seccomp_rule_add_array(context, action, number, (unsigned)rule->args.n,
                                                                 args) < 0;
                }
        }
        static struct sock_filter program[BPF_MAXINSNS];
        int memory = memfd_create("program", MFD_CLOEXEC);
        failed += seccomp_export_bpf(context, memory) < 0;
        ssize_t size = pread(memory, program, sizeof(program), 0);
        (void)close(memory);
        seccomp_release(context);
        CHECK_INT(failed, 0);
        return (struct filter){ program, size > 0 ? (size_t)size / sizeof(*program) : 0, 0 };
}

/* Every number of three architectures and some beside them, with arguments near those that the rules name. */
static void test_engine_program(void) {
        static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64 };
        static const uint64_t values[] = { 0,          1,           2,           8,         9,          16,
                                           17,         40,          0x20000,     0x20008,   0x10000000, 0x7e020000,
                                           UINT32_MAX, 0x100000000, 0x100000008, UINT64_MAX };
        static const uint32_t starts[] = { 0, X32_BIT, UINT32_MAX - 1023 };
        const size_t n = sizeof(values) / sizeof(values[0]), samples = 7 * n; /* all pairs of the first and third */
        const struct oci_seccomp *profile = engine_profile();
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        b->config->linux_->seccomp = (struct oci_seccomp *)profile;
        CHECK(plan_seccomp(b) == 0);
        struct filter ours = filter_of(b), theirs = program_of_libseccomp(profile);
        size_t wrong = 0, tried = 0;
        for (size_t i = 0; i < 3 * 3 * 1024; i++)
                for (size_t v = 0; v < samples; v++, tried++) {
                        struct seccomp_data data = { .nr = (int)(starts[i / 1024 % 3] + i % 1024),
                                                     .arch = arches[i / 1024 / 3],
                                                     .args = { values[v % n], values[v / n], values[v % 7] } };
                        uint32_t got = run_filter(&ours, &data), want = run_filter(&theirs, &data);
                        if (got != want && wrong++ < 5)
                                printf("# %x %x(%llx, %llx): got %x, libseccomp has %x\n", data.arch, data.nr,
                                       (unsigned long long)data.args[0], (unsigned long long)data.args[1], got, want);
                }
        CHECK_INT(wrong, 0);
        CHECK_INT(tried, 9 * 1024 * samples);
        printf("# %zu instructions, libseccomp has %zu\n", ours.n, theirs.n);
        CHECK(ours.n < 400);
}

int main(void) {
        test_rows();
        test_find();
#if defined(__x86_64__)
        test_engine_program();
#endif
        return test_done();
}
