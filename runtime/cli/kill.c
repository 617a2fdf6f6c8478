#include "runtime/cli/cli.h"

#include "specs/base/err.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

struct kill_options {
        bool all, regex;
        int number;
};

/* "RTMIN", "RTMIN+3", "RTMAX-1" of the C library's real-time signals. */
static int parse_realtime(const char *name, int *ret) {
        bool is_min = strncasecmp(name, "RTMIN", 5) == 0;
        if (!is_min && strncasecmp(name, "RTMAX", 5) != 0)
                return -EINVAL;
        uint64_t offset = 0;
        const char *rest = name + 5;
        if (*rest &&
            (*rest != (is_min ? '+' : '-') || parse_u64(rest + 1, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &offset) < 0))
                return -EINVAL;
        *ret = is_min ? SIGRTMIN + (int)offset : SIGRTMAX - (int)offset;
        return 0;
}

/* A number, a name or a name with SIG in front, in any case. */
static int parse_signal(const char *text, int *ret) {
        uint64_t number;
        if (parse_u64(text, 0, (uint64_t)SIGRTMAX, &number) == 0) {
                *ret = (int)number;
                return 0;
        }
        const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *known = sigabbrev_np(i);
                if (known && strcasecmp(known, name) == 0) {
                        *ret = i;
                        return 0;
                }
        }
        if (parse_realtime(name, ret) == 0)
                return 0;
        return fail_words(EINVAL, "kill: %s: unknown signal", text);
}

static int kill_one(const char *root, const char *id, const void *data) {
        const struct kill_options *options = data;
        return container_kill(root, id, options->number, options->all);
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        struct kill_options kill = *(const struct kill_options *)options;
        kill.number = SIGTERM;
        int r = arguments->n > 1 ? parse_signal(arguments->at[1], &kill.number) : 0;
        if (r < 0)
                return r;
        return kill.regex ? cli_for_matching(globals->root, arguments->at[0], kill_one, &kill)
                          : kill_one(globals->root, arguments->at[0], &kill);
}

static const struct opt options_table[] = {
        { "all", 'a', OPT_FLAG, offsetof(struct kill_options, all), NULL,
          "signal every process of the container, not only its first" },
        { "regex", 'r', OPT_FLAG, offsetof(struct kill_options, regex), NULL,
          "ID is a regular expression: every container whose id matches" },
        { 0 },
};

const struct command command_kill = {
        .name = "kill",
        .arguments = "ID [SIGNAL]",
        .summary = "send a signal to a container",
        .description =
                "SIGNAL is a number or a name with or without SIG (default: TERM). KILL also ends a paused container,\n"
                "other signals wait until it is resumed.\n"
                "\n"
                "  rundlet kill web HUP",
        .options = options_table,
        .min = 1,
        .max = 2,
        .size = sizeof(struct kill_options),
        .run = run,
};
