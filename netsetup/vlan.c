#include "netsetup/vlan.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"
#include "specs/base/str.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* --- what fits together --------------------------------------------------------------------------------------------
 */
const char *vlan_parse_range(const char *word, uint16_t *ret_first, uint16_t *ret_last) {
        const char *dash = strchr(word, '-');
        uint64_t first = 0, last = 0;
        if (parse_u64(dash ? arena_strndup(word, (size_t)(dash - word)) : word, 1, VLAN_MAX, &first) < 0 ||
            parse_u64(dash ? dash + 1 : word, 1, VLAN_MAX, &last) < 0)
                return "not a number in 1..4094, nor two with a dash between";
        if (last < first)
                return "ends before it begins";
        *ret_first = (uint16_t)first;
        *ret_last = (uint16_t)last;
        return NULL;
}

int vlan_check(const struct net_network *network) {
        bool is_trunk = network->trunk.n != 0;
        if (network->vlan == 0 && !is_trunk)
                return network->default_vlan ? fail_words(EINVAL, "preserveDefaultVlan: without a VLAN") : 0;
        const char *what = is_trunk ? "--trunk" : "--vlan";
        if (network->kind && (is_trunk || !str_eq(network->kind, "vlan")))
                return fail_words(EINVAL, "%s: not possible with kind %s, which has no bridge", what, network->kind);
        if (network->vlan > VLAN_MAX)
                return fail_words(EINVAL, "vlan %u: not a number in 1..4094", network->vlan);
        if (network->vxlan.id.set)
                return fail_words(EINVAL, "%s: not together with --vxlan", what);
        for (size_t i = 0; i < network->trunk.n; i++) {
                uint16_t first = 0, last = 0;
                const char *why = vlan_parse_range(network->trunk.at[i], &first, &last);
                if (!why && first <= network->vlan && network->vlan <= last)
                        why = str_format("with VLAN %u, whose frames are without a tag", network->vlan);
                if (why)
                        return fail_words(EINVAL, "trunk %s: %s", network->trunk.at[i], why);
        }
        /* The guard looks into no frame with a tag, and lets none pass. */
        if (is_trunk && !network->allow_spoofing)
                return fail_words(EINVAL, "--trunk: only together with --allow-spoofing");
        return 0;
}

