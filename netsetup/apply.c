#include "netsetup/direct.h"
#include "netsetup/gc.h"
#include "netsetup/net.h"
#include "netsetup/overlay.h"
#include "netsetup/reload.h"
#include "netsetup/shape.h"
#include "netsetup/tag.h"
#include "netsetup/tunnel.h"
#include "netsetup/vlan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <string.h>
#include <sys/random.h>

static void build_bridge(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        uint8_t mac[LINK_MAC_SIZE] = { 0 };
        (void)hands;
        /* Random, because hosts on one wire may give their bridges the same name. */
        (void)!getrandom(mac, sizeof(mac), 0);
        mac[0] = (uint8_t)((mac[0] & ~1U) | 2U);
        link_put_bridge(batch, op->link, mac);
}

static void build_up(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        link_put_up(batch, hands->found[op->slot].index, true);
}

static void build_veth(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        struct link_veth veth = {
                .name = op->link,
                .peer = op->request->interface,
                .bridge = hands->found[op->slot].index,
                .peer_netns = hands->netns,
                .mac = op->request->has_mac ? op->request->mac : NULL,
                .mtu = op->request->mtu,
        };
        link_put_veth(batch, &veth);
}

static void build_port(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        (void)hands;
        link_put_port(batch, op->link, tag_alias(op->request->id, op->request->interface), &op->request->port);
}

static void build_direct(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        const struct direct_link link = {
                .mode = op->request->direct,
                .name = op->link,
                .uplink = hands->found[op->slot].index,
                .netns = hands->netns,
                .mac = op->request->has_mac ? op->request->mac : NULL,
                .mtu = op->request->mtu,
                .vlan = (uint16_t)op->request->vlan,
        };
        direct_put(batch, &link);
}

static void build_name(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        const struct net_request *request = op->request;
        direct_put_name(batch, hands->found[op->slot].index, request->interface,
                        tag_alias(request->id, request->interface));
}

static void build_address(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        address_put_add(batch, hands->found[op->slot].index, op->address);
}

static void build_route(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        if (op->request->direct && op->request->direct->is_without_arp)
                route_put_link(batch, hands->found[op->slot].index, op->address->family, NULL);
        else
                route_put_default(batch, hands->found[op->slot].index, op->address);
}

static void build_path(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        const struct net_path *path = op->path;
        if (op->request->direct && op->request->direct->is_without_arp)
                route_put_link(batch, hands->found[op->slot].index, path->destination.family, &path->destination);
        else
                route_put(batch, hands->found[op->slot].index, &path->destination, &path->gateway);
}

static void build_down(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        (void)hands;
        link_put_up(batch, op->index, false);
}

static void build_delete(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands) {
        (void)hands;
        link_put_delete_in(batch, op->index, op->netns);
}

static int run_find_free(struct net_op *op, struct net_hands *hands) {
        struct link_info link;
        struct tag tag;
        int r = link_get(&hands->host, op->link, &link);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return r;
        if (tag_is_of(link.alias, op->request->id, op->request->interface))
                return fail_words(EEXIST, "%s is attached already (link %s)", op->request->interface, op->link);
        if (tag_read(link.alias, &tag))
                return fail_words(EEXIST, "link name %s is taken by %s of %s", op->link, tag.interface, tag.id);
        return fail_words(EEXIST, "link %s exists and carries no tag of ours", op->link);
}

static int run_find(struct net_op *op, struct net_hands *hands) {
        struct link_info *found = &hands->found[op->slot];
        int r = link_get(op->is_inside ? &hands->inside : &hands->host, op->link, found);
        if (r == -ENODEV)
                return fail(ENODEV, "%s", net_op_words(op));
        if (r == 0 && op->is_bridge && (!found->kind || !str_eq(found->kind, "bridge")))
                return fail_words(EEXIST, "bridge %s: the name is taken by a link that is no bridge%s%s", op->link,
                                  found->kind ? " but " : "", found->kind ? found->kind : "");
        return r;
}

static int run_overlay(struct net_op *op, struct net_hands *hands) {
        bool is_made = false;
        int r = overlay_make(&hands->host, op->request->overlay, &hands->found[op->slot], &is_made);
        if (r == 0 && !is_made)
                op->state = NET_OP_TOLERATED;
        return r;
}

