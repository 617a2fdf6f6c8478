/* WireGuard: keys and peers as words, what fits together, and the bytes of the messages. */
#include "netsetup/tunnel.h"
#include "netsetup/wireguard.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <string.h>

/* The keys of RFC 7748, 6.1, in base64. */
static const char alice[] = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
static const char bob[] = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=";

static void keys(void) {
        static const uint8_t first[4] = { 0x85, 0x20, 0xf0, 0x09 };
        uint8_t key[WIREGUARD_KEY_SIZE], other[WIREGUARD_KEY_SIZE];
        CHECK(wireguard_key_read(alice, key) && memcmp(key, first, 4) == 0 && key[31] == 0x6a);
        CHECK_STR(wireguard_key_text(key), alice);
        CHECK(!wireguard_key_read("", key) && !wireguard_key_read("AAAA", key));
        CHECK(!wireguard_key_read("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmoA", key));
        CHECK(!wireguard_key_read("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmp=", key)); /* a bit too many */
        CHECK(!wireguard_key_read("hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066 pjqqbTmo=", key));
        CHECK(wireguard_make_key(key) == 0 && wireguard_make_key(other) == 0 && memcmp(key, other, sizeof(key)) != 0);
        CHECK((key[0] & 7) == 0 && (key[31] & 0xc0) == 0x40);
}

static void words(void) {
        static const struct {
                const char *rest, *why;
        } bad[] = {
                { "endpoint", "endpoint: a value is missing" },
                { "endpoint 192.0.2.1", "endpoint 192.0.2.1: not an address with a port" },
                { "endpoint 192.0.2.1:0", "not an address with a port" },
                { "endpoint 192.0.2.1:65536", "not an address with a port" },
                { "endpoint 2001:db8::1:5", "not an address with a port" },
                { "endpoint [192.0.2.1]:5", "not an address with a port" },
                { "endpoint []:5", "not an address with a port" },
                { "endpoint host:5", "not an address with a port" },
                { "allowed-ips 10.7.0.1/24", "allowed-ips 10.7.0.1/24: " },
                { "allowed-ips 10.7.0.0/24,", "allowed-ips" },
                { "allowed-ips 0.0.0.0/0", "the way to the peer itself would lead through it" },
                { "persistent-keepalive 65536", "neither off nor a number of seconds" },
                { "preshared-key key", "preshared-key key: not an absolute path" },
                { "remove now", "remove: not one of endpoint, allowed-ips" },
        };
        struct net_wireguard_peer peer;
        const char *all = str_format("%s preshared-key /run/psk endpoint [2001:db8::1]:5 persistent-keepalive 25 "
                                     "allowed-ips 10.7.0.0/24,10.8.0.1,fd00:7::/64",
                                     bob);
        CHECK(!wireguard_parse_peer(all, &peer));
        CHECK_STR(wireguard_peer_words(&peer), all);
        CHECK(peer.keepalive.v == 25 && peer.allowed.n == 3);
        CHECK(!wireguard_parse_peer(str_format("%s persistent-keepalive off", bob), &peer) && !peer.keepalive.set);
        CHECK_STR(wireguard_peer_words(&peer), bob);
        CHECK(strstr(wireguard_parse_peer("key endpoint 192.0.2.1:5", &peer), "begins with no public key") != NULL);
        CHECK(wireguard_parse_peer("", &peer) != NULL);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                const char *why = wireguard_parse_peer(str_format("%s %s", bob, bad[i].rest), &peer);
                CHECK(why && strstr(why, bad[i].why));
        }
}

static struct net_wireguard_peer peer_of(const char *rest) {
        struct net_wireguard_peer peer = { 0 };
        CHECK(!wireguard_parse_peer(str_format("%s %s", bob, rest), &peer));
        return peer;
}

