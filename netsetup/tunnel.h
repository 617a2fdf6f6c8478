/* Networks of several hosts as one, across networks that nobody trusts: a WireGuard link beside the bridge, and routes
 * through it to the subnets of the peers.  It comes with the first attachment, and goes with the network or when gc
 * finds no attachment that uses it.  Called by apply.c, gc.c and net.c with the lock of net.h held; the check is pure.
 * Host side. */
#ifndef NETSETUP_TUNNEL_H
#define NETSETUP_TUNNEL_H

#include "netsetup/net.h"

/* What a network says of it must fit together. */
int tunnel_check(const struct net_network *network);

/* The name of a network's link; NULL when the network has no WireGuard. */
const char *tunnel_name(const struct net_network *network);
bool tunnel_is(const struct link_info *link);

/* `network create`: the private key, made unless its file is there, and with the kernel's help the public one, into the
 * network.  folder: that of the networks. */
int tunnel_prepare(const char *folder, struct net_network *network);
/* `network delete`: the file of a private key that nobody named. */
int tunnel_forget(const char *folder, const struct net_network *network);

/* Makes the link unless it is there, with the gateways of the network as its addresses; true in *ret_is_made when it
 * was not. */
int tunnel_make(struct nl *nl, const struct net_network *network, const struct net_addresses *gateways,
                bool *ret_is_made);
/* Removes it; absent is success. */
int tunnel_remove(struct nl *nl, const struct net_network *network);
/* Removes those that no record names. */
int tunnel_collect(struct nl *nl, int attached, FILE *dry);

/* The largest packet of it; fails when that is too little, or less than the network asks for. */
int tunnel_mtu(struct nl *nl, const struct net_network *network, uint32_t *ret);

/* `peer add`, `peer del`: in the file of the network, and at the link when it is there. */
int tunnel_change(const struct net_request *request, FILE *dry);

#endif
