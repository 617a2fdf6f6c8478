/* The packet filter without rights: words -> policy -> elements, messages of nf_tables, and what is said of refusals.
 */
#include "netsetup/filter.h"
#include "netsetup/guard.h"
#include "netsetup/layout.h"
#include "netsetup/nat.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>

static struct net_policy a_policy(void) {
        struct net_policy policy = {
                .id = "web",
                .interface = "eth0",
                .link = "rlabcdefghijklm",
                .bridge = "br0",
                .mac = "02:00:00:00:00:07",
        };
        strv_add(&policy.addresses, "10.1.0.2/24");
        strv_add(&policy.addresses, "fd00::2/64");
        strv_add(&policy.bridge_addresses, "10.1.0.1");
        return policy;
}

/* --- words ------------------------------------------------------------------------------------------------------- */
static void test_publish_words(void) {
        static const struct {
                const char *word, *wrong, *again;
        } cases[] = {
                { "8080:80", NULL, "8080:80/tcp" },
                { "8080:80/udp", NULL, "8080:80/udp" },
                { "1-65535:1-65535/sctp", NULL, "1-65535:1-65535/sctp" },
                { "192.0.2.1:8000-8009:80-89", NULL, "192.0.2.1:8000-8009:80-89/tcp" },
                { "[fd00::1]:53:53/udp", NULL, "[fd00::1]:53:53/udp" },
                { "127.0.0.1:80:80", NULL, "127.0.0.1:80:80/tcp" },
                { "80", "not [ADDRESS:]PORT:PORT", NULL },
                { "", "not [ADDRESS:]PORT:PORT", NULL },
                { ":80:80", "an empty address", NULL },
                { "fd00::1:80:80", "an IPv6 address stands in brackets", NULL },
                { "80:80/icmp", "protocol is none of tcp, udp and sctp", NULL },
                { "80:80/", "protocol is none of", NULL },
                { "0:80", "ports are numbers in 1..65535", NULL },
                { "80:65536", "ports are numbers", NULL },
                { "080:80", "ports are numbers", NULL },
                { "89-80:80-89", "ports are numbers", NULL },
                { "80-:80", "ports are numbers", NULL },
                { "80-81:80", "2 ports of the host to 1 inside", NULL },
                { "224.0.0.1:80:80", "a multicast address", NULL },
                { "0.0.0.0:80:80", "the unspecified address", NULL },
                { "host:80:80", "not an IP address", NULL },
                { "[host]:80:80", "not an IP address", NULL },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct net_policy policy = { 0 };
                int r = policy_take_publish(&policy, cases[i].word);
                if (cases[i].wrong) {
                        CHECK_ROW(r == -EINVAL && strstr(err_message(), cases[i].wrong), cases[i].word);
                        continue;
                }
                CHECK_ROW(r == 0 && policy.publish.n == 1, cases[i].word);
                CHECK_STR(policy_publish_words(policy.publish.at), cases[i].again);
        }
}

static void test_allow_words(void) {
        static const struct {
                const char *word, *wrong, *again;
        } cases[] = {
                { "10.0.0.0/8", NULL, "10.0.0.0/8" },
                { "10.0.0.1", NULL, "10.0.0.1" },
                { "10.0.0.1:443/tcp", NULL, "10.0.0.1:443/tcp" },
                { "10.0.0.0/8:443/tcp", NULL, "10.0.0.0/8:443/tcp" },
                { "10.0.0.0/8/udp", NULL, "10.0.0.0/8/udp" },
                { "fd00::/8", NULL, "fd00::/8" },
                { "fd00::1/icmpv6", NULL, "fd00::1/icmpv6" },
                { "[fd00::/8]:443/tcp", NULL, "[fd00::/8]:443/tcp" },
                { ":53/udp", NULL, ":53/udp" },
                { "/icmp", NULL, "/icmp" },
                { "0.0.0.0/0:80/tcp", NULL, "0.0.0.0/0:80/tcp" },
                { "", "neither an address nor a protocol", NULL },
                { ":443", "neither an address nor a protocol", NULL },
                { "10.0.0.1:443", "a port without a protocol", NULL },
                { "10.0.0.1:443/icmp", "a protocol without ports", NULL },
                { "10.0.0.1/gre", "protocol is none of", NULL },
                { "10.0.0.1:0/tcp", "port is not a number in 1..65535", NULL },
                { "10.0.0.1:70000/tcp", "port is not a number", NULL },
                { "10.0.0.1:7-9/tcp", "port is not a number", NULL },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct net_policy policy = { 0 };
                int r = policy_take_egress(&policy, cases[i].word);
                if (cases[i].wrong) {
                        CHECK_ROW(r == -EINVAL && strstr(err_message(), cases[i].wrong), cases[i].word);
                        continue;
                }
                CHECK_ROW(r == 0 && policy.egress.n == 1, cases[i].word);
                CHECK_STR(policy_allow_words(policy.egress.at), cases[i].again);
        }
}

