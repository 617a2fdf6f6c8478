/* The root of the container: where it comes from, where it is attached, how it becomes "/".  Parent side; pure but for
 * rootfs_check. */
#include "runtime/plan/plan.h"
#include "specs/base/err.h"
#include "specs/oci_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>

#define MS_REC_BIT                 16384u
#define MS_PRIVATE_BIT             (1u << 18)
#define MS_SLAVE_BIT               (1u << 19)
#define PROPAGATION(ms, recursive) ((uint64_t)(ms) << 32 | ((recursive) ? AT_RECURSIVE : 0))

/* MS_x bits of rootfsPropagation, 0: not asked. */
static uint32_t asked_propagation(const struct build *b) {
        const char *name = b->config->linux_ ? b->config->linux_->rootfs_propagation : NULL;
        const struct name *row = name ? names_find(&oci_propagation_names, name) : NULL;
        return row ? (uint32_t)row->value : 0;
}

/* What the copied mounts are turned into first.  Never shared: pivot_root refuses that, and what the container mounts
 * would appear on the host. */
static uint32_t first_propagation(const struct build *b) {
        return asked_propagation(b) & MS_PRIVATE_BIT ? MS_PRIVATE_BIT : MS_SLAVE_BIT;
}

enum plan_lane plan_tree_lane(const struct build *b) {
        return (b->probe->is_root && !plan_joins_mounts(b)) || b->is_entering ? LANE_OPEN : LANE_CHILD;
}

void plan_tree(struct build *b, enum plan_lane lane, const char *path, unsigned flags, int into) {
        plan_add(b->plan, lane, STEP_TREE, .into = into, .a = plan_text(b->plan, path),
                 .flags = flags & TREE_RECURSIVE ? AT_RECURSIVE : 0);
        /* A copy made in the host's mount namespace is a peer of the original; in the child's own it is a slave
         * already. */
        if (lane == LANE_OPEN && !(flags & TREE_PEERS))
                plan_add(b->plan, lane, STEP_ATTR, .slot = into, .more = PROPAGATION(first_propagation(b), true));
}

/* A path in a joined mount namespace is seen only by the child. */
static int rootfs_check(const struct build *b) {
        struct stat rootfs, host;
        const char *path = b->config->root->path;
        const char *full = path[0] == '/' ? path : str_path(b->options->bundle, path);
        if (b->options->relative_paths)
                return 0;
        if (stat(full, &rootfs) < 0)
                return plan_joins_mounts(b) ? 0 : fail(errno, "root.path: open %s", full);
        if (!S_ISDIR(rootfs.st_mode))
                return plan_joins_mounts(b) ? 0 : fail(ENOTDIR, "root.path: open %s", full);
        if (stat("/", &host) == 0 && rootfs.st_dev == host.st_dev && rootfs.st_ino == host.st_ino)
                return fail_words(EINVAL, "root.path: %s is the host's root", full);
        return 0;
}

static int source_check(const struct build *b) {
        if (!b->probe->has_mount_api)
                return fail_words(ENOSYS, "this kernel is too old: mount_setattr of Linux 5.12 is needed");
        if (!b->config->root || !b->config->root->path)
                return fail_words(EINVAL, "root: missing");
        return rootfs_check(b);
}

/* Who shares a mount namespace must not mount anything in it: the root is put together in a private one, then copied,
 * and the copy, which is attached nowhere, is taken along.  It goes with the last process that has its root there. */
static int leave_mounts(struct build *b) {
        struct plan *plan = b->plan;
        if (!plan_shares_mounts(b))
                return 0;
        plan->place = "linux.namespaces";
        if (!b->mounts_of) {
                if (plan_has_own(b, CLONE_NEWUSER))
                        return fail_words(EINVAL, "linux.namespaces: a user namespace needs a mount namespace too");
                plan_warn(plan, "linux.namespaces: no mount namespace: the container has the host's");
                b->mounts_of = plan_slot(plan, "own mount namespace");
                if (b->mounts_of < 0)
                        return b->mounts_of;
                plan_add(plan, LANE_OPEN, STEP_OPEN, .into = b->mounts_of, .a = plan_text(plan, "/proc/self/ns/mnt"),
                         .flags = O_RDONLY | O_CLOEXEC, .more = OPEN_NAMESPACE | (uint64_t)CLONE_NEWNS << 32);
        }
        plan_add(plan, LANE_CHILD, STEP_UNSHARE, .flags = CLONE_NEWNS);
        return 0;
}

