#include "netsetup/direct.h"
#include "netsetup/face_cni.h"
#include "netsetup/ipam.h"
#include "netsetup/shape.h"
#include "netsetup/vlan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *const versions[] = { "0.4.0", "1.0.0", "1.1.0" };
enum { VERSIONS = sizeof(versions) / sizeof(versions[0]) };

/* What went wrong, by the specification's numbers; r is passed on. */
static int code(struct cni *cni, enum cni_code number, int r) {
        if (r < 0 && !cni->code)
                cni->code = number;
        return r;
}

/* --- the environment -----------------------------------------------------------------------------------------------
 */
static const struct {
        const char *name;
        bool wants_container, wants_netns;
        size_t since; /* index of versions */
} commands[] = {
        [CNI_ADD] = { "ADD", true, true, 0 },         [CNI_DEL] = { "DEL", true, false, 0 },
        [CNI_CHECK] = { "CHECK", true, true, 0 },     [CNI_GC] = { "GC", false, false, 2 },
        [CNI_STATUS] = { "STATUS", false, false, 2 }, [CNI_VERSION] = { "VERSION", false, false, 0 },
};

static int read_command(const char *word, struct cni *ret) {
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
                if (str_eq(commands[i].name, word)) {
                        ret->command = (enum cni_command)i;
                        return 0;
                }
        return fail_words(EINVAL, "CNI_COMMAND %s: not ADD, DEL, CHECK, GC, STATUS or VERSION", word);
}

static bool is_missing(const char *text) {
        return !text || *text == '\0';
}

static int read_environment(const struct cni_environment *in, struct cni *ret) {
        struct net_request *request = &ret->request;
        if (commands[ret->command].wants_container) {
                if (is_missing(in->container))
                        return fail_words(EINVAL, "CNI_CONTAINERID is missing");
                if (is_missing(in->interface))
                        return fail_words(EINVAL, "CNI_IFNAME is missing");
                int r = request_take_id(request, in->container);
                if (r < 0 || (r = request_take_interface(request, in->interface)) < 0)
                        return fail_in(r, "%s", request->interface ? "CNI_IFNAME" : "CNI_CONTAINERID");
                if (!isalnum((unsigned char)in->container[0]))
                        return fail_words(EINVAL, "CNI_CONTAINERID %s: begins with no letter and no digit",
                                          in->container);
        }
        if (commands[ret->command].wants_netns && is_missing(in->netns))
                return fail_words(EINVAL, "CNI_NETNS is missing");
        request->netns = is_missing(in->netns) ? NULL : in->netns;
        return 0;
}

/* An address that is asked for, with or without a prefix length. */
static int take_fixed(struct net_request *request, const char *word) {
        const char *slash = strchr(word, '/');
        return request_take_address(request, slash ? arena_strndup(word, (size_t)(slash - word)) : word);
}

static int take_mac(struct net_request *request, const char *word) {
        return is_missing(word) ? 0 : request_take_mac(request, word);
}

static int take_argument(struct cni *cni, const char *key, const char *value) {
        if (str_eq(key, "MAC"))
                return take_mac(&cni->request, value);
        struct strv words = str_split(value, ',', true);
        int r = 0;
        for (size_t i = 0; r == 0 && i < words.n; i++)
                r = take_fixed(&cni->request, words.at[i]);
        return r;
}

