#include "netsetup/nft.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/str.h"

#include <endian.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* The library does not look whether a message fits: no rule is near the size, and elements go in so many at a time. */
enum { MESSAGE_SIZE = 131072, CHUNK = 100, COMMENT_MAX = 128 };

/* Numbers of types by which nft(8) shows them; the kernel keeps them and looks at sizes only. */
static const struct {
        uint32_t number, size;
} types[] = {
        [NFT_T_IPV4] = { 7, 4 },      [NFT_T_IPV6] = { 8, 16 }, [NFT_T_MAC] = { 9, 6 },
        [NFT_T_PROTOCOL] = { 12, 1 }, [NFT_T_PORT] = { 13, 2 }, [NFT_T_LINK] = { 41, 16 },
};
enum { TYPE_BITS = 6 };

const struct nft_set *nft_set(const struct nft_table *table, const char *name) {
        for (size_t i = 0; i < table->set_count; i++)
                if (str_eq(table->sets[i].name, name))
                        return &table->sets[i];
        return NULL;
}

static uint32_t padded(size_t size) {
        return (uint32_t)((size + 3) & ~(size_t)3);
}

/* --- elements ---------------------------------------------------------------------------------------------------- */
void nft_key_add(struct nft_key *key, const void *bytes, size_t size) {
        if (key->size + padded(size) > NFT_KEY_SIZE)
                return;
        memcpy(key->bytes + key->size, bytes, size);
        key->size += padded(size);
}

void nft_key_add_u8(struct nft_key *key, uint8_t value) {
        nft_key_add(key, &value, sizeof(value));
}

void nft_key_add_port(struct nft_key *key, uint32_t port) {
        const uint8_t bytes[2] = { (uint8_t)(port >> 8), (uint8_t)port };
        nft_key_add(key, bytes, sizeof(bytes));
}

void nft_key_add_link(struct nft_key *key, const char *name) {
        char bytes[16] = { 0 };
        memcpy(bytes, name, strnlen(name, sizeof(bytes) - 1));
        nft_key_add(key, bytes, sizeof(bytes));
}

/* The room doubles at powers of two: there may be tens of thousands. */
void nft_elements_add(struct nft_elements *list, const struct nft_element *element) {
        size_t n = list->n, size = n * sizeof(*element);
        if ((n & (n - 1)) == 0)
                list->at = arena_grow(list->at, size, n ? 2 * size : sizeof(*element));
        list->at[list->n++] = *element;
}

/* --- messages ---------------------------------------------------------------------------------------------------- */
static _Alignas(8) char scratch[MESSAGE_SIZE];

static struct nlmsghdr *begin(uint16_t type, const struct nft_table *table, uint16_t flags) {
        return nftnl_nlmsg_build_hdr(scratch, type, table->family, flags, 0);
}

static void append(struct nft_batch *batch, const struct nlmsghdr *message, struct nft_about about) {
        size_t size = padded(message->nlmsg_len);
        if (batch->room - batch->used < size) {
                batch->room = 2 * batch->room + size;
                batch->bytes = arena_grow(batch->bytes, batch->used, batch->room);
        }
        memcpy(batch->bytes + batch->used, message, message->nlmsg_len);
        batch->used += size;
        if (batch->count == batch->about_room) {
                size_t old = batch->about_room * sizeof(about);
                batch->about_room = 2 * batch->about_room + 16;
                batch->about = arena_grow(batch->about, old, batch->about_room * sizeof(about));
        }
        batch->about[batch->count++] = about;
}

/* Begins the transaction with the first message. */
static void open_batch(struct nft_batch *batch) {
        _Alignas(8) char bytes[64];
        if (batch->count == 0)
                append(batch, nftnl_batch_begin(bytes, 0),
                       (struct nft_about){ "change nf_tables", NULL, "nf_tables", NULL });
}

/* What nft(8) calls a comment, as type, length and text with its NUL. */
static uint32_t comment_bytes(const char *text, uint8_t bytes[COMMENT_MAX + 3]) {
        size_t length = strnlen(text, COMMENT_MAX);
        bytes[0] = 0;
        bytes[1] = (uint8_t)(length + 1);
        memcpy(bytes + 2, text, length);
        bytes[2 + length] = '\0';
        return (uint32_t)length + 3;
}

