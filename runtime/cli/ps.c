/* The processes of a container: JSON pids for engines, the host's ps(1) filtered by pid for people. */
#include "runtime/cli/cli.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct ps_options {
        const char *format;
};

#define PS_OUTPUT_MAX (16u << 20)
#define QUICK_MAX     4096 /* numbers in one word of a command line, which takes 128 KiB */

/* ps at a fixed place: the caller's PATH chooses no program of ours. */
static void exec_ps(int output, const struct strv *arguments) {
        static const char *const places[] = { "/bin/ps", "/usr/bin/ps" };
        static char *const environment[] = { (char *)"LC_ALL=C", NULL };
        if (dup2(output, STDOUT_FILENO) >= 0 && close_range(3, ~0U, 0) == 0)
                for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
                        (void)execve(places[i], (char *const *)(uintptr_t)arguments->at, environment);
        _exit(127);
}

static int run_ps(const struct strv *arguments, char **ret_output) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return fail(errno, "ps: make a pipe");
        autofd reading = ends[0];
        autofd writing = ends[1];
        pid_t pid = fork();
        if (pid < 0)
                return fail(errno, "ps: fork");
        if (pid == 0)
                exec_ps(writing, arguments);
        writing = fd_close(writing);
        int r = read_fd(reading, PS_OUTPUT_MAX, ret_output, NULL);
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                return fail_in(r, "ps");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return fail_words(
                        EIO, WIFEXITED(status) && WEXITSTATUS(status) == 127
                                     ? "ps: /bin/ps is not there (Debian package procps); --format json works without"
                                     : "ps: the host's ps failed");
        return 0;
}

/* The column of header (a line of ps) that is called PID, or -1. */
static int pid_column(const char *header) {
        struct strv words = str_split(header, ' ', true);
        for (size_t i = 0; i < words.n; i++)
                if (str_eq(words.at[i], "PID"))
                        return (int)i;
        return -1;
}

static bool has_pid(const char *line, int column, const pid_t *pids, size_t count) {
        struct strv words = str_split(line, ' ', true);
        uint64_t pid;
        if ((size_t)column >= words.n || parse_u64(words.at[column], 1, INT32_MAX, &pid) < 0)
                return false;
        for (size_t i = 0; i < count; i++)
                if ((uint64_t)pids[i] == pid)
                        return true;
        return false;
}

/* The lines of -ef without reading every process of the host, by a ps that knows -q.  We are asked for too, and not
 * printed: somebody is there then, whatever becomes of the others. */
static int run_quickly(const pid_t *pids, size_t count, char **ret_output) {
        struct strv numbers = { 0 }, arguments = { 0 };
        strv_add(&numbers, str_format("%d", (int)getpid()));
        for (size_t i = 0; i < count; i++)
                strv_add(&numbers, str_format("%d", (int)pids[i]));
        strv_add(&arguments, "ps");
        strv_add(&arguments, "-f");
        strv_add(&arguments, "-q");
        strv_add(&arguments, str_join(&numbers, ","));
        return count > QUICK_MAX ? -E2BIG : run_ps(&arguments, ret_output);
}

static int run_with(const struct strv *ps_arguments, char **ret_output) {
        struct strv arguments = { 0 };
        strv_add(&arguments, "ps");
        if (ps_arguments->n == 0)
                strv_add(&arguments, "-ef");
        for (size_t i = 0; i < ps_arguments->n; i++)
                strv_add(&arguments, ps_arguments->at[i]);
        return run_ps(&arguments, ret_output);
}

static int print_table(const pid_t *pids, size_t count, const struct strv *ps_arguments) {
        char *output = NULL;
        int r = ps_arguments->n == 0 ? run_quickly(pids, count, &output) : -EINVAL;
        if (r < 0)
                r = run_with(ps_arguments, &output);
        if (r < 0)
                return r;
        struct strv lines = str_split(output, '\n', true);
        int column = lines.n > 0 ? pid_column(lines.at[0]) : -1;
        if (column < 0)
                return fail_words(EINVAL, "ps: the options given make no PID column");
        (void)printf("%s\n", lines.at[0]);
        for (size_t i = 1; i < lines.n; i++)
                if (has_pid(lines.at[i], column, pids, count))
                        (void)printf("%s\n", lines.at[i]);
        return 0;
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        const struct ps_options *ps = options;
        const char *format = ps->format ? ps->format : "table";
        if (!str_eq(format, "table") && !str_eq(format, "json"))
                return fail_words(EINVAL, "ps --format: %s: table or json expected", format);
        pid_t *pids;
        size_t count;
        int r = container_pids(globals->root, arguments->at[0], &pids, &count);
        if (r < 0)
                return r;
        if (str_eq(format, "table")) {
                struct strv rest = { arguments->at + 1, arguments->n - 1 };
                return print_table(pids, count, &rest);
        }
        (void)putchar('[');
        for (size_t i = 0; i < count; i++)
                (void)printf("%s%d", i > 0 ? "," : "", pids[i]);
        (void)printf("]\n");
        return 0;
}

static const struct opt options_table[] = {
        { "format", 'f', OPT_STRING, offsetof(struct ps_options, format), "table|json",
          "form of the list (default: table)" },
        { 0 },
};

const struct command command_ps = {
        .name = "ps",
        .arguments = "ID [PS-OPTION]...",
        .summary = "the processes of a container, with the host's pids",
        .description = "Runs ps(1) with the options given (default: -ef) and shows the lines of the container's "
                       "processes; as JSON,\n"
                       "only the pids.",
        .options = options_table,
        .verbatim_after = 1,
        .min = 1,
        .max = 64,
        .size = sizeof(struct ps_options),
        .run = run,
};
