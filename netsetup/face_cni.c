#include "netsetup/face_cni.h"
#include "netsetup/names.h"
#include "netsetup/net.h"
#include "netsetup/netns.h"
#include "netsetup/record.h"
#include "netsetup/shape.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* --- ADD -----------------------------------------------------------------------------------------------------------
 */
static void add_interface(struct cni_result *result, struct cni_interface interface) {
        size_t size = result->interfaces.n * sizeof(interface);
        result->interfaces.at = arena_grow(result->interfaces.at, size, size + sizeof(interface));
        result->interfaces.at[result->interfaces.n++] = interface;
}

static void add_address(struct cni_result *result, struct cni_address address) {
        size_t size = result->addresses.n * sizeof(address);
        result->addresses.at = arena_grow(result->addresses.at, size, size + sizeof(address));
        result->addresses.at[result->addresses.n++] = address;
}

static void add_route(struct cni_result *result, struct cni_route route) {
        size_t size = result->routes.n * sizeof(route);
        result->routes.at = arena_grow(result->routes.at, size, size + sizeof(route));
        result->routes.at[result->routes.n++] = route;
}

/* The gateway that lies in the subnet of the address; NULL when there is none. */
static const char *gateway_of(const struct net_link *link, const char *address) {
        struct net_address subnet, gateway;
        if (address_parse_cidr(address, &subnet))
                return NULL;
        for (size_t i = 0; i < link->gateways.n; i++)
                if (!address_parse_host(link->gateways.at[i], &gateway) && address_is_within(&gateway, &subnet))
                        return link->gateways.at[i];
        return NULL;
}

static void add_routes(const struct cni *cni, const struct net_link *link, struct cni_result *result) {
        for (size_t i = 0; i < link->gateways.n && cni->conf.is_default_gateway; i++)
                add_route(result, (struct cni_route){
                                          .destination = strchr(link->gateways.at[i], ':') ? "::/0" : "0.0.0.0/0",
                                          .gateway = link->gateways.at[i],
                                  });
        for (size_t i = 0; i < cni->network.routes.n; i++)
                add_route(result, (struct cni_route){
                                          .destination = cni->network.routes.at[i].destination,
                                          .gateway = cni->network.routes.at[i].gateway,
                                  });
}

static int coded(struct cni *cni, enum cni_code number, int r) {
        if (r < 0 && !cni->code)
                cni->code = number;
        return r;
}

static bool says_dns(const struct net_dns *dns) {
        return dns->nameservers.n || dns->search.n || dns->options.n || dns->domain;
}

/* What the runtime says goes before what the configuration says, and that before what comes with the addresses. */
static int find_dns(struct cni *cni) {
        const struct cni_runtime_dns *runtime = &cni->conf.runtime.dns;
        const struct cni_ipam *ipam = cni->conf.ipam;
        struct net_dns *dns = &cni->network.dns;
        char *text = NULL;
        if (!says_dns(dns) && ipam)
                *dns = ipam->dns;
        if (!says_dns(dns) && ipam && ipam->resolv_conf && *ipam->resolv_conf) {
                int r = read_file_at(AT_FDCWD, ipam->resolv_conf, NAMES_SERVERS_MAX, &text, NULL);
                if (r < 0)
                        return coded(cni, CNI_IO, fail_in(r, "ipam.resolvConf"));
                names_read(text, dns);
        }
        if (runtime->servers.n)
                dns->nameservers = runtime->servers;
        if (runtime->searches.n)
                dns->search = runtime->searches;
        if (runtime->options.n)
                dns->options = runtime->options;
        return 0;
}

/* In a chain: behind what those before have said. */
static struct cni_result build_result(const struct cni *cni, const struct net_result *made) {
        struct cni_result result = { 0 };
        const struct net_link *link = made->links.at;
        assert(link);
        bool is_old = str_eq(cni->version, "0.4.0"), has_mtu = str_eq(cni->version, "1.1.0");
        if (cni->conf.previous)
                result = *cni->conf.previous;
        result.version = cni->version;
        if (link->bridge) {
                add_interface(&result, (struct cni_interface){ .name = link->bridge, .mac = made->bridge_mac });
                add_interface(&result, (struct cni_interface){ .name = link->link, .mac = made->link_mac });
        }
        struct opt_u32 inside = { true, (uint32_t)result.interfaces.n };
        add_interface(&result, (struct cni_interface){
                                       .name = link->interface,
                                       .mac = link->mac,
                                       .mtu = { has_mtu, link->mtu },
                                       .sandbox = cni->request.netns,
                               });
        for (size_t i = 0; i < link->addresses.n; i++)
                add_address(&result, (struct cni_address){
                                             .interface = inside,
                                             .address = link->addresses.at[i],
                                             .gateway = gateway_of(link, link->addresses.at[i]),
                                     });
        for (size_t i = 0; i < result.addresses.n; i++)
                result.addresses.at[i].version = !is_old                                       ? NULL
                                                 : strchr(result.addresses.at[i].address, ':') ? "6"
                                                                                               : "4";
        add_routes(cni, link, &result);
        if (says_dns(&cni->network.dns))
                result.dns = cni->network.dns;
        return result;
}

