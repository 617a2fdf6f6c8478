#include "runtime/cli/cli.h"

struct container_options cli_container_options(const struct globals *globals, const void *options,
                                               const struct strv *arguments) {
        struct container_options result = *(const struct container_options *)options;
        result.root = globals->root;
        result.driver = globals->driver;
        result.id = arguments->n > 0 ? arguments->at[0] : NULL;
        return result;
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        struct container_options all = cli_container_options(globals, options, arguments);
        return container_create(&all);
}

static const struct opt options_table[] = {
        CREATE_OPTIONS,
        CONTAINER_OPTION("no-subreaper", 0, OPT_FLAG, no_subreaper, NULL, "accepted and ignored: none is ever made"),
        { 0 },
};

const struct command command_create = {
        .name = "create",
        .arguments = "ID",
        .summary = "make a container that waits for start",
        .description = "Reads config.json of the bundle, makes namespaces, cgroup and mounts, runs the hooks of "
                       "creation, and\n"
                       "leaves a process that waits inside. `rundlet start ID` lets it run the program of the config.\n"
                       "\n"
                       "  rundlet create --bundle /srv/web --pid-file web.pid web",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct container_options),
        .run = run,
};
