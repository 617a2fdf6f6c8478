/* Links: messages that make, change and ask for bridges and veth pairs, and what the kernel says about a link.
 *
 * The builders are pure: they append one message to a batch.  Names are those of the network namespace of the socket
 * that the batch is sent over. */
#ifndef NETSETUP_LINK_H
#define NETSETUP_LINK_H

#include "netsetup/nl.h"

enum { LINK_NAME_SIZE = 16, LINK_MAC_SIZE = 6, LINK_ALIAS_MAX = 255 };

/* A veth pair: `name` here, a port of the bridge; `peer` born in another network namespace, never seen here. */
struct link_veth {
        const char *name, *peer;
        int bridge;         /* index */
        int peer_netns;     /* fd */
        const uint8_t *mac; /* of the peer; NULL: the kernel takes a random one */
        uint32_t mtu;       /* of both ends; 0: the kernel's default */
};

/* Flags of a bridge port. */
struct link_port {
        bool isolated; /* it reaches the bridge itself and ports that are not isolated */
        bool hairpin;  /* a frame may go back out where it came in */
        bool is_later; /* it is set up later: it is in no VLAN of its own yet */
};

struct link_info {
        int index;
        uint32_t flags;                  /* IFF_UP... */
        const char *name, *kind, *alias; /* alias NULL when there is none */
        uint8_t mac[LINK_MAC_SIZE];
        uint32_t mtu, group;
        int bridge;     /* index of what it is a port of; 0: nothing */
        int peer;       /* index of the other end of a veth; 0: unknown */
        int peer_netns; /* kernel's number for the namespace of the other end; -1: this one or unknown */
        struct link_port port;
        bool filters_vlans; /* a bridge */
};

/* What says of a bridge that it was made here: its group, which is set as it is made ("rund"). */
#define LINK_GROUP 0x72756e64U

/* A bridge of our group, down, that router advertisements cannot reach yet.  With an address of its own: otherwise the
 * kernel gives it the lowest one of its ports, and it changes under its neighbours as ports come and go. */
void link_put_bridge(struct nl_batch *batch, const char *name, const uint8_t mac[LINK_MAC_SIZE]);
/* Both ends of a veth pair in one message, down. */
void link_put_veth(struct nl_batch *batch, const struct link_veth *veth);
/* The alias and the port flags of a bridge port, and up. */
void link_put_port(struct nl_batch *batch, const char *name, const char *alias, const struct link_port *port);
/* Lets a port send frames back out where they came in. */
void link_put_hairpin(struct nl_batch *batch, const char *name);
/* Sets the link up or down. */
void link_put_up(struct nl_batch *batch, int index, bool up);
void link_put_delete(struct nl_batch *batch, int index);
/* In the namespace the kernel calls netns (-1: ours). */
void link_put_delete_in(struct nl_batch *batch, int index, int netns);
/* Asks for one link: by name, or by index in the namespace the kernel calls netns (-1: ours). */
void link_put_get(struct nl_batch *batch, const char *name);
void link_put_get_index(struct nl_batch *batch, int index, int netns);
/* Asks for all links of a kind (NULL: any) that are ports of a bridge (0: or not). */
void link_put_dump(struct nl_batch *batch, const char *kind, int bridge);

/* Reads one RTM_NEWLINK; false when it is not a link at all. */
bool link_read(const struct nlmsghdr *message, struct link_info *ret);

/* One link by name.  -ENODEV, without a record, when there is none. */
int link_get(struct nl *nl, const char *name, struct link_info *ret);

/* "02:00:5e:10:00:01" in the arena. */
const char *link_mac_text(const uint8_t mac[LINK_MAC_SIZE]);

#endif
