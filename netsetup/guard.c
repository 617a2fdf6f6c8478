#include "netsetup/guard.h"
#include "netsetup/layout.h"

#include "specs/base/arena.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { LINK_LENGTH = LINK_NAME_SIZE - 1 };

const char *guard_comment(const struct net_policy *policy) {
        return str_format("%s %s:%s", policy->link, policy->id, policy->interface);
}

const char *guard_comment_link(const char *comment) {
        if (!comment || !str_starts(comment, "rl") || strcspn(comment, " ") != LINK_LENGTH ||
            comment[LINK_LENGTH] != ' ')
                return NULL;
        return arena_strndup(comment, LINK_LENGTH);
}

const char *guard_comment_owner(const char *comment) {
        return comment + LINK_LENGTH + 1;
}

static size_t bytes_of(int family) {
        return family == AF_INET6 ? 16 : 4;
}

/* Adds to "NAME4" or "NAME6" of the host's table. */
static struct nft_element element_of(const struct net_policy *policy, const char *name, int family) {
        const char *set = str_format("%s%c", name, family == AF_INET6 ? '6' : '4');
        return (struct nft_element){
                .table = &layout_host,
                .set = nft_set(&layout_host, set),
                .comment = guard_comment(policy),
        };
}

/* Everything it may send from: its addresses, and the link-local one that follows from its MAC. */
static struct net_addresses own_addresses(const struct net_policy *policy, const uint8_t *mac) {
        struct net_addresses own = { .at = arena_array(policy->addresses.n + 1, sizeof(*own.at)) };
        struct net_address link_local = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } };
        for (size_t i = 0; i < policy->addresses.n; i++)
                if (policy_address(&(struct strv){ .at = &policy->addresses.at[i], .n = 1 }, AF_INET, &own.at[own.n]) ||
                    policy_address(&(struct strv){ .at = &policy->addresses.at[i], .n = 1 }, AF_INET6, &own.at[own.n]))
                        own.n++;
        if (mac) {
                const uint8_t tail[8] = { mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };
                memcpy(link_local.bytes + 8, tail, sizeof(tail));
                own.at[own.n++] = link_local;
        }
        return own;
}

/* --- lists of what may be reached -------------------------------------------------------------------------------- */
/* The kernel refuses ranges that overlap, and lists of people do: "10.0.0.0/8" and "10.1.0.0/16:443/tcp".  So each
 * entry is a box of three dimensions (address, protocol, port) that is cut into pieces outside of all boxes before it.
 */
struct box {
        unsigned __int128 first[3], last[3];
};

struct boxes {
        struct box *at;
        size_t n;
};

static void add_box(struct boxes *list, struct box box) {
        size_t size = list->n * sizeof(box);
        list->at = arena_grow(list->at, size, size + sizeof(box));
        list->at[list->n++] = box;
}

static bool is_apart(const struct box *a, const struct box *b) {
        for (int i = 0; i < 3; i++)
                if (a->first[i] > b->last[i] || b->first[i] > a->last[i])
                        return true;
        return false;
}

/* The pieces of box outside of hole, in pieces. */
static void subtract(struct box box, const struct box *hole, struct boxes *pieces) {
        if (is_apart(&box, hole)) {
                add_box(pieces, box);
                return;
        }
        for (int i = 0; i < 3; i++) {
                struct box piece = box;
                if (box.first[i] < hole->first[i]) {
                        piece.last[i] = hole->first[i] - 1;
                        add_box(pieces, piece);
                        box.first[i] = hole->first[i];
                }
                piece = box;
                if (box.last[i] > hole->last[i]) {
                        piece.first[i] = hole->last[i] + 1;
                        add_box(pieces, piece);
                        box.last[i] = hole->last[i];
                }
        }
}

static void add_apart(struct boxes *list, struct box box) {
        struct boxes pending = { 0 };
        size_t known = list->n;
        add_box(&pending, box);
        for (size_t i = 0; i < known; i++) {
                struct boxes pieces = { 0 };
                for (size_t j = 0; j < pending.n; j++)
                        subtract(pending.at[j], &list->at[i], &pieces);
                pending = pieces;
        }
        for (size_t i = 0; i < pending.n; i++)
                add_box(list, pending.at[i]);
}

/* An entry's box; false when it is about the other family.  Both bounds of addresses are numbers of inet.h. */
static bool box_of(const struct net_allow *allow, int family, struct box *ret) {
        struct net_address place = { .family = family };
        const struct policy_protocol *protocol = allow->protocol ? policy_protocol(allow->protocol) : NULL;
        const char *text = allow->address;
        if (text && (strchr(text, '/') ? address_parse_subnet(text, &place) : address_parse_host(text, &place)))
                return false;
        if (place.family != family)
                return false;
        *ret = (struct box){
                .first = { address_first(&place), protocol ? protocol->number : 0, allow->port },
                .last = { address_last(&place), protocol ? protocol->number : UINT8_MAX,
                          allow->port ? allow->port : UINT16_MAX },
        };
        return true;
}

