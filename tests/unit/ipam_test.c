/* Addresses: which a network may give out, in which order, to whom, and what happens when there are none. */
#include "netsetup/ipam.h"
#include "netsetup/record.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

static int root = -1;
static const char *boot = "11111111-1111-1111-1111-111111111111";
static const char *dead = ""; /* this link is gone */
static bool all_dead;

static bool is_dead(void *data, const char *link) {
        (*(size_t *)data)++;
        return all_dead || str_eq(link, dead);
}

/* --- what a network may give out -----------------------------------------------------------------------------------
 */
#define SUBNETS(...) "{\"name\":\"n\",\"bridge\":\"b\",\"subnets\":[" __VA_ARGS__ "]}"
#define ONE          "{\"subnet\":\"10.9.0.0/29\"}"

static int pool_of(const char *text, struct ipam_pool *ret) {
        struct net_network *network = arena_array(1, sizeof(*network));
        int r = json_read(text, strlen(text), &net_network_type, NULL, network);
        return r < 0 ? r : ipam_pool(network, ret);
}

static const struct {
        const char *text, *words;
} wrong[] = {
        { SUBNETS("{\"subnet\":\"10.9.0.0\"}"), "subnet 10.9.0.0: no prefix length" },
        { SUBNETS("{\"subnet\":\"10.9.0.1/24\"}"), "subnet 10.9.0.1/24: bits after the prefix are set" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/33\"}"), "subnet 10.9.0.0/33: prefix length not in 0..32" },
        { SUBNETS("{\"subnet\":\"fd00::/129\"}"), "subnet fd00::/129: prefix length not in 0..128" },
        { SUBNETS("{\"subnet\":\"banana/8\"}"), "subnet banana/8: not a subnet" },
        { SUBNETS("{\"subnet\":\"0.0.0.0/0\"}"), "subnet 0.0.0.0/0: all addresses there are" },
        { SUBNETS("{\"subnet\":\"127.0.0.0/8\"}"), "subnet 127.0.0.0/8: a loopback address" },
        { SUBNETS("{\"subnet\":\"224.0.0.0/24\"}"), "subnet 224.0.0.0/24: a multicast address" },
        { SUBNETS("{\"subnet\":\"fe80::/64\"}"), "subnet fe80::/64: link-local addresses" },
        { SUBNETS("{\"subnet\":\"::ffff:0:0/112\"}"), "the place of IPv4 addresses" },
        { SUBNETS(ONE "," ONE), "subnet 10.9.0.0/29: overlaps 10.9.0.0/29" },
        { SUBNETS(ONE ",{\"subnet\":\"10.0.0.0/8\"}"), "subnet 10.0.0.0/8: overlaps 10.9.0.0/29" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"gateway\":\"10.9.1.1\"}"),
          "gateway 10.9.1.1: outside of the subnet 10.9.0.0/29" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"gateway\":\"10.9.0.7\"}"),
          "gateway 10.9.0.7: not an address that a host can have" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"gateway\":\"fd00::1\"}"), "gateway fd00::1: outside" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"gateway\":\"x\"}"), "gateway x: not an IP address" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"ranges\":[\"10.9.0.5-10.9.0.2\"]}"), "ends before it begins" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"ranges\":[\"10.9.0.2-10.9.0.7\"]}"),
          "range 10.9.0.2-10.9.0.7: outside of the hosts of subnet 10.9.0.0/29" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"ranges\":[\"10.9.0.2-10.9.0.4\",\"10.9.0.4-\"]}"), "overlaps" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"ranges\":[\"-\"]}"), "range -: not an IP address" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"exclude\":[\"10.9.0.0/40\"]}"), "exclude 10.9.0.0/40: prefix length" },
        { SUBNETS("{\"subnet\":\"10.9.0.0/29\",\"set\":1},{\"subnet\":\"fd00::/64\",\"set\":1}"),
          "subnet fd00::/64: of another family than 10.9.0.0/29 of the same set" },
        { SUBNETS("{\"subnet\":\"10.1.0.0/24\"},{\"subnet\":\"10.2.0.0/24\"},{\"subnet\":\"10.3.0.0/24\"},"
                  "{\"subnet\":\"10.4.0.0/24\"},{\"subnet\":\"10.5.0.0/24\"},{\"subnet\":\"10.6.0.0/24\"},"
                  "{\"subnet\":\"10.7.0.0/24\"},{\"subnet\":\"10.8.0.0/24\"},{\"subnet\":\"10.9.0.0/24\"}"),
          "subnet 10.9.0.0/24: more than 8 addresses for each interface" },
        { "{\"name\":\"n\",\"bridge\":\"b\",\"subnets\":[" ONE
          "],\"reservations\":[{\"id\":\"a\",\"address\":\"1.1.1.1\"}]}",
          "reserve a=1.1.1.1: outside of all subnets" },
        { "{\"name\":\"n\",\"bridge\":\"b\",\"subnets\":[" ONE
          "],\"reservations\":[{\"id\":\"a\",\"address\":\"10.9.0.2\"},"
          "{\"id\":\"b\",\"address\":\"10.9.0.2\"}]}",
          "reserve b=10.9.0.2: reserved for a already" },
};

