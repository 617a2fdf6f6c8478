#include "netsetup/inet.h"

#include "specs/base/arena.h"
#include "specs/base/str.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

static unsigned bits_of(int family) {
        return family == AF_INET6 ? 128 : 32;
}

static size_t bytes_of(int family) {
        return bits_of(family) / 8;
}

/* True when the first bits of a and b are equal. */
static bool equal_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
        if (memcmp(a, b, bits / 8) != 0)
                return false;
        return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8)) == 0;
}

/* True when all bits after the prefix are `bit`. */
static bool host_bits_are(const struct net_address *address, bool bit) {
        for (unsigned i = address->prefix; i < bits_of(address->family); i++)
                if (((address->bytes[i / 8] >> (7 - i % 8)) & 1) != bit)
                        return false;
        return true;
}

/* NULL when a host can have this address. */
static const char *check_unicast(const struct net_address *address) {
        static const uint8_t zero[16], loopback6[16] = { [15] = 1 };
        const uint8_t *bytes = address->bytes;
        if (memcmp(bytes, zero, bytes_of(address->family)) == 0)
                return "the unspecified address";
        if (address->family == AF_INET)
                return bytes[0] == 0     ? "reserved"
                       : bytes[0] == 127 ? "a loopback address"
                       : bytes[0] >= 240 ? "reserved"
                       : bytes[0] >= 224 ? "a multicast address"
                                         : NULL;
        return bytes[0] == 0xff                    ? "a multicast address"
               : memcmp(bytes, loopback6, 16) == 0 ? "the loopback address"
                                                   : NULL;
}

const char *address_parse_host(const char *word, struct net_address *ret) {
        struct net_address address = { .family = strchr(word, ':') ? AF_INET6 : AF_INET, .text = word };
        if (inet_pton(address.family, word, address.bytes) != 1)
                return "not an IP address";
        const char *why = check_unicast(&address);
        if (why)
                return why;
        address.prefix = (uint8_t)bits_of(address.family);
        *ret = address;
        return NULL;
}

const char *address_parse_cidr(const char *word, struct net_address *ret) {
        struct net_address address;
        uint64_t prefix = 0;
        const char *slash = strchr(word, '/');
        if (!slash)
                return strchr(word, ':') ? "no prefix length (as in fd00::2/64)"
                                         : "no prefix length (as in 10.0.0.2/24)";
        const char *why = address_parse_host(arena_strndup(word, (size_t)(slash - word)), &address);
        if (why)
                return why;
        if (parse_u64(slash + 1, 1, bits_of(address.family), &prefix) < 0)
                return address.family == AF_INET6 ? "prefix length not in 1..128" : "prefix length not in 1..32";
        address.prefix = (uint8_t)prefix;
        address.text = word;
        /* Two addresses of a subnet are not for hosts, unless it is a link between two (RFC 3021). */
        if (address.family == AF_INET && prefix < 31 && host_bits_are(&address, false))
                return "the address of the subnet itself";
        if (address.family == AF_INET && prefix < 31 && host_bits_are(&address, true))
                return "the broadcast address of the subnet";
        *ret = address;
        return NULL;
}

const char *address_parse_subnet(const char *word, struct net_address *ret) {
        struct net_address address = { .family = strchr(word, ':') ? AF_INET6 : AF_INET, .text = word };
        uint64_t prefix = 0;
        const char *slash = strchr(word, '/');
        if (!slash)
                return "no prefix length";
        const char *base = arena_strndup(word, (size_t)(slash - word));
        if (inet_pton(address.family, base, address.bytes) != 1)
                return "not a subnet";
        if (parse_u64(slash + 1, 0, bits_of(address.family), &prefix) < 0)
                return address.family == AF_INET6 ? "prefix length not in 0..128" : "prefix length not in 0..32";
        address.prefix = (uint8_t)prefix;
        if (!host_bits_are(&address, false))
                return "bits after the prefix are set";
        *ret = address;
        return NULL;
}

bool address_is_overlap(const struct net_address *a, const struct net_address *b) {
        return a->prefix < b->prefix ? address_is_within(b, a) : address_is_within(a, b);
}

