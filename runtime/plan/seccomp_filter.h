/* System call numbers with actions -> instructions of a seccomp filter.  Parent side; pure.
 *
 * libseccomp has a compiler of its own, which is not used: the test that executes random filters shows that 2.5 loses
 * comparisons when several rules of one call share arguments (calls that match a rule get the default action), and it
 * takes 20 ms for the profile that engines send, ten times the rest of a plan.  Here the numbers of an architecture are
 * cut into ranges of one action, found by halving; the rules of a call that look at arguments are asked one by one.
 *
 * The program is short, because the kernel's price is: it is translated twice at every install, and executed once for
 * every call number there is.  So returns are shared and a comparison jumps straight to where it leads. */
#ifndef RUNTIME_PLAN_SECCOMP_FILTER_H
#define RUNTIME_PLAN_SECCOMP_FILTER_H

#include "specs/oci_linux.h"

#include <linux/filter.h>

#define FILTER_X32_BIT UINT32_C(0x40000000) /* of system call numbers, <asm/unistd.h> of x86 */

struct filter_args {
        const struct oci_seccomp_arg *at;
        size_t n;
};

/* One rule for one call.  The first rule whose comparisons all hold gives the action; one without comparisons settles
 * the call whatever other rules say. */
struct filter_call {
        uint32_t number; /* as struct seccomp_data has it */
        uint32_t action;
        const struct filter_args *args; /* NULL: none */
};

/* x32 is one of its own, after x86-64, whose name it has: its numbers begin at FILTER_X32_BIT. */
struct filter_arch {
        uint32_t name;  /* AUDIT_ARCH_x */
        bool is_narrow; /* arguments have 32 bits */
        LIST_OF(filter_call) calls;
        size_t room;
};

struct filter {
        uint32_t otherwise; /* action for calls that no rule names */
        uint32_t foreign;   /* action for calls of other architectures, which x32 is unless it is there */
        LIST_OF(filter_arch) arches;
};

struct filter_return {
        bool is_there;
        uint32_t action;
        size_t label;
};
#define FILTER_RETURNS 8

struct filter_program {
        struct sock_filter *at;
        size_t n, room;
        struct filter_return returns[FILTER_RETURNS]; /* of the compiler: the newest return of an action */
};

/* Room for so many calls, which then do not move as they are added. */
void filter_expect(struct filter_arch *arch, size_t calls);

void filter_add(struct filter_arch *arch, const struct filter_call *call);

/* Sorts the calls. */
struct filter_program filter_compile(struct filter *filter);

#endif
