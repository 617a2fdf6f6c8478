/* What the tests of seccomp share: the program in a plan, and a small interpreter that executes it. */
#ifndef TESTS_UNIT_SECCOMP_CASE_H
#define TESTS_UNIT_SECCOMP_CASE_H

#include "tests/unit/plan_case.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

#define BAD_PROGRAM 0xdeadbeefu

struct filter {
        const struct sock_filter *at;
        size_t n;
        uint64_t flags;
};

/* Classic BPF as seccomp uses it.  Anything unexpected gives BAD_PROGRAM, which no profile asks for. */
static inline uint32_t run_filter(const struct filter *f, const struct seccomp_data *data) {
        uint32_t a = 0, memory[BPF_MEMWORDS] = { 0 };
        for (size_t pc = 0; pc < f->n; pc++) {
                const struct sock_filter *i = &f->at[pc];
                switch (i->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        if (i->k > sizeof(*data) - 4)
                                return BAD_PROGRAM;
                        memcpy(&a, (const char *)data + i->k, sizeof(a));
                        break;
                case BPF_LD | BPF_MEM:
                        a = memory[i->k % BPF_MEMWORDS];
                        break;
                case BPF_ST:
                        memory[i->k % BPF_MEMWORDS] = a;
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        a &= i->k;
                        break;
                case BPF_JMP | BPF_JA:
                        pc += i->k;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        pc += a == i->k ? i->jt : i->jf;
                        break;
                case BPF_JMP | BPF_JGT | BPF_K:
                        pc += a > i->k ? i->jt : i->jf;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        pc += a >= i->k ? i->jt : i->jf;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        pc += a & i->k ? i->jt : i->jf;
                        break;
                case BPF_RET | BPF_K:
                        return i->k;
                default:
                        return BAD_PROGRAM;
                }
        }
        return BAD_PROGRAM;
}

/* A plan without a filter is a fault of the test. */
static inline struct filter filter_of(const struct build *b) {
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_SECCOMP, 0);
        const struct sock_filter *at = step ? plan_case_data(b->plan, step->b) : NULL;
        if (!at) {
                printf("Bail out! no filter: %s\n", err_message());
                exit(1);
        }
        return (struct filter){ at, step->flags, step->more };
}

#endif
