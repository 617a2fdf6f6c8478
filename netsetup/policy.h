/* What the packet filter has to know about one attachment, and about a network: pure data, shared by the faces (which
 * fill it in), guard.c and nat.c (which turn it into nf_tables messages) and the record of an attachment (from which
 * `reload` and `detach` rebuild and remove the same rules). */
#ifndef NETSETUP_POLICY_H
#define NETSETUP_POLICY_H

#include "netsetup/inet.h"
#include "netsetup/link.h"
#include "specs/json.h"

#include <stdint.h>

/* A published port, or a range of count ports: packets to host:host_port reach the container's inside_port. */
struct net_publish {
        const char *protocol;                   /* "tcp", "udp", "sctp" */
        const char *host;                       /* address of the host; NULL: every one */
        uint32_t host_port, inside_port, count; /* 1..65535; host_port + count - 1 too */
};

/* Somewhere that may be reached although the rest may not. */
struct net_allow {
        const char *address;  /* address or subnet; NULL: any */
        const char *protocol; /* NULL: any */
        uint32_t port;        /* 0: any */
};

/* What the link lets through, in bits a second, and at once after a silence, in bits; absent or 0: no limit, and a
 * burst that fits the rate. */
struct net_bandwidth {
        struct opt_u64 ingress, ingress_burst; /* into the container */
        struct opt_u64 egress, egress_burst;   /* out of it */
};

struct net_policy {
        const char *id, *interface;   /* the tag */
        const char *link, *bridge;    /* names on the host */
        const char *tunnel;           /* of the link that leads to other hosts of the same network; NULL: none */
        const char *mac;              /* of the interface inside: what it may send from */
        struct strv addresses;        /* with prefix length: what it may send from */
        struct strv bridge_addresses; /* of the host on the bridge, plain: what connections of localhost come from */
        bool isolated;       /* no other isolated attachment is reached, on the bridge or through the gateway */
        bool masquerade;     /* packets that leave for elsewhere get the host's address */
        bool allow_spoofing; /* false: MAC, ARP, IPv4 and IPv6 sources other than ours are dropped at the port */
        bool host_blocked;   /* the host itself cannot be reached but for host_access */
        bool egress_blocked; /* nothing beyond the bridge can be reached but for egress */
        LIST_OF(net_publish) publish;
        LIST_OF(net_allow) host_access, egress;
        struct net_bandwidth bandwidth;
};

extern const struct json_type net_policy_type, net_publish_type, net_allow_type, net_bandwidth_type; /* model.c */

/* Something beyond plain TCP: its number, and whether it has ports.  NULL when there is none of that name. */
struct policy_protocol {
        const char *name;
        uint8_t number;
        bool has_ports;
};
const struct policy_protocol *policy_protocol(const char *name);

/* One word each: 0, or the record says what is wrong with it.
 * "8080:80", "127.0.0.1:8000-8009:80-89/udp", "[fd00::1]:53:53/udp"; and
 * "10.0.0.0/8", "10.0.0.1:443/tcp", "[fd00::/8]:443/tcp", ":53/udp", "10.0.0.1/icmp" */
int policy_take_publish(struct net_policy *policy, const char *word);
int policy_take_host_access(struct net_policy *policy, const char *word);
int policy_take_egress(struct net_policy *policy, const char *word);
int policy_parse_publish(const char *word, struct net_publish *ret);

/* What must be true of a policy, also of one out of JSON: everything can be turned into rules, nothing contradicts. */
int policy_check(const struct net_policy *policy);

/* The first address of a family (AF_INET, AF_INET6) of a list of plain addresses or such with a prefix length; false
 * when it has none. */
bool policy_address(const struct strv *list, int family, struct net_address *ret);
/* The port is published on addresses of that family. */
bool policy_is_published(const struct net_policy *policy, const struct net_publish *publish, int family);

/* "8080:80/tcp", as it is written on the command line; in the arena, as are the next two. */
const char *policy_publish_words(const struct net_publish *publish);
/* "8080/tcp", "127.0.0.1:8080-8089/udp": the side of the host. */
const char *policy_port_words(const struct net_publish *publish);
const char *policy_allow_words(const struct net_allow *allow);

#endif
