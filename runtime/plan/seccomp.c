/* Seccomp profile -> BPF instructions.  The only file that knows libseccomp, whose tables give the numbers of system
 * calls where seccomp_calls.h does not; see seccomp_filter.h for why the program is not its.  Parent side; pure.  Spec:
 * config-linux.md "Seccomp".
 *
 * Where the spec leaves room: the native architecture is always part of the filter, a call through any other is fatal
 * to the process; names that this libseccomp does not know are left out with a warning (an error when the annotation
 * run.oci.seccomp_fail_unknown_syscall asks); calls that the profile does not name get its default action, however new
 * they are; a rule that uses one argument twice is satisfied by any one of its comparisons, as engines expect. */
#include "runtime/plan/plan.h"
#include "runtime/plan/seccomp_calls.h"
#include "runtime/plan/seccomp_filter.h"
#include "runtime/plan/seccomp_i386.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/oci_names.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define ARGUMENTS  6
#define FLAG(name) SECCOMP_FILTER_FLAG_##name

struct compiler {
        struct build *build;
        const struct oci_seccomp *profile;
        struct u32v arches; /* native first, as libseccomp numbers them */
        struct filter filter;
        size_t place;        /* of the last name in seccomp_calls */
        struct strv unknown; /* names of calls that libseccomp does not know */
        bool notifies;
};

#define DEFAULT_ACTION SIZE_MAX

/* For words only: most profiles have none. */
static const char *place_of(size_t rule) {
        return rule == DEFAULT_ACTION ? "linux.seccomp.defaultErrnoRet"
                                      : str_format("linux.seccomp.syscalls[%zu]", rule);
}

