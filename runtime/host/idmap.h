/* uid_map and gid_map of a new user namespace.  Parent side only.  user_namespaces(7). */
#ifndef RUNTIME_HOST_IDMAP_H
#define RUNTIME_HOST_IDMAP_H

#include "runtime/plan/plan.h"

/* Writes the plan's maps for pid: directly when privileged (or one own id, with setgroups denied), else by newuidmap
 * and newgidmap, found at fixed places (/usr/bin, /bin, /usr/local/bin), root-owned when we are root, run with an empty
 * environment and only fds 0-2.  Failures name the map line and, on EPERM, the sysctl that forbids user namespaces if
 * one does. */
int idmap_write(const struct plan *plan, const struct probe *probe, pid_t pid);

#endif
