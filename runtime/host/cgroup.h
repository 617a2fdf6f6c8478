/* The cgroup of a container on the cgroup2 mount, through the file system.  Parent side only.  cgroups(7) and the
 * kernel's cgroup-v2.rst. */
#ifndef RUNTIME_HOST_CGROUP_H
#define RUNTIME_HOST_CGROUP_H

#include "runtime/plan/plan.h"

#include <stdbool.h>

/* {.fd = -1} is valid to release. */
struct cgroup {
        const char *path;  /* below the cgroup2 mount, with a leading slash, no "..": what /proc/PID/cgroup shows after
                              0:: */
        int fd;            /* its folder, opened for reading; -1: the container has no cgroup of its own */
        const char *label; /* set by cgroup_make: release undoes what it did, unless kept */
        const struct probe *probe;
        const char *scope;  /* systemd's, NULL: made without systemd */
        bool is_user_scope; /* of the caller's own manager */
        pid_t placeholder;  /* holds the scope until the container's first process does; 0: none */
};
#define CGROUP_NONE                                                                                                    \
        { .fd = -1 }

/* The path for a container: config's cgroupsPath ("/x" from the root of the mount, "x" below our own default parent) or
 * <default parent>/ID.  The default parent is /rundlet when privileged, else the caller's own cgroup's parent that was
 * delegated.  "" when an ordinary user was delegated none.  Refuses "..", empty components, and systemd's
 * slice:prefix:name form with words that say the systemd driver is needed.  Pure apart from reading /proc/self/cgroup.
 */
int cgroup_path(const struct probe *probe, const char *cgroups_path, const char *id, const char **ret_path);

/* Makes the cgroup and its missing parents, enabling the controllers the plan needs on the way down; refuses one that
 * exists with processes or children in it (the words say which).  Where an ordinary user may not make one and no limit
 * asks for it, *ret has no cgroup (fd -1).  A missing controller is an error that names the
 * controller and the cgroup.subtree_control that lacks it.  Labels it with the xattr trusted.rundlet.container =
 * "STATE_FOLDER" (user. when not root) so that it can be found with no state at all. */
int cgroup_make(const struct probe *probe, const struct plan *plan, const char *path, const char *label,
                struct cgroup *ret);

/* Opens an existing one.  STORE-like answer: 0, or -ENOENT without words when it is gone. */
int cgroup_open(const struct probe *probe, const char *path, struct cgroup *ret);

/* The plan's writes, in order; the first that fails gives its place in the config and the controller's reason. */
int cgroup_apply(const struct cgroup *cgroup, const struct plan *plan);

/* Attaches the device filter (bpf.c), replacing an older one without a gap.  Only a warning where an ordinary user may
 * not load one: device nodes are out of its reach anyway. */
int cgroup_attach_devices(const struct cgroup *cgroup, const struct plan *plan);

/* The same for one that lives: a plan without a filter ends the older one (its rules allow everything).  *ret_old is
 * the program whose place was taken, -1: none; whoever wants it back gives it to cgroup_return_devices. */
int cgroup_replace_devices(const struct cgroup *cgroup, const struct plan *plan, int *ret_old);
int cgroup_return_devices(const struct cgroup *cgroup, int old);

/* Gives the cgroup to uid: its folder and the files that the kernel lists for delegation, never its limits.  Spec:
 * config-linux.md "Cgroup ownership". */
int cgroup_delegate(const struct cgroup *cgroup, uint32_t uid);

/* Freezes or thaws and waits for cgroup.events to say so (poll, no sleeping), at most 10 s; what could not be frozen is
 * thawed.  One that is held by a frozen cgroup above it is not waited for. */
int cgroup_freeze(const struct cgroup *cgroup, bool frozen);
/* Thaws without waiting and without a word, when whatever is in it is to end. */
void cgroup_let_go(const struct cgroup *cgroup);
int cgroup_is_frozen(const struct cgroup *cgroup, bool *ret);
/* The same of the cgroup at path, whosever it is; -ENOENT without words when it is gone.  For one that is asked once:
 * what it opens is kept for the next. */
int cgroup_frozen_at(const struct probe *probe, const char *path, bool *ret);

/* Kills every process below it: cgroup.kill (5.14), else a bounded loop of pidfd kills over the tree.  Works on frozen
 * ones. */
int cgroup_kill(const struct cgroup *cgroup);

/* Signals every process below it through verified pidfds. */
int cgroup_signal(const struct cgroup *cgroup, int number);

/* All pids below it, threads' sub-cgroups included, ascending, 0-terminated in the arena. */
int cgroup_pids(const struct cgroup *cgroup, pid_t **ret_pids, size_t *ret_count);

/* No process is below it, for now. */
bool cgroup_is_empty(const struct cgroup *cgroup);

/* Waits until cgroup.events says it is empty, as long as fewer processes are left after each half of timeout_ms: many
 * take their time on a slow machine.  -ETIMEDOUT names the pids that hold it. */
int cgroup_wait_empty(const struct cgroup *cgroup, int timeout_ms);

/* rmdir of the cgroup and of sub-cgroups the container made, bottom up, EBUSY retried while it empties, then of parents
 * that cgroup_make made and that are empty now; absent is success.  One that was there before create stays, without its
 * children; one with another label is left alone. */
int cgroup_remove(const struct probe *probe, const char *path, const char *label);

/* The topmost cgroup of path that does not exist, NULL: all do.  What create is about to make begins there. */
const char *cgroup_missing(const struct probe *probe, const char *path);

/* Removes path and what is above it up to made, the answer of cgroup_missing before create, as far as it is empty: a
 * create that was stopped between making a cgroup and labelling it leaves such ones. */
void cgroup_remove_made(const struct probe *probe, const char *path, const char *made);

/* Was it made or taken for the container with this label?  Asked before anything in it is killed. */
bool cgroup_is_ours(const struct cgroup *cgroup, const char *label);

/* The cgroup2 path of a process (0: our own), as /proc/PID/cgroup shows it. */
int cgroup_of(pid_t pid, const char **ret_path);
/* Is path the cgroup parent or one below it, by components? */
bool cgroup_is_below(const char *path, const char *parent);

/* Finds a labelled cgroup by walking the mount (only for `delete` with no usable state); 0, or -ENOENT without words.
 */
int cgroup_find(const struct probe *probe, const char *label, const char **ret_path);

void cgroup_keep(struct cgroup *cgroup);
void cgroup_release(struct cgroup *cgroup);
#define autocgroup __attribute__((cleanup(cgroup_release))) struct cgroup

#endif
