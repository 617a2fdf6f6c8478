#include "runtime/steps/table.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define EXIT_UNABLE   127
#define MS_PER_SECOND 1000
#define NS_PER_MS     1000000

/* In the new process: the state as standard input, everything said goes to standard error or to the files that were
 * opened for it, nothing else is open.  The init image has default signals already. */
__attribute__((noreturn)) static void become_hook(const struct step *step, const struct context *context, int state) {
        const struct hook_data *hook = (const void *)step_text(context, step->b);
        const char *const *args = step_strings(context, hook->args), *const *env = step_strings(context, hook->env);
        int out = slot_fd(context, SLOT_HOOK_STDOUT), err = slot_fd(context, SLOT_HOOK_STDERR);
        if (args && env && sys_setpgid(0, 0) >= 0 && sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) >= 0 &&
            sys_lseek(state, 0, SEEK_SET) >= 0 && sys_dup3(state, 0, 0) >= 0 &&
            sys_dup3(out < 0 ? 2 : out, 1, 0) >= 0 && (err < 0 || sys_dup3(err, 2, 0) >= 0) &&
            sys_close_range(3, ~0u, 0) >= 0 && sys_chdir("/") >= 0)
                (void)sys_execve(step_text(context, step->a), args, env);
        sys_exit(EXIT_UNABLE);
}

static int64_t now_ms(void) {
        struct timespec now = { 0 };
        (void)sys_clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * MS_PER_SECOND + now.tv_nsec / NS_PER_MS;
}

/* Waits for the end of the process, at most timeout_ms (0: for ever). */
static int await_end(int pidfd, int64_t timeout_ms) {
        struct pollfd poll = { .fd = pidfd, .events = POLLIN };
        int64_t end = now_ms() + timeout_ms;
        for (;;) {
                int64_t left = timeout_ms ? end - now_ms() : 0;
                struct timespec wait = { .tv_sec = left / MS_PER_SECOND, .tv_nsec = left % MS_PER_SECOND * NS_PER_MS };
                if (timeout_ms && left <= 0)
                        return -ETIMEDOUT;
                long r = sys_ppoll(&poll, 1, timeout_ms ? &wait : NULL, NULL, 0);
                if (r > 0)
                        return 0;
                if (r < 0 && r != -EINTR)
                        return (int)r;
        }
}

int step_hook(const struct step *step, struct context *context) {
        const char *path = step_text(context, step->a);
        int state = slot_fd(context, SLOT_STATE), status = 0, pidfd = -1;
        if (state < 0 || !path || !step->b)
                return state < 0 ? state : -EINVAL;
        /* Asked before the fork, from where the errno can still be told. */
        long r = sys_faccessat2(AT_FDCWD, path, 1 /* X_OK */, AT_EACCESS);
        if (r < 0)
                return (int)r;
        long pid = sys_fork(CLONE_PIDFD | SIGCHLD, &pidfd);
        if (pid < 0)
                return (int)pid;
        if (pid == 0)
                become_hook(step, context, state);
        sysfd ended = pidfd;
        /* Both sides say it, so that the group exists whoever runs first; it fails after the other's execve. */
        (void)sys_setpgid((pid_t)pid, (pid_t)pid);
        int late = await_end(ended, (int64_t)step->more);
        if (late < 0)
                (void)sys_kill(-(pid_t)pid, SIGKILL);
        do {
                r = sys_wait4((pid_t)pid, &status, 0, NULL);
        } while (r == -EINTR);
        if (late < 0 || r < 0)
                return late < 0 ? late : (int)r;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}
