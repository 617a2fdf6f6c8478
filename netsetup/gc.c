#include "netsetup/gc.h"
#include "netsetup/direct.h"
#include "netsetup/names.h"
#include "netsetup/overlay.h"
#include "netsetup/shape.h"
#include "netsetup/tag.h"
#include "netsetup/tunnel.h"
#include "netsetup/vlan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>
#include <string.h>

enum { GC_NO_FILTER = 1 };

/* Of a link that is not here: nor in the namespace where its record says it was born. */
static bool is_nowhere(struct gc *gc, const char *link) {
        struct net_record record;
        struct link_info info;
        bool is_known = record_read_link(gc->attached, link, &record) == RECORD_FOUND && record.number.set;
        int r = is_known ? direct_get(gc->nl, &record.policy, record.number.v, &info) : -ENODEV;
        err_clear();
        return r == -ENODEV;
}

bool gc_is_dead(void *data, const char *link) {
        struct gc *gc = data;
        struct link_info info;
        struct tag tag;
        int r = link_get(gc->nl, link, &info);
        if (r < 0 && r != -ENODEV) {
                err_clear();
                return false;
        }
        if (record_is_begun(gc->attached, link))
                return true;
        return r == -ENODEV ? is_nowhere(gc, link) : !tag_read(info.alias, &tag);
}

bool gc_is_over(struct gc *gc, const struct net_record *record) {
        return !str_eq(record->boot, gc->boot) || gc_is_dead(gc, record->policy.link);
}

static int delete_link(struct nl *nl, const struct link_info *link) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        link_put_delete(&batch, link->index);
        int r = nl_run(nl, &batch, &reply);
        if (r == 0 && reply.answers[0].error && reply.answers[0].error != ENODEV)
                r = fail(reply.answers[0].error, "delete link %s", link->name);
        return r;
}

/* A kernel without nf_tables has none of our rules. */
static int open_filter(struct gc *gc) {
        int r = gc->filter->socket ? 0 : nft_open(gc->filter);
        return r == -EPROTONOSUPPORT ? GC_NO_FILTER : r;
}

static int remove_rules(struct gc *gc, const struct net_policy *policy) {
        int r = gc->filter ? open_filter(gc) : GC_NO_FILTER;
        if (r == 0)
                r = filter_remove(gc->filter, policy, FILTER_ALL);
        return r == GC_NO_FILTER || r == -EOPNOTSUPP ? 0 : r;
}

/* Rules that nobody has a record of, and whose link is gone. */
static int collect_rules(struct gc *gc, FILE *dry) {
        struct strv links = { 0 };
        struct link_info link;
        struct net_record record;
        int r = gc->filter ? open_filter(gc) : GC_NO_FILTER;
        if (r == 0)
                r = filter_links(gc->filter, &links);
        for (size_t i = 0; r == 0 && i < links.n; i++) {
                if (link_get(gc->nl, links.at[i], &link) != -ENODEV ||
                    record_read_link(gc->attached, links.at[i], &record) == RECORD_FOUND)
                        continue;
                if (dry)
                        fprintf(dry, "host     take away the rules of %s\n", links.at[i]);
                else
                        r = filter_forget(gc->filter, links.at[i], FILTER_ALL);
        }
        err_clear();
        return r == GC_NO_FILTER || r == -EOPNOTSUPP ? 0 : r;
}

struct gc_going gc_going(const struct net_record *record) {
        return (struct gc_going){ .record = record, .file = -1 };
}

void gc_forget(struct gc_going *going) {
        going->file = fd_close(going->file);
}

/* Our link, with -ENODEV when there is none. */
static int find_own(struct gc *gc, const struct net_policy *policy, struct link_info *ret) {
        int r = link_get(gc->nl, policy->link, ret);
        return r == 0 && !tag_is_of(ret->alias, policy->id, policy->interface) ? -ENODEV : r;
}

static int set_down(struct gc *gc, struct gc_going *going) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct link_info link;
        int r = find_own(gc, &going->record->policy, &link);
        going->is_gone = r == -ENODEV;
        if (r < 0)
                return going->is_gone ? 0 : r;
        link_put_up(&batch, link.index, false);
        r = nl_run(gc->nl, &batch, &reply);
        if (r == 0 && reply.answers[0].error && reply.answers[0].error != ENODEV)
                r = fail(reply.answers[0].error, "set %s down", link.name);
        return r;
}

