/* netsetup without rights: words -> request -> plan, the bytes of its messages, and answers that nobody should trust.
 */
#include "netsetup/face_cli.h"
#include "netsetup/net.h"
#include "netsetup/netns.h"
#include "netsetup/tag.h"
#include "specs/base/arena.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>

static int read_line(const char *line, struct cli *ret) {
        struct strv words = str_split(line, ' ', true);
        return cli_read(words.at, ret);
}

/* --- words ------------------------------------------------------------------------------------------------------- */
#define ATTACH   "netsetup attach web --netns /n --bridge br0 "
#define LONG_255 LONG_51 LONG_51 LONG_51 LONG_51 LONG_51
#define LONG_51  "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNO"

static const struct {
        const char *line, *words;
} wrong[] = {
        { "netsetup", "a command is missing" },
        { "netsetup plan", "a command is missing" },
        { "netsetup fly web", "fly: no such command" },
        { "netsetup plan list", "plan: list changes nothing" },
        { "netsetup plan status web", "plan: status changes nothing" },
        { "netsetup attach --netns /n --bridge b", "attach: an id is missing" },
        { "netsetup detach", "detach: an id is missing" },
        { "netsetup status -j", "status: an id is missing" },
        { "netsetup loopback", "loopback: --netns is missing" },
        { "netsetup attach web --bridge b", "attach: --netns is missing" },
        { "netsetup attach web --netns /n", "attach: --bridge or --network is missing" },
        { ATTACH "--netns /m", "--netns: given twice" },
        { ATTACH "--mtu", "--mtu: N is missing" },
        { ATTACH "--mtu= --isolate", "mtu : not a number in 68..65535" },
        { ATTACH "--isolate=yes", "--isolate: takes no value" },
        { ATTACH "--colour", "--colour: attach has no such option" },
        { ATTACH "-x", "-x: attach has no such option" },
        { ATTACH "--mt 1500", "--mt: attach has no such option" },
        { "netsetup list --netns /n", "--netns: list has no such option" },
        { "netsetup list web", "list: web: not expected" },
        { ATTACH "db", "db: not expected after the id web" },
        { "netsetup status ..", "id ..: begins with a dot" },
        { "netsetup status .", "id .: begins with a dot" },
        { "netsetup status a/b", "id a/b: only letters, digits and _ + . - are allowed" },
        { "netsetup status a:b", "id a:b: only letters" },
        { "netsetup status x" LONG_255, "longer than 255 bytes" },
        { ATTACH "--ifname abcdefghijklmnop", "interface abcdefghijklmnop: longer than 15 bytes" },
        { ATTACH "--ifname .", "interface .: not a name" },
        { ATTACH "--ifname a/b", "interface a/b: spaces, / : % and unprintable characters are not allowed" },
        { ATTACH "--ifname eth%d", "interface eth%d: spaces" },
        { ATTACH "--ifname a:b", "interface a:b: spaces" },
        { ATTACH "--ifname \x1b[31m", "unprintable" },
        { ATTACH "--ifname=", "interface: empty" },
        { "netsetup attach web --netns /n --bridge br-0123456789abc", "bridge br-0123456789abc: longer than 15" },
        { "netsetup network create lan --uplink abcdefghijklmnop", "uplink abcdefghijklmnop: longer than 15 bytes" },
        { "netsetup network create lan --uplink a/b", "uplink a/b: spaces" },
        { "netsetup network create lan --vxlan 0", "vxlan 0: not a number in 1..16777215" },
        { "netsetup network create lan --vxlan 16777216", "vxlan 16777216: not a number in 1..16777215" },
        { "netsetup network create lan --vxlan-port 65536", "vxlan port 65536: not a number in 1..65535" },
        { "netsetup network create lan --peer 192.0.2", "peer 192.0.2: not an IP address" },
        { "netsetup network create lan --local x", "local address x: not an IP address" },
        { "netsetup peer lan", "peer: add or del is missing" },
        { "netsetup peer add lan", "peer add: --peer is missing" },
        { "netsetup peer del --peer 192.0.2.1", "peer del: the name of a network is missing" },
        { "netsetup network create lan --mode", "--mode: MODE is missing" },
        { "netsetup attach web --netns /n --network lan --mode l2", "--mode: attach has no such option" },
        { "netsetup attach web --netns= --bridge b", "network namespace: empty" },
        { ATTACH "--root run", "root run: not an absolute path" },
        { ATTACH "--address 10.1.0.2", "address 10.1.0.2: no prefix length (as in 10.0.0.2/24)" },
        { ATTACH "--address fd00::2", "address fd00::2: no prefix length (as in fd00::2/64)" },
        { ATTACH "--address 10.1.0/24", "address 10.1.0/24: not an IP address" },
        { ATTACH "--address 10.1.0.256/24", "not an IP address" },
        { ATTACH "--address 010.1.0.2/24", "not an IP address" },
        { ATTACH "--address /24", "not an IP address" },
        { ATTACH "--address fd00::2%eth0/64", "not an IP address" },
        { ATTACH "--address 10.1.0.2/33", "prefix length not in 1..32" },
        { ATTACH "--address 10.1.0.2/0", "prefix length not in 1..32" },
        { ATTACH "--address 10.1.0.2/024", "prefix length not in 1..32" },
        { ATTACH "--address 10.1.0.2/", "prefix length not in 1..32" },
        { ATTACH "--address fd00::2/129", "prefix length not in 1..128" },
        { ATTACH "--address 10.1.0.0/24", "the address of the subnet itself" },
        { ATTACH "--address 10.1.0.255/24", "the broadcast address of the subnet" },
        { ATTACH "--address 0.0.0.0/24", "the unspecified address" },
        { ATTACH "--address 127.0.0.2/8", "a loopback address" },
        { ATTACH "--address 224.0.0.2/8", "a multicast address" },
        { ATTACH "--address 240.0.0.2/8", "reserved" },
        { ATTACH "--address ::1/128", "the loopback address" },
        { ATTACH "--address ::/64", "the unspecified address" },
        { ATTACH "--address ff02::1/64", "a multicast address" },
        { ATTACH "--address 10.1.0.2/24 --address 10.1.0.2/16", "address 10.1.0.2/16: given twice" },
        { ATTACH "--bridge-address 10.1.0.0/24", "bridge address 10.1.0.0/24: the address of the subnet" },
        { ATTACH "--address 10.1.0.2/24 --bridge-address 10.1.0.2/24", "address 10.1.0.2/24: given to the bridge" },
        { ATTACH "--gateway 10.1.0.1", "gateway 10.1.0.1: outside of the subnets of all addresses" },
        { ATTACH "--address 10.1.0.2/24 --gateway 10.1.1.1", "gateway 10.1.1.1: outside" },
        { ATTACH "--address 10.1.0.2/25 --gateway 10.1.0.129", "gateway 10.1.0.129: outside" },
        { ATTACH "--address 10.1.0.2/24 --gateway fd00::1", "gateway fd00::1: outside" },
        { ATTACH "--address 10.1.0.2/24 --gateway fe80::1", "gateway fe80::1: outside" },
        { ATTACH "--address 10.1.0.2/24 --gateway 10.1.0.2", "gateway 10.1.0.2: the address of the interface" },
        { ATTACH "--address 10.1.0.2/24 --gateway 10.1.0.1 --gateway 10.1.0.3",
          "gateway 10.1.0.3: a second one beside 10.1.0.1" },
        { ATTACH "--gateway 10.1.0.1/24", "gateway 10.1.0.1/24: not an IP address" },
        { ATTACH "--mac 02:00:00:00:00", "mac 02:00:00:00:00: not six pairs" },
        { ATTACH "--mac 02-00-00-00-00-01", "not six pairs" },
        { ATTACH "--mac 2:00:00:00:00:001", "not six pairs" },
        { ATTACH "--mac 020:00:00:00:0:01", "not six pairs" },
        { ATTACH "--mac 01:00:5e:00:00:01", "mac 01:00:5e:00:00:01: a multicast address" },
        { ATTACH "--mac ff:ff:ff:ff:ff:ff", "a multicast address" },
        { ATTACH "--mac 00:00:00:00:00:00", "all zero" },
        { ATTACH "--mtu 67", "mtu 67: not a number in 68..65535" },
        { ATTACH "--mtu 65536", "mtu 65536: not a number" },
        { ATTACH "--mtu 1500x", "mtu 1500x: not a number" },
        { ATTACH "--mtu 1279 --address fd00::2/64", "mtu 1279: IPv6 needs at least 1280" },
        { ATTACH "--mtu 1279 --bridge-address fd00::1/64", "mtu 1279: IPv6 needs at least 1280" },
};

