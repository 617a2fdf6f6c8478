/* Bridges of several hosts as one: a VXLAN port on the bridge of a network, which carries its frames in UDP to a list
 * of other hosts.  It comes with the first attachment and goes with the bridge.  Called by apply.c, gc.c and net.c with
 * the lock of net.h held; the check and the builders are pure.  Host side. */
#ifndef NETSETUP_OVERLAY_H
#define NETSETUP_OVERLAY_H

#include "netsetup/net.h"

/* What a network says of it must fit together. */
int overlay_check(const struct net_network *network);

struct overlay_port {
        const char *name, *alias;
        int bridge, uplink; /* indices; uplink 0: wherever the routes lead */
        uint32_t id, port, mtu;
        struct net_address local; /* family 0: the kernel chooses */
};

/* The port, with its alias and up; its address family is that of local. */
void overlay_put(struct nl_batch *batch, const struct overlay_port *port);
/* A host that gets what is for all or for nobody known; more are learned from what comes in. */
void overlay_put_peer(struct nl_batch *batch, int link, const struct net_address *peer, bool is_there);

/* Makes the port unless it is there, with all peers; true in *ret_is_made when it was not. */
int overlay_make(struct nl *nl, const struct net_network *network, const struct link_info *bridge, bool *ret_is_made);
/* Removes it; absent is success. */
int overlay_remove(struct nl *nl, const char *network);
/* The link is the port of some network of ours. */
bool overlay_is(const struct link_info *link);

/* The largest packet of the link that leads to an address; 0 when none does. */
int overlay_mtu_towards(struct nl *nl, const struct net_address *address, uint32_t *ret);
/* What of it is left for containers; fails when it is too little, or less than the network asks for. */
int overlay_mtu(struct nl *nl, const struct net_network *network, uint32_t *ret);

/* `peer add`, `peer del`: in the file of the network, and at the port when it is there. */
int overlay_change(const struct net_request *request, FILE *dry);

/* A packet of the network below, of what ("VXLAN") head bytes are not the container's. */
struct overlay_packet {
        const char *what;
        uint32_t mtu, head, least; /* bytes; least: what the network's own protocols need */
};

/* The MTU within such packets: the network's own, which must fit, or all that is left.  -EINVAL with words.  Pure. */
int overlay_mtu_within(const struct net_network *network, const struct overlay_packet *packet, uint32_t *ret);

#endif