static void put_table(struct nft_batch *batch, const struct nft_table *table, uint16_t type) {
        struct nftnl_table *object = nftnl_table_alloc();
        struct nlmsghdr *message = begin(type, table, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
        uint8_t comment[COMMENT_MAX + 3];
        open_batch(batch);
        nftnl_table_set_str(object, NFTNL_TABLE_NAME, table->name);
        if (type == NFT_MSG_NEWTABLE)
                nftnl_table_set_data(object, NFTNL_TABLE_USERDATA, comment, comment_bytes(table->layout, comment));
        nftnl_table_nlmsg_build_payload(message, object);
        nftnl_table_free(object);
        append(batch, message,
               (struct nft_about){ .what = type == NFT_MSG_NEWTABLE ? "make table" : "delete table", .table = table });
}

static void put_chain(struct nft_batch *batch, const struct nft_table *table, const struct nft_chain *chain) {
        struct nftnl_chain *object = nftnl_chain_alloc();
        struct nlmsghdr *message = begin(NFT_MSG_NEWCHAIN, table, NLM_F_CREATE);
        nftnl_chain_set_str(object, NFTNL_CHAIN_TABLE, table->name);
        nftnl_chain_set_str(object, NFTNL_CHAIN_NAME, chain->name);
        if (chain->has_hook) {
                nftnl_chain_set_u32(object, NFTNL_CHAIN_HOOKNUM, chain->hook);
                nftnl_chain_set_s32(object, NFTNL_CHAIN_PRIO, chain->priority);
                nftnl_chain_set_str(object, NFTNL_CHAIN_TYPE, chain->type == NFT_NAT ? "nat" : "filter");
                nftnl_chain_set_u32(object, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        }
        nftnl_chain_nlmsg_build_payload(message, object);
        nftnl_chain_free(object);
        const char *module = chain->type == NFT_NAT ? "nft_chain_nat" : "nf_tables";
        append(batch, message,
               (struct nft_about){ .what = "make chain", .name = chain->name, .module = module, .table = table });
}

/* The number and size of a concatenation; field lengths to lengths, how many to *ret_fields. */
static uint32_t concatenation(const enum nft_type *fields, uint32_t *ret_size, uint8_t lengths[NFT_FIELDS],
                              uint32_t *ret_fields) {
        uint32_t number = 0, size = 0, n = 0;
        for (; n < NFT_FIELDS && fields[n] != NFT_T_NONE; n++) {
                number = number << TYPE_BITS | types[fields[n]].number;
                size = padded(size) + types[fields[n]].size;
                lengths[n] = (uint8_t)types[fields[n]].size;
        }
        /* A single field is as long as it is, one of several is padded. */
        *ret_size = n > 1 ? padded(size) : size;
        *ret_fields = n;
        return number;
}

/* For nft(8), which shows a name in network order as nothing: type 0 (byte order of the key), length, 1. */
static const uint32_t host_endian = 1;

static void put_set(struct nft_batch *batch, const struct nft_table *table, const struct nft_set *set) {
        struct nftnl_set *object = nftnl_set_alloc();
        struct nlmsghdr *message = begin(NFT_MSG_NEWSET, table, NLM_F_CREATE);
        uint8_t lengths[NFT_FIELDS], host_order[2 + sizeof(host_endian)] = { 0, sizeof(host_endian) };
        uint32_t size = 0, fields = 0, flags = set->has_intervals ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0;
        uint32_t number = concatenation(set->data, &size, lengths, &fields);
        nftnl_set_set_str(object, NFTNL_SET_TABLE, table->name);
        nftnl_set_set_str(object, NFTNL_SET_NAME, set->name);
        nftnl_set_set_u32(object, NFTNL_SET_FAMILY, table->family);
        nftnl_set_set_u32(object, NFTNL_SET_ID, (uint32_t)(set - table->sets) + 1);
        if (fields) {
                flags |= NFT_SET_MAP;
                nftnl_set_set_u32(object, NFTNL_SET_DATA_TYPE, number);
                nftnl_set_set_u32(object, NFTNL_SET_DATA_LEN, size);
        }
        number = concatenation(set->key, &size, lengths, &fields);
        nftnl_set_set_u32(object, NFTNL_SET_KEY_TYPE, number);
        nftnl_set_set_u32(object, NFTNL_SET_KEY_LEN, size);
        nftnl_set_set_u32(object, NFTNL_SET_FLAGS, flags);
        if (set->has_intervals)
                nftnl_set_set_data(object, NFTNL_SET_DESC_CONCAT, lengths, fields);
        memcpy(host_order + 2, &host_endian, sizeof(host_endian));
        if (fields == 1 && set->key[0] == NFT_T_LINK)
                nftnl_set_set_data(object, NFTNL_SET_USERDATA, host_order, sizeof(host_order));
        nftnl_set_nlmsg_build_payload(message, object);
        nftnl_set_free(object);
        append(batch, message, (struct nft_about){ .what = "make set", .name = set->name, .table = table });
}

/* --- expressions ------------------------------------------------------------------------------------------------- */
static uint32_t reg(uint32_t number) {
        return NFT_REG32_00 + number;
}

static void set_data(struct nftnl_expr *e, uint16_t attribute, const struct nft_expression *x) {
        nftnl_expr_set(e, attribute, x->data ? (const void *)x->data : &x->value, x->size);
}

static void fill_meta(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, x->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg(x->reg));
}

static void fill_ct(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, x->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg(x->reg));
}

