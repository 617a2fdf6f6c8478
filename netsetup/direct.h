/* Attachments without a bridge: a macvlan or ipvlan link of a container's own on an interface of the host, the uplink.
 * The link is born in the namespace of the container and nothing of it is here, so it is found by its record, through
 * the number that the kernel here has for that namespace.  Host side; the builders and the tables are pure. */
#ifndef NETSETUP_DIRECT_H
#define NETSETUP_DIRECT_H

#include "netsetup/record.h"
#include "netsetup/request.h"

struct direct_mode {
        const char *kind, *mode;
        uint32_t value;      /* the kernel's */
        bool has_own_mac;    /* false: that of the uplink */
        bool is_without_arp; /* nobody answers for a gateway: the default route leads to the link itself */
};

/* The mode of a kind, with NULL its usual one; NULL when there is none. */
const struct direct_mode *direct_mode(const char *kind, const char *mode);

/* The kernel's module for it. */
const char *direct_module(const struct direct_mode *mode);

/* What a network says of kind, mode, uplink and bridge must fit together. */
int direct_check_network(const struct net_network *network);
/* What attach asks for must be possible without a port and rules of our own. */
int direct_check_request(const struct net_request *request);

struct direct_link {
        const struct direct_mode *mode;
        const char *name;   /* until it has its tag: tag_link_name */
        int uplink;         /* index */
        int netns;          /* fd of where it is born */
        const uint8_t *mac; /* NULL: the kernel chooses */
        uint32_t mtu;       /* 0: that of the uplink */
        uint16_t vlan;      /* of the kind vlan */
};

/* The link, down; sent from here.  Then, sent from the namespace: the interface's name and the tag. */
void direct_put(struct nl_batch *batch, const struct direct_link *link);
void direct_put_name(struct nl_batch *batch, int index, const char *interface, const char *alias);

/* The link of an attachment in the namespace of that number, finished or not.  -ENODEV, without a record, when there is
 * none.  Of what is found peer and peer_netns say where it is, and name is the link name of the tag. */
int direct_get(struct nl *nl, const struct net_policy *policy, uint32_t number, struct link_info *ret);
/* Deletes it; what is not there is fine. */
int direct_delete(struct nl *nl, const struct net_policy *policy, uint32_t number);

/* Adds to the list those of the request's id and interface, or all. */
int direct_find(struct nl *nl, int attached, const struct net_request *request, struct link_info **links, size_t *n);

#endif
