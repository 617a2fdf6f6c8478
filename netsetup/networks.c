#include "netsetup/networks.h"
#include "netsetup/direct.h"
#include "netsetup/overlay.h"
#include "netsetup/shape.h"
#include "netsetup/tag.h"
#include "netsetup/tunnel.h"
#include "netsetup/vlan.h"
#include "netsetup/wireguard.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { NETWORK_MAX = 1 << 20 };
static const char suffix[] = ".json";

/* --- files ---------------------------------------------------------------------------------------------------------
 */
static int load(const char *folder, const char *name, struct net_network *ret) {
        const char *path = str_path(folder, str_format("%s%s", name, suffix));
        struct ipam_pool pool;
        char *text = NULL;
        size_t size = 0;
        int r = read_file_at(AT_FDCWD, path, NETWORK_MAX, &text, &size);
        if (r < 0)
                return r;
        const struct json_read_options options = { .strict = true };
        if ((r = json_read(text, size, &net_network_type, &options, ret)) < 0)
                return fail_in(r, "%s", path);
        if (!str_eq(ret->name, name))
                return fail_words(EINVAL, "%s: name is %s", path, ret->name);
        struct net_request unused = { 0 };
        if (!ret->kind && !ret->bridge)
                return fail_words(EINVAL, "%s: bridge: required", path);
        if ((r = direct_check_network(ret)) < 0 || (r = overlay_check(ret)) < 0 || (r = tunnel_check(ret)) < 0 ||
            (r = vlan_check(ret)) < 0 || (!ret->kind && (r = request_take_bridge(&unused, ret->bridge)) < 0) ||
            (ret->uplink && (r = request_take_uplink(&unused, ret->uplink)) < 0) || (r = ipam_pool(ret, &pool)) < 0)
                return fail_in(r, "%s", path);
        return 0;
}

int network_load(const char *folder, const char *name, struct net_network *ret) {
        int r = load(folder, name, ret);
        if (r == -ENOENT)
                return fail_hint(fail_words(ENOENT, "network %s: there is none in %s", name, folder),
                                 "netsetup network create %s makes it; netsetup network list shows what there is",
                                 name);
        return r;
}

static int compare(const void *a, const void *b) {
        const struct net_network *x = a, *y = b;
        return strcmp(x->name, y->name);
}

