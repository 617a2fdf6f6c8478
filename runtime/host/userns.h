/* User namespaces that are wanted for their id maps only: idmapped mounts with mappings of their own, and the removal
 * of what a container's users own.  Parent side only. */
#ifndef RUNTIME_HOST_USERNS_H
#define RUNTIME_HOST_USERNS_H

#include "runtime/plan/plan.h"

/* Makes each user namespace the plan wants, by a short-lived child, and puts it into its slot. */
int userns_fill(const struct plan *plan, const struct probe *probe, int *slot);

/* Does the work on fd in a child with every right over the ids of these maps; 0 when it returned 0 there. */
int userns_run(const struct plan *maps, const struct probe *probe, int (*work)(int fd), int fd);

#endif