static int run_tunnel(struct net_op *op, struct net_hands *hands) {
        bool is_made = false;
        int r = tunnel_make(&hands->host, op->request->tunnel, &op->request->bridge_addresses, &is_made);
        if (r == 0 && !is_made)
                op->state = NET_OP_TOLERATED;
        return r;
}

static int run_vlan(struct net_op *op, struct net_hands *hands) {
        return vlan_prepare(&hands->host, op->request, &hands->found[op->slot], &hands->vlan);
}

static int run_join(struct net_op *op, struct net_hands *hands) {
        return vlan_join(&hands->host, op->request, &hands->found[op->slot]);
}

static const char *ra_path(const struct net_op *op) {
        return str_format("/proc/sys/net/ipv6/conf/%s/accept_ra", op->link);
}

/* A bridge that is up is somebody's in use, or was treated already. */
static int run_ra_off(struct net_op *op, struct net_hands *hands) {
        char *before = NULL;
        if (hands->found[op->slot].flags & IFF_UP)
                return 0;
        int r = read_file_at(AT_FDCWD, ra_path(op), 16, &before, NULL);
        if (r == -ENOENT)
                return 0; /* a kernel without IPv6 */
        if (r == 0 && !str_starts(before, "0")) {
                r = write_file_at(AT_FDCWD, ra_path(op), "0", 1);
                op->before = before;
        }
        return r < 0 ? fail_in(r, "%s", net_op_words(op)) : 0;
}

/* Where it cannot be said everything works, a little slower. */
static int run_no_ipv6(struct net_op *op, struct net_hands *hands) {
        const char *path = str_format("/proc/sys/net/ipv6/conf/%s/disable_ipv6", op->link);
        (void)hands;
        if (write_file_at(AT_FDCWD, path, "1", 1) < 0)
                err_clear();
        return 0;
}

/* --- the packet filter ------------------------------------------------------------------------------------------- */
static int filter_of(struct net_hands *hands, struct filter *ret) {
        int r = hands->filter.socket ? 0 : nft_open(&hands->filter);
        *ret = (struct filter){ &hands->filter, gc_bury, hands->gc };
        return r;
}

static int run_ports_free(struct net_op *op, struct net_hands *hands) {
        struct filter filter;
        int r = filter_of(hands, &filter);
        return r < 0 ? r : filter_check_free(&filter, op->policy);
}

static int run_guard(struct net_op *op, struct net_hands *hands) {
        struct filter filter;
        int r = filter_of(hands, &filter);
        const struct reload reload = { filter.nl, &hands->host, hands->gc->attached };
        if (r < 0 || (r = reload_if_gone(&reload)) < 0 || (r = filter_add(&filter, op->policy, FILTER_GUARD)) < 0)
                return fail_in(r, "%s", net_op_words(op));
        return 0;
}

static int run_forward(struct net_op *op, struct net_hands *hands) {
        return forward_enable(op->policy, &hands->forward);
}

static int run_ways(struct net_op *op, struct net_hands *hands) {
        struct filter filter;
        int r = filter_of(hands, &filter);
        if (r < 0 || (r = forward_hairpin(&hands->host, op->policy)) < 0 ||
            (r = filter_add(&filter, op->policy, FILTER_WAYS)) < 0)
                return fail_in(r, "%s", net_op_words(op));
        return 0;
}

/* Without its record a link's rules are known by their comments.  A kernel that has no rules has none of ours. */
static int run_rules_off(struct net_op *op, struct net_hands *hands) {
        struct filter filter;
        int r = filter_of(hands, &filter);
        if (r == 0)
                r = op->policy ? filter_remove(filter.nl, op->policy, FILTER_ALL)
                               : filter_forget(filter.nl, op->link, FILTER_ALL);
        if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
                return 0;
        return r < 0 ? fail_in(r, "%s", net_op_words(op)) : 0;
}

/* --- bandwidth --------------------------------------------------------------------------------------------------- */
static int take_shape_back(const struct net_op *op, struct net_hands *hands) {
        return shape_remove(&hands->host, op->link, tag_alias(op->policy->id, op->policy->interface));
}

