#include "netsetup/model.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <string.h>

/* --- what the packet filter has to know (policy.h) -----------------------------------------------------------------
 */
static const struct json_field net_publish_fields[] = {
        FIELD(net_publish, "protocol", protocol, .flags = J_REQUIRED),
        FIELD(net_publish, "host", host),
        FIELD(net_publish, "hostPort", host_port, .flags = J_REQUIRED, .min = 1, .max = 65535),
        FIELD(net_publish, "insidePort", inside_port, .flags = J_REQUIRED, .min = 1, .max = 65535),
        FIELD(net_publish, "count", count, .min = 1, .max = 65535),
};
TYPE(net_publish);

static const struct json_field net_allow_fields[] = {
        FIELD(net_allow, "address", address),
        FIELD(net_allow, "protocol", protocol),
        FIELD(net_allow, "port", port, .min = 0, .max = 65535),
};
TYPE(net_allow);

static const struct json_field net_bandwidth_fields[] = {
        FIELD(net_bandwidth, "ingressRate", ingress),
        FIELD(net_bandwidth, "ingressBurst", ingress_burst),
        FIELD(net_bandwidth, "egressRate", egress),
        FIELD(net_bandwidth, "egressBurst", egress_burst),
};
TYPE(net_bandwidth);

static const struct json_field net_policy_fields[] = {
        FIELD(net_policy, "id", id, .flags = J_REQUIRED),
        FIELD(net_policy, "interface", interface, .flags = J_REQUIRED),
        FIELD(net_policy, "link", link, .flags = J_REQUIRED),
        FIELD(net_policy, "bridge", bridge),
        FIELD(net_policy, "tunnel", tunnel),
        FIELD(net_policy, "mac", mac),
        FIELD(net_policy, "addresses", addresses),
        FIELD(net_policy, "bridgeAddresses", bridge_addresses),
        FIELD(net_policy, "isolated", isolated),
        FIELD(net_policy, "masquerade", masquerade),
        FIELD(net_policy, "allowSpoofing", allow_spoofing),
        FIELD(net_policy, "hostBlocked", host_blocked),
        FIELD(net_policy, "egressBlocked", egress_blocked),
        LIST(net_policy, "publish", publish, net_publish),
        LIST(net_policy, "hostAccess", host_access, net_allow),
        LIST(net_policy, "egress", egress, net_allow),
        OBJECT(net_policy, "bandwidth", bandwidth, net_bandwidth),
};
TYPE(net_policy);

/* --- a named network -----------------------------------------------------------------------------------------------
 */
static const struct json_field net_subnet_fields[] = {
        FIELD(net_subnet, "subnet", subnet, .flags = J_REQUIRED),
        FIELD(net_subnet, "gateway", gateway),
        FIELD(net_subnet, "ranges", ranges),
        FIELD(net_subnet, "exclude", exclude),
        FIELD(net_subnet, "set", set),
};
TYPE(net_subnet);

static const struct json_field net_reservation_fields[] = {
        FIELD(net_reservation, "id", id, .flags = J_REQUIRED),
        FIELD(net_reservation, "address", address, .flags = J_REQUIRED),
};
TYPE(net_reservation);

static const struct json_field net_route_fields[] = {
        FIELD(net_route, "destination", destination, .flags = J_REQUIRED),
        FIELD(net_route, "gateway", gateway),
};
TYPE(net_route);

static const struct json_field net_vxlan_fields[] = {
        FIELD(net_vxlan, "id", id, .min = 1, .max = 16777215),
        FIELD(net_vxlan, "port", port, .min = 1, .max = 65535),
        FIELD(net_vxlan, "local", local),
        FIELD(net_vxlan, "peers", peers),
};
static TYPE(net_vxlan);

static const struct json_field net_wireguard_peer_fields[] = {
        FIELD(net_wireguard_peer, "publicKey", public_key, .flags = J_REQUIRED),
        FIELD(net_wireguard_peer, "endpoint", endpoint),
        FIELD(net_wireguard_peer, "allowedIPs", allowed),
        FIELD(net_wireguard_peer, "persistentKeepalive", keepalive, .min = 0, .max = 65535),
        FIELD(net_wireguard_peer, "presharedKeyFile", preshared_key_file),
};
static TYPE(net_wireguard_peer);

static const struct json_field net_wireguard_fields[] = {
        FIELD(net_wireguard, "listenPort", port, .min = 1, .max = 65535),
        FIELD(net_wireguard, "privateKeyFile", private_key_file),
        FIELD(net_wireguard, "publicKey", public_key),
        LIST(net_wireguard, "peers", peers, net_wireguard_peer),
};
static TYPE(net_wireguard);

