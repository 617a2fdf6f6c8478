/* mounts: as crun has it, a JSON array of mounts that are added to a running container or taken away from it. */
#include "runtime/cli/cli.h"

#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct mounts_file {
        LIST_OF(oci_mount) mounts;
};
static const struct json_field mounts_file_fields[] = {
        LIST(mounts_file, "mounts", mounts, oci_mount),
};
static TYPE(mounts_file);

/* The reader knows objects: the array becomes the only key of one. */
static int read_mounts(const char *path, struct mounts_file *ret) {
        struct strv warnings = { 0 };
        struct json_read_options reading = { .warnings = &warnings };
        char *text;
        size_t size;
        int r = str_eq(path, "-") ? read_fd(STDIN_FILENO, JSON_MAX_SIZE, &text, &size)
                                  : read_file_at(AT_FDCWD, path, JSON_MAX_SIZE, &text, &size);
        if (r < 0)
                return fail_in(r, "mounts %s", path);
        if (text[strspn(text, " \t\r\n")] != '[')
                return fail_words(EINVAL, "mounts %s: a JSON array of mounts is expected", path);
        const char *object = str_format("{\"mounts\":%s}", text);
        r = strlen(text) == size ? json_read(object, strlen(object), &mounts_file_type, &reading, ret)
                                 : fail_words(EBADMSG, "a NUL byte");
        for (size_t i = 0; r == 0 && i < warnings.n; i++)
                log_warning("%s", warnings.at[i]);
        return r < 0 ? fail_in(r, "mounts %s", path) : 0;
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)options;
        const char *action = arguments->at[0], *id = arguments->at[1];
        bool is_added = str_eq(action, "add");
        struct mounts_file file = { 0 };
        if (!is_added && !str_eq(action, "remove"))
                return fail_words(EINVAL, "mounts: %s: add or remove expected", action);
        int r = read_mounts(arguments->at[2], &file);
        if (r < 0)
                return r;
        return is_added ? container_mounts_add(globals->root, id, file.mounts.at, file.mounts.n)
                        : container_mounts_remove(globals->root, id, file.mounts.at, file.mounts.n);
}

const struct command command_mounts = {
        .name = "mounts",
        .arguments = "add|remove ID FILE",
        .summary = "add mounts to a running container, or take them away",
        .description =
                "FILE (-: standard input) is a JSON array of mounts as in config.json; relative sources are relative "
                "to the bundle.\n"
                "add makes them in this order inside the container, all or none; remove takes away what is mounted at "
                "each\n"
                "destination, the last first, as soon as nobody uses it any more.\n"
                "\n"
                "  echo '[{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"/srv/data\", \"options\": "
                "[\"rbind\", \"ro\"]}]' >m\n"
                "  rundlet mounts add web m",
        .min = 3,
        .max = 3,
        .run = run,
};
