#include "netsetup/direct.h"
#include "netsetup/filter.h"
#include "netsetup/net.h"
#include "netsetup/shape.h"
#include "netsetup/tag.h"
#include "netsetup/vlan.h"

#include "specs/base/arena.h"
#include "specs/base/str.h"

#include <stddef.h>
#include <string.h>

static struct net_op *add(struct net_plan *plan, struct net_op op) {
        size_t size = plan->n * sizeof(op);
        plan->ops = arena_grow(plan->ops, size, size + sizeof(op));
        plan->ops[plan->n] = op;
        return &plan->ops[plan->n++];
}

/* Operations inside go out together, as many as a batch holds: what they change dies with the link when one fails. */
static void add_inside(struct net_plan *plan, struct net_op op, size_t *joined) {
        op.is_inside = true;
        op.is_joined = *joined % NL_BATCH_MESSAGES != 0;
        ++*joined;
        add(plan, op);
}

static void plan_inside(struct net_plan *plan, const struct net_request *r) {
        struct net_op op = { NET_FIND, .is_inside = true, .link = r->interface, .slot = NET_SLOT_INSIDE };
        size_t joined = 0;
        if (r->direct)
                op.link = tag_link_name(r->id, r->interface);
        add(plan, op);
        op.request = r;
        op.kind = NET_NAME;
        if (r->direct)
                add_inside(plan, op, &joined);
        op.link = r->interface;
        op.kind = NET_ADDRESS;
        for (size_t i = 0; i < r->addresses.n; i++) {
                op.address = &r->addresses.at[i];
                add_inside(plan, op, &joined);
        }
        op.kind = NET_UP;
        add_inside(plan, op, &joined);
        op.kind = NET_ROUTE;
        for (size_t i = 0; i < r->gateways.n && !r->has_no_default; i++) {
                op.address = &r->gateways.at[i];
                add_inside(plan, op, &joined);
        }
        op.kind = NET_PATH;
        for (size_t i = 0; i < r->paths.n; i++) {
                op.path = &r->paths.at[i];
                add_inside(plan, op, &joined);
        }
}

static void plan_loopback(struct net_plan *plan) {
        struct net_op op = { NET_FIND, .is_inside = true, .link = "lo", .slot = NET_SLOT_LOOPBACK };
        add(plan, op);
        op.kind = NET_UP;
        add(plan, op);
}

/* The name is looked for here as well: the id may have a port of that interface. */
static void plan_direct(struct net_plan *plan, const struct net_request *r) {
        const char *link = tag_link_name(r->id, r->interface);
        add(plan, (struct net_op){ NET_FIND_FREE, .link = link, .request = r });
        add(plan, (struct net_op){ NET_FIND, .link = r->uplink, .slot = NET_SLOT_UPLINK });
        add(plan, (struct net_op){ NET_DIRECT, .link = link, .request = r, .slot = NET_SLOT_UPLINK });
        plan_inside(plan, r);
        plan_loopback(plan);
}

/* The gate takes the place of the bridge for whatever is routed. */
static struct net_op plan_vlan(struct net_plan *plan, const struct net_request *r, struct net_op bridge) {
        static const enum net_op_kind kinds[] = { NET_FIND, NET_RA_OFF, NET_UP };
        struct net_op gate = { .slot = NET_SLOT_GATE };
        add(plan, (struct net_op){ NET_VLAN, .link = r->bridge, .request = r, .slot = NET_SLOT_BRIDGE });
        if (!r->vlan)
                return bridge;
        gate.link = vlan_gate(r->bridge, r->vlan);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                add(plan, gate)->kind = kinds[i];
        bridge.link = gate.link;
        bridge.slot = NET_SLOT_GATE;
        return bridge;
}

static void plan_join(struct net_plan *plan, const struct net_request *r, const char *link) {
        struct net_op op = { NET_FIND, .link = link, .request = r, .slot = NET_SLOT_LINK };
        add(plan, op);
        op.kind = NET_JOIN;
        add(plan, op);
        op.kind = NET_UP;
        add(plan, op);
}

