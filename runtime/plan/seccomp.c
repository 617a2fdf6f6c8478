/* Seccomp profile -> BPF instructions.  The only file that knows libseccomp.  Parent side; its one system call beside
 * reading is the memfd that libseccomp 2.5 writes the program to.  Spec: config-linux.md "Seccomp".
 *
 * Where the spec leaves room: the native architecture is always part of the filter, a call through any other is fatal
 * to the process; names that this libseccomp does not know are left out with a warning (an error when the annotation
 * run.oci.seccomp_fail_unknown_syscall asks); calls that the profile does not name get its default action, however new
 * they are; a rule that uses one argument twice is satisfied by any one of its comparisons, as engines expect. */
#include "runtime/plan/plan.h"
#include "runtime/plan/seccomp_exact.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/oci_names.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>

#define ARGUMENTS       6
#define MAX_FILTER_SIZE (4096 * sizeof(struct sock_filter)) /* BPF_MAXINSNS: the kernel takes no more */
#define FLAG(name)      SECCOMP_FILTER_FLAG_##name

struct compiler {
        struct build *build;
        const struct oci_seccomp *profile;
        scmp_filter_ctx filter;
        uint32_t default_action;
        struct u32v arches;               /* of the profile, as libseccomp numbers them */
        struct strv unknown, conditional; /* names of calls: unknown to libseccomp, with rules that look at arguments */
        bool notifies;
        struct exact_program exact; /* in front of libseccomp's program */
};

