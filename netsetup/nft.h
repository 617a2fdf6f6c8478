/* nf_tables: a layout of tables as data, messages built from it, and one atomic transaction for all of them.  The only
 * door to libnftnl.  Building is pure; nft_send and nft_list talk to the kernel.  Host side.
 *
 * A layout is constant: chains, rules and empty sets.  Everything that grows is an element of a set or a map, so what a
 * packet costs and what a change costs does not grow with the number of attachments or of ports. */
#ifndef NETSETUP_NFT_H
#define NETSETUP_NFT_H

#include "netsetup/nl.h"

#include <linux/netfilter/nf_tables.h>

/* --- layout --------------------------------------------------------------------------------------------------------
 */
enum nft_type { NFT_T_NONE, NFT_T_IPV4, NFT_T_IPV6, NFT_T_MAC, NFT_T_PROTOCOL, NFT_T_PORT, NFT_T_LINK };
enum { NFT_FIELDS = 5, NFT_EXPRESSIONS = 14, NFT_KEY_SIZE = 64 };

/* A set, or with data a map.  With intervals a field of a key is a range, which costs more to change. */
struct nft_set {
        const char *name;
        enum nft_type key[NFT_FIELDS], data[NFT_FIELDS];
        bool has_intervals;
};

enum nft_chain_type { NFT_FILTER, NFT_NAT };

/* hook is a number of the kernel's; a chain without one (has_hook false) is jumped to. */
struct nft_chain {
        const char *name;
        bool has_hook;
        enum nft_chain_type type;
        uint32_t hook;
        int32_t priority;
};

enum nft_kind {
        NFT_X_END,
        NFT_X_META,     /* key -> reg */
        NFT_X_CT,       /* key -> reg */
        NFT_X_ADDRTYPE, /* the kind of route to the packet's destination -> reg */
        NFT_X_PAYLOAD,  /* size bytes at offset of base -> reg */
        NFT_X_WRITE,    /* reg -> size bytes at offset of the network header; key: offset of its checksum, 0: none */
        NFT_X_MASK,     /* reg & data -> reg */
        NFT_X_CMP,      /* reg against data, key: NFT_CMP_EQ... */
        NFT_X_LOAD,     /* data -> reg */
        NFT_X_LOOKUP,   /* reg in set (key: NFT_LOOKUP_F_INV) -> reg when it is a map */
        NFT_X_DNAT,     /* family key; address in reg, port in port_reg unless 0 */
        NFT_X_MASQUERADE,
        NFT_X_COUNTER,
        NFT_X_VERDICT, /* key: NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_JUMP to set */
};

struct nft_expression {
        enum nft_kind kind;
        uint32_t key, base, offset, size, reg, port_reg;
        const char *set;
        const char *data; /* size bytes; NULL: the number value in the host's order, four bytes */
        uint32_t value;
};

struct nft_rule {
        const char *chain;
        struct nft_expression expressions[NFT_EXPRESSIONS];
};

struct nft_table {
        uint8_t family; /* NFPROTO_... */
        const char *name;
        const char *layout; /* changes with the layout; kept in the table as its comment */
        const struct nft_set *sets;
        size_t set_count;
        const struct nft_chain *chains;
        size_t chain_count;
        const struct nft_rule *rules;
        size_t rule_count;
};

/* Words of rules.  Registers have four bytes and are numbered from 0; what follows in a concatenation begins in the
 * next free one. */
#define NFT_META_KEY(meta, r)                                                                                          \
        { .kind = NFT_X_META, .key = (meta), .reg = (r) }
#define NFT_CT_KEY(ct, r)                                                                                              \
        { .kind = NFT_X_CT, .key = (ct), .reg = (r) }
#define NFT_DESTINATION_TYPE(r)                                                                                        \
        { .kind = NFT_X_ADDRTYPE, .reg = (r) }
#define NFT_BYTES(where, at, n, r)                                                                                     \
        { .kind = NFT_X_PAYLOAD, .base = (where), .offset = (at), .size = (n), .reg = (r) }
#define NFT_WRITE(at, n, r, checksum)                                                                                  \
        { .kind = NFT_X_WRITE, .offset = (at), .size = (n), .reg = (r), .key = (checksum) }
#define NFT_EQUAL(r, text)                                                                                             \
        { .kind = NFT_X_CMP, .key = NFT_CMP_EQ, .reg = (r), .data = (text), .size = sizeof(text) - 1 }
#define NFT_DIFFERENT(r, text)                                                                                         \
        { .kind = NFT_X_CMP, .key = NFT_CMP_NEQ, .reg = (r), .data = (text), .size = sizeof(text) - 1 }
#define NFT_AT_LEAST(r, text)                                                                                          \
        { .kind = NFT_X_CMP, .key = NFT_CMP_GTE, .reg = (r), .data = (text), .size = sizeof(text) - 1 }
#define NFT_AT_MOST(r, text)                                                                                           \
        { .kind = NFT_X_CMP, .key = NFT_CMP_LTE, .reg = (r), .data = (text), .size = sizeof(text) - 1 }