static enum cni_code code_of(int r) {
        switch (-r) {
        case EPERM:
        case EACCES:
                return CNI_NOT_PERMITTED;
        case ENOSPC:
                return CNI_NO_ADDRESS;
        case EADDRINUSE:
                return CNI_IN_USE;
        case EEXIST:
                return CNI_EXISTS;
        case EAGAIN:
                return CNI_TRY_LATER;
        case EINVAL:
                return CNI_BAD_CONFIG;
        default:
                return CNI_FAILED;
        }
}

/* A container that is not there is said with a code of its own: its runtime need not clean up. */
static int find_container(struct cni *cni) {
        autofd netns = -1;
        int r = netns_open(cni->request.netns, &netns);
        if (r == 0 && netns_is_own(netns))
                r = fail_words(EINVAL, "CNI_NETNS %s: the network namespace of the host", cni->request.netns);
        return coded(cni, r == -ENOENT || r == -ESRCH ? CNI_NO_CONTAINER : CNI_BAD_ENVIRONMENT, r);
}

static int run_request(struct cni *cni, enum net_command command, struct net_result *ret) {
        cni->request.command = command;
        int r = request_check(&cni->request);
        if (r == 0)
                r = net_run(&cni->request, NULL, ret);
        return coded(cni, code_of(r), r);
}

/* In front of what those before have said, for runtimes that ask no more of it. */
static void print_loopback(const struct cni *cni, FILE *out) {
        struct cni_result result = { .version = cni->version };
        const struct opt_u32 first = { true, 0 };
        bool is_old = str_eq(cni->version, "0.4.0");
        add_interface(&result, (struct cni_interface){
                                       .name = "lo", .mac = "00:00:00:00:00:00", .sandbox = cni->request.netns });
        add_address(&result, (struct cni_address){
                                     .interface = first, .address = "127.0.0.1/8", .version = is_old ? "4" : NULL });
        add_address(&result,
                    (struct cni_address){ .interface = first, .address = "::1/128", .version = is_old ? "6" : NULL });
        if (cni->conf.previous)
                result = *cni->conf.previous;
        result.version = cni->version;
        fputs(json_write(&result, &cni_result_type, true), out);
}

static int run_add(struct cni *cni, FILE *out) {
        struct net_result made = { 0 };
        int r = find_container(cni);
        cni->request.config = &cni->network;
        if (r == 0 && !cni->is_loopback)
                r = find_dns(cni);
        if (r < 0 || (r = run_request(cni, cni->is_loopback ? NET_LOOPBACK : NET_ATTACH, &made)) < 0)
                return r;
        if (cni->is_loopback) {
                print_loopback(cni, out);
                return 0;
        }
        const struct cni_result result = build_result(cni, &made);
        fputs(json_write(&result, &cni_result_type, true), out);
        return 0;
}

/* --- CHECK ---------------------------------------------------------------------------------------------------------
 */
static bool is_ours(const struct cni *cni, const struct cni_interface *interface) {
        return str_eq(interface->name, cni->request.interface) && interface->sandbox && *interface->sandbox;
}

static bool has_address(const struct net_link *link, const char *wanted) {
        struct net_address a, b;
        if (address_parse_cidr(wanted, &a))
                return false;
        for (size_t i = 0; i < link->addresses.n; i++)
                if (!address_parse_cidr(link->addresses.at[i], &b) && address_is_same(&a, &b) && a.prefix == b.prefix)
                        return true;
        return false;
}

