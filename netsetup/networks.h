/* Named networks: one JSON file each in a folder (request.networks), and what a network makes of a request.  Called by
 * net.c with the lock held.  Host side. */
#ifndef NETSETUP_NETWORKS_H
#define NETSETUP_NETWORKS_H

#include "netsetup/ipam.h"
#include "netsetup/request.h"

/* -ENOENT, with words, when there is none of that name. */
int network_load(const char *folder, const char *name, struct net_network *ret);

/* All of them in the order of their names; no folder is no network. */
int network_all(const char *folder, struct net_networks *ret);

/* What the words of `network create` say, with what they leave out: a free subnet, gateways, a bridge.  Refuses subnets
 * that routes of this host or other networks have. */
int network_plan(const struct net_request *request, struct nl *nl, struct net_network *ret);

/* Makes the folder, and those it lies in. */
int network_folder(const char *folder);
/* Writes the file of a new network: -EEXIST when there is one. */
int network_save(const char *folder, const struct net_network *network);
/* Puts it in place of what its file says. */
int network_replace(const char *folder, const struct net_network *network);
int network_remove(const char *folder, const char *name);

/* Whether one of its subnets is of IPv6. */
bool network_has_ipv6(const struct net_network *network);

/* The name of a network's bridge when nobody chose one. */
const char *network_bridge(const char *name);

/* Puts into the request what the network says: bridge, port, MTU, policy.  Then, what was leased: addresses, gateways,
 * routes.  Pure. */
void network_shape(struct net_request *request, const struct net_network *network);
int network_address(struct net_request *request, const struct net_network *network, const struct ipam_answer *leased);

#endif
