#include "netsetup/layout.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_bridge.h>
#include <linux/rtnetlink.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LINK_HEADER  NFT_PAYLOAD_LL_HEADER
#define NET_HEADER   NFT_PAYLOAD_NETWORK_HEADER
#define PORT_HEADER  NFT_PAYLOAD_TRANSPORT_HEADER

/* What the rules look at.  An address of IPv4 takes one register, of IPv6 four, a name of a link four, a MAC two. */
#define IS_IPV4             NFT_META_KEY(NFT_META_NFPROTO, 0), NFT_EQUAL(0, "\x02")
#define IS_IPV6             NFT_META_KEY(NFT_META_NFPROTO, 0), NFT_EQUAL(0, "\x0a")
#define PROTOCOL(r)         NFT_META_KEY(NFT_META_L4PROTO, r)
#define IS_UDP              PROTOCOL(0), NFT_EQUAL(0, "\x11")
#define IS_ICMPV6           PROTOCOL(0), NFT_EQUAL(0, "\x3a")
#define ICMPV6_TYPE         NFT_BYTES(PORT_HEADER, 0, 1, 0)
#define SOURCE4(r)          NFT_BYTES(NET_HEADER, 12, 4, r)
#define DESTINATION4(r)     NFT_BYTES(NET_HEADER, 16, 4, r)
#define SOURCE6(r)          NFT_BYTES(NET_HEADER, 8, 16, r)
#define DESTINATION6(r)     NFT_BYTES(NET_HEADER, 24, 16, r)
#define SOURCE_PORT(r)      NFT_BYTES(PORT_HEADER, 0, 2, r)
#define DESTINATION_PORT(r) NFT_BYTES(PORT_HEADER, 2, 2, r)
#define FROM(r)             NFT_META_KEY(NFT_META_IIFNAME, r)
#define TO(r)               NFT_META_KEY(NFT_META_OIFNAME, r)
#define CT(what, bits)      NFT_CT_KEY(what, 0), NFT_MASK_NUMBER(0, bits), NFT_OTHER_NUMBER(0, 0)
#define ESTABLISHED         CT(NFT_CT_STATE, 6) /* established, related */
#define TRANSLATED          CT(NFT_CT_STATUS, IPS_DST_NAT)
#define IS_LOCALHOST4(r)    NFT_MASK_BYTES(r, "\xff\0\0\0"), NFT_EQUAL(r, "\x7f\0\0\0")
#define LOCALHOST4          "\x7f\0\0\x01"
#define LOCALHOST6          "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
#define NOWHERE4            "\0\0\0\0"
#define NOWHERE6            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ACCEPT              NFT_SAY(NF_ACCEPT)
#define RETURN              NFT_SAY(NFT_RETURN)
#define DROP                NFT_COUNT(), NFT_SAY(NF_DROP)

/* --- inet -------------------------------------------------------------------------------------------------------- */
#define IPV4  NFT_T_IPV4
#define IPV6  NFT_T_IPV6
#define PROTO NFT_T_PROTOCOL
#define PORT  NFT_T_PORT

static const struct nft_set host_sets[] = {
        { "bridges", { NFT_T_LINK } },
        { "same", { NFT_T_LINK, NFT_T_LINK } }, /* each bridge twice: comes and goes there */
        { "tunnels", { NFT_T_LINK } },          /* what leads to other hosts of a bridge's network, and nowhere else */
        { "closed", { NFT_T_LINK } },           /* of them those by which this host is not reached */
        { "clients4", { NFT_T_LINK, IPV4 } },   /* bridge, and who is on it */
        { "clients6", { NFT_T_LINK, IPV6 } },
        { "isolated4", { IPV4 } },
        { "isolated6", { IPV6 } },
        { "host_blocked4", { IPV4 } },
        { "host_blocked6", { IPV6 } },
        { "host_access4", { IPV4, IPV4, PROTO, PORT }, .has_intervals = true },
        { "host_access6", { IPV6, IPV6, PROTO, PORT }, .has_intervals = true },
        { "egress_blocked4", { IPV4 } },
        { "egress_blocked6", { IPV6 } },
        { "egress4", { IPV4, IPV4, PROTO, PORT }, .has_intervals = true },
        { "egress6", { IPV6, IPV6, PROTO, PORT }, .has_intervals = true },
        { "masquerade4", { IPV4 } },
        { "masquerade6", { IPV6 } },
        { "ports4", { IPV4, PROTO, PORT }, { IPV4, PORT } }, /* of one address of the host */
        { "ports6", { IPV6, PROTO, PORT }, { IPV6, PORT } },
        { "ports_any4", { PROTO, PORT }, { IPV4, PORT } }, /* of every one */
        { "ports_any6", { PROTO, PORT }, { IPV6, PORT } },
        { "ranges4", { IPV4, PROTO, PORT }, { IPV4 }, .has_intervals = true }, /* the same numbers inside */
        { "ranges6", { IPV6, PROTO, PORT }, { IPV6 }, .has_intervals = true },
        { "localhost4", { IPV4, PROTO, PORT }, { IPV4 } }, /* -> address of the bridge */
        { "localhost6", { IPV6, PROTO, PORT }, { IPV6 } },
        { "localhost_ranges4", { IPV4, PROTO, PORT }, { IPV4 }, .has_intervals = true },
        { "localhost_ranges6", { IPV6, PROTO, PORT }, { IPV6 }, .has_intervals = true },
};

