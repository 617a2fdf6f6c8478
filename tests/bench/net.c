/* Plays the part of a container engine that calls CNI plugins, and times it: no shell stands between the clock and the
 * plugins.  tests/bench/net.sh calls it inside network namespaces of its own and sums up what it prints.
 *
 *   net cold COUNT CHECK CONTESTANT...       ADD, CHECK and DEL, contestants by turns: "NAME ADD DEL" in ms
 *   net warm COUNT CHECK CONTESTANT...       the same while another container of each stays attached
 *   net parallel COUNT CHECK CONTESTANT...   all ADD at once, then all DEL at once: "NAME ADD DEL" in ms of wall time
 *   net many COUNT CHECK CONTESTANT...       ADD one by one, all stay: "NAME add N MS"; then requests through the first
 *                                            and the last published port: "NAME first|last 0 US"
 *
 * A contestant is two words: NAME and PROGRAM:CONF[,PROGRAM:CONF]..., a chain of plugins with the files of their
 * configurations, in which @N@, @ID@, @PORT@ and @IP@ are the attachment's.  Programs of the
 * names netavark and ip are called in their own way.  CHECK is a program called as CHECK NAME NETNS IP PORT after an
 * ADD; if it fails, all fails. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX       2000
#define CONTESTANTS_MAX 8
#define STEPS_MAX       8
#define TEXT_MAX        65536
#define PORT_BASE       10000
#define REQUESTS        400

struct step {
        const char *program;
        char conf[TEXT_MAX / 4];
};

struct contestant {
        const char *name;
        struct step steps[STEPS_MAX];
        size_t step_count;
};

struct attachment {
        unsigned n;
        char netns[64];
        char id[32];
        char ip[INET_ADDRSTRLEN];
        char result[TEXT_MAX];
};

static struct contestant all[CONTESTANTS_MAX];
static size_t contestant_count;
static const char *check_program;
static int host_fd;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...) {
        va_list words;
        va_start(words, format);
        (void)fprintf(stderr, "net: ");
        (void)vfprintf(stderr, format, words);
        (void)fprintf(stderr, "\n");
        va_end(words);
        exit(1);
}

static double now_ms(void) {
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void enter(const char *netns) {
        int fd = open(netns, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
                die("enter %s: %s", netns, strerror(errno));
        (void)close(fd);
}

static void leave(void) {
        if (setns(host_fd, CLONE_NEWNET) < 0)
                die("come back: %s", strerror(errno));
}

/* A container's network namespace, at a path as engines hand it over. */
static void open_attachment(struct attachment *at, const char *name, unsigned n) {
        at->n = n;
        at->result[0] = '\0';
        (void)snprintf(at->id, sizeof at->id, "%s-%u", name, n);
        (void)snprintf(at->ip, sizeof at->ip, "10.92.%u.%u", n / 250 % 256, n % 250 + 2);
        (void)snprintf(at->netns, sizeof at->netns, "/run/netns/%s", at->id);
        int fd = open(at->netns, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0 || unshare(CLONE_NEWNET) < 0 ||
            mount("/proc/thread-self/ns/net", at->netns, NULL, MS_BIND, NULL) < 0)
                die("network namespace %s: %s", at->netns, strerror(errno));
        (void)close(fd);
        leave();
}

static void close_attachment(const struct attachment *at) {
        (void)umount2(at->netns, MNT_DETACH);
        (void)unlink(at->netns);
}

/* The configuration of one call: @WORDS@ filled in, the result of what came before at its end. */
static int conf_fd(const struct step *step, const struct attachment *at) {
        char n[16];
        char port[16];
        (void)snprintf(n, sizeof n, "%u", at->n);
        (void)snprintf(port, sizeof port, "%u", PORT_BASE + at->n);
        const char *words[][2] = { { "@N@", n }, { "@ID@", at->id }, { "@PORT@", port }, { "@IP@", at->ip } };
        int fd = memfd_create("conf", MFD_CLOEXEC);
        FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
        if (!out)
                die("memfd: %s", strerror(errno));
        const char *end = strrchr(step->conf, '}');
        for (const char *p = step->conf; p < end;) {
                size_t i = 0;
                while (i < 4 && strncmp(p, words[i][0], strlen(words[i][0])) != 0)
                        i++;
                (void)(i < 4 ? fputs(words[i][1], out) : fputc(*p, out));
                p += i < 4 ? strlen(words[i][0]) : 1;
        }
        (void)fprintf(out, at->result[0] ? ",\"prevResult\":%s}" : "}", at->result);
        (void)fclose(out);
        (void)lseek(fd, 0, SEEK_SET);
        return fd;
}

static int is_program(const struct step *step, const char *name) {
        const char *base = strrchr(step->program, '/');
        return base && strcmp(base + 1, name) == 0;
}

