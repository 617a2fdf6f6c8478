#include "netsetup/face_cli.h"
#include "netsetup/shape.h"
#include "netsetup/wireguard.h"
#include "netsetup/words.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <string.h>

enum {
        FLAG_JSON = 1 << 0,
        FLAG_HELP = 1 << 1,
        FLAG_ISOLATE = 1 << 2,
        FLAG_HAIRPIN = 1 << 3,
        FLAG_INTERNAL = 1 << 4,
        FLAG_NO_MASQUERADE = 1 << 5,
        FLAG_IPV6 = 1 << 6,
        FLAG_ALLOW_SPOOFING = 1 << 7,
        FLAG_BLOCK_HOST = 1 << 8,
        FLAG_BLOCK_EGRESS = 1 << 9,
        FLAG_MASQUERADE = 1 << 10,
};
enum {
        NETWORKS = NET_NETWORK_CREATE | NET_NETWORK_DELETE | NET_NETWORK_LIST | NET_NETWORK_SHOW,
        PORTS = NET_PORT_ADD | NET_PORT_DEL | NET_PORT_LIST,
        LOOKING = NET_STATUS | NET_LIST | NET_NETWORK_LIST | NET_NETWORK_SHOW | NET_PORT_LIST | NET_WATCH | NET_HOOK,
        PEERS = NET_PEER_ADD | NET_PEER_DEL,
        EVERY = PEERS | NET_ATTACH | NET_DETACH | NET_STATUS | NET_LIST | NET_LOOPBACK | NETWORKS | NET_GC | PORTS |
                NET_RELOAD | NET_WATCH | NET_HOOK | NET_BANDWIDTH,
        SHAPED = NET_ATTACH | NET_NETWORK_CREATE | NET_BANDWIDTH,
};

static const struct words_command commands[] = {
        { "attach", NET_ATTACH, "ID", "Connect a network namespace to a bridge, which is made when it is absent" },
        { "detach", NET_DETACH, "ID", "Remove the links of an id; nothing to remove is success" },
        { "status", NET_STATUS, "ID", "Show the links of an id" },
        { "list", NET_LIST, NULL, "Show all links made by netsetup on this host" },
        { "loopback", NET_LOOPBACK, NULL, "Set the loopback interface of a network namespace up" },
        { "network create", NET_NETWORK_CREATE, "NAME", "Write down a network, for attach to name",
          request_take_network },
        { "network delete", NET_NETWORK_DELETE, "NAME", "Forget a network that nobody is attached to",
          request_take_network },
        { "network list", NET_NETWORK_LIST, NULL, "Show the networks" },
        { "network show", NET_NETWORK_SHOW, "NAME", "Show a network and who has its addresses", request_take_network },
        { "port add", NET_PORT_ADD, "ID", "Publish ports of a container that runs" },
        { "port del", NET_PORT_DEL, "ID", "Publish them no more" },
        { "port list", NET_PORT_LIST, "ID", "Show the published ports" },
        { "peer add", NET_PEER_ADD, "NAME", "Let the bridge of a network go on on one more host",
          request_take_network },
        { "peer del", NET_PEER_DEL, "NAME", "And no more", request_take_network },
        { "bandwidth", NET_BANDWIDTH, "ID", "Limit the bandwidth of a container that runs, or limit it no more" },
        { "reload", NET_RELOAD, NULL, "Build all rules of the packet filter anew" },
        { "watch", NET_WATCH, NULL, "Do so whenever somebody has flushed them, until a signal comes" },
        { "hook", NET_HOOK, NULL, "Attach or detach, as the state of an OCI container on standard input says" },
        { "gc", NET_GC, NULL, "Take away what is left of attachments that are gone" },
        { 0 },
};