static const struct nft_chain host_chains[] = {
        { "early", true, NFT_FILTER, NF_INET_PRE_ROUTING, -300 },
        { "localhost_out", true, NFT_FILTER, NF_INET_LOCAL_OUT, -300 },
        { "dnat", true, NFT_NAT, NF_INET_PRE_ROUTING, -100 },
        { "dnat_local", true, NFT_NAT, NF_INET_LOCAL_OUT, -100 },
        { "input", true, NFT_FILTER, NF_INET_LOCAL_IN, 0 },
        { "forward", true, NFT_FILTER, NF_INET_FORWARD, 0 },
        { "egress", false },
        { "snat", true, NFT_NAT, NF_INET_POST_ROUTING, 100 },
        { "localhost_in", true, NFT_FILTER, NF_INET_LOCAL_IN, 110 },
};

#define KEY4 DESTINATION4(0), PROTOCOL(1), DESTINATION_PORT(2)
#define KEY6 DESTINATION6(0), PROTOCOL(4), DESTINATION_PORT(5)

/* Only for what the host is addressed by: what is forwarded to other hosts passes untouched. */
#define TRANSLATE(chain)                                                                                               \
        { chain, { NFT_DESTINATION_TYPE(0), NFT_OTHER_NUMBER(0, RTN_LOCAL), RETURN } },                                \
                { chain, { IS_IPV4, KEY4, NFT_IN(0, "ports4"), NFT_TO(NFPROTO_IPV4, 0, 1) } },                         \
                { chain,                                                                                               \
                  { IS_IPV4, PROTOCOL(0), DESTINATION_PORT(1), NFT_IN(0, "ports_any4"),                                \
                    NFT_TO(NFPROTO_IPV4, 0, 1) } },                                                                    \
                { chain, { IS_IPV4, KEY4, NFT_IN(0, "ranges4"), NFT_TO(NFPROTO_IPV4, 0, 0) } },                        \
                { chain, { IS_IPV6, KEY6, NFT_IN(0, "ports6"), NFT_TO(NFPROTO_IPV6, 0, 4) } },                         \
                { chain,                                                                                               \
                  { IS_IPV6, PROTOCOL(0), DESTINATION_PORT(1), NFT_IN(0, "ports_any6"),                                \
                    NFT_TO(NFPROTO_IPV6, 0, 4) } },                                                                    \
        {                                                                                                              \
                chain, {                                                                                               \
                        IS_IPV6, KEY6, NFT_IN(0, "ranges6"), NFT_TO(NFPROTO_IPV6, 0, 0)                                \
                }                                                                                                      \
        }

/* Who asks for what where: the four fields of access lists. */
#define ACCESS4 SOURCE4(0), DESTINATION4(1), PROTOCOL(2), DESTINATION_PORT(3)
#define ACCESS6 SOURCE6(0), DESTINATION6(4), PROTOCOL(8), DESTINATION_PORT(9)