static void pools(void) {
        struct ipam_pool pool;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                err_clear();
                int r = pool_of(wrong[i].text, &pool);
                CHECK_ROW(r == -EINVAL && strstr(err_message(), wrong[i].words), wrong[i].words);
                if (!strstr(err_message(), wrong[i].words))
                        printf("# <%s>\n", err_message());
        }
        CHECK_INT(pool_of(SUBNETS("{\"subnet\":\"10.9.0.0/31\"},{\"subnet\":\"fd00::/127\"}"), &pool), 0);
        CHECK_INT(pool.n, 2);
        CHECK_STR(pool.sets[0].ranges.at[0].gateway.text, "10.9.0.0");
        CHECK_INT(pool_of(SUBNETS("{\"subnet\":\"10.0.0.0/8\"},{\"subnet\":\"fd00::/8\"}"), &pool), 0);
        CHECK_STR(pool.sets[1].ranges.at[0].gateway.text, "fd00::1");
}

/* --- giving out ----------------------------------------------------------------------------------------------------
 */
static size_t asked;

/* "10.9.0.2/29" or, of a failure, its words. */
static const char *take(const struct ipam_pool *pool, const char *link, const char *fixed) {
        struct ipam_ask ask = { .boot = boot, .id = link, .link = link, .is_dead = is_dead, .data = &asked };
        struct ipam_answer answer = { 0 };
        struct net_address address;
        struct strv words = { 0 };
        if (fixed && !address_parse_host(fixed, &address)) {
                ask.fixed.at = &address;
                ask.fixed.n = 1;
        }
        err_clear();
        if (ipam_take(root, pool, &ask, &answer) < 0)
                return arena_strdup(err_message());
        for (size_t i = 0; i < answer.addresses.n; i++)
                strv_add(&words, answer.addresses.at[i].text);
        return str_join(&words, " ");
}

static size_t leases_of(const char *network) {
        struct ipam_leases leases;
        return ipam_list(root, network, boot, &leases) < 0 ? 9999 : leases.leases.n;
}

