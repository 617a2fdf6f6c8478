/* The program whose time `make bench-isolation` takes, inside a container and outside of one.  Static, so that it runs
 * in any root.
 *
 *   work costs FOLDER        one line "NAME NANOSECONDS" for each kind of work; files are written in FOLDER
 *   work serve PORT          answers what `talk` says, until it is killed
 *   work talk ADDRESS PORT   "round-trip NANOSECONDS" of a byte there and back, "byte PICOSECONDS" of a stream
 *   work victim SECONDS FOLDER     does small jobs one after the other; "p50", "p90" and "max" of their nanoseconds
 *   work burn cpu|memory|io|pids FOLDER     takes all it can get, until it is killed */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE     4096
#define BATCHES  15
#define STREAM   (64u << 20)
#define JOBS_MAX 100000

static const char *folder = ".";

static void check(long r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
        exit(1);
}

static int64_t now_ns(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_size(const void *a, const void *b) {
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
        return (x > y) - (x < y);
}

/* -- kinds of work; each does one of it -- */

static void do_call(void) {
        (void)syscall(SYS_getppid);
}

/* Filters look at arguments of some calls, and at all numbers before. */
static void do_prctl(void) {
        (void)prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
}

static void do_faults(void) {
        size_t size = (size_t)256 * PAGE;
        char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(pages == MAP_FAILED ? -1 : 0, "mmap");
        for (size_t at = 0; at < size; at += PAGE)
                pages[at] = 1;
        (void)munmap(pages, size);
}

static void reap(pid_t pid) {
        int status = 0;
        check(pid, "fork");
        check(waitpid(pid, &status, 0), "wait");
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1, "a child");
}

static void do_fork(void) {
        pid_t pid = fork();
        if (pid == 0)
                _exit(0);
        reap(pid);
}

static void do_exec(void) {
        char *const words[] = { "work", "nothing", NULL };
        pid_t pid = vfork();
        if (pid == 0) {
                (void)execv("/proc/self/exe", words);
                _exit(1);
        }
        reap(pid);
}

static void do_write(void) {
        static const char page[PAGE];
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/work.%d", folder, (int)getpid());
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        check(fd, path);
        check(write(fd, page, sizeof(page)), "write");
        (void)close(fd);
        check(unlink(path), "unlink");
}

static void do_read(void) {
        static char buffer[16 * PAGE];
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        check(fd, "open");
        check(read(fd, buffer, sizeof(buffer)), "read");
        (void)close(fd);
}

static int echo_pipe[2] = { -1, -1 };

static void do_switch(void) {
        char byte = 1;
        if (echo_pipe[0] < 0) {
                int there[2], back[2];
                check(pipe(there) | pipe(back), "pipe");
                pid_t pid = fork();
                check(pid, "fork");
                if (pid == 0) {
                        (void)close(there[1]);
                        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
                                continue;
                        _exit(0);
                }
                (void)close(there[0]);
                echo_pipe[0] = back[0];
                echo_pipe[1] = there[1];
        }
        check(write(echo_pipe[1], &byte, 1), "write");
        check(read(echo_pipe[0], &byte, 1), "read");
}

static const struct {
        const char *name;
        void (*once)(void);
        int times;
} kinds[] = {
        { "system-call", do_call, 20000 },
        { "prctl", do_prctl, 20000 },
        { "256-page-faults", do_faults, 10 },
        { "fork", do_fork, 20 },
        { "exec", do_exec, 20 },
        { "write-new-file", do_write, 100 },
        { "read-64K-of-layer", do_read, 200 },
        { "pipe-and-back", do_switch, 200 },
};

/* The median of batches: one that was disturbed does not count. */
static void measure_costs(void) {
        int64_t taken[BATCHES];
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
                kinds[k].once();
                for (size_t batch = 0; batch < BATCHES; batch++) {
                        int64_t begin = now_ns();
                        for (int i = 0; i < kinds[k].times; i++)
                                kinds[k].once();
                        taken[batch] = (now_ns() - begin) / kinds[k].times;
                }
                qsort(taken, BATCHES, sizeof(taken[0]), by_size);
                printf("%s %lld\n", kinds[k].name, (long long)taken[BATCHES / 2]);
        }
}

/* -- the network -- */

/* 'p': a byte back for each byte; 's': STREAM bytes are taken, then one comes back. */
static void answer(int fd) {
        static char buffer[1 << 16];
        size_t taken = 0;
        char mode = 0;
        if (read(fd, &mode, 1) != 1)
                return;
        for (ssize_t n; (n = read(fd, buffer, mode == 'p' ? 1 : sizeof(buffer))) > 0;) {
                taken += (size_t)n;
                if ((mode == 'p' || taken == STREAM) && write(fd, buffer, 1) != 1)
                        return;
        }
}

static void serve(uint16_t port) {
        int one = 1, zero = 0;
        struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(listener, "socket");
        check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "reuse");
        check(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), "both families");
        check(bind(listener, (struct sockaddr *)&any, sizeof(any)), "bind");
        check(listen(listener, 16), "listen");
        for (;;) {
                int fd = accept(listener, NULL, NULL);
                check(fd, "accept");
                answer(fd);
                (void)close(fd);
        }
}

