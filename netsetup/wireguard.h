/* WireGuard as the kernel speaks it: keys as words and as files, and the messages of generic netlink.  Called by
 * tunnel.c; what is said of words, keys and messages is pure.  Host side. */
#ifndef NETSETUP_WIREGUARD_H
#define NETSETUP_WIREGUARD_H

#include "netsetup/inet.h"
#include "netsetup/model.h"

enum { WIREGUARD_KEY_SIZE = 32 };

/* A key as people write it: base64, 44 characters.  False when it is none. */
bool wireguard_key_read(const char *word, uint8_t ret[WIREGUARD_KEY_SIZE]);
const char *wireguard_key_text(const uint8_t key[WIREGUARD_KEY_SIZE]);

/* A peer as wg(8) has it after "wg set wg0 peer": "KEY [preshared-key FILE] [endpoint IP:PORT] [persistent-keepalive
 * SECONDS] [allowed-ips CIDR,...]".  NULL, or why not. */
const char *wireguard_parse_peer(const char *word, struct net_wireguard_peer *ret);
/* The same words again, in the arena. */
const char *wireguard_peer_words(const struct net_wireguard_peer *peer);

/* "192.0.2.1:51820", "[2001:db8::1]:51820": NULL, or why not. */
const char *wireguard_parse_endpoint(const char *word, struct net_address *ret, uint16_t *ret_port);
/* A subnet, or an address, which stands for itself. */
const char *wireguard_parse_allowed(const char *word, struct net_address *ret);

/* A private or preshared key out of a file that only its owner can read; -ENOENT, with words, when there is none. */
int wireguard_load_key(const char *path, uint8_t ret[WIREGUARD_KEY_SIZE]);
/* A new private key, and the file for it (mode 0600). */
int wireguard_make_key(uint8_t ret[WIREGUARD_KEY_SIZE]);
int wireguard_save_key(const char *path, const uint8_t key[WIREGUARD_KEY_SIZE]);

/* A socket of the network namespace the process is in now, and the number of WireGuard's family there. */
struct wireguard {
        struct nl nl;
        uint16_t family;
};
void wireguard_closep(struct wireguard *wireguard);
#define autowireguard __attribute__((cleanup(wireguard_closep))) struct wireguard
int wireguard_open(struct wireguard *ret);

/* Our key and UDP port; all peers there may be are gone.  Port 0: as it is. */
void wireguard_put_key(struct nl_batch *batch, uint16_t family, const char *link, const uint8_t key[WIREGUARD_KEY_SIZE],
                       uint32_t port);
/* A peer as it is to be from now on, with its preshared key or NULL; or it is to be no more. */
void wireguard_put_peer(struct nl_batch *batch, uint16_t family, const char *link,
                        const struct net_wireguard_peer *peer, const uint8_t *preshared);
void wireguard_put_no_peer(struct nl_batch *batch, uint16_t family, const char *link, const char *public_key);

int wireguard_set_key(struct wireguard *wireguard, const char *link, const uint8_t key[WIREGUARD_KEY_SIZE],
                      uint32_t port);
/* Reads the file of the preshared key. */
int wireguard_set_peer(struct wireguard *wireguard, const char *link, const struct net_wireguard_peer *peer);
int wireguard_set_no_peer(struct wireguard *wireguard, const char *link, const char *public_key);
/* The public half of the link's key: the kernel knows how to get it. */
int wireguard_public_key(struct wireguard *wireguard, const char *link, const char **ret);

#endif
