/* A container's scope: what of its cgroup systemd makes, changes and removes.  Parent side only.
 * org.freedesktop.systemd1(5). */
#ifndef RUNTIME_HOST_SCOPE_H
#define RUNTIME_HOST_SCOPE_H

#include "runtime/host/cgroup.h"
#include "runtime/plan/unit.h"

/* The whole of cgroup_make for the systemd driver.  systemd starts no scope without a process, and the container's must
 * be cloned into its own sub-cgroup: a placeholder (a child that dies with us) is put into the scope; the sub-cgroup is
 * made beside it, labelled, and holds the controllers of the plan; *ret is that sub-cgroup.  The placeholder stays
 * until scope_settle.  A scope of that name that exists already is an error that says so; a failure leaves none. */
int scope_make(const struct probe *probe, const struct plan *plan, const char *label, struct cgroup *ret);

/* A process of the container lives in the cgroup now: the placeholder goes.  Before cgroup_keep; no-op for a cgroup
 * without a scope. */
int scope_settle(struct cgroup *cgroup);

/* Has systemd move a process of the caller into the cgroup, of the scope or below it, where the kernel does not let the
 * caller do it (EACCES).  -EBUSY, as the kernel has it: processes live only below this one by now. */
int scope_attach(const struct cgroup *cgroup, pid_t pid);

/* Takes back scope_make, for cgroup_release. */
int scope_undo(struct cgroup *cgroup);

/* Sets the properties of a scope that runs (SetUnitProperties, runtime only). */
int scope_update(const struct unit *unit);

/* Stops the scope and forgets its failure; absent is success.  What still lives in it is killed first. */
int scope_remove(const char *scope, bool is_user);

/* The cgroup path that systemd gave to the scope; -ENOENT without words when there is none. */
int scope_path(const char *scope, bool is_user, const char **ret_path);

#endif
