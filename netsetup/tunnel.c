#include "netsetup/tunnel.h"
#include "netsetup/netns.h"
#include "netsetup/networks.h"
#include "netsetup/overlay.h"
#include "netsetup/tag.h"
#include "netsetup/wireguard.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Its packets are that much smaller: over IPv6, which a host may change to while it roams. */
enum { TUNNEL_HEAD = 80, TUNNEL_LEAST = 68, TUNNEL_LEAST6 = 1280 };
static const char alias_prefix[] = "rundlet-network:";

const char *tunnel_name(const struct net_network *network) {
        if (!network->wireguard.port.set)
                return NULL;
        return str_format("wg%s", tag_link_name(network->name, "wireguard") + 2);
}

/* Also one that was never finished. */
bool tunnel_is(const struct link_info *link) {
        return link->kind && str_eq(link->kind, "wireguard") && link->alias && str_starts(link->alias, alias_prefix);
}

/* --- what fits together --------------------------------------------------------------------------------------------
 */
static const char *check_allowed(const struct net_network *network, const char *word) {
        struct net_address subnet, own, endpoint;
        uint16_t port;
        const char *why = wireguard_parse_allowed(word, &subnet);
        for (size_t i = 0; !why && i < network->subnets.n; i++)
                if (!address_parse_subnet(network->subnets.at[i].subnet, &own) && subnet.prefix >= own.prefix &&
                    address_is_within(&subnet, &own))
                        why = str_format("it is of the network's own subnet %s", network->subnets.at[i].subnet);
        for (size_t i = 0; !why && i < network->wireguard.peers.n; i++) {
                const char *other = network->wireguard.peers.at[i].endpoint;
                if (other && !wireguard_parse_endpoint(other, &endpoint, &port) &&
                    address_is_within(&endpoint, &subnet))
                        why = str_format("endpoint %s lies in it: the way there would lead through the tunnel", other);
        }
        return why ? str_format("allowed-ips %s: %s", word, why) : NULL;
}

static const char *check_peer(const struct net_network *network, size_t which) {
        const struct net_wireguard_peer *peers = network->wireguard.peers.at, *peer = &peers[which];
        struct net_address address;
        uint8_t key[WIREGUARD_KEY_SIZE];
        uint16_t port;
        const char *why = NULL;
        if (!wireguard_key_read(peer->public_key, key))
                return "no public key (44 characters, as wg pubkey makes it)";
        if (network->wireguard.public_key && str_eq(peer->public_key, network->wireguard.public_key))
                return "that is this host itself";
        if (peer->endpoint && (why = wireguard_parse_endpoint(peer->endpoint, &address, &port)))
                return str_format("endpoint %s: %s", peer->endpoint, why);
        if (peer->preshared_key_file && peer->preshared_key_file[0] != '/')
                return str_format("preshared-key %s: not an absolute path", peer->preshared_key_file);
        if (peer->allowed.n == 0)
                return "it needs allowed-ips: the subnets behind it";
        for (size_t i = 0; !why && i < peer->allowed.n; i++)
                why = check_allowed(network, peer->allowed.at[i]);
        for (size_t i = 0; !why && i < which; i++) {
                if (str_eq(peers[i].public_key, peer->public_key))
                        why = "given twice";
                for (size_t j = 0; !why && j < peer->allowed.n; j++)
                        if (strv_has(&peers[i].allowed, peer->allowed.at[j]))
                                why = str_format("allowed-ips %s: another peer has it", peer->allowed.at[j]);
        }
        return why;
}

