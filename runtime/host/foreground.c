/* The foreground of run and exec: signals to the child, bytes both ways, and an end.  One poll loop, no handlers. */
#include "runtime/host/console.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <termios.h>

#define BUFFER_SIZE 4096 /* PIPE_BUF: what poll calls writable takes this much of a pipe without blocking */
#define QUIET_MS    200  /* after the child's end: how long a terminal that somebody still holds may say nothing */

/* Signals that are about ourselves, or that tell of a fault of our own. */
static bool is_forwarded(int number) {
        static const int ours[] = {
                SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGURG,
                SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGSYS,  SIGTRAP, SIGABRT,
        };
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
                if (ours[i] == number)
                        return false;
        return number < 32 || number >= SIGRTMIN; /* between them libc keeps some for itself */
}

static void forwarded_set(sigset_t *set) {
        (void)sigemptyset(set);
        for (int number = 1; number < NSIG; number++)
                if (is_forwarded(number))
                        (void)sigaddset(set, number);
}

void console_block_signals(void) {
        sigset_t set;
        forwarded_set(&set);
        (void)sigaddset(&set, SIGPIPE); /* a reader that went away is an error of write, not our death */
        (void)sigaddset(&set, SIGTTOU); /* the terminal is put back from the background too */
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

struct buffer {
        char bytes[BUFFER_SIZE];
        size_t at, size; /* what is still to be written: size bytes from at */
};

struct foreground {
        struct child *child;
        int master, slave; /* slave: held open so that the master never hangs up while the child lives */
        int signals;
        struct buffer in, out;
        bool in_done, out_broken, ended;
        bool is_raw;
        struct termios saved;
};

static void foreground_release(struct foreground *f) {
        if (f->is_raw)
                (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &f->saved);
        f->slave = fd_close(f->slave);
        f->signals = fd_close(f->signals);
}

static void copy_window_size(const struct foreground *f) {
        struct winsize size;
        if (f->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
                (void)ioctl(f->master, TIOCSWINSZ, &size);
}

static int make_raw(struct foreground *f) {
        struct termios raw;
        if (tcgetattr(STDIN_FILENO, &f->saved) < 0)
                return 0; /* standard input is no terminal */
        raw = f->saved;
        cfmakeraw(&raw);
        if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
                return fail(errno, "put the terminal in raw mode");
        f->is_raw = true;
        return 0;
}

static int prepare(struct foreground *f) {
        sigset_t set;
        forwarded_set(&set);
        f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (f->signals < 0)
                return fail(errno, "signalfd");
        if (f->master < 0)
                return 0;
        if (fcntl(f->master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                return fail(errno, "make the terminal non-blocking");
        f->slave = ioctl(f->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        copy_window_size(f);
        return make_raw(f);
}

static void forward_signals(const struct foreground *f) {
        struct signalfd_siginfo got;
        while (read(f->signals, &got, sizeof(got)) == (ssize_t)sizeof(got)) {
                int number = (int)got.ssi_signo;
                if (number == SIGWINCH && f->master >= 0) {
                        copy_window_size(f);
                        continue;
                }
                (void)syscall(SYS_pidfd_send_signal, f->child->pidfd, number, NULL, 0);
                if (number == SIGTSTP && f->master < 0)
                        (void)raise(
                                SIGSTOP); /* job control: the shell gets its terminal back, SIGCONT is forwarded too */
        }
}

/* End of our input.  A program that reads lines from its terminal is told so by the character that means it. */
static void end_input(struct foreground *f) {
        struct termios terminal;
        f->in_done = true;
        if (tcgetattr(f->master, &terminal) == 0 && (terminal.c_lflag & ICANON)) {
                f->in.bytes[0] = (char)terminal.c_cc[VEOF];
                f->in.at = 0;
                f->in.size = 1;
        }
}

static void read_input(struct foreground *f) {
        ssize_t n = read(STDIN_FILENO, f->in.bytes, sizeof(f->in.bytes));
        if (n > 0) {
                f->in.at = 0;
                f->in.size = (size_t)n;
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
                end_input(f);
        }
}

/* false: the terminal is over. */
static bool read_master(struct foreground *f) {
        ssize_t n = read(f->master, f->out.bytes, sizeof(f->out.bytes));
        if (n > 0) {
                f->out.at = 0;
                f->out.size = f->out_broken ? 0 : (size_t)n;
                return true;
        }
        return n < 0 && (errno == EINTR || errno == EAGAIN);
}

/* false: nobody takes it. */
static bool drain(struct buffer *buffer, int fd) {
        ssize_t n = write(fd, buffer->bytes + buffer->at, buffer->size);
        if (n < 0)
                return errno == EINTR || errno == EAGAIN;
        buffer->at += (size_t)n;
        buffer->size -= (size_t)n;
        return true;
}

enum { POLL_SIGNALS, POLL_CHILD, POLL_STDIN, POLL_STDOUT, POLL_MASTER, POLLED };

/* Asks only for what there is room or work for: that is the back-pressure, and why nothing spins. */
static void choose(const struct foreground *f, struct pollfd polled[POLLED]) {
        bool open = f->master >= 0;
        polled[POLL_SIGNALS] = (struct pollfd){ .fd = f->signals, .events = POLLIN };
        polled[POLL_CHILD] = (struct pollfd){ .fd = f->ended ? -1 : f->child->pidfd, .events = POLLIN };
        polled[POLL_STDIN] = (struct pollfd){ .fd = open && !f->in_done && !f->in.size && !f->ended ? STDIN_FILENO : -1,
                                              .events = POLLIN };
        polled[POLL_STDOUT] = (struct pollfd){ .fd = f->out.size ? STDOUT_FILENO : -1, .events = POLLOUT };
        polled[POLL_MASTER] = (struct pollfd){ .fd = -1 };
        if (open && !f->out.size)
                polled[POLL_MASTER] = (struct pollfd){ .fd = f->master, .events = POLLIN };
        if (open && f->in.size && !f->ended) {
                polled[POLL_MASTER].fd = f->master;
                polled[POLL_MASTER].events |= POLLOUT;
        }
}

static void serve_master(struct foreground *f, short events) {
        if ((events & (POLLIN | POLLHUP | POLLERR)) && !f->out.size && !read_master(f))
                f->master = -1; /* borrowed: its owner closes it */
        if (f->master >= 0 && (events & POLLOUT) && f->in.size && !drain(&f->in, f->master))
                f->in.size = 0;
}

static void serve_streams(struct foreground *f, const struct pollfd polled[POLLED]) {
        if (polled[POLL_STDIN].revents)
                read_input(f);
        if (polled[POLL_STDOUT].revents && !drain(&f->out, STDOUT_FILENO)) {
                f->out_broken = true; /* go on reading, the payload must not hang on us */
                f->out.size = 0;
        }
        if (polled[POLL_MASTER].revents && f->master >= 0)
                serve_master(f, polled[POLL_MASTER].revents);
}

/* Until the child has ended and what its terminal still holds is written. */
static int serve(struct foreground *f) {
        struct pollfd polled[POLLED];
        while (!f->ended || f->master >= 0 || f->out.size) {
                choose(f, polled);
                int n = poll(polled, POLLED, f->ended && !f->out.size ? QUIET_MS : -1);
                if (n < 0 && errno != EINTR)
                        return fail(errno, "poll");
                if (n <= 0 && f->ended && !f->out.size)
                        return 0;
                if (n <= 0)
                        continue;
                if (polled[POLL_SIGNALS].revents)
                        forward_signals(f);
                if (polled[POLL_CHILD].revents) {
                        f->ended = true;
                        f->slave = fd_close(f->slave);
                }
                serve_streams(f, polled);
        }
        return 0;
}

int console_foreground(struct child *child, int master) {
        __attribute__((cleanup(foreground_release))) struct foreground f = {
                .child = child, .master = master, .slave = -1, .signals = -1
        };
        int r = prepare(&f);
        if (r == 0)
                r = serve(&f);
        return r < 0 ? fail_in(r, "foreground") : child_wait(child);
}