static const struct json_field net_dns_fields[] = {
        FIELD(net_dns, "nameservers", nameservers),
        FIELD(net_dns, "domain", domain),
        FIELD(net_dns, "search", search),
        FIELD(net_dns, "options", options),
};
TYPE(net_dns);

static const struct json_field net_network_fields[] = {
        FIELD(net_network, "name", name, .flags = J_REQUIRED),
        FIELD(net_network, "kind", kind),
        FIELD(net_network, "bridge", bridge),
        FIELD(net_network, "uplink", uplink),
        FIELD(net_network, "mode", mode),
        OBJECT(net_network, "vxlan", vxlan, net_vxlan),
        OBJECT(net_network, "wireguard", wireguard, net_wireguard),
        LIST(net_network, "subnets", subnets, net_subnet, .flags = J_KEEP_EMPTY),
        LIST(net_network, "reservations", reservations, net_reservation),
        LIST(net_network, "routes", routes, net_route),
        OBJECT(net_network, "dns", dns, net_dns),
        FIELD(net_network, "mtu", mtu, .min = 0, .max = 65535),
        FIELD(net_network, "vlan", vlan, .min = 0, .max = 4094),
        FIELD(net_network, "trunk", trunk),
        FIELD(net_network, "preserveDefaultVlan", default_vlan),
        FIELD(net_network, "isolate", isolate),
        FIELD(net_network, "internal", internal),
        FIELD(net_network, "hairpin", hairpin),
        FIELD(net_network, "masquerade", masquerade),
        FIELD(net_network, "allowSpoofing", allow_spoofing),
        FIELD(net_network, "hostBlocked", host_blocked),
        FIELD(net_network, "egressBlocked", egress_blocked),
        LIST(net_network, "hostAccess", host_access, net_allow),
        LIST(net_network, "egress", egress, net_allow),
        OBJECT(net_network, "bandwidth", bandwidth, net_bandwidth),
};
TYPE(net_network);

static const struct json_field net_lease_fields[] = {
        FIELD(net_lease, "network", network),     FIELD(net_lease, "address", address), FIELD(net_lease, "id", id),
        FIELD(net_lease, "interface", interface), FIELD(net_lease, "link", link),
};
static TYPE(net_lease);

static const struct json_field net_networks_fields[] = {
        LIST(net_networks, "networks", networks, net_network, .flags = J_KEEP_EMPTY),
        LIST(net_networks, "leases", leases, net_lease),
};
TYPE(net_networks);

/* --- CNI -----------------------------------------------------------------------------------------------------------
 */
static const struct json_field cni_interface_fields[] = {
        FIELD(cni_interface, "name", name, .flags = J_REQUIRED | J_KEEP_EMPTY),
        FIELD(cni_interface, "mac", mac),
        FIELD(cni_interface, "mtu", mtu),
        FIELD(cni_interface, "sandbox", sandbox),
        FIELD(cni_interface, "socketPath", socket_path),
        FIELD(cni_interface, "pciID", pci_id),
};
static TYPE(cni_interface);

static const struct json_field cni_address_fields[] = {
        FIELD(cni_address, "version", version),
        FIELD(cni_address, "interface", interface),
        FIELD(cni_address, "address", address, .flags = J_REQUIRED),
        FIELD(cni_address, "gateway", gateway),
};
static TYPE(cni_address);

static const struct json_field cni_route_fields[] = {
        FIELD(cni_route, "dst", destination, .flags = J_REQUIRED),
        FIELD(cni_route, "gw", gateway),
        FIELD(cni_route, "mtu", mtu),
        FIELD(cni_route, "advmss", advmss),
        FIELD(cni_route, "priority", priority),
        FIELD(cni_route, "table", table),
        FIELD(cni_route, "scope", scope),
};
static TYPE(cni_route);

static const struct json_field cni_result_fields[] = {
        FIELD(cni_result, "cniVersion", version),
        LIST(cni_result, "interfaces", interfaces, cni_interface),
        LIST(cni_result, "ips", addresses, cni_address),
        LIST(cni_result, "routes", routes, cni_route),
        OBJECT(cni_result, "dns", dns, net_dns, .flags = J_KEEP_EMPTY),
};
TYPE(cni_result);

static const struct json_field cni_error_fields[] = {
        FIELD(cni_error, "cniVersion", version),
        FIELD(cni_error, "code", code, .flags = J_KEEP_EMPTY),
        FIELD(cni_error, "msg", message),
        FIELD(cni_error, "details", details),
};
TYPE(cni_error);

