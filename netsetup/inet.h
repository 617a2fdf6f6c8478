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

/* The same address, whatever the prefix; and: address lies in the subnet of other. */
bool address_is_same(const struct net_address *address, const struct net_address *other);
bool address_is_within(const struct net_address *address, const struct net_address *other);
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

#endif
