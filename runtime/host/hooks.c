#include "runtime/host/hooks.h"

#include "specs/base/arena.h"
#include "specs/base/clock.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OUTPUT_MAX 65536

/* -- the state -- */

int hooks_state_update(int fd, const struct oci_state *state) {
        char *text = json_write(state, &oci_state_type, false);
        if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return fail(errno, "rewrite the state for hooks");
        int r = write_fd(fd, text, strlen(text));
        if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = fail(errno, "rewind");
        return r < 0 ? fail_in(r, "rewrite the state for hooks") : 0;
}

int hooks_state_fd(const struct oci_state *state) {
        autofd fd = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return fail(errno, "make a memfd for the state");
        int r = hooks_state_update(fd, state);
        return r < 0 ? r : fd_take(&fd);
}

/* -- one hook -- */

/* A running hook.  {.pid = 0} is valid to release. */
struct running {
        pid_t pid;
        int pidfd, output, failed;
        size_t shown;
};

static void running_release(struct running *running) {
        if (running->pid > 0) {
                (void)kill(-running->pid, SIGKILL); /* its group still has its leader: not yet reaped */
                (void)kill(running->pid, SIGKILL);
                while (waitpid(running->pid, NULL, 0) < 0 && errno == EINTR)
                        continue;
        }
        running->pidfd = fd_close(running->pidfd);
        running->output = fd_close(running->output);
        running->failed = fd_close(running->failed);
}

struct start {
        const struct oci_hook *hook;
        const char *cwd;
        int input, output, errors, failed;
        pid_t parent;
};

/* In the hook's process: exactly what the spec gives it.  Ends by execve or by telling errno. */
static void become_hook(const struct start *start) __attribute__((noreturn));
static void become_hook(const struct start *start) {
        static const char *const none[] = { NULL };
        const char *const plain[] = { start->hook->path, NULL };
        const char *const *args = start->hook->args.n ? start->hook->args.at : plain;
        const char *const *env = start->hook->env.n ? start->hook->env.at : none;
        sigset_t empty;
        bool ready = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == start->parent;
        for (int number = 1; number < NSIG; number++)
                (void)signal(number, SIG_DFL);
        (void)sigemptyset(&empty);
        (void)sigprocmask(SIG_SETMASK, &empty, NULL);
        ready = ready && dup2(start->input, 0) == 0 && dup2(start->output, 1) == 1 && dup2(start->errors, 2) == 2;
        ready = ready && chdir(start->cwd) == 0 && syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
        if (ready)
                (void)execve(start->hook->path, (char *const *)(uintptr_t)args, (char *const *)(uintptr_t)env);
        int number = errno;
        (void)!write(start->failed, &number, sizeof(number));
        _exit(127);
}

/* Our own standard streams may be closed: then a pipe would land on 0, 1 or 2 and dup2 would trample it. */
static int above_standard(int fd) {
        if (fd < 0 || fd > 2)
                return fd;
        int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        (void)fd_close(fd);
        return moved;
}

static int pipe_above(int ends[2]) {
        if (pipe2(ends, O_CLOEXEC) < 0)
                return fail(errno, "pipe");
        ends[0] = above_standard(ends[0]);
        ends[1] = above_standard(ends[1]);
        return ends[0] < 0 || ends[1] < 0 ? fail(errno, "pipe") : 0;
}

int hooks_output(const struct strmap *annotations, const char *stream, const char *cwd, int *ret_fd) {
        const char *name = str_format("run.oci.hooks.%s", stream), *path = NULL;
        for (size_t i = 0; i < annotations->n; i++)
                if (str_eq(annotations->at[i].key, name))
                        path = annotations->at[i].value;
        *ret_fd = -1;
        if (!path)
                return 0;
        /* A FIFO that nobody reads is an error, not a wait. */
        autofd fd = above_standard(open(*path == '/' ? path : str_path(cwd, path),
                                        O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600));
        if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
                return fail(errno, "annotations[\"%s\"]: open %s", name, path);
        *ret_fd = fd_take(&fd);
        return 0;
}

