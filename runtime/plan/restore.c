/* The root of a container that CRIU brings back: what CRIU finds, and where it mounts the rest.  Parent side; pure but
 * for the kind of bound files.
 *
 * CRIU wants the root as a mount, with a mount point for each mount of the image.  It is made by the steps of create,
 * in the mount namespace of CRIU's process; then CRIU moves into it by itself. */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/oci_names.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>

/* What lies in another mount is made with what is in it: a tmpfs comes back with its folders. */
static bool is_in_mount(const struct oci_config *config, const char *destination) {
        for (size_t i = 0; i < config->mounts.n; i++)
                if (str_is_below(destination, plan_destination(&config->mounts.at[i])))
                        return true;
        return false;
}

static bool is_file(const struct build *b, const struct oci_mount *mount) {
        struct stat status;
        const char *source = mount->source ? mount->source : "";
        if (!oci_mount_is_bind(mount))
                return false;
        return stat(*source == '/' ? source : str_path(b->options->bundle, source), &status) == 0 &&
               !S_ISDIR(status.st_mode);
}

static void add_mount_points(struct build *b) {
        for (size_t i = 0; i < b->config->mounts.n; i++) {
                const struct oci_mount *mount = &b->config->mounts.at[i];
                const char *destination = plan_destination(mount);
                b->plan->place = str_format("mounts[%zu]", i);
                if (str_eq(destination, "/") || is_in_mount(b->config, destination))
                        continue;
                plan_add(b->plan, LANE_CHILD, STEP_TARGET, .slot = SLOT_ROOT, .into = SLOT_TARGET,
                         .a = plan_text(b->plan, destination), .flags = is_file(b, mount) ? TARGET_FILE : TARGET_FOLDER,
                         .more = 0755);
        }
}

int plan_build_restore(const struct oci_config *config, const struct probe *probe, const struct plan_options *options,
                       struct plan **ret) {
        struct oci_namespace mount_namespace = { .type = { true, CLONE_NEWNS } };
        struct oci_linux linux_ = { .namespaces = { &mount_namespace, 1 } };
        struct oci_config one = *config;
        struct build b = { .plan = plan_new(),
                           .config = &one,
                           .process = config->process,
                           .probe = probe,
                           .options = options,
                           .first_mount = config->mounts.n }; /* CRIU makes them */
        if (config->linux_) {
                linux_.rootfs_propagation = config->linux_->rootfs_propagation;
                linux_.memory_policy = config->linux_->memory_policy;
        }
        one.linux_ = &linux_;
        int r = plan_rootfs(&b);
        if (r < 0)
                return r;
        add_mount_points(&b);
        /* CRIU forgets these, and whoever it brings back inherits its own. */
        plan_keyring(&b);
        plan_io_priority(&b);
        r = plan_memory_policy(&b);
        if (r == 0)
                r = plan_core_scheduling(&b);
        if (r < 0)
                return r;
        *ret = b.plan;
        return 0;
}