static int check_interface(const struct cni *cni, const struct net_link *link) {
        const struct cni_result *previous = cni->conf.previous;
        size_t ours = 0;
        while (ours < previous->interfaces.n && !is_ours(cni, &previous->interfaces.at[ours]))
                ours++;
        if (ours == previous->interfaces.n)
                return fail_words(EINVAL, "prevResult: no interface %s in a sandbox", cni->request.interface);
        const char *mac = previous->interfaces.at[ours].mac;
        if (mac && *mac && (!link->mac || strcasecmp(mac, link->mac) != 0))
                return fail_words(ENODEV, "%s has hardware address %s, not %s", link->interface,
                                  link->mac ? link->mac : "-", mac);
        if (!str_eq(link->state, "up"))
                return fail_words(ENODEV, "link %s is %s", link->link, link->state);
        if (cni->network.bridge && (!link->bridge || !str_eq(link->bridge, cni->network.bridge)))
                return fail_words(ENODEV, "link %s is on bridge %s, not %s", link->link,
                                  link->bridge ? link->bridge : "-", cni->network.bridge);
        for (size_t i = 0; i < previous->addresses.n; i++) {
                const struct cni_address *address = &previous->addresses.at[i];
                if (address->interface.set && address->interface.v == ours && !has_address(link, address->address))
                        return fail_words(ENODEV, "%s has no address %s", link->interface, address->address);
        }
        return 0;
}

static bool has_route(const struct nl_reply *reply, const struct net_address *wanted) {
        struct net_found_route route;
        for (size_t i = 0; i < reply->n; i++)
                if (route_read(reply->messages[i], &route) && route.destination.prefix == wanted->prefix &&
                    address_is_same(&route.destination, wanted))
                        return true;
        return false;
}

static int check_routes(const struct cni *cni) {
        autofd netns = -1;
        autonl inside = { 0 };
        struct nl_reply reply[2];
        static const int families[2] = { AF_INET, AF_INET6 };
        int r = netns_open(cni->request.netns, &netns);
        if (r == 0)
                r = netns_socket(netns, &inside);
        for (size_t i = 0; r == 0 && i < 2; i++) {
                struct nl_batch batch = { 0 };
                route_put_dump(&batch, families[i]);
                r = nl_run(&inside, &batch, &reply[i]);
        }
        for (size_t i = 0; r == 0 && i < cni->conf.previous->routes.n; i++) {
                const char *destination = cni->conf.previous->routes.at[i].destination;
                struct net_address wanted;
                const char *why = address_parse_subnet(destination, &wanted);
                if (why)
                        return fail_words(EINVAL, "prevResult: route %s: %s", destination, why);
                if (!has_route(&reply[wanted.family == AF_INET6], &wanted))
                        return fail_words(ENODEV, "there is no route to %s", destination);
        }
        return r;
}

static int check_bandwidth(const struct net_policy *policy) {
        autonl host = { 0 };
        int r = shape_words(&policy->bandwidth) ? nl_open(&host) : 0;
        return r == 0 && host.socket ? shape_look(&host, policy) : r;
}

/* The record and with it the leases: whoever has lost them could be given another one's address. */
static int check_record(const struct cni *cni) {
        autofd attached = -1;
        struct net_record record;
        int r = record_look(cni->request.root, &attached);
        if (r == RECORD_FOUND)
                r = record_read(attached, cni->request.id, cni->request.interface, &record);
        if (r < 0)
                return r;
        if (r == RECORD_ABSENT)
                return fail_words(ENODEV, "there is no record of it");
        if (!record.network || !str_eq(record.network, cni->network.name))
                return fail_words(ENODEV, "it is attached to network %s, not %s", record.network ? record.network : "-",
                                  cni->network.name);
        return check_bandwidth(&record.policy);
}

static int check_loopback(struct cni *cni) {
        autofd netns = -1;
        autonl inside = { 0 };
        struct link_info link;
        int r = netns_open(cni->request.netns, &netns);
        if (r == 0 && (r = netns_socket(netns, &inside)) == 0 && (r = link_get(&inside, "lo", &link)) == 0)
                r = link.flags & IFF_UP ? 0 : fail_words(ENODEV, "lo is down");
        return coded(cni, r == -ENODEV ? CNI_DIFFERENT : code_of(r), r);
}