int tunnel_check(const struct net_network *network) {
        const struct net_wireguard *wireguard = &network->wireguard;
        const char *alone = wireguard->peers.n            ? "--peer with a key"
                            : wireguard->private_key_file ? "--private-key"
                                                          : NULL;
        if (!wireguard->port.set)
                return alone ? fail_words(EINVAL, "%s: of a network with --wireguard only", alone) : 0;
        if (network->kind)
                return fail_words(EINVAL, "--wireguard: not possible with kind %s, which has no bridge", network->kind);
        if (network->vxlan.id.set)
                return fail_words(EINVAL, "--wireguard: not together with --vxlan");
        if (network->internal)
                return fail_hint(fail_words(EINVAL, "--internal: not together with --wireguard: who has no gateway "
                                                    "reaches no peer"),
                                 "with --block-egress they reach the network and its peers, and nothing else");
        if (wireguard->private_key_file && wireguard->private_key_file[0] != '/')
                return fail_words(EINVAL, "private key %s: not an absolute path", wireguard->private_key_file);
        for (size_t i = 0; i < wireguard->peers.n; i++) {
                const char *why = check_peer(network, i);
                if (why)
                        return fail_words(EINVAL, "peer %s: %s", wireguard->peers.at[i].public_key, why);
        }
        return 0;
}

/* --- keys ----------------------------------------------------------------------------------------------------------
 */
static int make_link(struct nl *nl, const char *name, const char *alias, uint32_t mtu) {
        const struct ifinfomsg header = { 0 };
        struct nl_batch batch = { 0 };
        nl_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
        nl_put_text(&batch, IFLA_IFNAME, name);
        nl_put_u32(&batch, IFLA_MTU, mtu);
        size_t info = nl_nest(&batch, IFLA_LINKINFO);
        nl_put_text(&batch, IFLA_INFO_KIND, "wireguard");
        nl_nest_end(&batch, info);
        /* In one send, so that no signal can leave one without a tag. */
        nl_begin(&batch, RTM_NEWLINK, 0, &header, sizeof(header));
        nl_put_text(&batch, IFLA_IFNAME, name);
        nl_put(&batch, IFLA_IFALIAS, alias, strlen(alias));
        int r = nl_run_all(nl, &batch, "make WireGuard link", 0);
        return r == -EOPNOTSUPP ? nl_lacks("make WireGuard link", "wireguard") : r;
}

struct key_pair {
        const uint8_t *private;
        const char *public;
};

/* The kernel has the arithmetic: a link that nobody sees is given the private key, and asked. */
static int ask_public(void *data) {
        struct key_pair *pair = data;
        autonl nl = { 0 };
        autowireguard wireguard = { 0 };
        int r = nl_open(&nl);
        if (r < 0 || (r = make_link(&nl, "wg0", "", 1420)) < 0 || (r = wireguard_open(&wireguard)) < 0 ||
            (r = wireguard_set_key(&wireguard, "wg0", pair->private, 0)) < 0)
                return r;
        return wireguard_public_key(&wireguard, "wg0", &pair->public);
}

static const char *default_file(const char *folder, const char *network) {
        return str_path(folder, str_format("%s.key", network));
}

int tunnel_prepare(const char *folder, struct net_network *network) {
        struct net_wireguard *wireguard = &network->wireguard;
        uint8_t key[WIREGUARD_KEY_SIZE];
        struct key_pair pair = { .private = key };
        if (!wireguard->port.set)
                return 0;
        if (!wireguard->private_key_file)
                wireguard->private_key_file = default_file(folder, network->name);
        int r = wireguard_load_key(wireguard->private_key_file, key);
        bool is_new = r == -ENOENT;
        if (is_new)
                r = wireguard_make_key(key);
        if (r == 0)
                r = netns_try(ask_public, &pair);
        wireguard->public_key = pair.public;
        if (r == 0)
                r = tunnel_check(network);
        if (r == 0 && is_new && (r = network_folder(folder)) == 0)
                r = wireguard_save_key(wireguard->private_key_file, key);
        explicit_bzero(key, sizeof(key));
        return r;
}

int tunnel_forget(const char *folder, const struct net_network *network) {
        const char *file = network->wireguard.private_key_file;
        if (!file || !str_eq(file, default_file(folder, network->name)))
                return 0;
        return unlink(file) < 0 && errno != ENOENT ? fail(errno, "delete %s", file) : 0;
}

/* --- the largest packet --------------------------------------------------------------------------------------------
 */
