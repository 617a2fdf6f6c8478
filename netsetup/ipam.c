#include "netsetup/ipam.h"
#include "netsetup/record.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char magic[] = "netsetup leases 1\n";
enum { WINDOW = 65536, NUMBER_SIZE = 16 };

struct header {
        char magic[32], boot[64];
        uint8_t last[IPAM_SETS][NUMBER_SIZE]; /* what each set gave out most recently */
        uint8_t reserved[32];
};

/* Free when there is no link. */
struct entry {
        uint8_t address[NUMBER_SIZE];
        char link[LINK_NAME_SIZE];
};

struct leases {
        int fd;
        const char *network;
        size_t size, mapped; /* of the file: now, and when it was opened */
        struct header *header;
        struct entry *entries;
        size_t n;
};

static void leases_close(struct leases *leases) {
        if (leases->header)
                (void)munmap(leases->header, leases->mapped);
        leases->header = NULL;
        leases->fd = fd_close(leases->fd);
}
#define autoleases __attribute__((cleanup(leases_close))) struct leases

/* Numbers and names are read as two words of eight bytes: there may be 65,000 in a row. */
static uint64_t get_word(const void *from) {
        uint64_t word;
        memcpy(&word, from, sizeof(word));
        return word;
}

static void put_number(uint8_t to[NUMBER_SIZE], unsigned __int128 number) {
        uint64_t words[2] = { htobe64((uint64_t)(number >> 64)), htobe64((uint64_t)number) };
        memcpy(to, words, sizeof(words));
}

static unsigned __int128 get_number(const uint8_t from[NUMBER_SIZE]) {
        return (unsigned __int128)be64toh(get_word(from)) << 64 | be64toh(get_word(from + 8));
}

static bool is_free(const struct entry *entry) {
        return entry->link[0] == '\0';
}

static bool is_same_link(const struct entry *a, const struct entry *b) {
        return get_word(a->link) == get_word(b->link) && get_word(a->link + 8) == get_word(b->link + 8);
}

static const char *link_of(const struct entry *entry) {
        return arena_strndup(entry->link, sizeof(entry->link));
}