static void fill_fib(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
        nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, reg(x->reg));
}

static void fill_payload(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, x->base);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, x->offset);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, x->size);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg(x->reg));
}

/* An address belongs to the checksum of TCP and UDP too. */
static void fill_write(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, x->offset);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, x->size);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, reg(x->reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, x->key ? NFT_PAYLOAD_CSUM_INET : NFT_PAYLOAD_CSUM_NONE);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, x->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_FLAGS, NFT_PAYLOAD_L4CSUM_PSEUDOHDR);
}

static void fill_mask(struct nftnl_expr *e, const struct nft_expression *x) {
        static const char zero[NFT_REG_SIZE];
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, reg(x->reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, reg(x->reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, x->size);
        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        set_data(e, NFTNL_EXPR_BITWISE_MASK, x);
        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, x->size);
}

static void fill_cmp(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, reg(x->reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, x->key);
        set_data(e, NFTNL_EXPR_CMP_DATA, x);
}

static void fill_load(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg(x->reg));
        set_data(e, NFTNL_EXPR_IMM_DATA, x);
}

static void fill_lookup(struct nftnl_expr *e, const struct nft_expression *x, const struct nft_table *table) {
        const struct nft_set *set = nft_set(table, x->set);
        nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, reg(x->reg));
        nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, x->set);
        if (x->key)
                nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, x->key);
        if (set && set->data[0] != NFT_T_NONE)
                nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, reg(x->reg));
}

static void fill_dnat(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, x->key);
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, reg(x->reg));
        nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS);
        if (x->port_reg) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, reg(x->port_reg));
                nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED);
        }
}

static void fill_verdict(struct nftnl_expr *e, const struct nft_expression *x) {
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, x->key);
        if (x->set)
                nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, x->set);
}

static void fill_nothing(struct nftnl_expr *e, const struct nft_expression *x) {
        (void)e;
        (void)x;
}