static const struct words_option options[] = {
        { "netns", 0, NET_ATTACH | NET_LOOPBACK, "PATH|PID", "The network namespace, or a process in it",
          .take = request_take_netns },
        { "netns", 0, NET_DETACH, "PATH|PID", "Only if the links lead to this namespace, unless it is gone",
          .take = request_take_netns },
        { "network", 0, NET_ATTACH, "NAME", "The network, which gives bridge, addresses, gateways and routes",
          .take = request_take_network },
        { "bridge", 0, NET_ATTACH, "NAME", "The bridge, without a network", .take = request_take_bridge },
        { "bridge", 0, NET_NETWORK_CREATE, "NAME", "The bridge (net-NAME)", .take = request_take_bridge },
        { "kind", 0, NET_NETWORK_CREATE, "bridge|macvlan|ipvlan|vlan", "What attach makes (a port of a bridge)",
          .take = request_take_kind },
        { "uplink", 0, NET_NETWORK_CREATE, "NAME",
          "The host's interface that links of the other kinds are on, or VXLAN goes out by",
          .take = request_take_uplink },
        { "mode", 0, NET_NETWORK_CREATE, "MODE",
          "macvlan: bridge, private, vepa, passthru (bridge); ipvlan: l2, l3, l3s (l2)", .take = request_take_mode },
        { "vxlan", 0, NET_NETWORK_CREATE, "ID", "The bridge goes on on other hosts, by VXLAN of this number",
          .take = request_take_vxlan },
        { "wireguard", 0, NET_NETWORK_CREATE, "PORT",
          "Other hosts are reached encrypted, by WireGuard on this UDP port", .take = request_take_wireguard },
        { "private-key", 0, NET_NETWORK_CREATE, "FILE",
          "Its private key, made when there is none (NAME.key beside the network)", .take = request_take_private_key },
        { "peer", 0, NET_NETWORK_CREATE | PEERS, "IP|PEER",
          "Another host: of VXLAN its address, of WireGuard \"KEY endpoint IP:PORT allowed-ips CIDR,...\" and more as "
          "after wg set LINK peer; again for more",
          .is_many = true, .take = request_take_peer },
        { "local", 0, NET_NETWORK_CREATE, "IP", "This host's address for the others", .take = request_take_local },
        { "vxlan-port", 0, NET_NETWORK_CREATE, "PORT", "UDP port of the VXLAN (4789)",
          .take = request_take_vxlan_port },
        { "vlan", 0, NET_NETWORK_CREATE, "ID", "The VLAN of its ports on the bridge, or of kind vlan on the uplink",
          .take = request_take_vlan },
        { "trunk", 0, NET_NETWORK_CREATE, "ID|FIRST-LAST,...", "VLANs whose frames its ports get with their tags",
          .take = request_take_trunk },
        { "subnet", 0, NET_NETWORK_CREATE, "CIDR", "A subnet; again for more (a free /24)", .is_many = true,
          .take = request_take_subnet },
        { "ipv6", '6', NET_NETWORK_CREATE, NULL, "A unique local IPv6 subnet too", .flag = FLAG_IPV6 },
        { "gateway", 0, NET_NETWORK_CREATE, "IP", "The bridge's address in its subnet (the first)", .is_many = true,
          .take = request_take_subnet_gateway },
        { "range", 0, NET_NETWORK_CREATE, "FIRST-LAST", "Give out only these; again for more (all)", .is_many = true,
          .take = request_take_range },
        { "exclude", 0, NET_NETWORK_CREATE, "WHAT", "Never give out this address, range or subnet; again for more",
          .is_many = true, .take = request_take_exclude },
        { "reserve", 0, NET_NETWORK_CREATE, "ID=IP", "This address is for that id only; again for more",
          .is_many = true, .take = request_take_reserve },
        { "route", 0, NET_NETWORK_CREATE, "CIDR[,IP]", "One more route, by the gateway or by IP; again for more",
          .is_many = true, .take = request_take_route },
        { "internal", 0, NET_NETWORK_CREATE, NULL, "Nothing beyond the bridge is reached", .flag = FLAG_INTERNAL },
        { "no-masquerade", 0, NET_NETWORK_CREATE, NULL, "Keep the addresses of what leaves the host",
          .flag = FLAG_NO_MASQUERADE },
        { "masquerade", 0, NET_ATTACH, NULL, "What leaves the host gets the host's address", .flag = FLAG_MASQUERADE },
        { "publish", 'p', NET_ATTACH | NET_PORT_ADD | NET_PORT_DEL, "[IP:]PORT:PORT[/PROTO]",
          "A port, or a range, of the host is one of the container; tcp, udp or sctp; again for more", .is_many = true,
          .take = request_take_publish },
        { "host-access", 0, NET_ATTACH, "[CIDR][:PORT][/PROTO]", "With --block-host: but this; again for more",
          .is_many = true, .take = request_take_host_access },
        { "allow", 0, NET_ATTACH, "[CIDR][:PORT][/PROTO]", "With --block-egress: but this; again for more",
          .is_many = true, .take = request_take_allow },
        { "allow-spoofing", 0, NET_ATTACH | NET_NETWORK_CREATE, NULL,
          "Let them send from addresses that are not theirs", .flag = FLAG_ALLOW_SPOOFING },
        { "block-host", 0, NET_ATTACH | NET_NETWORK_CREATE, NULL, "The host itself is not reached",
          .flag = FLAG_BLOCK_HOST },
        { "block-egress", 0, NET_ATTACH | NET_NETWORK_CREATE, NULL, "Nothing outside of the network is reached",
          .flag = FLAG_BLOCK_EGRESS },
        { "alias", 0, NET_ATTACH, "NAME", "One more name by which others on the network know it; again for more",
          .is_many = true, .take = request_take_alias },
        { "hosts", 0, NET_ATTACH, "FILE",
          "Keep this /etc/hosts of the container: its names, and who is on its networks", .take = request_take_hosts },
        { "resolv-conf", 0, NET_ATTACH, "FILE", "Write this /etc/resolv.conf of the container",
          .take = request_take_resolv_conf },
        { "hostname", 0, NET_ATTACH, "NAME", "Its name for itself in the hosts file", .take = request_take_hostname },
        { "ifname", 0, NET_ATTACH, "NAME", "The interface in the namespace (eth0)", .take = request_take_interface },
        { "ingress", 0, SHAPED, "RATE|none", "What goes into the container, as in 10mbit",
          .take = request_take_ingress },
        { "egress", 0, SHAPED, "RATE|none", "What comes out of it", .take = request_take_egress },
        { "ingress-burst", 0, SHAPED, "SIZE", "Goes in at once after a silence, as in 1mbit (10 ms of the rate)",
          .take = request_take_ingress_burst },
        { "egress-burst", 0, SHAPED, "SIZE", "Comes out at once after a silence", .take = request_take_egress_burst },
        { "ifname", 0, NET_BANDWIDTH | NET_DETACH | NET_STATUS | NET_PORT_ADD | NET_PORT_DEL | NET_PORT_LIST, "NAME",
          "Only this interface", .take = request_take_interface },
        { "address", 0, NET_ATTACH, "CIDR|IP",
          "An address for the interface, with its prefix length; of a network: without; again for more",
          .is_many = true, .take = request_take_address },
        { "gateway", 0, NET_ATTACH, "IP", "The default route; once for IPv4, once for IPv6", .is_many = true,
          .take = request_take_gateway },
        { "bridge-address", 0, NET_ATTACH, "CIDR", "An address that the bridge must have; again for more",
          .is_many = true, .take = request_take_bridge_address },
        { "mac", 0, NET_ATTACH, "MAC", "Hardware address of the interface (random)", .take = request_take_mac },
        { "mtu", 0, NET_ATTACH | NET_NETWORK_CREATE, "N", "Largest packet in bytes (of a network: the uplink's)",
          .take = request_take_mtu },
        { "isolate", 0, NET_ATTACH | NET_NETWORK_CREATE, NULL, "Let it reach the bridge, but no other isolated port",
          .flag = FLAG_ISOLATE },
        { "hairpin", 0, NET_ATTACH | NET_NETWORK_CREATE, NULL,
          "Let the bridge send frames back out of the port they came from", .flag = FLAG_HAIRPIN },
        { "root", 0, EVERY & ~NET_LOOPBACK, "PATH",
          "Folder of lock, records and leases (/run/netsetup); networks are then in PATH/networks",
          .take = request_take_root },
        { "json", 'j', EVERY & ~(NET_LOOPBACK | NET_HOOK), NULL, "Print the result as JSON", .flag = FLAG_JSON },
        { "help", 'h', EVERY, NULL, "Print this", .flag = FLAG_HELP },
        { 0 },
};

