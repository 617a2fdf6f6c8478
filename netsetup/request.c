#include "netsetup/request.h"
#include "netsetup/shape.h"
#include "netsetup/vlan.h"
#include "netsetup/wireguard.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static const struct json_field net_link_fields[] = {
        FIELD(net_link, "id", id),
        FIELD(net_link, "interface", interface),
        FIELD(net_link, "link", link),
        FIELD(net_link, "bridge", bridge),
        FIELD(net_link, "network", network),
        FIELD(net_link, "state", state),
        FIELD(net_link, "mac", mac),
        FIELD(net_link, "mtu", mtu),
        FIELD(net_link, "isolated", isolated, .flags = J_KEEP_EMPTY),
        FIELD(net_link, "hairpin", hairpin, .flags = J_KEEP_EMPTY),
        FIELD(net_link, "addresses", addresses),
        FIELD(net_link, "aliases", aliases),
        FIELD(net_link, "gateways", gateways),
        LIST(net_link, "publish", publish, net_publish),
        OBJECT(net_link, "bandwidth", bandwidth, net_bandwidth),
        FIELD(net_link, "switched", switched),
};
static TYPE(net_link);

static const struct json_field net_result_fields[] = {
        LIST(net_result, "links", links, net_link, .flags = J_KEEP_EMPTY),
};
TYPE(net_result);

static const struct json_field net_collected_fields[] = {
        LIST(net_collected, "links", links, net_link, .flags = J_KEEP_EMPTY),
        FIELD(net_collected, "bridges", bridges, .flags = J_KEEP_EMPTY),
        FIELD(net_collected, "leases", leases, .flags = J_KEEP_EMPTY),
};
TYPE(net_collected);

int request_take_id(struct net_request *request, const char *word) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.";
        size_t length = strlen(word);
        if (length == 0)
                return fail_words(EINVAL, "id: empty");
        if (length > 255)
                return fail_words(EINVAL, "id %.32s...: longer than 255 bytes", word);
        if (strspn(word, letters) != length)
                return fail_words(EINVAL, "id %s: only letters, digits and _ + . - are allowed", word);
        if (word[0] == '.')
                return fail_words(EINVAL, "id %s: begins with a dot", word);
        request->id = word;
        return 0;
}

/* The kernel's rules (dev_valid_name), and two more: '%' would make the kernel choose a number, and what is not
 * printable ASCII has no place in a name that people read. */
static int check_link_name(const char *what, const char *word) {
        size_t length = strlen(word);
        if (length == 0)
                return fail_words(EINVAL, "%s: empty", what);
        if (length >= LINK_NAME_SIZE)
                return fail_words(EINVAL, "%s %s: longer than %d bytes", what, word, LINK_NAME_SIZE - 1);
        if (strcmp(word, ".") == 0 || strcmp(word, "..") == 0)
                return fail_words(EINVAL, "%s %s: not a name", what, word);
        for (const char *c = word; *c; c++)
                if (*c <= ' ' || *c > '~' || strchr("/:%", *c))
                        return fail_words(EINVAL, "%s %s: spaces, / : %% and unprintable characters are not allowed",
                                          what, word);
        return 0;
}

static const char name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

/* It becomes a word of hosts files. */
int request_take_alias(struct net_request *request, const char *word) {
        size_t length = strlen(word);
        if (length == 0 || length > 253 || strspn(word, name_letters) != length || word[0] == '.' || word[0] == '-')
                return fail_words(EINVAL, "alias %.32s: only letters, digits and _ . - are allowed, 253 at most", word);
        if (str_eq(word, "localhost"))
                return fail_words(EINVAL, "alias %s: everybody's own", word);
        strv_add(&request->owner.aliases, word);
        return 0;
}

/* This too. */
int request_take_hostname(struct net_request *request, const char *word) {
        if (!*word || strspn(word, name_letters) != strlen(word))
                return fail_words(EINVAL, "hostname %.64s: only letters, digits and _ . - are allowed", word);
        request->owner.hostname = word;
        return 0;
}

/* Links on the way are seen when it is opened. */
static int take_file(const char *what, const char *word, const char **ret) {
        const char *name = strrchr(word, '/');
        *ret = word;
        if (word[0] != '/')
                return fail_words(EINVAL, "%s %s: not an absolute path", what, word);
        return name[1] && !str_eq(name, "/.") && !str_eq(name, "/..")
                       ? 0
                       : fail_words(EINVAL, "%s %s: not a file", what, word);
}

