/* Times whole commands against each other, interleaved, and prints medians, spread, ratios and peak resident memory.
 * Usage: compare ROUNDS NAME COMMAND [NAME COMMAND]...   Each command is one string split at spaces; the first is the
 * one that ratios are taken against.  A command that fails ends the run: a broken contestant has no time. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX      1000
#define CONTESTANTS_MAX 16
#define WORDS_MAX       64

struct contestant {
        const char *name;
        char *words[WORDS_MAX + 1];
        double ms[ROUNDS_MAX];
        long kib;
};

static double now_ms(void) {
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int run_once(struct contestant *c, size_t round, int is_counted) {
        double start = now_ms();
        pid_t pid = fork();
        if (pid == 0) {
                int null = open("/dev/null", O_RDWR);
                if (null >= 0) {
                        (void)dup2(null, 0);
                        (void)dup2(null, 1);
                }
                (void)execvp(c->words[0], c->words);
                _exit(127);
        }
        int status;
        struct rusage usage;
        if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return -1;
        if (is_counted)
                c->ms[round] = now_ms() - start;
        if (usage.ru_maxrss > c->kib)
                c->kib = usage.ru_maxrss;
        return 0;
}

static int by_size(const void *a, const void *b) {
        double x = *(const double *)a;
        double y = *(const double *)b;
        return (x > y) - (x < y);
}

static void split(struct contestant *c, char *command) {
        size_t n = 0;
        for (char *word = strtok(command, " "); word && n < WORDS_MAX; word = strtok(NULL, " "))
                c->words[n++] = word;
}

static void print_table(struct contestant *all, size_t count, size_t rounds) {
        double base = 0;
        (void)printf("%-28s %9s %9s %9s %8s %12s\n", "what", "median ms", "p10 ms", "p90 ms", "ratio", "peak RSS KiB");
        for (size_t i = 0; i < count; i++) {
                struct contestant *c = &all[i];
                qsort(c->ms, rounds, sizeof c->ms[0], by_size);
                double median = (c->ms[(rounds - 1) / 2] + c->ms[rounds / 2]) / 2;
                if (i == 0)
                        base = median;
                (void)printf("%-28s %9.2f %9.2f %9.2f %8.2f %12ld\n", c->name, median, c->ms[rounds / 10],
                             c->ms[rounds - 1 - rounds / 10], median / base, c->kib);
        }
}

int main(int argc, char **argv) {
        static struct contestant all[CONTESTANTS_MAX];
        size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
        size_t count = argc > 2 ? (size_t)(argc - 2) / 2 : 0;
        if (rounds < 1 || rounds > ROUNDS_MAX || count < 1 || count > CONTESTANTS_MAX || argc % 2 != 0) {
                (void)fprintf(stderr, "usage: compare ROUNDS NAME COMMAND [NAME COMMAND]...\n");
                return 1;
        }
        /* Orphans of a contestant are reaped here at once: some machines' pid 1 is slow to do so. */
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        for (size_t i = 0; i < count; i++) {
                all[i].name = argv[2 + 2 * i];
                split(&all[i], argv[3 + 2 * i]);
        }
        for (size_t round = 0; round < rounds + 3; round++)
                for (size_t i = 0; i < count; i++) {
                        if (run_once(&all[i], round < 3 ? 0 : round - 3, round >= 3) < 0) {
                                (void)fprintf(stderr, "compare: %s failed\n", all[i].name);
                                return 1;
                        }
                        while (waitpid(-1, NULL, WNOHANG) > 0)
                                ;
                }
        print_table(all, count, rounds);
        return 0;
}