static const struct json_field cni_versions_fields[] = {
        FIELD(cni_versions, "cniVersion", version),
        FIELD(cni_versions, "supportedVersions", supported),
};
TYPE(cni_versions);

static const struct json_field cni_range_fields[] = {
        FIELD(cni_range, "subnet", subnet, .flags = J_REQUIRED),
        FIELD(cni_range, "rangeStart", start),
        FIELD(cni_range, "rangeEnd", end),
        FIELD(cni_range, "gateway", gateway),
};
static TYPE(cni_range);

static const struct json_field cni_range_set_fields[] = {
        LIST(cni_range_set, "ranges", ranges, cni_range),
};
static TYPE(cni_range_set);

static const struct json_field cni_ipam_fields[] = {
        FIELD(cni_ipam, "type", type),
        FIELD(cni_ipam, "subnet", subnet),
        FIELD(cni_ipam, "rangeStart", start),
        FIELD(cni_ipam, "rangeEnd", end),
        FIELD(cni_ipam, "gateway", gateway),
        FIELD(cni_ipam, "ranges", ranges),
        LIST(cni_ipam, "addresses", addresses, cni_address),
        LIST(cni_ipam, "routes", routes, cni_route),
        OBJECT(cni_ipam, "dns", dns, net_dns),
        FIELD(cni_ipam, "resolvConf", resolv_conf),
};
static TYPE(cni_ipam);

static const struct json_field cni_port_fields[] = {
        FIELD(cni_port, "hostPort", host_port, .flags = J_REQUIRED),
        FIELD(cni_port, "containerPort", container_port, .flags = J_REQUIRED),
        FIELD(cni_port, "protocol", protocol),
        FIELD(cni_port, "hostIP", host),
};
static TYPE(cni_port);

static const struct json_field cni_runtime_dns_fields[] = {
        FIELD(cni_runtime_dns, "servers", servers),
        FIELD(cni_runtime_dns, "searches", searches),
        FIELD(cni_runtime_dns, "options", options),
};
static TYPE(cni_runtime_dns);

static const struct json_field cni_runtime_fields[] = {
        LIST(cni_runtime, "portMappings", ports, cni_port),
        FIELD(cni_runtime, "ips", addresses),
        FIELD(cni_runtime, "mac", mac),
        OBJECT(cni_runtime, "bandwidth", bandwidth, net_bandwidth),
        FIELD(cni_runtime, "aliases", aliases),
        FIELD(cni_runtime, "ipRanges", ranges),
        OBJECT(cni_runtime, "dns", dns, cni_runtime_dns),
};
static TYPE(cni_runtime);

static const struct json_field cni_attachment_fields[] = {
        FIELD(cni_attachment, "containerID", id, .flags = J_REQUIRED),
        FIELD(cni_attachment, "ifname", interface, .flags = J_REQUIRED),
};
static TYPE(cni_attachment);

static const struct json_field cni_attachments_fields[] = {
        LIST(cni_attachments, "list", list, cni_attachment),
};
static TYPE(cni_attachments);

static const struct json_field cni_words_fields[] = {
        FIELD(cni_words, "ips", addresses),
        FIELD(cni_words, "mac", mac),
};
static TYPE(cni_words);

static const struct json_field cni_arguments_fields[] = {
        OBJECT(cni_arguments, "cni", cni, cni_words),
};
static TYPE(cni_arguments);

static const struct json_field cni_trunk_fields[] = {
        FIELD(cni_trunk, "id", id, .min = 0, .max = 4094),
        FIELD(cni_trunk, "minID", first, .min = 0, .max = 4094),
        FIELD(cni_trunk, "maxID", last, .min = 0, .max = 4094),
};
static TYPE(cni_trunk);

