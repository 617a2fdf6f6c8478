#include "runtime/cli/cli.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct spec_options {
        const char *bundle, *file;
        bool rootless, system;
};

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)globals;
        (void)arguments;
        const struct spec_options *spec = options;
        const char *path = spec->file ? spec->file : str_path(spec->bundle ? spec->bundle : ".", "config.json");

        if (spec->rootless && spec->system)
                return fail_words(EINVAL, "spec: --rootless and --system: one user id is too few for a whole system");
        struct oci_config *config = oci_config_default(spec->rootless, getuid(), getgid());
        if (spec->system)
                oci_config_to_system(config);
        const char *text = json_write(config, &oci_config_type, true);
        autofd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 && errno == EEXIST)
                return fail_words(EEXIST, "spec: %s exists: remove it first", path);
        if (fd < 0)
                return fail(errno, "spec: make %s", path);
        int r = write_fd(fd, text, strlen(text));
        if (r < 0) {
                (void)unlink(path);
                return fail(r, "spec: write %s", path);
        }
        return 0;
}

static const struct opt options_table[] = {
        { "bundle", 'b', OPT_PATH, offsetof(struct spec_options, bundle), "DIR",
          "where to write config.json (default: the working directory)" },
        { "file", 'f', OPT_PATH, offsetof(struct spec_options, file), "FILE", "write FILE instead of DIR/config.json" },
        { "rootless", 0, OPT_FLAG, offsetof(struct spec_options, rootless), NULL,
          "a config that an ordinary user can run: own user namespace" },
        { "system", 0, OPT_FLAG, offsetof(struct spec_options, system), NULL,
          "a config for a whole system: /sbin/init (systemd) in a writable root, its own cgroups" },
        { 0 },
};

const struct command command_spec = {
        .name = "spec",
        .arguments = "",
        .summary = "write a config.json to begin with",
        .description = "Writes the default config: a shell in ./rootfs, every namespace but user and time, few "
                       "capabilities, masked\n"
                       "and read-only paths, no new privileges. It never overwrites a file.",
        .options = options_table,
        .size = sizeof(struct spec_options),
        .run = run,
};
