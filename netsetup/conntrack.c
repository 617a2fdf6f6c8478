#include "netsetup/conntrack.h"

#include "specs/base/err.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

/* The first of the bits by which a filter says what of a tuple counts (they have no name in the kernel's headers). */
enum { ONLY_SOURCE = 1 };

static void begin(struct nl_batch *batch, uint16_t type, uint16_t flags, int family) {
        struct nfgenmsg header = { .nfgen_family = (uint8_t)family, .version = NFNETLINK_V0 };
        nl_begin(batch, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, &header, sizeof(header));
}

/* Asks for connections whose answers come from the address. */
static void put_dump(struct nl_batch *batch, const struct net_address *address) {
        bool is_ipv6 = address->family == AF_INET6;
        begin(batch, IPCTNL_MSG_CT_GET, NLM_F_DUMP, address->family);
        size_t tuple = nl_nest(batch, CTA_TUPLE_REPLY);
        size_t ip = nl_nest(batch, CTA_TUPLE_IP);
        nl_put(batch, is_ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, address->bytes, is_ipv6 ? 16 : 4);
        nl_nest_end(batch, ip);
        nl_nest_end(batch, tuple);
        size_t filter = nl_nest(batch, CTA_FILTER);
        nl_put_u32(batch, CTA_FILTER_ORIG_FLAGS, 0);
        nl_put_u32(batch, CTA_FILTER_REPLY_FLAGS, ONLY_SOURCE);
        nl_nest_end(batch, filter);
}

/* The kernel may have ignored the filter, as those before 5.8 do. */
static bool is_from(const struct nlmsghdr *message, const struct net_address *address) {
        bool is_ipv6 = address->family == AF_INET6;
        const struct nlattr *tuple = nl_find(message, sizeof(struct nfgenmsg), CTA_TUPLE_REPLY);
        const struct nlattr *source =
                nl_find_in(nl_find_in(tuple, CTA_TUPLE_IP), is_ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC);
        const void *bytes = nl_bytes(source, is_ipv6 ? 16 : 4);
        return bytes && memcmp(bytes, address->bytes, is_ipv6 ? 16 : 4) == 0;
}

/* Named by its tuple and its number, so that no later connection with the same tuple is meant. */
static bool put_delete(struct nl_batch *batch, const struct nlmsghdr *message, int family) {
        const struct nlattr *tuple = nl_find(message, sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
        const struct nlattr *id = nl_find(message, sizeof(struct nfgenmsg), CTA_ID);
        if (!tuple || !id)
                return false;
        begin(batch, IPCTNL_MSG_CT_DELETE, 0, family);
        nl_put_raw(batch, tuple, tuple->nla_len);
        nl_put_raw(batch, id, id->nla_len);
        return true;
}

static int forget(struct nl *nl, const struct net_address *address) {
        struct nl_batch batch = { 0 };
        struct nl_reply connections, reply;
        put_dump(&batch, address);
        int r = nl_run(nl, &batch, &connections);
        for (size_t i = 0; r == 0 && i < connections.n;) {
                batch = (struct nl_batch){ 0 };
                for (; i < connections.n && batch.count < NL_BATCH_MESSAGES; i++)
                        if (is_from(connections.messages[i], address))
                                (void)put_delete(&batch, connections.messages[i], address->family);
                /* Those that have ended meanwhile are refused, and gone. */
                if (batch.count)
                        r = nl_run(nl, &batch, &reply);
        }
        return r < 0 ? fail_in(r, "forget connections of %s", address->text) : 0;
}

static bool has_udp(const struct net_policy *policy) {
        for (size_t i = 0; i < policy->publish.n; i++)
                if (str_eq(policy->publish.at[i].protocol, "udp"))
                        return true;
        return false;
}

int conntrack_forget(struct nl *nl, const struct net_policy *policy) {
        static const int families[] = { AF_INET, AF_INET6 };
        struct net_address address;
        int r = 0;
        for (size_t f = 0; f < 2 && r == 0 && has_udp(policy); f++)
                if (policy_address(&policy->addresses, families[f], &address))
                        r = forget(nl, &address);
        return r;
}