static const struct words_table table = { "netsetup", commands, options };

static void take_flags(unsigned flags, struct net_request *request) {
        request->port = (struct link_port){ .isolated = flags & FLAG_ISOLATE, .hairpin = flags & FLAG_HAIRPIN };
        request->is_internal = flags & FLAG_INTERNAL;
        request->wants_ipv6 = flags & FLAG_IPV6;
        if (flags & FLAG_NO_MASQUERADE)
                request->words.masquerade = (struct opt_bool){ true, false };
        request->words.allow_spoofing = flags & FLAG_ALLOW_SPOOFING;
        request->words.host_blocked = flags & FLAG_BLOCK_HOST;
        request->words.egress_blocked = flags & FLAG_BLOCK_EGRESS;
        request->policy.masquerade = flags & FLAG_MASQUERADE;
        request->policy.allow_spoofing = flags & FLAG_ALLOW_SPOOFING;
        request->policy.host_blocked = flags & FLAG_BLOCK_HOST;
        request->policy.egress_blocked = flags & FLAG_BLOCK_EGRESS;
}

int cli_read(const char *const *argv, struct cli *ret) {
        struct cli cli = { 0 };
        unsigned flags = 0;
        const char *const *word = argv + (argv[0] != NULL);
        if (*word && str_eq(*word, "plan")) {
                cli.is_plan = true;
                word++;
        }
        if (!*word)
                return fail_hint(fail_words(EINVAL, "a command is missing"), "netsetup --help lists them");
        if (str_eq(*word, "--help") || str_eq(*word, "-h") || str_eq(*word, "--version")) {
                cli.say = (*word)[2] == 'v' ? "netsetup " VERSION " (" COMMIT ")\n" : words_help(&table, NULL);
                *ret = cli;
                return 0;
        }
        if (str_eq(*word, "--bash-completion")) {
                cli.say = words_completion(&table);
                *ret = cli;
                return 0;
        }
        int used = 0;
        const struct words_command *command = words_command(&table, word, &used);
        if (!command && str_eq(*word, "network"))
                return fail_hint(fail_words(EINVAL, "network: create, delete, list or show is missing"),
                                 "netsetup --help lists them");
        if (!command && str_eq(*word, "peer"))
                return fail_hint(fail_words(EINVAL, "peer: add or del is missing"), "netsetup --help lists them");
        if (!command && str_eq(*word, "port"))
                return fail_hint(fail_words(EINVAL, "port: add, del or list is missing"), "netsetup --help lists them");
        if (!command)
                return fail_hint(fail_words(EINVAL, "%s: no such command", *word), "netsetup --help lists them");
        cli.request.command = (enum net_command)command->bit;
        int r = words_read(&table, command, word + used, &cli.request, &flags);
        cli.is_json = flags & FLAG_JSON;
        take_flags(flags, &cli.request);
        if (r == 0 && flags & FLAG_HELP)
                cli.say = words_help(&table, command);
        else if (r == 0 && cli.is_plan && cli.request.command & LOOKING)
                r = fail_words(EINVAL, "plan: %s changes nothing", command->name);
        else if (r == 0)
                r = request_check(&cli.request);
        /* An id is one container here, whatever else is attached by other faces: theirs are paths. */
        cli.request.owner.container = cli.request.command == NET_ATTACH ? cli.request.id : NULL;
        if (r < 0)
                return fail_hint(fail_in(r, "%s", command->name), "netsetup %s --help", command->name);
        *ret = cli;
        return 0;
}

