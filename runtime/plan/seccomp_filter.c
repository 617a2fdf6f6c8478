#include "runtime/plan/seccomp_filter.h"

#include "specs/base/arena.h"
#include "specs/oci_names.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#define OFFSET(member) ((uint32_t)offsetof(struct seccomp_data, member))

static size_t emit(struct filter_program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) {
        if (p->n == p->room) {
                size_t room = p->room ? 2 * p->room : 64;
                p->at = arena_grow(p->at, p->n * sizeof(*p->at), room * sizeof(*p->at));
                p->room = room;
        }
        p->at[p->n] = (struct sock_filter){ code, jt, jf, k };
        return p->n++;
}

static void load(struct filter_program *p, uint32_t offset) {
        (void)emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

/* A jump far ahead, whose distance land() fills in. */
static size_t leave(struct filter_program *p) {
        return emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct filter_program *p, size_t jump) {
        p->at[jump].k = (uint32_t)(p->n - jump - 1);
}

/* Where the two outcomes of a comparison are, seen from the instruction that is about to be emitted: the comparison is
 * followed by one jump for "does not hold", then by what comes after "holds". */
struct outcome {
        uint8_t yes, no;
};

static struct outcome outcome_in(unsigned left, bool is_negated) {
        return (struct outcome){ (uint8_t)(left + !is_negated), (uint8_t)(left + is_negated) };
}

/* Both halves of a masked argument are equal to those of the datum. */
static void emit_equal(struct filter_program *p, const struct filter_call *call, uint32_t index, const uint64_t pair[2],
                       bool is_negated) {
        uint64_t mask = pair[0], datum = pair[1];
        uint32_t low = OFFSET(args) + index * 8;
        if (!call->is_narrow) {
                load(p, low + 4);
                (void)emit(p, BPF_ALU | BPF_AND | BPF_K, (uint32_t)(mask >> 32), 0, 0);
                (void)emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(datum >> 32), 0, outcome_in(3, is_negated).no);
        }
        load(p, low);
        (void)emit(p, BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask, 0, 0);
        struct outcome last = outcome_in(0, is_negated);
        (void)emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)datum, last.yes, last.no);
}

/* The argument is greater than value, or equal where the operator says so. */
static void emit_greater(struct filter_program *p, const struct filter_call *call, const struct oci_seccomp_arg *arg,
                         bool is_negated) {
        uint32_t low = OFFSET(args) + arg->index * 8;
        bool takes_equal = arg->op.v == OCI_CMP_GE || arg->op.v == OCI_CMP_LT; /* LT is not GE, LE is not GT */
        if (!call->is_narrow) {
                load(p, low + 4);
                (void)emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(arg->value >> 32), outcome_in(3, is_negated).yes,
                           0);
                (void)emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(arg->value >> 32), 0, outcome_in(2, is_negated).no);
        }
        load(p, low);
        struct outcome last = outcome_in(0, is_negated);
        (void)emit(p, BPF_JMP | (takes_equal ? BPF_JGE : BPF_JGT) | BPF_K, (uint32_t)arg->value, last.yes, last.no);
}

static void emit_comparison(struct filter_program *p, const struct filter_call *call,
                            const struct oci_seccomp_arg *arg) {
        const uint64_t exact[2] = { UINT64_MAX, arg->value }, masked[2] = { arg->value, arg->value_two };
        switch ((enum oci_seccomp_op)arg->op.v) {
        case OCI_CMP_EQ:
        case OCI_CMP_NE:
                emit_equal(p, call, arg->index, exact, arg->op.v == OCI_CMP_NE);
                break;
        case OCI_CMP_MASKED_EQ:
                emit_equal(p, call, arg->index, masked, false);
                break;
        case OCI_CMP_GT:
        case OCI_CMP_GE:
                emit_greater(p, call, arg, false);
                break;
        case OCI_CMP_LT:
        case OCI_CMP_LE:
                emit_greater(p, call, arg, true);
                break;
        }
}

/* One rule: falls through to what follows when a comparison fails. */
static void emit_rule(struct filter_program *p, const struct filter_call *rule) {
        size_t *fails = arena_array(rule->count, sizeof(*fails));
        for (size_t a = 0; a < rule->count; a++) {
                emit_comparison(p, rule, &rule->args[a]);
                fails[a] = leave(p);
        }
        (void)emit(p, BPF_RET | BPF_K, rule->action, 0, 0);
        for (size_t a = 0; a < rule->count; a++)
                land(p, fails[a]);
}

/* -- ranges of call numbers -- */
struct range {
        uint32_t first;                  /* up to the next one's */
        uint32_t action;                 /* when no rule holds */
        const struct filter_call *rules; /* NULL: none */
        size_t count;
};