/* The order is that of detach: see net_plan_off. */
int gc_take_off(struct gc *gc, struct gc_going *going) {
        const struct net_policy *policy = &going->record->policy;
        int r = 0;
        if (!going->is_planned && ((r = set_down(gc, going)) < 0 || (r = remove_rules(gc, policy)) < 0))
                return r;
        return record_give_up(gc->attached, policy->link, &going->file);
}

int gc_delete(struct gc *gc, struct gc_going *going) {
        const struct net_record *record = going->record;
        const struct net_policy *policy = &record->policy;
        struct link_info link;
        int r = 0;
        if (going->is_planned)
                return 0;
        if (policy->bandwidth.egress.v &&
            (r = shape_remove(gc->nl, policy->link, tag_alias(policy->id, policy->interface))) < 0)
                return r;
        r = going->is_gone ? -ENODEV : find_own(gc, policy, &link);
        if (r == 0)
                r = delete_link(gc->nl, &link);
        if (r == -ENODEV && record->number.set)
                r = direct_delete(gc->nl, policy, record->number.v);
        return r == -ENODEV ? 0 : r;
}

int gc_finish(struct gc *gc, struct gc_going *going) {
        const struct net_record *record = going->record;
        const char *link = record->policy.link;
        if (!record_is_given_up(gc->attached, link, going->file))
                return 0;
        int r = record->network ? ipam_give_back(gc->root, record->network, link) : 0;
        if (r < 0)
                return r;
        names_release(&record->owner);
        return record_remove(gc->attached, link);
}

int gc_take_away(struct gc *gc, const struct net_record *record) {
        struct gc_going going = gc_going(record);
        int r = gc_take_off(gc, &going);
        if (r == 0)
                r = gc_delete(gc, &going);
        if (r == 0)
                r = gc_finish(gc, &going);
        gc_forget(&going);
        return r;
}

int gc_bury(void *data, const char *link) {
        struct gc *gc = data;
        struct net_record record;
        int r = record_read_link(gc->attached, link, &record);
        bool is_known = r == RECORD_FOUND;
        err_clear();
        if (is_known ? !gc_is_over(gc, &record) : !gc_is_dead(gc, link))
                return FILTER_LIVES;
        if (is_known && (r = gc_take_away(gc, &record)) < 0)
                return r;
        /* Its record may say less than is there. */
        return filter_forget(gc->filter, link, FILTER_ALL);
}

static void note_link(struct net_collected *ret, struct net_link link) {
        size_t size = ret->links.n * sizeof(link);
        ret->links.at = arena_grow(ret->links.at, size, size + sizeof(link));
        ret->links.at[ret->links.n++] = link;
}

static void note(struct net_collected *ret, const struct net_record *record) {
        const struct net_policy *policy = &record->policy;
        const struct net_link link = {
                .id = policy->id,
                .interface = policy->interface,
                .link = policy->link,
                .bridge = policy->bridge,
                .network = record->network,
                .mac = policy->mac,
                .addresses = policy->addresses,
        };
        note_link(ret, link);
}

/* Devices that nobody has a record of, and whose link is gone: its container took it along. */
static int collect_devices(struct gc *gc, FILE *dry, struct net_collected *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply devices;
        struct link_info device, link;
        struct tag tag;
        link_put_dump(&batch, "ifb", 0);
        int r = nl_run(gc->nl, &batch, &devices);
        for (size_t i = 0; r == 0 && i < devices.n; i++) {
                if (!link_read(devices.messages[i], &device) || !device.kind || !str_eq(device.kind, "ifb") ||
                    !tag_read(device.alias, &tag) || strlen(device.name) != LINK_NAME_SIZE - 1)
                        continue;
                if (link_get(gc->nl, shape_link(device.name), &link) != -ENODEV)
                        continue;
                note_link(ret, (struct net_link){ .id = tag.id, .interface = tag.interface, .link = device.name });
                if (dry)
                        fprintf(dry, "host     delete link %s\n", device.name);
                else
                        r = delete_link(gc->nl, &device);
        }
        return r;
}

