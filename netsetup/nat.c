#include "netsetup/nat.h"
#include "netsetup/guard.h"
#include "netsetup/layout.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* More ports than this are compared with a list of all, fewer are asked for one by one. */
enum { ASK_MAX = 4 * NL_BATCH_MESSAGES };

static const int families[] = { AF_INET, AF_INET6 };

static size_t bytes_of(int family) {
        return family == AF_INET6 ? 16 : 4;
}

static const struct nft_set *set_of(const char *name, int family) {
        return nft_set(&layout_host, str_format("%s%c", name, family == AF_INET6 ? '6' : '4'));
}

static uint32_t count_of(const struct net_publish *publish) {
        return publish->count ? publish->count : 1;
}

/* One element in all; a single port is cheaper to change in a set without ranges. */
static bool is_range(const struct net_publish *publish) {
        return count_of(publish) > 1 && publish->host_port == publish->inside_port;
}

static bool is_loopback(const char *host) {
        return str_starts(host, "127.") || str_eq(host, "::1");
}

/* One published port (number `which` of a range) of a family, on its way into an element. */
struct port {
        const struct net_policy *policy;
        const struct net_publish *publish;
        int family;
        uint32_t which;
        const uint8_t *host; /* NULL: any */
};

static void add_port_key(const struct port *port, const uint8_t *host, uint32_t number, struct nft_key *key) {
        if (host)
                nft_key_add(key, host, bytes_of(port->family));
        nft_key_add_u8(key, policy_protocol(port->publish->protocol)->number);
        nft_key_add_port(key, number);
}

static struct nft_element start(const struct port *port, const char *set) {
        return (struct nft_element){
                .table = &layout_host,
                .set = set_of(set, port->family),
                .comment = guard_comment(port->policy),
        };
}

static void add_single(const struct port *port, const struct net_address *inside, struct nft_elements *list) {
        struct nft_element element = start(port, port->host ? "ports" : "ports_any");
        add_port_key(port, port->host, port->publish->host_port + port->which, &element.key);
        nft_key_add(&element.data, inside->bytes, bytes_of(port->family));
        nft_key_add_port(&element.data, port->publish->inside_port + port->which);
        nft_elements_add(list, &element);
}

static void add_range(const struct port *port, const char *set, const struct net_address *to,
                      struct nft_elements *list) {
        static const uint8_t lowest[16];
        uint8_t highest[16];
        struct nft_element element = start(port, set);
        memset(highest, 0xff, sizeof(highest));
        add_port_key(port, port->host ? port->host : lowest, port->publish->host_port, &element.key);
        add_port_key(port, port->host ? port->host : highest, port->publish->host_port + count_of(port->publish) - 1,
                     &element.end);
        nft_key_add(&element.data, to->bytes, bytes_of(port->family));
        nft_elements_add(list, &element);
}

static void add_localhost(struct port port, struct nft_elements *list) {
        static const uint8_t loopback4[4] = { 127, 0, 0, 1 }, loopback6[16] = { [15] = 1 };
        struct net_address bridge;
        if ((port.publish->host && !is_loopback(port.publish->host)) ||
            !policy_address(&port.policy->bridge_addresses, port.family, &bridge))
                return;
        if (!port.host)
                port.host = port.family == AF_INET6 ? loopback6 : loopback4;
        if (is_range(port.publish)) {
                add_range(&port, "localhost_ranges", &bridge, list);
                return;
        }
        for (port.which = 0; port.which < count_of(port.publish); port.which++) {
                struct nft_element element = start(&port, "localhost");
                add_port_key(&port, port.host, port.publish->host_port + port.which, &element.key);
                nft_key_add(&element.data, bridge.bytes, bytes_of(port.family));
                nft_elements_add(list, &element);
        }
}

static void add_publish(struct port port, struct nft_elements *list) {
        uint8_t host[16];
        struct net_address inside;
        if (!policy_is_published(port.policy, port.publish, port.family) ||
            !policy_address(&port.policy->addresses, port.family, &inside))
                return;
        if (port.publish->host && inet_pton(port.family, port.publish->host, host) == 1)
                port.host = host;
        if (is_range(port.publish))
                add_range(&port, "ranges", &inside, list);
        else
                for (port.which = 0; port.which < count_of(port.publish); port.which++)
                        add_single(&port, &inside, list);
        add_localhost(port, list);
}

