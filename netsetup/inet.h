/* Addresses (addr.c) and routes (route.c) of both families: words to numbers, and messages.  The builders are pure:
 * they append one message to a batch. */
#ifndef NETSETUP_INET_H
#define NETSETUP_INET_H

#include "netsetup/nl.h"

struct net_address {
        int family;        /* AF_INET, AF_INET6 */
        uint8_t bytes[16]; /* network order; IPv4 uses four */
        uint8_t prefix;    /* bits of the subnet; all of them for a plain address */
        const char *text;  /* as it is written in messages */
};

struct net_addresses {
        struct net_address *at;
        size_t n;
};

/* "10.1.0.2/24": an address with its subnet, that an interface can have.  "10.1.0.1": a neighbour's address.  NULL when
 * good and *ret is filled, otherwise why not. */
const char *address_parse_cidr(const char *word, struct net_address *ret);
const char *address_parse_host(const char *word, struct net_address *ret);

/* "10.1.0.0/24": a subnet, whose bits after the prefix are zero; "0.0.0.0/0" too.  As above. */
const char *address_parse_subnet(const char *word, struct net_address *ret);

/* The same address, whatever the prefix; and: address lies in the subnet of other. */
bool address_is_same(const struct net_address *address, const struct net_address *other);
bool address_is_within(const struct net_address *address, const struct net_address *other);
/* The two subnets have an address in common. */
bool address_is_overlap(const struct net_address *a, const struct net_address *b);

/* Addresses as numbers that can be counted; those of IPv4 lie where IPv6 maps them (::ffff:0:0/96), so no two addresses
 * have the same.  Back again: with that prefix length, and a text with it, or without when the prefix is a whole
 * address. */
unsigned __int128 address_number(const struct net_address *address);
struct net_address address_of_number(unsigned __int128 number, uint8_t prefix);
/* The first and the last number of the subnet of address. */
unsigned __int128 address_first(const struct net_address *address);
unsigned __int128 address_last(const struct net_address *address);

bool address_is_link_local(const struct net_address *address);

/* Adds or deletes the address of a link.  IPv6 ones are usable at once (no duplicate address detection). */
void address_put_add(struct nl_batch *batch, int link, const struct net_address *address);
void address_put_delete(struct nl_batch *batch, int link, const struct net_address *address);
/* Asks for all addresses in the namespace the kernel calls netns (-1: ours). */
void address_put_dump(struct nl_batch *batch, int netns);
/* "10.1.0.2/24" when the message is a global address of that link, else NULL. */
const char *address_read(const struct nlmsghdr *message, int link);

/* The default route of the gateway's family. */
void route_put_default(struct nl_batch *batch, int link, const struct net_address *gateway);
/* A route to a subnet. */
void route_put(struct nl_batch *batch, int link, const struct net_address *destination,
               const struct net_address *gateway);

/* A route that leads to the link itself, without a gateway; destination NULL: the default one. */
void route_put_link(struct nl_batch *batch, int link, int family, const struct net_address *destination);

/* Deletes the route of a link to a subnet. */
void route_put_delete(struct nl_batch *batch, int link, const struct net_address *destination);

struct net_found_route {
        struct net_address destination;
        uint32_t link; /* index; 0: none or many */
        bool is_unicast;
};

/* Asks for all routes of a family in the main table, or for the one that leads to a host. */
void route_put_dump(struct nl_batch *batch, int family);
void route_put_get(struct nl_batch *batch, const struct net_address *host);
/* Reads one RTM_NEWROUTE; false when it is none. */
bool route_read(const struct nlmsghdr *message, struct net_found_route *ret);

#endif
