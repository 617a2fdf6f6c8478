/* The OCI hook without rights: what annotations mean and which are refused; the texts of hosts and resolv.conf. */
#include "netsetup/face_hook.h"
#include "netsetup/names.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <errno.h>

#define STATE(status, pid, annotations)                                                                                \
        "{\"ociVersion\":\"1.0.2\",\"id\":\"web\",\"status\":\"" status "\",\"pid\":" pid                              \
        ",\"bundle\":\"/srv/web\",\"annotations\":{" annotations "}}"
#define NAME(name)   "\"org.rundlet.net.name\":\"" name "\""
#define MORE(key, v) ",\"org.rundlet.net." key "\":\"" v "\""

static int read_state(const char *text, struct hook *ret) {
        static const struct net_request base = { .command = NET_HOOK };
        struct oci_state state;
        err_clear();
        int r = json_read(text, strlen(text), &oci_state_type, NULL, &state);
        return r < 0 ? r : hook_read(&state, &base, ret);
}

static const struct {
        const char *text, *words;
} wrong[] = {
        { STATE("created", "7", NAME("a") MORE("banana", "1")), "annotation org.rundlet.net.banana: unknown" },
        { STATE("created", "7", "\"org.rundlet.net.mac\":\"x\""), "org.rundlet.net.name is missing beside" },
        { STATE("created", "7", NAME("")), "org.rundlet.net.name: an empty name" },
        { STATE("created", "7", NAME("a,,b")), "org.rundlet.net.name: an empty name" },
        { STATE("created", "7", NAME("a b")), "org.rundlet.net.name: network a b: only letters" },
        { STATE("created", "7", NAME("../a")), "org.rundlet.net.name: network ../a: only letters" },
        { STATE("created", "7", NAME("a,b") MORE("mac", ",,02:00:00:00:00:01")), "3 of them for 2 networks" },
        { STATE("created", "7", NAME("a,b") MORE("interface", "x,x")), "org.rundlet.net.interface: x twice" },
        { STATE("created", "7", NAME("a") MORE("interface", "a/b")), "org.rundlet.net.interface: interface a/b" },
        { STATE("created", "7", NAME("a") MORE("address", "banana")), "org.rundlet.net.address: address banana" },
        { STATE("created", "7", NAME("a") MORE("address", "10.0.0.2/24")), "its prefix length is that of the network" },
        { STATE("created", "7", NAME("a") MORE("publish", "80")), "org.rundlet.net.publish: " },
        { STATE("created", "7", NAME("a") MORE("ingress", "fast")), "org.rundlet.net.ingress: " },
        { STATE("created", "7", NAME("a") MORE("isolate", "yes")), "org.rundlet.net.isolate: yes: neither true nor" },
        { STATE("created", "7", NAME("a") MORE("files", "box")), "org.rundlet.net.files: box: not an absolute path" },
        { STATE("created", "7", NAME("a") MORE("hostname", "a b")), "hostname: hostname a b: only" },
        { STATE("created", "0", NAME("a")), "pid is missing" },
        { STATE("running", "7", NAME("a")), "status running: a hook of createRuntime" },
};

static void test_wrong(void) {
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct hook hook;
                const char *text = wrong[i].text, *expected = wrong[i].words;
                CHECK(read_state(text, &hook) < 0);
                CHECK_ROW(strstr(err_message(), expected), expected);
        }
}

static void test_requests(void) {
        struct hook hook;
        CHECK(read_state(STATE("creating", "7",
                               NAME("a,b") MORE("address", ",10.0.0.2 fd00::2") MORE("interface", "net0")
                                       MORE("publish", "8080:80,127.0.0.1:5353:53/udp") MORE("isolate", "true")
                                               MORE("container", "/run/rundlet/web") MORE("hostname", "box")),
                         &hook) == 0);
        CHECK(!hook.is_end && hook.n == 2);
        CHECK_STR(hook.requests[0].network, "a");
        CHECK_STR(hook.requests[1].network, "b");
        CHECK_STR(hook.requests[0].interface, "net0");
        CHECK_STR(hook.requests[1].interface, "eth1");
        CHECK_STR(hook.requests[1].netns, "7");
        CHECK(hook.requests[0].fixed.n == 0 && hook.requests[1].fixed.n == 2);
        CHECK(hook.requests[0].policy.publish.n == 2 && hook.requests[1].policy.publish.n == 0);
        CHECK(hook.requests[0].port.isolated && hook.requests[1].port.isolated);
        CHECK(!hook.requests[0].has_no_default && hook.requests[1].has_no_default);
        CHECK_STR(hook.owner.container, "/run/rundlet/web");
        CHECK_STR(hook.owner.hostname, "box");
        CHECK(!hook.owner.hosts && !hook.owner.servers);
}

static void test_nothing_and_end(void) {
        struct hook hook;
        CHECK(read_state(STATE("created", "7", "\"org.example\":\"x\""), &hook) == 0);
        CHECK(hook.n == 0);
        CHECK(read_state(STATE("stopped", "0", NAME("a")), &hook) == 0);
        CHECK(hook.is_end && hook.n == 1);
        CHECK_STR(hook.owner.container, "/srv/web");
}

static struct net_record record(const char *id, const char *network, const char *address) {
        struct net_record record = { .network = network, .policy = { .id = id, .interface = "eth0" } };
        record.owner.container = str_format("/run/rundlet/%s", id);
        strv_add(&record.policy.addresses, address);
        return record;
}

static void test_hosts(void) {
        struct net_record list[] = {
                record("db", "back", "10.2.0.2/24"),         record("web", "front", "10.1.0.2/24"),
                record("web", "back", "10.2.0.3/24"),        record("other", "front", "10.1.0.3/24"),
                record("localhost", "back", "10.2.0.66/24"), record("box", "back", "10.2.0.67/24"),
                record("far", "away", "10.3.0.2/24"),
        };
        const struct net_records all = { { list, sizeof(list) / sizeof(list[0]) } };
        list[1].owner.hostname = list[2].owner.hostname = "box";
        /* A name of somebody's own is given to nobody else. */
        strv_add(&list[0].owner.aliases, "data");
        strv_add(&list[0].owner.aliases, "web");
        strv_add(&list[3].owner.aliases, "box");
        CHECK_STR(names_hosts(&all, &list[1]), "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
                                               "10.1.0.2 box web\n10.2.0.3 box web\n"
                                               "10.2.0.2 db data\n10.1.0.3 other\n");
        CHECK_STR(names_hosts(&all, &list[6]), "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
                                               "10.3.0.2 far\n");
}

static void test_servers(void) {
        struct net_dns dns = { 0 };
        CHECK_STR(names_servers(&dns, "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nsearch example.org\n"
                                      "nameserver\t192.0.2.1\r\nnameserver ::1\nnameserver 2001:db8::1 # words\n"
                                      "nameserver fe80::1\nnameserver fe80::1%eth0\nnameserver banana"),
                  "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch .\n");
        CHECK_STR(names_servers(&dns, ""), "search .\n");
        strv_add(&dns.nameservers, "10.1.0.1");
        strv_add(&dns.search, "example.org");
        strv_add(&dns.options, "ndots:2");
        CHECK_STR(names_servers(&dns, "nameserver 192.0.2.1\n"),
                  "nameserver 10.1.0.1\nsearch example.org\noptions ndots:2\n");
}

int main(void) {
        test_wrong();
        test_requests();
        test_nothing_and_end();
        test_hosts();
        test_servers();
        return test_done();
}