static const struct json_field cni_conf_fields[] = {
        FIELD(cni_conf, "cniVersion", version),
        FIELD(cni_conf, "name", name),
        FIELD(cni_conf, "type", type),
        FIELD(cni_conf, "kind", kind),
        FIELD(cni_conf, "bridge", bridge),
        FIELD(cni_conf, "master", master),
        FIELD(cni_conf, "mode", mode),
        FIELD(cni_conf, "linkInContainer", link_inside),
        FIELD(cni_conf, "isGateway", is_gateway),
        FIELD(cni_conf, "isDefaultGateway", is_default_gateway),
        FIELD(cni_conf, "forceAddress", force_address),
        FIELD(cni_conf, "ipMasq", masquerade),
        FIELD(cni_conf, "hairpinMode", hairpin),
        FIELD(cni_conf, "promiscMode", promiscuous),
        FIELD(cni_conf, "enabledad", enable_dad),
        FIELD(cni_conf, "portIsolation", isolate),
        FIELD(cni_conf, "macspoofchk", check_spoofing),
        FIELD(cni_conf, "disableContainerInterface", no_interface),
        FIELD(cni_conf, "internal", internal),
        FIELD(cni_conf, "hostBlocked", host_blocked),
        FIELD(cni_conf, "egressBlocked", egress_blocked),
        LIST(cni_conf, "hostAccess", host_access, net_allow),
        LIST(cni_conf, "egress", egress, net_allow),
        FIELD(cni_conf, "ingressRate", bandwidth.ingress),
        FIELD(cni_conf, "ingressBurst", bandwidth.ingress_burst),
        FIELD(cni_conf, "egressRate", bandwidth.egress),
        FIELD(cni_conf, "egressBurst", bandwidth.egress_burst),
        FIELD(cni_conf, "shapedSubnets", shaped),
        FIELD(cni_conf, "unshapedSubnets", unshaped),
        FIELD(cni_conf, "mtu", mtu),
        FIELD(cni_conf, "vlan", vlan, .min = 0, .max = 4094),
        FIELD(cni_conf, "vlanId", vlan_id, .min = 0, .max = 4094),
        LIST(cni_conf, "vlanTrunk", trunk, cni_trunk),
        FIELD(cni_conf, "preserveDefaultVlan", default_vlan),
        OPT_OBJECT(cni_conf, "ipam", ipam, cni_ipam),
        OBJECT(cni_conf, "dns", dns, net_dns),
        OBJECT(cni_conf, "runtimeConfig", runtime, cni_runtime),
        OBJECT(cni_conf, "args", arguments, cni_arguments),
        OPT_OBJECT(cni_conf, "prevResult", previous, cni_result),
        FIELD(cni_conf, "cni.dev/valid-attachments", valid),
        FIELD(cni_conf, "cni.dev/attachments", attachments),
};
TYPE(cni_conf);

/* The elements of a JSON list, each as its text.  The text was found good already by whoever kept it (J_RAW). */
static struct strv elements(const char *text) {
        struct strv list = { 0 };
        const char *start = NULL;
        int depth = 0;
        bool is_quoted = false;
        for (const char *c = text; *c; c++) {
                if (is_quoted) {
                        if (*c == '\\' && c[1])
                                c++;
                        else
                                is_quoted = *c != '"';
                        continue;
                }
                is_quoted = *c == '"';
                depth += (*c == '[' || *c == '{') - (*c == ']' || *c == '}');
                bool is_end = (*c == ',' && depth == 1) || depth == 0;
                if (is_end && start)
                        strv_add(&list, arena_strndup(start, (size_t)(c - start)));
                if (is_end)
                        start = NULL;
                else if (!start && c > text && !strchr(" \t\r\n", *c))
                        start = c;
        }
        return list;
}

/* As if it were the member of an object, whatever its name. */
struct list_of_words {
        struct strv list;
};

int cni_aliases(const char *text, const char *network, struct strv *ret) {
        const struct json_field field = FIELD(list_of_words, text && *text == '{' ? network : "aliases", list);
        const struct json_type type = { "list_of_words", sizeof(struct list_of_words), &field, 1 };
        struct list_of_words words = { 0 };
        const char *object = !text || *text == '{' ? text : str_format("{\"aliases\":%s}", text);
        int r = object ? json_read(object, strlen(object), &type, NULL, &words) : 0;
        *ret = words.list;
        return r < 0 ? fail_in(r, "runtimeConfig.aliases") : 0;
}

int cni_attachments(const char *text, const char *what, struct cni_attachments *ret) {
        const char *object = str_format("{\"list\":%s}", text);
        int r = json_read(object, strlen(object), &cni_attachments_type, NULL, ret);
        return r < 0 ? fail_in(r, "%s", what) : 0;
}

int cni_range_sets(const char *text, const char *what, struct cni_range_set **ret_sets, size_t *ret_n) {
        if (text && text[strspn(text, " \t\r\n")] != '[')
                return fail_words(EINVAL, "%s: not a list of lists", what);
        struct strv list = { 0 };
        if (text)
                list = elements(text + strspn(text, " \t\r\n"));
        struct cni_range_set *sets = arena_array(list.n + 1, sizeof(*sets));
        for (size_t i = 0; i < list.n; i++) {
                const char *object = str_format("{\"ranges\":%s}", list.at[i]);
                int r = json_read(object, strlen(object), &cni_range_set_type, NULL, &sets[i]);
                if (r < 0)
                        return fail_in(r, "%s[%zu]", what, i);
        }
        *ret_sets = sets;
        *ret_n = list.n;
        return 0;
}
