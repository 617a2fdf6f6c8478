#include "runtime/cli/cli.h"

#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct plan_command_options {
        struct container_options container;
        const char *probe;
};

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        const struct plan_command_options *command = options;
        struct container_options all = command->container;
        all.root = globals->root;
        all.driver = globals->driver;
        all.id = "ID";
        all.relative_paths = true;
        if (arguments->n > 0)
                all.bundle = arguments->at[0];
        if (command->probe && !(all.probe = probe_named(command->probe)))
                return fail_words(EINVAL, "--probe: %s: unknown", command->probe);
        struct plan *plan;
        int r = container_plan(&all, &plan);
        if (r < 0)
                return r;
        const char *bundle = all.bundle ? all.bundle : ".";
        char absolute[PATH_MAX];
        struct plan_options print = { .bundle = realpath(bundle, absolute) ? absolute : bundle,
                                      .id = all.id,
                                      .relative_paths = true };
        (void)fputs(plan_print(plan, &print), stdout);
        return 0;
}

static const struct opt options_table[] = {
        CREATE_OPTIONS,
        { "probe", 0, OPT_STRING, offsetof(struct plan_command_options, probe), "NAME", NULL },
        { 0 },
};

const struct command command_plan = {
        .name = "plan",
        .arguments = "[BUNDLE]",
        .summary = "print every operation that create would carry out",
        .description =
                "A dry run: reads and checks the config and prints the plan, one operation a line. The open lane runs "
                "before\n"
                "clone, the child lane between clone and execve, the host lane beside the child. Nothing is changed.\n"
                "\n"
                "  rundlet plan box",
        .options = options_table,
        .max = 1,
        .size = sizeof(struct plan_command_options),
        .run = run,
};
