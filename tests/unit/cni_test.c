/* CNI without rights: what environments and configurations mean, and with which code they are refused. */
#include "netsetup/face_cni.h"
#include "netsetup/ipam.h"
#include "specs/base/arena.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <errno.h>

static int read_conf(const char *command, const char *arguments, const char *text, struct cni *ret) {
        const struct cni_environment environment = { command, "pod-1", "/run/netns/x", "eth0", arguments };
        err_clear();
        return cni_read(&environment, text, strlen(text), ret);
}

#define HEAD       "\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"type\":\"netsetup\""
#define IPAM       "\"ipam\":{\"type\":\"host-local\",\"subnet\":\"10.22.0.0/24\"}"
#define CONF       "{" HEAD "," IPAM "}"
#define WITH(more) "{" HEAD "," IPAM "," more "}"

static const struct {
        enum cni_code code;
        const char *command, *arguments, *text, *words;
} wrong[] = {
        { 1, "ADD", NULL, "{\"name\":\"n\"}", "cniVersion 0.1.0: not one of 0.4.0, 1.0.0, 1.1.0" },
        { 1, "ADD", NULL, "{\"cniVersion\":\"0.3.1\",\"name\":\"n\"}", "cniVersion 0.3.1: not one of" },
        { 1, "GC", NULL, "{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}", "cniVersion 1.0.0: GC came with 1.1.0" },
        { 1, "STATUS", NULL, "{\"cniVersion\":\"0.4.0\",\"name\":\"n\"}", "STATUS came with 1.1.0" },
        { 2, "ADD", NULL, "{" HEAD ",\"ipam\":{\"type\":\"dhcp\"}}", "ipam.type dhcp: only host-local" },
        { 2, "ADD", NULL, WITH("\"disableContainerInterface\":true"), "disableContainerInterface: not supported" },
        { 2, "ADD", NULL, WITH("\"linkInContainer\":true"), "linkInContainer: not supported" },
        { 4, "FLY", NULL, CONF, "CNI_COMMAND FLY: not ADD" },
        { 4, "add", NULL, CONF, "CNI_COMMAND add: not ADD" },
        { 4, "ADD", "IP", CONF, "CNI_ARGS: IP: no =" },
        { 4, "ADD", "FOO=1", CONF, "CNI_ARGS: FOO is unknown" },
        { 4, "ADD", "FOO=1;IgnoreUnknown=0", CONF, "CNI_ARGS: FOO is unknown" },
        { 4, "ADD", "IP=banana", CONF, "CNI_ARGS: address banana" },
        { 4, "ADD", "MAC=01:00:00:00:00:01", CONF, "CNI_ARGS: mac 01:00:00:00:00:01: a multicast address" },
        { 6, "ADD", NULL, "", "invalid JSON" },
        { 6, "ADD", NULL, "{", "invalid JSON" },
        { 6, "ADD", NULL, "{\"a\":1} x", "invalid JSON" },
        { 7, "ADD", NULL, "[]", "" },
        { 7, "ADD", NULL, "{\"cniVersion\":1}", "cniVersion: number not expected" },
        { 7, "ADD", NULL, "{" HEAD ",\"name\":\"again\"}", "duplicate key" },
        { 7, "ADD", NULL, "{\"cniVersion\":\"1.1.0\"}", "name is missing" },
        { 7, "DEL", NULL, "{\"cniVersion\":\"1.1.0\",\"name\":\"\"}", "name is missing" },
        { 7, "ADD", NULL, "{\"cniVersion\":\"1.1.0\",\"name\":\"../x\"}", "network ../x: only letters" },
        { 7, "ADD", NULL, "{\"cniVersion\":\"1.1.0\",\"name\":\"a/b\"}", "network a/b: only letters" },
        { 7, "ADD", NULL, WITH("\"bridge\":\"sixteen-letters-\""), "bridge sixteen-letters-: longer than 15 bytes" },
        { 7, "ADD", NULL, WITH("\"mtu\":67"), "mtu 67: not a number in 68..65535" },
        { 7, "ADD", NULL, WITH("\"mtu\":-1"), "mtu" },
        { 7, "ADD", NULL, "{" HEAD ",\"ipam\":{\"type\":\"host-local\"}}", "ipam: no subnet and no ranges" },
        { 7, "ADD", NULL, "{" HEAD ",\"ipam\":{\"type\":\"host-local\",\"ranges\":{}}}",
          "ipam.ranges: not a list of lists" },
        { 7, "ADD", NULL, "{" HEAD ",\"ipam\":{\"type\":\"host-local\",\"ranges\":[[],[{\"subnet\":5}]]}}",
          "ipam.ranges[1]: ranges[0].subnet: number not expected" },
        { 7, "ADD", NULL, "{" HEAD ",\"ipam\":{\"subnet\":\"10.22.0.0/24\",\"gateway\":\"10.23.0.1\"}}",
          "gateway 10.23.0.1: outside of the subnet 10.22.0.0/24" },
        { 7, "ADD", NULL, "{" HEAD ",\"ipam\":{\"subnet\":\"10.22.0.0/24\",\"rangeEnd\":\"10.23.0.1\"}}",
          "range 10.22.0.1-10.23.0.1: outside" },
        { 7, "ADD", NULL, "{" HEAD ",\"ipam\":{\"type\":\"static\",\"addresses\":[{\"address\":\"10.1.1.1\"}]}}",
          "ipam.addresses[0]: address 10.1.1.1: no prefix length" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":70000,\"containerPort\":80}]}"),
          "runtimeConfig.portMappings[0]: port 70000:80: not in 1..65535" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":0,\"containerPort\":80}]}"),
          "port 0:80" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":80}]}"), "containerPort" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"mac\":\"x\"}"), "mac x" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"aliases\":7}"), "runtimeConfig.aliases" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"aliases\":[\"a b\"]}"), "alias a b: only letters" },
        { 7, "ADD", NULL, WITH("\"runtimeConfig\":{\"aliases\":[\"localhost\"]}"), "everybody's own" },
        { 7, "ADD", NULL, "{" HEAD ",\"runtimeConfig\":{\"ips\":[\"10.0.0.1\"]}}", "the network has no subnet" },
        { 7, "CHECK", NULL, CONF, "prevResult is missing" },
        { 7, "CHECK", NULL, WITH("\"prevResult\":{\"ips\":[{\"interface\":-1,\"address\":\"x\"}]}"),
          "prevResult.ips[0].interface" },
        { 7, "GC", NULL, WITH("\"cni.dev/valid-attachments\":[{\"containerID\":\"a\"}]"),
          "cni.dev/valid-attachments: list[0].ifname: required but missing" },
        { 7, "ADD", NULL, WITH("\"vlan\":4095"), "vlan" },
        { 7, "ADD", NULL, WITH("\"vlanTrunk\":[{\"minID\":7}]"), "vlanTrunk[0]: neither id nor minID and maxID" },
        { 7, "ADD", NULL, WITH("\"vlanTrunk\":[{\"id\":7,\"maxID\":9}]"), "vlanTrunk[0]: neither id nor" },
        { 7, "ADD", NULL, WITH("\"vlan\":8,\"vlanTrunk\":[{\"minID\":7,\"maxID\":9}]"), "trunk 7-9: with VLAN 8" },
        { 7, "ADD", NULL, WITH("\"vlanTrunk\":[{\"id\":7}],\"macspoofchk\":true"),
          "only together with --allow-spoofing" },
        { 7, "ADD", NULL, WITH("\"kind\":\"macvlan\""), "kind macvlan: master is missing" },
        { 7, "ADD", NULL, WITH("\"kind\":\"macvlan\",\"master\":\"eth0\",\"mode\":\"l2\""),
          "mode l2: macvlan has none" },
        { 7, "ADD", NULL, WITH("\"kind\":\"vlan\",\"master\":\"eth0\""), "kind vlan: it needs a VLAN" },
        { 7, "ADD", NULL, WITH("\"kind\":\"vlan\",\"master\":\"eth/0\",\"vlanId\":5"), "uplink eth/0" },
        { 7, "ADD", NULL, WITH("\"kind\":\"dummy\",\"master\":\"eth0\""), "kind dummy: not one of" },
        { 7, "ADD", NULL, WITH("\"kind\":\"ipvlan\",\"master\":\"eth0\",\"hairpinMode\":true"),
          "--hairpin: not possible" },
        { 7, "GC", NULL, WITH("\"cni.dev/valid-attachments\":\"all\""), "cni.dev/valid-attachments: list" },
};

