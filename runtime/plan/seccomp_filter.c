#include "runtime/plan/seccomp_filter.h"

#include "specs/base/arena.h"
#include "specs/oci_names.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#define OFFSET(member) ((uint32_t)offsetof(struct seccomp_data, member))

/* -- instructions, the last one first: jumps only go forward, so what one leads to is there before it --
 *
 * A label is the number of an instruction counted from the end of the program. */
#define REACH        255 /* of a conditional jump */
#define RETURN_REACH 240 /* what jumps to a return that is shared may be a few instructions further on */

static size_t emit(struct filter_program *p, struct sock_filter instruction) {
        if (p->n == p->room) {
                size_t room = p->room ? 2 * p->room : 512;
                p->at = arena_grow(p->at, p->n * sizeof(*p->at), room * sizeof(*p->at));
                p->room = room;
        }
        p->at[p->n] = instruction;
        return p->n++;
}

/* How many instructions the next one has to skip to get to a label. */
static size_t distance(const struct filter_program *p, size_t label) {
        return p->n - label - 1;
}

static size_t load(struct filter_program *p, uint32_t offset) {
        return emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

/* The return of an action: a near one that is there already, or a new one.  One of every few actions is remembered. */
static size_t finish(struct filter_program *p, uint32_t action) {
        struct filter_return *r = &p->returns[(action ^ action >> 16) % FILTER_RETURNS];
        if (!r->is_there || r->action != action || distance(p, r->label) > RETURN_REACH)
                *r = (struct filter_return){
                        .is_there = true,
                        .action = action,
                        .label = emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action)),
                };
        return r->label;
}

/* Where a comparison leads. */
struct outcome {
        size_t yes, no;
};

/* The label, or a jump to it that can be reached; reach 0: what the next instruction falls through to. */
static size_t bring_near(struct filter_program *p, size_t label, size_t reach) {
        size_t far = distance(p, label);
        return far <= reach ? label : emit(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)far));
}

static size_t jump(struct filter_program *p, uint16_t test, uint32_t k, struct outcome to) {
        if (to.yes == to.no)
                return to.yes;
        size_t yes = bring_near(p, to.yes, REACH - 1); /* the other's may come between */
        size_t no = bring_near(p, to.no, REACH);
        return emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, k, (uint8_t)distance(p, yes),
                                                    (uint8_t)distance(p, no)));
}

/* -- rules that look at arguments -- */

