#include "runtime/cli/cli.h"

#include "specs/base/err.h"

#include <errno.h>
#include <stdio.h>

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        struct container_options all = *(const struct container_options *)options;
        all.root = globals->root;
        all.driver = globals->driver;
        all.id = "ID";
        if (arguments->n > 0)
                all.bundle = arguments->at[0];
        struct strv errors = { 0 };
        struct strv warnings = { 0 };
        int r = container_check(&all, &errors, &warnings);
        for (size_t i = 0; i < warnings.n; i++)
                (void)printf("warning: %s\n", warnings.at[i]);
        for (size_t i = 0; i < errors.n; i++)
                (void)printf("error: %s\n", errors.at[i]);
        if (errors.n > 0)
                return fail_words(EINVAL, "check: %zu error%s", errors.n, errors.n == 1 ? "" : "s");
        return r;
}

static const struct opt options_table[] = { CREATE_OPTIONS, { 0 } };

const struct command command_check = {
        .name = "check",
        .arguments = "[BUNDLE]",
        .summary = "say everything that is wrong with a config",
        .description = "Reads the config and prints every error and warning at once, each with its place. Nothing is "
                       "changed. The exit\n"
                       "status is 1 when there is an error.\n"
                       "\n"
                       "  rundlet check --strict box",
        .options = options_table,
        .max = 1,
        .size = sizeof(struct container_options),
        .run = run,
};