/* "IgnoreUnknown=1;IP=10.1.0.7;MAC=..." */
static int read_arguments(const char *text, struct cni *ret) {
        struct strv pairs = str_split(text ? text : "", ';', true);
        const char *unknown = NULL;
        bool ignores = false;
        for (size_t i = 0; i < pairs.n; i++) {
                const char *equals = strchr(pairs.at[i], '=');
                if (!equals)
                        return fail_words(EINVAL, "CNI_ARGS: %s: no =", pairs.at[i]);
                const char *key = arena_strndup(pairs.at[i], (size_t)(equals - pairs.at[i])), *value = equals + 1;
                if (str_eq(key, "IgnoreUnknown")) {
                        ignores = str_eq(value, "1") || str_eq(value, "true") || str_eq(value, "True") ||
                                  str_eq(value, "TRUE") || str_eq(value, "t") || str_eq(value, "T");
                } else if (str_eq(key, "IP") || str_eq(key, "MAC")) {
                        int r = take_argument(ret, key, value);
                        if (r < 0)
                                return fail_in(r, "CNI_ARGS");
                } else {
                        unknown = key;
                }
        }
        return unknown && !ignores ? fail_words(EINVAL, "CNI_ARGS: %s is unknown (and no IgnoreUnknown=1)", unknown)
                                   : 0;
}

/* --- the version ---------------------------------------------------------------------------------------------------
 */
static int read_version(struct cni *cni) {
        const char *asked = cni->conf.version ? cni->conf.version : "0.1.0";
        struct strv known = { 0 };
        for (size_t i = 0; i < VERSIONS; i++) {
                strv_add(&known, versions[i]);
                if (!str_eq(versions[i], asked))
                        continue;
                cni->version = versions[i];
                if (i < commands[cni->command].since)
                        return fail_words(EINVAL, "cniVersion %s: %s came with %s", asked, commands[cni->command].name,
                                          versions[commands[cni->command].since]);
                return 0;
        }
        return fail_words(EINVAL, "cniVersion %s: not one of %s", asked, str_join(&known, ", "));
}

/* --- the network ---------------------------------------------------------------------------------------------------
 */
static void add_subnet(struct net_network *network, const struct cni_range *range, uint32_t set) {
        size_t size = network->subnets.n * sizeof(*network->subnets.at);
        network->subnets.at = arena_grow(network->subnets.at, size, size + sizeof(*network->subnets.at));
        struct net_subnet *subnet = &network->subnets.at[network->subnets.n++];
        *subnet = (struct net_subnet){ .subnet = range->subnet, .gateway = range->gateway, .set = set };
        if (!is_missing(range->start) || !is_missing(range->end))
                strv_add(&subnet->ranges,
                         str_format("%s-%s", range->start ? range->start : "", range->end ? range->end : ""));
}

static int add_sets(struct net_network *network, const char *text, const char *what) {
        struct cni_range_set *sets = NULL;
        size_t n = 0;
        int r = cni_range_sets(text, what, &sets, &n);
        uint32_t next = network->subnets.n ? network->subnets.at[network->subnets.n - 1].set : 0;
        for (size_t i = 0; r == 0 && i < n; i++) {
                next++;
                for (size_t j = 0; j < sets[i].ranges.n; j++)
                        add_subnet(network, &sets[i].ranges.at[j], next);
        }
        return r;
}

static int read_ranges(struct cni *cni) {
        const struct cni_ipam *ipam = cni->conf.ipam;
        struct net_network *network = &cni->network;
        int r = add_sets(network, cni->conf.runtime.ranges.text, "runtimeConfig.ipRanges");
        if (ipam->subnet) {
                const struct cni_range range = { ipam->subnet, ipam->start, ipam->end, ipam->gateway };
                uint32_t last = network->subnets.n ? network->subnets.at[network->subnets.n - 1].set : 0;
                add_subnet(network, &range, last + 1);
        }
        return r < 0 ? r : add_sets(network, ipam->ranges.text, "ipam.ranges");
}

/* The addresses of the ipam type "static": nothing is leased. */
static int read_static(struct cni *cni) {
        struct net_request *request = &cni->request;
        int r = 0;
        for (size_t i = 0; r == 0 && i < cni->conf.ipam->addresses.n; i++) {
                const struct cni_address *in = &cni->conf.ipam->addresses.at[i];
                if (!strchr(in->address, '/'))
                        return fail_words(EINVAL, "ipam.addresses[%zu]: address %s: no prefix length", i, in->address);
                r = request_take_address(request, in->address);
                if (r == 0 && !is_missing(in->gateway))
                        r = request_take_gateway(request, in->gateway);
        }
        return r;
}