static const char *or_dash(const char *text) {
        return text && *text ? text : "-";
}

enum { COLUMNS = 6 };

/* Cells with their columns aligned; the first row is the head, the last column of a row has no end. */
static void print_table(const char *const (*rows)[COLUMNS], size_t n, FILE *out) {
        int width[COLUMNS] = { 0 };
        for (size_t i = 0; i < n; i++)
                for (int c = 0; c < COLUMNS && rows[i][c]; c++)
                        width[c] = (int)strlen(rows[i][c]) > width[c] ? (int)strlen(rows[i][c]) : width[c];
        for (size_t i = 0; i < n; i++)
                for (int c = 0; c < COLUMNS && rows[i][c]; c++) {
                        if (c + 1 == COLUMNS || !rows[i][c + 1])
                                fprintf(out, "%s\n", rows[i][c]);
                        else
                                fprintf(out, "%-*s  ", width[c], rows[i][c]);
                }
}

static void print_links(const struct net_result *result, FILE *out) {
        const char *(*rows)[COLUMNS] = arena_array(result->links.n + 1, sizeof(*rows));
        static const char *const head[COLUMNS] = { "ID", "INTERFACE", "LINK", "BRIDGE", "STATE", "ADDRESSES" };
        memcpy(rows[0], head, sizeof(head));
        for (size_t i = 0; i < result->links.n; i++) {
                const struct net_link *link = &result->links.at[i];
                const char *const row[COLUMNS] = {
                        link->id,    link->interface,
                        link->link,  or_dash(link->bridge),
                        link->state, or_dash(str_join(&link->addresses, ",")),
                };
                memcpy(rows[i + 1], row, sizeof(row));
        }
        print_table((const char *const(*)[COLUMNS])rows, result->links.n + 1, out);
}

