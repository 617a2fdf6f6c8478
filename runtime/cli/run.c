#include "runtime/cli/cli.h"

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        struct container_options all = cli_container_options(globals, options, arguments);
        int status = 0;
        int r = container_run(&all, &status);
        return r < 0 ? r : status;
}

static const struct opt options_table[] = {
        CONTAINER_OPTION("detach", 'd', OPT_FLAG, detach, NULL, "do not wait for the container to end"),
        CONTAINER_OPTION("keep", 0, OPT_FLAG, keep, NULL, "do not delete the container when its program has ended"),
        CONTAINER_OPTION("no-subreaper", 0, OPT_FLAG, no_subreaper, NULL, "accepted and ignored: none is ever made"),
        CREATE_OPTIONS,
        { 0 },
};

const struct command command_run = {
        .name = "run",
        .arguments = "ID",
        .summary = "make a container, start it, wait for its end, delete it",
        .description = "Create, start, wait and delete in one command. Standard input, output and signals go to the "
                       "container;\n"
                       "the exit status is that of its program (128 + N when signal N ended it).\n"
                       "\n"
                       "  rundlet run --bundle box first\n"
                       "  rundlet run --bundle box -p 8080:80 web\n"
                       "  rundlet run --bundle box --layer app --layer debian --upper tmpfs:64m second",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct container_options),
        .run = run,
};