static bool is_default(const char *destination) {
        return str_eq(destination, "0.0.0.0/0") || str_eq(destination, "::/0");
}

static void read_routes(struct cni *cni) {
        const struct cni_conf *conf = &cni->conf;
        struct net_network *network = &cni->network;
        network->routes.at = arena_array(conf->ipam->routes.n + 1, sizeof(*network->routes.at));
        for (size_t i = 0; i < conf->ipam->routes.n; i++) {
                const struct cni_route *in = &conf->ipam->routes.at[i];
                const char *gateway = is_missing(in->gateway) ? NULL : in->gateway;
                /* isDefaultGateway is that route already. */
                if (!(conf->is_default_gateway && !gateway && is_default(in->destination)))
                        network->routes.at[network->routes.n++] = (struct net_route){ in->destination, gateway };
        }
}

static int read_ipam(struct cni *cni) {
        const struct cni_ipam *ipam = cni->conf.ipam;
        if (!ipam)
                return 0;
        read_routes(cni);
        const char *type = ipam->type ? ipam->type : "";
        if (str_eq(type, "static"))
                return read_static(cni);
        if (*type && !str_eq(type, "host-local") && !str_eq(type, "netsetup"))
                return code(cni, CNI_UNSUPPORTED,
                            fail_words(ENOTSUP,
                                       "ipam.type %s: only host-local (done here), static and netsetup are "
                                       "supported",
                                       type));
        int r = read_ranges(cni);
        if (r == 0 && *type && cni->network.subnets.n == 0)
                r = fail_words(EINVAL, "ipam: no subnet and no ranges");
        return r;
}

static int read_ports(struct cni *cni) {
        const struct cni_runtime *runtime = &cni->conf.runtime;
        struct net_policy *policy = &cni->request.policy;
        policy->publish.at = arena_array(runtime->ports.n + 1, sizeof(*policy->publish.at));
        for (size_t i = 0; i < runtime->ports.n; i++) {
                const struct cni_port *in = &runtime->ports.at[i];
                if (in->host_port < 1 || in->host_port > 65535 || in->container_port < 1 || in->container_port > 65535)
                        return fail_words(EINVAL, "runtimeConfig.portMappings[%zu]: port %u:%u: not in 1..65535", i,
                                          in->host_port, in->container_port);
                policy->publish.at[policy->publish.n++] = (struct net_publish){
                        .protocol = is_missing(in->protocol) ? "tcp" : in->protocol,
                        .host = is_missing(in->host) ? NULL : in->host,
                        .host_port = in->host_port,
                        .inside_port = in->container_port,
                        .count = 1,
                };
        }
        return 0;
}

/* A plugin that is installed under the name of another one is asked for that one's work. */
static const char *kind_of(const struct cni_conf *conf) {
        static const char *const types[] = { "macvlan", "ipvlan", "vlan", "loopback" };
        if (!is_missing(conf->kind))
                return conf->kind;
        for (size_t i = 0; !is_missing(conf->type) && i < sizeof(types) / sizeof(types[0]); i++)
                if (str_eq(conf->type, types[i]))
                        return types[i];
        return "bridge";
}

static bool is_bridge(const struct cni *cni) {
        return str_eq(kind_of(&cni->conf), "bridge");
}

static int read_trunk(struct cni *cni) {
        for (size_t i = 0; i < cni->conf.trunk.n; i++) {
                const struct cni_trunk *in = &cni->conf.trunk.at[i];
                if (in->id ? in->first || in->last : !in->first || in->last < in->first)
                        return fail_words(EINVAL, "vlanTrunk[%zu]: neither id nor minID and maxID", i);
                strv_add(&cni->network.trunk,
                         in->id ? str_format("%u", in->id) : str_format("%u-%u", in->first, in->last));
        }
        return 0;
}