static void wrong_words(void) {
        struct cli cli;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                err_clear();
                int r = read_line(wrong[i].line, &cli);
                CHECK_ROW(r == -EINVAL && strstr(err_message(), wrong[i].words), wrong[i].words);
                if (!strstr(err_message(), wrong[i].words))
                        printf("# %s: <%s>\n", wrong[i].line, err_message());
        }
}

static void right_words(void) {
        struct cli cli;
        CHECK(read_line(ATTACH "--mac 02:AB:00:00:00:01 --mtu=1400 --isolate --hairpin -j --address 10.1.0.2/24 "
                               "--address fd00::2/64 --gateway 10.1.0.1 --gateway fe80::1 --bridge-address 10.1.0.1/24",
                        &cli) == 0);
        const struct net_request *r = &cli.request;
        CHECK(r->command == NET_ATTACH && cli.is_json && !cli.is_plan && !cli.say);
        CHECK_STR(r->id, "web");
        CHECK_STR(r->interface, "eth0");
        CHECK_STR(r->bridge, "br0");
        CHECK_STR(r->netns, "/n");
        CHECK_STR(r->root, "/run/netsetup");
        CHECK(r->addresses.n == 2 && r->gateways.n == 2 && r->bridge_addresses.n == 1);
        CHECK(r->addresses.at[1].family == AF_INET6 && r->addresses.at[1].prefix == 64);
        CHECK(r->has_mac && r->mac[1] == 0xab && r->mac[5] == 1);
        CHECK(r->mtu == 1400 && r->port.isolated && r->port.hairpin);
        CHECK(read_line("netsetup detach -- -x", &cli) == 0);
        CHECK_STR(cli.request.id, "-x");
        CHECK(cli.request.interface == NULL);
        CHECK(read_line("netsetup status " LONG_255, &cli) == 0);
        CHECK(read_line("netsetup loopback --netns 1", &cli) == 0);
        CHECK(read_line(ATTACH "--address 10.1.0.0/31 --gateway 10.1.0.1", &cli) == 0);
        CHECK(read_line(ATTACH "--address 10.1.0.1/32", &cli) == 0);
        CHECK(read_line("netsetup --help", &cli) == 0 && strstr(cli.say, "attach ID"));
        CHECK(read_line("netsetup --version", &cli) == 0 && strstr(cli.say, "netsetup " VERSION));
        CHECK(read_line("netsetup attach --help", &cli) == 0 && strstr(cli.say, "--bridge-address CIDR"));
        CHECK(!strstr(cli.say, "Only this interface"));
        CHECK(read_line("netsetup detach -h", &cli) == 0 && !strstr(cli.say, "--gateway"));
}