static const struct {
        const char *name;
        void (*fill)(struct nftnl_expr *e, const struct nft_expression *x);
        const char *module;
} kinds[] = {
        [NFT_X_META] = { "meta", fill_meta, "nf_tables" },
        [NFT_X_CT] = { "ct", fill_ct, "nft_ct" },
        [NFT_X_ADDRTYPE] = { "fib", fill_fib, "nft_fib_inet" },
        [NFT_X_PAYLOAD] = { "payload", fill_payload, "nf_tables" },
        [NFT_X_WRITE] = { "payload", fill_write, "nf_tables" },
        [NFT_X_MASK] = { "bitwise", fill_mask, "nf_tables" },
        [NFT_X_CMP] = { "cmp", fill_cmp, "nf_tables" },
        [NFT_X_LOAD] = { "immediate", fill_load, "nf_tables" },
        [NFT_X_LOOKUP] = { "lookup", NULL, "nf_tables" },
        [NFT_X_DNAT] = { "nat", fill_dnat, "nft_nat" },
        [NFT_X_MASQUERADE] = { "masq", fill_nothing, "nft_masq" },
        [NFT_X_COUNTER] = { "counter", fill_nothing, "nf_tables" },
        [NFT_X_VERDICT] = { "immediate", fill_verdict, "nf_tables" },
};

static void put_rule(struct nft_batch *batch, const struct nft_table *table, const struct nft_rule *rule) {
        struct nftnl_rule *object = nftnl_rule_alloc();
        struct nlmsghdr *message = begin(NFT_MSG_NEWRULE, table, NLM_F_CREATE | NLM_F_APPEND);
        nftnl_rule_set_str(object, NFTNL_RULE_TABLE, table->name);
        nftnl_rule_set_str(object, NFTNL_RULE_CHAIN, rule->chain);
        for (size_t i = 0; i < NFT_EXPRESSIONS && rule->expressions[i].kind != NFT_X_END; i++) {
                const struct nft_expression *x = &rule->expressions[i];
                struct nftnl_expr *e = nftnl_expr_alloc(kinds[x->kind].name);
                if (x->kind == NFT_X_LOOKUP)
                        fill_lookup(e, x, table);
                else
                        kinds[x->kind].fill(e, x);
                nftnl_rule_add_expr(object, e);
        }
        nftnl_rule_nlmsg_build_payload(message, object);
        nftnl_rule_free(object);
        append(batch, message,
               (struct nft_about){ .what = "add a rule to chain", .name = rule->chain, .table = table });
}

/* Made, so that it is there; deleted, whatever was in it; and made as laid out: the kernel knows no "delete if there"
 * before 6.3. */
void nft_put_table_delete(struct nft_batch *batch, const struct nft_table *table) {
        put_table(batch, table, NFT_MSG_NEWTABLE);
        put_table(batch, table, NFT_MSG_DELTABLE);
}

void nft_put_table(struct nft_batch *batch, const struct nft_table *table) {
        nft_put_table_delete(batch, table);
        put_table(batch, table, NFT_MSG_NEWTABLE);
        for (size_t i = 0; i < table->chain_count; i++)
                put_chain(batch, table, &table->chains[i]);
        for (size_t i = 0; i < table->set_count; i++)
                put_set(batch, table, &table->sets[i]);
        for (size_t i = 0; i < table->rule_count; i++)
                put_rule(batch, table, &table->rules[i]);
}

static struct nftnl_set_elem *element_object(const struct nft_element *element, bool is_delete) {
        struct nftnl_set_elem *object = nftnl_set_elem_alloc();
        uint8_t comment[COMMENT_MAX + 3];
        nftnl_set_elem_set(object, NFTNL_SET_ELEM_KEY, element->key.bytes, element->key.size);
        if (element->end.size)
                nftnl_set_elem_set(object, NFTNL_SET_ELEM_KEY_END, element->end.bytes, element->end.size);
        if (element->data.size && !is_delete)
                nftnl_set_elem_set(object, NFTNL_SET_ELEM_DATA, element->data.bytes, element->data.size);
        if (element->comment && !is_delete)
                nftnl_set_elem_set(object, NFTNL_SET_ELEM_USERDATA, comment, comment_bytes(element->comment, comment));
        return object;
}

