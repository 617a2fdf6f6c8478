#include "runtime/cli/cli.h"

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)options;
        return container_resume(globals->root, arguments->at[0]);
}

const struct command command_resume = {
        .name = "resume",
        .arguments = "ID",
        .summary = "thaw a paused container",
        .description = "Thaws the container's cgroup and returns once the kernel says so.",
        .min = 1,
        .max = 1,
        .run = run,
};