static int run_check(struct cni *cni) {
        struct net_result found = { 0 };
        int r = find_container(cni);
        if (r < 0 || cni->is_loopback)
                return r < 0 ? r : check_loopback(cni);
        cni->request.command = NET_STATUS;
        if ((r = request_check(&cni->request)) == 0)
                r = net_run(&cni->request, NULL, &found);
        if (r == 0)
                r = check_interface(cni, found.links.at);
        if (r == 0)
                r = check_routes(cni);
        if (r == 0)
                r = check_record(cni);
        return coded(cni, r == -ENODEV ? CNI_DIFFERENT : code_of(r), r);
}

/* --- DEL, GC, STATUS, VERSION --------------------------------------------------------------------------------------
 */
static int run_delete(struct cni *cni) {
        struct net_result gone = { 0 };
        /* By container and interface alone: its namespace may be gone, and its number another one's. */
        cni->request.netns = NULL;
        cni->request.is_quiet = true;
        return run_request(cni, NET_DETACH, &gone);
}

/* Of this network, what the runtime does not know is none of its containers any more. */
static bool is_valid(const struct net_record *record, const void *data) {
        const struct cni *cni = data;
        if (!str_eq(record->face, "cni") || !record->network || !str_eq(record->network, cni->conf.name))
                return true;
        for (size_t i = 0; i < cni->valid.list.n; i++)
                if (str_eq(cni->valid.list.at[i].id, record->policy.id) &&
                    str_eq(cni->valid.list.at[i].interface, record->policy.interface))
                        return true;
        return false;
}

static int run_gc(struct cni *cni) {
        struct net_result gone = { 0 };
        /* Without the list (cnitool gc) nobody says that something that lives is over. */
        cni->request.keep = cni->conf.valid.text ? is_valid : NULL;
        cni->request.keep_data = cni;
        return run_request(cni, NET_GC, &gone);
}

/* What an ADD needs: rights, a folder of state, a kernel that talks. */
static int run_status(struct cni *cni) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { 0 };
        autofd root = -1;
        autonl nl = { 0 };
        cni->request.command = NET_GC;
        int r = request_check(&cni->request);
        if (r == 0 && syscall(SYS_capget, &header, data) < 0)
                r = fail(errno, "look at capabilities");
        if (r == 0 && (!(data[0].effective & 1U << CAP_NET_ADMIN) || !(data[0].effective & 1U << CAP_SYS_ADMIN)))
                r = fail_words(EPERM, "CAP_NET_ADMIN and CAP_SYS_ADMIN are needed");
        if (r == 0)
                r = record_root(cni->request.root, &root);
        if (r == 0)
                r = nl_open(&nl);
        return coded(cni, CNI_NOT_AVAILABLE, r);
}

static int run_version(const struct cni *cni, FILE *out) {
        struct cni_versions versions = { .version = cni->version };
        strv_add(&versions.supported, "0.4.0");
        strv_add(&versions.supported, "1.0.0");
        strv_add(&versions.supported, "1.1.0");
        fputs(json_write(&versions, &cni_versions_type, true), out);
        return 0;
}

static int run(struct cni *cni, FILE *out) {
        switch (cni->command) {
        case CNI_ADD:
                return run_add(cni, out);
        case CNI_DEL:
                return run_delete(cni);
        case CNI_CHECK:
                return run_check(cni);
        case CNI_GC:
                return run_gc(cni);
        case CNI_STATUS:
                return run_status(cni);
        case CNI_VERSION:
                return run_version(cni, out);
        }
        return fail_words(EINVAL, "no command");
}

int cni_main(FILE *out) {
        const struct cni_environment environment = {
                .command = getenv("CNI_COMMAND"),
                .container = getenv("CNI_CONTAINERID"),
                .netns = getenv("CNI_NETNS"),
                .interface = getenv("CNI_IFNAME"),
                .arguments = getenv("CNI_ARGS"),
        };
        struct cni cni = { .version = "1.1.0" };
        char *text = NULL;
        size_t size = 0;
        int r = coded(&cni, CNI_IO, read_fd(0, JSON_MAX_SIZE, &text, &size));
        if (r == 0)
                r = cni_read(&environment, text, size, &cni);
        if (r == 0)
                r = run(&cni, out);
        if (r == 0 && fflush(out) != 0)
                r = coded(&cni, CNI_IO, fail(errno, "write to standard output"));
        if (r == 0)
                return 0;
        const struct cni_error error = { cni.version, cni.code ? cni.code : CNI_FAILED, err_message(), err_hint() };
        fputs(json_write(&error, &cni_error_type, true), out);
        return fflush(out) != 0 || r < 0;
}
