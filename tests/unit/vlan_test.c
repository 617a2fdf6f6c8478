/* VLANs: what fits together, names, and the bytes of the messages. */
#include "netsetup/vlan.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static void ranges(void) {
        uint16_t first = 0, last = 0;
        CHECK(!vlan_parse_range("10", &first, &last) && first == 10 && last == 10);
        CHECK(!vlan_parse_range("20-4094", &first, &last) && first == 20 && last == 4094);
        CHECK(vlan_parse_range("0", &first, &last) && vlan_parse_range("4095", &first, &last));
        CHECK(vlan_parse_range("", &first, &last) && vlan_parse_range("3-", &first, &last));
        CHECK_STR(vlan_parse_range("9-3", &first, &last), "ends before it begins");
}

static void checks(void) {
        struct net_network network = { .name = "red", .vlan = 10 };
        CHECK(vlan_check(&network) == 0);
        strv_add(&network.trunk, "5-9");
        CHECK_FAIL(vlan_check(&network), "--trunk: only together with --allow-spoofing");
        network.allow_spoofing = true;
        CHECK(vlan_check(&network) == 0);
        network.vlan = 7;
        CHECK_FAIL(vlan_check(&network), "trunk 5-9: with VLAN 7");
        network.vxlan.id.set = true;
        CHECK_FAIL(vlan_check(&network), "--trunk: not together with --vxlan");
        network.kind = "vlan";
        CHECK_FAIL(vlan_check(&network), "--trunk: not possible with kind vlan");
        network = (struct net_network){ .name = "red", .kind = "vlan", .vlan = 10 };
        CHECK(vlan_check(&network) == 0);
        network.kind = "macvlan";
        CHECK_FAIL(vlan_check(&network), "--vlan: not possible with kind macvlan");
        network = (struct net_network){ .name = "red", .default_vlan = true };
        CHECK_FAIL(vlan_check(&network), "preserveDefaultVlan: without a VLAN");
}

static void names(void) {
        CHECK_STR(vlan_gate("br0", 10), "br0.10");
        CHECK_STR(vlan_gate("net-a-b-c-d", 999), "net-a-b-c-d.999");
        CHECK(strlen(vlan_gate("net-a-b-c-d", 4000)) == 15 && vlan_gate("net-a-b-c-d", 4000)[1] == 'l');
        CHECK(strcmp(vlan_gate("net-a-b-c-d", 4000), vlan_gate("net-a-b-c-d", 4001)) != 0);
}

static void messages(void) {
        struct vlan_entry entry = { .link = 5, .first = 10, .last = 10, .is_own = true };
        struct nl_batch batch = { 0 };
        vlan_put(&batch, &entry);
        const struct nlmsghdr *message = (const void *)batch.bytes;
        const struct ifinfomsg *header = nl_header(message, sizeof(*header));
        CHECK(message->nlmsg_type == RTM_SETLINK && header && header->ifi_family == AF_BRIDGE);
        CHECK(header && header->ifi_index == 5);
        const struct nlattr *nest = nl_find(message, sizeof(*header), IFLA_AF_SPEC);
        const struct bridge_vlan_info *info = nl_bytes(nl_find_in(nest, IFLA_BRIDGE_VLAN_INFO), sizeof(*info));
        CHECK(info && info->vid == 10 && info->flags == (BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED));
        CHECK(!nl_find_in(nest, IFLA_BRIDGE_FLAGS));

        batch = (struct nl_batch){ 0 };
        entry = (struct vlan_entry){ .link = 5, .first = 20, .last = 30, .is_bridge = true };
        vlan_put_delete(&batch, &entry);
        CHECK(message->nlmsg_type == RTM_DELLINK);
        info = nl_bytes(nl_find_in(nest, IFLA_BRIDGE_VLAN_INFO), sizeof(*info));
        CHECK(info && info->vid == 20 && info->flags == BRIDGE_VLAN_INFO_RANGE_BEGIN);
        const uint16_t *flags = nl_bytes(nl_find_in(nest, IFLA_BRIDGE_FLAGS), sizeof(*flags));
        CHECK(flags && *flags == BRIDGE_FLAGS_SELF);
}

int main(void) {
        ranges();
        checks();
        names();
        messages();
        return test_done();
}
