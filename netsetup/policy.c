#include "netsetup/policy.h"
#include "netsetup/shape.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum { PORT_MAX = 65535 };

static const struct policy_protocol protocols[] = {
        { "tcp", 6, true }, { "udp", 17, true }, { "sctp", 132, true }, { "icmp", 1, false }, { "icmpv6", 58, false },
};

const struct policy_protocol *policy_protocol(const char *name) {
        for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
                if (str_eq(protocols[i].name, name))
                        return &protocols[i];
        return NULL;
}

/* "/tcp" at the end, when what follows the last slash begins with a letter: cut off word and returned. */
static const char *cut_protocol(char *word) {
        char *slash = strrchr(word, '/');
        if (!slash || (slash[1] >= '0' && slash[1] <= '9'))
                return NULL;
        *slash = '\0';
        return slash + 1;
}

/* ":80" at the end, in brackets is none; cut off word and returned.  Without one: NULL. */
static char *cut_port(char *word) {
        char *colon = strrchr(word, ':');
        if (!colon || strchr(colon, ']'))
                return NULL;
        *colon = '\0';
        return colon + 1;
}

static bool has_brackets(const char *word) {
        return word[0] == '[' && str_ends(word, "]");
}

/* "[fd00::1]" without its brackets; an IPv6 address without them is NULL, since its end could be a port. */
static const char *unbracketed(const char *word) {
        if (has_brackets(word))
                return arena_strndup(word + 1, strlen(word) - 2);
        return strchr(word, ':') ? NULL : word;
}

/* "80" or "80-89". */
static bool read_ports(const char *word, uint32_t *ret_first, uint32_t *ret_count) {
        uint64_t first = 0, last = 0;
        const char *dash = strchr(word, '-');
        if (parse_u64(dash ? arena_strndup(word, (size_t)(dash - word)) : word, 1, PORT_MAX, &first) < 0)
                return false;
        last = first;
        if (dash && parse_u64(dash + 1, first, PORT_MAX, &last) < 0)
                return false;
        *ret_first = (uint32_t)first;
        *ret_count = (uint32_t)(last - first + 1);
        return true;
}

static int wrong_publish(const char *word, const char *why) {
        return fail_words(EINVAL, "publish %s: %s", word, why);
}

/* An address that can be the host's: any one of a host, or a loopback address. */
static const char *check_host(const char *word) {
        struct net_address address;
        uint8_t bytes[16];
        if ((inet_pton(AF_INET, word, bytes) == 1 && bytes[0] == 127) || str_eq(word, "::1"))
                return NULL;
        return address_parse_host(word, &address);
}

int policy_parse_publish(const char *word, struct net_publish *ret) {
        struct net_publish publish = { .protocol = "tcp" };
        uint32_t inside_count = 0;
        char *rest = arena_strdup(word);
        const char *protocol = cut_protocol(rest);
        if (protocol && !(policy_protocol(protocol) && policy_protocol(protocol)->has_ports))
                return wrong_publish(word, "protocol is none of tcp, udp and sctp");
        if (protocol)
                publish.protocol = protocol;
        const char *inside = cut_port(rest);
        if (!inside)
                return wrong_publish(word, "not [ADDRESS:]PORT:PORT[/PROTOCOL]");
        const char *outside = cut_port(rest);
        const char *host = outside ? unbracketed(rest) : NULL;
        if (outside && (!host || !*host))
                return wrong_publish(word, host ? "an empty address" : "an IPv6 address stands in brackets");
        if (!read_ports(outside ? outside : rest, &publish.host_port, &publish.count) ||
            !read_ports(inside, &publish.inside_port, &inside_count))
                return wrong_publish(word, "ports are numbers in 1..65535, or two of them, as in 8080-8089");
        if (publish.count != inside_count)
                return wrong_publish(word,
                                     str_format("%u ports of the host to %u inside", publish.count, inside_count));
        const char *why = host ? check_host(host) : NULL;
        if (why)
                return wrong_publish(word, why);
        publish.host = host;
        *ret = publish;
        return 0;
}

