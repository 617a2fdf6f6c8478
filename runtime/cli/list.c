#include "runtime/cli/cli.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct list_options {
        const char *format;
        bool quiet;
};

static void print_table(const struct oci_states *states) {
        struct strv rows = { 0 };
        static const char *const header[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
        for (size_t i = 0; i < sizeof header / sizeof header[0]; i++)
                strv_add(&rows, header[i]);
        for (size_t i = 0; i < states->n; i++) {
                const struct oci_state *state = &states->at[i];
                strv_add(&rows, state->id);
                strv_add(&rows, str_format("%lld", (long long)state->pid));
                strv_add(&rows, state->status);
                strv_add(&rows, state->bundle);
                strv_add(&rows, state->created);
                strv_add(&rows, state->owner ? state->owner : "");
        }
        cli_table(&rows, sizeof header / sizeof header[0]);
}

static void print_json(const struct oci_states *states) {
        (void)putchar('[');
        for (size_t i = 0; i < states->n; i++)
                (void)printf("%s%s", i > 0 ? "," : "", json_write(&states->at[i], &oci_state_type, false));
        (void)printf("]\n");
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)arguments;
        const struct list_options *list = options;
        const char *format = list->format ? list->format : "table";
        if (!str_eq(format, "table") && !str_eq(format, "json"))
                return fail_words(EINVAL, "list --format: %s: table or json expected", format);
        struct oci_states states;
        int r = container_list(globals->root, &states);
        if (r < 0)
                return r;
        if (list->quiet)
                for (size_t i = 0; i < states.n; i++)
                        (void)printf("%s\n", states.at[i].id);
        else if (str_eq(format, "json"))
                print_json(&states);
        else
                print_table(&states);
        return 0;
}

static const struct opt options_table[] = {
        { "format", 'f', OPT_STRING, offsetof(struct list_options, format), "table|json",
          "form of the list (default: table)" },
        { "quiet", 'q', OPT_FLAG, offsetof(struct list_options, quiet), NULL, "ids only" },
        { 0 },
};

const struct command command_list = {
        .name = "list",
        .arguments = "",
        .summary = "the containers of this state root",
        .description = "Lists the containers below --root with their status, sorted by id.",
        .options = options_table,
        .size = sizeof(struct list_options),
        .run = run,
};
