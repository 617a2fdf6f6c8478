/* Limits of a cgroup that lives are changed: all of them or none.  For `update`; parent side only.
 *
 * The kernel has no such transaction, so each file is read before it is written, and what was read is written back in
 * the reverse order when a later step fails.  Who is killed on the way leaves some files new and some old; the next
 * update sets what it is given, whatever is there. */
#ifndef RUNTIME_HOST_CGROUP_CHANGE_H
#define RUNTIME_HOST_CGROUP_CHANGE_H

#include "runtime/host/cgroup.h"

struct cgroup_change {
        const struct cgroup *cgroup;  /* NULL: there is nothing to bring back */
        struct plan plan;             /* what to write, in the order in which it can be written */
        struct cgroup_earlier *files; /* what was there before, in the same order */
        size_t count, made;           /* ... how many; how many of the plan's writes were made */
        bool has_devices, replaced_devices;
        int old_filter;   /* the device filter of before, -1: none */
        struct strv lost; /* what could not be brought back, "what (why)": callers add theirs */
};
#define CGROUP_CHANGE_NONE                                                                                             \
        { .old_filter = -1 }
#define autochange __attribute__((cleanup(cgroup_change_release))) struct cgroup_change

/* Reads what the plan is about to change; nothing is changed yet but that controllers are enabled where they are
 * missing (and stay so; errors as of cgroup_make).  The order is the plan's but where the kernel wants another one to
 * get from here to there: cpu.max and its burst, cpu.idle and the weight.  has_devices: the plan's device filter, or
 * none, is to take the place of the earlier one. */
int cgroup_change_prepare(const struct cgroup *cgroup, const struct plan *plan, bool has_devices,
                          struct cgroup_change *ret);

/* Makes the writes, then replaces the filter.  The first that fails is the error, as of cgroup_apply. */
int cgroup_change_make(struct cgroup_change *change);

/* Refuses a plan that limits memory or swap to less than is in use: the spec's memory.checkBeforeUpdate. */
int cgroup_check_usage(const struct cgroup *cgroup, const struct plan *plan);

/* The writes that lead back, in their order. */
const struct plan *cgroup_change_back(const struct cgroup_change *change);

/* Forgets the way back: the change stays. */
void cgroup_change_keep(struct cgroup_change *change);
/* Brings everything back unless the change was kept; what is lost is added to the error record. */
void cgroup_change_release(struct cgroup_change *change);

#endif
