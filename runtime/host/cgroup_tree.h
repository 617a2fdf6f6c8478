/* Walks below a cgroup, for cgroup.c and its kin only.  Parent side only. */
#ifndef RUNTIME_HOST_CGROUP_TREE_H
#define RUNTIME_HOST_CGROUP_TREE_H

#include "runtime/host/cgroup.h"

#include <stdbool.h>

#define PRIVILEGED_PARENT "/rundlet"
#define CGROUP_DEPTH      128 /* how deep a container may nest before we refuse to walk it: one fd a level */

/* Called for a cgroup before its children; path is relative to where the walk began ("" there).  A positive answer ends
 * the walk and is its result. */
typedef int cgroup_visit(int fd, const char *path, void *data);

/* Visits the cgroup at fd and everything below.  Cgroups that vanish on the way are passed over. */
int cgroup_walk(int fd, cgroup_visit *visit, void *data);

/* The name of one child, or NULL. */
int cgroup_first_child(int fd, const char **ret_name);

/* A cgroup to be made below base, one that exists and stays as it is but for its cgroup.subtree_control; "": the mount.
 */
struct cgroup_making {
        const struct probe *probe;
        const struct plan *plan;
        const char *base, *path, *label; /* path begins with base */
};

/* What cgroup_make does, without its leave for ordinary users to have none. */
int cgroup_make_below(const struct cgroup_making *making, struct cgroup *ret);

/* Enables the controllers of the plan for one that exists already, on the way down to it; errors as of cgroup_make. */
int cgroup_enable(const struct cgroup *cgroup, const struct plan *plan);

/* One write of a plan, as cgroup_apply makes it. */
int cgroup_apply_one(const struct cgroup *cgroup, const struct cgroup_write *write);

/* Sets the xattr rundlet.NAME; a cgroup file system that takes none is no failure. */
int cgroup_set_label(int fd, const char *name, const char *value);

/* The xattr rundlet.NAME of the cgroup at fd: 1 when it is value, 0 when it is something else, -ENODATA, or
 * -EOPNOTSUPP. */
int cgroup_label_is(int fd, const char *name, const char *value);

/* A short file (controllers, events, a number) as one read(2) gives it, without the newline at its end. */
int cgroup_read(int fd, const char *file, char **ret_text);

/* A number out of a flat keyed file: "populated" of cgroup.events. */
int cgroup_event(int fd, const char *key, bool *ret);

/* Waits until the event is value; -ETIMEDOUT without words. */
int cgroup_await_event(int fd, const char *key, bool value, int timeout_ms);

#endif