int request_take_hosts(struct net_request *request, const char *word) {
        return take_file("hosts", word, &request->owner.hosts);
}

int request_take_resolv_conf(struct net_request *request, const char *word) {
        return take_file("resolv.conf", word, &request->owner.servers);
}

int request_take_interface(struct net_request *request, const char *word) {
        request->interface = word;
        return check_link_name("interface", word);
}

int request_take_bridge(struct net_request *request, const char *word) {
        request->bridge = word;
        return check_link_name("bridge", word);
}

int request_take_netns(struct net_request *request, const char *word) {
        request->netns = word;
        return word[0] ? 0 : fail_words(EINVAL, "network namespace: empty");
}

int request_take_root(struct net_request *request, const char *word) {
        request->root = word;
        return word[0] == '/' ? 0 : fail_words(EINVAL, "root %s: not an absolute path", word);
}

static int take_address(struct net_addresses *list, const char *what, const char *why,
                        const struct net_address *address) {
        if (why)
                return fail_words(EINVAL, "%s: %s", what, why);
        for (size_t i = 0; i < list->n; i++)
                if (address_is_same(&list->at[i], address))
                        return fail_words(EINVAL, "%s: given twice", what);
        size_t size = list->n * sizeof(*address);
        list->at = arena_grow(list->at, size, size + sizeof(*address));
        list->at[list->n++] = *address;
        return 0;
}

int request_take_address(struct net_request *request, const char *word) {
        struct net_address address = { 0 };
        if (!strchr(word, '/') && !address_parse_host(word, &address))
                return take_address(&request->fixed, str_format("address %s", word), NULL, &address);
        const char *why = address_parse_cidr(word, &address);
        return take_address(&request->addresses, str_format("address %s", word), why, &address);
}

int request_take_bridge_address(struct net_request *request, const char *word) {
        struct net_address address = { 0 };
        const char *why = address_parse_cidr(word, &address);
        return take_address(&request->bridge_addresses, str_format("bridge address %s", word), why, &address);
}

int request_take_gateway(struct net_request *request, const char *word) {
        struct net_address address = { 0 };
        const char *why = address_parse_host(word, &address);
        return take_address(&request->gateways, str_format("gateway %s", word), why, &address);
}

int request_take_mac(struct net_request *request, const char *word) {
        static const uint8_t zero[LINK_MAC_SIZE];
        static const char digits[] = "0123456789abcdef";
        bool is_good = strlen(word) == 3 * LINK_MAC_SIZE - 1;
        for (size_t i = 0; is_good && word[i]; i++) {
                const char *digit = strchr(digits, tolower((unsigned char)word[i]));
                is_good = i % 3 == 2 ? word[i] == ':' : digit != NULL;
                if (is_good && i % 3 != 2)
                        request->mac[i / 3] = (uint8_t)(request->mac[i / 3] << 4 | (digit - digits));
        }
        if (!is_good)
                return fail_words(EINVAL, "mac %s: not six pairs of hex digits with colons between", word);
        if (request->mac[0] & 1)
                return fail_words(EINVAL, "mac %s: a multicast address", word);
        if (memcmp(request->mac, zero, sizeof(zero)) == 0)
                return fail_words(EINVAL, "mac %s: all zero", word);
        request->has_mac = true;
        return 0;
}

int request_take_mtu(struct net_request *request, const char *word) {
        uint64_t mtu = 0;
        if (parse_u64(word, 68, 65535, &mtu) < 0)
                return fail_words(EINVAL, "mtu %s: not a number in 68..65535", word);
        request->mtu = (uint32_t)mtu;
        return 0;
}

static int take_rate(const char *what, const char *word, struct opt_u64 *ret) {
        const char *why = str_eq(word, "none") ? NULL : shape_parse_rate(word, &ret->v);
        ret->set = true;
        return why ? fail_words(EINVAL, "%s %s: %s", what, word, why) : 0;
}

int request_take_ingress(struct net_request *request, const char *word) {
        return take_rate("ingress", word, &request->policy.bandwidth.ingress);
}