static void checks(void) {
        struct net_subnet subnet = { .subnet = "10.7.1.0/24" };
        struct net_wireguard_peer peers[2] = { peer_of("allowed-ips 10.7.2.0/24") };
        struct net_network network = { .name = "corp", .subnets = { &subnet, 1 }, .wireguard.peers = { peers, 1 } };
        CHECK_FAIL(tunnel_check(&network), "--peer with a key: of a network with --wireguard only");
        CHECK(tunnel_name(&network) == NULL);
        network.wireguard.port = (struct opt_u32){ true, 51820 };
        CHECK(tunnel_check(&network) == 0);
        CHECK(strlen(tunnel_name(&network)) == 15);
        peers[0] = peer_of("allowed-ips 10.7.0.0/16"); /* all of them: its own subnet is the nearer way */
        CHECK(tunnel_check(&network) == 0);
        peers[0] = peer_of("allowed-ips 10.7.1.128/25");
        CHECK_FAIL(tunnel_check(&network), "it is of the network's own subnet 10.7.1.0/24");
        peers[0] = peer_of("allowed-ips 10.7.2.0/24 endpoint 10.7.2.9:51820");
        CHECK_FAIL(tunnel_check(&network), "endpoint 10.7.2.9:51820 lies in it");
        peers[0] = peer_of("endpoint 192.0.2.1:51820");
        CHECK_FAIL(tunnel_check(&network), "it needs allowed-ips");
        peers[0] = peer_of("allowed-ips 10.7.2.0/24");
        peers[1] = peers[0];
        network.wireguard.peers.n = 2;
        CHECK_FAIL(tunnel_check(&network), "given twice");
        peers[1].public_key = alice;
        CHECK_FAIL(tunnel_check(&network), "allowed-ips 10.7.2.0/24: another peer has it");
        peers[1] = (struct net_wireguard_peer){ .public_key = alice };
        network.wireguard.public_key = alice;
        CHECK_FAIL(tunnel_check(&network), "that is this host itself");
        network.wireguard.peers.n = 1;
        network.wireguard.private_key_file = "key";
        CHECK_FAIL(tunnel_check(&network), "private key key: not an absolute path");
        network.internal = true;
        CHECK_FAIL(tunnel_check(&network), "--internal: not together with --wireguard");
        network.vxlan.id.set = true;
        CHECK_FAIL(tunnel_check(&network), "--wireguard: not together with --vxlan");
        network.kind = "macvlan";
        CHECK_FAIL(tunnel_check(&network), "--wireguard: not possible with kind macvlan");
}

static void messages(void) {
        static const uint8_t key[WIREGUARD_KEY_SIZE] = { 1 };
        const size_t header = sizeof(struct genlmsghdr);
        struct nl_batch batch = { 0 };
        const struct nlmsghdr *message = (const void *)batch.bytes;
        wireguard_put_key(&batch, 30, "wg1", key, 51820);
        const struct genlmsghdr *generic = nl_header(message, header);
        CHECK(!batch.overflow && message->nlmsg_type == 30 && generic && generic->cmd == WG_CMD_SET_DEVICE);
        CHECK_STR(nl_text(nl_find(message, header, WGDEVICE_A_IFNAME)), "wg1");
        CHECK(nl_bytes(nl_find(message, header, WGDEVICE_A_PRIVATE_KEY), sizeof(key)) != NULL);
        const uint16_t *port = nl_bytes(nl_find(message, header, WGDEVICE_A_LISTEN_PORT), sizeof(*port));
        CHECK(port && *port == 51820);

        struct net_wireguard_peer peer = peer_of("endpoint [2001:db8::1]:5 allowed-ips 10.7.2.0/24 "
                                                 "persistent-keepalive 25");
        batch = (struct nl_batch){ 0 };
        wireguard_put_peer(&batch, 30, "wg1", &peer, NULL);
        const struct nlattr *one = nl_find_in(nl_find(message, header, WGDEVICE_A_PEERS), 0);
        CHECK_STR(wireguard_key_text(nl_bytes(nl_find_in(one, WGPEER_A_PUBLIC_KEY), sizeof(key))), bob);
        CHECK_INT(nl_u32(nl_find_in(one, WGPEER_A_FLAGS), 0), WGPEER_F_REPLACE_ALLOWEDIPS);
        const struct sockaddr_in6 *endpoint = nl_bytes(nl_find_in(one, WGPEER_A_ENDPOINT), sizeof(*endpoint));
        CHECK(endpoint && endpoint->sin6_family == AF_INET6 && endpoint->sin6_port == htons(5));
        const struct nlattr *allowed = nl_find_in(nl_find_in(one, WGPEER_A_ALLOWEDIPS), 0);
        CHECK_INT(nl_u8(nl_find_in(allowed, WGALLOWEDIP_A_CIDR_MASK), 0), 24);
        const uint8_t *address = nl_bytes(nl_find_in(allowed, WGALLOWEDIP_A_IPADDR), 4);
        CHECK(address && address[0] == 10 && address[2] == 2);

        batch = (struct nl_batch){ 0 };
        wireguard_put_no_peer(&batch, 30, "wg1", bob);
        one = nl_find_in(nl_find(message, header, WGDEVICE_A_PEERS), 0);
        CHECK_INT(nl_u32(nl_find_in(one, WGPEER_A_FLAGS), 0), WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY);
}

int main(void) {
        keys();
        words();
        checks();
        messages();
        return test_done();
}