/* A message: those elements, which are of one set. */
static void put_chunk(struct nft_batch *batch, const struct nft_element *elements, size_t n, unsigned flags) {
        const struct nft_table *table = elements->table;
        bool is_delete = flags & NFT_DELETE;
        uint16_t new_flags = (uint16_t)(NLM_F_CREATE | (flags & NFT_NEW ? NLM_F_EXCL : 0));
        struct nftnl_set *object = nftnl_set_alloc();
        struct nlmsghdr *message =
                begin(is_delete ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM, table, is_delete ? 0 : new_flags);
        open_batch(batch);
        nftnl_set_set_str(object, NFTNL_SET_TABLE, table->name);
        nftnl_set_set_str(object, NFTNL_SET_NAME, elements->set->name);
        for (size_t i = 0; i < n; i++)
                nftnl_set_elem_add(object, element_object(&elements[i], is_delete));
        nftnl_set_elems_nlmsg_build_payload(message, object);
        nftnl_set_free(object);
        append(batch, message,
               (struct nft_about){ .what = is_delete ? "remove from set" : "add to set",
                                   .name = elements->set->name,
                                   .table = table });
}

void nft_put_elements(struct nft_batch *batch, const struct nft_elements *elements, unsigned flags) {
        for (size_t i = 0, n; i < elements->n; i += n) {
                for (n = 1; n < CHUNK && i + n < elements->n && elements->at[i + n].set == elements->at[i].set;)
                        n++;
                put_chunk(batch, &elements->at[i], n, flags);
        }
}

/* --- the kernel -------------------------------------------------------------------------------------------------- */
int nft_open(struct nl *ret) {
        return nl_open_netfilter(ret);
}

static const char *family_name(const struct nft_table *table) {
        return table->family == NFPROTO_BRIDGE ? "bridge" : table->family == NFPROTO_INET ? "inet" : "?";
}

static struct nlmsghdr *message_at(const struct nft_batch *batch, size_t which) {
        char *at = batch->bytes;
        while (which--)
                at += padded(((const struct nlmsghdr *)(const void *)at)->nlmsg_len);
        return (struct nlmsghdr *)(void *)at;
}

/* The module of the expression at that offset of a message for a rule, NULL when there is none. */
static const char *module_at(const struct nlmsghdr *message, uint32_t offset, const struct nft_table *table) {
        if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE) || offset % NLA_ALIGNTO ||
            offset < sizeof(*message) || offset + sizeof(struct nlattr) > message->nlmsg_len)
                return NULL;
        const char *name = nl_text(nl_find_in((const void *)((const char *)message + offset), NFTA_EXPR_NAME));
        for (size_t i = NFT_X_END + 1; name && i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (str_eq(kinds[i].name, name))
                        return i == NFT_X_META && table && table->family == NFPROTO_BRIDGE ? "nft_meta_bridge"
                                                                                           : kinds[i].module;
        return NULL;
}

int nft_refused(const struct nft_batch *batch, const struct nl_refusal *refusal) {
        const struct nft_about *about = &batch->about[refusal->message];
        const char *what = about->name ? str_format("%s %s", about->what, about->name) : about->what;
        if (about->table)
                what = str_format("%s of %s %s", what, family_name(about->table), about->table->name);
        if (refusal->error == ENOENT || refusal->error == EOPNOTSUPP) {
                const char *inside = module_at(message_at(batch, refusal->message), refusal->offset, about->table);
                if (about->module || inside)
                        return nl_lacks(what, about->module ? about->module : inside);
        }
        if (refusal->words)
                return fail_words(refusal->error, "%s: %s (%s)", what, strerror(refusal->error), refusal->words);
        return fail(refusal->error, "%s", what);
}

int nft_send(struct nl *nl, struct nft_batch *batch) {
        _Alignas(8) char bytes[64];
        struct nl_refusal refusal;
        if (batch->count < 2)
                return 0;
        message_at(batch, batch->count - 1)->nlmsg_flags |= NLM_F_ACK;
        append(batch, nftnl_batch_end(bytes, 0), (struct nft_about){ .what = "end the change of nf_tables" });
        int r = nl_transact(nl, batch->bytes, batch->used, batch->count, &refusal);
        if (r < 0)
                return fail_in(r, "change nf_tables");
        return refusal.error ? nft_refused(batch, &refusal) : 0;
}

static void put_get(struct nl_batch *batch, uint16_t type, const struct nft_table *table, uint16_t flags) {
        struct nfgenmsg header = { .nfgen_family = table->family, .version = NFNETLINK_V0 };
        nl_begin(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &header, sizeof(header));
}

