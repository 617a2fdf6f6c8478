/* Connections that the kernel remembers and translates: forgotten when their container goes, because the next one may
 * get its address, and packets of an old connection are translated by what was said at its beginning.  Host side. */
#ifndef NETSETUP_CONNTRACK_H
#define NETSETUP_CONNTRACK_H

#include "netsetup/policy.h"

/* Forgets the connections to the published UDP ports of the policy: they would go on for as long as somebody sends.
 * Those of TCP end by themselves with whoever answers next.  Only where such a port is: the kernel walks through all
 * connections of all namespaces for it.  The socket is one of netfilter.  A kernel that does not show its connections
 * keeps them. */
int conntrack_forget(struct nl *nl, const struct net_policy *policy);

#endif