static void dir_closep(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

int network_all(const char *folder, struct net_networks *ret) {
        struct net_networks out = { 0 };
        __attribute__((cleanup(dir_closep))) DIR *list = opendir(folder);
        if (!list && errno != ENOENT)
                return fail(errno, "list networks in %s", folder);
        for (const struct dirent *entry; list && (entry = readdir(list));) {
                if (entry->d_name[0] == '.' || !str_ends(entry->d_name, suffix))
                        continue;
                size_t size = out.networks.n * sizeof(*out.networks.at);
                out.networks.at = arena_grow(out.networks.at, size, size + sizeof(*out.networks.at));
                const char *name = arena_strndup(entry->d_name, strlen(entry->d_name) - (sizeof(suffix) - 1));
                if (load(folder, name, &out.networks.at[out.networks.n]) < 0) {
                        log_warning("%s: left out", err_message());
                        err_clear();
                } else {
                        out.networks.n++;
                }
        }
        if (out.networks.n)
                qsort(out.networks.at, out.networks.n, sizeof(*out.networks.at), compare);
        *ret = out;
        return 0;
}

int network_folder(const char *folder) {
        for (const char *slash = strchr(folder + 1, '/');; slash = strchr(slash + 1, '/')) {
                const char *path = slash ? arena_strndup(folder, (size_t)(slash - folder)) : folder;
                if (mkdir(path, 0755) < 0 && errno != EEXIST)
                        return fail(errno, "make folder %s", path);
                if (!slash)
                        return 0;
        }
}

int network_save(const char *folder, const struct net_network *network) {
        const char *file = str_format("%s%s", network->name, suffix);
        int r = network_folder(folder);
        if (r < 0)
                return r;
        autofd dir = open(folder, O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return fail(errno, "open folder %s", folder);
        if (faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return fail_words(EEXIST, "network %s: exists already", network->name);
        const char *text = json_write(network, &net_network_type, true);
        return replace_file_at(dir, file, 0644, text, strlen(text));
}

int network_replace(const char *folder, const struct net_network *network) {
        const char *text = json_write(network, &net_network_type, true);
        autofd dir = open(folder, O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return fail(errno, "open folder %s", folder);
        return replace_file_at(dir, str_format("%s%s", network->name, suffix), 0644, text, strlen(text));
}

int network_remove(const char *folder, const char *name) {
        const char *path = str_path(folder, str_format("%s%s", name, suffix));
        if (unlink(path) < 0 && errno != ENOENT)
                return fail(errno, "delete %s", path);
        return 0;
}

bool network_has_ipv6(const struct net_network *network) {
        for (size_t i = 0; i < network->subnets.n; i++)
                if (strchr(network->subnets.at[i].subnet, ':'))
                        return true;
        return false;
}

const char *network_bridge(const char *name) {
        static const char prefix[] = "net-";
        if (sizeof(prefix) - 1 + strlen(name) < LINK_NAME_SIZE)
                return str_format("%s%s", prefix, name);
        /* The hash of tag.h: "rl" and 13 characters. */
        return str_format("%s%.11s", prefix, tag_link_name(name, "bridge") + 2);
}

/* --- a new one -----------------------------------------------------------------------------------------------------
 */
struct taken {
        struct net_address subnet;
        const char *who;
};

struct takens {
        LIST_OF(taken) list;
};

static void take(struct takens *takens, struct net_address subnet, const char *who) {
        size_t n = takens->list.n, size = n * sizeof(struct taken);
        if ((n & (n - 1)) == 0)
                takens->list.at = arena_grow(takens->list.at, size, n ? 2 * size : sizeof(struct taken));
        takens->list.at[takens->list.n++] = (struct taken){ subnet, who };
}

static const struct taken *find_overlap(const struct takens *takens, const struct net_address *subnet) {
        for (size_t i = 0; i < takens->list.n; i++)
                if (address_is_overlap(&takens->list.at[i].subnet, subnet))
                        return &takens->list.at[i];
        return NULL;
}

static int take_routes(struct nl *nl, int family, struct takens *takens) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct net_found_route route;
        route_put_dump(&batch, family);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return r;
        /* A namespace without IPv6 has no such table. */
        for (size_t i = 0; i < reply.n; i++)
                if (route_read(reply.messages[i], &route) && route.destination.prefix)
                        take(takens, route.destination,
                             str_format("a route of this host (%s)",
                                        address_of_number(address_number(&route.destination), route.destination.prefix)
                                                .text));
        return 0;
}

static int take_networks(const struct net_request *request, struct takens *takens) {
        struct net_networks all;
        struct net_address subnet;
        int r = network_all(request->networks, &all);
        for (size_t i = 0; r == 0 && i < all.networks.n; i++) {
                const struct net_network *network = &all.networks.at[i];
                for (size_t j = 0; j < network->subnets.n; j++)
                        if (!address_parse_subnet(network->subnets.at[j].subnet, &subnet))
                                take(takens, subnet, str_format("network %s", network->name));
                for (size_t j = 0; j < network->wireguard.peers.n; j++)
                        for (size_t k = 0; k < network->wireguard.peers.at[j].allowed.n; k++)
                                if (!wireguard_parse_allowed(network->wireguard.peers.at[j].allowed.at[k], &subnet))
                                        take(takens, subnet, str_format("a peer of network %s", network->name));
        }
        return r;
}

static void add_subnet(struct net_network *network, const char *subnet) {
        size_t size = network->subnets.n * sizeof(*network->subnets.at);
        network->subnets.at = arena_grow(network->subnets.at, size, size + sizeof(*network->subnets.at));
        network->subnets.at[network->subnets.n++].subnet = subnet;
}

/* The first /24 of 10.90.0.0 to 10.255.255.0 that is free: above those that podman takes first. */
static int choose_subnet(struct net_network *network, const struct takens *takens) {
        for (uint32_t base = 10U << 24 | 90U << 16; base < 11U << 24; base += 256) {
                struct net_address subnet = address_of_number((unsigned __int128)0xffff << 32 | base, 24);
                if (!find_overlap(takens, &subnet)) {
                        add_subnet(network, subnet.text);
                        return 0;
                }
        }
        return fail_words(ENOSPC, "network %s: no subnet of 10.90.0.0 to 10.255.255.0 is free: give one with --subnet",
                          network->name);
}

/* A unique local /64 (RFC 4193): 40 random bits, so that two hosts do not choose the same. */
static void choose_subnet6(struct net_network *network) {
        uint8_t bytes[5] = { 0 };
        (void)!getrandom(bytes, sizeof(bytes), 0);
        add_subnet(network,
                   str_format("fd%02x:%02x%02x:%02x%02x::/64", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]));
        struct net_address subnet;
        if (!address_parse_subnet(network->subnets.at[network->subnets.n - 1].subnet, &subnet))
                network->subnets.at[network->subnets.n - 1].subnet =
                        address_of_number(address_number(&subnet), subnet.prefix).text;
}

/* The subnet that a gateway, a range or an exclusion lies in: the address that its word begins with. */
static struct net_subnet *subnet_of(struct net_network *network, const char *word) {
        struct net_address address, subnet;
        const char *text = arena_strndup(word, strcspn(word, "-/"));
        if (address_parse_host(text, &address))
                return NULL;
        for (size_t i = 0; i < network->subnets.n; i++)
                if (!address_parse_subnet(network->subnets.at[i].subnet, &subnet) &&
                    address_is_within(&address, &subnet))
                        return &network->subnets.at[i];
        return NULL;
}

static int distribute(const struct net_request *request, struct net_network *network) {
        const struct {
                const char *what;
                const struct strv *words;
        } rows[] = {
                { "gateway", &request->word_gateways },
                { "range", &request->word_ranges },
                { "exclude", &request->word_excludes },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (size_t j = 0; j < rows[i].words->n; j++) {
                        const char *word = rows[i].words->at[j];
                        struct net_subnet *subnet = subnet_of(network, word);
                        if (!subnet)
                                return fail_words(EINVAL, "%s %s: outside of all subnets", rows[i].what, word);
                        if (i == 0 && subnet->gateway)
                                return fail_words(EINVAL, "gateway %s: a second one beside %s", word, subnet->gateway);
                        if (i == 0)
                                subnet->gateway = word;
                        else
                                strv_add(i == 1 ? &subnet->ranges : &subnet->exclude, word);
                }
        return 0;
}

static int check_overlaps(const struct net_network *network, const struct takens *takens) {
        for (size_t i = 0; i < network->subnets.n; i++) {
                struct net_address subnet;
                if (address_parse_subnet(network->subnets.at[i].subnet, &subnet))
                        continue;
                const struct taken *taken = find_overlap(takens, &subnet);
                if (taken)
                        return fail_words(EADDRINUSE, "subnet %s: overlaps %s of %s", subnet.text,
                                          address_of_number(address_number(&taken->subnet), taken->subnet.prefix).text,
                                          taken->who);
        }
        return 0;
}

/* What lies behind a peer must not be what lies elsewhere; that of a wide one may have smaller subnets here. */
static int check_allowed(const struct net_network *network, const struct takens *takens) {
        const struct net_wireguard *wireguard = &network->wireguard;
        for (size_t i = 0; i < wireguard->peers.n; i++)
                for (size_t j = 0; j < wireguard->peers.at[i].allowed.n; j++) {
                        const char *word = wireguard->peers.at[i].allowed.at[j];
                        struct net_address subnet;
                        if (wireguard_parse_allowed(word, &subnet))
                                continue;
                        for (size_t k = 0; k < takens->list.n; k++)
                                if (subnet.prefix >= takens->list.at[k].subnet.prefix &&
                                    address_is_within(&subnet, &takens->list.at[k].subnet))
                                        return fail_words(EADDRINUSE, "allowed-ips %s: it is of %s", word,
                                                          takens->list.at[k].who);
                }
        return 0;
}

/* The gateways are written down: a later version may choose others. */
static void write_gateways(struct net_network *network, const struct ipam_pool *pool) {
        for (size_t i = 0; i < pool->n; i++)
                for (size_t j = 0; j < pool->sets[i].ranges.n; j++)
                        for (size_t k = 0; k < network->subnets.n; k++)
                                if (str_eq(network->subnets.at[k].subnet, pool->sets[i].ranges.at[j].subnet.text))
                                        network->subnets.at[k].gateway = pool->sets[i].ranges.at[j].gateway.text;
}

static int find_uplink(struct nl *nl, const char *name) {
        struct link_info link;
        int r = link_get(nl, name, &link);
        return r == -ENODEV ? fail_words(ENODEV, "uplink %s: there is no such interface", name) : r;
}

int network_plan(const struct net_request *request, struct nl *nl, struct net_network *ret) {
        struct net_network network = request->words;
        struct takens takens = { 0 };
        struct ipam_pool pool;
        network.name = request->network;
        network.bridge = request->bridge || network.kind ? request->bridge : network_bridge(request->network);
        network.mtu = request->mtu;
        network.isolate = request->port.isolated;
        network.hairpin = request->port.hairpin;
        network.internal = request->is_internal;
        int r = direct_check_network(&network);
        if (r == 0 && network.kind && network.subnets.n == 0)
                r = fail_words(EINVAL, "kind %s: it needs a subnet, that of the uplink (--subnet)", network.kind);
        if (r == 0)
                r = overlay_check(&network);
        if (r == 0)
                r = tunnel_check(&network);
        if (r == 0)
                r = vlan_check(&network);
        if (r == 0)
                r = take_networks(request, &takens);
        if (r == 0 && network.uplink)
                r = find_uplink(nl, network.uplink);
        /* The subnet of the uplink is a route of this host. */
        if (r == 0 && !network.kind)
                r = take_routes(nl, AF_INET, &takens);
        if (r == 0 && !network.kind)
                r = take_routes(nl, AF_INET6, &takens);
        if (r == 0 && network.subnets.n == 0)
                r = choose_subnet(&network, &takens);
        if (r == 0 && request->wants_ipv6)
                choose_subnet6(&network);
        if (r < 0 || (r = check_overlaps(&network, &takens)) < 0 || (r = check_allowed(&network, &takens)) < 0 ||
            (r = distribute(request, &network)) < 0 || (r = ipam_pool(&network, &pool)) < 0)
                return r;
        write_gateways(&network, &pool);
        *ret = network;
        return 0;
}

/* --- what it makes of a request ------------------------------------------------------------------------------------
 */
void network_shape(struct net_request *request, const struct net_network *network) {
        struct net_policy *policy = &request->policy;
        request->vlan = network->vlan;
        request->trunk = network->trunk;
        request->keeps_default_vlan = network->default_vlan;
        request->port.is_later = network->vlan || network->trunk.n;
        if (network->kind) {
                request->direct = direct_mode(network->kind, network->mode);
                request->uplink = network->uplink;
                request->has_no_bridge_address = true;
                if (!request->mtu)
                        request->mtu = network->mtu;
                return;
        }
        request->bridge = network->bridge;
        request->overlay = network->vxlan.id.set ? network : NULL;
        request->tunnel = network->wireguard.port.set ? network : NULL;
        policy->tunnel = tunnel_name(network);
        request->port.isolated |= network->isolate;
        request->port.hairpin |= network->hairpin;
        request->has_no_default |= network->internal;
        if (!request->mtu)
                request->mtu = network->mtu;
        policy->masquerade = network->masquerade.set ? network->masquerade.v : !network->internal;
        policy->allow_spoofing |= network->allow_spoofing;
        policy->host_blocked |= network->host_blocked;
        policy->egress_blocked |= network->egress_blocked || network->internal;
        policy->bandwidth = shape_merge(&network->bandwidth, &policy->bandwidth);
        if (!policy->host_access.n) {
                policy->host_access.at = network->host_access.at;
                policy->host_access.n = network->host_access.n;
        }
        if (!policy->egress.n) {
                policy->egress.at = network->egress.at;
                policy->egress.n = network->egress.n;
        }
}

static const struct net_address *gateway_of(const struct net_addresses *gateways, int family) {
        for (size_t i = 0; i < gateways->n; i++)
                if (gateways->at[i].family == family)
                        return &gateways->at[i];
        return NULL;
}

static int add_path(struct net_request *request, const struct net_route *route) {
        struct net_path path;
        const char *why = address_parse_subnet(route->destination, &path.destination);
        if (!why && route->gateway) {
                why = address_parse_host(route->gateway, &path.gateway);
        } else if (!why) {
                const struct net_address *gateway = gateway_of(&request->gateways, path.destination.family);
                why = gateway ? NULL : "no gateway of its family";
                path.gateway = gateway ? *gateway : (struct net_address){ 0 };
        }
        if (!why && path.gateway.family != path.destination.family)
                why = "the gateway is of another family";
        if (why)
                return fail_words(EINVAL, "route %s: %s", route->destination, why);
        size_t size = request->paths.n * sizeof(path);
        request->paths.at = arena_grow(request->paths.at, size, size + sizeof(path));
        request->paths.at[request->paths.n++] = path;
        return 0;
}

static void append(struct net_addresses *list, struct net_address address) {
        size_t size = list->n * sizeof(address);
        list->at = arena_grow(list->at, size, size + sizeof(address));
        list->at[list->n++] = address;
}

/* The bridge has the gateways, with the prefix of the address that is beside. */
static void add_bridge_address(struct net_request *request, const struct net_address *gateway) {
        uint8_t prefix = gateway->prefix;
        for (size_t i = 0; i < request->addresses.n; i++)
                if (request->addresses.at[i].family == gateway->family &&
                    address_is_within(gateway, &request->addresses.at[i]))
                        prefix = request->addresses.at[i].prefix;
        append(&request->bridge_addresses, address_of_number(address_number(gateway), prefix));
}

int network_address(struct net_request *request, const struct net_network *network, const struct ipam_answer *leased) {
        for (size_t i = 0; i < leased->addresses.n; i++)
                append(&request->addresses, leased->addresses.at[i]);
        struct net_addresses gateways = request->gateways;
        for (size_t i = 0; i < leased->gateways.n; i++)
                append(&gateways, leased->gateways.at[i]);
        request->gateways = (struct net_addresses){ 0 };
        for (size_t i = 0; i < gateways.n; i++) {
                const struct net_address *gateway = &gateways.at[i];
                if (!request->has_no_bridge_address)
                        add_bridge_address(request, gateway);
                if (gateway_of(&request->gateways, gateway->family))
                        continue;
                append(&request->gateways, *gateway);
        }
        for (size_t i = 0; i < network->routes.n; i++) {
                int r = add_path(request, &network->routes.at[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}
