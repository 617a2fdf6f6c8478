/* Time for deadlines.  Parent side of clone only. */
#ifndef SPECS_BASE_CLOCK_H
#define SPECS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC: nobody can set it back. */
static inline int64_t clock_ms(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