static void test_check(void) {
        struct net_policy policy = a_policy();
        CHECK(policy_check(&policy) == 0);
        CHECK(policy_take_publish(&policy, "8080:80") == 0 && policy_take_publish(&policy, "8080:80/udp") == 0 &&
              policy_check(&policy) == 0);
        CHECK(policy_take_publish(&policy, "8070-8089:1-20") == 0);
        CHECK_FAIL(policy_check(&policy), "publish 8070-8089:1-20/tcp: 8070-8089/tcp is published twice");
        policy = a_policy();
        CHECK(policy_take_publish(&policy, "[::1]:80:80") == 0);
        CHECK_FAIL(policy_check(&policy), "localhost needs an address of that family on the bridge");
        policy.addresses.n = 1;
        CHECK_FAIL(policy_check(&policy), "the container has no address of that family");
        policy.addresses.n = 0;
        policy.publish.at->host = NULL;
        CHECK_FAIL(policy_check(&policy), "the container has no address");
        /* Out of a file: nobody has looked at its words. */
        policy = a_policy();
        CHECK(policy_take_publish(&policy, "80:80") == 0);
        policy.publish.at->count = 65535;
        CHECK_FAIL(policy_check(&policy), "ports are numbers in 1..65535");
        policy.publish.at->count = 0;
        CHECK(policy_check(&policy) == 0);
        policy.publish.at->protocol = "gre";
        CHECK_FAIL(policy_check(&policy), "protocol is none of");
        policy = a_policy();
        CHECK(policy_take_host_access(&policy, ":53/udp") == 0);
        CHECK_FAIL(policy_check(&policy), "--host-access: only together with --block-host");
        policy.host_blocked = policy.allow_spoofing = true;
        CHECK_FAIL(policy_check(&policy), "--block-host: not together with --allow-spoofing");
        policy.allow_spoofing = false;
        CHECK(policy_check(&policy) == 0);
        CHECK(policy_take_egress(&policy, "/icmp") == 0);
        CHECK_FAIL(policy_check(&policy), "--allow: only together with --block-egress");
}

/* --- elements ---------------------------------------------------------------------------------------------------- */
static size_t count_in(const struct nft_elements *list, const char *set) {
        size_t n = 0;
        for (size_t i = 0; i < list->n; i++)
                n += str_eq(list->at[i].set->name, set);
        return n;
}

static const struct nft_element *first_in(const struct nft_elements *list, const char *set) {
        for (size_t i = 0; i < list->n; i++)
                if (str_eq(list->at[i].set->name, set))
                        return &list->at[i];
        return NULL;
}

