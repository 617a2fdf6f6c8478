#include "netsetup/ipam.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The addresses of a subnet that hosts can have: IPv4 keeps the first and the last for itself (not on a link of two,
 * RFC 3021), IPv6 the first (the routers' anycast). */
static struct ipam_span hosts_of(const struct net_address *subnet) {
        struct ipam_span span = { address_first(subnet), address_last(subnet) };
        if (subnet->family == AF_INET && subnet->prefix < 31) {
                span.first++;
                span.last--;
        } else if (subnet->family == AF_INET6 && subnet->prefix < 127) {
                span.first++;
        }
        return span;
}

/* "A-" and "-B" of a range: the other end is that of the hosts. */
static const char *whole_range(const char *word, const struct ipam_span *hosts) {
        size_t length = strlen(word);
        if (length > 1 && word[0] == '-')
                return str_format("%s%s", address_of_number(hosts->first, 128).text, word);
        if (length > 1 && word[length - 1] == '-')
                return str_format("%s%s", word, address_of_number(hosts->last, 128).text);
        return word;
}

/* "A-B" or "A". */
static int parse_span(const char *what, const char *word, struct ipam_span *ret) {
        const char *dash = strchr(word, '-');
        struct net_address first, last;
        const char *why = address_parse_host(dash ? arena_strndup(word, (size_t)(dash - word)) : word, &first);
        if (!why)
                why = address_parse_host(dash ? dash + 1 : word, &last);
        if (why)
                return fail_words(EINVAL, "%s %s: %s", what, word, why);
        if (first.family != last.family || address_number(&first) > address_number(&last))
                return fail_words(EINVAL, "%s %s: ends before it begins", what, word);
        *ret = (struct ipam_span){ address_number(&first), address_number(&last) };
        return 0;
}

static int add_exclude(struct ipam_pool *pool, const char *word) {
        struct ipam_span span;
        struct net_address subnet;
        if (strchr(word, '/')) {
                const char *why = address_parse_subnet(word, &subnet);
                if (why)
                        return fail_words(EINVAL, "exclude %s: %s", word, why);
                span = (struct ipam_span){ address_first(&subnet), address_last(&subnet) };
        } else {
                int r = parse_span("exclude", word, &span);
                if (r < 0)
                        return r;
        }
        size_t size = pool->exclude.n * sizeof(span);
        pool->exclude.at = arena_grow(pool->exclude.at, size, size + sizeof(span));
        pool->exclude.at[pool->exclude.n++] = span;
        return 0;
}

static int check_overlap(const struct ipam_pool *pool, const struct ipam_range *new) {
        for (size_t i = 0; i < pool->n; i++)
                for (size_t j = 0; j < pool->sets[i].ranges.n; j++) {
                        const struct ipam_range *old = &pool->sets[i].ranges.at[j];
                        bool is_same =
                                address_is_same(&old->subnet, &new->subnet) && old->subnet.prefix == new->subnet.prefix;
                        bool is_common = new->span.first <= old->span.last && old->span.first <= new->span.last;
                        if (is_common || (!is_same && address_is_overlap(&old->subnet, &new->subnet)))
                                return fail_words(EINVAL, "subnet %s: overlaps %s", new->subnet.text, old->subnet.text);
                }
        return 0;
}

static int add_range(struct ipam_pool *pool, struct ipam_set *set, const struct ipam_range *range) {
        if (set->ranges.n && set->ranges.at[0].subnet.family != range->subnet.family)
                return fail_words(EINVAL, "subnet %s: of another family than %s of the same set", range->subnet.text,
                                  set->ranges.at[0].subnet.text);
        int r = check_overlap(pool, range);
        if (r < 0)
                return r;
        size_t size = set->ranges.n * sizeof(*range);
        set->ranges.at = arena_grow(set->ranges.at, size, size + sizeof(*range));
        set->ranges.at[set->ranges.n++] = *range;
        return 0;
}

/* The subnet and its gateway; all of its hosts in the span. */
static int parse_subnet(const struct net_subnet *in, struct ipam_range *ret) {
        static const struct net_address mapped = { AF_INET6, { [10] = 0xff, [11] = 0xff }, 96, "::ffff:0:0/96" };
        struct ipam_range range = { .has_gateway = true };
        const char *why = address_parse_subnet(in->subnet, &range.subnet);
        if (!why && range.subnet.prefix == 0)
                why = "all addresses there are";
        if (!why && range.subnet.family == AF_INET6 && address_is_overlap(&range.subnet, &mapped))
                why = "the place of IPv4 addresses";
        if (!why) {
                range.span = hosts_of(&range.subnet);
                struct net_address first = address_of_number(range.span.first, range.subnet.prefix), unused;
                why = address_parse_cidr(first.text, &unused);
                if (!why && range.subnet.family == AF_INET6 && range.subnet.bytes[0] == 0xfe)
                        why = "link-local addresses";
        }
        if (why)
                return fail_words(EINVAL, "subnet %s: %s", in->subnet, why);
        range.gateway = address_of_number(range.span.first, range.subnet.family == AF_INET6 ? 128 : 32);
        if (in->gateway && *in->gateway == '\0') {
                range.has_gateway = false;
        } else if (in->gateway) {
                why = address_parse_host(in->gateway, &range.gateway);
                if (!why && !address_is_within(&range.gateway, &range.subnet))
                        why = str_format("outside of the subnet %s", in->subnet);
                if (!why && (address_number(&range.gateway) < range.span.first ||
                             address_number(&range.gateway) > range.span.last))
                        why = "not an address that a host can have";
                if (why)
                        return fail_words(EINVAL, "gateway %s: %s", in->gateway, why);
        }
        *ret = range;
        return 0;
}

static struct ipam_set *set_of(struct ipam_pool *pool, uint32_t number) {
        for (size_t i = 0; number && i < pool->n; i++)
                if (pool->sets[i].number == number)
                        return &pool->sets[i];
        if (pool->n == IPAM_SETS)
                return NULL;
        pool->sets[pool->n].number = number;
        return &pool->sets[pool->n++];
}

static int add_subnet(struct ipam_pool *pool, const struct net_subnet *in) {
        struct ipam_range range;
        int r = parse_subnet(in, &range);
        struct ipam_set *set = r < 0 ? NULL : set_of(pool, in->set);
        if (r == 0 && !set)
                return fail_words(EINVAL, "subnet %s: more than %d addresses for each interface", in->subnet,
                                  IPAM_SETS);
        if (r == 0 && in->ranges.n == 0)
                r = add_range(pool, set, &range);
        const struct ipam_span hosts = range.span;
        for (size_t i = 0; r == 0 && i < in->ranges.n; i++) {
                const char *word = whole_range(in->ranges.at[i], &hosts);
                r = parse_span("range", word, &range.span);
                if (r == 0 && (range.span.first < hosts.first || range.span.last > hosts.last))
                        r = fail_words(EINVAL, "range %s: outside of the hosts of subnet %s", word, in->subnet);
                if (r == 0)
                        r = add_range(pool, set, &range);
        }
        for (size_t i = 0; r == 0 && i < in->exclude.n; i++)
                r = add_exclude(pool, in->exclude.at[i]);
        return r;
}

static bool is_in_pool(const struct ipam_pool *pool, const struct net_address *address) {
        for (size_t i = 0; i < pool->n; i++)
                for (size_t j = 0; j < pool->sets[i].ranges.n; j++)
                        if (address_is_within(address, &pool->sets[i].ranges.at[j].subnet))
                                return true;
        return false;
}

static int add_reservations(struct ipam_pool *pool, const struct net_network *network) {
        size_t n = network->reservations.n;
        pool->reserved.at = arena_array(n + 1, sizeof(*pool->reserved.at));
        for (size_t i = 0; i < n; i++) {
                const struct net_reservation *in = &network->reservations.at[i];
                struct net_address address;
                const char *why = address_parse_host(in->address, &address);
                if (!why && !is_in_pool(pool, &address))
                        why = "outside of all subnets";
                for (size_t j = 0; !why && j < pool->reserved.n; j++)
                        if (pool->reserved.at[j].address == address_number(&address))
                                why = str_format("reserved for %s already", pool->reserved.at[j].id);
                if (why)
                        return fail_words(EINVAL, "reserve %s=%s: %s", in->id, in->address, why);
                pool->reserved.at[pool->reserved.n++] = (struct ipam_reserved){ in->id, address_number(&address) };
        }
        return 0;
}

int ipam_pool(const struct net_network *network, struct ipam_pool *ret) {
        struct ipam_pool pool = { .name = network->name };
        int r = 0;
        for (size_t i = 0; r == 0 && i < network->subnets.n; i++)
                r = add_subnet(&pool, &network->subnets.at[i]);
        if (r == 0)
                r = add_reservations(&pool, network);
        if (r == 0)
                *ret = pool;
        return r;
}