static void refusals(void) {
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct cni cni;
                int r = read_conf(wrong[i].command, wrong[i].arguments, wrong[i].text, &cni);
                bool is_good =
                        r < 0 && cni.code == wrong[i].code && strstr(err_message(), wrong[i].words) && cni.version;
                CHECK_ROW(is_good, wrong[i].text);
                if (!is_good)
                        printf("# %d %d <%s>, not %d <%s>\n", r, cni.code, err_message(), wrong[i].code,
                               wrong[i].words);
        }
}

static void environments(void) {
        static const struct {
                struct cni_environment environment;
                const char *words;
        } rows[] = {
                { { "ADD", NULL, "/n", "eth0", NULL }, "CNI_CONTAINERID is missing" },
                { { "ADD", "", "/n", "eth0", NULL }, "CNI_CONTAINERID is missing" },
                { { "ADD", "a", "/n", NULL, NULL }, "CNI_IFNAME is missing" },
                { { "ADD", "a", NULL, "eth0", NULL }, "CNI_NETNS is missing" },
                { { "CHECK", "a", "", "eth0", NULL }, "CNI_NETNS is missing" },
                { { "DEL", "a", NULL, "", NULL }, "CNI_IFNAME is missing" },
                { { "ADD", "-a", "/n", "eth0", NULL }, "begins with no letter and no digit" },
                { { "ADD", "a/../b", "/n", "eth0", NULL }, "CNI_CONTAINERID: id a/../b: only letters" },
                { { "ADD", "a", "/n", "eth/0", NULL }, "interface eth/0" },
                { { "ADD", "a", "/n", "sixteen-letters-", NULL }, "longer than 15 bytes" },
        };
        struct cni cni;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                err_clear();
                int r = cni_read(&rows[i].environment, CONF, strlen(CONF), &cni);
                CHECK_ROW(r < 0 && cni.code == CNI_BAD_ENVIRONMENT && strstr(err_message(), rows[i].words),
                          rows[i].words);
        }
        const struct cni_environment bare = { "DEL", "a", NULL, "eth0", "FOO=1" };
        CHECK_INT(cni_read(&bare, CONF, strlen(CONF), &cni), 0);
        CHECK(!cni.request.netns);
}