unsigned __int128 address_number(const struct net_address *address) {
        unsigned __int128 number = address->family == AF_INET6 ? 0 : 0xffff;
        for (size_t i = 0; i < bytes_of(address->family); i++)
                number = number << 8 | address->bytes[i];
        return number;
}

struct net_address address_of_number(unsigned __int128 number, uint8_t prefix) {
        char text[INET6_ADDRSTRLEN] = "";
        struct net_address address = { .family = number >> 32 == 0xffff ? AF_INET : AF_INET6, .prefix = prefix };
        for (size_t i = bytes_of(address.family); i-- > 0; number >>= 8)
                address.bytes[i] = (uint8_t)number;
        (void)inet_ntop(address.family, address.bytes, text, sizeof(text));
        address.text = prefix < bits_of(address.family) ? str_format("%s/%u", text, prefix) : arena_strdup(text);
        return address;
}

/* The bits after the prefix. */
static unsigned __int128 host_mask(const struct net_address *address) {
        unsigned bits = bits_of(address->family) - address->prefix;
        return bits == 128 ? ~(unsigned __int128)0 : ((unsigned __int128)1 << bits) - 1;
}

unsigned __int128 address_first(const struct net_address *address) {
        return address_number(address) & ~host_mask(address);
}

unsigned __int128 address_last(const struct net_address *address) {
        return address_number(address) | host_mask(address);
}

bool address_is_same(const struct net_address *address, const struct net_address *other) {
        return address->family == other->family && equal_bits(address->bytes, other->bytes, bits_of(other->family));
}

bool address_is_within(const struct net_address *address, const struct net_address *other) {
        return address->family == other->family && equal_bits(address->bytes, other->bytes, other->prefix);
}

bool address_is_link_local(const struct net_address *address) {
        return address->family == AF_INET6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

static void put(struct nl_batch *batch, uint16_t type, int link, const struct net_address *address) {
        struct ifaddrmsg header = {
                .ifa_family = (uint8_t)address->family,
                .ifa_prefixlen = address->prefix,
                .ifa_index = (uint32_t)link,
        };
        nl_begin(batch, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, &header, sizeof(header));
        nl_put(batch, IFA_LOCAL, address->bytes, bytes_of(address->family));
        nl_put(batch, IFA_ADDRESS, address->bytes, bytes_of(address->family));
}

void address_put_add(struct nl_batch *batch, int link, const struct net_address *address) {
        put(batch, RTM_NEWADDR, link, address);
        if (address->family == AF_INET6) {
                nl_put_u32(batch, IFA_FLAGS, IFA_F_NODAD);
        } else if (address->prefix < 31) {
                uint32_t broadcast;
                memcpy(&broadcast, address->bytes, sizeof(broadcast));
                broadcast |= htonl(UINT32_MAX >> address->prefix);
                nl_put(batch, IFA_BROADCAST, &broadcast, sizeof(broadcast));
        }
}

void address_put_delete(struct nl_batch *batch, int link, const struct net_address *address) {
        put(batch, RTM_DELADDR, link, address);
}

void address_put_dump(struct nl_batch *batch, int netns) {
        struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };
        nl_begin(batch, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
        if (netns >= 0)
                nl_put_u32(batch, IFA_TARGET_NETNSID, (uint32_t)netns);
}

const char *address_read(const struct nlmsghdr *message, int link) {
        char text[INET6_ADDRSTRLEN];
        const struct ifaddrmsg *header = nl_header(message, sizeof(*header));
        if (message->nlmsg_type != RTM_NEWADDR || !header || header->ifa_index != (uint32_t)link ||
            header->ifa_scope != RT_SCOPE_UNIVERSE)
                return NULL;
        size_t size = bytes_of(header->ifa_family);
        const void *bytes = nl_bytes(nl_find(message, sizeof(*header), IFA_LOCAL), size);
        if (!bytes)
                bytes = nl_bytes(nl_find(message, sizeof(*header), IFA_ADDRESS), size);
        if (!bytes || !inet_ntop(header->ifa_family, bytes, text, sizeof(text)))
                return NULL;
        return str_format("%s/%u", text, header->ifa_prefixlen);
}