/* --- plan -------------------------------------------------------------------------------------------------------- */
static char *plan_text(const char *line) {
        struct cli cli;
        char *text = NULL;
        size_t size = 0;
        if (read_line(line, &cli) < 0)
                return arena_strdup(err_message());
        struct net_plan plan = net_plan(&cli.request);
        FILE *out = open_memstream(&text, &size);
        net_plan_print(&plan, out);
        fclose(out);
        return text;
}

static void plans(void) {
        char *text = plan_text(ATTACH "--address 10.1.0.2/24 --address fd00::2/64 --gateway 10.1.0.1 --gateway fd00::1 "
                                      "--bridge-address 10.1.0.1/24 --isolate");
        CHECK_STR(text, "host     see that no link is called rlhiltxufh3p44v\n"
                        "host     make bridge br0 unless it is there\n"
                        "host     find bridge br0\n"
                        "host     refuse router advertisements on br0 unless it is up\n"
                        "host     set br0 up\n"
                        "host     let rlhiltxufh3p44v send from MAC and addresses of its own\n"
                        "host     make link rlhiltxufh3p44v on bridge br0 to eth0 inside\n"
                        "host   + tag rlhiltxufh3p44v rundlet:web:eth0, isolated, set it up\n"
                        "host     give rlhiltxufh3p44v no IPv6 addresses of its own\n"
                        "inside   find eth0\n"
                        "inside   add address 10.1.0.2/24 to eth0\n"
                        "inside + add address fd00::2/64 to eth0\n"
                        "inside + set eth0 up\n"
                        "inside + add default route via 10.1.0.1\n"
                        "inside + add default route via fd00::1\n"
                        "host     add address 10.1.0.1/24 to br0 unless it is there\n"
                        "host     find rlhiltxufh3p44v\n"
                        "inside   find lo\n"
                        "inside   set lo up\n");
        free(text);
        text = plan_text("netsetup plan loopback --netns 1");
        CHECK_STR(text, "inside   find lo\ninside   set lo up\n");
        free(text);
}

