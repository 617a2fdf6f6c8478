#include "netsetup/link.h"

#include "specs/base/err.h"
#include "specs/base/str.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <string.h>
#include <sys/socket.h>

static void begin(struct nl_batch *batch, uint16_t type, uint16_t flags, struct ifinfomsg header) {
        nl_begin(batch, type, flags, &header, sizeof(header));
}

void link_put_bridge(struct nl_batch *batch, const char *name, const uint8_t mac[LINK_MAC_SIZE]) {
        begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, (struct ifinfomsg){ 0 });
        nl_put_text(batch, IFLA_IFNAME, name);
        nl_put(batch, IFLA_ADDRESS, mac, LINK_MAC_SIZE);
        nl_put_u32(batch, IFLA_GROUP, LINK_GROUP);
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_KIND, "bridge");
        nl_nest_end(batch, info);
}

void link_put_veth(struct nl_batch *batch, const struct link_veth *veth) {
        begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, (struct ifinfomsg){ 0 });
        nl_put_text(batch, IFLA_IFNAME, veth->name);
        nl_put_u32(batch, IFLA_MASTER, (uint32_t)veth->bridge);
        if (veth->mtu)
                nl_put_u32(batch, IFLA_MTU, veth->mtu);
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_KIND, "veth");
        size_t data = nl_nest(batch, IFLA_INFO_DATA);
        size_t peer = nl_nest(batch, VETH_INFO_PEER);
        nl_put_raw(batch, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
        nl_put_text(batch, IFLA_IFNAME, veth->peer);
        nl_put_u32(batch, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
        if (veth->mac)
                nl_put(batch, IFLA_ADDRESS, veth->mac, LINK_MAC_SIZE);
        if (veth->mtu)
                nl_put_u32(batch, IFLA_MTU, veth->mtu);
        nl_nest_end(batch, peer);
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
}

void link_put_port(struct nl_batch *batch, const char *name, const char *alias, const struct link_port *port) {
        const unsigned up = port->is_later ? 0 : IFF_UP;
        begin(batch, RTM_NEWLINK, 0, (struct ifinfomsg){ .ifi_flags = up, .ifi_change = up });
        nl_put_text(batch, IFLA_IFNAME, name);
        nl_put(batch, IFLA_IFALIAS, alias, strlen(alias));
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_SLAVE_KIND, "bridge");
        size_t data = nl_nest(batch, IFLA_INFO_SLAVE_DATA);
        nl_put_u8(batch, IFLA_BRPORT_ISOLATED, port->isolated);
        nl_put_u8(batch, IFLA_BRPORT_MODE, port->hairpin);
        nl_put_u8(batch, IFLA_BRPORT_LEARNING, 1);
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
}

void link_put_hairpin(struct nl_batch *batch, const char *name) {
        begin(batch, RTM_NEWLINK, 0, (struct ifinfomsg){ 0 });
        nl_put_text(batch, IFLA_IFNAME, name);
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_SLAVE_KIND, "bridge");
        size_t data = nl_nest(batch, IFLA_INFO_SLAVE_DATA);
        nl_put_u8(batch, IFLA_BRPORT_MODE, 1);
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
}

void link_put_up(struct nl_batch *batch, int index, bool up) {
        begin(batch, RTM_SETLINK, 0,
              (struct ifinfomsg){ .ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP });
}

void link_put_delete_in(struct nl_batch *batch, int index, int netns) {
        begin(batch, RTM_DELLINK, 0, (struct ifinfomsg){ .ifi_index = index });
        if (netns >= 0)
                nl_put_u32(batch, IFLA_TARGET_NETNSID, (uint32_t)netns);
}

void link_put_delete(struct nl_batch *batch, int index) {
        link_put_delete_in(batch, index, -1);
}

void link_put_get(struct nl_batch *batch, const char *name) {
        begin(batch, RTM_GETLINK, 0, (struct ifinfomsg){ 0 });
        nl_put_text(batch, IFLA_IFNAME, name);
        nl_put_u32(batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

void link_put_get_index(struct nl_batch *batch, int index, int netns) {
        begin(batch, RTM_GETLINK, 0, (struct ifinfomsg){ .ifi_index = index });
        if (netns >= 0)
                nl_put_u32(batch, IFLA_TARGET_NETNSID, (uint32_t)netns);
        nl_put_u32(batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

void link_put_dump(struct nl_batch *batch, const char *kind, int bridge) {
        begin(batch, RTM_GETLINK, NLM_F_DUMP, (struct ifinfomsg){ 0 });
        nl_put_u32(batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        if (bridge)
                nl_put_u32(batch, IFLA_MASTER, (uint32_t)bridge);
        if (kind) {
                size_t info = nl_nest(batch, IFLA_LINKINFO);
                nl_put_text(batch, IFLA_INFO_KIND, kind);
                nl_nest_end(batch, info);
        }
}

bool link_read(const struct nlmsghdr *message, struct link_info *ret) {
        const struct ifinfomsg *header = nl_header(message, sizeof(*header));
        if (message->nlmsg_type != RTM_NEWLINK || !header || header->ifi_index <= 0)
                return false;
        const struct nlattr *name = nl_find(message, sizeof(*header), IFLA_IFNAME);
        const struct nlattr *info = nl_find(message, sizeof(*header), IFLA_LINKINFO);
        const struct nlattr *port = nl_find_in(info, IFLA_INFO_SLAVE_DATA);
        const struct nlattr *data = nl_find_in(info, IFLA_INFO_DATA);
        const char *kind = nl_text(nl_find_in(info, IFLA_INFO_KIND));
        const void *mac = nl_bytes(nl_find(message, sizeof(*header), IFLA_ADDRESS), LINK_MAC_SIZE);
        if (!name)
                return false;
        *ret = (struct link_info){
                .index = header->ifi_index,
                .flags = header->ifi_flags,
                .name = nl_text(name),
                .kind = kind,
                .alias = nl_text(nl_find(message, sizeof(*header), IFLA_IFALIAS)),
                .mtu = nl_u32(nl_find(message, sizeof(*header), IFLA_MTU), 0),
                .group = nl_u32(nl_find(message, sizeof(*header), IFLA_GROUP), 0),
                .bridge = (int)nl_u32(nl_find(message, sizeof(*header), IFLA_MASTER), 0),
                .peer = (int)nl_u32(nl_find(message, sizeof(*header), IFLA_LINK), 0),
                .peer_netns = (int)nl_u32(nl_find(message, sizeof(*header), IFLA_LINK_NETNSID), UINT32_MAX),
                .port.isolated = nl_u8(nl_find_in(port, IFLA_BRPORT_ISOLATED), 0) != 0,
                .filters_vlans =
                        kind && str_eq(kind, "bridge") && nl_u8(nl_find_in(data, IFLA_BR_VLAN_FILTERING), 0) != 0,
                .port.hairpin = nl_u8(nl_find_in(port, IFLA_BRPORT_MODE), 0) != 0,
        };
        if (mac)
                memcpy(ret->mac, mac, LINK_MAC_SIZE);
        return true;
}

int link_get(struct nl *nl, const char *name, struct link_info *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        link_put_get(&batch, name);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return fail_in(r, "look for link %s", name);
        if (reply.answers[0].error == ENODEV)
                return -ENODEV;
        if (reply.answers[0].error)
                return fail(reply.answers[0].error, "look for link %s", name);
        if (reply.n != 1 || !link_read(reply.messages[0], ret))
                return fail(EPROTO, "look for link %s", name);
        return 0;
}

const char *link_mac_text(const uint8_t mac[LINK_MAC_SIZE]) {
        return str_format("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}
