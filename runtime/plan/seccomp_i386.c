#include "runtime/plan/seccomp_i386.h"

#include "specs/oci_names.h"

/* libseccomp numbers them -100 - N for the N-th socket call and -200 - N for the N-th of ipc. */
enum { SOCKET_BASE = 100, SOCKET_LAST = 120, IPC_BASE = 200, IPC_LAST = 224, SOCKETCALL = 102, IPC = 117 };

/* Numbers of the i386 system call table, by the numbers of <linux/net.h> and <linux/ipc.h>. */
static const uint16_t own_socket[] = {
        [1] = 359,  [2] = 361,  [3] = 362,  [4] = 363,  [6] = 367,  [7] = 368,  [8] = 360,  [11] = 369, [12] = 371,
        [13] = 373, [14] = 366, [15] = 365, [16] = 370, [17] = 372, [18] = 364, [19] = 337, [20] = 345,
};
static const uint16_t own_ipc[] = {
        [2] = 393,  [3] = 394,  [11] = 400, [12] = 401, [13] = 399,
        [14] = 402, [21] = 397, [22] = 398, [23] = 395, [24] = 396,
};

bool i386_doors(int number, struct i386_doors *ret) {
        int n = -number;
        if (n > SOCKET_BASE && n <= SOCKET_LAST) {
                n -= SOCKET_BASE;
                *ret = (struct i386_doors){ own_socket[n], SOCKETCALL, { 0, (uint64_t)n, 0, { true, OCI_CMP_EQ } } };
                return true;
        }
        if (n > IPC_BASE && n <= IPC_LAST) {
                n -= IPC_BASE;
                /* The upper half of that argument is a version. */
                *ret = (struct i386_doors){ own_ipc[n], IPC, { 0, 0xffff, (uint64_t)n, { true, OCI_CMP_MASKED_EQ } } };
                return true;
        }
        return false;
}
