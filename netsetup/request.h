/* The one request and the one result: every face (so far the command line) turns its input into the first, net.c
 * answers with the second.  Here are also the rules that words must keep, alone (request_take_...) and together
 * (request_check).  Pure. */
#ifndef NETSETUP_REQUEST_H
#define NETSETUP_REQUEST_H

#include "netsetup/inet.h"
#include "netsetup/link.h"
#include "specs/json.h"

#include <stdint.h>

enum net_command {
        NET_ATTACH = 1 << 0,
        NET_DETACH = 1 << 1,
        NET_STATUS = 1 << 2,
        NET_LIST = 1 << 3,
        NET_LOOPBACK = 1 << 4,
};

struct net_request {
        enum net_command command;
        const char *id;        /* whose network it is */
        const char *interface; /* its name inside; NULL for detach: all of the id */
        const char *netns;     /* path or process id; NULL: not given */
        const char *bridge;
        const char *root; /* folder of the lock */
        struct net_addresses addresses, gateways, bridge_addresses;
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
        struct strv gateways; /* only of attach: the kernel shows routes to those inside only */
};

struct net_result {
        LIST_OF(net_link) links; /* attach, status, list: what is there; detach: what was removed */
};

extern const struct json_type net_result_type;

/* One word each: 0, or the record says what is wrong with it ("address 10.1.0.2: no prefix length (10.1.0.2/24)"). */
int request_take_id(struct net_request *request, const char *word);
int request_take_interface(struct net_request *request, const char *word);
int request_take_netns(struct net_request *request, const char *word);
int request_take_bridge(struct net_request *request, const char *word);
int request_take_root(struct net_request *request, const char *word);
int request_take_address(struct net_request *request, const char *word);
int request_take_gateway(struct net_request *request, const char *word);
int request_take_bridge_address(struct net_request *request, const char *word);
int request_take_mac(struct net_request *request, const char *word);
int request_take_mtu(struct net_request *request, const char *word);

/* What must be true of the words together; fills in what was left out. */
int request_check(struct net_request *request);

#endif