static void aliases(void) {
        struct cni cni;
        CHECK_INT(read_conf("ADD", NULL, WITH("\"runtimeConfig\":{\"aliases\":[\"a\",\"b\"]}"), &cni), 0);
        CHECK(cni.request.owner.aliases.n == 2 && str_eq(cni.request.owner.aliases.at[1], "b"));
        CHECK_INT(read_conf("ADD", NULL, WITH("\"runtimeConfig\":{\"aliases\":{\"other\":[\"a\"],\"net\":[\"c\"]}}"),
                            &cni),
                  0);
        CHECK(cni.request.owner.aliases.n == 1 && str_eq(cni.request.owner.aliases.at[0], "c"));
}

/* What is wrong with the addresses is no obstacle to taking them away. */
static void deletes(void) {
        struct cni cni;
        CHECK_INT(read_conf("DEL", NULL, "{" HEAD ",\"vlan\":7,\"ipam\":{\"type\":\"dhcp\",\"ranges\":7}}", &cni), 0);
        CHECK_STR(cni.request.network, "net");
        CHECK_INT(read_conf("GC", NULL, WITH("\"cni.dev/valid-attachments\":[]"), &cni), 0);
        CHECK_INT(cni.valid.list.n, 0);
        CHECK_INT(read_conf("GC", NULL,
                            WITH("\"cni.dev/valid-attachments\":[{\"containerID\":\"a\",\"ifname\":\"b\"}]"), &cni),
                  0);
        CHECK_STR(cni.valid.list.at[0].interface, "b");
        CHECK_INT(
                read_conf("GC", NULL, WITH("\"cni.dev/attachments\":[{\"containerID\":\"a\",\"ifname\":\"c\"}]"), &cni),
                0);
        CHECK_STR(cni.valid.list.at[0].interface, "c");
        CHECK(read_conf("GC", NULL, CONF, &cni) == 0 && !cni.conf.valid.text && cni.valid.list.n == 0);
        CHECK_INT(read_conf("VERSION", NULL, "", &cni), 0);
        CHECK_STR(cni.version, "1.1.0");
        CHECK_INT(read_conf("VERSION", NULL, "{\"cniVersion\":\"0.4.0\"}", &cni), 0);
        CHECK_STR(cni.version, "0.4.0");
        CHECK_INT(read_conf("VERSION", NULL, "{\"cniVersion\":\"7\"}", &cni), 0);
        CHECK_STR(cni.version, "1.1.0");
}

