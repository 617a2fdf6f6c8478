#include "runtime/cli/screen.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#define TAKE "\033[?1049h\033[?25l" /* the other page, no cursor */
#define GIVE "\033[?25h\033[?1049l"

static void take(struct screen *screen) {
        struct termios keys;
        screen->has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
        keys = screen->before;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        if (screen->has_keys)
                (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
        screen->is_taken = screen_draw(TAKE) == 0;
}

static void give(struct screen *screen) {
        if (screen->is_taken)
                (void)screen_draw(GIVE);
        if (screen->has_keys)
                (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->before);
        screen->is_taken = screen->has_keys = false;
}

static int open_signals(void) {
        static const int wanted[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
        sigset_t set;
        (void)sigemptyset(&set);
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
                (void)sigaddset(&set, wanted[i]);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

static int open_timer(uint64_t interval_ns) {
        struct timespec every = { (time_t)(interval_ns / 1000000000), (long)(interval_ns % 1000000000) };
        struct itimerspec times = { .it_interval = every, .it_value = every };
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (fd >= 0 && timerfd_settime(fd, 0, &times, NULL) < 0)
                fd = fd_close(fd);
        return fd < 0 ? -errno : fd;
}

int screen_open(uint64_t interval_ns, struct screen *ret) {
        autoscreen screen = SCREEN_NONE;
        screen.timer = open_timer(interval_ns);
        if (screen.timer < 0)
                return fail(screen.timer, "start a timer");
        screen.signals = open_signals();
        if (screen.signals < 0)
                return fail(screen.signals, "take signals");
        take(&screen);
        *ret = screen;
        screen = (struct screen)SCREEN_NONE;
        return 0;
}

void screen_release(struct screen *screen) {
        give(screen);
        screen->timer = fd_close(screen->timer);
        screen->signals = fd_close(screen->signals);
}

static enum screen_event on_signal(struct screen *screen, int *ret_signal) {
        struct signalfd_siginfo got;
        if (read(screen->signals, &got, sizeof(got)) != (ssize_t)sizeof(got) || got.ssi_signo == SIGWINCH)
                return SCREEN_REDRAW;
        if (got.ssi_signo == SIGTSTP) {
                give(screen);
                (void)raise(SIGSTOP); /* here the shell has its terminal */
                take(screen);
                return SCREEN_REDRAW;
        }
        *ret_signal = got.ssi_signo == SIGINT ? 0 : (int)got.ssi_signo;
        return SCREEN_END;
}

enum { POLL_SIGNALS, POLL_TIMER, POLL_KEYS, POLL_COUNT };

int screen_wait(struct screen *screen, enum screen_event *ret_event, int *ret_signal) {
        struct pollfd polled[POLL_COUNT] = {
                [POLL_SIGNALS] = { .fd = screen->signals, .events = POLLIN },
                [POLL_TIMER] = { .fd = screen->timer, .events = POLLIN },
                [POLL_KEYS] = { .fd = screen->has_keys ? STDIN_FILENO : -1, .events = POLLIN },
        };
        uint64_t expirations;
        char key = 0;
        *ret_signal = 0;
        for (;;) {
                if (poll(polled, POLL_COUNT, -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return fail(errno, "poll the terminal");
                }
                if (polled[POLL_SIGNALS].revents) {
                        *ret_event = on_signal(screen, ret_signal);
                        return 0;
                }
                if (polled[POLL_KEYS].revents && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q')) {
                        *ret_event = SCREEN_END;
                        return 0;
                }
                if (polled[POLL_TIMER].revents && read(screen->timer, &expirations, sizeof(expirations)) > 0) {
                        *ret_event = SCREEN_TIME;
                        return 0;
                }
        }
}

int screen_draw(const char *text) {
        int r = write_fd(STDOUT_FILENO, text, strlen(text));
        return r < 0 ? fail_in(r, "draw on the terminal") : 0;
}

void screen_size(size_t *ret_width, size_t *ret_height) {
        struct winsize size = { 0 };
        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        *ret_width = size.ws_col ? size.ws_col : 80;
        *ret_height = size.ws_row ? size.ws_row : 24;
}