static void return_to_mounts(struct build *b) {
        b->plan->place = "linux.namespaces";
        plan_add(b->plan, LANE_CHILD, STEP_TREE, .slot = SLOT_ROOT, .into = SLOT_ROOT, .flags = AT_RECURSIVE);
        plan_add(b->plan, LANE_CHILD, STEP_SETNS, .slot = b->mounts_of, .flags = CLONE_NEWNS);
        plan_add(b->plan, LANE_CHILD, STEP_CHROOT, .slot = SLOT_ROOT);
}

/* Where the root mount is attached before pivot_root: root.path, or "/" when the root of a user namespace may not
 * search the folders on the way there.  Not where the mount has to be found again by its path, and not for those who
 * copy host trees after it: a copy of "/" would have the root lying over it. */
static const char *mount_point(const struct build *b) {
        const char *path = b->config->root->path;
        bool is_found_by_path = b->options->no_pivot || !b->probe->has_overlay_layers;
        if (plan_has_own(b, CLONE_NEWUSER) && plan_tree_lane(b) == LANE_OPEN && !is_found_by_path)
                return "/";
        return path[0] == '/' ? path : str_path(b->options->bundle, path);
}

int plan_below_root(struct build *b) {
        plan_covers(b);
        return plan_shelf(b);
}

int plan_rootfs(struct build *b) {
        struct plan *plan = b->plan;
        int overlay = SLOT_NONE;
        int r = source_check(b);
        if (r == 0)
                r = leave_mounts(b);
        if (r < 0)
                return r;
        plan->place = "linux.rootfsPropagation";
        plan_add(plan, LANE_CHILD, STEP_ATTR, .more = PROPAGATION(first_propagation(b), true));
        plan->place = "root.path";
        plan_add(plan, LANE_CHILD, STEP_OPEN, .into = SLOT_ROOTFS, .a = plan_text(plan, mount_point(b)),
                 .flags = O_PATH | O_DIRECTORY, .more = OPEN_FOLDER);
        r = plan_overlay(b, &overlay);
        if (r < 0)
                return r;
        if (overlay != SLOT_NONE)
                return 0;
        const char *path = b->config->root->path;
        plan->place = "root.path";
        path = path[0] == '/' ? path : str_path(b->options->bundle, path);
        plan_tree(b, plan_tree_lane(b), path, TREE_RECURSIVE, SLOT_ROOT);
        r = plan_below_root(b);
        plan->place = "root.path";
        plan_add(plan, LANE_CHILD, STEP_ATTACH, .slot = SLOT_ROOT, .into = SLOT_ROOTFS);
        return r;
}

int plan_pivot(struct build *b) {
        struct plan *plan = b->plan;
        uint32_t propagation = asked_propagation(b);
        plan->place = "root";
        if (plan_shares_mounts(b))
                return_to_mounts(b);
        else
                plan_add(plan, LANE_CHILD, b->options->no_pivot ? STEP_MOVE_ROOT : STEP_PIVOT, .slot = SLOT_ROOT);
        if (propagation) {
                plan->place = "linux.rootfsPropagation";
                plan_add(plan, LANE_CHILD, STEP_ATTR, .slot = SLOT_ROOT,
                         .more = PROPAGATION(propagation & ~MS_REC_BIT, propagation & MS_REC_BIT));
        }
        if (b->config->root->readonly) {
                plan->place = "root.readonly";
                plan_add(plan, LANE_CHILD, STEP_ATTR, .slot = SLOT_ROOT, .flags = ATTR(MOUNT_ATTR_RDONLY, 0));
        }
        return 0;
}
