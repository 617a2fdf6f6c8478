/* Links without a bridge: modes, what fits together, and the bytes of the messages. */
#include "netsetup/direct.h"
#include "netsetup/net.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static void test_modes(void) {
        CHECK_STR(direct_module(direct_mode("vlan", NULL)), "8021q");
        CHECK_STR(direct_module(direct_mode("ipvlan", NULL)), "ipvlan");
        CHECK_STR(direct_mode("macvlan", NULL)->mode, "bridge");
        CHECK_STR(direct_mode("ipvlan", NULL)->mode, "l2");
        CHECK(direct_mode("macvlan", "passthru") && !direct_mode("macvlan", "passthru")->has_own_mac);
        CHECK(direct_mode("ipvlan", "l3s") && direct_mode("ipvlan", "l3s")->is_without_arp);
        CHECK(!direct_mode("macvlan", "l2"));
        CHECK(!direct_mode("bridge", NULL));
}

static void test_networks(void) {
        struct net_network network = { .name = "lan" };
        CHECK(direct_check_network(&network) == 0);
        network.mode = "l2";
        CHECK_FAIL(direct_check_network(&network), "mode l2: of a macvlan or ipvlan network only");
        network.kind = "vlan";
        CHECK_FAIL(direct_check_network(&network), "kind vlan: it needs a VLAN (--vlan)");
        network.kind = "tokenring";
        CHECK_FAIL(direct_check_network(&network), "kind tokenring: not one of bridge, macvlan, ipvlan, vlan");
        network.kind = "macvlan";
        CHECK_FAIL(direct_check_network(&network), "mode l2: macvlan has none of that name");
        network.mode = "vepa";
        CHECK_FAIL(direct_check_network(&network), "it needs an uplink");
        network.uplink = "eth0";
        CHECK(direct_check_network(&network) == 0);
        network.internal = true;
        CHECK_FAIL(direct_check_network(&network), "--internal: not possible with kind macvlan");
}

static void test_requests(void) {
        struct net_publish publish = { .protocol = "tcp", .host_port = 80, .inside_port = 80, .count = 1 };
        struct net_request request = { .network = "lan", .direct = direct_mode("ipvlan", "l3") };
        CHECK(direct_check_request(&request) == 0);
        request.has_mac = true;
        CHECK_FAIL(direct_check_request(&request), "--mac: ipvlan l3 has that of its uplink");
        request.policy.publish.at = &publish;
        request.policy.publish.n = 1;
        CHECK_FAIL(direct_check_request(&request), "--publish: not possible on network lan of kind ipvlan");
}

static const struct nlattr *info_of(const struct nl_batch *batch, uint16_t type) {
        const struct nlmsghdr *message = (const void *)batch->bytes;
        return nl_find_in(nl_find(message, sizeof(struct ifinfomsg), IFLA_LINKINFO), type);
}

static void test_messages(void) {
        static const uint8_t mac[LINK_MAC_SIZE] = { 2, 0, 0, 0, 0, 9 };
        struct direct_link link = { direct_mode("macvlan", "private"), "rlname", 7, 5, mac, 1400 };
        struct nl_batch batch = { 0 };
        direct_put(&batch, &link);
        const struct nlmsghdr *message = (const void *)batch.bytes;
        size_t header = sizeof(struct ifinfomsg);
        CHECK(!batch.overflow && batch.count == 1 && message->nlmsg_type == RTM_NEWLINK);
        CHECK((message->nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL)) == (NLM_F_CREATE | NLM_F_EXCL));
        CHECK_STR(nl_text(nl_find(message, header, IFLA_IFNAME)), "rlname");
        CHECK(nl_u32(nl_find(message, header, IFLA_LINK), 0) == 7);
        CHECK(nl_u32(nl_find(message, header, IFLA_NET_NS_FD), 0) == 5);
        CHECK(nl_u32(nl_find(message, header, IFLA_MTU), 0) == 1400);
        CHECK(memcmp(nl_bytes(nl_find(message, header, IFLA_ADDRESS), LINK_MAC_SIZE), mac, LINK_MAC_SIZE) == 0);
        CHECK_STR(nl_text(info_of(&batch, IFLA_INFO_KIND)), "macvlan");
        CHECK(nl_u32(nl_find_in(info_of(&batch, IFLA_INFO_DATA), IFLA_MACVLAN_MODE), 0) == MACVLAN_MODE_PRIVATE);

        batch = (struct nl_batch){ 0 };
        link.mode = direct_mode("ipvlan", "l3s");
        link.mtu = 0;
        direct_put(&batch, &link);
        CHECK(!nl_find(message, header, IFLA_ADDRESS) && !nl_find(message, header, IFLA_MTU));
        CHECK_STR(nl_text(info_of(&batch, IFLA_INFO_KIND)), "ipvlan");
        const uint16_t *mode = nl_bytes(nl_find_in(info_of(&batch, IFLA_INFO_DATA), IFLA_IPVLAN_MODE), sizeof(*mode));
        CHECK(mode && *mode == IPVLAN_MODE_L3S);

        batch = (struct nl_batch){ 0 };
        link.mode = direct_mode("vlan", NULL);
        link.vlan = 100;
        direct_put(&batch, &link);
        CHECK_STR(nl_text(info_of(&batch, IFLA_INFO_KIND)), "vlan");
        const uint16_t *vlan = nl_bytes(nl_find_in(info_of(&batch, IFLA_INFO_DATA), IFLA_VLAN_ID), sizeof(*vlan));
        CHECK(vlan && *vlan == 100);

        batch = (struct nl_batch){ 0 };
        direct_put_name(&batch, 3, "eth0", "rundlet:web:eth0");
        CHECK(message->nlmsg_type == RTM_SETLINK &&
              ((const struct ifinfomsg *)nl_header(message, header))->ifi_index == 3);
        CHECK_STR(nl_text(nl_find(message, header, IFLA_IFNAME)), "eth0");
        CHECK_STR(nl_text(nl_find(message, header, IFLA_IFALIAS)), "rundlet:web:eth0");
}

/* The two ends of a veth pair may have the same number. */
static void test_deletion(void) {
        struct net_plan plan = { 0 };
        struct link_info link = { .index = 5, .name = "rlname", .kind = "veth", .peer = 5, .peer_netns = 1 };
        net_plan_off(&plan, &link);
        CHECK(plan.n > 1 && plan.ops[plan.n - 1].kind == NET_RULES_OFF && plan.ops[plan.n - 2].kind == NET_DOWN);
        net_plan_delete(&plan, &link);
        for (size_t i = 0; i < plan.n; i++)
                CHECK(plan.ops[i].kind != NET_DELETE || plan.ops[i].netns == -1);
        plan = (struct net_plan){ 0 };
        link.kind = "ipvlan";
        net_plan_off(&plan, &link);
        net_plan_delete(&plan, &link);
        CHECK(plan.n == 1 && plan.ops[0].kind == NET_DELETE && plan.ops[0].netns == 1 && plan.ops[0].index == 5);
}

int main(void) {
        test_deletion();
        test_modes();
        test_networks();
        test_requests();
        test_messages();
        return test_done();
}
