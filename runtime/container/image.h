/* The image of a container: the folder in which checkpoint leaves its processes and from which restore brings them
 * back.  What both say to CRIU.  Parent side only. */
#ifndef RUNTIME_CONTAINER_IMAGE_H
#define RUNTIME_CONTAINER_IMAGE_H

#include "runtime/container/container.h"
#include "runtime/host/criu.h"
#include "runtime/host/mountinfo.h"

/* Fields of criu_opts in CRIU's rpc.proto. */
enum criu_field {
        CRIU_IMAGES_DIR = 1,
        CRIU_PID = 2,
        CRIU_LEAVE_RUNNING = 3,
        CRIU_EXT_UNIX_SK = 4,
        CRIU_TCP_ESTABLISHED = 5,
        CRIU_SHELL_JOB = 7,
        CRIU_FILE_LOCKS = 8,
        CRIU_LOG_LEVEL = 9,
        CRIU_LOG_FILE = 10,
        CRIU_PAGE_SERVER = 11,
        CRIU_NOTIFY_SCRIPTS = 12,
        CRIU_ROOT = 13,
        CRIU_PARENT_IMG = 14,
        CRIU_TRACK_MEM = 15,
        CRIU_AUTO_DEDUP = 16,
        CRIU_WORK_DIR = 17,
        CRIU_LINK_REMAP = 18,
        CRIU_EXT_MNT = 23,
        CRIU_MANAGE_CGROUPS = 24,
        CRIU_RST_SIBLING = 26,
        CRIU_INHERIT_FD = 27,
        CRIU_EXT_MASTERS = 30,
        CRIU_MANAGE_CGROUPS_MODE = 34,
        CRIU_EXTERNAL = 37,
        CRIU_EMPTY_NS = 38,
        CRIU_FREEZE_CGROUP = 44,
        CRIU_TCP_SKIP_IN_FLIGHT = 46,
        CRIU_LAZY_PAGES = 48,
        CRIU_STATUS_FD = 49,
        CRIU_ORPHAN_PTS_MASTER = 50,
        CRIU_CONFIG_FILE = 51,
        CRIU_TCP_CLOSE = 52,
        CRIU_LSM_PROFILE = 53,
        CRIU_LSM_MOUNT_CONTEXT = 63,
        CRIU_NETWORK_LOCK = 64,
};

/* {-1, -1} is valid to release. */
struct image {
        int folder, work;
        const char *path, *work_path; /* absolute */
};
#define IMAGE_NONE                                                                                                     \
        { -1, -1, NULL, NULL }

/* Opens the folder of the image and the one for CRIU's log (work_path, by default the same), which must be root's;
 * make: also makes them, the last component, 0700: an image is the container's memory. */
int image_open(const struct image_options *options, bool make, struct image *ret);
/* What is wrong with the options by themselves. */
int image_check(const struct image_options *options);
/* Whether CRIU brings back all that the config asks for; what it would lose is an error that names it. */
int image_allows(const struct oci_config *config);
/* Lets the root of a user namespace of the config's own search the folder, and read what is written to it from now on:
 * CRIU reads there in its name too.  image_umask: of these files. */
int image_admit(const struct image *image, const struct oci_config *config);
unsigned image_umask(const struct oci_config *config);
void image_release(struct image *image);
#define autoimage __attribute__((cleanup(image_release))) struct image

/* What checkpoint and restore say alike: folders, log, flags, cgroups, annotations["org.criu.config"].  config: the
 * container's. */
int image_request(const struct image *image, const struct image_options *options, const struct oci_config *config,
                  const char *log, struct criu_message *ret);

/* A mount from outside, which CRIU does not write into the image: message ext_mount_map.  At checkpoint from its mount
 * point to its name in the image, at restore from that name to a path of the host.  The name is the destination in the
 * config, for a mount below a bound tree with the rest of the way behind it. */
void image_put_mount(struct criu_message *message, const char *key, const char *value);
/* Whether its cgroup file system is a bind of its folder of the host's tree, there or to be: without a cgroup namespace
 * it was, and the root of a user namespace may not mount one in the cgroup namespace that CRIU's process made. */
bool image_binds_cgroup(const struct oci_config *config);

/* mounts.json: what is mounted where, and how: mounts as in a config, by destination and options. */
struct image_mounts {
        LIST_OF(oci_mount) mounts;
};
int image_save_mounts(const struct image *image, const struct mount_list *mounts);
int image_load_mounts(const struct image *image, struct image_mounts *ret);

/* A namespace that the container joined: the name by which CRIU calls it, NULL: CRIU knows none of the kind. */
const char *image_namespace_name(int64_t kind);

/* descriptors.json: what 0, 1 and 2 were: "pipe:[17]", "file[2c:1f]" of a file of the host, "/dev/null". */
int image_save_streams(const struct image *image, const struct strv *streams);
int image_load_streams(const struct image *image, struct strv *ret);

#endif