int request_take_egress(struct net_request *request, const char *word) {
        return take_rate("egress", word, &request->policy.bandwidth.egress);
}

static int take_burst(const char *what, const char *word, struct opt_u64 *ret) {
        const char *why = shape_parse_burst(word, &ret->v);
        ret->set = true;
        return why ? fail_words(EINVAL, "%s %s: %s", what, word, why) : 0;
}

int request_take_ingress_burst(struct net_request *request, const char *word) {
        return take_burst("ingress burst", word, &request->policy.bandwidth.ingress_burst);
}

int request_take_egress_burst(struct net_request *request, const char *word) {
        return take_burst("egress burst", word, &request->policy.bandwidth.egress_burst);
}

int request_take_publish(struct net_request *request, const char *word) {
        return policy_take_publish(&request->policy, word);
}

int request_take_host_access(struct net_request *request, const char *word) {
        return policy_take_host_access(&request->policy, word);
}

int request_take_allow(struct net_request *request, const char *word) {
        return policy_take_egress(&request->policy, word);
}

/* A plain name: it is a file's, and part of messages. */
int request_take_network(struct net_request *request, const char *word) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
        size_t length = strlen(word);
        if (length == 0)
                return fail_words(EINVAL, "network: empty");
        if (length > 128)
                return fail_words(EINVAL, "network %.32s...: longer than 128 bytes", word);
        if (strspn(word, letters) != length || word[0] == '.' || word[0] == '-')
                return fail_words(EINVAL,
                                  "network %s: only letters, digits and _ . - are allowed, the first not . or -", word);
        request->network = word;
        return 0;
}

/* Whether there is such a kind or mode, direct.c knows. */
int request_take_kind(struct net_request *request, const char *word) {
        request->words.kind = str_eq(word, "bridge") ? NULL : word;
        return 0;
}

int request_take_mode(struct net_request *request, const char *word) {
        request->words.mode = word;
        return 0;
}

int request_take_vxlan(struct net_request *request, const char *word) {
        uint64_t id = 0;
        if (parse_u64(word, 1, 16777215, &id) < 0)
                return fail_words(EINVAL, "vxlan %s: not a number in 1..16777215", word);
        request->words.vxlan.id = (struct opt_u32){ true, (uint32_t)id };
        return 0;
}

int request_take_vxlan_port(struct net_request *request, const char *word) {
        uint64_t port = 0;
        if (parse_u64(word, 1, 65535, &port) < 0)
                return fail_words(EINVAL, "vxlan port %s: not a number in 1..65535", word);
        request->words.vxlan.port = (struct opt_u32){ true, (uint32_t)port };
        return 0;
}

int request_take_local(struct net_request *request, const char *word) {
        struct net_address address;
        const char *why = address_parse_host(word, &address);
        request->words.vxlan.local = word;
        return why ? fail_words(EINVAL, "local address %s: %s", word, why) : 0;
}

int request_take_wireguard(struct net_request *request, const char *word) {
        uint64_t port = 0;
        if (parse_u64(word, 1, 65535, &port) < 0)
                return fail_words(EINVAL, "wireguard %s: not a UDP port in 1..65535", word);
        request->words.wireguard.port = (struct opt_u32){ true, (uint32_t)port };
        return 0;
}

int request_take_private_key(struct net_request *request, const char *word) {
        request->words.wireguard.private_key_file = word;
        return word[0] == '/' ? 0 : fail_words(EINVAL, "private key %s: not an absolute path", word);
}

/* What begins with a key is a peer of WireGuard, all else an address of VXLAN. */
int request_take_peer(struct net_request *request, const char *word) {
        struct net_wireguard *wireguard = &request->words.wireguard;
        struct net_wireguard_peer peer;
        struct net_address address;
        const char *why = address_parse_host(word, &address);
        if (!why || (!strchr(word, ' ') && !strchr(word, '='))) {
                strv_add(&request->words.vxlan.peers, word);
                return why ? fail_words(EINVAL, "peer %s: %s", word, why) : 0;
        }
        if ((why = wireguard_parse_peer(word, &peer)))
                return fail_words(EINVAL, "peer %s: %s", word, why);
        size_t size = wireguard->peers.n * sizeof(peer);
        wireguard->peers.at = arena_grow(wireguard->peers.at, size, size + sizeof(peer));
        wireguard->peers.at[wireguard->peers.n++] = peer;
        return 0;
}