int tunnel_mtu(struct nl *nl, const struct net_network *network, uint32_t *ret) {
        const struct net_wireguard *wireguard = &network->wireguard;
        uint32_t mtu = 0, least = network_has_ipv6(network) ? TUNNEL_LEAST6 : TUNNEL_LEAST;
        for (size_t i = 0; i < wireguard->peers.n; i++) {
                struct net_address address;
                uint32_t one = 0;
                uint16_t port;
                const char *endpoint = wireguard->peers.at[i].endpoint;
                if (!endpoint || wireguard_parse_endpoint(endpoint, &address, &port))
                        continue;
                int r = overlay_mtu_towards(nl, &address, &one);
                if (r < 0)
                        return r;
                if (one && (mtu == 0 || one < mtu))
                        mtu = one;
        }
        if (mtu == 0)
                mtu = 1500; /* no route yet, or who comes to us: that of Ethernet */
        return overlay_mtu_within(network, &(struct overlay_packet){ "WireGuard", mtu, TUNNEL_HEAD, least }, ret);
}

/* --- the link ------------------------------------------------------------------------------------------------------
 */
static int set_route(struct nl *nl, int link, const char *word, bool is_there) {
        struct nl_batch batch = { 0 };
        struct net_address subnet;
        const char *why = wireguard_parse_allowed(word, &subnet);
        if (why)
                return fail_words(EINVAL, "allowed-ips %s: %s", word, why);
        if (is_there)
                route_put_link(&batch, link, subnet.family, &subnet);
        else
                route_put_delete(&batch, link, &subnet);
        return nl_run_all(nl, &batch, str_format("%s route to %s", is_there ? "add" : "delete", word),
                          is_there ? 0 : ESRCH);
}

/* Sets it up; its group says that it is finished. */
static int finish(struct nl *nl, const struct link_info *link, const struct net_network *network) {
        const struct ifinfomsg header = { .ifi_index = link->index };
        struct nl_batch batch = { 0 };
        link_put_up(&batch, link->index, true);
        int r = nl_run_all(nl, &batch, str_format("listen on UDP port %u", network->wireguard.port.v), 0);
        for (size_t i = 0; i < network->wireguard.peers.n; i++)
                for (size_t j = 0; r == 0 && j < network->wireguard.peers.at[i].allowed.n; j++)
                        r = set_route(nl, link->index, network->wireguard.peers.at[i].allowed.at[j], true);
        if (r < 0)
                return r;
        batch = (struct nl_batch){ 0 };
        nl_begin(&batch, RTM_SETLINK, 0, &header, sizeof(header));
        nl_put_u32(&batch, IFLA_GROUP, LINK_GROUP);
        return nl_run_all(nl, &batch, str_format("finish %s", link->name), 0);
}

static int give_keys(const char *link, const struct net_network *network) {
        const struct net_wireguard *said = &network->wireguard;
        autowireguard wireguard = { 0 };
        uint8_t key[WIREGUARD_KEY_SIZE];
        const char *public = NULL;
        if (!said->private_key_file)
                return fail_words(EINVAL, "network %s: wireguard.privateKeyFile is missing", network->name);
        int r = wireguard_load_key(said->private_key_file, key);
        if (r == 0 && (r = wireguard_open(&wireguard)) == 0)
                r = wireguard_set_key(&wireguard, link, key, said->port.v);
        explicit_bzero(key, sizeof(key));
        if (r < 0 || (r = wireguard_public_key(&wireguard, link, &public)) < 0)
                return r;
        /* The peers were told the other one. */
        if (said->public_key && !str_eq(said->public_key, public))
                return fail_words(EINVAL, "key file %s: its public key is %s, that of network %s is %s",
                                  said->private_key_file, public, network->name, said->public_key);
        for (size_t i = 0; r == 0 && i < said->peers.n; i++)
                r = wireguard_set_peer(&wireguard, link, &said->peers.at[i]);
        return r;
}

