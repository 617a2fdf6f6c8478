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
        const char *protocol; /* "tcp", "udp", "sctp" */
        const char *host;     /* address of the host; NULL: every one */
        uint32_t host_port, inside_port, count; /* 1..65535; host_port + count - 1 too */
};

/* Somewhere that may be reached although the rest may not. */
struct net_allow {
        const char *address;  /* address or subnet; NULL: any */
        const char *protocol; /* NULL: any */
        uint32_t port;        /* 0: any */
};

struct net_policy {
        const char *id, *interface; /* the tag */
        const char *link, *bridge;  /* names on the host */
        const char *mac;            /* of the interface inside: what it may send from */
        struct strv addresses;      /* with prefix length: what it may send from */
        bool masquerade;            /* packets that leave for elsewhere get the host's address */
        bool allow_spoofing;        /* false: MAC, ARP, IPv4 and IPv6 sources other than ours are dropped at the port */
        bool host_blocked;          /* the host itself cannot be reached but for host_access */
        bool egress_blocked;        /* nothing beyond the bridge can be reached but for egress */
        LIST_OF(net_publish) publish;
        LIST_OF(net_allow) host_access, egress;
};

extern const struct json_type net_policy_type, net_publish_type, net_allow_type;

#endif
