/* Numbers of system calls on x86, where a profile of an engine asks for some 450 names on three architectures:
 * libseccomp, which compares each with three dozen names of i386 first, takes half of what a plan costs for it.  The
 * numbers are the kernel's promise and never change; libseccomp is asked for names that are not here (newer ones), and
 * for other architectures.  The test compares every row with libseccomp.  Parent side; pure. */
#ifndef RUNTIME_PLAN_SECCOMP_CALLS_H
#define RUNTIME_PLAN_SECCOMP_CALLS_H

#include <stddef.h>
#include <stdint.h>

#define SECCOMP_CALL_NAME 30

/* As libseccomp numbers them, negative where the architecture does not have the call; x32: without its bit. */
struct seccomp_call {
        char name[SECCOMP_CALL_NAME];
        int16_t x86_64, i386, x32;
};

/* All rows, sorted by name. */
extern const struct seccomp_call seccomp_calls[];
extern const size_t seccomp_calls_n;

/* The row of a name, or NULL.  Profiles list names in alphabetical order, so it is looked for after *place first, which
 * becomes its own place; begin with 0. */
const struct seccomp_call *seccomp_calls_find(const char *name, size_t *place);

#endif
