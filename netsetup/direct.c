#include "netsetup/direct.h"
#include "netsetup/shape.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/str.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* The first of a kind is its usual one. */
static const struct direct_mode modes[] = {
        { "macvlan", "bridge", MACVLAN_MODE_BRIDGE, .has_own_mac = true },
        { "macvlan", "private", MACVLAN_MODE_PRIVATE, .has_own_mac = true },
        { "macvlan", "vepa", MACVLAN_MODE_VEPA, .has_own_mac = true },
        { "macvlan", "passthru", MACVLAN_MODE_PASSTHRU, .has_own_mac = false },
        { "ipvlan", "l2", IPVLAN_MODE_L2, .has_own_mac = false },
        { "ipvlan", "l3", IPVLAN_MODE_L3, .is_without_arp = true },
        { "ipvlan", "l3s", IPVLAN_MODE_L3S, .is_without_arp = true },
        { "vlan", "802.1q", 0, .has_own_mac = true },
};

const struct direct_mode *direct_mode(const char *kind, const char *mode) {
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
                if (str_eq(modes[i].kind, kind) && (!mode || str_eq(modes[i].mode, mode)))
                        return &modes[i];
        return NULL;
}

const char *direct_module(const struct direct_mode *mode) {
        return str_eq(mode->kind, "vlan") ? "8021q" : mode->kind;
}

/* --- what fits together --------------------------------------------------------------------------------------------
 */
int direct_check_network(const struct net_network *network) {
        const char *kind = network->kind;
        if (!kind && network->uplink && !network->vxlan.id.v)
                return fail_words(EINVAL, "uplink %s: of macvlan, ipvlan, vlan or --vxlan only", network->uplink);
        if (!kind)
                return network->mode ? fail_words(EINVAL, "mode %s: of a macvlan or ipvlan network only", network->mode)
                                     : 0;
        if (!direct_mode(kind, NULL))
                return fail_words(EINVAL, "kind %s: not one of bridge, macvlan, ipvlan, vlan", kind);
        if (str_eq(kind, "vlan") && !network->vlan)
                return fail_words(EINVAL, "kind vlan: it needs a VLAN (--vlan)");
        if (!direct_mode(kind, network->mode))
                return fail_words(EINVAL, "mode %s: %s has none of that name", network->mode, kind);
        if (!network->uplink)
                return fail_words(EINVAL, "kind %s: it needs an uplink (--uplink)", kind);
        const char *other = network->bridge                    ? "--bridge"
                            : network->isolate                 ? "--isolate"
                            : network->hairpin                 ? "--hairpin"
                            : network->internal                ? "--internal"
                            : network->host_blocked            ? "--block-host"
                            : network->egress_blocked          ? "--block-egress"
                            : shape_words(&network->bandwidth) ? "a limit of bandwidth"
                                                               : NULL;
        return other ? fail_words(EINVAL, "%s: not possible with kind %s, which has no bridge", other, kind) : 0;
}

int direct_check_request(const struct net_request *request) {
        const struct net_policy *policy = &request->policy;
        const char *other = policy->publish.n                               ? "--publish"
                            : policy->masquerade                            ? "--masquerade"
                            : policy->host_blocked || policy->host_access.n ? "--block-host"
                            : policy->egress_blocked || policy->egress.n    ? "--block-egress"
                            : request->port.isolated                        ? "--isolate"
                            : request->port.hairpin                         ? "--hairpin"
                            : shape_words(&policy->bandwidth)               ? "a limit of bandwidth"
                                                                            : NULL;
        if (!other && request->has_mac && !request->direct->has_own_mac)
                return fail_words(EINVAL, "--mac: %s %s has that of its uplink", request->direct->kind,
                                  request->direct->mode);
        return other ? fail_words(EINVAL, "%s: not possible on network %s of kind %s, which has no bridge", other,
                                  request->network, request->direct->kind)
                     : 0;
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */
void direct_put(struct nl_batch *batch, const struct direct_link *link) {
        const struct direct_mode *mode = link->mode;
        const struct ifinfomsg header = { 0 };
        nl_begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
        nl_put_text(batch, IFLA_IFNAME, link->name);
        nl_put_u32(batch, IFLA_LINK, (uint32_t)link->uplink);
        nl_put_u32(batch, IFLA_NET_NS_FD, (uint32_t)link->netns);
        if (link->mac && mode->has_own_mac)
                nl_put(batch, IFLA_ADDRESS, link->mac, LINK_MAC_SIZE);
        if (link->mtu)
                nl_put_u32(batch, IFLA_MTU, link->mtu);
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_KIND, mode->kind);
        size_t data = nl_nest(batch, IFLA_INFO_DATA);
        const uint16_t value = (uint16_t)mode->value;
        if (str_eq(mode->kind, "vlan"))
                nl_put(batch, IFLA_VLAN_ID, &link->vlan, sizeof(link->vlan));
        else if (str_eq(mode->kind, "macvlan"))
                nl_put_u32(batch, IFLA_MACVLAN_MODE, mode->value);
        else
                nl_put(batch, IFLA_IPVLAN_MODE, &value, sizeof(value));
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
}

