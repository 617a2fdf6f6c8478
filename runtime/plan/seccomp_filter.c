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

struct test {
        const struct oci_seccomp_arg *arg;
        bool is_narrow; /* only its lower half is there */
};

static size_t emit_equal(struct filter_program *p, const struct test *test, const uint64_t pair[2], struct outcome to) {
        const uint32_t low[2] = { (uint32_t)pair[0], (uint32_t)pair[1] };
        const uint32_t high[2] = { (uint32_t)(pair[0] >> 32), (uint32_t)(pair[1] >> 32) };
        uint32_t offset = OFFSET(args) + test->arg->index * 8;
        size_t then = emit_half(p, offset, low, to);
        return test->is_narrow ? then : emit_half(p, offset + 4, high, (struct outcome){ then, to.no });
}

/* comparison: BPF_JGT or BPF_JGE. */
static size_t emit_greater(struct filter_program *p, const struct test *test, uint16_t comparison, struct outcome to) {
        uint32_t offset = OFFSET(args) + test->arg->index * 8, high = (uint32_t)(test->arg->value >> 32);
        if (to.yes == to.no)
                return to.yes;
        (void)jump(p, comparison, (uint32_t)test->arg->value, to);
        size_t then = load(p, offset);
        if (test->is_narrow)
                return then;
        size_t equal = jump(p, BPF_JEQ, high, (struct outcome){ then, to.no });
        (void)jump(p, BPF_JGT, high, (struct outcome){ to.yes, equal });
        return load(p, offset + 4);
}

static size_t emit_test(struct filter_program *p, const struct test *test, struct outcome to) {
        const struct oci_seccomp_arg *arg = test->arg;
        const uint64_t exact[2] = { UINT64_MAX, arg->value }, masked[2] = { arg->value, arg->value_two };
        const struct outcome not = { to.no, to.yes };
        switch ((enum oci_seccomp_op)arg->op.v) {
        case OCI_CMP_EQ:
                return emit_equal(p, test, exact, to);
        case OCI_CMP_NE:
                return emit_equal(p, test, exact, not );
        case OCI_CMP_MASKED_EQ:
                return emit_equal(p, test, masked, to);
        case OCI_CMP_GT:
                return emit_greater(p, test, BPF_JGT, to);
        case OCI_CMP_GE:
                return emit_greater(p, test, BPF_JGE, to);
        case OCI_CMP_LT:
                return emit_greater(p, test, BPF_JGE, not );
        case OCI_CMP_LE:
                return emit_greater(p, test, BPF_JGT, not );
        }
        return to.no;
}

/* -- ranges of call numbers -- */
struct range {
        uint32_t first;                  /* up to the next one's */
        uint32_t action;                 /* when no rule holds */
        const struct filter_call *rules; /* NULL: none */
        size_t count;
        bool is_narrow;
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
                if (!rules[i].args)
                        return (struct range){ .first = rules[i].number, .action = rules[i].action };
        return (struct range){ .first = rules[0].number, .action = filter->otherwise, .rules = rules, .count = count };
}

/* Sorts into `sorted` by one byte of the number; those that have the same keep their order. */
static void sort_byte(const struct filter_call *calls, size_t n, unsigned shift, struct filter_call *sorted) {
        size_t place[257] = { 0 };
        for (size_t i = 0; i < n; i++)
                place[1 + (calls[i].number >> shift & 0xff)]++;
        for (size_t value = 1; value < 256; value++)
                place[value] += place[value - 1];
        for (size_t i = 0; i < n; i++)
                sorted[place[calls[i].number >> shift & 0xff]++] = calls[i];
}

/* By number, those of one number in the order of adding.  Byte by byte costs a fraction of what qsort takes for it. */
static void sort_calls(struct filter_arch *arch) {
        size_t n = arch->calls.n;
        struct filter_call *spare = arena_array(n + 1, sizeof(*spare));
        uint32_t differing = 0;
        for (size_t i = 0; i < n; i++)
                differing |= arch->calls.at[i].number ^ arch->calls.at[0].number;
        for (unsigned shift = 0; shift < 32; shift += 8)
                if (differing >> shift & 0xff) {
                        sort_byte(arch->calls.at, n, shift, spare);
                        struct filter_call *sorted = spare;
                        spare = arch->calls.at;
                        arch->calls.at = sorted;
                }
}