static void filter_release(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

/* The kernel's action word; errno_ret is only for the two that carry a number. */
static int translate_action(const char *place, int64_t action, const struct opt_u32 *errno_ret, uint32_t *ret) {
        bool takes_number = action == OCI_ACT_ERRNO || action == OCI_ACT_TRACE;
        uint32_t number = errno_ret->set ? errno_ret->v : EPERM;
        if (errno_ret->set && !takes_number)
                return fail_words(EINVAL, "%s: %s takes no errno", place, names_of(&oci_seccomp_action_names, action));
        if (number > UINT16_MAX)
                return fail_words(ERANGE, "%s: errno %u is above %d", place, number, UINT16_MAX);
        const uint32_t words[] = {
                [OCI_ACT_KILL] = SCMP_ACT_KILL_THREAD,
                [OCI_ACT_KILL_PROCESS] = SCMP_ACT_KILL_PROCESS,
                [OCI_ACT_KILL_THREAD] = SCMP_ACT_KILL_THREAD,
                [OCI_ACT_TRAP] = SCMP_ACT_TRAP,
                [OCI_ACT_ERRNO] = SCMP_ACT_ERRNO(number),
                [OCI_ACT_TRACE] = SCMP_ACT_TRACE(number),
                [OCI_ACT_ALLOW] = SCMP_ACT_ALLOW,
                [OCI_ACT_LOG] = SCMP_ACT_LOG,
                [OCI_ACT_NOTIFY] = SCMP_ACT_NOTIFY,
        };
        *ret = words[action];
        return 0;
}

/* libseccomp's names of architectures are those of the spec without the prefix, in lower case; 0: unknown to it. */
static uint32_t resolve_architecture(const char *name) {
        char *lower = str_format("%s", str_starts(name, "SCMP_ARCH_") ? name + sizeof("SCMP_ARCH_") - 1 : name);
        for (char *l = lower; *l; l++)
                if (*l >= 'A' && *l <= 'Z')
                        *l = (char)(*l - 'A' + 'a');
        return seccomp_arch_resolve_name(lower);
}

struct strv plan_seccomp_archs(void) {
        struct strv known = { 0 };
        for (const struct name *row = oci_seccomp_arch_names.rows; row->name; row++)
                if (resolve_architecture(row->name))
                        strv_add(&known, row->name);
        return known;
}

static int add_architectures(struct compiler *c) {
        c->arches.at = arena_array(c->profile->architectures.n, sizeof(*c->arches.at));
        for (size_t i = 0; i < c->profile->architectures.n; i++) {
                const char *name = c->profile->architectures.at[i];
                uint32_t arch = resolve_architecture(name);
                if (!arch) {
                        /* Not ours, then: calls through it stay fatal. */
                        plan_warn(c->build->plan,
                                  "linux.seccomp.architectures[%zu]: %s: unknown to libseccomp, left out", i,
                                  str_printable(name));
                        continue;
                }
                int r = seccomp_arch_add(c->filter, arch);
                if (r < 0 && r != -EEXIST)
                        return fail(r, "linux.seccomp.architectures[%zu]: %s", i, name);
                if (r == 0)
                        c->arches.at[c->arches.n++] = arch;
        }
        return 0;
}

static struct scmp_arg_cmp comparison(const struct oci_seccomp_arg *arg) {
        static const enum scmp_compare operators[] = {
                [OCI_CMP_NE] = SCMP_CMP_NE,
                [OCI_CMP_LT] = SCMP_CMP_LT,
                [OCI_CMP_LE] = SCMP_CMP_LE,
                [OCI_CMP_EQ] = SCMP_CMP_EQ,
                [OCI_CMP_GE] = SCMP_CMP_GE,
                [OCI_CMP_GT] = SCMP_CMP_GT,
                [OCI_CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
        };
        return (struct scmp_arg_cmp){ arg->index, operators[arg->op.v], arg->value, arg->value_two };
}

static bool repeats_argument(const struct oci_seccomp_syscall *rule) {
        unsigned seen = 0;
        for (size_t i = 0; i < rule->args.n; i++) {
                if (seen & 1u << rule->args.at[i].index)
                        return true;
                seen |= 1u << rule->args.at[i].index;
        }
        return false;
}

/* One call under one rule: all comparisons together, or one rule for each when an argument is used twice. */
static int add_call(struct compiler *c, int number, uint32_t action, const struct oci_seccomp_syscall *rule) {
        struct scmp_arg_cmp all[ARGUMENTS];
        if (repeats_argument(rule)) {
                for (size_t i = 0; i < rule->args.n; i++) {
                        struct scmp_arg_cmp one = comparison(&rule->args.at[i]);
                        int r = seccomp_rule_add_array(c->filter, action, number, 1, &one);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        for (size_t i = 0; i < rule->args.n; i++)
                all[i] = comparison(&rule->args.at[i]);
        return seccomp_rule_add_array(c->filter, action, number, (unsigned)rule->args.n, all);
}

/* The child hands the listener over with sendmsg, which nobody could answer for before it is handed over. */
static int check_notify(struct compiler *c, const char *place, const char *name) {
        if (!c->profile->listener_path)
                return fail_words(EINVAL, "%s: SCMP_ACT_NOTIFY without linux.seccomp.listenerPath", place);
        if (str_eq(name, "sendmsg"))
                return fail_words(EINVAL, "%s: SCMP_ACT_NOTIFY on sendmsg: the listener could never be handed over",
                                  place);
        c->notifies = true;
        return 0;
}

static int add_rule(struct compiler *c, size_t index) {
        const struct oci_seccomp_syscall *rule = &c->profile->syscalls.at[index];
        const char *place = str_format("linux.seccomp.syscalls[%zu]", index);
        uint32_t action;
        int r = translate_action(place, rule->action.v, &rule->errno_ret, &action);
        if (r < 0)
                return r;
        for (size_t i = 0; i < rule->args.n; i++)
                if (rule->args.at[i].index >= ARGUMENTS)
                        return fail_words(EINVAL, "%s.args[%zu].index: a system call has arguments 0 to 5", place, i);
        if (action == c->default_action)
                return 0;
        if (repeats_argument(rule))
                plan_warn(c->build->plan, "%s.args: an argument is used twice: any one of the comparisons is enough",
                          place);
        for (size_t i = 0; i < rule->names.n; i++) {
                int number = seccomp_syscall_resolve_name(rule->names.at[i]);
                if (number == __NR_SCMP_ERROR) {
                        if (!strv_has(&c->unknown, rule->names.at[i]))
                                strv_add(&c->unknown, str_printable(rule->names.at[i]));
                        continue;
                }
                r = rule->action.v == OCI_ACT_NOTIFY ? check_notify(c, place, rule->names.at[i]) : 0;
                if (r < 0)
                        return r;
                if (rule->args.n && !strv_has(&c->conditional, rule->names.at[i]))
                        strv_add(&c->conditional, rule->names.at[i]);
                r = add_call(c, number, action, rule);
                if (r < 0)
                        return fail(r, "%s: %s", place, str_printable(rule->names.at[i]));
        }
        return 0;
}

/* -- calls with several conditional rules, see seccomp_exact.h -- */
struct alternatives {
        struct exact_rule *at;
        size_t n;
        bool is_simple; /* nothing that libseccomp gets wrong */
};

/* Every alternative of a call in the order of the profile.  Simple is what every profile has: a rule without
 * comparisons (which settles the call), one alternative alone, or one argument that may be any of several numbers. */
static int collect_alternatives(struct compiler *c, const char *name, struct alternatives *ret) {
        struct alternatives all = { .is_simple = true };
        size_t room = 0;
        for (size_t i = 0; i < c->profile->syscalls.n; i++)
                room += c->profile->syscalls.at[i].args.n;
        all.at = arena_array(room, sizeof(*all.at));
        for (size_t i = 0; i < c->profile->syscalls.n; i++) {
                const struct oci_seccomp_syscall *rule = &c->profile->syscalls.at[i];
                uint32_t action;
                int r = translate_action("linux.seccomp", rule->action.v, &rule->errno_ret, &action);
                if (r < 0)
                        return r;
                if (action == c->default_action || !strv_has(&rule->names, name))
                        continue;
                if (!rule->args.n) {
                        ret->is_simple = true;
                        return 0;
                }
                size_t step = repeats_argument(rule) ? 1 : rule->args.n;
                for (size_t a = 0; a < rule->args.n; a += step) {
                        const struct oci_seccomp_arg *args = &rule->args.at[a];
                        all.at[all.n++] = (struct exact_rule){ args, step, action };
                        if (step > 1 || args->op.v != OCI_CMP_EQ || args->index != all.at[0].args->index ||
                            action != all.at[0].action)
                                all.is_simple = false;
                }
        }
        all.is_simple = all.is_simple || all.n < 2;
        *ret = all;
        return 0;
}

static void add_exact_call(struct compiler *c, const char *name, uint32_t arch, const struct alternatives *all) {
        int number = seccomp_syscall_resolve_name_arch(arch, name);
        if (number < 0)
                return; /* not on this architecture, or part of a call of many, which libseccomp takes apart */
        const struct exact_call call = {
                .arch = arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch, /* as seccomp_data has it */
                .number = (uint32_t)number,
                .is_narrow = !(arch & __AUDIT_ARCH_64BIT),
                .otherwise = c->default_action,
                .rules = all->at,
                .count = all->n,
        };
        seccomp_exact(&c->exact, &call);
}

static int add_exact(struct compiler *c) {
        for (size_t i = 0; i < c->conditional.n; i++) {
                const char *name = c->conditional.at[i];
                struct alternatives all = { 0 };
                int r = collect_alternatives(c, name, &all);
                if (r < 0)
                        return r;
                if (all.is_simple)
                        continue;
                add_exact_call(c, name, seccomp_arch_native(), &all);
                for (size_t a = 0; a < c->arches.n; a++)
                        if (c->arches.at[a] != seccomp_arch_native())
                                add_exact_call(c, name, c->arches.at[a], &all);
        }
        return 0;
}

static int tell_unknown(struct compiler *c) {
        const char *strict = oci_annotation(c->build->config, "run.oci.seccomp_fail_unknown_syscall");
        if (!c->unknown.n)
                return 0;
        const char *names = str_join(&c->unknown, ", ");
        if (strict && !str_eq(strict, "0") && !str_eq(strict, "false"))
                return fail_words(EINVAL, "linux.seccomp.syscalls: unknown to libseccomp: %s", names);
        strv_add(&c->build->plan->warnings,
                 str_format("linux.seccomp.syscalls: unknown to libseccomp, left out: %s", names));
        return 0;
}

/* Flags of seccomp(2), some of which the kernel only takes together. */
static uint64_t filter_flags(struct compiler *c) {
        uint64_t flags = c->profile->flags.bits;
        struct plan *plan = c->build->plan;
        if (c->notifies)
                flags |= FLAG(NEW_LISTENER) | (flags & FLAG(TSYNC) ? FLAG(TSYNC_ESRCH) : 0);
        if (flags & FLAG(WAIT_KILLABLE_RECV) && !c->notifies) {
                plan_warn(plan,
                          "linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: nothing notifies, left out");
                flags &= ~(uint64_t)FLAG(WAIT_KILLABLE_RECV);
        }
        if (flags & FLAG(WAIT_KILLABLE_RECV) && !c->build->probe->has_seccomp_wait_killable) {
                plan_warn(plan,
                          "linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: not on this kernel, left out");
                flags &= ~(uint64_t)FLAG(WAIT_KILLABLE_RECV);
        }
        return flags;
}

static int export_filter(struct compiler *c) {
        struct plan *plan = c->build->plan;
        autofd memory = memfd_create("seccomp", MFD_CLOEXEC);
        char *text;
        size_t size, front = c->exact.n * sizeof(struct sock_filter);
        if (memory < 0)
                return fail(errno, "linux.seccomp: memfd_create");
        int r = front ? write_fd(memory, c->exact.at, front) : 0;
        if (r < 0)
                return fail_in(r, "linux.seccomp");
        r = seccomp_export_bpf(c->filter, memory);
        if (r < 0)
                return fail(r, "linux.seccomp: compile the filter");
        if (lseek(memory, 0, SEEK_SET) < 0)
                return fail(errno, "linux.seccomp: read the filter");
        r = read_fd(memory, MAX_FILTER_SIZE, &text, &size);
        if (r == -EFBIG)
                return fail_words(EFBIG,
                                  "linux.seccomp: the filter is larger than the kernel takes (4096 instructions)");
        if (r < 0)
                return fail_in(r, "linux.seccomp");
        plan->place = "linux.seccomp";
        plan_add(plan, LANE_CHILD, STEP_SECCOMP, .b = plan_bytes(plan, text, size, _Alignof(struct sock_filter)),
                 .flags = size / sizeof(struct sock_filter), .more = filter_flags(c));
        return 0;
}

/* A bad architecture kills the process, not only the thread; level 2 makes a binary tree of the call numbers. */
static int start_filter(struct compiler *c) {
        const struct oci_seccomp *profile = c->profile;
        int64_t action = profile->default_action.v;
        if (action == OCI_ACT_NOTIFY)
                return fail_words(EINVAL,
                                  "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop sendmsg: the listener "
                                  "could never be handed over");
        int r = translate_action("linux.seccomp.defaultErrnoRet", action, &profile->default_errno_ret,
                                 &c->default_action);
        if (r < 0)
                return r;
        c->filter = seccomp_init(c->default_action);
        if (!c->filter)
                return fail_words(EINVAL, "linux.seccomp.defaultAction: %s: not supported by this kernel or libseccomp",
                                  names_of(&oci_seccomp_action_names, action));
        r = seccomp_attr_set(c->filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r == 0)
                r = seccomp_attr_set(c->filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        return r < 0 ? fail(r, "linux.seccomp: set up libseccomp") : 0;
}

int plan_seccomp(struct build *b) {
        const struct oci_seccomp *profile = b->config->linux_ ? b->config->linux_->seccomp : NULL;
        __attribute__((cleanup(filter_release))) scmp_filter_ctx filter = NULL;
        struct compiler c = { .build = b, .profile = profile };
        if (!profile)
                return 0;
        int r = start_filter(&c);
        filter = c.filter;
        if (r < 0)
                return r;
        r = add_architectures(&c);
        if (r < 0)
                return r;
        for (size_t i = 0; i < profile->syscalls.n; i++) {
                r = add_rule(&c, i);
                if (r < 0)
                        return r;
        }
        r = tell_unknown(&c);
        if (r < 0)
                return r;
        r = add_exact(&c);
        return r < 0 ? r : export_filter(&c);
}