#define NFT_EQUAL_NUMBER(r, n)                                                                                         \
        { .kind = NFT_X_CMP, .key = NFT_CMP_EQ, .reg = (r), .value = (n), .size = 4 }
#define NFT_OTHER_NUMBER(r, n)                                                                                         \
        { .kind = NFT_X_CMP, .key = NFT_CMP_NEQ, .reg = (r), .value = (n), .size = 4 }
#define NFT_MASK_BYTES(r, text)                                                                                        \
        { .kind = NFT_X_MASK, .reg = (r), .data = (text), .size = sizeof(text) - 1 }
#define NFT_MASK_NUMBER(r, n)                                                                                          \
        { .kind = NFT_X_MASK, .reg = (r), .value = (n), .size = 4 }
#define NFT_LOAD(r, text)                                                                                              \
        { .kind = NFT_X_LOAD, .reg = (r), .data = (text), .size = sizeof(text) - 1 }
#define NFT_IN(r, name)                                                                                                \
        { .kind = NFT_X_LOOKUP, .reg = (r), .set = (name) }
#define NFT_NOT_IN(r, name)                                                                                            \
        { .kind = NFT_X_LOOKUP, .reg = (r), .set = (name), .key = NFT_LOOKUP_F_INV }
#define NFT_TO(af, r, port)                                                                                            \
        { .kind = NFT_X_DNAT, .key = (af), .reg = (r), .port_reg = (port) }
#define NFT_MASQ()                                                                                                     \
        { .kind = NFT_X_MASQUERADE }
#define NFT_COUNT()                                                                                                    \
        { .kind = NFT_X_COUNTER }
#define NFT_SAY(verdict)                                                                                               \
        { .kind = NFT_X_VERDICT, .key = (uint32_t)(verdict) }
#define NFT_GO(chain)                                                                                                  \
        { .kind = NFT_X_VERDICT, .key = (uint32_t)NFT_JUMP, .set = (chain) }

const struct nft_set *nft_set(const struct nft_table *table, const char *name);

/* --- elements ------------------------------------------------------------------------------------------------------
 */
/* Fields one after the other, each padded to four bytes, as the kernel wants them. */
struct nft_key {
        uint8_t bytes[NFT_KEY_SIZE];
        uint32_t size;
};

struct nft_element {
        const struct nft_table *table;
        const struct nft_set *set;
        struct nft_key key, end, data; /* end: of a set with intervals; data: of a map */
        const char *comment;           /* NULL: none */
};

void nft_key_add(struct nft_key *key, const void *bytes, size_t size);
void nft_key_add_u8(struct nft_key *key, uint8_t value);
/* In network order. */
void nft_key_add_port(struct nft_key *key, uint32_t port);
/* The name of a link, 16 bytes. */
void nft_key_add_link(struct nft_key *key, const char *name);

struct nft_elements {
        struct nft_element *at;
        size_t n;
};
void nft_elements_add(struct nft_elements *list, const struct nft_element *element);

/* --- one transaction -----------------------------------------------------------------------------------------------
 */
/* What a message is about, for the words when the kernel refuses it. */
struct nft_about {
        const char *what;
        const char *name;
        const char *module; /* that the kernel lacks when it has no such thing; NULL: of a rule, its expressions' */
        const struct nft_table *table;
};

struct nft_batch {
        char *bytes;
        size_t used, room;
        struct nft_about *about;
        size_t count, about_room;
};

/* The table as laid out, empty, in place of one that may be there. */
void nft_put_table(struct nft_batch *batch, const struct nft_table *table);
void nft_put_table_delete(struct nft_batch *batch, const struct nft_table *table);

enum nft_element_flags {
        NFT_DELETE = 1, /* otherwise they are added */
        NFT_NEW = 2,    /* adding one that is there is refused with EEXIST, otherwise it is fine */
};
void nft_put_elements(struct nft_batch *batch, const struct nft_elements *elements, unsigned flags);

/* A netlink socket for nf_tables in the network namespace the process is in now. */
int nft_open(struct nl *ret);

/* Everything or nothing.  Nothing to send is success.  On failure the record names what was refused, and for a kernel
 * that lacks something, what. */
int nft_send(struct nl *nl, struct nft_batch *batch);

/* The words of a refusal, whose error is returned negative.  Pure; part of nft_send, public for its test. */
int nft_refused(const struct nft_batch *batch, const struct nl_refusal *refusal);

/* True in *ret when the tables are there with all their chains and as many rules as are laid out. */
int nft_is_there(struct nl *nl, const struct nft_table *const *tables, size_t n, bool *ret);

/* Appends the elements of a set; -ENOENT, without a record, when there is no such set or table. */
int nft_list(struct nl *nl, const struct nft_table *table, const struct nft_set *set, struct nft_elements *list);

/* Those of the elements that are there (by key), with the comment they have there; up to NL_BATCH_MESSAGES at once are
 * asked for. */
int nft_look(struct nl *nl, const struct nft_elements *wanted, struct nft_elements *found);

#endif