struct net_plan net_plan(const struct net_request *r) {
        struct net_plan plan = { 0 };
        if (r->command == NET_LOOPBACK) {
                plan_loopback(&plan);
                return plan;
        }
        if (r->direct) {
                plan_direct(&plan, r);
                return plan;
        }
        const char *link = tag_link_name(r->id, r->interface);
        bool has_ways = filter_words(&r->policy, FILTER_WAYS) != NULL;
        struct net_op bridge = { .link = r->bridge, .slot = NET_SLOT_BRIDGE, .is_bridge = true };
        static const enum net_op_kind bridge_kinds[] = { NET_BRIDGE, NET_FIND, NET_RA_OFF, NET_UP };
        add(&plan, (struct net_op){ NET_FIND_FREE, .link = link, .request = r });
        if (has_ways)
                add(&plan, (struct net_op){ NET_PORTS_FREE, .policy = &r->policy });
        for (size_t i = 0; i < sizeof(bridge_kinds) / sizeof(bridge_kinds[0]); i++)
                add(&plan, bridge)->kind = bridge_kinds[i];
        if (r->vlan || r->trunk.n)
                bridge = plan_vlan(&plan, r, bridge);
        if (r->overlay)
                add(&plan, (struct net_op){ NET_OVERLAY, .link = r->bridge, .request = r, .slot = NET_SLOT_BRIDGE });
        add(&plan, (struct net_op){ NET_GUARD, .link = link, .policy = &r->policy });
        /* One send, so that no signal can leave a link without a tag.  The kernel goes on after a failure, and then
         * there is no link of this name to tag: it was looked for. */
        add(&plan, (struct net_op){ NET_VETH, .link = link, .request = r, .slot = NET_SLOT_BRIDGE });
        add(&plan, (struct net_op){ NET_PORT, .link = link, .request = r, .is_joined = true });
        add(&plan, (struct net_op){ NET_NO_IPV6, .link = link });
        if (r->port.is_later)
                plan_join(&plan, r, link);
        if (shape_words(&r->policy.bandwidth))
                add(&plan, (struct net_op){ NET_SHAPE, .link = link, .policy = &r->policy });
        plan_inside(&plan, r);
        /* Late, because the bridge is shared: whatever fails before has not touched its addresses. */
        bridge.kind = NET_ADDRESS;
        for (size_t i = 0; i < r->bridge_addresses.n; i++) {
                bridge.address = &r->bridge_addresses.at[i];
                add(&plan, bridge);
        }
        add(&plan, (struct net_op){ NET_FIND, .link = link, .slot = NET_SLOT_LINK });
        if (has_ways || r->tunnel)
                add(&plan, (struct net_op){ NET_FORWARD, .policy = &r->policy });
        if (has_ways)
                add(&plan, (struct net_op){ NET_WAYS, .link = link, .policy = &r->policy });
        if (r->tunnel)
                add(&plan, (struct net_op){ NET_TUNNEL, .link = r->policy.tunnel, .request = r });
        /* At the end, because it cannot be taken back: the kernel leaves 127.0.0.1 on a loopback that goes down. */
        plan_loopback(&plan);
        return plan;
}

/* A link that is down needs no guard.  The kernel clears the rules away while it waits for the link to go; the other
 * way round it would wait twice. */
void net_plan_off(struct net_plan *plan, const struct link_info *link) {
        if (link->kind && direct_mode(link->kind, NULL))
                return;
        add(plan, (struct net_op){ NET_DOWN, .link = link->name, .index = link->index });
        add(plan, (struct net_op){ NET_RULES_OFF, .link = link->name });
}

void net_plan_delete(struct net_plan *plan, const struct link_info *link) {
        struct net_op op = { NET_DELETE, .link = link->name, .index = link->index, .netns = -1 };
        if (link->kind && direct_mode(link->kind, NULL))
                op.netns = link->peer_netns;
        else
                add(plan, (struct net_op){ NET_UNSHAPE, .link = link->name, .alias = link->alias });
        add(plan, op);
}

static const char *port_words(const struct net_op *op) {
        const struct net_request *r = op->request;
        return str_format("tag %s %s%s%s%s", op->link, tag_alias(r->id, r->interface),
                          r->port.isolated ? ", isolated" : "", r->port.hairpin ? ", hairpin" : "",
                          r->port.is_later ? "" : ", set it up");
}