static const char *subnets_of(const struct net_network *network) {
        struct strv list = { 0 };
        for (size_t i = 0; i < network->subnets.n; i++)
                strv_add(&list, network->subnets.at[i].subnet);
        return or_dash(str_join(&list, ","));
}

static void print_networks(const struct net_networks *networks, FILE *out) {
        size_t n = networks->networks.n;
        const char *(*rows)[COLUMNS] = arena_array(n + 1, sizeof(*rows));
        static const char *const head[COLUMNS] = { "NAME", "BRIDGE", "SUBNETS", "FLAGS" };
        memcpy(rows[0], head, sizeof(head));
        for (size_t i = 0; i < n; i++) {
                const struct net_network *network = &networks->networks.at[i];
                struct strv flags = { 0 };
                if (network->kind)
                        strv_add(&flags, network->kind);
                if (network->isolate)
                        strv_add(&flags, "isolate");
                if (network->internal)
                        strv_add(&flags, "internal");
                const char *const row[COLUMNS] = { network->name, network->bridge ? network->bridge : network->uplink,
                                                   subnets_of(network), or_dash(str_join(&flags, ",")) };
                memcpy(rows[i + 1], row, sizeof(row));
        }
        print_table((const char *const(*)[COLUMNS])rows, n + 1, out);
}

