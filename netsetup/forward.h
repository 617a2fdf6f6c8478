/* Switches of the kernel that let it forward packets: turned on when something needs them, and said.  They stay on: who
 * else relies on them is not known.  Host side, for the network namespace the process is in. */
#ifndef NETSETUP_FORWARD_H
#define NETSETUP_FORWARD_H

#include "netsetup/policy.h"

/* A switch that was turned, and what it said before. */
struct forward_change {
        const char *name, *before; /* "net/ipv4/ip_forward", as below /proc/sys */
};

struct forward_changes {
        LIST_OF(forward_change) list;
};

/* Whether the policy needs packets of that family forwarded: it masquerades, publishes ports or
 * has neighbours on other hosts, and has an address. */
bool forward_is_needed(const struct net_policy *policy, int family);

/* Turns on what the policy needs.  A kernel that forwards IPv6 stops to hear router advertisements; links that hear
 * them now are told to go on first (accept_ra 2), so that the host keeps its way out.  A failure takes back what was
 * done; what was done goes to *ret, and to the log. */
int forward_enable(const struct net_policy *policy, struct forward_changes *ret);

/* Where the kernel filters bridged packets too (br_netfilter), a packet whose new destination is on its own bridge is
 * bridged and not routed.  To come back to the container it came from it needs a hairpin port. */
int forward_hairpin(struct nl *host, const struct net_policy *policy);
void forward_undo(const struct forward_changes *changes);

#endif
