/* VLANs on one bridge: a port is in that of its network and frames do not pass from one to another, because the
 * kernel's bridge sorts them (vlan_filtering).  A network's gateway is in its VLAN by a link of its own on the bridge,
 * the gate, which goes with the bridge, the network or when gc finds nobody attached.  Called by apply.c, gc.c and
 * net.c with the lock of net.h held; checks, names and messages are pure.  Host side. */
#ifndef NETSETUP_VLAN_H
#define NETSETUP_VLAN_H

#include "netsetup/net.h"

enum { VLAN_DEFAULT = 1, VLAN_MAX = 4094 };

/* What a network says of it must fit together. */
int vlan_check(const struct net_network *network);
/* "10" or "20-30"; NULL, or why not. */
const char *vlan_parse_range(const char *word, uint16_t *ret_first, uint16_t *ret_last);

/* The name of the gate of a bridge to a VLAN. */
const char *vlan_gate(const char *bridge, uint32_t vlan);

/* A VLAN of a bridge or its port: the port's own, whose frames are without a tag, or one of those with. */
struct vlan_entry {
        int link;
        uint16_t first, last;
        bool is_own;    /* of a port */
        bool is_bridge; /* the link is the bridge itself */
};
void vlan_put(struct nl_batch *batch, const struct vlan_entry *entry);
void vlan_put_delete(struct nl_batch *batch, const struct vlan_entry *entry);

/* Lets the bridge sort frames, and makes the gate unless it is there.  What was done is for vlan_undo. */
int vlan_prepare(struct nl *nl, const struct net_request *request, const struct link_info *bridge,
                 struct vlan_changes *ret);
void vlan_undo(struct nl *nl, const struct net_request *request, const struct link_info *bridge,
               const struct vlan_changes *changes);

/* Puts a port, which is down, into the VLANs of its network and into no other. */
int vlan_join(struct nl *nl, const struct net_request *request, const struct link_info *port);

/* `network delete`; absent is success. */
int vlan_remove(struct nl *nl, const struct net_network *network);
/* Removes the gates that no record names. */
int vlan_collect(struct nl *nl, int attached, FILE *dry);

#endif