/* What is asked for beside the environment, and cannot be had. */
static int check_supported(const struct cni_conf *conf) {
        const char *what = conf->no_interface  ? "disableContainerInterface"
                           : conf->link_inside ? "linkInContainer"
                           : conf->shaped.n    ? "shapedSubnets"
                           : conf->unshaped.n  ? "unshapedSubnets"
                                               : NULL;
        return what ? fail_words(ENOTSUP, "%s: not supported", what) : 0;
}

/* Runtimes that are told a rate only say the largest burst that they can. */
static void fit_burst(struct opt_u64 *burst) {
        if (burst->v >= INT32_MAX)
                *burst = (struct opt_u64){ 0 };
}

/* Each direction as the runtime says, or else the configuration. */
static int read_bandwidth(struct cni *cni) {
        struct net_bandwidth *now = &cni->network.bandwidth;
        *now = shape_merge(&cni->conf.bandwidth, &cni->conf.runtime.bandwidth);
        fit_burst(&now->ingress_burst);
        fit_burst(&now->egress_burst);
        int r = shape_check(now);
        return r < 0 ? fail_in(r, "bandwidth") : 0;
}

static int read_wishes(struct cni *cni) {
        const struct cni_runtime *runtime = &cni->conf.runtime;
        const struct cni_words *words = &cni->conf.arguments.cni;
        const struct strv *lists[] = { &runtime->addresses, &words->addresses };
        struct strv aliases = { 0 };
        int r = take_mac(&cni->request, runtime->mac);
        if (r == 0 && !cni->request.has_mac)
                r = take_mac(&cni->request, words->mac);
        for (size_t i = 0; i < 2; i++)
                for (size_t j = 0; r == 0 && j < lists[i]->n && !(i && lists[0]->n); j++)
                        r = take_fixed(&cni->request, lists[i]->at[j]);
        if (r == 0)
                r = cni_aliases(runtime->aliases.text, cni->conf.name, &aliases);
        for (size_t i = 0; r == 0 && i < aliases.n; i++)
                r = request_take_alias(&cni->request, aliases.at[i]);
        return r;
}

static void shape(struct cni *cni) {
        const struct cni_conf *conf = &cni->conf;
        struct net_network *network = &cni->network;
        bool is_given = conf->check_spoofing.set;
        bool is_plain = !conf->ipam || (network->subnets.n == 0 && cni->request.addresses.n == 0);
        if (is_bridge(cni))
                network->bridge = is_missing(conf->bridge) ? "cni0" : conf->bridge;
        else
                network->kind = kind_of(conf);
        network->uplink = is_missing(conf->master) ? NULL : conf->master;
        network->mode = is_missing(conf->mode) ? NULL : conf->mode;
        network->vlan = conf->vlan_id ? conf->vlan_id : conf->vlan;
        network->default_vlan = conf->default_vlan && (network->vlan || network->trunk.n);
        network->mtu = conf->mtu;
        network->isolate = conf->isolate;
        network->internal = conf->internal;
        network->hairpin = conf->hairpin;
        network->masquerade = (struct opt_bool){ true, conf->masquerade };
        /* Without addresses of ours nobody knows what it may send from. */
        network->allow_spoofing = is_given ? !conf->check_spoofing.v : is_plain || network->trunk.n;
        network->host_blocked = conf->host_blocked;
        network->egress_blocked = conf->egress_blocked;
        network->host_access.at = conf->host_access.at;
        network->host_access.n = conf->host_access.n;
        network->egress.at = conf->egress.at;
        network->egress.n = conf->egress.n;
        network->dns = conf->dns;
        cni->request.has_no_default = !conf->is_default_gateway;
        cni->request.has_no_bridge_address = !conf->is_gateway && !conf->is_default_gateway;
}