int request_take_uplink(struct net_request *request, const char *word) {
        request->words.uplink = word;
        return check_link_name("uplink", word);
}

int request_take_subnet(struct net_request *request, const char *word) {
        struct net_address subnet;
        const char *why = address_parse_subnet(word, &subnet);
        if (why)
                return fail_words(EINVAL, "subnet %s: %s", word, why);
        struct net_network *words = &request->words;
        size_t size = words->subnets.n * sizeof(*words->subnets.at);
        words->subnets.at = arena_grow(words->subnets.at, size, size + sizeof(*words->subnets.at));
        words->subnets.at[words->subnets.n++].subnet = word;
        return 0;
}

int request_take_subnet_gateway(struct net_request *request, const char *word) {
        struct net_address address;
        const char *why = address_parse_host(word, &address);
        strv_add(&request->word_gateways, word);
        return why ? fail_words(EINVAL, "gateway %s: %s", word, why) : 0;
}

int request_take_range(struct net_request *request, const char *word) {
        strv_add(&request->word_ranges, word);
        return 0;
}

int request_take_exclude(struct net_request *request, const char *word) {
        strv_add(&request->word_excludes, word);
        return 0;
}

int request_take_reserve(struct net_request *request, const char *word) {
        struct net_network *words = &request->words;
        const char *equals = strchr(word, '=');
        if (!equals || equals == word || equals[1] == '\0')
                return fail_words(EINVAL, "reserve %s: not ID=ADDRESS", word);
        size_t size = words->reservations.n * sizeof(*words->reservations.at);
        words->reservations.at = arena_grow(words->reservations.at, size, size + sizeof(*words->reservations.at));
        words->reservations.at[words->reservations.n++] =
                (struct net_reservation){ arena_strndup(word, (size_t)(equals - word)), equals + 1 };
        return 0;
}

int request_take_route(struct net_request *request, const char *word) {
        struct net_network *words = &request->words;
        struct net_route route = { .destination = word };
        struct net_address unused;
        const char *comma = strchr(word, ',');
        if (comma) {
                route.destination = arena_strndup(word, (size_t)(comma - word));
                route.gateway = comma + 1;
        }
        const char *why = address_parse_subnet(route.destination, &unused);
        if (!why && comma)
                why = address_parse_host(route.gateway, &unused);
        if (why)
                return fail_words(EINVAL, "route %s: %s", word, why);
        size_t size = words->routes.n * sizeof(route);
        words->routes.at = arena_grow(words->routes.at, size, size + sizeof(route));
        words->routes.at[words->routes.n++] = route;
        return 0;
}

int request_take_vlan(struct net_request *request, const char *word) {
        uint64_t vlan = 0;
        if (parse_u64(word, 1, 4094, &vlan) < 0)
                return fail_words(EINVAL, "vlan %s: not a number in 1..4094", word);
        request->words.vlan = (uint32_t)vlan;
        return 0;
}

/* With commas, as people write it. */
int request_take_trunk(struct net_request *request, const char *word) {
        struct strv list = str_split(word, ',', false);
        for (size_t i = 0; i < list.n; i++) {
                uint16_t first, last;
                const char *why = vlan_parse_range(list.at[i], &first, &last);
                if (why)
                        return fail_words(EINVAL, "trunk %s: %s", list.at[i], why);
                strv_add(&request->words.trunk, list.at[i]);
        }
        return 0;
}

static bool has_ipv6(const struct net_addresses *list) {
        for (size_t i = 0; i < list->n; i++)
                if (list->at[i].family == AF_INET6)
                        return true;
        return false;
}

static int check_gateway(const struct net_request *request, const struct net_address *gateway) {
        bool is_reachable = address_is_link_local(gateway) && has_ipv6(&request->addresses);
        for (size_t i = 0; i < request->addresses.n; i++) {
                if (address_is_same(gateway, &request->addresses.at[i]))
                        return fail_words(EINVAL, "gateway %s: the address of the interface itself", gateway->text);
                is_reachable |= address_is_within(gateway, &request->addresses.at[i]);
        }
        if (!is_reachable)
                return fail_words(EINVAL, "gateway %s: outside of the subnets of all addresses", gateway->text);
        for (const struct net_address *other = request->gateways.at; other < gateway; other++)
                if (other->family == gateway->family)
                        return fail_words(EINVAL, "gateway %s: a second one beside %s", gateway->text, other->text);
        return 0;
}

