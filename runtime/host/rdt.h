/* resctrl: the file system by which the kernel shares out caches and memory bandwidth.  Parent side only.  Spec:
 * config-linux.md "IntelRdt"; kernel: Documentation/arch/x86/resctrl.rst (filesystems/resctrl.rst).
 *
 * Below the mount a folder is a group (a class of service): schemata is what it gets, tasks who is in it, and
 * mon_groups/NAME counts some of them apart.  All of these functions work on the folder that they are given, so that
 * they are tested on an ordinary one. */
#ifndef RUNTIME_HOST_RDT_H
#define RUNTIME_HOST_RDT_H

#include "runtime/plan/plan.h"

/* What rdt_make() has made, for who has to undo it.  group and monitor: names, NULL: not made. */
struct rdt_made {
        const char *group, *monitor;
};

/* The mounted resctrl, or words that say what is missing: the kernel's part, or the mount. */
int rdt_open(int *ret_mount);

bool rdt_exists(int mount, const char *group);
bool rdt_monitor_exists(int mount, const char *group, const char *monitor);

/* The group, its schemata, its monitoring group.  A group that exists must have the schemas already that the spec wants
 * compared.  On failure *ret says what is to be undone; another's group has its schemata back. */
int rdt_make(int mount, const struct plan_rdt *rdt, struct rdt_made *ret);

/* The process goes into the group, and into its monitoring group (NULL: none). */
int rdt_enter(int mount, const char *group, const char *monitor, pid_t pid);

/* Writes the lines, all or none; *ret_before (may be NULL) is what rdt_restore() takes to undo it later. */
int rdt_set(int mount, const char *group, const struct plan_rdt *rdt, const char **ret_before);
void rdt_restore(int mount, const char *group, const char *before);

/* Removes the monitoring group of a group, and the group when is_own; absent is fine. */
int rdt_remove(int mount, const char *group, const char *monitor, bool is_own);

/* The same for the groups that config asks for when no record says who made them: one of the container's own name stays
 * when anybody is in it. */
int rdt_remove_unrecorded(int mount, const struct oci_intel_rdt *config, const char *id);

/* Does schemata, as the kernel writes it, give everything that line asks for?  Pure. */
bool rdt_matches(const char *schemata, const char *line);

#endif