void nat_elements(const struct net_policy *policy, struct nft_elements *list) {
        for (size_t f = 0; f < 2; f++) {
                for (size_t i = 0; policy->masquerade && i < policy->addresses.n; i++) {
                        struct nft_element element = {
                                .table = &layout_host,
                                .set = set_of("masquerade", families[f]),
                                .comment = guard_comment(policy),
                        };
                        struct net_address address;
                        if (!policy_address(&(struct strv){ .at = &policy->addresses.at[i], .n = 1 }, families[f],
                                            &address))
                                continue;
                        nft_key_add(&element.key, address.bytes, bytes_of(families[f]));
                        nft_elements_add(list, &element);
                }
                for (size_t i = 0; i < policy->publish.n; i++)
                        add_publish((struct port){ .policy = policy,
                                                   .publish = &policy->publish.at[i],
                                                   .family = families[f] },
                                    list);
        }
}

/* --- conflicts --------------------------------------------------------------------------------------------------- */
static uint32_t port_of(const uint8_t *bytes) {
        return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* The element has a port in common with the published ones, on an address in common. */
static bool is_taken_by(const struct net_publish *publish, const struct nft_element *element, int family) {
        const struct nft_key *first = &element->key, *last = element->end.size ? &element->end : first;
        bool is_any = element->set == set_of("ports_any", family);
        size_t at = is_any ? 0 : bytes_of(family);
        uint8_t host[16];
        if (first->size < at + 8 || last->size < at + 8 ||
            first->bytes[at] != policy_protocol(publish->protocol)->number ||
            port_of(last->bytes + at + 4) < publish->host_port ||
            port_of(first->bytes + at + 4) > publish->host_port + count_of(publish) - 1)
                return false;
        if (is_any || !publish->host)
                return true;
        return inet_pton(family, publish->host, host) == 1 && memcmp(host, first->bytes, at) >= 0 &&
               memcmp(host, last->bytes, at) <= 0;
}

static int compare(const struct net_policy *policy, const struct nft_elements *there, int family,
                   const char **ret_link) {
        for (size_t i = 0; i < there->n; i++) {
                const struct nft_element *element = &there->at[i];
                const char *link = guard_comment_link(element->comment);
                if (link && str_eq(link, policy->link))
                        continue;
                for (size_t j = 0; j < policy->publish.n; j++) {
                        const struct net_publish *publish = &policy->publish.at[j];
                        if (!policy_is_published(policy, publish, family) || !is_taken_by(publish, element, family))
                                continue;
                        *ret_link = link;
                        const char *owner = link ? guard_comment_owner(element->comment) : "somebody";
                        return fail_words(EADDRINUSE, "port %s is published by %.*s already",
                                          policy_port_words(publish), (int)strcspn(owner, ":"), owner);
                }
        }
        return 0;
}

/* The elements of a family that could be in the way. */
static int find_taken(struct nl *nl, const struct net_policy *policy, int family, struct nft_elements *there) {
        static const char *const listed[] = { "ports", "ranges", "ports_any" };
        struct nft_elements wanted = { 0 };
        uint32_t ports = 0;
        for (size_t i = 0; i < policy->publish.n; i++)
                ports += count_of(&policy->publish.at[i]);
        for (size_t i = 0; i < (ports > ASK_MAX ? 3 : 2); i++) {
                int r = nft_list(nl, &layout_host, set_of(listed[i], family), there);
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        for (size_t i = 0; i < policy->publish.n && ports <= ASK_MAX; i++) {
                struct port port = { .policy = policy, .publish = &policy->publish.at[i], .family = family };
                for (port.which = 0; port.which < count_of(port.publish); port.which++) {
                        struct nft_element element = start(&port, "ports_any");
                        add_port_key(&port, NULL, port.publish->host_port + port.which, &element.key);
                        nft_elements_add(&wanted, &element);
                }
        }
        return nft_look(nl, &wanted, there);
}

int nat_check_free(struct nl *nl, const struct net_policy *policy, const char **ret_link) {
        for (size_t f = 0; f < 2 && policy->publish.n; f++) {
                struct nft_elements there = { 0 };
                int r = find_taken(nl, policy, families[f], &there);
                if (r < 0 || (r = compare(policy, &there, families[f], ret_link)) < 0)
                        return r;
        }
        return 0;
}
