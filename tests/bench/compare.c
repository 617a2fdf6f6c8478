/* Times whole commands against each other, interleaved, and prints medians, spread, ratios and peak resident memory.
 * Usage: compare ROUNDS NAME COMMAND [NAME COMMAND]...   Each command is one string split at spaces; a word ";" in it
 * begins another that is timed with it.  The first is the one that ratios are taken against.  A command that fails ends
 * the run: a broken contestant has no time.  With COMPARE_TSV=FILE the table is appended there too, under the name
 * COMPARE_TITLE. */
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
        char *words[WORDS_MAX + 1]; /* NULL ends a command */
        size_t count;
        double ms[ROUNDS_MAX];
        long kib;
};

static double now_ms(void) {
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* One of a contestant's commands. */
static int run_words(struct contestant *c, char **words) {
        pid_t pid = fork();
        if (pid == 0) {
                int null = open("/dev/null", O_RDWR);
                if (null >= 0) {
                        (void)dup2(null, 0);
                        (void)dup2(null, 1);
                }
                (void)execvp(words[0], words);
                _exit(127);
        }
        int status;
        struct rusage usage;
        if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return -1;
        if (usage.ru_maxrss > c->kib)
                c->kib = usage.ru_maxrss;
        return 0;
}

static int run_once(struct contestant *c, size_t round, int is_counted) {
        double start = now_ms();
        for (char **words = c->words; *words; words++) {
                if (run_words(c, words) < 0)
                        return -1;
                while (*words) /* the end of this one, and where the next begins */
                        words++;
                if (words + 1 >= c->words + c->count)
                        break;
        }
        if (is_counted)
                c->ms[round] = now_ms() - start;
        return 0;
}

static int by_size(const void *a, const void *b) {
        double x = *(const double *)a;
        double y = *(const double *)b;
        return (x > y) - (x < y);
}

static void split(struct contestant *c, char *command) {
        for (char *word = strtok(command, " "); word && c->count < WORDS_MAX; word = strtok(NULL, " "))
                c->words[c->count++] = strcmp(word, ";") == 0 ? NULL : word;
}

static void print_table(struct contestant *all, size_t count, size_t rounds) {
        const char *path = getenv("COMPARE_TSV"), *title = getenv("COMPARE_TITLE");
        FILE *tsv = path ? fopen(path, "ae") : NULL;
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
                if (tsv)
                        (void)fprintf(tsv, "%s\t%s\t%.3f\t%.3f\t%.3f\t%ld\n", title ? title : "", c->name, median,
                                      c->ms[rounds / 10], c->ms[rounds - 1 - rounds / 10], c->kib);
        }
        if (tsv)
                (void)fclose(tsv);
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