static void add_place(struct nft_key *key, const struct net_address *source, unsigned __int128 destination,
                      const unsigned __int128 rest[2]) {
        struct net_address place = address_of_number(destination, source->family == AF_INET6 ? 128 : 32);
        nft_key_add(key, source->bytes, bytes_of(source->family));
        /* The number of an IPv4 address says so itself; an IPv6 one that lies there does too. */
        if (source->family == AF_INET6 && place.family == AF_INET) {
                uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff };
                memcpy(mapped + 12, place.bytes, 4);
                nft_key_add(key, mapped, sizeof(mapped));
        } else {
                nft_key_add(key, place.bytes, bytes_of(source->family));
        }
        nft_key_add_u8(key, (uint8_t)rest[0]);
        nft_key_add_port(key, (uint32_t)rest[1]);
}

/* "host_access" or "egress". */
static void add_access(const struct net_policy *policy, const char *set, const struct net_address *source,
                       struct nft_elements *list) {
        bool is_egress = str_eq(set, "egress");
        const struct net_allow *allow = is_egress ? policy->egress.at : policy->host_access.at;
        size_t n = is_egress ? policy->egress.n : policy->host_access.n;
        struct boxes boxes = { 0 };
        struct box box;
        for (size_t i = 0; i < n; i++)
                if (box_of(&allow[i], source->family, &box))
                        add_apart(&boxes, box);
        for (size_t i = 0; i < boxes.n; i++) {
                struct nft_element element = element_of(policy, set, source->family);
                add_place(&element.key, source, boxes.at[i].first[0], boxes.at[i].first + 1);
                add_place(&element.end, source, boxes.at[i].last[0], boxes.at[i].last + 1);
                nft_elements_add(list, &element);
        }
}

/* --- elements ---------------------------------------------------------------------------------------------------- */
static void add_address(const struct net_policy *policy, const char *set, const struct net_address *address,
                        struct nft_elements *list) {
        struct nft_element element = element_of(policy, set, address->family);
        nft_key_add(&element.key, address->bytes, bytes_of(address->family));
        nft_elements_add(list, &element);
}

static void add_client(const struct net_policy *policy, const struct net_address *address, struct nft_elements *list) {
        struct nft_element element = element_of(policy, "clients", address->family);
        if (!policy->bridge)
                return;
        nft_key_add_link(&element.key, policy->bridge);
        nft_key_add(&element.key, address->bytes, bytes_of(address->family));
        nft_elements_add(list, &element);
}

/* "NAME" of the table of ports: the link, and something it may be called. */
static void add_own(const struct net_policy *policy, const char *set, const void *bytes, size_t size,
                    struct nft_elements *list) {
        struct nft_element element = {
                .table = &layout_ports,
                .set = nft_set(&layout_ports, set),
                .comment = guard_comment(policy),
        };
        nft_key_add_link(&element.key, policy->link);
        if (size)
                nft_key_add(&element.key, bytes, size);
        nft_elements_add(list, &element);
}

void guard_elements(const struct net_policy *policy, struct nft_elements *list) {
        uint8_t mac[LINK_MAC_SIZE];
        bool has_mac = policy->mac && sscanf(policy->mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1],
                                             &mac[2], &mac[3], &mac[4], &mac[5]) == LINK_MAC_SIZE;
        struct net_addresses own = own_addresses(policy, has_mac ? mac : NULL);
        if (!policy->allow_spoofing) {
                add_own(policy, "guarded", NULL, 0, list);
                if (has_mac)
                        add_own(policy, "macs", mac, sizeof(mac), list);
        }
        for (size_t i = 0; i < own.n; i++) {
                const struct net_address *address = &own.at[i];
                if (!policy->allow_spoofing)
                        add_own(policy, address->family == AF_INET6 ? "addresses6" : "addresses4", address->bytes,
                                bytes_of(address->family), list);
                if (policy->host_blocked)
                        add_address(policy, "host_blocked", address, list);
                add_access(policy, "host_access", address, list);
                /* What goes to or comes from a link-local address is never routed. */
                if (address_is_link_local(address))
                        continue;
                add_client(policy, address, list);
                if (policy->isolated)
                        add_address(policy, "isolated", address, list);
                if (policy->egress_blocked)
                        add_address(policy, "egress_blocked", address, list);
                add_access(policy, "egress", address, list);
        }
}

static void add_links(const char *set, const char *from, const char *to, struct nft_elements *list) {
        struct nft_element element = { .table = &layout_host, .set = nft_set(&layout_host, set) };
        nft_key_add_link(&element.key, from);
        if (to)
                nft_key_add_link(&element.key, to);
        nft_elements_add(list, &element);
}

void guard_bridge(const struct net_policy *policy, struct nft_elements *list) {
        const char *bridge = policy->bridge, *tunnel = policy->tunnel;
        if (!bridge)
                return;
        add_links("bridges", bridge, NULL, list);
        add_links("same", bridge, bridge, list);
        if (!tunnel)
                return;
        /* Between peers too: one host may be the way of the others to each other. */
        add_links("bridges", tunnel, NULL, list);
        add_links("tunnels", tunnel, NULL, list);
        add_links("same", bridge, tunnel, list);
        add_links("same", tunnel, bridge, list);
        add_links("same", tunnel, tunnel, list);
        if (policy->host_blocked)
                add_links("closed", tunnel, NULL, list);
}
