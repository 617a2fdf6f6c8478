#include "netsetup/overlay.h"
#include "netsetup/networks.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { OVERLAY_PORT = 4789, OVERLAY_HEAD = 50, OVERLAY_HEAD6 = 70, OVERLAY_LEAST = 68, OVERLAY_LEAST6 = 1280 };
static const char alias_prefix[] = "rundlet-network:";

static const char *name_of(const char *network) {
        return str_format("vx%s", tag_link_name(network, "vxlan") + 2);
}

static size_t bytes_of(int family) {
        return family == AF_INET6 ? 16 : 4;
}

/* --- what fits together --------------------------------------------------------------------------------------------
 */
int overlay_check(const struct net_network *network) {
        const struct net_vxlan *vxlan = &network->vxlan;
        const char *other = vxlan->peers.n    ? "--peer"
                            : vxlan->local    ? "--local"
                            : vxlan->port.set ? "--vxlan-port"
                                              : NULL;
        if (!vxlan->id.v)
                return other ? fail_words(EINVAL, "%s: of a network with --vxlan only", other) : 0;
        if (network->kind)
                return fail_words(EINVAL, "--vxlan: not possible with kind %s, which has no bridge", network->kind);
        if (network->isolate)
                return fail_words(EINVAL,
                                  "--isolate: not together with --vxlan: those of other hosts are not isolated");
        if (!network->uplink && !vxlan->local && !vxlan->peers.n)
                return fail_words(EINVAL, "--vxlan: it needs a peer, an uplink or a local address (--peer, --uplink, "
                                          "--local)");
        int family = 0;
        for (size_t i = 0; i < vxlan->peers.n + 1; i++) {
                const char *word = i < vxlan->peers.n ? vxlan->peers.at[i] : vxlan->local;
                const char *what = i < vxlan->peers.n ? "peer" : "local address";
                struct net_address address;
                if (!word)
                        break;
                const char *why = address_parse_host(word, &address);
                if (!why && family && address.family != family)
                        why = str_format("of another family than %s", vxlan->peers.at[0]);
                for (size_t j = 0; !why && j < i; j++)
                        if (str_eq(vxlan->peers.at[j], word))
                                why = "given twice";
                if (why)
                        return fail_words(EINVAL, "%s %s: %s", what, word, why);
                family = address.family;
        }
        return 0;
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */
void overlay_put(struct nl_batch *batch, const struct overlay_port *port) {
        const struct ifinfomsg fresh = { 0 }, up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
        const uint16_t number = htons((uint16_t)port->port);
        nl_begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &fresh, sizeof(fresh));
        nl_put_text(batch, IFLA_IFNAME, port->name);
        nl_put_u32(batch, IFLA_MASTER, (uint32_t)port->bridge);
        nl_put_u32(batch, IFLA_MTU, port->mtu);
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_KIND, "vxlan");
        size_t data = nl_nest(batch, IFLA_INFO_DATA);
        nl_put_u32(batch, IFLA_VXLAN_ID, port->id);
        nl_put(batch, IFLA_VXLAN_PORT, &number, sizeof(number));
        nl_put_u8(batch, IFLA_VXLAN_LEARNING, 1);
        if (port->uplink)
                nl_put_u32(batch, IFLA_VXLAN_LINK, (uint32_t)port->uplink);
        if (port->local.family)
                nl_put(batch, port->local.family == AF_INET6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, port->local.bytes,
                       bytes_of(port->local.family));
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
        nl_begin(batch, RTM_NEWLINK, 0, &up, sizeof(up));
        nl_put_text(batch, IFLA_IFNAME, port->name);
        nl_put(batch, IFLA_IFALIAS, port->alias, strlen(port->alias));
}

void overlay_put_peer(struct nl_batch *batch, int link, const struct net_address *peer, bool is_there) {
        static const uint8_t all[LINK_MAC_SIZE];
        const struct ndmsg header = {
                .ndm_family = AF_BRIDGE,
                .ndm_ifindex = link,
                .ndm_state = NUD_NOARP | NUD_PERMANENT,
                .ndm_flags = NTF_SELF,
        };
        nl_begin(batch, is_there ? RTM_NEWNEIGH : RTM_DELNEIGH, is_there ? NLM_F_CREATE | NLM_F_APPEND : 0, &header,
                 sizeof(header));
        nl_put(batch, NDA_LLADDR, all, sizeof(all));
        nl_put(batch, NDA_DST, peer->bytes, bytes_of(peer->family));
}