/* Those who are no CNI plugins are called in their own way. */
static void become_other(const struct step *step, const struct attachment *at, int is_add) {
        char link[16];
        (void)snprintf(link, sizeof link, "l%u", at->n);
        if (is_program(step, "netavark"))
                (void)execl(step->program, "netavark", "--config", "/run/netavark", is_add ? "setup" : "teardown",
                            at->netns, NULL);
        if (is_program(step, "ip") && is_add)
                (void)execl(step->program, "ip", "link", "add", link, "up", "master", "bare0", "type", "veth", "peer",
                            "name", "eth0", "netns", at->id, NULL);
        if (is_program(step, "ip"))
                (void)execl(step->program, "ip", "link", "delete", link, NULL);
}

static void become(const struct step *step, const struct attachment *at, const char *command) {
        become_other(step, at, strcmp(command, "ADD") == 0);
        (void)setenv("CNI_COMMAND", command, 1);
        (void)setenv("CNI_CONTAINERID", at->id, 1);
        (void)setenv("CNI_NETNS", at->netns, 1);
        (void)setenv("CNI_IFNAME", "eth0", 1);
        (void)execl(step->program, step->program, NULL);
        _exit(127);
}

/* One plugin; the result of an ADD is kept. */
static void call(const struct step *step, struct attachment *at, const char *command) {
        static char said[TEXT_MAX];
        int in = conf_fd(step, at);
        int out[2];
        if (pipe2(out, O_CLOEXEC) < 0)
                die("pipe: %s", strerror(errno));
        pid_t pid = fork();
        if (pid == 0) {
                (void)dup2(in, 0);
                (void)dup2(out[1], 1);
                become(step, at, command);
        }
        (void)close(in);
        (void)close(out[1]);
        size_t used = 0;
        ssize_t n;
        while ((n = read(out[0], said + used, sizeof said - 1 - used)) > 0)
                used += (size_t)n;
        said[used] = '\0';
        (void)close(out[0]);
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                die("%s %s %s failed: %s", step->program, command, at->id, said);
        if (strcmp(command, "ADD") == 0 && !is_program(step, "netavark"))
                memcpy(at->result, said, used + 1);
}

static double add(const struct contestant *c, struct attachment *at) {
        double start = now_ms();
        for (size_t i = 0; i < c->step_count; i++)
                call(&c->steps[i], at, "ADD");
        return now_ms() - start;
}

static double del(const struct contestant *c, struct attachment *at) {
        double start = now_ms();
        for (size_t i = c->step_count; i > 0; i--)
                call(&c->steps[i - 1], at, "DEL");
        return now_ms() - start;
}

/* The address is taken from the result, as the engine would. */
static void read_ip(struct attachment *at) {
        const char *p = strstr(at->result, "\"address\"");
        if (p && (p = strchr(p + 9, '"')))
                (void)snprintf(at->ip, sizeof at->ip, "%.*s", (int)strcspn(p + 1, "/\""), p + 1);
}

static void check(const struct contestant *c, struct attachment *at) {
        char port[16];
        (void)snprintf(port, sizeof port, "%u", PORT_BASE + at->n);
        read_ip(at);
        pid_t pid = fork();
        if (pid == 0) {
                (void)dup2(2, 1);
                (void)execl(check_program, check_program, c->name, at->netns, at->ip, port, NULL);
                _exit(127);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                die("%s: the effect of ADD %s is not there", c->name, at->id);
}

static struct attachment *attachments(unsigned count) {
        void *at = mmap(NULL, count * sizeof(struct attachment), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0);
        if (at == MAP_FAILED)
                die("mmap: %s", strerror(errno));
        return at;
}

/* All namespaces are there before the first turn and go after the last: the kernel clears one away in the background
 * for tens of milliseconds, holding locks that the next one's clock would be charged with. */
static void turns(unsigned count) {
        struct attachment *at = attachments(count * (unsigned)contestant_count);
        for (unsigned n = 0; n < count; n++)
                for (size_t i = 0; i < contestant_count; i++)
                        open_attachment(&at[n * contestant_count + i], all[i].name, n);
        for (unsigned n = 0; n < count; n++)
                for (size_t i = 0; i < contestant_count; i++) {
                        struct attachment *one = &at[n * contestant_count + i];
                        double up = add(&all[i], one);
                        check(&all[i], one);
                        double down = del(&all[i], one);
                        (void)printf("%s %.3f %.3f\n", all[i].name, up, down);
                }
        for (size_t i = 0; i < count * contestant_count; i++)
                close_attachment(&at[i]);
}

/* Some peers take the bridge away with the last container: one stays attached. */
static void warm(unsigned count) {
        static struct attachment stay[CONTESTANTS_MAX];
        for (size_t i = 0; i < contestant_count; i++) {
                open_attachment(&stay[i], all[i].name, count);
                (void)add(&all[i], &stay[i]);
        }
        turns(count);
        for (size_t i = 0; i < contestant_count; i++) {
                (void)del(&all[i], &stay[i]);
                close_attachment(&stay[i]);
        }
}

/* Results travel home in shared memory. */
static double at_once(const struct contestant *c, struct attachment *at, unsigned count,
                      double (*work)(const struct contestant *, struct attachment *)) {
        double start = now_ms();
        for (unsigned n = 0; n < count; n++) {
                pid_t pid = fork();
                if (pid < 0)
                        die("fork: %s", strerror(errno));
                if (pid == 0) {
                        (void)work(c, &at[n]);
                        _exit(0);
                }
        }
        int status;
        unsigned failed = 0;
        while (waitpid(-1, &status, 0) > 0)
                failed += status != 0;
        if (failed)
                die("%s: %u of %u at once failed", c->name, failed, count);
        return now_ms() - start;
}

static void parallel(unsigned count) {
        struct attachment *at = attachments(count);
        for (size_t i = 0; i < contestant_count; i++) {
                for (unsigned n = 0; n < count; n++)
                        open_attachment(&at[n], all[i].name, n);
                double up = at_once(&all[i], at, count, add);
                check(&all[i], &at[0]);
                check(&all[i], &at[count - 1]);
                double down = at_once(&all[i], at, count, del);
                (void)printf("%s %.3f %.3f\n", all[i].name, up, down);
                for (unsigned n = 0; n < count; n++)
                        close_attachment(&at[n]);
        }
}

/* Answers every connection with one byte, from inside the container. */
static pid_t serve(const struct attachment *at) {
        struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };
        int yes = 1;
        enter(at->netns);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        leave();
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0 || listen(fd, 64) < 0)
                die("listen in %s: %s", at->id, strerror(errno));
        pid_t pid = fork();
        while (pid == 0) {
                int peer = accept(fd, NULL, NULL);
                (void)!write(peer, "x", 1);
                (void)close(peer);
        }
        (void)close(fd);
        return pid;
}