static void print_network(const struct net_networks *networks, FILE *out) {
        const struct net_network *network = networks->networks.at;
        if (network->kind)
                fprintf(out, "%s\n  kind       %s\n  uplink     %s\n", network->name, network->kind, network->uplink);
        else
                fprintf(out, "%s\n  bridge     %s%s%s\n", network->name, network->bridge,
                        network->isolate ? ", isolated" : "", network->internal ? ", internal" : "");
        if (network->vxlan.id.v)
                fprintf(out, "  vxlan      %u, peers %s\n", network->vxlan.id.v,
                        or_dash(str_join(&network->vxlan.peers, ",")));
        if (network->vlan)
                fprintf(out, "  vlan       %u\n", network->vlan);
        if (network->trunk.n)
                fprintf(out, "  trunk      %s\n", str_join(&network->trunk, ","));
        if (network->wireguard.port.v)
                fprintf(out, "  wireguard  port %u, public key %s\n", network->wireguard.port.v,
                        or_dash(network->wireguard.public_key));
        for (size_t i = 0; i < network->wireguard.peers.n; i++)
                fprintf(out, "  peer       %s\n", wireguard_peer_words(&network->wireguard.peers.at[i]));
        if (network->mode)
                fprintf(out, "  mode       %s\n", network->mode);
        for (size_t i = 0; i < network->subnets.n; i++)
                fprintf(out, "  subnet     %s, gateway %s\n", network->subnets.at[i].subnet,
                        or_dash(network->subnets.at[i].gateway));
        for (size_t i = 0; i < networks->leases.n; i++) {
                const struct net_lease *lease = &networks->leases.at[i];
                fprintf(out, "  lease      %s %s %s\n", lease->address, lease->id ? lease->id : lease->link,
                        or_dash(lease->interface));
        }
}

static void print_collected(const struct net_collected *collected, FILE *out) {
        for (size_t i = 0; i < collected->links.n; i++)
                fprintf(out, "%s of %s\n", collected->links.at[i].interface, collected->links.at[i].id);
        for (size_t i = 0; i < collected->bridges.n; i++)
                fprintf(out, "bridge %s\n", collected->bridges.at[i]);
        if (collected->leases)
                fprintf(out, "%llu leases\n", (unsigned long long)collected->leases);
}

static void print_ports(const struct net_link *link, FILE *out) {
        for (size_t i = 0; i < link->publish.n; i++)
                fprintf(out, "%s\n", policy_publish_words(&link->publish.at[i]));
}

static void print_link(const struct net_link *link, FILE *out) {
        fprintf(out, "%s %s\n  link       %s, %s\n  bridge     %s%s%s\n", link->id, link->interface, link->link,
                link->state, or_dash(link->bridge), link->isolated ? ", isolated" : "",
                link->hairpin ? ", hairpin" : "");
        fprintf(out, "  mac        %s\n  mtu        %u\n", or_dash(link->mac), link->mtu);
        for (size_t i = 0; i < link->addresses.n; i++)
                fprintf(out, "  address    %s\n", link->addresses.at[i]);
        if (shape_words(&link->bandwidth))
                fprintf(out, "  bandwidth  %s\n", shape_words(&link->bandwidth));
}

static void print_json(const struct cli *cli, const struct net_result *result, FILE *out) {
        if (cli->request.command & NETWORKS)
                fputs(json_write(&result->networks, &net_networks_type, true), out);
        else if (cli->request.command == NET_GC)
                fputs(json_write(&result->collected, &net_collected_type, true), out);
        else
                fputs(json_write(result, &net_result_type, true), out);
}

void cli_print(const struct cli *cli, const struct net_result *result, FILE *out) {
        enum net_command command = cli->request.command;
        if (cli->is_json)
                print_json(cli, result, out);
        else if (command == NET_LIST)
                print_links(result, out);
        else if (command == NET_NETWORK_LIST)
                print_networks(&result->networks, out);
        else if (command == NET_NETWORK_SHOW)
                print_network(&result->networks, out);
        else if (command == NET_PORT_LIST)
                print_ports(result->links.at, out);
        else if (command == NET_GC)
                print_collected(&result->collected, out);
        else if (command == NET_STATUS)
                for (size_t i = 0; i < result->links.n; i++)
                        print_link(&result->links.at[i], out);
}