/* The kernel's action word; errno_ret is only for the two that carry a number. */
static int translate_action(size_t rule, int64_t action, const struct opt_u32 *errno_ret, uint32_t *ret) {
        bool takes_number = action == OCI_ACT_ERRNO || action == OCI_ACT_TRACE;
        uint32_t number = errno_ret->set ? errno_ret->v : EPERM;
        if (errno_ret->set && !takes_number)
                return fail_words(EINVAL, "%s: %s takes no errno", place_of(rule),
                                  names_of(&oci_seccomp_action_names, action));
        if (number > UINT16_MAX)
                return fail_words(ERANGE, "%s: errno %u is above %d", place_of(rule), number, UINT16_MAX);
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

const char *plan_seccomp_version(void) {
        const struct scmp_version *version = seccomp_version();
        return str_format("%u.%u.%u", version->major, version->minor, version->micro);
}

static void add_architecture(struct compiler *c, uint32_t arch) {
        for (size_t i = 0; i < c->arches.n; i++)
                if (c->arches.at[i] == arch)
                        return;
        c->arches.at[c->arches.n++] = arch;
        /* x32 has the name of x86-64 in what the kernel says. */
        c->filter.arches.at[c->filter.arches.n++] = (struct filter_arch){
                .name = arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch,
                .is_narrow = !(arch & __AUDIT_ARCH_64BIT),
        };
}

static void add_architectures(struct compiler *c) {
        size_t names = 0;
        c->arches.at = arena_array(c->profile->architectures.n + 1, sizeof(*c->arches.at));
        c->filter.arches.at = arena_array(c->profile->architectures.n + 1, sizeof(*c->filter.arches.at));
        add_architecture(c, seccomp_arch_native());
        for (size_t i = 0; i < c->profile->architectures.n; i++) {
                const char *name = c->profile->architectures.at[i];
                uint32_t arch = resolve_architecture(name);
                if (arch)
                        add_architecture(c, arch);
                else /* not ours, then: calls through it stay fatal */
                        plan_warn(c->build->plan,
                                  "linux.seccomp.architectures[%zu]: %s: unknown to libseccomp, left out", i,
                                  str_printable(name));
        }
        for (size_t i = 0; i < c->profile->syscalls.n; i++)
                names += c->profile->syscalls.at[i].names.n;
        for (size_t i = 0; i < c->filter.arches.n; i++)
                filter_expect(&c->filter.arches.at[i], names);
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

/* What has to hold of the arguments: all comparisons together, or any one of them when an argument is used twice. */
struct conditions {
        struct filter_args *at;
        size_t n; /* 0: nothing */
};

static struct conditions conditions_of(const struct oci_seccomp_syscall *rule) {
        size_t step = repeats_argument(rule) ? 1 : rule->args.n;
        struct conditions conditions = { .at = arena_array(rule->args.n, sizeof(*conditions.at)) };
        for (size_t a = 0; a < rule->args.n; a += step)
                conditions.at[conditions.n++] = (struct filter_args){ &rule->args.at[a], step };
        return conditions;
}

static void add_number(struct filter_arch *arch, uint32_t number, uint32_t action, const struct conditions *when) {
        struct filter_call call = { .number = number, .action = action };
        if (!when->n)
                filter_add(arch, &call);
        for (size_t i = 0; i < when->n; i++) {
                call.args = &when->at[i];
                filter_add(arch, &call);
        }
}

/* The arguments of a call through the shared number of i386 are in memory, which no filter sees: a rule for the call
 * holds there whatever they are. */
static void add_i386_call(struct filter_arch *arch, const struct i386_doors *doors, uint32_t action,
                          const struct conditions *when) {
        struct filter_args chosen = { arena_memdup(&doors->arg, sizeof(doors->arg)), 1 };
        if (doors->own)
                add_number(arch, doors->own, action, when);
        add_number(arch, doors->shared, action, &(struct conditions){ arena_memdup(&chosen, sizeof(chosen)), .n = 1 });
}

/* The row of a call on x86; other machines ask libseccomp for everything. */
static const struct seccomp_call *find_known(struct compiler *c, const char *name) {
        return c->arches.at[0] == SCMP_ARCH_X86_64 ? seccomp_calls_find(name, &c->place) : NULL;
}

static int number_of(uint32_t arch, const char *name, const struct seccomp_call *known) {
        if (known && arch == SCMP_ARCH_X86_64)
                return known->x86_64;
        if (known && arch == SCMP_ARCH_X86)
                return known->i386;
        if (known && arch == SCMP_ARCH_X32)
                return known->x32 < 0 ? known->x32 : known->x32 + (int)FILTER_X32_BIT;
        return seccomp_syscall_resolve_name_arch(arch, name);
}

/* known: its row, NULL: libseccomp knows it. */
static void add_call(struct compiler *c, const char *name, const struct seccomp_call *known, uint32_t action,
                     const struct conditions *when) {
        for (size_t i = 0; i < c->arches.n; i++) {
                struct i386_doors doors;
                int number = number_of(c->arches.at[i], name, known);
                if (number >= 0)
                        add_number(&c->filter.arches.at[i], (uint32_t)number, action, when);
                else if (c->arches.at[i] == SCMP_ARCH_X86 && i386_doors(number, &doors))
                        add_i386_call(&c->filter.arches.at[i], &doors, action, when);
                /* Other negative numbers: the architecture does not have that call. */
        }
}

/* The child hands the listener over with sendmsg, which nobody could answer for before it is handed over. */
static int check_notify(struct compiler *c, size_t rule, const char *name) {
        if (!oci_seccomp_listener(c->build->config))
                return fail_words(EINVAL, "%s: SCMP_ACT_NOTIFY without linux.seccomp.listenerPath", place_of(rule));
        if (str_eq(name, "sendmsg"))
                return fail_words(EINVAL, "%s: SCMP_ACT_NOTIFY on sendmsg: the listener could never be handed over",
                                  place_of(rule));
        c->notifies = true;
        return 0;
}

static int add_rule(struct compiler *c, size_t index) {
        const struct oci_seccomp_syscall *rule = &c->profile->syscalls.at[index];
        uint32_t action;
        int r = translate_action(index, rule->action.v, &rule->errno_ret, &action);
        if (r < 0)
                return r;
        for (size_t i = 0; i < rule->args.n; i++)
                if (rule->args.at[i].index >= ARGUMENTS)
                        return fail_words(EINVAL, "%s.args[%zu].index: a system call has arguments 0 to 5",
                                          place_of(index), i);
        if (action == c->filter.otherwise)
                return 0;
        if (repeats_argument(rule))
                plan_warn(c->build->plan, "%s.args: an argument is used twice: any one of the comparisons is enough",
                          place_of(index));
        const struct conditions when = conditions_of(rule);
        for (size_t i = 0; i < rule->names.n; i++) {
                const struct seccomp_call *known = find_known(c, rule->names.at[i]);
                if (!known && seccomp_syscall_resolve_name(rule->names.at[i]) == __NR_SCMP_ERROR) {
                        if (!strv_has(&c->unknown, rule->names.at[i]))
                                strv_add(&c->unknown, str_printable(rule->names.at[i]));
                        continue;
                }
                r = rule->action.v == OCI_ACT_NOTIFY ? check_notify(c, index, rule->names.at[i]) : 0;
                if (r < 0)
                        return r;
                add_call(c, rule->names.at[i], known, action, &when);
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

static int add_step(struct compiler *c) {
        struct plan *plan = c->build->plan;
        struct filter_program program = filter_compile(&c->filter);
        if (program.n > BPF_MAXINSNS)
                return fail_words(E2BIG, "linux.seccomp: the filter has %zu instructions, the kernel takes %d",
                                  program.n, BPF_MAXINSNS);
        plan->place = "linux.seccomp";
        plan_add(plan, LANE_CHILD, STEP_SECCOMP, .flags = program.n, .more = filter_flags(c),
                 .b = plan_bytes(plan, program.at, program.n * sizeof(*program.at), _Alignof(struct sock_filter)));
        return 0;
}

static int start_filter(struct compiler *c) {
        const struct oci_seccomp *profile = c->profile;
        int64_t action = profile->default_action.v;
        if (action == OCI_ACT_NOTIFY)
                return fail_words(EINVAL,
                                  "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop sendmsg: the listener "
                                  "could never be handed over");
        c->filter.foreign = SCMP_ACT_KILL_PROCESS;
        return translate_action(DEFAULT_ACTION, action, &profile->default_errno_ret, &c->filter.otherwise);
}

int plan_seccomp(struct build *b) {
        const struct oci_seccomp *profile = b->config->linux_ ? b->config->linux_->seccomp : NULL;
        struct compiler c = { .build = b, .profile = profile };
        if (!profile)
                return 0;
        int r = start_filter(&c);
        if (r < 0)
                return r;
        add_architectures(&c);
        for (size_t i = 0; i < profile->syscalls.n; i++) {
                r = add_rule(&c, i);
                if (r < 0)
                        return r;
        }
        r = tell_unknown(&c);
        return r < 0 ? r : add_step(&c);
}