/* The addresses are those of the bridge: what the host itself sends to a peer must come from its own subnet. */
static int add_addresses(struct nl *nl, const struct link_info *link, const struct net_addresses *gateways) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < gateways->n; i++) {
                struct nl_batch batch = { 0 };
                uint8_t whole = gateways->at[i].family == AF_INET6 ? 128 : 32;
                struct net_address address = address_of_number(address_number(&gateways->at[i]), whole);
                address_put_add(&batch, link->index, &address);
                r = nl_run_all(nl, &batch, str_format("add address %s to %s", address.text, link->name), EEXIST);
        }
        return r;
}

static int make(struct nl *nl, const char *name, const struct net_network *network,
                const struct net_addresses *gateways) {
        struct link_info link;
        uint32_t mtu = 0;
        int r = tunnel_mtu(nl, network, &mtu);
        if (r < 0 || (r = make_link(nl, name, str_format("%s%s", alias_prefix, network->name), mtu)) < 0)
                return r;
        r = give_keys(name, network);
        if (r == 0 && (r = link_get(nl, name, &link)) == 0 && (r = add_addresses(nl, &link, gateways)) == 0)
                r = finish(nl, &link, network);
        if (r < 0) {
                struct err_saved saved;
                err_save(&saved);
                (void)!tunnel_remove(nl, network);
                err_restore(&saved);
        }
        return r;
}

int tunnel_make(struct nl *nl, const struct net_network *network, const struct net_addresses *gateways,
                bool *ret_is_made) {
        const char *name = tunnel_name(network);
        struct link_info link;
        int r = link_get(nl, name, &link);
        *ret_is_made = false;
        if (r == 0 && !tunnel_is(&link))
                return fail_words(EEXIST, "link %s exists and carries no tag of ours", name);
        if (r == 0 && link.group == LINK_GROUP && link.flags & IFF_UP)
                return 0;
        if (r == 0)
                r = tunnel_remove(nl, network);
        if (r < 0 && r != -ENODEV)
                return r;
        r = make(nl, name, network, gateways);
        *ret_is_made = r == 0;
        return r;
}

static int delete_link(struct nl *nl, const struct link_info *link) {
        struct nl_batch batch = { 0 };
        link_put_delete(&batch, link->index);
        return nl_run_all(nl, &batch, str_format("delete WireGuard link %s", link->name), ENODEV);
}

int tunnel_remove(struct nl *nl, const struct net_network *network) {
        struct link_info link;
        const char *name = tunnel_name(network);
        int r = name ? link_get(nl, name, &link) : -ENODEV;
        if (r < 0)
                return r == -ENODEV ? 0 : r;
        return tunnel_is(&link) ? delete_link(nl, &link) : 0;
}

static bool is_named(const struct net_records *all, const char *link) {
        for (size_t i = 0; i < all->records.n; i++) {
                const char *tunnel = all->records.at[i].policy.tunnel;
                if (tunnel && str_eq(tunnel, link))
                        return true;
        }
        return false;
}

int tunnel_collect(struct nl *nl, int attached, FILE *dry) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct net_records all;
        struct link_info link;
        link_put_dump(&batch, "wireguard", 0);
        int r = nl_run(nl, &batch, &reply);
        if (r == 0)
                r = record_list(attached, &all);
        for (size_t i = 0; r == 0 && i < reply.n; i++) {
                if (!link_read(reply.messages[i], &link) || !tunnel_is(&link) || is_named(&all, link.name))
                        continue;
                if (dry)
                        fprintf(dry, "host     delete link %s\n", link.name);
                else
                        r = delete_link(nl, &link);
        }
        return r;
}

/* --- other hosts ---------------------------------------------------------------------------------------------------
 */
static const struct net_wireguard_peer *find_peer(const struct net_wireguard *list, const char *key) {
        for (size_t i = 0; i < list->peers.n; i++)
                if (str_eq(list->peers.at[i].public_key, key))
                        return &list->peers.at[i];
        return NULL;
}