static const char *route_words(const struct net_op *op) {
        bool is_by_link = op->request->direct && op->request->direct->is_without_arp;
        if (op->kind == NET_PATH && is_by_link)
                return str_format("add route to %s by %s", op->path->destination.text, op->link);
        if (op->kind == NET_PATH)
                return str_format("add route to %s via %s", op->path->destination.text, op->path->gateway.text);
        if (is_by_link)
                return str_format("add default route to %s", op->link);
        return str_format("add default route via %s%s", op->address->text,
                          op->request->network ? " unless there is one" : "");
}

static const char *overlay_words(const struct net_op *op) {
        uint32_t id = op->request->overlay->vxlan.id.v;
        return str_format("make VXLAN port %u on bridge %s unless it is there", id, op->link);
}

static const char *vlan_words(const struct net_op *op) {
        const struct net_request *r = op->request;
        const char *own = r->vlan ? str_format(" %u", r->vlan) : "", *trunk = str_join(&r->trunk, ",");
        if (op->kind == NET_JOIN)
                return str_format("put %s into VLAN%s%s%s", op->link, own, *trunk ? " with tags " : "", trunk);
        if (!r->vlan)
                return str_format("let bridge %s sort VLANs", op->link);
        return str_format("let bridge %s sort VLANs, make link %s to VLAN%s unless it is there", op->link,
                          vlan_gate(op->link, r->vlan), own);
}

static const char *tunnel_words(const struct net_op *op) {
        const struct net_wireguard *wireguard = &op->request->tunnel->wireguard;
        return str_format("make WireGuard link %s on UDP port %u with %zu peers unless it is there", op->link,
                          wireguard->port.v, wireguard->peers.n);
}

const char *net_op_words(const struct net_op *op) {
        switch (op->kind) {
        case NET_FIND_FREE:
                return str_format("see that no link is called %s", op->link);
        case NET_BRIDGE:
                return str_format("make bridge %s unless it is there", op->link);
        case NET_FIND:
                return str_format("find %s%s", op->is_bridge ? "bridge " : "", op->link);
        case NET_RA_OFF:
                return str_format("refuse router advertisements on %s unless it is up", op->link);
        case NET_UP:
                return str_format("set %s up", op->link);
        case NET_VETH:
                return str_format("make link %s on bridge %s to %s inside", op->link, op->request->bridge,
                                  op->request->interface);
        case NET_PORT:
                return port_words(op);
        case NET_DIRECT:
                return str_format("make %s link %s on %s inside (%s)", op->request->direct->kind, op->link,
                                  op->request->uplink, op->request->direct->mode);
        case NET_OVERLAY:
                return overlay_words(op);
        case NET_VLAN:
        case NET_JOIN:
                return vlan_words(op);
        case NET_TUNNEL:
                return tunnel_words(op);
        case NET_NAME:
                return str_format("name it %s, tag %s", op->request->interface,
                                  tag_alias(op->request->id, op->request->interface));
        case NET_ADDRESS:
                return str_format("add address %s to %s%s", op->address->text, op->link,
                                  op->is_bridge ? " unless it is there" : "");
        case NET_ROUTE:
        case NET_PATH:
                return route_words(op);
        case NET_NO_IPV6:
                return str_format("give %s no IPv6 addresses of its own", op->link);
        case NET_DOWN:
                return str_format("set %s down", op->link);
        case NET_DELETE:
                return str_format("delete link %s", op->link);
        case NET_PORTS_FREE:
                return "see that nobody else has the published ports";
        case NET_GUARD:
                return str_format("let %s %s", op->link, filter_words(op->policy, FILTER_GUARD));
        case NET_FORWARD:
                return "switch on forwarding unless it is on";
        case NET_WAYS:
                return filter_words(op->policy, FILTER_WAYS);
        case NET_RULES_OFF:
                return str_format("take away the rules of %s", op->link);
        case NET_SHAPE:
                return str_format("limit bandwidth of %s to %s", op->link, shape_words(&op->policy->bandwidth));
        case NET_UNSHAPE:
                return str_format("delete link %s if it is there", shape_device(op->link));
        }
        return "";
}

void net_plan_print(const struct net_plan *plan, FILE *out) {
        for (size_t i = 0; i < plan->n; i++)
                fprintf(out, "%-6s %c %s\n", plan->ops[i].is_inside ? "inside" : "host",
                        plan->ops[i].is_joined ? '+' : ' ', net_op_words(&plan->ops[i]));
}