void direct_put_name(struct nl_batch *batch, int index, const char *interface, const char *alias) {
        const struct ifinfomsg header = { .ifi_index = index };
        nl_begin(batch, RTM_SETLINK, 0, &header, sizeof(header));
        nl_put_text(batch, IFLA_IFNAME, interface);
        nl_put(batch, IFLA_IFALIAS, alias, strlen(alias));
}

/* --- links that are there ------------------------------------------------------------------------------------------
 */
/* A namespace that is gone has no number, and no links. */
static int get_by_name(struct nl *nl, const char *name, uint32_t number, struct link_info *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        const struct ifinfomsg header = { 0 };
        nl_begin(&batch, RTM_GETLINK, 0, &header, sizeof(header));
        nl_put_u32(&batch, IFLA_TARGET_NETNSID, number);
        nl_put_text(&batch, IFLA_IFNAME, name);
        nl_put_u32(&batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return fail_in(r, "look for %s in another network namespace", name);
        if (reply.answers[0].error == ENODEV || reply.answers[0].error == EINVAL)
                return -ENODEV;
        if (reply.answers[0].error)
                return fail(reply.answers[0].error, "look for %s in another network namespace", name);
        return reply.n == 1 && link_read(reply.messages[0], ret)
                       ? 0
                       : fail(EPROTO, "look for %s in another network namespace", name);
}

int direct_get(struct nl *nl, const struct net_policy *policy, uint32_t number, struct link_info *ret) {
        struct link_info found;
        /* Nobody else uses the first name; the second is anybody's without the tag. */
        int r = get_by_name(nl, policy->link, number, &found);
        if (r == -ENODEV) {
                r = get_by_name(nl, policy->interface, number, &found);
                if (r == 0 && !tag_is_of(found.alias, policy->id, policy->interface))
                        r = -ENODEV;
        }
        if (r < 0)
                return r;
        found.name = policy->link;
        found.peer = found.index;
        found.peer_netns = (int)number;
        *ret = found;
        return 0;
}

int direct_delete(struct nl *nl, const struct net_policy *policy, uint32_t number) {
        struct link_info link;
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        int r = direct_get(nl, policy, number, &link);
        if (r < 0)
                return r == -ENODEV ? 0 : r;
        link_put_delete_in(&batch, link.index, (int)number);
        r = nl_run(nl, &batch, &reply);
        if (r == 0 && reply.answers[0].error && reply.answers[0].error != ENODEV)
                r = fail(reply.answers[0].error, "delete %s of %s", policy->interface, policy->id);
        return r;
}

int direct_find(struct nl *nl, int attached, const struct net_request *request, struct link_info **links, size_t *n) {
        struct net_records all = { 0 };
        struct net_record one;
        const char *boot = NULL;
        if (request->id && request->interface && *n)
                return 0;
        int r = record_boot(&boot);
        if (r == 0 && request->id && request->interface) {
                r = record_read(attached, request->id, request->interface, &one);
                all.records.at = &one;
                all.records.n = r == RECORD_FOUND;
        } else if (r == 0) {
                r = request->id ? record_list_of(attached, request->id, &all) : record_list(attached, &all);
        }
        if (r < 0)
                return r;
        struct link_info *list = arena_array(*n + all.records.n + 1, sizeof(*list));
        if (*n)
                memcpy(list, *links, *n * sizeof(*list));
        for (size_t i = 0; i < all.records.n; i++) {
                const struct net_record *record = &all.records.at[i];
                if (!record->number.set || !str_eq(record->boot, boot) ||
                    (request->interface && !str_eq(record->policy.interface, request->interface)))
                        continue;
                r = direct_get(nl, &record->policy, record->number.v, &list[*n]);
                if (r == 0)
                        ++*n;
                else if (r != -ENODEV)
                        return r;
        }
        *links = list;
        return 0;
}
