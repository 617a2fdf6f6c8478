#include "runtime/cli/cli.h"

/* The rows of a bundle count from the beginning. */
struct restore_arguments {
        struct container_options container;
        struct image_options image;
};

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        const struct restore_arguments *given = options;
        struct container_options all = cli_container_options(globals, &given->container, arguments);
        struct image_options image = given->image;
        int status = 0;
        image.criu = globals->criu;
        int r = container_restore(&all, &image, &status);
        return r < 0 ? r : status;
}

static const struct opt options_table[] = {
        CONTAINER_OPTION("detach", 'd', OPT_FLAG, detach, NULL, "do not wait for the container to end"),
        CONTAINER_OPTION("keep", 0, OPT_FLAG, keep, NULL, "do not delete the container when its program has ended"),
        CONTAINER_OPTION("no-subreaper", 0, OPT_FLAG, no_subreaper, NULL, "accepted and ignored: none is ever made"),
        IMAGE_OPTIONS(restore_arguments),
        IMAGE_OPTION(restore_arguments, "lsm-profile", OPT_STRING, lsm_profile, "apparmor:NAME|selinux:LABEL",
                     "another profile than the one it had"),
        IMAGE_OPTION(restore_arguments, "lsm-mount-context", OPT_STRING, lsm_mount_context, "CONTEXT",
                     "another SELinux context for its mounts"),
        BUNDLE_OPTIONS,
        CONTAINER_OPTION("no-pivot", 0, OPT_FLAG, no_pivot, NULL, "accepted and ignored: CRIU moves into the root"),
        CONTAINER_OPTION("no-new-keyring", 0, OPT_FLAG, no_keyring, NULL, "keep the caller's session keyring"),
        { 0 },
};

const struct command command_restore = {
        .name = "restore",
        .arguments = "ID",
        .summary = "bring a container back from the folder that checkpoint wrote, by CRIU",
        .description = "A container as by `rundlet run`, from a bundle with the same rootfs and config, but with the "
                       "processes of\n"
                       "the image: they go on where they were. It may have another id than the one that was "
                       "written.\n"
                       "\n"
                       "  rundlet restore --image-path /var/tmp/web --bundle /srv/web --detach web",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct restore_arguments),
        .run = run,
};