static int call(const char *address, uint16_t port, char mode) {
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(fd, "socket");
        check(inet_pton(AF_INET, address, &to.sin_addr) == 1 ? 0 : -1, address);
        for (int tries = 0; connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0; tries++) {
                check(tries < 200 ? 0 : -1, "connect");
                (void)usleep(10000);
        }
        check(write(fd, &mode, 1), "write");
        return fd;
}

static void talk(const char *address, uint16_t port) {
        static const char buffer[1 << 16];
        int64_t taken[BATCHES];
        char byte = 0;
        int fd = call(address, port, 'p');
        for (size_t batch = 0; batch < BATCHES; batch++) {
                int64_t begin = now_ns();
                for (int i = 0; i < 200; i++) {
                        check(write(fd, &byte, 1), "write");
                        check(read(fd, &byte, 1) == 1 ? 0 : -1, "read");
                }
                taken[batch] = (now_ns() - begin) / 200;
        }
        qsort(taken, BATCHES, sizeof(taken[0]), by_size);
        printf("round-trip %lld\n", (long long)taken[BATCHES / 2]);
        (void)close(fd);
        fd = call(address, port, 's');
        int64_t begin = now_ns();
        for (size_t sent = 0; sent < STREAM;) {
                size_t rest = STREAM - sent;
                ssize_t n = write(fd, buffer, rest < sizeof(buffer) ? rest : sizeof(buffer));
                check(n, "write");
                sent += (size_t)n;
        }
        check(read(fd, &byte, 1) == 1 ? 0 : -1, "read");
        printf("megabyte %lld\n", (long long)((now_ns() - begin) / (STREAM >> 20)));
        (void)close(fd);
}

/* -- neighbours -- */

/* A little of everything that somebody who waits for an answer waits for. */
static void do_job(void) {
        for (volatile int i = 0; i < 200000; i++)
                continue;
        do_faults();
        do_fork();
        do_write();
}

static void be_victim(double seconds) {
        static int64_t taken[JOBS_MAX];
        size_t n = 0;
        int64_t end = now_ns() + (int64_t)(seconds * 1e9);
        while (n < JOBS_MAX && now_ns() < end) {
                int64_t begin = now_ns();
                do_job();
                taken[n++] = now_ns() - begin;
        }
        qsort(taken, n, sizeof(taken[0]), by_size);
        printf("jobs %zu\np50 %lld\np90 %lld\nmax %lld\n", n, (long long)taken[n / 2], (long long)taken[n - 1 - n / 10],
               (long long)taken[n - 1]);
}

/* As many at once as the machine has processors, twice. */
static void burn_cpu(void) {
        long n = sysconf(_SC_NPROCESSORS_ONLN) * 2;
        for (long i = 1; i < n; i++)
                if (fork() == 0)
                        break;
        for (volatile unsigned long i = 0;; i++)
                continue;
}

/* A process that is killed for it is made again. */
static void burn_memory(void) {
        for (;;) {
                pid_t pid = fork();
                if (pid == 0)
                        for (;;) {
                                char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
                                if (at == MAP_FAILED)
                                        _exit(0);
                        }
                if (pid > 0)
                        (void)waitpid(pid, NULL, 0);
        }
}

static void burn_io(void) {
        static const char buffer[1 << 20];
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/burn", folder);
        for (;;) {
                int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
                check(fd, path);
                for (int i = 0; i < 64 && write(fd, buffer, sizeof(buffer)) > 0; i++)
                        continue;
                (void)fsync(fd);
                (void)close(fd);
        }
}

static void burn_pids(void) {
        for (;;)
                if (fork() < 0)
                        (void)sched_yield();
}

static bool burn(const char *what) {
        static const struct {
                const char *name;
                void (*burn)(void);
        } rows[] = { { "cpu", burn_cpu }, { "memory", burn_memory }, { "io", burn_io }, { "pids", burn_pids } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(rows[i].name, what) == 0)
                        rows[i].burn();
        return false;
}

int main(int argc, char **argv) {
        const char *mode = argc > 1 ? argv[1] : "";
        if (strcmp(mode, "nothing") == 0)
                return 0;
        (void)signal(SIGPIPE, SIG_IGN);
        folder = argc > 2 ? argv[argc - 1] : ".";
        if (strcmp(mode, "costs") == 0 && argc == 3)
                measure_costs();
        else if (strcmp(mode, "serve") == 0 && argc == 3)
                serve((uint16_t)atoi(argv[2]));
        else if (strcmp(mode, "talk") == 0 && argc == 4)
                talk(argv[2], (uint16_t)atoi(argv[3]));
        else if (strcmp(mode, "victim") == 0 && argc == 4)
                be_victim(atof(argv[2]));
        else if (strcmp(mode, "burn") != 0 || argc != 4 || !burn(argv[2]))
                return 2;
        return 0;
}