static struct net_wireguard merge(const struct net_wireguard *old, const struct net_wireguard *change, bool is_add) {
        struct net_wireguard all = *old;
        all.peers.at = arena_array(old->peers.n + change->peers.n + 1, sizeof(*all.peers.at));
        all.peers.n = 0;
        for (size_t i = 0; i < old->peers.n; i++)
                if (!find_peer(change, old->peers.at[i].public_key))
                        all.peers.at[all.peers.n++] = old->peers.at[i];
        for (size_t i = 0; is_add && i < change->peers.n; i++)
                all.peers.at[all.peers.n++] = change->peers.at[i];
        return all;
}

/* The routes of one that the other has not, to be there or not. */
static int move_routes(struct nl *nl, int link, const struct net_wireguard *of, const struct net_wireguard *not_of,
                       bool is_there) {
        struct strv known = { 0 };
        int r = 0;
        for (size_t i = 0; i < not_of->peers.n; i++)
                for (size_t j = 0; j < not_of->peers.at[i].allowed.n; j++)
                        strv_add(&known, not_of->peers.at[i].allowed.at[j]);
        for (size_t i = 0; i < of->peers.n; i++)
                for (size_t j = 0; r == 0 && j < of->peers.at[i].allowed.n; j++)
                        if (!strv_has(&known, of->peers.at[i].allowed.at[j]))
                                r = set_route(nl, link, of->peers.at[i].allowed.at[j], is_there);
        return r;
}

/* What was agreed with the old preshared key would hold on for minutes. */
static int forget_session(struct wireguard *wireguard, const char *link, const struct net_wireguard_peer *old,
                          const struct net_wireguard_peer *new) {
        const char *a = old && old->preshared_key_file ? old->preshared_key_file : "";
        const char *b = new->preshared_key_file ? new->preshared_key_file : "";
        return old && !str_eq(a, b) ? wireguard_set_no_peer(wireguard, link, old->public_key) : 0;
}

static int change_link(struct nl *nl, const struct link_info *link, const struct net_wireguard *change,
                       const struct net_wireguard *before, const struct net_wireguard *after) {
        autowireguard wireguard = { 0 };
        int r = wireguard_open(&wireguard);
        for (size_t i = 0; r == 0 && i < change->peers.n; i++) {
                const struct net_wireguard_peer *peer = find_peer(after, change->peers.at[i].public_key);
                if (!peer)
                        r = wireguard_set_no_peer(&wireguard, link->name, change->peers.at[i].public_key);
                else if ((r = forget_session(&wireguard, link->name, find_peer(before, peer->public_key), peer)) == 0)
                        r = wireguard_set_peer(&wireguard, link->name, peer);
        }
        if (r == 0)
                r = move_routes(nl, link->index, before, after, false);
        return r < 0 ? r : move_routes(nl, link->index, after, before, true);
}

int tunnel_change(const struct net_request *request, FILE *dry) {
        autofd root = -1, lock = -1;
        autonl nl = { 0 };
        struct net_network network;
        struct link_info link;
        int r = dry ? 0 : net_lock(request->root, &root, &lock);
        if (r < 0 || (r = network_load(request->networks, request->network, &network)) < 0)
                return r;
        if (request->words.vxlan.peers.n || !network.wireguard.port.set)
                return fail_words(EINVAL, "peer %s: of a network with --%s only",
                                  request->words.vxlan.peers.n ? request->words.vxlan.peers.at[0]
                                                               : request->words.wireguard.peers.at[0].public_key,
                                  request->words.vxlan.peers.n ? "vxlan" : "wireguard");
        const struct net_wireguard before = network.wireguard;
        network.wireguard = merge(&before, &request->words.wireguard, request->command == NET_PEER_ADD);
        if ((r = tunnel_check(&network)) < 0)
                return r;
        if (dry) {
                fputs(json_write(&network, &net_network_type, true), dry);
                return 0;
        }
        if ((r = nl_open(&nl)) < 0 || (r = network_replace(request->networks, &network)) < 0)
                return r;
        r = link_get(&nl, tunnel_name(&network), &link);
        if (r < 0)
                return r == -ENODEV ? 0 : r;
        return tunnel_is(&link) ? change_link(&nl, &link, &request->words.wireguard, &before, &network.wireguard) : 0;
}
