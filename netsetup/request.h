/* The one request and the one result: every face turns its input into the first, net.c
 * answers with the second.  Here are also the rules that words must keep, alone (request_take_...) and together
 * (request_check).  Pure. */
#ifndef NETSETUP_REQUEST_H
#define NETSETUP_REQUEST_H

#include "netsetup/inet.h"
#include "netsetup/link.h"
#include "netsetup/model.h"
#include "netsetup/record.h"

#include <stdint.h>

struct direct_mode;

enum net_command {
        NET_ATTACH = 1 << 0,
        NET_DETACH = 1 << 1,
        NET_STATUS = 1 << 2,
        NET_LIST = 1 << 3,
        NET_LOOPBACK = 1 << 4,
        NET_NETWORK_CREATE = 1 << 5,
        NET_NETWORK_DELETE = 1 << 6,
        NET_NETWORK_LIST = 1 << 7,
        NET_NETWORK_SHOW = 1 << 8,
        NET_GC = 1 << 9,
        NET_PORT_ADD = 1 << 10,
        NET_PORT_DEL = 1 << 11,
        NET_PORT_LIST = 1 << 12,
        NET_RELOAD = 1 << 13,
        NET_WATCH = 1 << 14,
        NET_HOOK = 1 << 15, /* of its face only */
        NET_BANDWIDTH = 1 << 16,
        NET_PEER_ADD = 1 << 17,
        NET_PEER_DEL = 1 << 18,
};

/* Routes of an interface beside the default ones. */
struct net_path {
        struct net_address destination, gateway;
};

struct net_request {
        enum net_command command;
        const char *id;        /* whose network it is */
        const char *interface; /* its name inside; NULL for detach: all of the id */
        const char *netns;     /* path or process id; NULL: not given */
        const char *bridge;
        const char *root;                 /* folder of lock, records and leases */
        const char *networks;             /* folder of the named networks */
        const char *network;              /* name; NULL: none */
        const struct direct_mode *direct; /* of a network without a bridge; NULL: a bridge */
        const char *uplink;
        uint32_t vlan;     /* 0: none; of the ports, or on the uplink */
        struct strv trunk; /* "10", "20-30" */
        bool keeps_default_vlan;
        const struct net_network *overlay; /* the network, when its bridge goes on on other hosts */
        const struct net_network *tunnel;  /* the network, when others of it are behind WireGuard */
        /* What a network is: read from its file, or given by a face that has it (CNI); of `network create` what the
         * words say. */
        const struct net_network *config;
        struct net_network words;
        struct strv word_gateways, word_ranges, word_excludes; /* `network create`: each belongs to a subnet */
        const char *face;                                      /* "cli", "cni", "hook": who asks */
        struct net_owner owner;                                /* of a container that a runtime looks after */
        struct net_policy policy;   /* what goes to the packet filter; link, bridge, mac... are filled in by net.c */
        struct net_addresses fixed; /* of a network: these, and not the next free ones */
        struct net_addresses addresses, gateways, bridge_addresses;
        LIST_OF(net_path) paths;
        bool has_no_bridge_address; /* of a network: the gateways are somebody else's */
        bool has_no_default;        /* the gateways are the bridge's, but no default route goes there */
        bool is_internal, wants_ipv6;
        bool is_quiet; /* detach: the result is of no interest */
        /* gc: asked about what lives; NULL: it is kept. */
        bool (*keep)(const struct net_record *record, const void *data);
        const void *keep_data;
        uint8_t mac[LINK_MAC_SIZE];
        bool has_mac;
        uint32_t mtu; /* 0: the kernel's default */
        struct link_port port;
};

/* A link of ours as people and programs see it. */
struct net_link {
        const char *id, *interface; /* from the tag */
        const char *link, *bridge;  /* names on the host; bridge NULL when it is no port any more */
        const char *state;          /* of the host's end: "up" when both ends are */
        const char *mac;            /* inside, as are mtu and addresses; mac NULL when they cannot be read */
        uint32_t mtu;
        bool isolated, hairpin;
        struct strv addresses;
        struct strv aliases;
        struct strv gateways; /* as recorded by attach: the kernel shows routes to those inside only */
        LIST_OF(net_publish) publish;
        struct net_bandwidth bandwidth;
        struct strv switched; /* switches of the kernel that were turned for it: "net/ipv4/ip_forward" */
        const char *network;  /* NULL: none */
};

struct net_result {
        LIST_OF(net_link) links;           /* attach, status, list: what is there; detach, gc: what was removed */
        const char *bridge_mac, *link_mac; /* attach: of the bridge and of the host's end */
        struct net_networks networks;
        struct net_collected {
                LIST_OF(net_link) links;
                struct strv bridges;
                uint64_t leases;
        } collected; /* gc */
};

extern const struct json_type net_result_type, net_collected_type;

/* One word each: 0, or the record says what is wrong with it ("address 10.1.0.2: no prefix length (10.1.0.2/24)"). */
int request_take_id(struct net_request *request, const char *word);
int request_take_alias(struct net_request *request, const char *word);
int request_take_hostname(struct net_request *request, const char *word);
int request_take_hosts(struct net_request *request, const char *word);
int request_take_resolv_conf(struct net_request *request, const char *word);
int request_take_interface(struct net_request *request, const char *word);
int request_take_netns(struct net_request *request, const char *word);
int request_take_bridge(struct net_request *request, const char *word);
int request_take_root(struct net_request *request, const char *word);
int request_take_address(struct net_request *request, const char *word);
int request_take_gateway(struct net_request *request, const char *word);
int request_take_bridge_address(struct net_request *request, const char *word);
int request_take_network(struct net_request *request, const char *word);
int request_take_kind(struct net_request *request, const char *word);
int request_take_uplink(struct net_request *request, const char *word);
int request_take_mode(struct net_request *request, const char *word);
int request_take_vxlan(struct net_request *request, const char *word);
int request_take_vxlan_port(struct net_request *request, const char *word);
int request_take_wireguard(struct net_request *request, const char *word);
int request_take_private_key(struct net_request *request, const char *word);
int request_take_local(struct net_request *request, const char *word);
int request_take_peer(struct net_request *request, const char *word);
int request_take_subnet(struct net_request *request, const char *word);
int request_take_subnet_gateway(struct net_request *request, const char *word);
int request_take_range(struct net_request *request, const char *word);
int request_take_exclude(struct net_request *request, const char *word);
int request_take_reserve(struct net_request *request, const char *word);
int request_take_route(struct net_request *request, const char *word);
int request_take_vlan(struct net_request *request, const char *word);
int request_take_trunk(struct net_request *request, const char *word);
int request_take_mac(struct net_request *request, const char *word);
int request_take_publish(struct net_request *request, const char *word);
int request_take_host_access(struct net_request *request, const char *word);
int request_take_allow(struct net_request *request, const char *word);
int request_take_ingress(struct net_request *request, const char *word);
int request_take_ingress_burst(struct net_request *request, const char *word);
int request_take_egress(struct net_request *request, const char *word);
int request_take_egress_burst(struct net_request *request, const char *word);
int request_take_mtu(struct net_request *request, const char *word);

/* What must be true of the words together; fills in what was left out. */
int request_check(struct net_request *request);

#endif
