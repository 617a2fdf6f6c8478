#include "runtime/plan/seccomp_exact.h"

#include "specs/base/arena.h"
#include "specs/oci_names.h"

#include <linux/seccomp.h>

#define OFFSET(member) ((uint32_t)offsetof(struct seccomp_data, member))

static size_t emit(struct exact_program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) {
        if (p->n == p->room) {
                size_t room = p->room ? 2 * p->room : 64;
                p->at = arena_grow(p->at, p->n * sizeof(*p->at), room * sizeof(*p->at));
                p->room = room;
        }
        p->at[p->n] = (struct sock_filter){ code, jt, jf, k };
        return p->n++;
}

static void load(struct exact_program *p, uint32_t offset) {
        (void)emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

/* A jump far ahead, whose distance land() fills in. */
static size_t leave(struct exact_program *p) {
        return emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct exact_program *p, size_t jump) {
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
static void emit_equal(struct exact_program *p, const struct exact_call *call, uint32_t index, const uint64_t pair[2],
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
static void emit_greater(struct exact_program *p, const struct exact_call *call, const struct oci_seccomp_arg *arg,
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

static void emit_comparison(struct exact_program *p, const struct exact_call *call, const struct oci_seccomp_arg *arg) {
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

void seccomp_exact(struct exact_program *p, const struct exact_call *call) {
        load(p, OFFSET(arch));
        (void)emit(p, BPF_JMP | BPF_JEQ | BPF_K, call->arch, 1, 0);
        size_t other_arch = leave(p);
        load(p, OFFSET(nr));
        (void)emit(p, BPF_JMP | BPF_JEQ | BPF_K, call->number, 1, 0);
        size_t other_call = leave(p);
        for (size_t i = 0; i < call->count; i++) {
                const struct exact_rule *rule = &call->rules[i];
                size_t *fails = arena_array(rule->count, sizeof(*fails));
                for (size_t a = 0; a < rule->count; a++) {
                        emit_comparison(p, call, &rule->args[a]);
                        fails[a] = leave(p);
                }
                (void)emit(p, BPF_RET | BPF_K, rule->action, 0, 0);
                for (size_t a = 0; a < rule->count; a++)
                        land(p, fails[a]);
        }
        (void)emit(p, BPF_RET | BPF_K, call->otherwise, 0, 0);
        land(p, other_arch);
        land(p, other_call);
}