/* What fits together, in the words of the configuration. */
static int check_kind(const struct cni *cni) {
        struct net_request unused = { 0 };
        const struct net_network *network = &cni->network;
        if (network->kind && !network->uplink)
                return fail_words(EINVAL, "kind %s: master is missing", network->kind);
        int r = network->kind && network->uplink ? request_take_uplink(&unused, network->uplink) : 0;
        if (r == 0)
                r = direct_check_network(network);
        return r == 0 ? vlan_check(network) : r;
}

/* ADD and CHECK: all that the configuration says. */
static int read_network(struct cni *cni) {
        struct net_request unused = { 0 };
        struct ipam_pool pool;
        int r = code(cni, CNI_UNSUPPORTED, check_supported(&cni->conf));
        if (r == 0 && str_eq(kind_of(&cni->conf), "loopback")) {
                cni->is_loopback = true;
                return 0;
        }
        if (r < 0 || (r = read_trunk(cni)) < 0 || (r = read_ipam(cni)) < 0 || (r = read_ports(cni)) < 0 ||
            (r = read_wishes(cni)) < 0 || (r = read_bandwidth(cni)) < 0)
                return r;
        shape(cni);
        if ((cni->network.bridge && (r = request_take_bridge(&unused, cni->network.bridge)) < 0) ||
            (r = check_kind(cni)) < 0 || (r = ipam_pool(&cni->network, &pool)) < 0)
                return r;
        if (cni->conf.mtu && cni->conf.mtu < 68)
                return fail_words(EINVAL, "mtu %u: not a number in 68..65535", cni->conf.mtu);
        if (cni->request.fixed.n && pool.n == 0)
                return fail_words(EINVAL, "address %s: the network has no subnet", cni->request.fixed.at[0].text);
        return 0;
}

static int read_conf(struct cni *cni) {
        struct net_request *request = &cni->request;
        if (is_missing(cni->conf.name))
                return fail_words(EINVAL, "name is missing");
        int r = request_take_network(request, cni->conf.name);
        if (r < 0)
                return r;
        cni->network.name = cni->conf.name;
        if (cni->command == CNI_GC && !cni->conf.valid.text)
                cni->conf.valid = cni->conf.attachments;
        if (cni->command == CNI_GC && !cni->conf.valid.text)
                return 0;
        if (cni->command == CNI_GC)
                return cni_attachments(cni->conf.valid.text, "cni.dev/valid-attachments", &cni->valid);
        if (cni->command == CNI_CHECK && !cni->conf.previous)
                return fail_words(EINVAL, "prevResult is missing");
        if (cni->command == CNI_DEL)
                return 0;
        return read_network(cni);
}

int cni_read(const struct cni_environment *environment, const char *text, size_t size, struct cni *ret) {
        *ret = (struct cni){ .version = versions[VERSIONS - 1], .request.face = "cni" };
        int r = code(ret, CNI_BAD_ENVIRONMENT, read_command(environment->command, ret));
        if (r == 0)
                r = json_read(text, size, &cni_conf_type, NULL, &ret->conf);
        if (r == -EINVAL)
                (void)code(ret, CNI_BAD_CONFIG, r);
        if (ret->command == CNI_VERSION && !ret->code) {
                /* Whatever was asked in: the answer is what could be asked in. */
                if (r < 0 || read_version(ret) < 0)
                        err_clear();
                return 0;
        }
        r = code(ret, CNI_BAD_JSON, r);
        if (r == 0)
                r = code(ret, CNI_VERSION_UNKNOWN, read_version(ret));
        if (r == 0)
                r = code(ret, CNI_BAD_ENVIRONMENT, read_environment(environment, ret));
        if (r == 0 && ret->command == CNI_ADD)
                r = code(ret, CNI_BAD_ENVIRONMENT, read_arguments(environment->arguments, ret));
        if (r == 0)
                r = code(ret, CNI_BAD_CONFIG, read_conf(ret));
        return r;
}
