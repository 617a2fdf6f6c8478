#include "runtime/cli/cli.h"

struct delete_options {
        bool force, regex;
};

static int delete_one(const char *root, const char *id, const void *data) {
        return container_delete(root, id, ((const struct delete_options *)data)->force);
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        bool is_regex = ((const struct delete_options *)options)->regex;
        return is_regex ? cli_for_matching(globals->root, arguments->at[0], delete_one, options)
                        : delete_one(globals->root, arguments->at[0], options);
}

static const struct opt options_table[] = {
        { "force", 'f', OPT_FLAG, offsetof(struct delete_options, force), NULL,
          "kill it first if it still runs; absent is success" },
        { "regex", 'r', OPT_FLAG, offsetof(struct delete_options, regex), NULL,
          "ID is a regular expression: every container whose id matches" },
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
