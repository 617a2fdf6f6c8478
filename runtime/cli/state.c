#include "runtime/cli/cli.h"

#include <stdio.h>

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)options;
        struct oci_state state;
        int r = container_state(globals->root, arguments->at[0], &state);
        if (r < 0)
                return r;
        (void)fputs(json_write(&state, &oci_state_type, true), stdout);
        return 0;
}

const struct command command_state = {
        .name = "state",
        .arguments = "ID",
        .summary = "print what a container is, as JSON",
        .description = "Prints the state of the runtime-spec: status is creating, created, running, paused or stopped, "
                       "asked of the\n"
                       "kernel and not of a file.",
        .min = 1,
        .max = 1,
        .run = run,
};