const char *vlan_gate(const char *bridge, uint32_t vlan) {
        const char *name = str_format("%s.%u", bridge, vlan);
        if (strlen(name) < LINK_NAME_SIZE)
                return name;
        return str_format("vl%s", tag_link_name(bridge, str_format("%u", vlan)) + 2);
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */
static void put(struct nl_batch *batch, uint16_t type, const struct vlan_entry *entry) {
        const struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = entry->link };
        const uint16_t self = BRIDGE_FLAGS_SELF;
        const uint16_t flags = entry->is_own ? BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED : 0;
        bool is_range = entry->first != entry->last;
        nl_begin(batch, type, 0, &header, sizeof(header));
        size_t nest = nl_nest(batch, IFLA_AF_SPEC);
        if (entry->is_bridge)
                nl_put(batch, IFLA_BRIDGE_FLAGS, &self, sizeof(self));
        struct bridge_vlan_info info = { .flags = flags, .vid = entry->first };
        if (is_range)
                info.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
        nl_put(batch, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
        if (is_range) {
                info = (struct bridge_vlan_info){ .flags = flags | BRIDGE_VLAN_INFO_RANGE_END, .vid = entry->last };
                nl_put(batch, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
        }
        nl_nest_end(batch, nest);
}

void vlan_put(struct nl_batch *batch, const struct vlan_entry *entry) {
        put(batch, RTM_SETLINK, entry);
}

void vlan_put_delete(struct nl_batch *batch, const struct vlan_entry *entry) {
        put(batch, RTM_DELLINK, entry);
}

static void put_filtering(struct nl_batch *batch, int bridge, bool is_on) {
        const struct ifinfomsg header = { .ifi_index = bridge };
        nl_begin(batch, RTM_NEWLINK, 0, &header, sizeof(header));
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_KIND, "bridge");
        size_t data = nl_nest(batch, IFLA_INFO_DATA);
        nl_put_u8(batch, IFLA_BR_VLAN_FILTERING, is_on);
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
}

/* Its group says that it was made here. */
static void put_gate(struct nl_batch *batch, const char *name, int bridge, uint16_t vlan) {
        const struct ifinfomsg header = { 0 };
        nl_begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
        nl_put_text(batch, IFLA_IFNAME, name);
        nl_put_u32(batch, IFLA_LINK, (uint32_t)bridge);
        nl_put_u32(batch, IFLA_GROUP, LINK_GROUP);
        size_t info = nl_nest(batch, IFLA_LINKINFO);
        nl_put_text(batch, IFLA_INFO_KIND, "vlan");
        size_t data = nl_nest(batch, IFLA_INFO_DATA);
        nl_put(batch, IFLA_VLAN_ID, &vlan, sizeof(vlan));
        nl_nest_end(batch, data);
        nl_nest_end(batch, info);
}

/* --- the bridge and the gate ---------------------------------------------------------------------------------------
 */
static bool is_gate(const struct link_info *link) {
        return link->kind && str_eq(link->kind, "vlan") && link->group == LINK_GROUP;
}

static int let_filter(struct nl *nl, const struct link_info *bridge, struct vlan_changes *done) {
        struct nl_batch batch = { 0 };
        if (bridge->filters_vlans)
                return 0;
        /* What passes it now might pass no more, and that is for its owner to say. */
        if (bridge->group != LINK_GROUP)
                return fail_hint(fail_words(EINVAL, "bridge %s sorts no VLANs and was not made here", bridge->name),
                                 "ip link set %s type bridge vlan_filtering 1", bridge->name);
        put_filtering(&batch, bridge->index, true);
        const char *what = str_format("let bridge %s sort VLANs", bridge->name);
        int r = nl_run_all(nl, &batch, what, 0);
        if (r == -EOPNOTSUPP)
                return fail_words(EOPNOTSUPP, "%s: the kernel has none (CONFIG_BRIDGE_VLAN_FILTERING)", what);
        done->is_filtering = r == 0;
        return r;
}

static int make_gate(struct nl *nl, const struct net_request *request, const struct link_info *bridge,
                     struct vlan_changes *done) {
        struct nl_batch batch = { 0 };
        struct link_info link;
        const uint16_t vlan = (uint16_t)request->vlan;
        const struct vlan_entry entry = { .link = bridge->index, .first = vlan, .last = vlan, .is_bridge = true };
        const char *name = vlan_gate(bridge->name, vlan);
        vlan_put(&batch, &entry);
        int r = nl_run_all(nl, &batch, str_format("put bridge %s into VLAN %u", bridge->name, vlan), EEXIST);
        if (r < 0)
                return r;
        r = link_get(nl, name, &link);
        if (r == 0 && (!is_gate(&link) || link.peer != bridge->index))
                return fail_words(EEXIST, "link %s exists and leads to no VLAN of %s", name, bridge->name);
        if (r != -ENODEV)
                return r;
        batch = (struct nl_batch){ 0 };
        put_gate(&batch, name, bridge->index, vlan);
        const char *what = str_format("make link %s to VLAN %u", name, vlan);
        r = nl_run_all(nl, &batch, what, 0);
        if (r == -EOPNOTSUPP)
                return nl_lacks(what, "8021q");
        done->is_gate = r == 0;
        return r;
}

int vlan_prepare(struct nl *nl, const struct net_request *request, const struct link_info *bridge,
                 struct vlan_changes *ret) {
        struct vlan_changes done = { 0 };
        int r = let_filter(nl, bridge, &done);
        if (r == 0 && request->vlan)
                r = make_gate(nl, request, bridge, &done);
        if (r < 0) {
                struct err_saved saved;
                err_save(&saved);
                vlan_undo(nl, request, bridge, &done);
                err_restore(&saved);
        }
        *ret = done;
        return r;
}

static int delete_gate(struct nl *nl, const char *name) {
        struct nl_batch batch = { 0 };
        struct link_info link;
        int r = link_get(nl, name, &link);
        if (r < 0 || !is_gate(&link))
                return r == -ENODEV ? 0 : r;
        link_put_delete(&batch, link.index);
        return nl_run_all(nl, &batch, str_format("delete link %s", name), ENODEV);
}

void vlan_undo(struct nl *nl, const struct net_request *request, const struct link_info *bridge,
               const struct vlan_changes *changes) {
        struct nl_batch batch = { 0 };
        int r = changes->is_gate ? delete_gate(nl, vlan_gate(bridge->name, request->vlan)) : 0;
        put_filtering(&batch, bridge->index, false);
        if (r == 0 && changes->is_filtering)
                r = nl_run_all(nl, &batch, str_format("let bridge %s sort no VLANs", bridge->name), ENODEV);
        if (r < 0)
                log_warning("take back VLAN %u of bridge %s: %s", request->vlan, bridge->name, err_message());
}

int vlan_remove(struct nl *nl, const struct net_network *network) {
        return network->vlan && !network->kind ? delete_gate(nl, vlan_gate(network->bridge, network->vlan)) : 0;
}

int vlan_collect(struct nl *nl, int attached, FILE *dry) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct net_records all;
        struct link_info link;
        link_put_dump(&batch, "vlan", 0);
        int r = nl_run(nl, &batch, &reply);
        if (r == 0)
                r = record_list(attached, &all);
        for (size_t i = 0; r == 0 && i < reply.n; i++) {
                bool is_used = false;
                if (!link_read(reply.messages[i], &link) || !is_gate(&link))
                        continue;
                for (size_t j = 0; j < all.records.n; j++)
                        is_used |=
                                all.records.at[j].policy.bridge && str_eq(all.records.at[j].policy.bridge, link.name);
                if (is_used)
                        continue;
                if (dry)
                        fprintf(dry, "host     delete link %s\n", link.name);
                else
                        r = delete_gate(nl, link.name);
        }
        return r;
}

/* --- a port --------------------------------------------------------------------------------------------------------
 */
int vlan_join(struct nl *nl, const struct net_request *request, const struct link_info *port) {
        const uint16_t own = (uint16_t)request->vlan;
        struct nl_batch batch = { 0 };
        struct vlan_entry entry = { .link = port->index, .first = VLAN_DEFAULT, .last = VLAN_DEFAULT };
        const char *what = str_format("put %s into its VLANs", port->name);
        int r = 0;
        if (own != VLAN_DEFAULT && !request->keeps_default_vlan) {
                vlan_put_delete(&batch, &entry);
                r = nl_run_all(nl, &batch, what, ENOENT);
        }
        batch = (struct nl_batch){ 0 };
        if (own) {
                entry = (struct vlan_entry){ .link = port->index, .first = own, .last = own, .is_own = true };
                vlan_put(&batch, &entry);
        }
        for (size_t i = 0; i < request->trunk.n && batch.count < NL_BATCH_MESSAGES; i++) {
                entry = (struct vlan_entry){ .link = port->index };
                if (!vlan_parse_range(request->trunk.at[i], &entry.first, &entry.last))
                        vlan_put(&batch, &entry);
        }
        return r == 0 && batch.count ? nl_run_all(nl, &batch, what, 0) : r;
}