static void test_guard(void) {
        struct net_policy policy = a_policy();
        struct nft_elements list = { 0 };
        guard_elements(&policy, &list);
        CHECK_INT(count_in(&list, "guarded"), 1);
        CHECK_INT(count_in(&list, "macs"), 1);
        CHECK_INT(count_in(&list, "addresses4"), 1);
        CHECK_INT(count_in(&list, "addresses6"), 2); /* and the link-local one of the MAC */
        CHECK_INT(count_in(&list, "isolated4"), 0);
        static const char key[] = "rlabcdefghijklm\0\x02\0\0\0\0\x07\0\0";
        CHECK(first_in(&list, "macs")->key.size == 24 && memcmp(first_in(&list, "macs")->key.bytes, key, 24) == 0);
        CHECK_STR(guard_comment_link(list.at[0].comment), "rlabcdefghijklm");
        CHECK_STR(guard_comment_owner(list.at[0].comment), "web:eth0");
        CHECK(!guard_comment_link(NULL) && !guard_comment_link("") && !guard_comment_link("rlabc web:eth0") &&
              !guard_comment_link("xxabcdefghijklm web:eth0") && !guard_comment_link("rlabcdefghijklm"));

        list = (struct nft_elements){ 0 };
        policy.allow_spoofing = policy.isolated = true;
        guard_elements(&policy, &list);
        CHECK_INT(count_in(&list, "guarded") + count_in(&list, "macs") + count_in(&list, "addresses4"), 0);
        CHECK_INT(count_in(&list, "isolated6"), 1);
}

/* No two of the ranges have a packet in common, or the kernel would refuse them. */
static bool are_apart(const struct nft_elements *list, const char *set) {
        for (size_t i = 0; i < list->n; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct nft_element *a = &list->at[i], *b = &list->at[j];
                        bool apart = a->set != b->set || !str_eq(a->set->name, set);
                        for (uint32_t at = 0; at < a->key.size && !apart; at += 4)
                                apart = memcmp(a->key.bytes + at, b->end.bytes + at, 4) > 0 ||
                                        memcmp(b->key.bytes + at, a->end.bytes + at, 4) > 0;
                        if (!apart)
                                return false;
                }
        return true;
}

/* Packets to that place that the list lets out: how many of its ranges hold it. */
static size_t holds(const struct nft_elements *list, const char *place, uint8_t protocol, uint32_t port) {
        struct nft_key key = { 0 };
        struct in_addr source, destination;
        size_t n = 0;
        (void)inet_pton(AF_INET, "10.1.0.2", &source);
        (void)inet_pton(AF_INET, place, &destination);
        nft_key_add(&key, &source, 4);
        nft_key_add(&key, &destination, 4);
        nft_key_add_u8(&key, protocol);
        nft_key_add_port(&key, port);
        for (size_t i = 0; i < list->n; i++) {
                bool is_in = str_eq(list->at[i].set->name, "egress4");
                for (uint32_t at = 0; at < key.size && is_in; at += 4)
                        is_in = memcmp(key.bytes + at, list->at[i].key.bytes + at, 4) >= 0 &&
                                memcmp(key.bytes + at, list->at[i].end.bytes + at, 4) <= 0;
                n += is_in;
        }
        return n;
}

static void test_lists(void) {
        static const char *const words[] = { "10.0.0.0/16",     "10.0.0.0/8:443/tcp", "0.0.0.0/0:443/tcp", ":53/udp",
                                             "10.0.3.0/24/udp", "10.0.0.0/8",         "192.0.2.1/icmp" };
        struct net_policy policy = a_policy();
        struct nft_elements list = { 0 };
        policy.egress_blocked = true;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                CHECK_ROW(policy_take_egress(&policy, words[i]) == 0, words[i]);
        guard_elements(&policy, &list);
        CHECK(are_apart(&list, "egress4"));
        CHECK(are_apart(&list, "egress6"));
        CHECK_INT(holds(&list, "10.0.0.1", 6, 22), 1);
        CHECK_INT(holds(&list, "10.200.0.1", 17, 1), 1);
        CHECK_INT(holds(&list, "192.0.2.1", 6, 443), 1);
        CHECK_INT(holds(&list, "192.0.2.1", 1, 0), 1);
        CHECK_INT(holds(&list, "192.0.2.1", 17, 53), 1);
        CHECK_INT(holds(&list, "192.0.2.1", 6, 444), 0);
        CHECK_INT(holds(&list, "192.0.2.2", 1, 0), 0);
        CHECK_INT(holds(&list, "255.255.255.255", 6, 443), 1);
        CHECK_INT(count_in(&list, "egress6"), 1); /* ":53/udp" is for both families */
}