/* --- the port ------------------------------------------------------------------------------------------------------
 */
bool overlay_is(const struct link_info *link) {
        return link->kind && str_eq(link->kind, "vxlan") && link->alias && str_starts(link->alias, alias_prefix);
}

static int set_peers(struct nl *nl, int link, const struct strv *peers, bool is_there) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < peers->n; i++) {
                struct nl_batch batch = { 0 };
                struct net_address peer;
                const char *why = address_parse_host(peers->at[i], &peer);
                if (why)
                        return fail_words(EINVAL, "peer %s: %s", peers->at[i], why);
                overlay_put_peer(&batch, link, &peer, is_there);
                r = nl_run_all(nl, &batch, str_format("%s peer %s", is_there ? "add" : "delete", peers->at[i]),
                               is_there ? EEXIST : ENOENT);
        }
        return r;
}

/* The family must be known as the port is made: of local, or of the peers. */
static int shape_port(struct nl *nl, const struct net_network *network, struct overlay_port *port) {
        const struct net_vxlan *vxlan = &network->vxlan;
        struct link_info uplink;
        struct net_address peer = { 0 };
        if (vxlan->local)
                (void)!address_parse_host(vxlan->local, &port->local);
        else if (vxlan->peers.n && !address_parse_host(vxlan->peers.at[0], &peer) && peer.family == AF_INET6)
                port->local.family = AF_INET6; /* any address of it */
        int r = overlay_mtu(nl, network, &port->mtu);
        if (r < 0 || !network->uplink)
                return r;
        r = link_get(nl, network->uplink, &uplink);
        if (r == 0)
                port->uplink = uplink.index;
        return r == -ENODEV ? fail_words(ENODEV, "uplink %s: there is no such interface", network->uplink) : r;
}

int overlay_make(struct nl *nl, const struct net_network *network, const struct link_info *bridge, bool *ret_is_made) {
        struct nl_batch batch = { 0 };
        struct link_info link;
        struct overlay_port port = {
                .name = name_of(network->name),
                .alias = str_format("%s%s", alias_prefix, network->name),
                .bridge = bridge->index,
                .id = network->vxlan.id.v,
                .port = network->vxlan.port.set ? network->vxlan.port.v : OVERLAY_PORT,
        };
        int r = link_get(nl, port.name, &link);
        *ret_is_made = r == -ENODEV;
        if (r == 0 && (!overlay_is(&link) || link.bridge != bridge->index))
                return fail_words(EEXIST, "link %s exists and is no port of %s", port.name, bridge->name);
        if (r == -ENODEV) {
                if ((r = shape_port(nl, network, &port)) < 0)
                        return r;
                overlay_put(&batch, &port);
                r = nl_run_all(nl, &batch, str_format("make VXLAN port %u", port.id), 0);
                if (r == -EOPNOTSUPP)
                        return nl_lacks("make VXLAN port", "vxlan");
                if (r == 0)
                        r = link_get(nl, port.name, &link);
        }
        if (r == 0)
                r = set_peers(nl, link.index, &network->vxlan.peers, true);
        if (r < 0 && *ret_is_made) {
                struct err_saved saved;
                err_save(&saved);
                (void)!overlay_remove(nl, network->name);
                err_restore(&saved);
        }
        return r;
}

int overlay_remove(struct nl *nl, const char *network) {
        struct nl_batch batch = { 0 };
        struct link_info link;
        int r = link_get(nl, name_of(network), &link);
        if (r < 0 || !overlay_is(&link))
                return r == -ENODEV ? 0 : r;
        link_put_delete(&batch, link.index);
        return nl_run_all(nl, &batch, str_format("delete VXLAN port %s", link.name), ENODEV);
}

/* --- the largest packet --------------------------------------------------------------------------------------------
 */
