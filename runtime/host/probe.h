/* What this kernel and this caller can do, asked once.  Parent side only.  struct probe is in runtime/plan/plan.h, so
 * that builders can be tested with one written by hand. */
#ifndef RUNTIME_HOST_PROBE_H
#define RUNTIME_HOST_PROBE_H

#include "runtime/plan/plan.h"

/* Asks as little as possible: a handful of cheap calls, no files read; the mount of cgroup2 is /sys/fs/cgroup or else
 * /sys/fs/cgroup/unified.  RUNDLET_PROBE_WITHOUT (a list "mount_api,
 * overlay_layers", for tests of the fall-backs) takes features away.  The answer is in static memory.  Never fails:
 * what cannot be asked is absent. */
const struct probe *probe_get(void);

/* Of the same only who we are and where the cgroups are, for commands that make no process: nothing that the kernel can
 * is in it, unless somebody has called the others before. */
const struct probe *probe_self(void);

/* The same as probe_get() with what only some configs make a difference: the number of processors, which a quota of
 * several is compared with, the security modules that labels of the process (of config, or of exec) and its mounts are
 * for, Landlock. */
const struct probe *probe_get_for(const struct oci_config *config, const struct oci_process *process);

#endif