static void test_ports(void) {
        struct net_policy policy = a_policy();
        struct nft_elements list = { 0 };
        CHECK(policy_take_publish(&policy, "8080:80") == 0 && policy_take_publish(&policy, "7000-7003:80-83") == 0 &&
              policy_take_publish(&policy, "192.0.2.1:1-65535:1-65535/udp") == 0);
        nat_elements(&policy, &list);
        CHECK_INT(count_in(&list, "ports_any4"), 5);
        CHECK_INT(count_in(&list, "ports_any6"), 5);
        CHECK_INT(count_in(&list, "ranges4"), 1); /* 65,535 ports */
        CHECK_INT(count_in(&list, "ranges6"), 0);
        CHECK_INT(count_in(&list, "localhost4"), 5);
        CHECK_INT(count_in(&list, "localhost6"), 0); /* the bridge has no such address */
        CHECK_INT(count_in(&list, "masquerade4"), 0);
        CHECK(memcmp(first_in(&list, "ports_any4")->key.bytes, "\x06\0\0\0\x1f\x90\0", 8) == 0);
        CHECK(memcmp(first_in(&list, "ports_any4")->data.bytes, "\x0a\x01\0\x02\0\x50\0", 8) == 0);
        policy.masquerade = true;
        policy.publish.n = 0;
        list = (struct nft_elements){ 0 };
        nat_elements(&policy, &list);
        CHECK_INT(list.n, 2);
        CHECK_STR(filter_words(&policy, FILTER_WAYS), "masquerade what leaves the host");
        policy.masquerade = false;
        CHECK(filter_words(&policy, FILTER_WAYS) == NULL);
}

/* --- messages ---------------------------------------------------------------------------------------------------- */
static struct nlmsghdr *message_of(const struct nft_batch *batch, size_t which) {
        char *at = batch->bytes;
        while (which--)
                at += NLMSG_ALIGN(((struct nlmsghdr *)(void *)at)->nlmsg_len);
        return (struct nlmsghdr *)(void *)at;
}

static void test_layout(void) {
        for (size_t t = 0; t < 2; t++) {
                const struct nft_table *table = layout_tables[t];
                struct nft_batch batch = { 0 };
                nft_put_table(&batch, table);
                /* begin; table made, deleted, made; and one for each of the rest */
                CHECK_INT(batch.count, 4 + table->chain_count + table->set_count + table->rule_count);
                size_t size = 0;
                for (size_t i = 0; i < batch.count; i++)
                        size += NLMSG_ALIGN(message_of(&batch, i)->nlmsg_len);
                CHECK_INT(size, batch.used);
                for (size_t r = 0; r < table->rule_count; r++)
                        for (size_t i = 0; i < NFT_EXPRESSIONS; i++) {
                                const struct nft_expression *x = &table->rules[r].expressions[i];
                                if (x->kind == NFT_X_LOOKUP && !nft_set(table, x->set))
                                        CHECK_ROW(false, x->set);
                        }
        }
}

static void test_many_elements(void) {
        struct net_policy policy = a_policy();
        struct nft_elements list = { 0 };
        struct nft_batch batch = { 0 };
        CHECK(policy_take_publish(&policy, "192.0.2.1:10001-20000:1-10000") == 0);
        nat_elements(&policy, &list);
        nft_put_elements(&batch, &list, 0);
        CHECK_INT(batch.count, 1 + 100);
        for (size_t i = 0; i < batch.count; i++)
                if (message_of(&batch, i)->nlmsg_len > 65535)
                        CHECK_ROW(false, "a message whose list is longer than its length can say");
}

