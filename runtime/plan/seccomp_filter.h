/* Instructions for one system call with several conditional rules, to stand in front of libseccomp's program.
 * Parent side; pure.
 *
 * libseccomp (2.5) merges the rules of one call into one tree and loses comparisons when they share arguments: the test
 * that executes random filters finds calls that match a rule and get the default action.  Such calls are compiled here,
 * one rule after the other: no tree, nothing to lose. */
#ifndef RUNTIME_PLAN_SECCOMP_EXACT_H
#define RUNTIME_PLAN_SECCOMP_EXACT_H

#include "specs/oci_linux.h"

#include <linux/filter.h>

/* One alternative: all comparisons together give the action. */
struct exact_rule {
        const struct oci_seccomp_arg *args;
        size_t count;
        uint32_t action;
};

struct exact_call {
        uint32_t arch; /* AUDIT_ARCH_x as seccomp_data has it */
        uint32_t number;
        bool is_narrow;     /* arguments of 32 bits */
        uint32_t otherwise; /* action when no rule holds */
        const struct exact_rule *rules;
        size_t count;
};

struct exact_program {
        struct sock_filter *at;
        size_t n, room;
};

/* Appends: another call falls through to what follows, this one returns the action of the first rule that holds. */
void seccomp_exact(struct exact_program *program, const struct exact_call *call);

#endif