int overlay_mtu_towards(struct nl *nl, const struct net_address *address, uint32_t *ret) {
        struct net_found_route route;
        struct link_info link;
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        *ret = 0;
        route_put_get(&batch, address);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0 || reply.n == 0 || !route_read(reply.messages[0], &route) || !route.is_unicast || !route.link)
                return r;
        batch = (struct nl_batch){ 0 };
        link_put_get_index(&batch, (int)route.link, -1);
        if ((r = nl_run(nl, &batch, &reply)) == 0 && reply.n && link_read(reply.messages[0], &link) &&
            !(link.flags & IFF_LOOPBACK))
                *ret = link.mtu;
        return r;
}

int overlay_mtu_within(const struct net_network *network, const struct overlay_packet *packet, uint32_t *ret) {
        uint32_t most = packet->mtu > packet->head ? packet->mtu - packet->head : 0;
        if (most < packet->least)
                return fail_words(EINVAL, "network %s: %s leaves %u of the %u bytes of a packet: %u are needed",
                                  network->name, packet->what, most, packet->mtu, packet->least);
        if (network->mtu > most)
                return fail_words(EINVAL, "mtu %u: %s leaves %u of the %u bytes of a packet", network->mtu,
                                  packet->what, most, packet->mtu);
        *ret = network->mtu ? network->mtu : most;
        return 0;
}

int overlay_mtu(struct nl *nl, const struct net_network *network, uint32_t *ret) {
        const struct net_vxlan *vxlan = &network->vxlan;
        const char *word = vxlan->peers.n ? vxlan->peers.at[0] : vxlan->local;
        struct net_address address = { 0 };
        struct link_info uplink;
        uint32_t mtu = 0, least = network_has_ipv6(network) ? OVERLAY_LEAST6 : OVERLAY_LEAST;
        if (word)
                (void)!address_parse_host(word, &address);
        int r = network->uplink ? link_get(nl, network->uplink, &uplink) : 0;
        if (r == -ENODEV)
                return fail_words(ENODEV, "uplink %s: there is no such interface", network->uplink);
        if (r == 0 && network->uplink)
                mtu = uplink.mtu;
        else if (r == 0 && vxlan->peers.n)
                r = overlay_mtu_towards(nl, &address, &mtu);
        if (r < 0)
                return r;
        if (mtu == 0)
                mtu = 1500; /* no route yet: that of Ethernet */
        struct overlay_packet packet = { "VXLAN", mtu, address.family == AF_INET6 ? OVERLAY_HEAD6 : OVERLAY_HEAD,
                                         least };
        return overlay_mtu_within(network, &packet, ret);
}

/* --- other hosts ---------------------------------------------------------------------------------------------------
 */
static struct strv merge(const struct strv *old, const struct strv *change, bool is_add) {
        struct strv all = { 0 };
        for (size_t i = 0; i < old->n; i++) {
                bool is_named = false;
                for (size_t j = 0; j < change->n; j++)
                        is_named |= str_eq(old->at[i], change->at[j]);
                if (!is_named)
                        strv_add(&all, old->at[i]);
        }
        for (size_t i = 0; is_add && i < change->n; i++)
                strv_add(&all, change->at[i]);
        return all;
}

int overlay_change(const struct net_request *request, FILE *dry) {
        autofd root = -1, lock = -1;
        autonl nl = { 0 };
        struct net_network network;
        struct link_info link;
        const struct strv *change = &request->words.vxlan.peers;
        bool is_add = request->command == NET_PEER_ADD;
        int r = dry ? 0 : net_lock(request->root, &root, &lock);
        if (r < 0 || (r = network_load(request->networks, request->network, &network)) < 0)
                return r;
        network.vxlan.peers = merge(&network.vxlan.peers, change, is_add);
        if ((r = overlay_check(&network)) < 0)
                return r;
        if (dry) {
                fputs(json_write(&network, &net_network_type, true), dry);
                return 0;
        }
        if ((r = nl_open(&nl)) < 0 || (r = network_replace(request->networks, &network)) < 0)
                return r;
        r = link_get(&nl, name_of(network.name), &link);
        if (r < 0)
                return r == -ENODEV ? 0 : r;
        return overlay_is(&link) ? set_peers(&nl, link.index, change, is_add) : 0;
}
