/* What netsetup reads and writes as JSON beside its own result: a named network, and the configuration and result of
 * CNI (its SPEC.md, 0.4.0 to 1.1.0).  Only structs and their tables: whoever uses them checks what they mean.  Pure. */
#ifndef NETSETUP_MODEL_H
#define NETSETUP_MODEL_H

#include "netsetup/policy.h"

/* --- a named network -----------------------------------------------------------------------------------------------
 */
struct net_subnet {
        const char *subnet;  /* "10.9.0.0/24" */
        const char *gateway; /* NULL: the first address, unless the network is internal */
        struct strv ranges;  /* "10.9.0.10-10.9.0.99"; none: every address of the subnet */
        uint32_t set;        /* not 0: those of one number stand for each other, one address comes out of all */
        struct strv exclude; /* addresses, ranges and subnets that are not given out */
};

struct net_reservation {
        const char *id, *address; /* only this id gets the address, and gets no other of the subnet */
};

struct net_route {
        const char *destination; /* a subnet */
        const char *gateway;     /* NULL: that of the subnet of the same family */
};

struct net_vxlan {
        struct opt_u32 id; /* absent: none */
        struct opt_u32 port;
        const char *local; /* address of this host */
        struct strv peers; /* of the others */
};

/* One of the hosts behind a WireGuard link; the words are those of wg(8). */
struct net_wireguard_peer {
        const char *public_key;
        const char *endpoint; /* "192.0.2.2:51820"; NULL: it comes to us */
        struct strv allowed;  /* the subnets behind it */
        struct opt_u32 keepalive;
        const char *preshared_key_file;
};

struct net_wireguard {
        struct opt_u32 port; /* absent: none */
        const char *private_key_file, *public_key;
        LIST_OF(net_wireguard_peer) peers;
};

struct net_dns {
        struct strv nameservers, search, options;
        const char *domain;
};

struct net_network {
        const char *name;
        const char *bridge; /* on the host; NULL when the kind has none */
        const char *kind;   /* NULL: a bridge; "macvlan", "ipvlan": links of their own on the uplink (direct.h) */
        const char *uplink, *mode;
        struct net_vxlan vxlan; /* the bridge goes on on other hosts */
        struct net_wireguard wireguard;
        LIST_OF(net_subnet) subnets;
        LIST_OF(net_reservation) reservations;
        LIST_OF(net_route) routes;
        struct net_dns dns;
        uint32_t mtu;      /* 0: that of the uplink */
        uint32_t vlan;     /* of the ports, or on the uplink; 0: none */
        struct strv trunk; /* "10", "20-30": VLANs whose frames come with their tags */
        bool default_vlan; /* and of the bridge's own as well */
        bool isolate;      /* ports do not reach each other */
        bool internal;     /* no default route, nothing beyond the bridge */
        bool hairpin;
        struct opt_bool masquerade; /* absent: true unless internal */
        bool allow_spoofing, host_blocked, egress_blocked;
        LIST_OF(net_allow) host_access, egress;
        struct net_bandwidth bandwidth; /* of each attachment */
};

extern const struct json_type net_network_type, net_subnet_type, net_reservation_type, net_route_type, net_dns_type;

/* An address that is given out, and to whom; id and interface NULL when nothing is known of the link. */
struct net_lease {
        const char *network, *address, *id, *interface, *link;
};

struct net_networks {
        LIST_OF(net_network) networks;
        LIST_OF(net_lease) leases; /* of `network show` */
};
extern const struct json_type net_networks_type;

/* --- CNI -----------------------------------------------------------------------------------------------------------
 */
struct cni_interface {
        const char *name, *mac, *sandbox, *socket_path, *pci_id;
        struct opt_u32 mtu;
};

struct cni_address {
        const char *version; /* "4" or "6"; only written before 1.0.0 */
        struct opt_u32 interface;
        const char *address, *gateway;
};

struct cni_route {
        const char *destination, *gateway;
        struct opt_u32 mtu, advmss, priority, table, scope;
};

struct cni_result {
        const char *version;
        LIST_OF(cni_interface) interfaces;
        LIST_OF(cni_address) addresses;
        LIST_OF(cni_route) routes;
        struct net_dns dns;
};

struct cni_error {
        const char *version;
        uint32_t code;
        const char *message, *details;
};

struct cni_versions {
        const char *version;
        struct strv supported;
};

struct cni_range {
        const char *subnet, *start, *end, *gateway;
};

/* One list of ranges out of a list of lists, which the tables cannot say: see cni_range_sets. */
struct cni_range_set {
        LIST_OF(cni_range) ranges;
};

struct cni_ipam {
        const char *type;
        const char *subnet, *start, *end, *gateway; /* the oldest spelling of one range */
        struct json_raw ranges;                     /* list of lists of cni_range */
        LIST_OF(cni_address) addresses;             /* of the type "static" */
        LIST_OF(cni_route) routes;
        struct net_dns dns;      /* of the type "static" */
        const char *resolv_conf; /* of "host-local": a file that says it instead */
};

struct cni_port {
        uint32_t host_port, container_port;
        const char *protocol, *host;
};

struct cni_runtime_dns {
        struct strv servers, searches, options;
};

struct cni_runtime {
        LIST_OF(cni_port) ports;
        struct strv addresses;
        const char *mac;
        struct net_bandwidth bandwidth;
        struct json_raw aliases, ranges;
        struct cni_runtime_dns dns;
};

struct cni_attachment {
        const char *id, *interface;
};

struct cni_attachments {
        LIST_OF(cni_attachment) list;
};

/* Of "args": what runtimes without capabilities say instead. */
struct cni_words {
        struct strv addresses;
        const char *mac;
};

struct cni_arguments {
        struct cni_words cni;
};

/* Of "vlanTrunk": one, or all of a range. */
struct cni_trunk {
        uint32_t id, first, last;
};

struct cni_conf {
        const char *version, *name, *type;
        const char *kind; /* ours: what else the type says */
        const char *bridge, *master, *mode;
        bool is_gateway, is_default_gateway, force_address, masquerade, hairpin, promiscuous, enable_dad;
        bool isolate, no_interface, default_vlan, link_inside;
        struct opt_bool check_spoofing;
        bool internal, host_blocked, egress_blocked; /* ours, as are these */
        LIST_OF(net_allow) host_access, egress;
        struct net_bandwidth bandwidth; /* as the bandwidth plugin calls it */
        struct strv shaped, unshaped;
        uint32_t mtu, vlan, vlan_id;
        LIST_OF(cni_trunk) trunk;
        struct cni_ipam *ipam;
        struct net_dns dns;
        struct cni_runtime runtime;
        struct cni_arguments arguments;
        struct cni_result *previous;
        struct json_raw valid;       /* a list of cni_attachment: here absent differs from empty */
        struct json_raw attachments; /* the same, as the specification called it at first */
};

extern const struct json_type cni_conf_type, cni_result_type, cni_error_type, cni_versions_type;

/* The names in text, a value of a J_RAW member: a list, or, as podman says it, a list for each network.  Text NULL
 * gives none. */
int cni_aliases(const char *text, const char *network, struct strv *ret);

/* The list that stands in text, a value of a J_RAW member; what is its name in messages. */
int cni_attachments(const char *text, const char *what, struct cni_attachments *ret);

/* The elements of a list of lists of ranges; text NULL gives none.  -EINVAL or -EBADMSG, with a record that begins with
 * what. */
int cni_range_sets(const char *text, const char *what, struct cni_range_set **ret_sets, size_t *ret_n);

#endif
