/* The JSON of netsetup: what is written is read again, and what is no value of ours is refused by its place. */
#include "netsetup/model.h"
#include "netsetup/record.h"
#include "netsetup/tag.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static void fixpoint(const char *text, const struct json_type *type) {
        void *object = arena_alloc(type->size), *again = arena_alloc(type->size);
        struct json_read_options strict = { .strict = true };
        CHECK_INT(json_read(text, strlen(text), type, &strict, object), 0);
        const char *once = json_write(object, type, false);
        CHECK_INT(json_read(once, strlen(once), type, &strict, again), 0);
        CHECK_STR(json_write(again, type, false), once);
        CHECK_INT(strlen(once), strlen(text));
}

static void tables(void) {
        fixpoint("{\"name\":\"web\",\"bridge\":\"net-web\",\"subnets\":[{\"subnet\":\"10.9.0.0/"
                 "24\",\"gateway\":\"10.9.0.1\","
                 "\"ranges\":[\"10.9.0.2-10.9.0.9\"],\"exclude\":[\"10.9.0.5\"],\"set\":1}],\"reservations\":[{\"id\":"
                 "\"db\","
                 "\"address\":"
                 "\"10.9.0.7\"}],\"routes\":[{\"destination\":\"10.0.0.0/"
                 "8\",\"gateway\":\"10.9.0.3\"}],\"dns\":{\"nameservers\":"
                 "[\"10.9.0.1\"],\"domain\":\"d\",\"search\":[\"s\"],\"options\":[\"o\"]},\"mtu\":1400,\"vlan\":7,"
                 "\"isolate\":true,"
                 "\"internal\":true,\"hairpin\":true,\"masquerade\":false,\"allowSpoofing\":true,\"hostBlocked\":true,"
                 "\"egressBlocked\":true,\"hostAccess\":[{\"port\":53}],\"egress\":[{\"address\":\"10.0.0.1\","
                 "\"protocol\":\"tcp\","
                 "\"port\":443}]}",
                 &net_network_type);
        fixpoint("{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"eth0\",\"mac\":\"m\",\"mtu\":1500,\"sandbox\":"
                 "\"/n\","
                 "\"socketPath\":\"s\",\"pciID\":\"p\"}],\"ips\":[{\"interface\":0,\"address\":\"a\",\"gateway\":\"g\"}"
                 "],\"routes\":"
                 "[{\"dst\":\"0.0.0.0/"
                 "0\",\"gw\":\"g\",\"mtu\":1,\"advmss\":2,\"priority\":0,\"table\":254,\"scope\":0}],\"dns\":{}}",
                 &cni_result_type);
}

static void sets(void) {
        struct cni_range_set *set;
        size_t n = 7;
        CHECK_INT(cni_range_sets(NULL, "r", &set, &n), 0);
        CHECK_INT(n, 0);
        CHECK_INT(cni_range_sets(" [ ]", "r", &set, &n), 0);
        CHECK_INT(n, 0);
        CHECK_INT(cni_range_sets("[[{\"subnet\":\"a]b,[\\\"\"}, {\"subnet\":\"b\"} ] ,[ ]]", "r", &set, &n), 0);
        CHECK_INT(n, 2);
        CHECK_INT(set[0].ranges.n, 2);
        CHECK_STR(set[0].ranges.at[0].subnet, "a]b,[\"");
        CHECK_FAIL(cni_range_sets("{}", "r", &set, &n), "r: not a list of lists");
        CHECK_FAIL(cni_range_sets("[1]", "r", &set, &n), "r[0]: ranges");
        CHECK_FAIL(cni_range_sets("[[{}]]", "r", &set, &n), "r[0]: ranges[0].subnet");
}

static struct net_record make(const char *id, const char *interface) {
        return (struct net_record){
                .boot = "b",
                .face = "cli",
                .netns = "/n",
                .network = "web",
                .identity = { 4, 4026531840, 77 },
                .policy = { .id = id, .interface = interface, .link = tag_link_name(id, interface), .bridge = "br0" },
        };
}

