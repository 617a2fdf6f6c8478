#include "netsetup/attach.h"
#include "netsetup/direct.h"
#include "netsetup/gc.h"
#include "netsetup/ipam.h"
#include "netsetup/names.h"
#include "netsetup/netns.h"
#include "netsetup/networks.h"
#include "netsetup/overlay.h"
#include "netsetup/record.h"
#include "netsetup/tag.h"
#include "netsetup/tunnel.h"
#include "netsetup/vlan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>
#include <linux/if.h>
#include <sys/random.h>
#include <sys/socket.h>

#define autohands __attribute__((cleanup(net_hands_close))) struct net_hands

struct attaching {
        struct net_request request; /* ours to fill in */
        struct net_network network; /* when it has one */
        struct ipam_pool pool;
        struct net_record record;
        struct gc gc;
};

/* What the name of a network stands for; nothing is looked at but its file. */
static int know_network(struct attaching *a) {
        struct net_request *request = &a->request;
        if (!request->network)
                return 0;
        if (request->config)
                a->network = *request->config;
        else if (network_load(request->networks, request->network, &a->network) < 0)
                return -err_errno();
        int r = ipam_pool(&a->network, &a->pool);
        if (r < 0)
                return r;
        network_shape(request, &a->network);
        return request->direct ? direct_check_request(request) : 0;
}

/* The largest packet of the link that leads to the world, 0 when none does. */
static int find_uplink_mtu(struct nl *nl, uint32_t *ret) {
        static const char *const worlds[] = { "192.0.2.1", "2001:db8::1" }; /* of documentation: only a default route */
        for (size_t i = 0; i < 2; i++) {
                struct net_address world;
                if (address_parse_host(worlds[i], &world))
                        continue;
                int r = overlay_mtu_towards(nl, &world, ret);
                if (r < 0 || *ret)
                        return r;
        }
        return 0;
}

/* Ours to choose, so that the record knows it before there is a link. */
static void choose_mac(struct net_request *request) {
        if (request->has_mac || (request->direct && !request->direct->has_own_mac))
                return;
        if (request->addresses.n)
                tag_mac(request->direct ? request->uplink : request->bridge, request->addresses.at[0].text,
                        request->mac);
        else
                (void)!getrandom(request->mac, sizeof(request->mac), 0);
        request->mac[0] = (uint8_t)((request->mac[0] & ~1U) | 2U);
        request->has_mac = true;
}

/* What an earlier attachment of this link left, finished or not, unless it lives. */
static int forget_earlier(struct attaching *a) {
        struct net_record earlier;
        int r = record_read(a->gc.attached, a->request.id, a->request.interface, &earlier);
        if (r != RECORD_FOUND)
                return r < 0 ? r : 0;
        if (gc_is_over(&a->gc, &earlier))
                return gc_take_away(&a->gc, &earlier);
        if (earlier.number.set)
                return fail_words(EEXIST, "%s is attached already", earlier.policy.interface);
        return 0;
}

static int lease(struct attaching *a) {
        struct net_request *request = &a->request;
        struct ipam_answer leased = { 0 };
        const struct ipam_ask ask = {
                .boot = a->gc.boot,
                .id = request->id,
                .link = tag_link_name(request->id, request->interface),
                .fixed = request->fixed,
                .is_dead = gc_is_dead,
                .data = &a->gc,
        };
        if (!request->network)
                return 0;
        int r = ipam_take(a->gc.root, &a->pool, &ask, &leased);
        if (r == 0 && (request->overlay || request->tunnel)) {
                uint32_t most = 0;
                r = request->overlay ? overlay_mtu(a->gc.nl, request->overlay, &most)
                                     : tunnel_mtu(a->gc.nl, request->tunnel, &most);
                if (r == 0 && request->mtu > most)
                        r = fail_words(EINVAL, "mtu %u: network %s carries packets of %u bytes", request->mtu,
                                       request->network, most);
                if (!request->mtu)
                        request->mtu = most;
        } else if (r == 0 && !request->mtu && !request->direct)
                r = find_uplink_mtu(a->gc.nl, &request->mtu);
        return r < 0 ? r : network_address(request, &a->network, &leased);
}

static void fill_policy(struct net_request *request) {
        struct net_policy *policy = &request->policy;
        policy->id = request->id;
        policy->interface = request->interface;
        policy->link = tag_link_name(request->id, request->interface);
        /* Where its packets come from and go to, for those who route. */
        policy->bridge = request->vlan && request->bridge ? vlan_gate(request->bridge, request->vlan) : request->bridge;
        policy->mac = request->has_mac ? link_mac_text(request->mac) : NULL;
        policy->isolated = request->port.isolated;
        for (size_t i = 0; i < request->addresses.n; i++)
                strv_add(&policy->addresses, request->addresses.at[i].text);
        for (size_t i = 0; i < request->bridge_addresses.n; i++)
                strv_add(&policy->bridge_addresses,
                         address_of_number(address_number(&request->bridge_addresses.at[i]), 128).text);
}