static void order(void) {
        struct ipam_pool pool;
        CHECK_INT(pool_of(SUBNETS(ONE), &pool), 0);
        pool.name = "order";
        CHECK_STR(take(&pool, "a", NULL), "10.9.0.2/29");
        CHECK_STR(take(&pool, "b", NULL), "10.9.0.3/29");
        CHECK_INT(ipam_give_back(root, "order", "a"), 0);
        CHECK_STR(take(&pool, "c", NULL), "10.9.0.4/29"); /* not the one that has just become free */
        CHECK_STR(take(&pool, "d", "10.9.0.6"), "10.9.0.6/29");
        CHECK_STR(take(&pool, "e", NULL), "10.9.0.5/29");
        CHECK_STR(take(&pool, "f", NULL), "10.9.0.2/29");
        CHECK_STR(take(&pool, "g", NULL),
                  "network order: no address is free in 10.9.0.0/29: of 6, 5 are leased and 1 kept back");
        dead = "c";
        CHECK_STR(take(&pool, "g", NULL), "10.9.0.4/29");
        CHECK_STR(take(&pool, "g", NULL), "10.9.0.4/29"); /* the same again: it gives back first */
        dead = "";
        CHECK_STR(take(&pool, "h", "10.9.0.6"), "address 10.9.0.6 of network order: link d has it");
        dead = "d";
        CHECK_STR(take(&pool, "h", "10.9.0.6"), "10.9.0.6/29");
        dead = "";
        CHECK_STR(take(&pool, "i", "10.9.0.1"), "address 10.9.0.1 of network order: the gateway's");
        CHECK_STR(take(&pool, "i", "10.9.0.7"),
                  "address 10.9.0.7 of network order: the broadcast address of the subnet");
        CHECK_STR(take(&pool, "i", "10.9.1.2"), "address 10.9.1.2: outside of the subnets of network order");
        CHECK_INT(leases_of("order"), 5);
}

static void sets(void) {
        struct ipam_pool pool;
        CHECK_INT(pool_of(SUBNETS("{\"subnet\":\"10.9.0.0/30\",\"set\":7},{\"subnet\":\"fd00:9::/64\",\"exclude\":"
                                  "[\"fd00:9::2\",\"fd00:9::4-fd00:9::ffff\"]},{\"subnet\":\"10.9.9.0/24\",\"set\":7,"
                                  "\"ranges\":[\"10.9.9.10-10.9.9.11\",\"-10.9.9.2\"]}"),
                          &pool),
                  0);
        pool.name = "sets";
        CHECK_STR(take(&pool, "a", NULL), "10.9.0.2/30 fd00:9::3/64");
        CHECK_STR(take(&pool, "b", NULL), "10.9.9.10/24 fd00:9::1:0/64");
        CHECK_STR(take(&pool, "c", "fd00:9::77"), "10.9.9.11/24 fd00:9::77/64");
        CHECK_STR(take(&pool, "d", NULL), "10.9.9.2/24 fd00:9::1:1/64");
        CHECK_STR(take(&pool, "e", NULL),
                  "network sets: no address is free in 10.9.0.0/30,10.9.9.0/24: of 6, 4 are leased and 2 kept back");
        CHECK_INT(leases_of("sets"), 8); /* nothing of the other set was kept */
}

static void reserved(void) {
        struct ipam_pool pool;
        CHECK_INT(pool_of("{\"name\":\"n\",\"bridge\":\"b\",\"subnets\":[" ONE "],\"reservations\":"
                          "[{\"id\":\"db\",\"address\":\"10.9.0.2\"}]}",
                          &pool),
                  0);
        pool.name = "reserved";
        CHECK_STR(take(&pool, "a", NULL), "10.9.0.3/29");
        CHECK_STR(take(&pool, "a", "10.9.0.2"), "address 10.9.0.2 of network reserved: reserved for db");
        CHECK_STR(take(&pool, "db", NULL), "10.9.0.2/29");
}

/* Another boot: all is free, without asking anybody. */
static void reboot(void) {
        struct ipam_pool pool;
        CHECK_INT(pool_of(SUBNETS(ONE), &pool), 0);
        pool.name = "order";
        boot = "22222222-2222-2222-2222-222222222222";
        asked = 0;
        CHECK_INT(leases_of("order"), 0);
        CHECK_STR(take(&pool, "z", NULL), "10.9.0.2/29");
        CHECK_INT(leases_of("order"), 1);
        CHECK_INT(asked, 0);
        size_t dropped = 0;
        struct ipam_ask ask = { .boot = boot, .is_dead = is_dead, .data = &asked };
        CHECK_INT(ipam_collect(root, "order", &ask, &dropped), 0);
        CHECK_INT(dropped, 0);
        all_dead = true;
        CHECK_INT(ipam_collect(root, "order", &ask, &dropped), 0);
        CHECK_INT(dropped, 1);
        all_dead = false;
        struct strv networks;
        CHECK_INT(ipam_networks(root, &networks), 0);
        CHECK(!strv_has(&networks, "order") && strv_has(&networks, "sets"));
        CHECK_INT(ipam_collect(root, "sets", &ask, &dropped), 0); /* of the other boot */
        CHECK_INT(ipam_networks(root, &networks), 0);
        CHECK(!strv_has(&networks, "sets"));
        CHECK_INT(ipam_give_back(root, "never", "a"), 0);
        CHECK_INT(ipam_forget(root, "never"), 0);
}