/* One half of an argument, masked, is equal to that of the datum. */
static size_t emit_half(struct filter_program *p, uint32_t offset, const uint32_t pair[2], struct outcome to) {
        uint32_t mask = pair[0], datum = pair[1];
        if ((!mask && !datum) || to.yes == to.no)
                return to.yes;
        (void)jump(p, BPF_JEQ, datum, to);
        if (mask != UINT32_MAX)
                (void)emit(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
        return load(p, offset);
}

static size_t emit_equal(struct filter_program *p, const struct filter_call *call, uint32_t index,
                         const uint64_t pair[2], struct outcome to) {
        const uint32_t low[2] = { (uint32_t)pair[0], (uint32_t)pair[1] };
        const uint32_t high[2] = { (uint32_t)(pair[0] >> 32), (uint32_t)(pair[1] >> 32) };
        uint32_t offset = OFFSET(args) + index * 8;
        size_t then = emit_half(p, offset, low, to);
        return call->is_narrow ? then : emit_half(p, offset + 4, high, (struct outcome){ then, to.no });
}

/* test: BPF_JGT or BPF_JGE. */
static size_t emit_greater(struct filter_program *p, const struct filter_call *call, const struct oci_seccomp_arg *arg,
                           uint16_t test, struct outcome to) {
        uint32_t offset = OFFSET(args) + arg->index * 8, high = (uint32_t)(arg->value >> 32);
        if (to.yes == to.no)
                return to.yes;
        (void)jump(p, test, (uint32_t)arg->value, to);
        size_t then = load(p, offset);
        if (call->is_narrow)
                return then;
        size_t equal = jump(p, BPF_JEQ, high, (struct outcome){ then, to.no });
        (void)jump(p, BPF_JGT, high, (struct outcome){ to.yes, equal });
        return load(p, offset + 4);
}

static size_t emit_comparison(struct filter_program *p, const struct filter_call *call,
                              const struct oci_seccomp_arg *arg, struct outcome to) {
        const uint64_t exact[2] = { UINT64_MAX, arg->value }, masked[2] = { arg->value, arg->value_two };
        const struct outcome not = { to.no, to.yes };
        switch ((enum oci_seccomp_op)arg->op.v) {
        case OCI_CMP_EQ:
                return emit_equal(p, call, arg->index, exact, to);
        case OCI_CMP_NE:
                return emit_equal(p, call, arg->index, exact, not );
        case OCI_CMP_MASKED_EQ:
                return emit_equal(p, call, arg->index, masked, to);
        case OCI_CMP_GT:
                return emit_greater(p, call, arg, BPF_JGT, to);
        case OCI_CMP_GE:
                return emit_greater(p, call, arg, BPF_JGE, to);
        case OCI_CMP_LT:
                return emit_greater(p, call, arg, BPF_JGE, not );
        case OCI_CMP_LE:
                return emit_greater(p, call, arg, BPF_JGT, not );
        }
        return to.no;
}

/* One rule; otherwise is where to go on when a comparison fails. */
static size_t emit_rule(struct filter_program *p, const struct filter_call *rule, size_t otherwise) {
        size_t then = finish(p, rule->action);
        for (size_t a = rule->count; a-- > 0;)
                then = emit_comparison(p, rule, &rule->args[a], (struct outcome){ then, otherwise });
        return then;
}

/* -- ranges of call numbers -- */
struct range {
        uint32_t first;                         /* up to the next one's */
        uint32_t action;                        /* when no rule holds */
        const struct filter_call *const *rules; /* NULL: none */
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
static struct range range_of(const struct filter *filter, const struct filter_call *const *rules, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (!rules[i]->count)
                        return (struct range){ .first = rules[i]->number, .action = rules[i]->action };
        return (struct range){ rules[0]->number, filter->otherwise, rules, count };
}

/* Sorts into `sorted` by one byte of the number; those that have the same keep their order. */
static void sort_byte(const struct filter_call *const *calls, size_t n, unsigned shift,
                      const struct filter_call **sorted) {
        size_t place[257] = { 0 };
        for (size_t i = 0; i < n; i++)
                place[1 + (calls[i]->number >> shift & 0xff)]++;
        for (size_t value = 1; value < 256; value++)
                place[value] += place[value - 1];
        for (size_t i = 0; i < n; i++)
                sorted[place[calls[i]->number >> shift & 0xff]++] = calls[i];
}

/* The calls of one architecture by their numbers, those of one number in the order of adding.  Byte by byte costs an
 * eighth of what qsort takes for it. */
static const struct filter_call *const *sorted_calls(const struct filter *filter, uint32_t arch, size_t *ret_count) {
        const struct filter_call **calls = arena_array(filter->calls.n + 1, sizeof(struct filter_call *));
        const struct filter_call **spare = arena_array(filter->calls.n + 1, sizeof(struct filter_call *));
        uint32_t differing = 0;
        size_t n = 0;
        for (const struct filter_call *call = filter->calls.at; call < filter->calls.at + filter->calls.n; call++)
                if (call->arch == arch) {
                        calls[n++] = call;
                        differing |= call->number ^ calls[0]->number;
                }
        for (unsigned shift = 0; shift < 32; shift += 8)
                if (differing >> shift & 0xff) {
                        sort_byte(calls, n, shift, spare);
                        const struct filter_call **sorted = spare;
                        spare = calls;
                        calls = sorted;
                }
        *ret_count = n;
        return calls;
}

static struct ranges ranges_of(const struct filter *filter, uint32_t arch) {
        size_t n;
        const struct filter_call *const *calls = sorted_calls(filter, arch, &n);
        struct ranges ranges = { .at = arena_array(2 * n + 3, sizeof(*ranges.at)) };
        put_range(&ranges, (struct range){ .first = 0, .action = filter->otherwise });
        for (size_t i = 0, next; i < n; i = next) {
                for (next = i + 1; next < n && calls[next]->number == calls[i]->number; next++)
                        continue;
                put_range(&ranges, range_of(filter, &calls[i], next - i));
                if (next == n || calls[next]->number != calls[i]->number + 1)
                        put_range(&ranges,
                                  (struct range){ .first = calls[i]->number + 1, .action = filter->otherwise });
        }
        if (arch == AUDIT_ARCH_X86_64 && !filter->has_x32) {
                put_range(&ranges, (struct range){ .first = FILTER_X32_BIT, .action = filter->foreign });
                /* -1, which a tracer sets to skip a call, is no number of x32. */
                put_range(&ranges, (struct range){ .first = UINT32_MAX, .action = filter->otherwise });
        }
        return ranges;
}

static size_t emit_search(struct filter_program *p, const struct range *at, size_t n) {
        if (n > 1) {
                size_t half = n / 2;
                size_t upper = emit_search(p, at + half, n - half);
                size_t lower = emit_search(p, at, half);
                return jump(p, BPF_JGE, at[half].first, (struct outcome){ upper, lower });
        }
        size_t then = finish(p, at->action);
        for (size_t i = at->count; i-- > 0;)
                then = emit_rule(p, at->rules[i], then);
        return then;
}

void filter_add(struct filter *filter, const struct filter_call *call) {
        size_t n = filter->calls.n;
        if (n == filter->room) {
                size_t room = n + filter->expected + 16;
                filter->calls.at = arena_grow(filter->calls.at, n * sizeof(*call), room * sizeof(*call));
                filter->room = room;
        }
        filter->calls.at[filter->calls.n++] = *call;
}

/* From the last instruction to the first: seen from the kernel the other way round. */
static void turn(struct filter_program *p) {
        for (size_t i = 0, last = p->n - 1; i < last; i++, last--) {
                struct sock_filter first = p->at[i];
                p->at[i] = p->at[last];
                p->at[last] = first;
        }
}

struct filter_program filter_compile(const struct filter *filter) {
        struct filter_program program = { 0 };
        size_t other = finish(&program, filter->foreign);
        for (size_t i = filter->arches.n; i-- > 0;) {
                struct ranges ranges = ranges_of(filter, filter->arches.at[i]);
                (void)bring_near(&program, emit_search(&program, ranges.at, ranges.n), 0);
                size_t ours = load(&program, OFFSET(nr));
                other = jump(&program, BPF_JEQ, filter->arches.at[i], (struct outcome){ ours, other });
        }
        (void)bring_near(&program, other, 0);
        (void)load(&program, OFFSET(arch));
        turn(&program);
        return program;
}