static int begin_record(struct attaching *a, const struct net_hands *hands) {
        const struct net_request *request = &a->request;
        a->record = (struct net_record){
                .boot = a->gc.boot,
                .network = request->network,
                .face = request->face,
                .netns = request->netns,
                .owner = request->owner,
                .policy = request->policy,
                .number = { request->direct != NULL, (uint32_t)hands->number },
        };
        for (size_t i = 0; i < request->gateways.n; i++)
                strv_add(&a->record.gateways, request->gateways.at[i].text);
        int r = record_identity(hands->netns, &hands->inside, &a->record.identity);
        return r < 0 ? r : record_begin(a->gc.attached, &a->record);
}

/* The link, wherever it is. */
static int find_made(struct attaching *a, const struct net_hands *hands, struct link_info *ret) {
        const struct net_policy *policy = &a->request.policy;
        return a->request.direct ? direct_get(a->gc.nl, policy, (uint32_t)hands->number, ret)
                                 : link_get(a->gc.nl, policy->link, ret);
}

/* Leases and record go when the link is gone; when it could not be taken back they stay, for gc. */
static void give_up(struct attaching *a, const struct net_hands *hands) {
        struct err_saved saved;
        struct link_info link;
        err_save(&saved);
        const char *name = a->request.policy.link;
        if (find_made(a, hands, &link) == -ENODEV) {
                if (a->request.network)
                        (void)!ipam_give_back(a->gc.root, a->request.network, name);
                names_release(&a->request.owner);
                (void)!record_remove(a->gc.attached, name);
        }
        err_restore(&saved);
}

/* The record first, which says what is made. */
static int begin(struct attaching *a, const struct net_hands *hands) {
        struct net_owner *owner = &a->request.owner;
        bool is_by_hand = str_eq(a->request.face, "cli");
        int r = is_by_hand ? names_claim(owner) : 0;
        if (r < 0 || (r = begin_record(a, hands)) < 0 || !is_by_hand || (r = names_make(owner)) < 0)
                return r;
        return owner->servers ? names_write_servers(owner, &a->network.dns) : 0;
}

static int make(struct attaching *a, struct net_hands *hands) {
        struct net_plan plan = net_plan(&a->request);
        struct net_plan first = { plan.ops, 1 };
        int r = forget_earlier(a);
        if (r < 0 || (r = net_apply(&first, hands)) < 0)
                return r;
        a->request.policy.link = first.ops->link;
        r = lease(a);
        choose_mac(&a->request);
        fill_policy(&a->request);
        if (r == 0)
                r = policy_check(&a->request.policy);
        if (r == 0)
                r = begin(a, hands);
        plan = net_plan(&a->request);
        struct net_plan rest = { plan.ops + 1, plan.n - 1 };
        if (r == 0)
                r = net_apply(&rest, hands);
        if (r == 0)
                r = record_keep(a->gc.attached, a->request.policy.link);
        if (r < 0)
                give_up(a, hands);
        return r;
}

static int print_plan(struct attaching *a, FILE *dry) {
        fill_policy(&a->request);
        struct net_plan plan = net_plan(&a->request);
        for (size_t i = 0; i < a->pool.n; i++)
                fprintf(dry, "host     lease an address of %s\n", a->pool.sets[i].ranges.at[0].subnet.text);
        net_plan_print(&plan, dry);
        if (a->request.owner.servers)
                fprintf(dry, "host     write name servers to %s\n", a->request.owner.servers);
        if (a->request.owner.hosts)
                fprintf(dry, "host     keep names in %s\n", a->request.owner.hosts);
        return 0;
}

int attach_run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        struct attaching a = { .request = *request };
        autohands hands = { .netns = -1 };
        autofd root = -1, lock = -1, attached = -1;
        int r = know_network(&a);
        if (r < 0 || dry)
                return r < 0 ? r : print_plan(&a, dry);
        if ((r = netns_open(request->netns, &hands.netns)) < 0)
                return r;
        if (netns_is_own(hands.netns))
                return fail_words(EINVAL, "network namespace %s: the one of the host", request->netns);
        if ((r = net_lock(request->root, &root, &lock)) < 0 || (r = record_folder(root, "attached", &attached)) < 0 ||
            (r = record_boot(&a.gc.boot)) < 0)
                return r;
        if ((r = nl_open(&hands.host)) < 0 || (r = netns_socket(hands.netns, &hands.inside)) < 0)
                return r;
        a.gc.nl = &hands.host;
        a.gc.root = root;
        a.gc.attached = attached;
        a.gc.filter = &hands.filter;
        hands.gc = &a.gc;
        if (a.request.direct && (r = netns_give_number(&hands.host, hands.netns, &hands.number)) < 0)
                return r;
        if ((r = make(&a, &hands)) < 0)
                return r;
        if (a.request.direct && (r = find_made(&a, &hands, &hands.found[NET_SLOT_LINK])) < 0)
                return fail_in(r, "look at link %s", a.request.policy.link);
        struct net_link *out = net_describe(&hands.host, &hands.found[NET_SLOT_LINK], request->id, ret);
        if (!a.request.direct) {
                ret->bridge_mac = link_mac_text(hands.found[NET_SLOT_BRIDGE].mac);
                ret->link_mac = link_mac_text(hands.found[NET_SLOT_LINK].mac);
        }
        net_recall(out, &a.record);
        for (size_t i = 0; i < hands.forward.list.n; i++)
                strv_add(&out->switched, hands.forward.list.at[i].name);
        return 0;
}