/* Whatever stands in the file, nobody falls over, and what is no file of leases is not overwritten. */
static void broken(void) {
        struct ipam_pool pool;
        static const char *const contents[] = { "", "netsetup", "x", "netsetup leases 1\n" };
        CHECK_INT(pool_of(SUBNETS(ONE), &pool), 0);
        pool.name = "broken";
        for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
                (void)ipam_forget(root, "broken");
                autofd fd = openat(root, "leases/broken", O_WRONLY | O_CREAT, 0600);
                CHECK(fd >= 0 && write_fd(fd, contents[i], strlen(contents[i])) == 0);
                const char *got = take(&pool, "a", NULL);
                CHECK_ROW(str_eq(got, "10.9.0.2/29") || strstr(got, "leases of broken: not a file of leases"), got);
                CHECK(i != 2 || strstr(got, "not a file of leases"));
                CHECK(i != 0 || str_eq(got, "10.9.0.2/29"));
        }
}

static double seconds(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* So many at once, written the way ipam.c does. */
static bool fill(const char *file, uint32_t first, uint32_t n) {
        struct {
                uint8_t address[16];
                char link[16];
        } *entries = arena_array(n, sizeof(*entries));
        for (uint32_t i = 0; i < n; i++) {
                uint32_t number = htonl(first + i);
                entries[i].address[10] = entries[i].address[11] = 0xff;
                memcpy(entries[i].address + 12, &number, sizeof(number));
                snprintf(entries[i].link, sizeof(entries[i].link), "link%u", i);
        }
        autofd fd = openat(root, file, O_WRONLY | O_APPEND);
        return fd >= 0 && write_fd(fd, entries, n * sizeof(*entries)) == 0;
}

/* 65,000 leases: the next one costs what is nothing beside making a link. */
static void many(void) {
        enum { MANY = 65000, NEXT = 100 };
        struct ipam_pool pool;
        size_t wrong_ones = 0;
        CHECK_INT(pool_of(SUBNETS("{\"subnet\":\"10.0.0.0/16\"}"), &pool), 0);
        pool.name = "many";
        CHECK_STR(take(&pool, "first", NULL), "10.0.0.2/16");
        CHECK(fill("leases/many", 0x0a000003, MANY - 1));
        CHECK_INT(leases_of("many"), MANY);
        double start = seconds();
        for (uint32_t i = 0; i < NEXT; i++) {
                struct net_address want =
                        address_of_number(((unsigned __int128)0xffff << 32) + 0x0a000002 + MANY + i, 16);
                wrong_ones += !str_eq(take(&pool, str_format("next%u", i), NULL), want.text);
        }
        double each = (seconds() - start) / NEXT;
        printf("# after %d leases: %.3f ms each\n", MANY, each * 1e3);
        CHECK_INT(wrong_ones, 0);
        CHECK(each < 0.02);
        CHECK_INT(ipam_give_back(root, "many", "link700"), 0);
        CHECK_INT(leases_of("many"), MANY + NEXT - 1);
        CHECK_STR(take(&pool, "x", "10.0.2.191"), "10.0.2.191/16");
}

int main(void) {
        char path[] = "/tmp/ipam-test-XXXXXX";
        CHECK(mkdtemp(path) && record_root(path, &root) == 0);
        pools();
        order();
        sets();
        reserved();
        broken();
        reboot();
        many();
        autofd tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
        CHECK_INT(remove_tree_at(tmp, path + strlen("/tmp/")), 0);
        return test_done();
}
