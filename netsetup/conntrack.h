/* Connections that the kernel remembers and translates: forgotten when their container goes, because the next one may
 * get its address, and packets of an old connection are translated by what was said at its beginning.  Host side. */
#ifndef NETSETUP_CONNTRACK_H
#define NETSETUP_CONNTRACK_H

#include "netsetup/policy.h"

/* Forgets all connections from and to the addresses of the policy.  The socket is one of netfilter.  A kernel that does
 * not show its connections keeps them. */
int conntrack_forget(struct nl *nl, const struct net_policy *policy);

#endif