/* More addresses than a batch holds are sent in several. */
static void long_plan(void) {
        struct strv words = { 0 };
        struct cli cli;
        size_t run = 0, longest = 0;
        strv_add(&words, ATTACH);
        for (int i = 1; i <= 200; i++)
                strv_add(&words, str_format("--address 10.1.0.%d/24", i));
        CHECK(read_line(str_join(&words, " "), &cli) == 0);
        struct net_plan plan = net_plan(&cli.request);
        for (size_t i = 0; i < plan.n; i++) {
                run = plan.ops[i].is_joined ? run + 1 : 1;
                longest = run > longest ? run : longest;
        }
        CHECK_INT(longest, NL_BATCH_MESSAGES);
        CHECK(plan.n > 200);
}

/* --- tags -------------------------------------------------------------------------------------------------------- */
static int by_text(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void tags(void) {
        enum { MANY = 1000 };
        static const char *names[2 * MANY];
        struct tag tag;
        bool are_distinct = true, are_short = true;
        for (size_t i = 0; i < MANY; i++) {
                const char *id = str_format("same-first-15-chars-%zu", i);
                names[2 * i] = tag_link_name(id, "eth0");
                names[2 * i + 1] = tag_link_name(id, "eth1");
        }
        qsort(names, 2 * MANY, sizeof(names[0]), by_text);
        for (size_t i = 0; i < 2 * MANY; i++) {
                are_distinct = are_distinct && (i == 0 || strcmp(names[i - 1], names[i]) != 0);
                are_short = are_short && strlen(names[i]) < LINK_NAME_SIZE && str_starts(names[i], "rl");
        }
        CHECK(are_distinct);
        CHECK(are_short);
        CHECK(!str_eq(tag_link_name("ab", "c"), tag_link_name("a", "bc")));
        CHECK(str_starts(tag_link_name("web", "eth0"), tag_link_prefix("web")));
        CHECK(str_starts(tag_link_name("web", "eth1"), tag_link_prefix("web")));
        uint8_t first[LINK_MAC_SIZE], next[LINK_MAC_SIZE], elsewhere[LINK_MAC_SIZE];
        tag_mac("br0", "10.1.0.2/24", first);
        tag_mac("br0", "10.1.0.2/16", next);
        tag_mac("br1", "10.1.0.2/24", elsewhere);
        CHECK(memcmp(first, next, LINK_MAC_SIZE) == 0 && memcmp(first, elsewhere, LINK_MAC_SIZE) != 0);
        CHECK(!str_eq(tag_link_prefix("web"), tag_link_prefix("wed")));
        CHECK_STR(tag_alias("web", "eth0"), "rundlet:web:eth0");
        CHECK(tag_read("rundlet:web:eth0", &tag) && str_eq(tag.id, "web") && str_eq(tag.interface, "eth0"));
        CHECK(tag_is_of("rundlet:web:eth0", "web", NULL));
        CHECK(tag_is_of("rundlet:web:eth0", "web", "eth0"));
        CHECK(!tag_is_of("rundlet:web:eth0", "web", "eth1"));
        CHECK(!tag_is_of("rundlet:web:eth0", "we", NULL));
        static const char *const foreign[] = { NULL,
                                               "",
                                               "web",
                                               "rundlet:",
                                               "rundlet:web",
                                               "rundlet::eth0",
                                               "rundlet:web:",
                                               "rundlet:web:eth0:x",
                                               "rundlet:web:sixteen-bytes-xx",
                                               "Rundlet:web:eth0" };
        for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
                CHECK_ROW(!tag_read(foreign[i], &tag), foreign[i] ? foreign[i] : "no alias");
        const char *alias = tag_alias(LONG_255, "abcdefghijklmno");
        CHECK(strlen(alias) <= LINK_ALIAS_MAX);
        CHECK(tag_is_of(alias, LONG_255, NULL));
        char other[] = LONG_255;
        other[254] = 'x';
        CHECK(!tag_is_of(alias, other, NULL));
        CHECK(strcmp(tag_alias(other, "abcdefghijklmno"), alias) != 0);
}

/* --- bytes ------------------------------------------------------------------------------------------------------- */
/* An attribute found without our own reader: size is that of the region after its header or of a nest. */
static const struct rtattr *attribute(const void *region, size_t size, unsigned short type) {
        for (const struct rtattr *a = region; RTA_OK(a, size); a = RTA_NEXT(a, size))
                if ((a->rta_type & NLA_TYPE_MASK) == type)
                        return a;
        return NULL;
}

static const struct rtattr *inner(const struct rtattr *nest, size_t skip, unsigned short type) {
        if (!nest || RTA_PAYLOAD(nest) < skip || !(nest->rta_type & NLA_F_NESTED))
                return NULL;
        return attribute((const char *)RTA_DATA(nest) + skip, RTA_PAYLOAD(nest) - skip, type);
}

static bool holds(const struct rtattr *a, const void *bytes, size_t size) {
        return a && RTA_PAYLOAD(a) == size && memcmp(RTA_DATA(a), bytes, size) == 0;
}

static const struct nlmsghdr *message_at(const struct nl_batch *batch, size_t which) {
        const char *at = batch->bytes;
        while (which--)
                at += NLMSG_ALIGN(((const struct nlmsghdr *)(const void *)at)->nlmsg_len);
        return (const void *)at;
}

static const struct rtattr *link_attribute(const struct nlmsghdr *message, unsigned short type) {
        return attribute(IFLA_RTA(NLMSG_DATA(message)), IFLA_PAYLOAD(message), type);
}

static void veth_bytes(void) {
        static const uint8_t mac[LINK_MAC_SIZE] = { 2, 0, 0, 0, 0, 7 };
        struct link_veth veth = { "host0", "eth0", .bridge = 5, .peer_netns = 9, .mac = mac, .mtu = 1400 };
        struct link_port port = { .isolated = true };
        struct nl_batch batch = { 0 };
        link_put_veth(&batch, &veth);
        link_put_port(&batch, "host0", "rundlet:web:eth0", &port);
        CHECK(!batch.overflow && batch.count == 2);
        const struct nlmsghdr *make = message_at(&batch, 0), *tag = message_at(&batch, 1);
        CHECK_INT(make->nlmsg_len + tag->nlmsg_len, batch.used);
        CHECK_INT(make->nlmsg_type, RTM_NEWLINK);
        CHECK_INT(make->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        CHECK_INT(tag->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
        CHECK(holds(link_attribute(make, IFLA_IFNAME), "host0", 6));
        CHECK(holds(link_attribute(make, IFLA_MASTER), &(uint32_t){ 5 }, 4));
        const struct rtattr *info = link_attribute(make, IFLA_LINKINFO);
        CHECK(holds(inner(info, 0, IFLA_INFO_KIND), "veth", 5));
        const struct rtattr *peer = inner(inner(info, 0, IFLA_INFO_DATA), 0, VETH_INFO_PEER);
        size_t skip = sizeof(struct ifinfomsg);
        CHECK(holds(inner(peer, skip, IFLA_IFNAME), "eth0", 5));
        CHECK(holds(inner(peer, skip, IFLA_NET_NS_FD), &(uint32_t){ 9 }, 4));
        CHECK(holds(inner(peer, skip, IFLA_ADDRESS), mac, 6));
        CHECK(holds(inner(peer, skip, IFLA_MTU), &(uint32_t){ 1400 }, 4));
        CHECK(link_attribute(make, IFLA_ADDRESS) == NULL);
        const struct ifinfomsg *header = NLMSG_DATA(tag);
        CHECK(header->ifi_flags == IFF_UP && header->ifi_change == IFF_UP && header->ifi_index == 0);
        CHECK(holds(link_attribute(tag, IFLA_IFALIAS), "rundlet:web:eth0", 16));
        const struct rtattr *data = inner(link_attribute(tag, IFLA_LINKINFO), 0, IFLA_INFO_SLAVE_DATA);
        CHECK(holds(inner(data, 0, IFLA_BRPORT_ISOLATED), "\1", 1));
        CHECK(holds(inner(data, 0, IFLA_BRPORT_MODE), "\0", 1));
        CHECK(holds(inner(data, 0, IFLA_BRPORT_LEARNING), "\1", 1));
}

static void inet_bytes(void) {
        struct net_address four = { 0 }, six = { 0 }, gateway = { 0 };
        struct nl_batch batch = { 0 };
        CHECK(!address_parse_cidr("10.1.0.2/20", &four) && !address_parse_cidr("fd00::2/64", &six));
        CHECK(!address_parse_host("10.1.0.1", &gateway));
        address_put_add(&batch, 3, &four);
        address_put_add(&batch, 3, &six);
        address_put_delete(&batch, 3, &six);
        route_put_default(&batch, 3, &gateway);
        CHECK(!batch.overflow && batch.count == 4);
        const struct nlmsghdr *m = message_at(&batch, 0);
        const struct ifaddrmsg *header = NLMSG_DATA(m);
        CHECK(m->nlmsg_type == RTM_NEWADDR && header->ifa_prefixlen == 20 && header->ifa_index == 3);
        CHECK(holds(attribute(IFA_RTA(header), IFA_PAYLOAD(m), IFA_LOCAL), "\12\1\0\2", 4));
        CHECK(holds(attribute(IFA_RTA(header), IFA_PAYLOAD(m), IFA_BROADCAST), "\12\1\17\377", 4));
        m = message_at(&batch, 1);
        header = NLMSG_DATA(m);
        CHECK(header->ifa_family == AF_INET6 && m->nlmsg_type == RTM_NEWADDR);
        CHECK(holds(attribute(IFA_RTA(header), IFA_PAYLOAD(m), IFA_FLAGS), &(uint32_t){ IFA_F_NODAD }, 4));
        CHECK(holds(attribute(IFA_RTA(header), IFA_PAYLOAD(m), IFA_ADDRESS), six.bytes, 16));
        CHECK_INT(message_at(&batch, 2)->nlmsg_type, RTM_DELADDR);
        m = message_at(&batch, 3);
        const struct rtmsg *route = NLMSG_DATA(m);
        CHECK(m->nlmsg_type == RTM_NEWROUTE && route->rtm_dst_len == 0 && route->rtm_table == RT_TABLE_MAIN);
        CHECK(holds(attribute(RTM_RTA(route), RTM_PAYLOAD(m), RTA_GATEWAY), "\12\1\0\1", 4));
        CHECK(holds(attribute(RTM_RTA(route), RTM_PAYLOAD(m), RTA_OIF), &(uint32_t){ 3 }, 4));
}

static void overflows(void) {
        static char big[70000];
        static struct nl_batch batch, whole;
        struct nl_reply reply;
        struct nl nowhere = { 0 };
        nl_put_u32(&batch, IFLA_MTU, 1);
        CHECK(batch.overflow && batch.used == 0); /* an attribute of no message */

        batch = (struct nl_batch){ 0 };
        link_put_delete(&batch, 1);
        size_t used = batch.used;
        nl_put(&batch, IFLA_IFALIAS, big, UINT16_MAX);
        CHECK(batch.overflow && batch.used == used); /* the length field is 16 bits wide */
        nl_put_u8(&batch, IFLA_LINKMODE, 1);
        CHECK(batch.used == used); /* sticky */
        CHECK_FAIL(nl_run(&nowhere, &batch, &reply), "build netlink messages: Message too long");

        whole = (struct nl_batch){ 0 };
        for (int i = 0; i < NL_BATCH_MESSAGES; i++)
                link_put_delete(&whole, i);
        CHECK(!whole.overflow && whole.count == NL_BATCH_MESSAGES);
        link_put_delete(&whole, 1);
        CHECK(whole.overflow && whole.count == NL_BATCH_MESSAGES);

        whole = (struct nl_batch){ 0 };
        link_put_delete(&whole, 1);
        while (!whole.overflow)
                nl_put(&whole, IFLA_IFALIAS, big, 1021);
        CHECK(whole.used <= NL_BATCH_SIZE && message_at(&whole, 0)->nlmsg_len == whole.used);
        size_t nest = nl_nest(&whole, IFLA_LINKINFO);
        nl_nest_end(&whole, nest); /* of a batch that is over: must not write */
        CHECK(whole.overflow && whole.used <= NL_BATCH_SIZE);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */
struct refusal {
        struct nlmsghdr header;
        struct nlmsgerr error;
        struct nlattr attribute;
        char words[12];
};

static struct refusal refusal(uint32_t seq, int error) {
        struct refusal r = {
                .header = { sizeof(r), NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, seq, 0 },
                .error = { .error = error, .msg = { .nlmsg_len = 1000 } },
                .attribute = { sizeof(struct nlattr) + 12, NLMSGERR_ATTR_MSG },
                .words = "no \x1b such\n\0",
        };
        return r;
}

static void answers(void) {
        struct nl_reply reply = { 0 };
        struct refusal r = refusal(8, -EEXIST);
        CHECK(nl_reply_add(&reply, &r, sizeof(r), 7, 2) == 0);
        CHECK(reply.answers[0].error == 0 && reply.answers[1].error == EEXIST && reply.answered == 1);
        CHECK_STR(reply.answers[1].words, "no ? such?");
        CHECK_FAIL(nl_reply_add(&reply, &r, sizeof(r), 7, 2), "Protocol error"); /* two answers to one message */
        r = refusal(9, -EEXIST);
        CHECK(nl_reply_add(&reply, &r, sizeof(r), 7, 2) == 0 && reply.answered == 1);
        r = refusal(6, -EEXIST);
        CHECK(nl_reply_add(&reply, &r, sizeof(r), 7, 2) == 0 && reply.answered == 1);

        reply = (struct nl_reply){ 0 };
        r = refusal(7, EEXIST);
        CHECK_FAIL(nl_reply_add(&reply, &r, sizeof(r), 7, 2), "Protocol error");
        r = refusal(7, -5000);
        CHECK_FAIL(nl_reply_add(&reply, &r, sizeof(r), 7, 2), "Protocol error");
        static const uint32_t lengths[] = { 0, 15, sizeof(r) + 1, 0x80000000, UINT32_MAX };
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
                r = refusal(7, -EEXIST);
                r.header.nlmsg_len = lengths[i];
                CHECK_FAIL(nl_reply_add(&reply, &r, sizeof(r), 7, 2), "Protocol error");
        }
        r = refusal(7, -EEXIST);
        r.header.nlmsg_len = sizeof(r.header) + 2;
        CHECK_FAIL(nl_reply_add(&reply, &r, sizeof(r.header) + 4, 7, 2), "Protocol error");

        /* Uncapped, the words stand behind a request of the length it claims. */
        reply = (struct nl_reply){ 0 };
        r = refusal(7, -EPERM);
        r.header.nlmsg_flags = NLM_F_ACK_TLVS;
        CHECK(nl_reply_add(&reply, &r, sizeof(r), 7, 1) == 0 && reply.answers[0].words == NULL);

        struct nlmsghdr done = { sizeof(done), NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, 7, 0 };
        reply = (struct nl_reply){ 0 };
        CHECK(nl_reply_add(&reply, &done, sizeof(done), 7, 1) == 0 && reply.interrupted && reply.answered == 1);
}

/* Bytes of all sorts through the readers: what counts is that the sanitizers stay silent and that nothing is made up.
 */
static void noise(void) {
        enum { ROUNDS = 20000 };
        static _Alignas(8) unsigned char bytes[256];
        uint64_t state = 88172645463325252;
        size_t accepted = 0;
        bool is_sane = true;
        for (int round = 0; round < ROUNDS; round++) {
                struct nl_reply reply = { 0 };
                struct link_info link;
                for (size_t i = 0; i < sizeof(bytes); i++) {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        bytes[i] = (unsigned char)(i % 4 && state & 0x300 ? 0 : state & 0x3f);
                }
                struct nlmsghdr *message = (struct nlmsghdr *)(void *)bytes;
                *message =
                        (struct nlmsghdr){ 16 + (uint32_t)(state % 241), RTM_NEWLINK + (state >> 20) % 8 * 4, 0, 1, 0 };
                if (nl_reply_add(&reply, bytes, message->nlmsg_len, 1, 1) < 0)
                        continue;
                for (size_t i = 0; i < reply.n; i++) {
                        (void)address_read(reply.messages[i], 1);
                        if (link_read(reply.messages[i], &link)) {
                                accepted++;
                                is_sane = is_sane && link.index > 0 && link.name;
                        }
                }
                if (round % 1000 == 0)
                        arena_reset();
        }
        CHECK(is_sane);
        CHECK(accepted > 0);
}

/* --- namespaces and output --------------------------------------------------------------------------------------- */
static void namespaces(void) {
        int fd = -1;
        CHECK_FAIL(netns_open("/no/such", &fd), "open network namespace /no/such: No such file or directory");
        CHECK_FAIL(netns_open("/dev/null", &fd), "open network namespace /dev/null: not a namespace");
        CHECK_FAIL(netns_open("/proc/self/ns/mnt", &fd), "/proc/self/ns/mnt: a namespace of another kind");
        CHECK_FAIL(netns_open("2147483647", &fd), "open network namespace of process 2147483647: No such process");
        CHECK_INT(fd, -1);
        CHECK(netns_open("/proc/self/ns/net", &fd) == 0 && fd >= 0 && netns_is_own(fd));
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void output(void) {
        struct net_link links[] = {
                { "web", "eth0", "rlone", "br0", "up", "02:00:00:00:00:01", 1500, .isolated = true },
                { "database", "eth0", "rltwo", NULL, "down", NULL, 1500 },
        };
        struct net_result result = { .links = { links, 2 } };
        struct cli cli = { .request.command = NET_LIST };
        char *text = NULL;
        size_t size = 0;
        strv_add(&links[0].addresses, "10.1.0.2/24");
        strv_add(&links[0].addresses, "fd00::2/64");
        FILE *out = open_memstream(&text, &size);
        cli_print(&cli, &result, out);
        cli.request.command = NET_STATUS;
        cli_print(&cli, &result, out);
        fclose(out);
        CHECK_STR(text, "ID        INTERFACE  LINK   BRIDGE  STATE  ADDRESSES\n"
                        "web       eth0       rlone  br0     up     10.1.0.2/24,fd00::2/64\n"
                        "database  eth0       rltwo  -       down   -\n"
                        "web eth0\n  link       rlone, up\n  bridge     br0, isolated\n"
                        "  mac        02:00:00:00:00:01\n  mtu        1500\n"
                        "  address    10.1.0.2/24\n  address    fd00::2/64\n"
                        "database eth0\n  link       rltwo, down\n  bridge     -\n  mac        -\n  mtu        1500\n");
        free(text);
        CHECK_STR(json_write(&(struct net_result){ 0 }, &net_result_type, false), "{\"links\":[]}");
}

int main(void) {
        wrong_words();
        right_words();
        plans();
        long_plan();
        tags();
        veth_bytes();
        inet_bytes();
        overflows();
        answers();
        noise();
        namespaces();
        output();
        return test_done();
}
