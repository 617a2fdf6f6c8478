/* linux.netDevices: devices of our network namespace that go to live in the container's, with their addresses.  Parent
 * side only.  Spec: config-linux.md "Network Devices": they are never fetched back from a container that lived; when
 * its network namespace ends, the kernel returns those of hardware and removes the others. */
#ifndef RUNTIME_HOST_NETDEV_H
#define RUNTIME_HOST_NETDEV_H

#include "runtime/host/rtnl.h"
#include "runtime/plan/plan.h"

/* A permanent address of global scope, as rtnetlink(7) has it. */
struct netdev_address {
        const struct nlmsghdr *message;
};

/* A device on its way; both indexes are what names it for sure. */
struct netdev_moved {
        const char *place, *name; /* name: at home */
        uint32_t home_index, index;
        bool was_up, is_away;
        LIST_OF(netdev_address) addresses;
};

struct netdevs {
        int home, there; /* network namespaces: ours and the container's */
        struct rtnl at_home, at_there;
        LIST_OF(netdev_moved) moved;
};
#define NETDEVS_NONE                                                                                                   \
        {                                                                                                              \
                -1, -1, RTNL_NONE, RTNL_NONE, {                                                                        \
                        NULL, 0                                                                                        \
                }                                                                                                      \
        }

/* Moves the plan's devices into the network namespace of the process, one after the other.  When one fails,
 * netdevs_back has to undo what was done. */
int netdevs_move(const struct plan *plan, pid_t pid, struct netdevs *ret);

/* The container does not come to life: every device comes back under its old name, with its addresses, up if it was.
 * What cannot be undone goes to the log.  Forgets the error record. */
void netdevs_back(struct netdevs *devices);

void netdevs_release(struct netdevs *devices);

#endif
