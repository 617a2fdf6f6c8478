/* Reads what a cgroup counts, and watches it for what cannot wait.  Parent side only.  cgroups(7), the kernel's
 * cgroup-v2.rst, psi.rst. */
#ifndef RUNTIME_HOST_CGROUP_STATS_H
#define RUNTIME_HOST_CGROUP_STATS_H

#include "specs/oci_stats.h"

/* One reading of the cgroup whose folder is fd, which counts for everything below it too: each file once, none of a
 * process.  What is not there, is switched off, or is no number that a kernel writes is left out.  -ENOENT without
 * words: the cgroup is gone. */
int cgroup_stats(int fd, struct oci_stats *ret);

enum cgroup_notice {
        CGROUP_INTERVAL, /* another interval is over */
        CGROUP_OOM,      /* the kernel ran out of the cgroup's memory or killed in it */
};
/* 0: go on; else the answer of cgroup_watch. */
typedef int cgroup_watcher(enum cgroup_notice notice, void *data);

/* Calls watcher every interval_ns nanoseconds and at every new count in memory.events (of which it is told by the
 * kernel), until the process of pidfd has ended or the cgroup is gone: 0.  Where there is no memory controller only the
 * intervals come. */
int cgroup_watch(int fd, int pidfd, uint64_t interval_ns, cgroup_watcher *watcher, void *data);

#endif