static uint32_t expected_use(const struct nft_table *table, const struct nft_chain *chain) {
        uint32_t use = 0;
        for (size_t i = 0; i < table->rule_count; i++) {
                const struct nft_expression *x = table->rules[i].expressions;
                use += str_eq(table->rules[i].chain, chain->name);
                for (size_t j = 0; j < NFT_EXPRESSIONS && x[j].kind != NFT_X_END; j++)
                        use += x[j].kind == NFT_X_VERDICT && x[j].set && str_eq(x[j].set, chain->name);
        }
        return use;
}

/* One question for the table and one for each chain; the answers come in that order. */
static int is_there(struct nl *nl, const struct nft_table *table, bool *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        uint8_t comment[COMMENT_MAX + 3];
        put_get(&batch, NFT_MSG_GETTABLE, table, 0);
        nl_put_text(&batch, NFTA_TABLE_NAME, table->name);
        for (size_t i = 0; i < table->chain_count; i++) {
                put_get(&batch, NFT_MSG_GETCHAIN, table, 0);
                nl_put_text(&batch, NFTA_CHAIN_TABLE, table->name);
                nl_put_text(&batch, NFTA_CHAIN_NAME, table->chains[i].name);
        }
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return fail_in(r, "ask nf_tables");
        *ret = false;
        for (size_t i = 0; i < batch.count; i++)
                if (reply.answers[i].error == ENOENT)
                        return 0;
                else if (reply.answers[i].error == EOPNOTSUPP || reply.answers[i].error == EINVAL)
                        return nl_lacks("ask nf_tables", "nf_tables");
                else if (reply.answers[i].error)
                        return fail(reply.answers[i].error, "ask nf_tables");
        if (reply.n != batch.count)
                return fail(EPROTO, "ask nf_tables");
        uint32_t size = comment_bytes(table->layout, comment);
        const void *there = nl_bytes(nl_find(reply.messages[0], sizeof(struct nfgenmsg), NFTA_TABLE_USERDATA), size);
        *ret = there && memcmp(there, comment, size) == 0;
        for (size_t i = 0; i < table->chain_count; i++) {
                const struct nlattr *use = nl_find(reply.messages[i + 1], sizeof(struct nfgenmsg), NFTA_CHAIN_USE);
                *ret = *ret && be32toh(nl_u32(use, 0)) == expected_use(table, &table->chains[i]);
        }
        return 0;
}

int nft_is_there(struct nl *nl, const struct nft_table *const *tables, size_t n, bool *ret) {
        int r = 0;
        *ret = true;
        for (size_t i = 0; i < n && r == 0 && *ret; i++)
                r = is_there(nl, tables[i], ret);
        return r;
}

static void read_key(struct nftnl_set_elem *object, uint16_t attribute, struct nft_key *ret) {
        uint32_t size = 0;
        const void *bytes = nftnl_set_elem_get(object, attribute, &size);
        if (bytes)
                nft_key_add(ret, bytes, size);
}

/* Anybody may have put an element there, so its comment is what a foreigner says. */
static const char *read_comment(struct nftnl_set_elem *object) {
        uint32_t size = 0;
        const uint8_t *bytes = nftnl_set_elem_get(object, NFTNL_SET_ELEM_USERDATA, &size);
        if (!bytes || size < 3 || bytes[0] != 0 || bytes[1] > size - 2)
                return NULL;
        return arena_strndup((const char *)bytes + 2, bytes[1]);
}