/* A network gives the bridge, the addresses and the gateways. */
static int check_network(const struct net_request *request) {
        const char *other = request->bridge               ? "--bridge"
                            : request->gateways.n         ? "--gateway"
                            : request->bridge_addresses.n ? "--bridge-address"
                            : request->addresses.n        ? request->addresses.at[0].text
                                                          : NULL;
        if (other && request->addresses.n && str_eq(other, request->addresses.at[0].text))
                return fail_words(EINVAL, "address %s: its prefix length is that of the network: leave it out", other);
        return other ? fail_words(EINVAL, "%s: not together with --network", other) : 0;
}

static int check_attach(struct net_request *request) {
        if (!request->interface)
                request->interface = "eth0";
        if (request->network)
                return check_network(request);
        if (!request->bridge)
                return fail_words(EINVAL, "--bridge or --network is missing");
        if (request->fixed.n)
                return fail_words(EINVAL, "address %s: no prefix length (as in %s)", request->fixed.at[0].text,
                                  request->fixed.at[0].family == AF_INET6 ? "fd00::2/64" : "10.0.0.2/24");
        for (size_t i = 0; i < request->gateways.n; i++) {
                int r = check_gateway(request, &request->gateways.at[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < request->bridge_addresses.n; i++)
                for (size_t j = 0; j < request->addresses.n; j++)
                        if (address_is_same(&request->bridge_addresses.at[i], &request->addresses.at[j]))
                                return fail_words(EINVAL, "address %s: given to the bridge too",
                                                  request->addresses.at[j].text);
        if (request->mtu && request->mtu < 1280 &&
            (has_ipv6(&request->addresses) || has_ipv6(&request->bridge_addresses)))
                return fail_words(EINVAL, "mtu %u: IPv6 needs at least 1280", request->mtu);
        return 0;
}

static int check_bandwidth(struct net_request *request) {
        const struct net_bandwidth *asked = &request->policy.bandwidth;
        if (request->command == NET_NETWORK_CREATE) {
                request->words.bandwidth = shape_merge(&request->words.bandwidth, asked);
                return shape_check(asked);
        }
        if (asked->ingress.set || asked->egress.set || asked->ingress_burst.set || asked->egress_burst.set)
                return 0;
        return fail_words(EINVAL, "--ingress or --egress is missing");
}

int request_check(struct net_request *request) {
        static const enum net_command of_peers = NET_PEER_ADD | NET_PEER_DEL, of_network = NET_NETWORK_CREATE |
                                                                                           NET_NETWORK_DELETE |
                                                                                           NET_NETWORK_SHOW | of_peers;
        /* Another root is another world: its networks are its own. */
        if (!request->networks)
                request->networks = request->root ? str_path(request->root, "networks") : "/etc/netsetup/networks";
        if (!request->root)
                request->root = "/run/netsetup";
        if (!request->face)
                request->face = "cli";
        if (!request->network && request->command & of_network)
                return fail_words(EINVAL, "the name of a network is missing");
        if (!request->words.vxlan.peers.n && !request->words.wireguard.peers.n && request->command & of_peers)
                return fail_words(EINVAL, "--peer is missing");
        if (!request->id && request->command & (NET_ATTACH | NET_DETACH | NET_STATUS | NET_PORT_ADD | NET_PORT_DEL |
                                                NET_PORT_LIST | NET_BANDWIDTH))
                return fail_words(EINVAL, "an id is missing");
        if (!request->policy.publish.n && request->command & (NET_PORT_ADD | NET_PORT_DEL))
                return fail_words(EINVAL, "--publish is missing");
        if (request->command & (NET_BANDWIDTH | NET_NETWORK_CREATE)) {
                int r = check_bandwidth(request);
                if (r < 0)
                        return r;
        }
        if (!request->netns && request->command & (NET_ATTACH | NET_LOOPBACK))
                return fail_words(EINVAL, "--netns is missing");
        return request->command == NET_ATTACH ? check_attach(request) : 0;
}
