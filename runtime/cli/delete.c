#include "runtime/cli/cli.h"

struct delete_options {
        bool force;
};

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        return container_delete(globals->root, arguments->at[0], ((const struct delete_options *)options)->force);
}

static const struct opt options_table[] = {
        { "force", 'f', OPT_FLAG, offsetof(struct delete_options, force), NULL,
          "kill it first if it still runs; absent is success" },
        { 0 },
};

const struct command command_delete = {
        .name = "delete",
        .arguments = "ID",
        .summary = "remove what is left of a stopped container",
        .description =
                "Removes the cgroup, the private overlay and the state of a container, then runs its poststop hooks.\n"
                "With --force it also works on a running, broken or half-made one, whatever happened before.",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct delete_options),
        .run = run,
};
