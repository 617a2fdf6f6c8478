#include "runtime/cli/cli.h"

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)options;
        return container_start(globals->root, arguments->at[0]);
}

const struct command command_start = {
        .name = "start",
        .arguments = "ID",
        .summary = "let a created container run its program",
        .description = "Runs the startContainer hooks, the program of the config, then the poststart hooks. Fails with "
                       "the reason when\n"
                       "the program cannot be executed.",
        .min = 1,
        .max = 1,
        .run = run,
};
