/* Calls of i386 that have two doors: their own number (since Linux 4.3 and 5.1) and one number shared with others,
 * socketcall(2) or ipc(2), whose first argument says which.  Parent side; pure. */
#ifndef RUNTIME_PLAN_SECCOMP_I386_H
#define RUNTIME_PLAN_SECCOMP_I386_H

#include "specs/oci_linux.h"

struct i386_doors {
        uint32_t own;               /* 0: none */
        uint32_t shared;            /* socketcall or ipc */
        struct oci_seccomp_arg arg; /* the comparison that chooses it there */
};

/* By libseccomp's negative number for such a call; false for another number. */
bool i386_doors(int number, struct i386_doors *ret);

#endif