int policy_take_publish(struct net_policy *policy, const char *word) {
        struct net_publish publish;
        int r = policy_parse_publish(word, &publish);
        if (r < 0)
                return r;
        size_t size = policy->publish.n * sizeof(publish);
        policy->publish.at = arena_grow(policy->publish.at, size, size + sizeof(publish));
        policy->publish.at[policy->publish.n++] = publish;
        return 0;
}

/* NULL when good: an address, or a subnet. */
static const char *check_place(const char *word) {
        struct net_address address;
        return strchr(word, '/') ? address_parse_subnet(word, &address) : address_parse_host(word, &address);
}

static const char *check_allow(const struct net_allow *allow) {
        const struct policy_protocol *protocol = allow->protocol ? policy_protocol(allow->protocol) : NULL;
        if (allow->protocol && !protocol)
                return "protocol is none of tcp, udp, sctp, icmp and icmpv6";
        if (allow->port && !protocol)
                return "a port without a protocol (as in 443/tcp)";
        if (allow->port && !protocol->has_ports)
                return "a protocol without ports";
        return allow->address ? check_place(allow->address) : NULL;
}

static const char *parse_allow(const char *word, struct net_allow *ret) {
        struct net_allow allow = { 0 };
        uint64_t port = 0;
        char *rest = arena_strdup(word);
        allow.protocol = cut_protocol(rest);
        bool is_ipv6 = strchr(rest, ':') != strrchr(rest, ':') && !strchr(rest, '[');
        const char *digits = is_ipv6 || has_brackets(rest) ? NULL : cut_port(rest);
        if (digits && parse_u64(digits, 1, PORT_MAX, &port) < 0)
                return "port is not a number in 1..65535";
        allow.port = (uint32_t)port;
        allow.address = is_ipv6 ? rest : unbracketed(rest);
        if (allow.address && !*allow.address)
                allow.address = NULL;
        if (!allow.address && !allow.protocol)
                return "neither an address nor a protocol";
        *ret = allow;
        return check_allow(&allow);
}

int policy_take_host_access(struct net_policy *policy, const char *word) {
        struct net_allow allow = { 0 };
        const char *why = parse_allow(word, &allow);
        if (why)
                return fail_words(EINVAL, "host access %s: %s", word, why);
        size_t size = policy->host_access.n * sizeof(allow);
        policy->host_access.at = arena_grow(policy->host_access.at, size, size + sizeof(allow));
        policy->host_access.at[policy->host_access.n++] = allow;
        return 0;
}

int policy_take_egress(struct net_policy *policy, const char *word) {
        struct net_allow allow = { 0 };
        const char *why = parse_allow(word, &allow);
        if (why)
                return fail_words(EINVAL, "allow %s: %s", word, why);
        size_t size = policy->egress.n * sizeof(allow);
        policy->egress.at = arena_grow(policy->egress.at, size, size + sizeof(allow));
        policy->egress.at[policy->egress.n++] = allow;
        return 0;
}

bool policy_address(const struct strv *list, int family, struct net_address *ret) {
        for (size_t i = 0; i < list->n; i++) {
                const char *slash = strchr(list->at[i], '/');
                const char *plain = slash ? arena_strndup(list->at[i], (size_t)(slash - list->at[i])) : list->at[i];
                struct net_address address = { 0 };
                if (!address_parse_host(plain, &address) && address.family == family) {
                        *ret = address;
                        return true;
                }
        }
        return false;
}

bool policy_is_published(const struct net_policy *policy, const struct net_publish *publish, int family) {
        struct net_address inside;
        if (publish->host && (strchr(publish->host, ':') ? AF_INET6 : AF_INET) != family)
                return false;
        return policy_address(&policy->addresses, family, &inside);
}

static uint32_t last_port(uint32_t first, uint32_t count) {
        return first + (count ? count - 1 : 0);
}

static bool is_overlapping(const struct net_publish *a, const struct net_publish *b) {
        return str_eq(a->protocol, b->protocol) && (!a->host || !b->host || str_eq(a->host, b->host)) &&
               a->host_port <= last_port(b->host_port, b->count) && b->host_port <= last_port(a->host_port, a->count);
}