static int run_shape(struct net_op *op, struct net_hands *hands) {
        static const struct net_bandwidth nothing;
        struct err_saved saved;
        int r = shape_put(&hands->host, &nothing, op->policy);
        if (r == 0)
                return 0;
        err_save(&saved);
        if (take_shape_back(op, hands) < 0)
                log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        err_restore(&saved);
        return r;
}

/* What is known to have none is not asked for it. */
static int run_unshape(struct net_op *op, struct net_hands *hands) {
        if (op->policy && !op->policy->bandwidth.egress.v)
                return 0;
        return shape_remove(&hands->host, op->link, op->alias);
}

static const struct {
        void (*build)(struct nl_batch *batch, const struct net_op *op, const struct net_hands *hands);
        int (*run)(struct net_op *op, struct net_hands *hands);
} kinds[] = {
        [NET_FIND_FREE] = { .run = run_find_free }, [NET_BRIDGE] = { .build = build_bridge },
        [NET_FIND] = { .run = run_find },           [NET_RA_OFF] = { .run = run_ra_off },
        [NET_UP] = { .build = build_up },           [NET_VETH] = { .build = build_veth },
        [NET_PORT] = { .build = build_port },       [NET_NO_IPV6] = { .run = run_no_ipv6 },
        [NET_ADDRESS] = { .build = build_address }, [NET_OVERLAY] = { .run = run_overlay },
        [NET_TUNNEL] = { .run = run_tunnel },       [NET_DIRECT] = { .build = build_direct },
        [NET_NAME] = { .build = build_name },       [NET_ROUTE] = { .build = build_route },
        [NET_PATH] = { .build = build_path },       [NET_DOWN] = { .build = build_down },
        [NET_DELETE] = { .build = build_delete },   [NET_PORTS_FREE] = { .run = run_ports_free },
        [NET_GUARD] = { .run = run_guard },         [NET_FORWARD] = { .run = run_forward },
        [NET_WAYS] = { .run = run_ways },           [NET_RULES_OFF] = { .run = run_rules_off },
        [NET_SHAPE] = { .run = run_shape },         [NET_UNSHAPE] = { .run = run_unshape },
        [NET_VLAN] = { .run = run_vlan },           [NET_JOIN] = { .run = run_join },
};

/* The refusals that are as good as success: a twin was faster; a container's first network has the default route. */
static bool is_tolerated(const struct net_op *op, int error) {
        if (op->kind == NET_ROUTE && error == EEXIST && op->request && op->request->network)
                return true;
        return (error == EEXIST && op->is_bridge) ||
               (error == ENODEV && (op->kind == NET_DELETE || op->kind == NET_DOWN));
}

static int refused(const struct net_op *op, const struct nl_answer *answer) {
        const char *what = net_op_words(op);
        const char *module = op->kind == NET_DIRECT   ? direct_module(op->request->direct)
                             : op->kind == NET_BRIDGE ? "bridge"
                             : op->kind == NET_VETH   ? "veth"
                                                      : NULL;
        if (module && answer->error == EOPNOTSUPP)
                return nl_lacks(what, module);
        if ((op->kind == NET_VETH || op->kind == NET_NAME) && answer->error == EEXIST)
                return fail_words(EEXIST, "%s: %s exists there", what, op->request->interface);
        if (answer->words)
                return fail_words(answer->error, "%s: %s (%s)", what, strerror(answer->error), answer->words);
        return fail(answer->error, "%s", what);
}

static int send_group(struct net_op *ops, size_t n, struct net_hands *hands) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        int result = 0;
        for (size_t i = 0; i < n; i++)
                kinds[ops[i].kind].build(&batch, &ops[i], hands);
        int r = nl_run(ops->is_inside ? &hands->inside : &hands->host, &batch, &reply);
        if (r < 0) {
                /* Nobody knows how far the kernel came; only the link is worth a look. */
                if (ops->kind == NET_VETH || ops->kind == NET_DIRECT)
                        ops->state = NET_OP_DONE;
                return fail_in(r, "%s", net_op_words(ops));
        }
        for (size_t i = 0; i < n; i++) {
                if (reply.answers[i].error == 0)
                        ops[i].state = NET_OP_DONE;
                else if (is_tolerated(&ops[i], reply.answers[i].error))
                        ops[i].state = NET_OP_TOLERATED;
                else if (result == 0)
                        result = refused(&ops[i], &reply.answers[i]);
        }
        return result;
}

