#include "netsetup/wireguard.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { KEY_LENGTH = 44, FILE_MAX = 4096 };

/* --- keys ----------------------------------------------------------------------------------------------------------
 */
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 43 digits of six bits and a "=": two bits of the last one are over, and zero. */
bool wireguard_key_read(const char *word, uint8_t ret[WIREGUARD_KEY_SIZE]) {
        uint8_t key[WIREGUARD_KEY_SIZE];
        uint32_t bits = 0, n = 0;
        size_t size = 0;
        if (strlen(word) != KEY_LENGTH || word[KEY_LENGTH - 1] != '=')
                return false;
        for (size_t i = 0; i < KEY_LENGTH - 1; i++) {
                const char *digit = strchr(digits, word[i]);
                if (!digit)
                        return false;
                bits = bits << 6 | (uint32_t)(digit - digits);
                n += 6;
                if (n >= 8) {
                        n -= 8;
                        key[size++] = (uint8_t)(bits >> n);
                }
        }
        if (bits & 3)
                return false;
        memcpy(ret, key, sizeof(key));
        return true;
}

const char *wireguard_key_text(const uint8_t key[WIREGUARD_KEY_SIZE]) {
        char text[KEY_LENGTH + 1];
        uint32_t bits = 0, n = 0;
        size_t length = 0;
        for (size_t i = 0; i < WIREGUARD_KEY_SIZE; i++) {
                bits = bits << 8 | key[i];
                for (n += 8; n >= 6; text[length++] = digits[bits >> n & 63])
                        n -= 6;
        }
        text[length++] = digits[bits << (6 - n) & 63];
        text[length++] = '=';
        text[length] = '\0';
        return arena_strdup(text);
}

int wireguard_load_key(const char *path, uint8_t ret[WIREGUARD_KEY_SIZE]) {
        char *text = NULL;
        struct stat st;
        autofd fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fail(errno, "key file %s", path);
        if (!S_ISREG(st.st_mode))
                return fail_words(EINVAL, "key file %s: not a file", path);
        if (st.st_mode & (S_IRWXG | S_IRWXO) || (st.st_uid != geteuid() && st.st_uid != 0))
                return fail_hint(fail_words(EACCES, "key file %s: others can read it", path), "chmod 600 %s", path);
        int r = read_fd(fd, FILE_MAX, &text, NULL);
        if (r < 0)
                return fail_in(r, "key file %s", path);
        text[strcspn(text, "\n")] = '\0';
        /* What it says instead is no business of a message. */
        bool is_key = wireguard_key_read(text, ret);
        explicit_bzero(text, strlen(text));
        return is_key ? 0 : fail_words(EINVAL, "key file %s: no key (44 characters, as wg genkey makes it)", path);
}

/* A number of curve25519, as every implementation shapes it (RFC 7748, 5). */
int wireguard_make_key(uint8_t ret[WIREGUARD_KEY_SIZE]) {
        if (getrandom(ret, WIREGUARD_KEY_SIZE, 0) != WIREGUARD_KEY_SIZE)
                return fail(errno, "make a key");
        ret[0] &= 248;
        ret[31] = (uint8_t)((ret[31] & 127) | 64);
        return 0;
}

