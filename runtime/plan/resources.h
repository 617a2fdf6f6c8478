/* What resources.c and resources_io.c share, and the conversion that the tests look at.  Parent side; pure. */
#ifndef RUNTIME_PLAN_RESOURCES_H
#define RUNTIME_PLAN_RESOURCES_H

#include "runtime/plan/plan.h"

/* Appends a write, and its controller to those to be enabled. */
void resource_write(struct build *b, const struct cgroup_write *write);

/* linux.resources.blockIO. */
int resource_block_io(struct build *b, const struct oci_block_io *io);

/* cpu.shares of cgroup v1 as cpu.weight of v2. */
uint64_t resource_cpu_weight(uint64_t shares);

#endif
