/* Addresses: which a network may give out (the pool: pure), and which it has given to whom (the leases: one file for
 * each network below ROOT/leases).  Called by net.c and gc.c with the lock of net.c held; the file itself is locked
 * too, for those who only look.  Host side.
 *
 * The file begins with the kernel's boot id: what an earlier boot gave out is free.  A lease is 32 bytes, the address
 * and the name of the link it was taken for, written in one call; whether that attachment still lives is asked only
 * when the address is needed.  So looking for a free address is one pass over memory. */
#ifndef NETSETUP_IPAM_H
#define NETSETUP_IPAM_H

#include "netsetup/model.h"

enum { IPAM_SETS = 8 };

struct ipam_span {
        unsigned __int128 first, last; /* numbers of addresses (inet.h) */
};

struct ipam_range {
        struct net_address subnet, gateway;
        bool has_gateway;
        struct ipam_span span;
};

/* One address comes out of each set. */
struct ipam_set {
        uint32_t number;
        LIST_OF(ipam_range) ranges;
};

struct ipam_reserved {
        const char *id;
        unsigned __int128 address;
};

struct ipam_pool {
        const char *name;
        struct ipam_set sets[IPAM_SETS];
        size_t n;
        LIST_OF(ipam_span) exclude;
        LIST_OF(ipam_reserved) reserved;
};

/* What a network may give out; fails with words on the first thing that cannot be: overlaps, ranges and gateways
 * outside, families mixed.  Pure. */
int ipam_pool(const struct net_network *network, struct ipam_pool *ret);

/* Who wants addresses. */
struct ipam_ask {
        const char *boot, *id, *link;
        struct net_addresses fixed; /* these, in place of the next free one of their set */
        /* True when what that link was made for is gone for good. */
        bool (*is_dead)(void *data, const char *link);
        void *data;
};

struct ipam_answer {
        struct net_addresses addresses; /* with the prefix of their subnet, one for each set */
        struct net_addresses gateways;  /* of those subnets that have one */
};

/* Takes an address out of each set.  What the link had before is given back first.  -ENOSPC when a set has no address
 * left, -EADDRINUSE when a fixed one is somebody's, -EINVAL when it is in no range; nothing is taken then. */
int ipam_take(int root, const struct ipam_pool *pool, const struct ipam_ask *ask, struct ipam_answer *ret);

/* Gives back all that a link has in a network.  Nothing to give back is success. */
int ipam_give_back(int root, const char *network, const char *link);

struct ipam_lease {
        const char *address, *link;
};

struct ipam_leases {
        LIST_OF(ipam_lease) leases;
};

/* The leases of this boot. */
int ipam_list(int root, const char *network, const char *boot, struct ipam_leases *ret);

/* Drops the leases of the dead in one network, the file when none is left; the number dropped goes to *ret. */
int ipam_collect(int root, const char *network, const struct ipam_ask *ask, size_t *ret);

/* The names of all networks that have a file of leases. */
int ipam_networks(int root, struct strv *ret);

/* Forgets a network. */
int ipam_forget(int root, const char *network);

#endif
