/* Terminals and the foreground, with a shell on a pty as the child. */
#include "runtime/host/console.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static char folder[] = "/tmp/rundlet-console-XXXXXX";

static int open_master(void) {
        int unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        return master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0 ? master : -1;
}

static void test_pair(void) {
        int ours = -1, child = -1, master = -1;
        CHECK_INT(console_pair(&ours, &child), 0);
        autofd own = open_master();
        CHECK_INT(console_send_fd(child, "/dev/pts/0", 10, own), 0);
        CHECK_INT(console_receive(ours, &master), 0);
        unsigned a = 1, b = 2;
        CHECK(ioctl(own, TIOCGPTN, &a) == 0 && ioctl(master, TIOCGPTN, &b) == 0 && a == b);
        CHECK(fcntl(master, F_GETFD) & FD_CLOEXEC);
        master = fd_close(master);
        autofd zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        CHECK_INT(console_send_fd(child, "x", 1, zero), 0);
        CHECK_FAIL(console_receive(ours, &master), "no pty master");
        CHECK_INT(write_fd(child, "x", 1), 0);
        CHECK_FAIL(console_receive(ours, &master), "none was sent");
        child = fd_close(child);
        CHECK_FAIL(console_receive(ours, &master), "none was sent");
        CHECK_INT(master, -1);
        (void)fd_close(ours);
}

/* A socket whose path is longer than sun_path, and things that are no listening socket. */
static void test_connect(void) {
        char *deep = str_format("%s/%0100d", folder, 7), *path = str_path(deep, "console.sock");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CHECK_INT(mkdir(deep, 0700), 0);
        autofd dir = open(deep, O_PATH | O_DIRECTORY | O_CLOEXEC),
               listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/console.sock", dir);
        CHECK_INT(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        CHECK_FAIL(console_connect(path), "console.sock: Connection refused");
        CHECK_INT(listen(listener, 1), 0);
        autofd connected = console_connect(path);
        CHECK(connected >= 0);
        CHECK_FAIL(console_connect(str_path(folder, "none")), "No such file or directory");
        CHECK_FAIL(console_connect(folder), "it is not a socket");
        CHECK_INT(mkfifo(str_path(folder, "fifo"), 0600), 0);
        CHECK_FAIL(console_connect(str_path(folder, "fifo")), "it is not a socket");
}

/* The script on the slave of master (or on plain pipes when master is -1). */
static struct child start(const char *script, int master) {
        struct child child = CHILD_NONE;
        autofd slave = master >= 0 ? ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
        child.pid = fork();
        if (child.pid == 0) {
                sigset_t none;
                (void)sigemptyset(&none);
                (void)sigprocmask(SIG_SETMASK, &none, NULL);
                (void)setsid();
                if (slave >= 0 &&
                    (ioctl(slave, TIOCSCTTY, 0) < 0 || dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0))
                        _exit(99);
                (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
                _exit(98);
        }
        child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
        return child;
}

/* Runs console_foreground with input as standard input; what came out is in *ret_out. */
static int foreground(const char *script, bool terminal, const char *input, char **ret_out) {
        autofd in = open(str_path(folder, "in"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        autofd out = open(str_path(folder, "out"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        autofd saved_in = fcntl(0, F_DUPFD_CLOEXEC, 3), saved_out = fcntl(1, F_DUPFD_CLOEXEC, 3);
        (void)write_fd(in, input, strlen(input));
        (void)lseek(in, 0, SEEK_SET);
        (void)fflush(stdout);
        (void)dup2(in, 0);
        (void)dup2(out, 1);
        autofd master = terminal ? open_master() : -1;
        struct child child = start(script, master);
        int r = console_foreground(&child, master);
        (void)fd_close(child.pidfd);
        (void)dup2(saved_in, 0);
        (void)dup2(saved_out, 1);
        return read_file_at(AT_FDCWD, str_path(folder, "out"), 64 << 20, ret_out, NULL) < 0 ? -1 : r;
}

static void test_terminal(void) {
        char *out;
        CHECK_INT(foreground("read a; echo got $a; exit 3", true, "hello\n", &out), 3);
        CHECK(strstr(out, "got hello\r\n"));
        CHECK_INT(foreground("stty -echo; cat; exit 4", true, "one\ntwo\n", &out),
                  4); /* cat ends: end of input is told */
        CHECK(strstr(out, "one\r\ntwo\r\n"));
        CHECK_INT(foreground("kill -TERM $$", true, "", &out), 143);
        CHECK_INT(foreground("stty -opost; head -c 300000 /dev/zero | tr '\\0' x; printf end", true, "", &out), 0);
        CHECK(strlen(out) == 300003 && str_ends(out, "xend"));
        /* A payload that lets go of its terminal and takes it again is neither cut off nor waited for in circles. */
        CHECK_INT(foreground("t=$(tty); exec <&- >&- 2>&-; sleep 0.3; echo back > $t", true, "", &out), 0);
        CHECK(strstr(out, "back\r\n"));
        CHECK_INT(foreground("exit 5", false, "", &out), 5);
}

/* Waiting costs nothing: the loop sleeps in poll. */
static void test_idle(void) {
        struct rusage before, after;
        char *out;
        (void)getrusage(RUSAGE_SELF, &before);
        CHECK_INT(foreground("exec <&- >&- 2>&-; sleep 1", true, "unread input\n", &out), 0);
        (void)getrusage(RUSAGE_SELF, &after);
        long used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
                            1000000 +
                    after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
        CHECK(used < 200000);
}

static void await_file(const char *name) {
        while (access(str_path(folder, name), F_OK) < 0)
                (void)poll(NULL, 0, 10);
}

/* Signals to us reach the child: one that the shell traps, sent by another process while we are in the foreground. */
static void test_signals(void) {
        char *out;
        pid_t self = getpid();
        pid_t sender = fork();
        if (sender == 0) {
                await_file("ready");
                (void)kill(self, SIGUSR1);
                (void)kill(self, SIGRTMIN + 3);
                await_file("usr1");
                await_file("rt");
                (void)kill(self, SIGTERM);
                _exit(0);
        }
        char *script = str_format("cd %s; trap 'echo usr1; touch usr1' USR1; trap 'echo rt; touch rt' 37; "
                                  "trap 'echo term; exit 7' TERM; touch ready; while :; do sleep 0.05; done",
                                  folder);
        CHECK_INT(foreground(script, false, "", &out), 7);
        CHECK(strstr(out, "usr1\n") && strstr(out, "rt\n") && str_ends(out, "term\n"));
        (void)waitpid(sender, NULL, 0);
}

int main(void) {
        if (!mkdtemp(folder))
                return 1;
        console_block_signals();
        test_pair();
        test_connect();
        test_terminal();
        test_idle();
        test_signals();
        autofd parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(remove_tree_at(parent, folder + strlen("/tmp/")), 0);
        return test_done();
}