static double request_us(const char *address, unsigned port) {
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((in_port_t)port) };
        struct linger hard = { .l_onoff = 1 };
        char byte;
        (void)inet_pton(AF_INET, address, &to.sin_addr);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        double start = now_ms();
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 || read(fd, &byte, 1) != 1)
                die("request to port %u: %s", port, strerror(errno));
        double us = (now_ms() - start) * 1e3;
        (void)close(fd);
        return us;
}

static void requests(const struct contestant *c, const struct attachment *at, unsigned count) {
        const struct attachment *ends[] = { &at[0], &at[count - 1] };
        pid_t servers[] = { serve(ends[0]), serve(ends[1]) };
        enter("/run/netns/outside");
        for (unsigned i = 0; i < 2 * REQUESTS; i++)
                (void)printf("%s %s 0 %.1f\n", c->name, i % 2 ? "last" : "first",
                             request_us("192.0.2.1", PORT_BASE + ends[i % 2]->n));
        leave();
        for (size_t i = 0; i < 2; i++) {
                (void)kill(servers[i], SIGKILL);
                (void)waitpid(servers[i], NULL, 0);
        }
}

static void many(unsigned count) {
        struct attachment *at = attachments(count);
        for (size_t i = 0; i < contestant_count; i++) {
                for (unsigned n = 0; n < count; n++) {
                        open_attachment(&at[n], all[i].name, n);
                        (void)printf("%s add %u %.3f\n", all[i].name, n, add(&all[i], &at[n]));
                }
                check(&all[i], &at[0]);
                check(&all[i], &at[count - 1]);
                requests(&all[i], at, count);
                for (unsigned n = 0; n < count; n++) {
                        (void)del(&all[i], &at[n]);
                        close_attachment(&at[n]);
                }
        }
}

static void read_contestant(struct contestant *c, const char *name, char *chain) {
        c->name = name;
        for (char *word = strtok(chain, ","); word && c->step_count < STEPS_MAX; word = strtok(NULL, ",")) {
                struct step *step = &c->steps[c->step_count++];
                char *colon = strchr(word, ':');
                if (!colon)
                        die("%s: not PROGRAM:CONF", word);
                *colon = '\0';
                step->program = word;
                FILE *file = fopen(colon + 1, "r");
                if (!file || fread(step->conf, 1, sizeof step->conf - 1, file) == 0 || !strrchr(step->conf, '}'))
                        die("read %s: no configuration", colon + 1);
                (void)fclose(file);
        }
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*run)(unsigned);
        } modes[] = { { "cold", turns }, { "warm", warm }, { "parallel", parallel }, { "many", many } };
        unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
        if (argc < 6 || argc % 2 || argc > 4 + 2 * CONTESTANTS_MAX || count < 1 || count > COUNT_MAX)
                die("usage: net cold|warm|parallel|many COUNT CHECK NAME PROGRAM:CONF[,PROGRAM:CONF]...");
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        check_program = argv[3];
        for (int i = 4; i < argc; i += 2)
                read_contestant(&all[contestant_count++], argv[i], argv[i + 1]);
        host_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        (void)mkdir("/run/netns", 0755);
        for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
                if (strcmp(argv[1], modes[i].name) == 0) {
                        modes[i].run(count);
                        return 0;
                }
        die("%s: no such mode", argv[1]);
}