static int read_elements(const struct nlmsghdr *message, const struct nft_table *table, const struct nft_set *set,
                         struct nft_elements *list) {
        struct nftnl_set *object = nftnl_set_alloc();
        if (nftnl_set_elems_nlmsg_parse(message, object) < 0) {
                nftnl_set_free(object);
                return fail(EPROTO, "read set %s of %s %s", set->name, family_name(table), table->name);
        }
        struct nftnl_set_elems_iter *iterator = nftnl_set_elems_iter_create(object);
        struct nftnl_set_elem *at;
        while ((at = nftnl_set_elems_iter_next(iterator))) {
                struct nft_element element = { .table = table, .set = set, .comment = read_comment(at) };
                read_key(at, NFTNL_SET_ELEM_KEY, &element.key);
                if (nftnl_set_elem_is_set(at, NFTNL_SET_ELEM_KEY_END))
                        read_key(at, NFTNL_SET_ELEM_KEY_END, &element.end);
                if (nftnl_set_elem_is_set(at, NFTNL_SET_ELEM_DATA))
                        read_key(at, NFTNL_SET_ELEM_DATA, &element.data);
                nft_elements_add(list, &element);
        }
        nftnl_set_elems_iter_destroy(iterator);
        nftnl_set_free(object);
        return 0;
}

int nft_list(struct nl *nl, const struct nft_table *table, const struct nft_set *set, struct nft_elements *list) {
        const char *what = str_format("read set %s of %s %s", set->name, family_name(table), table->name);
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        put_get(&batch, NFT_MSG_GETSETELEM, table, NLM_F_DUMP);
        nl_put_text(&batch, NFTA_SET_ELEM_LIST_TABLE, table->name);
        nl_put_text(&batch, NFTA_SET_ELEM_LIST_SET, set->name);
        int r = nl_run(nl, &batch, &reply), error = r < 0 ? 0 : reply.answers[0].error;
        if (error == EINVAL || error == EOPNOTSUPP)
                return nl_lacks(what, "nf_tables");
        if (r < 0 || error)
                return r < 0 ? fail_in(r, "%s", what) : error == ENOENT ? -ENOENT : fail(error, "%s", what);
        for (size_t i = 0; i < reply.n && r == 0; i++)
                r = read_elements(reply.messages[i], table, set, list);
        return r;
}

/* An answer says of which set it is. */
static int read_found(const struct nlmsghdr *message, const struct nft_elements *wanted, struct nft_elements *found) {
        const struct nfgenmsg *header = nl_header(message, sizeof(*header));
        const char *name = nl_text(nl_find(message, sizeof(*header), NFTA_SET_ELEM_LIST_SET));
        for (size_t i = 0; header && name && i < wanted->n; i++)
                if (wanted->at[i].table->family == header->nfgen_family && str_eq(wanted->at[i].set->name, name))
                        return read_elements(message, wanted->at[i].table, wanted->at[i].set, found);
        return fail(EPROTO, "ask nf_tables");
}

int nft_look(struct nl *nl, const struct nft_elements *wanted, struct nft_elements *found) {
        int r = 0;
        for (size_t i = 0; i < wanted->n && r == 0; i += NL_BATCH_MESSAGES) {
                struct nl_batch batch = { 0 };
                struct nl_reply reply;
                const size_t left = wanted->n - i;
                const struct nft_elements some = { wanted->at + i,
                                                   left < NL_BATCH_MESSAGES ? left : NL_BATCH_MESSAGES };
                for (size_t j = 0; j < some.n; j++) {
                        const struct nft_element *element = &some.at[j];
                        put_get(&batch, NFT_MSG_GETSETELEM, element->table, 0);
                        nl_put_text(&batch, NFTA_SET_ELEM_LIST_TABLE, element->table->name);
                        nl_put_text(&batch, NFTA_SET_ELEM_LIST_SET, element->set->name);
                        size_t list = nl_nest(&batch, NFTA_SET_ELEM_LIST_ELEMENTS);
                        size_t item = nl_nest(&batch, NFTA_LIST_ELEM);
                        size_t key = nl_nest(&batch, NFTA_SET_ELEM_KEY);
                        nl_put(&batch, NFTA_DATA_VALUE, element->key.bytes, element->key.size);
                        nl_nest_end(&batch, key);
                        nl_nest_end(&batch, item);
                        nl_nest_end(&batch, list);
                }
                if ((r = nl_run(nl, &batch, &reply)) < 0)
                        return fail_in(r, "ask nf_tables");
                for (size_t j = 0; j < reply.n && r == 0; j++)
                        r = read_found(reply.messages[j], &some, found);
        }
        return r;
}
