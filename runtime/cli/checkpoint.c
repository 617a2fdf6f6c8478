#include "runtime/cli/cli.h"

struct checkpoint_arguments {
        struct image_options image;
};

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        struct image_options image = ((const struct checkpoint_arguments *)options)->image;
        image.criu = globals->criu;
        return container_checkpoint(globals->root, arguments->at[0], &image);
}

#define OPTION(name_, kind_, member, argument_, help_)                                                                 \
        IMAGE_OPTION(checkpoint_arguments, name_, kind_, member, argument_, help_)
static const struct opt options_table[] = {
        OPTION("leave-running", OPT_FLAG, leave_running, NULL, "the container lives on"),
        OPTION("pre-dump", OPT_FLAG, pre_dump, NULL,
               "only its memory, so that the checkpoint that follows has less to write"),
        OPTION("parent-path", OPT_STRING, parent_path, "DIR",
               "the image of the pre-dump that went before, relative to the folder of this one"),
        IMAGE_OPTIONS(checkpoint_arguments),
        OPTION("tcp-skip-in-flight", OPT_FLAG, tcp_skip_in_flight, NULL, "without TCP connections that are being made"),
        OPTION("page-server", OPT_STRING, page_server, "ADDRESS:PORT", "memory goes to CRIU's page server there"),
        OPTION("status-fd", OPT_STRING, status_fd, "FD", "a NUL byte is written to it when lazy pages can be fetched"),
        { 0 },
};

const struct command command_checkpoint = {
        .name = "checkpoint",
        .arguments = "ID",
        .summary = "write a running container into a folder, by CRIU",
        .description = "The processes, their memory, open files and connections become files of a folder, from which "
                       "`rundlet\n"
                       "restore` brings them back, here or on another host that has the same rootfs. The container is "
                       "gone then,\n"
                       "unless --leave-running. The image is the container's memory: only its owner can read the "
                       "folder.\n"
                       "\n"
                       "  rundlet checkpoint --image-path /var/tmp/web web\n"
                       "  rundlet restore --image-path /var/tmp/web --bundle /srv/web --detach web",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct checkpoint_arguments),
        .run = run,
};
