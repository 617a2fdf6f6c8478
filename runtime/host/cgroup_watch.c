#include "runtime/host/cgroup_stats.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"
#include "specs/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

/* How often memory ran out, and how often somebody was killed for it. */
struct counts {
        uint64_t oom, kill;
};

struct watch {
        int memory;           /* memory.events, -1: none */
        struct counts before; /* when the watch began: older ones are history */
        uint64_t reported;
};

static uint64_t number_after(const char *text, const char *key) {
        const char *at = strstr(text, key);
        return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Reading through the polled fd is what arms the next notice.  The first line is never oom, so keys follow a line end.
 */
static int read_counts(int fd, struct counts *ret) {
        char text[1024];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        if (n < 0)
                return errno == ENODEV ? -ENODEV : fail(errno, "read memory.events of the cgroup");
        text[n] = '\0';
        *ret = (struct counts){ number_after(text, "\noom "), number_after(text, "\noom_kill ") };
        return 0;
}

static int open_watch(int folder, struct watch *ret) {
        *ret = (struct watch){ .memory = openat(folder, "memory.events", O_RDONLY | O_CLOEXEC) };
        if (ret->memory >= 0)
                return read_counts(ret->memory, &ret->before);
        if (errno != ENOENT)
                return fail(errno, "open memory.events of the cgroup");
        log_warning("the cgroup has no memory controller: when its memory runs out is not seen");
        return 0;
}

/* Running out counts first, the kill for it a moment later: one notice for both.  A kill for which nobody in the cgroup
 * ran out (the whole machine did) is one as well. */
static int look(struct watch *watch, cgroup_watcher *watcher, void *data) {
        struct counts now;
        int r = read_counts(watch->memory, &now);
        if (r < 0)
                return r;
        uint64_t oom = now.oom - watch->before.oom, kill = now.kill - watch->before.kill;
        uint64_t total = oom > kill ? oom : kill;
        if (total <= watch->reported)
                return 0;
        watch->reported = total;
        return watcher(CGROUP_OOM, data);
}

static int start_timer(uint64_t interval_ns) {
        struct itimerspec every = { .it_interval = { (time_t)(interval_ns / 1000000000),
                                                     (long)(interval_ns % 1000000000) } };
        every.it_value = every.it_interval;
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0) {
                int r = fail(errno, "start a timer");
                (void)fd_close(fd);
                return r;
        }
        return fd;
}

enum { POLL_MEMORY, POLL_TIMER, POLL_PROCESS, POLL_COUNT };

static int serve(struct watch *watch, struct pollfd *polled, cgroup_watcher *watcher, void *data) {
        uint64_t expirations;
        int r = 0;
        /* What killed the process is told before its end is. */
        if (watch->memory >= 0 && (polled[POLL_MEMORY].revents || polled[POLL_PROCESS].revents))
                r = look(watch, watcher, data);
        if (r != 0 || polled[POLL_PROCESS].revents)
                return r;
        if (polled[POLL_TIMER].revents && read(polled[POLL_TIMER].fd, &expirations, sizeof(expirations)) > 0)
                r = watcher(CGROUP_INTERVAL, data);
        return r;
}

int cgroup_watch(int fd, int pidfd, uint64_t interval_ns, cgroup_watcher *watcher, void *data) {
        struct watch watch;
        int r = open_watch(fd, &watch);
        autofd memory = watch.memory;
        autofd timer = r < 0 ? -1 : start_timer(interval_ns);
        if (r == 0 && timer < 0)
                r = timer;
        struct pollfd polled[POLL_COUNT] = {
                [POLL_MEMORY] = { .fd = memory, .events = POLLPRI },
                [POLL_TIMER] = { .fd = timer, .events = POLLIN },
                [POLL_PROCESS] = { .fd = pidfd, .events = POLLIN },
        };
        while (r == 0 && !polled[POLL_PROCESS].revents) {
                if (poll(polled, POLL_COUNT, -1) >= 0)
                        r = serve(&watch, polled, watcher, data);
                else if (errno != EINTR)
                        r = fail(errno, "poll the cgroup");
                else
                        polled[POLL_PROCESS].revents = 0;
        }
        return r == -ENODEV || r == -ENOENT ? 0 : r;
}
