/* Limits of a cgroup that lives are changed: all of them or none.  For `update`; parent side only.
 *
 * The kernel has no such transaction, so each file is read before it is written, and what was read is written back in
 * the reverse order when a later step fails.  Who is killed on the way leaves some files new and some old; the next
 * update sets what it is given, whatever is there. */
#ifndef RUNTIME_HOST_CGROUP_CHANGE_H
#define RUNTIME_HOST_CGROUP_CHANGE_H

#include "runtime/host/cgroup.h"

/* The way back. */
struct cgroup_change {
        const struct cgroup *cgroup;  /* NULL: there is nothing to bring back */
        struct cgroup_earlier *files; /* in the order in which they were changed */
        size_t count;
        bool replaced_devices;
        int old_filter; /* the device filter of before, -1: none */
};
#define CGROUP_CHANGE_NONE                                                                                             \
        { .old_filter = -1 }
#define autochange __attribute__((cleanup(cgroup_change_release))) struct cgroup_change

/* Makes the plan's writes, enabling controllers where they are missing, and, if with_devices, puts the plan's device
 * filter in the place of the earlier one.  The order is the plan's but where the kernel wants another one to get from
 * here to there (cpu.max and its burst, cpu.idle and the weight).  The first that fails is the error, as of
 * cgroup_apply; everything is as it was then but for controllers, which stay enabled, and what the words add as not
 * brought back. */
int cgroup_change(const struct cgroup *cgroup, const struct plan *plan, bool with_devices, struct cgroup_change *ret);

/* Refuses a plan that limits memory or swap to less than is in use: the spec's memory.checkBeforeUpdate. */
int cgroup_check_usage(const struct cgroup *cgroup, const struct plan *plan);

/* The writes that lead back, in their order. */
const struct plan *cgroup_change_back(const struct cgroup_change *change);

/* Forgets the way back: the change stays. */
void cgroup_change_keep(struct cgroup_change *change);
/* Goes the way back unless the change was kept; what fails is added to the error record. */
void cgroup_change_release(struct cgroup_change *change);

#endif