static int start_hook(const struct oci_hook *hook, const struct oci_state *state, const char *cwd,
                      struct running *ret) {
        int output[2] = { -1, -1 }, failed[2] = { -1, -1 }, streams[2] = { -1, -1 };
        autofd input = above_standard(hooks_state_fd(state));
        int r = input < 0 ? input : pipe_above(output);
        if (r == 0)
                r = pipe_above(failed);
        if (r == 0)
                r = hooks_output(&state->annotations, "stdout", cwd, &streams[0]);
        if (r == 0)
                r = hooks_output(&state->annotations, "stderr", cwd, &streams[1]);
        ret->output = output[0];
        ret->failed = failed[0];
        autofd output_end = output[1], failed_end = failed[1], to_stdout = streams[0], to_stderr = streams[1];
        if (r < 0)
                return r;
        struct start start = { hook,
                               cwd,
                               input,
                               to_stdout < 0 ? output_end : to_stdout,
                               to_stderr < 0 ? output_end : to_stderr,
                               failed_end,
                               getpid() };
        ret->pid = fork();
        if (ret->pid == 0)
                become_hook(&start);
        if (ret->pid < 0)
                return fail(errno, "fork");
        (void)setpgid(ret->pid, ret->pid); /* on both sides: whoever comes first */
        ret->pidfd = (int)syscall(SYS_pidfd_open, ret->pid, 0);
        if (ret->pidfd < 0)
                return fail(errno, "pidfd_open");
        (void)fcntl(ret->output, F_SETFL, O_NONBLOCK);
        return 0;
}

/* Passes on what the hook says, at most 64 KiB, the rest is read and dropped so that it is never blocked.  false: the
 * end. */
static bool relay(struct running *running) {
        char text[4096];
        ssize_t n = read(running->output, text, sizeof(text));
        if (n <= 0)
                return n < 0 && (errno == EAGAIN || errno == EINTR);
        size_t room = OUTPUT_MAX - running->shown, show = (size_t)n < room ? (size_t)n : room;
        running->shown += show;
        if (show > 0 && write_fd(STDERR_FILENO, text, show) < 0)
                err_clear(); /* nobody listens: no reason to fail */
        return true;
}

/* Until the hook itself has ended; what it forked may live on and keep the pipe open. */
static int await_end(struct running *running, int64_t timeout_ms) {
        struct pollfd polled[2] = { { .fd = running->pidfd, .events = POLLIN },
                                    { .fd = running->output, .events = POLLIN } };
        int64_t deadline = clock_ms() + timeout_ms;
        for (;;) {
                int64_t left = timeout_ms ? deadline - clock_ms() : -1;
                if (timeout_ms && left <= 0)
                        return -ETIMEDOUT;
                if (poll(polled, 2, (int)(left > INT32_MAX ? INT32_MAX : left)) < 0 && errno != EINTR)
                        return fail(errno, "poll");
                if (polled[1].revents && !relay(running))
                        polled[1].fd = -1;
                if (polled[0].revents)
                        return 0;
        }
}

static int judge(const struct running *running, int status) {
        int number;
        if (read(running->failed, &number, sizeof(number)) == (ssize_t)sizeof(number))
                return fail(number, "cannot be started");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status))
                return fail_words(EIO, "exit status %d", WEXITSTATUS(status));
        return fail_words(EIO, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static int run_one(const struct oci_hook *hook, const struct oci_state *state, const char *cwd) {
        __attribute__((cleanup(running_release))) struct running running = { 0, -1, -1, -1, 0 };
        int status, seconds = hook->timeout.set ? hook->timeout.v : 0;
        int r = start_hook(hook, state, cwd, &running);
        if (r == 0)
                r = await_end(&running, (int64_t)seconds * 1000);
        if (r == -ETIMEDOUT)
                return fail_words(ETIMEDOUT, "not done within its timeout of %d s", seconds);
        if (r < 0)
                return r;
        for (int i = 0; i < OUTPUT_MAX / 4096; i++) /* what was said last */
                if (!relay(&running) || running.shown == OUTPUT_MAX)
                        break;
        siginfo_t ended;
        (void)waitid(P_PIDFD, (id_t)running.pidfd, &ended, WEXITED | WNOWAIT);
        status = ended.si_code == CLD_EXITED ? ended.si_status << 8 : ended.si_status & 0x7f;
        r = judge(&running, status);
        if (r < 0)
                return r; /* released with its whole group */
        while (waitpid(running.pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        running.pid = 0; /* what it left running on purpose may stay */
        return 0;
}

int hooks_run(const char *list, const struct oci_hook *hooks, size_t count, const struct oci_state *state,
              const char *cwd) {
        for (size_t i = 0; i < count; i++) {
                int r = run_one(&hooks[i], state, cwd);
                if (r < 0)
                        return fail_in(r, "hooks.%s[%zu]: %s", list, i, hooks[i].path);
        }
        return 0;
}

int hooks_poststop(const struct oci_hooks *hooks, const struct oci_state *state, const char *cwd) {
        for (size_t i = 0; hooks && i < hooks->poststop.n; i++) {
                const struct oci_hook *hook = &hooks->poststop.at[i];
                int r = run_one(hook, state, cwd);
                if (r < 0 && fail_in(r, "hooks.poststop[%zu]: %s", i, hook->path) < 0)
                        log_warning("%s", err_message());
                err_clear();
        }
        return 0;
}