static void meanings(void) {
        struct cni cni;
        struct ipam_pool pool;
        CHECK_INT(read_conf("ADD", NULL, CONF, &cni), 0);
        CHECK_STR(cni.network.bridge, "cni0");
        CHECK(cni.request.has_no_default && cni.request.has_no_bridge_address && !cni.network.allow_spoofing);
        CHECK(cni.network.masquerade.set && !cni.network.masquerade.v);
        CHECK_INT(read_conf("ADD", NULL,
                            WITH("\"bridge\":\"b\",\"isDefaultGateway\":true,\"ipMasq\":true,\"mtu\":1400,"
                                 "\"hairpinMode\":true,"
                                 "\"portIsolation\":true,\"macspoofchk\":false,\"promiscMode\":true,\"unknown\":{\"x\":"
                                 "[1]}"),
                            &cni),
                  0);
        CHECK(!cni.request.has_no_default && !cni.request.has_no_bridge_address && cni.network.allow_spoofing);
        CHECK(cni.network.masquerade.v && cni.network.hairpin && cni.network.isolate && cni.network.mtu == 1400);
        CHECK_INT(read_conf("ADD", NULL, "{" HEAD "}", &cni), 0);
        CHECK(cni.network.allow_spoofing && cni.network.subnets.n == 0);
        CHECK_INT(read_conf("ADD", NULL, "{" HEAD ",\"ipam\":{}}", &cni), 0);
        CHECK_INT(cni.network.subnets.n, 0);

        /* Capabilities first, then the oldest spelling, then the list of lists: one address of each. */
        CHECK_INT(read_conf("ADD", NULL,
                            "{" HEAD
                            ",\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":\"10.1.0.0/24\"}]]},\"ipam\":{\"type\":"
                            "\"host-local\",\"subnet\":\"10.2.0.0/24\",\"rangeStart\":\"10.2.0.9\",\"ranges\":[ "
                            "[{\"subnet\":"
                            "\"10.3.0.0/24\"},{\"subnet\":\"10.4.0.0/24\",\"gateway\":\"10.4.0.99\"}] , "
                            "[{\"subnet\":\"fd00::/64\"}]]}}",
                            &cni),
                  0);
        CHECK_INT(ipam_pool(&cni.network, &pool), 0);
        CHECK_INT(pool.n, 4);
        CHECK_INT(pool.sets[2].ranges.n, 2);
        CHECK_STR(pool.sets[2].ranges.at[1].gateway.text, "10.4.0.99");
        CHECK(pool.sets[1].ranges.at[0].span.last - pool.sets[1].ranges.at[0].span.first == 254 - 9);
}

static void wishes(void) {
        struct cni cni;
        CHECK_INT(read_conf("ADD", "IgnoreUnknown=true;K8S_POD_NAME=x;IP=10.22.0.7,fd00::7/64;MAC=02:00:00:00:00:07",
                            CONF, &cni),
                  0);
        CHECK_INT(cni.request.fixed.n, 2);
        CHECK_STR(cni.request.fixed.at[1].text, "fd00::7");
        CHECK(cni.request.has_mac && cni.request.mac[5] == 7);
        CHECK_INT(read_conf("ADD", NULL,
                            WITH("\"runtimeConfig\":{\"ips\":[\"10.22.0.9/"
                                 "24\"],\"mac\":\"02:00:00:00:00:09\",\"aliases\":[\"a\"],"
                                 "\"bandwidth\":{},\"portMappings\":[{\"hostPort\":8080,\"containerPort\":80},{"
                                 "\"hostPort\":53,"
                                 "\"containerPort\":53,\"protocol\":\"udp\",\"hostIP\":\"127.0.0.1\"}]},"
                                 "\"args\":{\"cni\":{\"ips\":[\"10.22.0.10\"]}}"),
                            &cni),
                  0);
        CHECK_INT(cni.request.fixed.n, 1);
        CHECK_STR(cni.request.fixed.at[0].text, "10.22.0.9");
        CHECK_INT(cni.request.policy.publish.n, 2);
        CHECK_STR(cni.request.policy.publish.at[0].protocol, "tcp");
        CHECK(!cni.request.policy.publish.at[0].host);
        CHECK_STR(cni.request.policy.publish.at[1].host, "127.0.0.1");
        CHECK_INT(read_conf("ADD", NULL, WITH("\"args\":{\"cni\":{\"ips\":[\"10.22.0.10\"]}}"), &cni), 0);
        CHECK_STR(cni.request.fixed.at[0].text, "10.22.0.10");
        CHECK_INT(read_conf("ADD", NULL,
                            "{" HEAD
                            ",\"isDefaultGateway\":true,\"ipam\":{\"type\":\"static\",\"addresses\":[{\"address\":"
                            "\"10.1.0.5/24\",\"gateway\":\"10.1.0.1\"}],\"routes\":[{\"dst\":\"0.0.0.0/"
                            "0\"},{\"dst\":\"10.7.0.0/16\"}]}}",
                            &cni),
                  0);
        CHECK_INT(cni.request.addresses.n, 1);
        CHECK_INT(cni.network.routes.n, 1);
}

int main(void) {
        refusals();
        environments();
        deletes();
        aliases();
        meanings();
        wishes();
        return test_done();
}