static int reset(struct leases *leases, const char *boot) {
        struct header header = { 0 };
        memcpy(header.magic, magic, sizeof(magic));
        (void)strncpy(header.boot, boot, sizeof(header.boot) - 1);
        /* Empty first: what is between never looks like leases of this boot. */
        if (ftruncate(leases->fd, 0) < 0)
                return fail(errno, "leases of %s", leases->network);
        if (pwrite(leases->fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
                return fail(errno, "leases of %s", leases->network);
        leases->size = sizeof(header);
        return 0;
}

static int map(struct leases *leases) {
        void *bytes = mmap(NULL, leases->size, PROT_READ | PROT_WRITE, MAP_SHARED, leases->fd, 0);
        if (bytes == MAP_FAILED)
                return fail(errno, "leases of %s", leases->network);
        leases->header = bytes;
        leases->mapped = leases->size;
        leases->entries = (struct entry *)(void *)((char *)bytes + sizeof(struct header));
        leases->n = (leases->size - sizeof(struct header)) / sizeof(struct entry);
        return 0;
}

/* With boot: a file of another boot, or none, or one that a crash left half made, becomes an empty one.  Without: the
 * file as it is, -ENOENT without a record when there is none. */
static int leases_open(int root, const char *network, const char *boot, struct leases *ret) {
        autofd dir = -1;
        struct stat st;
        int r = record_folder(root, "leases", &dir);
        if (r < 0)
                return r;
        autoleases leases = { .network = network };
        leases.fd = openat(dir, network, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (boot ? O_CREAT : 0), 0600);
        if (leases.fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (leases.fd < 0)
                return fail(errno, "open leases of %s", network);
        if ((r = lock_fd(leases.fd, LOCK_EX)) < 0)
                return r;
        if (fstat(leases.fd, &st) < 0)
                return fail(errno, "leases of %s", network);
        leases.size = (size_t)st.st_size;
        struct header header = { 0 };
        if (st.st_size > 0 && pread(leases.fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) && !boot)
                return fail_words(EBADMSG, "leases of %s: not a file of leases", network);
        bool is_ours = memcmp(header.magic, magic, sizeof(magic)) == 0;
        if (st.st_size > 0 && header.magic[0] && !is_ours)
                return fail_words(EBADMSG, "leases of %s: not a file of leases", network);
        if (boot && (!is_ours || strncmp(header.boot, boot, sizeof(header.boot)) != 0))
                r = reset(&leases, boot);
        else if (!is_ours)
                return -ENOENT;
        if (r < 0 || (r = map(&leases)) < 0)
                return r;
        *ret = leases;
        leases = (struct leases){ .fd = -1 };
        return 0;
}

static size_t drop(struct leases *leases, const char *link) {
        size_t dropped = 0;
        struct entry wanted = { 0 };
        (void)strncpy(wanted.link, link, sizeof(wanted.link) - 1);
        for (size_t i = 0; i < leases->n; i++)
                if (is_same_link(&leases->entries[i], &wanted)) {
                        leases->entries[i] = (struct entry){ 0 };
                        dropped++;
                }
        return dropped;
}

/* Each link is asked about once: links of several addresses stand close together. */
static size_t drop_dead(struct leases *leases, const struct ipam_ask *ask) {
        size_t dropped = 0;
        struct entry last = { 0 };
        bool was_dead = false;
        for (size_t i = 0; i < leases->n; i++) {
                struct entry *entry = &leases->entries[i];
                if (is_free(entry))
                        continue;
                if (!is_same_link(entry, &last)) {
                        last = *entry;
                        was_dead = ask->is_dead(ask->data, link_of(entry));
                }
                if (was_dead) {
                        *entry = (struct entry){ 0 };
                        dropped++;
                }
        }
        return dropped;
}

/* --- looking for an address ----------------------------------------------------------------------------------------
 */
static void mark(uint8_t *bits, unsigned __int128 base, struct ipam_span span) {
        if (span.last < base || span.first >= base + WINDOW)
                return;
        uint32_t from = span.first < base ? 0 : (uint32_t)(span.first - base);
        uint32_t to = span.last - base >= WINDOW ? WINDOW - 1 : (uint32_t)(span.last - base);
        for (uint32_t i = from; i <= to; i++)
                bits[i / 8] |= (uint8_t)(1U << i % 8);
}

static void mark_pool(uint8_t *bits, unsigned __int128 base, const struct ipam_pool *pool) {
        for (size_t i = 0; i < pool->exclude.n; i++)
                mark(bits, base, pool->exclude.at[i]);
        for (size_t i = 0; i < pool->reserved.n; i++)
                mark(bits, base, (struct ipam_span){ pool->reserved.at[i].address, pool->reserved.at[i].address });
        for (size_t i = 0; i < pool->n; i++)
                for (size_t j = 0; j < pool->sets[i].ranges.n; j++) {
                        const struct ipam_range *range = &pool->sets[i].ranges.at[j];
                        unsigned __int128 gateway = address_number(&range->gateway);
                        if (range->has_gateway)
                                mark(bits, base, (struct ipam_span){ gateway, gateway });
                }
}

/* The first address of the span that nobody has; one pass over all leases for each 65,536 addresses. */
static bool find_free(const struct leases *leases, const struct ipam_pool *pool, struct ipam_span span,
                      unsigned __int128 *ret) {
        static uint8_t bits[WINDOW / 8];
        for (unsigned __int128 base = span.first; base <= span.last; base += WINDOW) {
                memset(bits, 0, sizeof(bits));
                mark_pool(bits, base, pool);
                for (size_t i = 0; i < leases->n; i++) {
                        unsigned __int128 at = get_number(leases->entries[i].address) - base;
                        if (at < WINDOW && !is_free(&leases->entries[i]))
                                bits[at / 8] |= (uint8_t)(1U << at % 8);
                }
                for (uint32_t i = 0; i < WINDOW && base + i <= span.last; i++)
                        if (!(bits[i / 8] & 1U << i % 8)) {
                                *ret = base + i;
                                return true;
                        }
                if (span.last - base < WINDOW)
                        break;
        }
        return false;
}

/* Those after the one given out last come first, so that an address rests before it is used again. */
static const struct ipam_range *find_next(const struct leases *leases, const struct ipam_pool *pool, size_t which,
                                          unsigned __int128 *ret) {
        const struct ipam_set *set = &pool->sets[which];
        unsigned __int128 last = get_number(leases->header->last[which]);
        size_t n = set->ranges.n, start = 0;
        if (n == 0 || !set->ranges.at)
                return NULL;
        for (size_t i = 0; i < n; i++)
                if (last >= set->ranges.at[i].span.first && last <= set->ranges.at[i].span.last)
                        start = i;
        for (size_t i = 0; i <= n; i++) {
                const struct ipam_range *range = &set->ranges.at[(start + i) % n];
                struct ipam_span span = range->span;
                if (i == 0 && last >= span.first && last <= span.last)
                        span.first = last + 1;
                if (find_free(leases, pool, span, ret))
                        return range;
        }
        return NULL;
}

/* --- one address of a set ------------------------------------------------------------------------------------------
 */
struct hunt {
        struct leases *leases;
        const struct ipam_pool *pool;
        const struct ipam_ask *ask;
        const struct ipam_range *range[IPAM_SETS]; /* what was found */
        unsigned __int128 address[IPAM_SETS];
        bool is_next[IPAM_SETS]; /* and not asked for or reserved: the order goes on from here */
};

static const struct entry *find_entry(const struct leases *leases, unsigned __int128 address) {
        uint8_t bytes[NUMBER_SIZE];
        put_number(bytes, address);
        for (size_t i = 0; i < leases->n; i++)
                if (!is_free(&leases->entries[i]) && memcmp(leases->entries[i].address, bytes, sizeof(bytes)) == 0)
                        return &leases->entries[i];
        return NULL;
}

/* The subnet of the set that the address lies in: any host of it may be asked for by its address. */
static const struct ipam_range *range_of(const struct ipam_set *set, const struct net_address *address) {
        for (size_t i = 0; i < set->ranges.n; i++)
                if (address_is_within(address, &set->ranges.at[i].subnet))
                        return &set->ranges.at[i];
        return NULL;
}

static int take_certain(struct hunt *hunt, size_t which, const struct net_address *wanted) {
        const struct ipam_range *range = range_of(&hunt->pool->sets[which], wanted);
        unsigned __int128 number = address_number(wanted);
        struct net_address address;
        const char *why = address_parse_cidr(address_of_number(number, range->subnet.prefix).text, &address);
        if (!why && range->has_gateway && address_is_same(&range->gateway, wanted))
                why = "the gateway's";
        if (why)
                return fail_words(EINVAL, "address %s of network %s: %s", wanted->text, hunt->pool->name, why);
        for (size_t i = 0; i < hunt->pool->reserved.n; i++) {
                const struct ipam_reserved *reserved = &hunt->pool->reserved.at[i];
                if (reserved->address == number && !str_eq(reserved->id, hunt->ask->id))
                        return fail_words(EADDRINUSE, "address %s of network %s: reserved for %s", wanted->text,
                                          hunt->pool->name, reserved->id);
        }
        const struct entry *entry = find_entry(hunt->leases, number);
        const char *link = entry ? link_of(entry) : NULL;
        if (link && !hunt->ask->is_dead(hunt->ask->data, link))
                return fail_words(EADDRINUSE, "address %s of network %s: link %s has it", wanted->text,
                                  hunt->pool->name, link);
        if (link)
                drop(hunt->leases, link);
        hunt->range[which] = range;
        hunt->address[which] = number;
        return 0;
}

static int fail_full(const struct hunt *hunt, size_t which) {
        const struct ipam_set *set = &hunt->pool->sets[which];
        struct strv subnets = { 0 };
        unsigned long long all = 0, leased = 0;
        for (size_t i = 0; set->ranges.at && i < set->ranges.n; i++) {
                const struct ipam_range *range = &set->ranges.at[i];
                if (!strv_has(&subnets, range->subnet.text))
                        strv_add(&subnets, range->subnet.text);
                all += (unsigned long long)(range->span.last - range->span.first) + 1;
                for (size_t j = 0; j < hunt->leases->n; j++) {
                        unsigned __int128 number = get_number(hunt->leases->entries[j].address);
                        leased += !is_free(&hunt->leases->entries[j]) && number >= range->span.first &&
                                  number <= range->span.last;
                }
        }
        return fail_words(ENOSPC, "network %s: no address is free in %s: of %llu, %llu are leased and %llu kept back",
                          hunt->pool->name, str_join(&subnets, ","), all, leased, all - leased);
}

static int take_any(struct hunt *hunt, size_t which) {
        for (int is_again = 0; is_again < 2; is_again++) {
                hunt->range[which] = find_next(hunt->leases, hunt->pool, which, &hunt->address[which]);
                hunt->is_next[which] = hunt->range[which] != NULL;
                if (hunt->is_next[which])
                        return 0;
                if (!is_again && drop_dead(hunt->leases, hunt->ask) == 0)
                        break;
        }
        return fail_full(hunt, which);
}

/* What was asked for, what is reserved for the id, what is next. */
static int take_one(struct hunt *hunt, size_t which) {
        const struct ipam_set *set = &hunt->pool->sets[which];
        for (size_t i = 0; i < hunt->ask->fixed.n; i++)
                if (range_of(set, &hunt->ask->fixed.at[i]))
                        return take_certain(hunt, which, &hunt->ask->fixed.at[i]);
        for (size_t i = 0; i < hunt->pool->reserved.n; i++) {
                struct net_address address = address_of_number(hunt->pool->reserved.at[i].address, 128);
                if (str_eq(hunt->pool->reserved.at[i].id, hunt->ask->id) && range_of(set, &address))
                        return take_certain(hunt, which, &address);
        }
        return take_any(hunt, which);
}

static int check_fixed(const struct ipam_pool *pool, const struct net_addresses *fixed) {
        const struct net_address *of_set[IPAM_SETS] = { NULL };
        for (size_t i = 0; i < fixed->n; i++) {
                size_t which = 0;
                while (which < pool->n && !range_of(&pool->sets[which], &fixed->at[i]))
                        which++;
                if (which == pool->n)
                        return fail_words(EINVAL, "address %s: outside of the subnets of network %s", fixed->at[i].text,
                                          pool->name);
                if (of_set[which])
                        return fail_words(EINVAL, "address %s: a second one beside %s", fixed->at[i].text,
                                          of_set[which]->text);
                of_set[which] = &fixed->at[i];
        }
        return 0;
}

/* --- keeping it ----------------------------------------------------------------------------------------------------
 */
static int put(struct leases *leases, unsigned __int128 address, const char *link) {
        struct entry entry = { 0 };
        put_number(entry.address, address);
        (void)strncpy(entry.link, link, sizeof(entry.link) - 1);
        for (size_t i = 0; i < leases->n; i++)
                if (is_free(&leases->entries[i])) {
                        leases->entries[i] = entry;
                        return 0;
                }
        if (pwrite(leases->fd, &entry, sizeof(entry), (off_t)leases->size) != (ssize_t)sizeof(entry))
                return fail(errno, "leases of %s", leases->network);
        leases->size += sizeof(entry);
        return 0;
}

static void add(struct net_addresses *list, struct net_address address) {
        size_t size = list->n * sizeof(address);
        list->at = arena_grow(list->at, size, size + sizeof(address));
        list->at[list->n++] = address;
}

int ipam_take(int root, const struct ipam_pool *pool, const struct ipam_ask *ask, struct ipam_answer *ret) {
        struct ipam_answer answer = { 0 };
        autoleases leases = { .fd = -1 };
        struct hunt hunt = { .leases = &leases, .pool = pool, .ask = ask };
        int r = check_fixed(pool, &ask->fixed);
        if (r < 0 || pool->n == 0)
                return r;
        if ((r = leases_open(root, pool->name, ask->boot, &leases)) < 0)
                return r;
        drop(&leases, ask->link);
        for (size_t i = 0; i < pool->n; i++)
                if ((r = take_one(&hunt, i)) < 0)
                        return r;
        for (size_t i = 0; i < pool->n && r == 0; i++) {
                r = put(&leases, hunt.address[i], ask->link);
                if (hunt.is_next[i])
                        put_number(leases.header->last[i], hunt.address[i]);
                add(&answer.addresses, address_of_number(hunt.address[i], hunt.range[i]->subnet.prefix));
                if (hunt.range[i]->has_gateway)
                        add(&answer.gateways, hunt.range[i]->gateway);
        }
        if (r < 0) {
                drop(&leases, ask->link);
                return r;
        }
        *ret = answer;
        return 0;
}

int ipam_give_back(int root, const char *network, const char *link) {
        autoleases leases = { .fd = -1 };
        int r = leases_open(root, network, NULL, &leases);
        if (r == 0)
                drop(&leases, link);
        return r == -ENOENT ? 0 : r;
}

int ipam_list(int root, const char *network, const char *boot, struct ipam_leases *ret) {
        struct ipam_leases out = { 0 };
        autoleases leases = { .fd = -1 };
        int r = leases_open(root, network, NULL, &leases);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r == 0 && strncmp(leases.header->boot, boot, sizeof(leases.header->boot)) == 0) {
                out.leases.at = arena_array(leases.n + 1, sizeof(*out.leases.at));
                for (size_t i = 0; i < leases.n; i++)
                        if (!is_free(&leases.entries[i]))
                                out.leases.at[out.leases.n++] = (struct ipam_lease){
                                        address_of_number(get_number(leases.entries[i].address), 128).text,
                                        link_of(&leases.entries[i]),
                                };
        }
        *ret = out;
        return 0;
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */
int ipam_forget(int root, const char *network) {
        const char *path = str_path("leases", network);
        if (unlinkat(root, path, 0) < 0 && errno != ENOENT)
                return fail(errno, "forget leases of %s", network);
        return 0;
}

static bool is_used(const struct leases *leases) {
        for (size_t i = 0; i < leases->n; i++)
                if (!is_free(&leases->entries[i]))
                        return true;
        return false;
}

int ipam_collect(int root, const char *network, const struct ipam_ask *ask, size_t *ret) {
        autoleases leases = { .fd = -1 };
        int r = leases_open(root, network, NULL, &leases);
        if (r == -EBADMSG) {
                err_clear();
                return ipam_forget(root, network);
        }
        if (r < 0)
                return r == -ENOENT ? ipam_forget(root, network) : r;
        bool is_now = strncmp(leases.header->boot, ask->boot, sizeof(leases.header->boot)) == 0;
        *ret += is_now ? drop_dead(&leases, ask) : 0;
        return is_now && is_used(&leases) ? 0 : ipam_forget(root, network);
}

int ipam_networks(int root, struct strv *ret) {
        struct strv out = { 0 };
        autofd dir = -1;
        int r = record_folder(root, "leases", &dir);
        if (r < 0)
                return r;
        DIR *list = fdopendir(dir);
        if (!list)
                return fail(errno, "list leases");
        (void)fd_take(&dir);
        for (const struct dirent *entry; (entry = readdir(list));)
                if (entry->d_name[0] != '.')
                        strv_add(&out, arena_strdup(entry->d_name));
        (void)closedir(list);
        *ret = out;
        return 0;
}
