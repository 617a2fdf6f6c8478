#include "specs/base/timing.h"

#include "specs/base/arena.h"
#include "specs/base/log.h"
#include "specs/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define PHASES_MAX 32

static struct {
        bool is_on;
        int64_t begin, last; /* nanoseconds */
        size_t n;
        struct {
                const char *name;
                int64_t taken;
        } phases[PHASES_MAX];
} timing;

static int64_t now_ns(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void timing_start(void) {
        timing.is_on = true;
        timing.begin = timing.last = now_ns();
}

int timing_phase(const char *phase, int r) {
        size_t i = 0;
        if (!timing.is_on)
                return r;
        int64_t now = now_ns();
        while (i < timing.n && !str_eq(timing.phases[i].name, phase))
                i++;
        if (i == PHASES_MAX) /* it stays in "other" */
                return r;
        timing.n += i == timing.n;
        timing.phases[i].name = phase;
        timing.phases[i].taken += now - timing.last;
        timing.last = now;
        return r;
}

static const char *ms(int64_t ns) {
        return str_format("%.2f ms", (double)ns / 1e6);
}

void timing_report(const char *command) {
        struct strv words = { 0 };
        if (!timing.is_on)
                return;
        int64_t all = now_ns() - timing.begin, other = all;
        for (size_t i = 0; i < timing.n; i++) {
                other -= timing.phases[i].taken;
                strv_add(&words, str_format("%s %s", timing.phases[i].name, ms(timing.phases[i].taken)));
        }
        strv_add(&words, str_format("other %s, all %s", ms(other), ms(all)));
        log_info("timing of %s: %s", command, str_join(&words, ", "));
}