static void put_calls(struct ranges *ranges, const struct filter *filter, const struct filter_arch *arch) {
        const struct filter_call *calls = arch->calls.at;
        for (size_t i = 0, next, n = arch->calls.n; i < n; i = next) {
                for (next = i + 1; next < n && calls[next].number == calls[i].number; next++)
                        continue;
                struct range range = range_of(filter, &calls[i], next - i);
                range.is_narrow = arch->is_narrow;
                put_range(ranges, range);
                if (next == n || calls[next].number != calls[i].number + 1)
                        put_range(ranges, (struct range){ calls[i].number + 1, filter->otherwise, .rules = NULL });
        }
}

static struct ranges ranges_of(struct filter *filter, uint32_t name) {
        size_t n = 0, arches = 0;
        for (size_t i = 0; i < filter->arches.n; i++)
                n += filter->arches.at[i].name == name ? filter->arches.at[i].calls.n : 0;
        struct ranges ranges = { .at = arena_array(2 * n + 3, sizeof(*ranges.at)) };
        put_range(&ranges, (struct range){ 0, filter->otherwise, .rules = NULL });
        for (size_t i = 0; i < filter->arches.n; i++)
                if (filter->arches.at[i].name == name) {
                        sort_calls(&filter->arches.at[i]);
                        put_calls(&ranges, filter, &filter->arches.at[i]);
                        arches++;
                }
        if (name == AUDIT_ARCH_X86_64 && arches == 1) {
                put_range(&ranges, (struct range){ FILTER_X32_BIT, filter->foreign, .rules = NULL });
                /* -1, which a tracer sets to skip a call, is no number of x32. */
                put_range(&ranges, (struct range){ UINT32_MAX, filter->otherwise, .rules = NULL });
        }
        return ranges;
}

/* One rule; otherwise is where to go on when a comparison fails. */
static size_t emit_rule(struct filter_program *p, const struct filter_call *rule, bool is_narrow, size_t otherwise) {
        size_t then = finish(p, rule->action);
        for (size_t a = rule->args->n; a-- > 0;)
                then = emit_test(p, &(struct test){ &rule->args->at[a], is_narrow },
                                 (struct outcome){ then, otherwise });
        return then;
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
                then = emit_rule(p, &at->rules[i], at->is_narrow, then);
        return then;
}

void filter_expect(struct filter_arch *arch, size_t calls) {
        size_t n = arch->calls.n;
        arch->room = n + calls;
        arch->calls.at = arena_grow(arch->calls.at, n * sizeof(*arch->calls.at), arch->room * sizeof(*arch->calls.at));
}

void filter_add(struct filter_arch *arch, const struct filter_call *call) {
        if (arch->calls.n == arch->room)
                filter_expect(arch, arch->room + 16);
        arch->calls.at[arch->calls.n++] = *call;
}

/* From the last instruction to the first: seen from the kernel the other way round. */
static void turn(struct filter_program *p) {
        for (size_t i = 0, last = p->n - 1; i < last; i++, last--) {
                struct sock_filter first = p->at[i];
                p->at[i] = p->at[last];
                p->at[last] = first;
        }
}

struct filter_program filter_compile(struct filter *filter) {
        struct filter_program program = { 0 };
        size_t other = finish(&program, filter->foreign);
        for (size_t i = filter->arches.n; i-- > 0;) {
                uint32_t name = filter->arches.at[i].name;
                if (i > 0 && name == filter->arches.at[0].name)
                        continue; /* x32, which goes with the first */
                struct ranges ranges = ranges_of(filter, name);
                (void)bring_near(&program, emit_search(&program, ranges.at, ranges.n), 0);
                size_t ours = load(&program, OFFSET(nr));
                other = jump(&program, BPF_JEQ, name, (struct outcome){ ours, other });
        }
        (void)bring_near(&program, other, 0);
        (void)load(&program, OFFSET(arch));
        turn(&program);
        return program;
}