/* The port that leads to other hosts, when there is no other. */
static int collect_overlay(struct gc *gc, const struct nl_reply *ports, FILE *dry, bool *ret_is_used) {
        struct link_info port;
        *ret_is_used = true;
        for (size_t i = 0; i < ports->n; i++)
                if (!link_read(ports->messages[i], &port) || !overlay_is(&port))
                        return 0;
        *ret_is_used = false;
        if (ports->n && dry)
                fprintf(dry, "host     delete link %s\n", port.name);
        return ports->n && !dry ? delete_link(gc->nl, &port) : 0;
}

/* Bridges that we made and nobody uses any more. */
static int collect_bridges(struct gc *gc, FILE *dry, struct net_collected *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply bridges, ports;
        struct link_info link;
        bool is_used = false;
        link_put_dump(&batch, "bridge", 0);
        int r = nl_run(gc->nl, &batch, &bridges);
        for (size_t i = 0; r == 0 && i < bridges.n; i++) {
                if (!link_read(bridges.messages[i], &link) || link.group != LINK_GROUP || !link.kind ||
                    !str_eq(link.kind, "bridge"))
                        continue;
                batch = (struct nl_batch){ 0 };
                link_put_dump(&batch, NULL, link.index);
                if ((r = nl_run(gc->nl, &batch, &ports)) < 0 || (r = collect_overlay(gc, &ports, dry, &is_used)) < 0 ||
                    is_used)
                        continue;
                strv_add(&ret->bridges, link.name);
                if (dry)
                        fprintf(dry, "host     delete bridge %s\n", link.name);
                else
                        r = delete_link(gc->nl, &link);
        }
        return r;
}

static int collect_leases(struct gc *gc, struct net_collected *ret) {
        const struct ipam_ask ask = { .boot = gc->boot, .is_dead = gc_is_dead, .data = gc };
        struct strv networks;
        size_t dropped = 0;
        int r = ipam_networks(gc->root, &networks);
        for (size_t i = 0; r == 0 && i < networks.n; i++)
                r = ipam_collect(gc->root, networks.at[i], &ask, &dropped);
        ret->leases += dropped;
        return r;
}

/* All of them at each step, so that others wait for none of their links. */
static int take_all_away(struct gc *gc, struct gc_going *going, size_t n) {
        int r = 0;
        for (size_t i = 0; i < n && r == 0; i++)
                r = gc_take_off(gc, &going[i]);
        if (r == 0 && n)
                r = net_unlock(gc->lock);
        for (size_t i = 0; i < n && r == 0; i++)
                r = gc_delete(gc, &going[i]);
        if (r == 0 && n)
                r = net_lock_again(gc->lock);
        for (size_t i = 0; i < n && r == 0; i++)
                r = gc_finish(gc, &going[i]);
        for (size_t i = 0; i < n; i++)
                gc_forget(&going[i]);
        return r;
}

int gc_run(struct gc *gc, bool (*keep)(const struct net_record *record, const void *data), const void *data, FILE *dry,
           struct net_collected *ret) {
        struct net_records all;
        size_t n = 0;
        int r = record_list(gc->attached, &all);
        if (r < 0)
                return r;
        struct gc_going *going = arena_array(all.records.n + 1, sizeof(*going));
        for (size_t i = 0; i < all.records.n; i++) {
                const struct net_record *record = &all.records.at[i];
                if (!gc_is_over(gc, record) && (!keep || keep(record, data)))
                        continue;
                note(ret, record);
                if (record->network)
                        ret->leases += record->policy.addresses.n;
                if (dry)
                        fprintf(dry, "host     take away %s of %s (link %s)\n", record->policy.interface,
                                record->policy.id, record->policy.link);
                else
                        going[n++] = gc_going(record);
        }
        r = take_all_away(gc, going, n);
        if (r == 0)
                r = collect_rules(gc, dry);
        if (r == 0 && !dry)
                r = collect_leases(gc, ret);
        if (r == 0)
                r = collect_devices(gc, dry, ret);
        if (r == 0)
                r = tunnel_collect(gc->nl, gc->attached, dry);
        if (r == 0)
                r = vlan_collect(gc->nl, gc->attached, dry);
        return r < 0 ? r : collect_bridges(gc, dry, ret);
}
