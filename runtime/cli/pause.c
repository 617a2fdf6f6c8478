#include "runtime/cli/cli.h"

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)options;
        return container_pause(globals->root, arguments->at[0]);
}

const struct command command_pause = {
        .name = "pause",
        .arguments = "ID",
        .summary = "freeze every process of a container",
        .description =
                "Freezes the container's cgroup and returns once the kernel says that nothing in it runs any more.",
        .min = 1,
        .max = 1,
        .run = run,
};