static bool is_loopback(const char *host) {
        return str_starts(host, "127.") || str_eq(host, "::1");
}

static const char *check_publish(const struct net_policy *policy, const struct net_publish *publish) {
        const struct policy_protocol *protocol = policy_protocol(publish->protocol);
        struct net_address address;
        if (!protocol || !protocol->has_ports)
                return "protocol is none of tcp, udp and sctp";
        if (last_port(publish->host_port, publish->count) > PORT_MAX ||
            last_port(publish->inside_port, publish->count) > PORT_MAX || !publish->host_port || !publish->inside_port)
                return "ports are numbers in 1..65535";
        const char *why = publish->host ? check_host(publish->host) : NULL;
        if (why)
                return why;
        if (!policy_is_published(policy, publish, AF_INET) && !policy_is_published(policy, publish, AF_INET6))
                return publish->host ? "the container has no address of that family" : "the container has no address";
        if (publish->host && is_loopback(publish->host) &&
            !policy_address(&policy->bridge_addresses, strchr(publish->host, ':') ? AF_INET6 : AF_INET, &address))
                return "localhost needs an address of that family on the bridge (--bridge-address)";
        for (const struct net_publish *other = policy->publish.at; other < publish; other++)
                if (is_overlapping(other, publish))
                        return str_format("%s is published twice", policy_port_words(publish));
        return NULL;
}

int policy_check(const struct net_policy *policy) {
        const char *why;
        for (size_t i = 0; i < policy->publish.n; i++)
                if ((why = check_publish(policy, &policy->publish.at[i])))
                        return wrong_publish(policy_publish_words(&policy->publish.at[i]), why);
        for (size_t i = 0; i < policy->host_access.n; i++)
                if ((why = check_allow(&policy->host_access.at[i])))
                        return fail_words(EINVAL, "host access %s: %s", policy_allow_words(&policy->host_access.at[i]),
                                          why);
        for (size_t i = 0; i < policy->egress.n; i++)
                if ((why = check_allow(&policy->egress.at[i])))
                        return fail_words(EINVAL, "allow %s: %s", policy_allow_words(&policy->egress.at[i]), why);
        /* Who may send from any address is not known by it. */
        if (policy->allow_spoofing && (policy->host_blocked || policy->egress_blocked))
                return fail_words(EINVAL, "%s: not together with --allow-spoofing",
                                  policy->host_blocked ? "--block-host" : "--block-egress");
        if (policy->host_access.n && !policy->host_blocked)
                return fail_words(EINVAL, "--host-access: only together with --block-host");
        if (policy->egress.n && !policy->egress_blocked)
                return fail_words(EINVAL, "--allow: only together with --block-egress");
        return shape_check(&policy->bandwidth);
}

static const char *range_words(uint32_t first, uint32_t count) {
        return count > 1 ? str_format("%u-%u", first, last_port(first, count)) : str_format("%u", first);
}

static const char *host_words(const struct net_publish *publish) {
        if (!publish->host)
                return "";
        return strchr(publish->host, ':') ? str_format("[%s]:", publish->host) : str_format("%s:", publish->host);
}

const char *policy_publish_words(const struct net_publish *publish) {
        return str_format("%s%s:%s/%s", host_words(publish), range_words(publish->host_port, publish->count),
                          range_words(publish->inside_port, publish->count), publish->protocol);
}

const char *policy_port_words(const struct net_publish *publish) {
        return str_format("%s%s/%s", host_words(publish), range_words(publish->host_port, publish->count),
                          publish->protocol);
}

const char *policy_allow_words(const struct net_allow *allow) {
        const char *address = allow->address ? allow->address : "";
        const char *place = allow->port && strchr(address, ':') ? str_format("[%s]", address) : address;
        return str_format("%s%s%s%s", place, allow->port ? str_format(":%u", allow->port) : "",
                          allow->protocol ? "/" : "", allow->protocol ? allow->protocol : "");
}