static void test_refusals(void) {
        struct nft_batch batch = { 0 };
        size_t which = 0;
        nft_put_table(&batch, &layout_host);
        CHECK_FAIL(nft_refused(&batch, &(struct nl_refusal){ .error = EOPNOTSUPP }), "the kernel has no nf_tables");
        CHECK_INT(nft_refused(&batch, &(struct nl_refusal){ .error = EPERM }), -EPERM);
        CHECK_STR(err_message(), "change nf_tables: Operation not permitted");
        CHECK_FAIL(nft_refused(&batch, &(struct nl_refusal){ .message = 1, .error = EINVAL, .words = "a cause" }),
                   "make table of inet netsetup: Invalid argument (a cause)");
        CHECK_FAIL(nft_refused(&batch, &(struct nl_refusal){ .message = 4, .error = ENOENT }),
                   "of inet netsetup: the kernel has no nf_tables (module nf_tables)");
        /* The first expression of the first rule that asks for the kind of an address: where its name stands, less two
         * heads of attributes. */
        while (!memmem(message_of(&batch, which), message_of(&batch, which)->nlmsg_len, "fib", 4))
                which++;
        const char *message = (const char *)message_of(&batch, which);
        const char *name = memmem(message, message_of(&batch, which)->nlmsg_len, "fib", 4);
        struct nl_refusal refusal = { .message = which, .error = ENOENT, .offset = (uint32_t)(name - message) - 8 };
        CHECK_FAIL(nft_refused(&batch, &refusal),
                   "of inet netsetup: the kernel has no nft_fib_inet (module nft_fib_inet)");
        /* What the bridge knows of a packet is a module of its own. */
        struct nft_batch bridge = { 0 };
        nft_put_table(&bridge, &layout_ports);
        for (which = 0; !memmem(message_of(&bridge, which), message_of(&bridge, which)->nlmsg_len, "meta", 5);)
                which++;
        message = (const char *)message_of(&bridge, which);
        name = memmem(message, message_of(&bridge, which)->nlmsg_len, "meta", 5);
        const struct nl_refusal meta = { .message = which, .error = ENOENT, .offset = (uint32_t)(name - message) - 8 };
        CHECK_FAIL(nft_refused(&bridge, &meta), "of bridge netsetup: the kernel has no nft_meta_bridge");
        which = refusal.message;
        /* Offsets that point nowhere. */
        const uint32_t wrong[] = { 0, 3, 4, UINT32_MAX, UINT32_MAX & ~3U, message_of(&batch, which)->nlmsg_len };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                refusal.offset = wrong[i];
                CHECK_FAIL(nft_refused(&batch, &refusal), "add a rule to chain");
        }
}

static void test_answers(void) {
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
        } answer = { { sizeof(answer), NLMSG_ERROR, 0, 12, 0 }, { .error = -EEXIST } };
        const uint32_t range[2] = { 10, 5 };
        struct nl_refusal refusal = { 0 };
        bool is_over = false;
        CHECK(nl_refusal_add(&refusal, &answer, sizeof(answer), range, &is_over) == 0 && !is_over);
        CHECK(refusal.message == 2 && refusal.error == EEXIST);
        answer.header.nlmsg_seq = 13; /* the one before the end */
        answer.error.error = 0;
        CHECK(nl_refusal_add(&refusal, &answer, sizeof(answer), range, &is_over) == 0 && is_over);
        CHECK_INT(refusal.error, EEXIST);
        is_over = false;
        answer.header.nlmsg_seq = 15; /* somebody else's */
        CHECK(nl_refusal_add(&refusal, &answer, sizeof(answer), range, &is_over) == 0 && !is_over);
        answer.header.nlmsg_seq = 10; /* all of it */
        answer.error.error = -EPERM;
        refusal = (struct nl_refusal){ 0 };
        CHECK(nl_refusal_add(&refusal, &answer, sizeof(answer), range, &is_over) == 0 && is_over);
        CHECK(refusal.message == 0 && refusal.error == EPERM);
        answer.error.error = 5;
        CHECK_FAIL(nl_refusal_add(&refusal, &answer, sizeof(answer), range, &is_over), "read answer of the kernel");
        answer.header.nlmsg_len = 8;
        CHECK_FAIL(nl_refusal_add(&refusal, &answer, sizeof(answer), range, &is_over), "read answer of the kernel");
        CHECK_FAIL(nl_refusal_add(&refusal, &answer, 7, range, &is_over), "read answer of the kernel");
}

int main(void) {
        test_publish_words();
        test_allow_words();
        test_check();
        test_guard();
        test_lists();
        test_ports();
        test_layout();
        test_many_elements();
        test_refusals();
        test_answers();
        return test_done();
}