static const struct nft_rule host_rules[] = {
        { "early",
          { IS_IPV4, FROM(0), NFT_DIFFERENT(0, "lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), DESTINATION4(0), IS_LOCALHOST4(0),
            DROP } },
        { "early",
          { IS_IPV4, FROM(0), NFT_DIFFERENT(0, "lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), SOURCE4(0), IS_LOCALHOST4(0),
            DROP } },

        { "localhost_out",
          { IS_IPV4, SOURCE4(0), NFT_EQUAL(0, LOCALHOST4), KEY4, NFT_IN(0, "localhost4"), NFT_WRITE(12, 4, 0, 10),
            ACCEPT } },
        { "localhost_out",
          { IS_IPV4, SOURCE4(0), NFT_EQUAL(0, LOCALHOST4), KEY4, NFT_IN(0, "localhost_ranges4"),
            NFT_WRITE(12, 4, 0, 10), ACCEPT } },
        { "localhost_out",
          { IS_IPV6, SOURCE6(0), NFT_EQUAL(0, LOCALHOST6), KEY6, NFT_IN(0, "localhost6"), NFT_WRITE(8, 16, 0, 0),
            ACCEPT } },
        { "localhost_out",
          { IS_IPV6, SOURCE6(0), NFT_EQUAL(0, LOCALHOST6), KEY6, NFT_IN(0, "localhost_ranges6"), NFT_WRITE(8, 16, 0, 0),
            ACCEPT } },

        TRANSLATE("dnat"),

        /* What localhost_out had no address for stays where it is. */
        { "dnat_local", { IS_IPV4, SOURCE4(0), IS_LOCALHOST4(0), RETURN } },
        { "dnat_local", { IS_IPV6, SOURCE6(0), NFT_EQUAL(0, LOCALHOST6), RETURN } },
        TRANSLATE("dnat_local"),

        { "input", { ESTABLISHED, ACCEPT } },
        /* Without neighbour discovery, multicast listeners and DHCP there is no network to block. */
        { "input", { IS_IPV6, IS_ICMPV6, ICMPV6_TYPE, NFT_AT_LEAST(0, "\x82"), NFT_AT_MOST(0, "\x88"), ACCEPT } },
        { "input", { IS_IPV6, IS_ICMPV6, ICMPV6_TYPE, NFT_EQUAL(0, "\x8f"), ACCEPT } },
        { "input", { IS_IPV4, IS_UDP, DESTINATION_PORT(0), NFT_EQUAL(0, "\0\x43"), ACCEPT } },
        { "input", { IS_IPV6, IS_UDP, DESTINATION_PORT(0), NFT_EQUAL(0, "\x02\x23"), ACCEPT } },
        { "input", { IS_IPV4, ACCESS4, NFT_IN(0, "host_access4"), ACCEPT } },
        { "input", { IS_IPV6, ACCESS6, NFT_IN(0, "host_access6"), ACCEPT } },
        { "input", { IS_IPV4, SOURCE4(0), NFT_IN(0, "host_blocked4"), DROP } },
        { "input", { IS_IPV6, SOURCE6(0), NFT_IN(0, "host_blocked6"), DROP } },
        { "input", { FROM(0), NFT_IN(0, "closed"), DROP } },

        { "forward", { ESTABLISHED, ACCEPT } },
        /* Neighbours on its own bridge are not outside; where the kernel filters bridged packets too (br_netfilter),
         * they pass here as well. */
        { "forward",
          { IS_IPV4, SOURCE4(0), NFT_IN(0, "egress_blocked4"), FROM(0), TO(4), NFT_NOT_IN(0, "same"),
            NFT_GO("egress") } },
        { "forward",
          { IS_IPV6, SOURCE6(0), NFT_IN(0, "egress_blocked6"), FROM(0), TO(4), NFT_NOT_IN(0, "same"),
            NFT_GO("egress") } },
        /* A published port is for everybody who reaches the host. */
        { "forward", { TRANSLATED, ACCEPT } },
        { "forward", { IS_IPV4, SOURCE4(0), NFT_IN(0, "isolated4"), DESTINATION4(0), NFT_IN(0, "isolated4"), DROP } },
        { "forward", { IS_IPV6, SOURCE6(0), NFT_IN(0, "isolated6"), DESTINATION6(0), NFT_IN(0, "isolated6"), DROP } },
        { "forward",
          { FROM(0), NFT_IN(0, "bridges"), TO(0), NFT_IN(0, "bridges"), FROM(0), TO(4), NFT_NOT_IN(0, "same"), DROP } },
        { "forward", { FROM(0), NFT_IN(0, "tunnels"), FROM(0), TO(4), NFT_NOT_IN(0, "same"), DROP } },
        { "forward", { TO(0), NFT_IN(0, "tunnels"), FROM(0), TO(4), NFT_NOT_IN(0, "same"), DROP } },

        /* A chain of its own: a packet whose ports cannot be read is in no list, and is dropped. */
        { "egress", { IS_IPV4, ACCESS4, NFT_IN(0, "egress4"), RETURN } },
        { "egress", { IS_IPV6, ACCESS6, NFT_IN(0, "egress6"), RETURN } },
        { "egress", { DROP } },

        /* Otherwise the answer would take the short way, with an address that nobody asked.  By the address, because
         * where the kernel filters bridged packets too (br_netfilter) nobody knows here where one came in. */
        { "snat", { IS_IPV4, TRANSLATED, TO(0), SOURCE4(4), NFT_IN(0, "clients4"), NFT_MASQ() } },
        { "snat", { IS_IPV6, TRANSLATED, TO(0), SOURCE6(4), NFT_IN(0, "clients6"), NFT_MASQ() } },
        { "snat", { TRANSLATED, FROM(0), TO(4), NFT_IN(0, "same"), NFT_MASQ() } },
        { "snat", { IS_IPV4, SOURCE4(0), NFT_IN(0, "masquerade4"), TO(0), NFT_NOT_IN(0, "bridges"), NFT_MASQ() } },
        { "snat", { IS_IPV6, SOURCE6(0), NFT_IN(0, "masquerade6"), TO(0), NFT_NOT_IN(0, "bridges"), NFT_MASQ() } },

        { "localhost_in",
          { IS_IPV4, FROM(0), NFT_IN(0, "bridges"), SOURCE4(0), IS_LOCALHOST4(0), NFT_LOAD(0, LOCALHOST4),
            NFT_WRITE(16, 4, 0, 10) } },
        { "localhost_in",
          { IS_IPV6, FROM(0), NFT_IN(0, "bridges"), SOURCE6(0), NFT_EQUAL(0, LOCALHOST6), NFT_LOAD(0, LOCALHOST6),
            NFT_WRITE(24, 16, 0, 0) } },
};

const struct nft_table layout_host = {
        .family = NFPROTO_INET,
        .name = "netsetup",
        .layout = "made by netsetup, layout 2",
        .sets = host_sets,
        .set_count = COUNT(host_sets),
        .chains = host_chains,
        .chain_count = COUNT(host_chains),
        .rules = host_rules,
        .rule_count = COUNT(host_rules),
};

/* --- bridge ------------------------------------------------------------------------------------------------------ */
static const struct nft_set port_sets[] = {
        { "guarded", { NFT_T_LINK } },
        { "macs", { NFT_T_LINK, NFT_T_MAC } },
        { "addresses4", { NFT_T_LINK, IPV4 } },
        { "addresses6", { NFT_T_LINK, IPV6 } },
};

static const struct nft_chain port_chains[] = {
        { "port", true, NFT_FILTER, NF_BR_PRE_ROUTING, -300 },
        { "control", true, NFT_FILTER, NF_BR_LOCAL_IN, -300 },
};

#define FRAME_IS(type) NFT_BYTES(LINK_HEADER, 12, 2, 0), NFT_EQUAL(0, type)
#define IS_ARP         FRAME_IS("\x08\x06")
#define FRAME_IPV4     FRAME_IS("\x08\x00")
#define FRAME_IPV6     FRAME_IS("\x86\xdd")
/* The head of ARP for IPv4 over Ethernet, and its sender's MAC. */
#define ARP_OWN                                                                                                        \
        NFT_BYTES(NET_HEADER, 0, 6, 0), NFT_EQUAL(0, "\0\x01\x08\0\x06\x04"), FROM(0), NFT_BYTES(NET_HEADER, 8, 6, 4), \
                NFT_IN(0, "macs")
/* 01:80:c2:00:00:0x is for the bridge itself: spanning tree and its like. */
#define FOR_THE_BRIDGE                                                                                                 \
        NFT_BYTES(LINK_HEADER, 0, 6, 0), NFT_MASK_BYTES(0, "\xff\xff\xff\xff\xff\xf0"),                                \
                NFT_EQUAL(0, "\x01\x80\xc2\0\0\0")
#define FROM_NOWHERE6(type) FRAME_IPV6, SOURCE6(0), NFT_EQUAL(0, NOWHERE6), IS_ICMPV6, ICMPV6_TYPE, NFT_EQUAL(0, type)
/* What an advertisement or solicitation is about. */
#define TARGET(r) NFT_BYTES(PORT_HEADER, 8, 16, r)

static const struct nft_rule port_rules[] = {
        { "port", { FROM(0), NFT_NOT_IN(0, "guarded"), RETURN } },
        { "port", { FROM(0), NFT_BYTES(LINK_HEADER, 6, 6, 4), NFT_NOT_IN(0, "macs"), DROP } },
        { "port", { FOR_THE_BRIDGE, DROP } },

        { "port", { IS_ARP, ARP_OWN, FROM(0), NFT_BYTES(NET_HEADER, 14, 4, 4), NFT_IN(0, "addresses4"), ACCEPT } },
        /* A probe: is this address anybody's? */
        { "port", { IS_ARP, ARP_OWN, NFT_BYTES(NET_HEADER, 14, 4, 0), NFT_EQUAL(0, NOWHERE4), ACCEPT } },
        { "port", { IS_ARP, DROP } },

        { "port", { FRAME_IPV4, IS_UDP, SOURCE_PORT(0), NFT_EQUAL(0, "\0\x43"), DROP } },
        { "port", { FRAME_IPV4, FROM(0), SOURCE4(4), NFT_IN(0, "addresses4"), ACCEPT } },
        /* Somebody without an address asks for one. */
        { "port",
          { FRAME_IPV4, SOURCE4(0), NFT_EQUAL(0, NOWHERE4), IS_UDP, NFT_BYTES(PORT_HEADER, 0, 4, 0),
            NFT_EQUAL(0, "\0\x44\0\x43"), ACCEPT } },
        { "port", { FRAME_IPV4, DROP } },

        /* Router advertisements and redirects, then answers of DHCP, then advertisements of somebody else. */
        { "port", { FRAME_IPV6, IS_ICMPV6, ICMPV6_TYPE, NFT_EQUAL(0, "\x86"), DROP } },
        { "port", { FRAME_IPV6, IS_ICMPV6, ICMPV6_TYPE, NFT_EQUAL(0, "\x89"), DROP } },
        { "port", { FRAME_IPV6, IS_UDP, SOURCE_PORT(0), NFT_EQUAL(0, "\x02\x23"), DROP } },
        { "port",
          { FRAME_IPV6, IS_ICMPV6, ICMPV6_TYPE, NFT_EQUAL(0, "\x88"), FROM(0), TARGET(4), NFT_NOT_IN(0, "addresses6"),
            DROP } },
        { "port", { FRAME_IPV6, FROM(0), SOURCE6(4), NFT_IN(0, "addresses6"), ACCEPT } },
        /* Before it has an address: is mine anybody's, where is a router, which groups do I hear. */
        { "port", { FROM_NOWHERE6("\x87"), FROM(0), TARGET(4), NFT_IN(0, "addresses6"), ACCEPT } },
        { "port", { FROM_NOWHERE6("\x85"), ACCEPT } },
        { "port", { FROM_NOWHERE6("\x8f"), ACCEPT } },
        { "port", { FROM_NOWHERE6("\x83"), ACCEPT } },

        /* What is left is neither of the three: a VLAN tag, spanning tree, anything. */
        { "port", { DROP } },

        { "control", { FROM(0), NFT_IN(0, "guarded"), FOR_THE_BRIDGE, DROP } },
};

const struct nft_table layout_ports = {
        .family = NFPROTO_BRIDGE,
        .name = "netsetup",
        .layout = "made by netsetup, layout 2",
        .sets = port_sets,
        .set_count = COUNT(port_sets),
        .chains = port_chains,
        .chain_count = COUNT(port_chains),
        .rules = port_rules,
        .rule_count = COUNT(port_rules),
};

const struct nft_table *const layout_tables[2] = { &layout_host, &layout_ports };