/* One message whose refusal is worth no more than a warning. */
static void take_back(struct nl *nl, const struct nl_batch *batch, const struct net_op *op) {
        struct nl_reply reply;
        if (nl_run(nl, batch, &reply) < 0)
                log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        else if (reply.answers[0].error)
                log_warning("take back \"%s\": %s", net_op_words(op), strerror(reply.answers[0].error));
}

static void undo_link(const struct net_op *op, struct net_hands *hands) {
        struct link_info link;
        struct nl_batch batch = { 0 };
        struct nl_reply ports = { 0 };
        if (link_get(&hands->host, op->link, &link) < 0)
                return;
        if (op->kind == NET_BRIDGE) {
                link_put_dump(&batch, NULL, link.index);
                if (nl_run(&hands->host, &batch, &ports) < 0 || ports.n)
                        return;
                batch = (struct nl_batch){ 0 };
        }
        link_put_delete(&batch, link.index);
        take_back(&hands->host, &batch, op);
}

/* What was done inside dies with the link. */
static void undo(const struct net_op *op, struct net_hands *hands) {
        const struct link_info *link = &hands->found[op->slot];
        struct nl_batch batch = { 0 };
        if (op->kind == NET_WAYS || op->kind == NET_GUARD) {
                if (filter_remove(&hands->filter, op->policy, op->kind == NET_WAYS ? FILTER_WAYS : FILTER_GUARD) < 0)
                        log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        } else if (op->kind == NET_SHAPE) {
                if (take_shape_back(op, hands) < 0)
                        log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        } else if (op->kind == NET_FORWARD) {
                forward_undo(&hands->forward);
        } else if (op->kind == NET_OVERLAY) {
                if (overlay_remove(&hands->host, op->request->overlay->name) < 0)
                        log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        } else if (op->kind == NET_VLAN) {
                vlan_undo(&hands->host, op->request, link, &hands->vlan);
        } else if (op->kind == NET_TUNNEL) {
                if (tunnel_remove(&hands->host, op->request->tunnel) < 0)
                        log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        } else if (op->kind == NET_DIRECT) {
                if (direct_delete(&hands->host, &op->request->policy, (uint32_t)hands->number) < 0)
                        log_warning("take back \"%s\": %s", net_op_words(op), err_message());
        } else if (op->kind == NET_BRIDGE || op->kind == NET_VETH) {
                undo_link(op, hands);
        } else if (op->kind == NET_RA_OFF && op->before) {
                (void)!write_file_at(AT_FDCWD, ra_path(op), op->before, strlen(op->before));
        } else if (op->kind == NET_UP && !(link->flags & IFF_UP)) {
                link_put_up(&batch, link->index, false);
                take_back(&hands->host, &batch, op);
        } else if (op->kind == NET_ADDRESS) {
                address_put_delete(&batch, link->index, op->address);
                take_back(&hands->host, &batch, op);
        }
}

int net_apply(struct net_plan *plan, struct net_hands *hands) {
        int r = 0;
        for (size_t i = 0, n; i < plan->n && r == 0; i += n) {
                struct net_op *op = &plan->ops[i];
                for (n = 1; i + n < plan->n && plan->ops[i + n].is_joined;)
                        n++;
                if (kinds[op->kind].build) {
                        r = send_group(op, n, hands);
                } else {
                        r = kinds[op->kind].run(op, hands);
                        if (r == 0 && op->state == NET_OP_PENDING)
                                op->state = NET_OP_DONE;
                }
        }
        if (r == 0)
                return 0;
        struct err_saved saved;
        err_save(&saved);
        for (size_t i = plan->n; i-- > 0;)
                if (plan->ops[i].state == NET_OP_DONE && !plan->ops[i].is_inside)
                        undo(&plan->ops[i], hands);
        err_restore(&saved);
        return r;
}