struct ranges {
        struct range *at;
        size_t n;
};

/* A range that begins where the last one does replaces it; one that only goes on with the same is not needed. */
static void put_range(struct ranges *ranges, struct range range) {
        if (ranges->n && ranges->at[ranges->n - 1].first == range.first)
                ranges->n--;
        const struct range *last = ranges->n ? &ranges->at[ranges->n - 1] : NULL;
        if (last && !last->rules && !range.rules && last->action == range.action)
                return;
        ranges->at[ranges->n++] = range;
}

/* The rules of one call, in order: without comparisons, the first of those decides. */
static struct range range_of(const struct filter *filter, const struct filter_call *rules, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (!rules[i].count)
                        return (struct range){ .first = rules[i].number, .action = rules[i].action };
        return (struct range){ rules[0].number, filter->otherwise, rules, count };
}

#define X32_BIT UINT32_C(0x40000000) /* of system call numbers, <asm/unistd.h> of x86 */

static int compare_keys(const void *left, const void *right) {
        uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
        return (a > b) - (a < b);
}

/* The calls of one architecture by their numbers, those of one number in the order of adding: what is sorted is a
 * number and a place in one word, which costs a fraction of sorting the calls. */
static struct filter_call *sorted_calls(const struct filter *filter, uint32_t arch, size_t *ret_count) {
        uint64_t *keys = arena_array(filter->calls.n + 1, sizeof(*keys));
        size_t n = 0;
        for (size_t i = 0; i < filter->calls.n; i++)
                if (filter->calls.at[i].arch == arch)
                        keys[n++] = (uint64_t)filter->calls.at[i].number << 32 | (uint32_t)i;
        qsort(keys, n, sizeof(*keys), compare_keys);
        struct filter_call *calls = arena_array(n + 1, sizeof(*calls));
        for (size_t i = 0; i < n; i++)
                calls[i] = filter->calls.at[(uint32_t)keys[i]];
        *ret_count = n;
        return calls;
}

static struct ranges ranges_of(const struct filter *filter, uint32_t arch) {
        size_t n;
        const struct filter_call *calls = sorted_calls(filter, arch, &n);
        struct ranges ranges = { .at = arena_array(2 * n + 3, sizeof(*ranges.at)) };
        put_range(&ranges, (struct range){ .first = 0, .action = filter->otherwise });
        for (size_t i = 0, next; i < n; i = next) {
                for (next = i + 1; next < n && calls[next].number == calls[i].number; next++)
                        continue;
                put_range(&ranges, range_of(filter, &calls[i], next - i));
                put_range(&ranges, (struct range){ .first = calls[i].number + 1, .action = filter->otherwise });
        }
        if (arch == AUDIT_ARCH_X86_64 && !filter->has_x32) {
                put_range(&ranges, (struct range){ .first = X32_BIT, .action = filter->foreign });
                /* -1, which a tracer sets to skip a call, is no number of x32. */
                put_range(&ranges, (struct range){ .first = UINT32_MAX, .action = filter->otherwise });
        }
        return ranges;
}

static void emit_search(struct filter_program *p, const struct range *at, size_t n) {
        if (n > 1) {
                size_t half = n / 2;
                (void)emit(p, BPF_JMP | BPF_JGE | BPF_K, at[half].first, 0, 1);
                size_t upper = leave(p);
                emit_search(p, at, half);
                land(p, upper);
                emit_search(p, at + half, n - half);
                return;
        }
        for (size_t i = 0; i < at->count; i++)
                emit_rule(p, &at->rules[i]);
        (void)emit(p, BPF_RET | BPF_K, at->action, 0, 0);
}

void filter_add(struct filter *filter, const struct filter_call *call) {
        size_t n = filter->calls.n;
        if (n == filter->room) {
                size_t room = n ? 2 * n : 512;
                filter->calls.at = arena_grow(filter->calls.at, n * sizeof(*call), room * sizeof(*call));
                filter->room = room;
        }
        filter->calls.at[filter->calls.n++] = *call;
}

struct filter_program filter_compile(const struct filter *filter) {
        struct filter_program program = { 0 };
        load(&program, OFFSET(arch));
        for (size_t i = 0; i < filter->arches.n; i++) {
                struct ranges ranges = ranges_of(filter, filter->arches.at[i]);
                (void)emit(&program, BPF_JMP | BPF_JEQ | BPF_K, filter->arches.at[i], 1, 0);
                size_t other = leave(&program);
                load(&program, OFFSET(nr));
                emit_search(&program, ranges.at, ranges.n);
                land(&program, other);
        }
        (void)emit(&program, BPF_RET | BPF_K, filter->foreign, 0, 0);
        return program;
}
