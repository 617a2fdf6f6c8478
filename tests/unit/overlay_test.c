/* VXLAN: what fits together, and the bytes of the messages. */
#include "netsetup/overlay.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static void checks(void) {
        struct net_network network = { .name = "wide" };
        CHECK(overlay_check(&network) == 0);
        network.vxlan.local = "192.0.2.1";
        CHECK_FAIL(overlay_check(&network), "--local: of a network with --vxlan only");
        network.vxlan.id = (struct opt_u32){ true, 7 };
        CHECK(overlay_check(&network) == 0);
        strv_add(&network.vxlan.peers, "192.0.2.2");
        CHECK(overlay_check(&network) == 0);
        strv_add(&network.vxlan.peers, "2001:db8::2");
        CHECK_FAIL(overlay_check(&network), "peer 2001:db8::2: of another family than 192.0.2.2");
        network.vxlan.peers.at[1] = "192.0.2.1";
        CHECK_FAIL(overlay_check(&network), "local address 192.0.2.1: given twice");
        network.vxlan.peers.at[1] = "host";
        CHECK_FAIL(overlay_check(&network), "peer host: not an IP address");
        network.vxlan.peers.n = 1;
        network.isolate = true;
        CHECK_FAIL(overlay_check(&network), "--isolate: not together with --vxlan");
        network.kind = "macvlan";
        CHECK_FAIL(overlay_check(&network), "--vxlan: not possible with kind macvlan");
}

static void port_bytes(void) {
        struct overlay_port port = { "vxone", "rundlet-network:wide", 3, 4, 42, 4789, 1450, { .family = AF_INET6 } };
        struct nl_batch batch = { 0 };
        overlay_put(&batch, &port);
        const struct nlmsghdr *message = (const void *)batch.bytes;
        const struct nlmsghdr *second = (const void *)(batch.bytes + message->nlmsg_len);
        size_t header = sizeof(struct ifinfomsg);
        const struct nlattr *info = nl_find(message, header, IFLA_LINKINFO), *data = nl_find_in(info, IFLA_INFO_DATA);
        CHECK(!batch.overflow && batch.count == 2);
        CHECK_STR(nl_text(nl_find(message, header, IFLA_IFNAME)), "vxone");
        CHECK_STR(nl_text(nl_find_in(info, IFLA_INFO_KIND)), "vxlan");
        CHECK_INT(nl_u32(nl_find(message, header, IFLA_MASTER), 0), 3);
        CHECK_INT(nl_u32(nl_find(message, header, IFLA_MTU), 0), 1450);
        CHECK_INT(nl_u32(nl_find_in(data, IFLA_VXLAN_ID), 0), 42);
        CHECK_INT(nl_u32(nl_find_in(data, IFLA_VXLAN_LINK), 0), 4);
        CHECK(nl_bytes(nl_find_in(data, IFLA_VXLAN_LOCAL6), 16) != NULL);
        const uint8_t *number = nl_bytes(nl_find_in(data, IFLA_VXLAN_PORT), 2);
        CHECK(number && number[0] == 4789 >> 8 && number[1] == (4789 & 255));
        CHECK_STR(nl_text(nl_find(second, header, IFLA_IFALIAS)), "rundlet-network:wide");
        batch = (struct nl_batch){ 0 };
        port.local.family = 0;
        port.uplink = 0;
        overlay_put(&batch, &port);
        data = nl_find_in(nl_find(message, header, IFLA_LINKINFO), IFLA_INFO_DATA);
        CHECK(!nl_find_in(data, IFLA_VXLAN_LOCAL) && !nl_find_in(data, IFLA_VXLAN_LOCAL6));
        CHECK(!nl_find_in(data, IFLA_VXLAN_LINK));
}

static void peer_bytes(void) {
        struct net_address peer;
        struct nl_batch batch = { 0 };
        CHECK(!address_parse_host("192.0.2.9", &peer));
        overlay_put_peer(&batch, 5, &peer, true);
        const struct nlmsghdr *message = (const void *)batch.bytes;
        const struct ndmsg *header = nl_header(message, sizeof(*header));
        CHECK(message->nlmsg_type == RTM_NEWNEIGH && message->nlmsg_flags & NLM_F_APPEND);
        CHECK(header && header->ndm_family == AF_BRIDGE && header->ndm_ifindex == 5 && header->ndm_flags == NTF_SELF);
        const uint8_t *bytes = nl_bytes(nl_find(message, sizeof(*header), NDA_DST), 4);
        CHECK(bytes && bytes[0] == 192 && bytes[3] == 9);
        CHECK(nl_bytes(nl_find(message, sizeof(*header), NDA_LLADDR), 6) != NULL);
        batch = (struct nl_batch){ 0 };
        overlay_put_peer(&batch, 5, &peer, false);
        CHECK(message->nlmsg_type == RTM_DELNEIGH && !(message->nlmsg_flags & NLM_F_APPEND));
}

static void names(void) {
        struct link_info link = { .name = "vxone", .kind = "vxlan", .alias = "rundlet-network:wide" };
        CHECK(overlay_is(&link));
        link.kind = "veth";
        CHECK(!overlay_is(&link));
        link.kind = "vxlan";
        link.alias = NULL;
        CHECK(!overlay_is(&link));
}

int main(void) {
        checks();
        port_bytes();
        peer_bytes();
        names();
        return test_done();
}