int wireguard_save_key(const char *path, const uint8_t key[WIREGUARD_KEY_SIZE]) {
        const char *slash = strrchr(path, '/');
        const char *folder = slash > path ? arena_strndup(path, (size_t)(slash - path)) : "/";
        autofd dir = open(folder, O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return fail(errno, "open folder %s", folder);
        char *text = str_format("%s\n", wireguard_key_text(key));
        int r = replace_file_at(dir, slash + 1, 0600, text, strlen(text));
        explicit_bzero(text, strlen(text));
        return r < 0 ? fail_in(r, "key file %s", path) : 0;
}

/* --- words of a peer -----------------------------------------------------------------------------------------------
 */
const char *wireguard_parse_endpoint(const char *word, struct net_address *ret, uint16_t *ret_port) {
        static const char wrong[] = "not an address with a port (192.0.2.1:51820, [2001:db8::1]:51820)";
        const char *colon = strrchr(word, ':');
        uint64_t port = 0;
        if (!colon || colon == word || parse_u64(colon + 1, 1, 65535, &port) < 0)
                return wrong;
        bool is_bracketed = word[0] == '[' && colon[-1] == ']' && colon - word > 2;
        const char *host = is_bracketed ? arena_strndup(word + 1, (size_t)(colon - word) - 2)
                                        : arena_strndup(word, (size_t)(colon - word));
        if (address_parse_host(host, ret) || (ret->family == AF_INET6) != is_bracketed)
                return wrong;
        *ret_port = (uint16_t)port;
        return NULL;
}

const char *wireguard_parse_allowed(const char *word, struct net_address *ret) {
        const char *why = strchr(word, '/') ? address_parse_subnet(word, ret) : address_parse_host(word, ret);
        if (!why && ret->prefix == 0)
                why = "the way to the peer itself would lead through it";
        return why;
}

static const char *take_field(const char *name, const char *value, struct net_wireguard_peer *peer) {
        struct net_address address;
        uint16_t port;
        uint64_t seconds = 0;
        const char *why = NULL;
        if (str_eq(name, "endpoint")) {
                peer->endpoint = value;
                why = wireguard_parse_endpoint(value, &address, &port);
        } else if (str_eq(name, "preshared-key")) {
                peer->preshared_key_file = value;
                why = value[0] == '/' ? NULL : "not an absolute path";
        } else if (str_eq(name, "persistent-keepalive")) {
                if (!str_eq(value, "off") && parse_u64(value, 0, 65535, &seconds) < 0)
                        why = "neither off nor a number of seconds in 0..65535";
                peer->keepalive = (struct opt_u32){ seconds != 0, (uint32_t)seconds };
        } else if (str_eq(name, "allowed-ips")) {
                struct strv list = str_split(value, ',', false);
                for (size_t i = 0; !why && i < list.n; i++) {
                        why = wireguard_parse_allowed(list.at[i], &address);
                        strv_add(&peer->allowed, list.at[i]);
                }
        } else {
                return str_format("%s: not one of endpoint, allowed-ips, persistent-keepalive, preshared-key", name);
        }
        return why ? str_format("%s %s: %s", name, value, why) : NULL;
}

const char *wireguard_parse_peer(const char *word, struct net_wireguard_peer *ret) {
        struct net_wireguard_peer peer = { 0 };
        struct strv words = str_split(word, ' ', true);
        uint8_t key[WIREGUARD_KEY_SIZE];
        if (words.n == 0 || !wireguard_key_read(words.at[0], key))
                return "it begins with no public key (44 characters, as wg pubkey makes it)";
        peer.public_key = words.at[0];
        for (size_t i = 1; i < words.n; i += 2) {
                if (i + 1 == words.n)
                        return str_format("%s: a value is missing", words.at[i]);
                const char *why = take_field(words.at[i], words.at[i + 1], &peer);
                if (why)
                        return why;
        }
        *ret = peer;
        return NULL;
}

const char *wireguard_peer_words(const struct net_wireguard_peer *peer) {
        struct strv words = { 0 };
        strv_add(&words, peer->public_key);
        if (peer->preshared_key_file)
                strv_add(&words, str_format("preshared-key %s", peer->preshared_key_file));
        if (peer->endpoint)
                strv_add(&words, str_format("endpoint %s", peer->endpoint));
        if (peer->keepalive.v)
                strv_add(&words, str_format("persistent-keepalive %u", peer->keepalive.v));
        if (peer->allowed.n)
                strv_add(&words, str_format("allowed-ips %s", str_join(&peer->allowed, ",")));
        return str_join(&words, " ");
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */
static void begin(struct nl_batch *batch, uint16_t family, uint8_t command, uint16_t flags, const char *link) {
        const struct genlmsghdr header = { .cmd = command, .version = WG_GENL_VERSION };
        nl_begin(batch, family, flags, &header, sizeof(header));
        nl_put_text(batch, WGDEVICE_A_IFNAME, link);
}

static void put_u16(struct nl_batch *batch, uint16_t type, uint32_t value) {
        const uint16_t narrow = (uint16_t)value;
        nl_put(batch, type, &narrow, sizeof(narrow));
}

void wireguard_put_key(struct nl_batch *batch, uint16_t family, const char *link, const uint8_t key[WIREGUARD_KEY_SIZE],
                       uint32_t port) {
        begin(batch, family, WG_CMD_SET_DEVICE, 0, link);
        nl_put_u32(batch, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
        nl_put(batch, WGDEVICE_A_PRIVATE_KEY, key, WIREGUARD_KEY_SIZE);
        if (port)
                put_u16(batch, WGDEVICE_A_LISTEN_PORT, port);
}

static void put_endpoint(struct nl_batch *batch, const char *word) {
        struct sockaddr_in in4 = { .sin_family = AF_INET };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
        struct net_address address;
        uint16_t port = 0;
        if (wireguard_parse_endpoint(word, &address, &port))
                return;
        if (address.family == AF_INET6) {
                in6.sin6_port = htons(port);
                memcpy(&in6.sin6_addr, address.bytes, sizeof(in6.sin6_addr));
                nl_put(batch, WGPEER_A_ENDPOINT, &in6, sizeof(in6));
        } else {
                in4.sin_port = htons(port);
                memcpy(&in4.sin_addr, address.bytes, sizeof(in4.sin_addr));
                nl_put(batch, WGPEER_A_ENDPOINT, &in4, sizeof(in4));
        }
}

static void put_allowed(struct nl_batch *batch, const struct strv *list) {
        size_t all = nl_nest(batch, WGPEER_A_ALLOWEDIPS);
        for (size_t i = 0; i < list->n; i++) {
                struct net_address subnet;
                if (wireguard_parse_allowed(list->at[i], &subnet))
                        continue;
                size_t one = nl_nest(batch, 0);
                put_u16(batch, WGALLOWEDIP_A_FAMILY, (uint32_t)subnet.family);
                nl_put(batch, WGALLOWEDIP_A_IPADDR, subnet.bytes, subnet.family == AF_INET6 ? 16 : 4);
                nl_put_u8(batch, WGALLOWEDIP_A_CIDR_MASK, subnet.prefix);
                nl_nest_end(batch, one);
        }
        nl_nest_end(batch, all);
}

static void put_peer(struct nl_batch *batch, const char *public_key, uint32_t flags) {
        uint8_t key[WIREGUARD_KEY_SIZE] = { 0 };
        (void)!wireguard_key_read(public_key, key);
        nl_put(batch, WGPEER_A_PUBLIC_KEY, key, sizeof(key));
        nl_put_u32(batch, WGPEER_A_FLAGS, flags);
}

void wireguard_put_peer(struct nl_batch *batch, uint16_t family, const char *link,
                        const struct net_wireguard_peer *peer, const uint8_t *preshared) {
        static const uint8_t none[WIREGUARD_KEY_SIZE];
        begin(batch, family, WG_CMD_SET_DEVICE, 0, link);
        size_t peers = nl_nest(batch, WGDEVICE_A_PEERS), one = nl_nest(batch, 0);
        put_peer(batch, peer->public_key, WGPEER_F_REPLACE_ALLOWEDIPS);
        nl_put(batch, WGPEER_A_PRESHARED_KEY, preshared ? preshared : none, WIREGUARD_KEY_SIZE);
        if (peer->endpoint)
                put_endpoint(batch, peer->endpoint);
        put_u16(batch, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer->keepalive.v);
        put_allowed(batch, &peer->allowed);
        nl_nest_end(batch, one);
        nl_nest_end(batch, peers);
}

void wireguard_put_no_peer(struct nl_batch *batch, uint16_t family, const char *link, const char *public_key) {
        begin(batch, family, WG_CMD_SET_DEVICE, 0, link);
        size_t peers = nl_nest(batch, WGDEVICE_A_PEERS), one = nl_nest(batch, 0);
        put_peer(batch, public_key, WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY);
        nl_nest_end(batch, one);
        nl_nest_end(batch, peers);
}

/* --- the kernel ----------------------------------------------------------------------------------------------------
 */
void wireguard_closep(struct wireguard *wireguard) {
        nl_closep(&wireguard->nl);
}

int wireguard_open(struct wireguard *ret) {
        autowireguard out = { 0 };
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        const struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
        int r = nl_open_generic(&out.nl);
        if (r < 0)
                return r;
        nl_begin(&batch, GENL_ID_CTRL, 0, &header, sizeof(header));
        nl_put_text(&batch, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
        if ((r = nl_run(&out.nl, &batch, &reply)) < 0)
                return fail_in(r, "ask for WireGuard");
        const uint16_t *family =
                reply.n ? nl_bytes(nl_find(reply.messages[0], sizeof(header), CTRL_ATTR_FAMILY_ID), sizeof(*family))
                        : NULL;
        if (reply.answers[0].error || !family)
                return fail(reply.answers[0].error ? reply.answers[0].error : EPROTO, "ask for WireGuard");
        ret->family = *family;
        ret->nl = out.nl;
        out.nl.socket = NULL;
        return 0;
}

int wireguard_set_key(struct wireguard *wireguard, const char *link, const uint8_t key[WIREGUARD_KEY_SIZE],
                      uint32_t port) {
        struct nl_batch batch = { 0 };
        wireguard_put_key(&batch, wireguard->family, link, key, port);
        return nl_run_all(&wireguard->nl, &batch, "give WireGuard its key", 0);
}

int wireguard_set_peer(struct wireguard *wireguard, const char *link, const struct net_wireguard_peer *peer) {
        struct nl_batch batch = { 0 };
        uint8_t preshared[WIREGUARD_KEY_SIZE];
        int r = peer->preshared_key_file ? wireguard_load_key(peer->preshared_key_file, preshared) : 0;
        if (r < 0)
                return r;
        wireguard_put_peer(&batch, wireguard->family, link, peer, peer->preshared_key_file ? preshared : NULL);
        explicit_bzero(preshared, sizeof(preshared));
        return nl_run_all(&wireguard->nl, &batch, str_format("add peer %s", peer->public_key), 0);
}

int wireguard_set_no_peer(struct wireguard *wireguard, const char *link, const char *public_key) {
        struct nl_batch batch = { 0 };
        wireguard_put_no_peer(&batch, wireguard->family, link, public_key);
        return nl_run_all(&wireguard->nl, &batch, str_format("delete peer %s", public_key), 0);
}

int wireguard_public_key(struct wireguard *wireguard, const char *link, const char **ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        begin(&batch, wireguard->family, WG_CMD_GET_DEVICE, NLM_F_DUMP, link);
        int r = nl_run(&wireguard->nl, &batch, &reply);
        if (r < 0)
                return fail_in(r, "ask WireGuard for its public key");
        const uint8_t *key =
                reply.n ? nl_bytes(nl_find(reply.messages[0], sizeof(struct genlmsghdr), WGDEVICE_A_PUBLIC_KEY),
                                   WIREGUARD_KEY_SIZE)
                        : NULL;
        if (reply.answers[0].error || !key)
                return fail(reply.answers[0].error ? reply.answers[0].error : EPROTO,
                            "ask WireGuard for its public key");
        *ret = wireguard_key_text(key);
        return 0;
}
