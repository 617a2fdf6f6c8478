#include "runtime/host/userns.h"

#include "runtime/host/idmap.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void kill_and_reap(pid_t *pid) {
        if (*pid <= 0)
                return;
        (void)kill(*pid, SIGKILL); /* our own child, not yet waited for: nobody else can have its number */
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
                continue;
}

/* Says its errno, then keeps the namespace alive until it is killed. */
static void hold(int ready) __attribute__((noreturn));
static void hold(int ready) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int number = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
        if (write(ready, &number, sizeof(number)) != (ssize_t)sizeof(number))
                _exit(1);
        for (;;)
                (void)pause();
}

static int make(const struct plan *maps, const struct probe *probe) {
        int ends[2], number = 0;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return fail(errno, "pipe");
        autofd ready = ends[0], told = ends[1];
        __attribute__((cleanup(kill_and_reap))) pid_t pid = fork();
        if (pid == 0)
                hold(told);
        if (pid < 0)
                return fail(errno, "fork");
        told = fd_close(told);
        if (read(ready, &number, sizeof(number)) != (ssize_t)sizeof(number))
                return fail_words(EIO, "the child that makes it ended early");
        if (number)
                return fail(number, "unshare");
        int r = idmap_write(maps, probe, pid);
        if (r < 0)
                return r;
        int fd = open(str_format("/proc/%d/ns/user", (int)pid), O_RDONLY | O_CLOEXEC);
        return fd < 0 ? fail(errno, "open /proc/%d/ns/user", (int)pid) : fd;
}

int userns_fill(const struct plan *plan, const struct probe *probe, int *slot) {
        for (size_t i = 0; i < plan->userns_wanted.n; i++) {
                const struct plan_userns *wanted = &plan->userns_wanted.at[i];
                struct plan maps = {
                        .has_new_userns = true,
                        .uid_maps = wanted->uid_maps,
                        .uid_maps_count = wanted->uid_maps_count,
                        .gid_maps = wanted->gid_maps,
                        .gid_maps_count = wanted->gid_maps_count,
                };
                int fd = make(&maps, probe);
                if (fd < 0)
                        return fail_in(fd, "make a user namespace for an idmapped mount");
                slot[wanted->slot] = fd;
        }
        return 0;
}

int userns_run(const struct plan *maps, const struct probe *probe, int (*work)(int fd), int fd) {
        autofd namespace = make(maps, probe);
        int status = 0;
        if (namespace < 0)
                return fail_in(namespace, "make a user namespace");
        pid_t pid = fork();
        if (pid == 0)
                _exit(setns(namespace, CLONE_NEWUSER) < 0 || work(fd) < 0);
        if (pid < 0)
                return fail(errno, "fork");
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return fail(errno, "wait for the user namespace's child");
        return status == 0 ? 0 : fail_words(EPERM, "the user namespace's child had no success");
}