static void records(void) {
        char path[] = "/tmp/model-test-XXXXXX";
        autofd dir = -1, tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
        struct net_record web = make("web", "eth0"), db = make("db", "eth1"), got;
        struct net_records all;
        CHECK_INT(record_look("/no/such/folder", &dir), RECORD_ABSENT);
        CHECK(mkdtemp(path) && record_open(path, &dir) == 0);
        CHECK_INT(record_read(dir, "web", "eth0", &got), RECORD_ABSENT);
        CHECK_INT(record_begin(dir, &web), 0);
        CHECK(record_is_begun(dir, web.policy.link));
        CHECK_INT(record_read(dir, "web", "eth0", &got), RECORD_FOUND);
        CHECK(got.is_begun && got.identity.inode == 4026531840 && got.identity.cookie == 77);
        CHECK_INT(record_keep(dir, web.policy.link), 0);
        CHECK_INT(record_read(dir, "web", "eth0", &got), RECORD_FOUND);
        CHECK(!got.is_begun && !record_is_begun(dir, web.policy.link));
        web.policy.masquerade = true;
        CHECK_INT(record_write(dir, &web), 0);
        CHECK_INT(record_begin(dir, &db), 0);
        CHECK_INT(record_list(dir, &all), 0);
        CHECK(all.records.n == 2 && str_eq(all.records.at[0].policy.id, "db") && all.records.at[0].is_begun);
        CHECK(all.records.at[1].policy.masquerade);

        CHECK_INT(record_list_of(dir, "db", &all), 0);
        CHECK(all.records.n == 1 && str_eq(all.records.at[0].policy.interface, "eth1"));
        CHECK(record_list_of(dir, "dc", &all) == 0 && all.records.n == 0);

        /* Given up, it is told from a later one of the same name. */
        autofd going = -1, absent = -1;
        CHECK(record_give_up(dir, web.policy.link, &going) == 0 && going >= 0);
        CHECK(record_is_begun(dir, web.policy.link) && record_is_given_up(dir, web.policy.link, going));
        CHECK(record_remove(dir, web.policy.link) == 0 && record_begin(dir, &web) == 0);
        CHECK(!record_is_given_up(dir, web.policy.link, going));
        CHECK(record_keep(dir, web.policy.link) == 0 && !record_is_given_up(dir, web.policy.link, going));
        CHECK(record_give_up(dir, "rlabsent", &absent) == 0 && absent < 0 && !record_is_given_up(dir, "rlabsent", -1));

        /* Killed while it wrote: nothing had happened yet.  What was kept is never silently taken for nothing. */
        autofd begun = openat(dir, str_format("%s.begun", db.policy.link), O_WRONLY | O_TRUNC);
        CHECK_INT(record_read(dir, "db", "eth1", &got), RECORD_ABSENT);
        autofd kept = openat(dir, str_format("%s.json", web.policy.link), O_WRONLY | O_TRUNC);
        CHECK_FAIL(record_read(dir, "web", "eth0", &got), "record rl");
        CHECK_INT(write_fd(kept, "{}", 2), 0);
        CHECK_FAIL(record_read(dir, "web", "eth0", &got), "missing");
        CHECK_INT(record_list(dir, &all), 0);
        CHECK_INT(all.records.n, 0);

        /* A file under another's name is not believed. */
        CHECK_INT(renameat(dir, str_format("%s.json", web.policy.link), dir, "other.json"), 0);
        CHECK_INT(record_write(dir, &db), 0);
        CHECK_INT(renameat(dir, str_format("%s.json", db.policy.link), dir, str_format("%s.json", web.policy.link)), 0);
        CHECK_FAIL(record_read(dir, "web", "eth0", &got), "it is of another link");
        CHECK_INT(record_remove(dir, web.policy.link), 0);
        CHECK_INT(record_remove(dir, web.policy.link), 0);
        CHECK_INT(remove_tree_at(tmp, path + strlen("/tmp/")), 0);
}

static void numbers(void) {
        struct net_address a, b;
        CHECK(!address_parse_host("10.1.2.3", &a) && !address_parse_host("::ffff:10.1.2.3", &b));
        CHECK_STR(address_of_number(address_number(&a), 24).text, "10.1.2.3/24");
        CHECK_INT(address_of_number(address_number(&a), 32).family, a.family);
        CHECK(!address_parse_host("fd00::ffff:ffff", &a));
        CHECK_STR(address_of_number(address_number(&a) + 1, 64).text, "fd00::1:0:0/64");
        CHECK(!address_parse_subnet("10.0.0.0/8", &a) && !address_parse_subnet("10.9.0.0/16", &b));
        CHECK(address_is_overlap(&a, &b) && address_is_overlap(&b, &a));
        CHECK(address_first(&b) == address_number(&b) && address_last(&b) - address_first(&b) == 65535);
        CHECK(!address_parse_subnet("::/0", &a) && address_last(&a) == ~(unsigned __int128)0);
        CHECK(!address_parse_subnet("10.0.0.0/8", &a) && !address_is_overlap(&a, &(struct net_address){ 0 }));
}

int main(void) {
        tables();
        sets();
        records();
        numbers();
        return test_done();
}
