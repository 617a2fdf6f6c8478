#include "netsetup/net.h"
#include "netsetup/attach.h"
#include "netsetup/bandwidth.h"
#include "netsetup/direct.h"
#include "netsetup/gc.h"
#include "netsetup/names.h"
#include "netsetup/netns.h"
#include "netsetup/networks.h"
#include "netsetup/overlay.h"
#include "netsetup/ports.h"
#include "netsetup/record.h"
#include "netsetup/reload.h"
#include "netsetup/tunnel.h"
#include "netsetup/vlan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

void net_hands_close(struct net_hands *hands) {
        nl_closep(&hands->filter);
        nl_closep(&hands->inside);
        nl_closep(&hands->host);
        hands->netns = fd_close(hands->netns);
}

#define autohands __attribute__((cleanup(net_hands_close))) struct net_hands

/* Nothing half-done by Ctrl-C: what follows takes milliseconds. */
static void block_signals(void) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* In a folder of our own, because whoever can open the file can hold the lock. */
int net_lock(const char *root, int *ret_root, int *ret_lock) {
        autofd dir = -1;
        int r = record_root(root, &dir);
        if (r < 0)
                return r;
        autofd fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return fail(errno, "open %s/lock", root);
        r = lock_fd(fd, LOCK_EX);
        if (r < 0)
                return r;
        block_signals();
        *ret_root = fd_take(&dir);
        *ret_lock = fd_take(&fd);
        return 0;
}

int net_unlock(int lock) {
        return lock_fd(lock, LOCK_UN);
}

int net_lock_again(int lock) {
        return lock_fd(lock, LOCK_EX);
}

static int loopback(const struct net_request *request, FILE *dry) {
        struct net_plan plan = net_plan(request);
        autohands hands = { .netns = -1 };
        int r;
        if (dry) {
                net_plan_print(&plan, dry);
                return 0;
        }
        if ((r = netns_open(request->netns, &hands.netns)) < 0 || (r = netns_socket(hands.netns, &hands.inside)) < 0)
                return r;
        return net_apply(&plan, &hands);
}

static int look(const struct net_request *request, struct net_result *ret) {
        autonl nl = { 0 };
        autofd attached = -1;
        struct link_info *links = NULL;
        size_t n = 0;
        int r = nl_open(&nl);
        if (r < 0 || (r = net_find_links(&nl, request, &links, &n)) < 0)
                return r;
        /* Who may not read the records sees the links without them. */
        if (record_look(request->root, &attached) < 0)
                err_clear();
        if (attached >= 0 && (r = direct_find(&nl, attached, request, &links, &n)) < 0)
                return r;
        if (request->id && n == 0)
                return fail_words(ENODEV, "not attached");
        for (size_t i = 0; i < n; i++) {
                struct net_link *out = net_describe(&nl, &links[i], request->id, ret);
                struct net_record record;
                if (attached < 0 || record_read_link(attached, links[i].name, &record) != RECORD_FOUND)
                        continue;
                net_recall(out, &record);
        }
        err_clear();
        return 0;
}

/* --- networks ------------------------------------------------------------------------------------------------------
 */
static int create_network(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autofd root = -1, lock = -1;
        autonl nl = { 0 };
        struct net_network *network = arena_array(1, sizeof(*network));
        int r = dry ? 0 : net_lock(request->root, &root, &lock);
        if (r < 0 || (r = nl_open(&nl)) < 0 || (r = network_plan(request, &nl, network)) < 0)
                return r;
        if (dry)
                fputs(json_write(network, &net_network_type, true), dry);
        else if ((r = tunnel_prepare(request->networks, network)) < 0 ||
                 (r = network_save(request->networks, network)) < 0)
                return r;
        ret->networks.networks.at = network;
        ret->networks.networks.n = 1;
        return 0;
}

static int delete_bridge(struct nl *nl, const struct net_network *network) {
        const char *name = network->bridge;
        struct link_info bridge;
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        int r = overlay_remove(nl, network->name);
        if (r == 0)
                r = tunnel_remove(nl, network);
        if (r == 0)
                r = vlan_remove(nl, network);
        if (r == 0)
                r = link_get(nl, name, &bridge);
        if (r < 0)
                return r == -ENODEV ? 0 : r;
        if (bridge.group != LINK_GROUP || !bridge.kind || !str_eq(bridge.kind, "bridge"))
                return 0;
        link_put_dump(&batch, NULL, bridge.index);
        if ((r = nl_run(nl, &batch, &reply)) < 0 || reply.n)
                return r;
        batch = (struct nl_batch){ 0 };
        link_put_delete(&batch, bridge.index);
        r = nl_run(nl, &batch, &reply);
        return r == 0 && reply.answers[0].error ? fail(reply.answers[0].error, "delete bridge %s", name) : r;
}

/* Somebody lives in the network: seen by records and by leases, whichever is left. */
static int check_unused(struct gc *gc, const struct net_network *network, const struct net_records *all) {
        struct ipam_leases leases;
        for (size_t i = 0; i < all->records.n; i++) {
                const struct net_record *record = &all->records.at[i];
                if (record->network && str_eq(record->network, network->name) && str_eq(record->boot, gc->boot) &&
                    !gc_is_dead(gc, record->policy.link))
                        return fail_words(EBUSY, "network %s: %s of %s is attached to it", network->name,
                                          record->policy.interface, record->policy.id);
        }
        int r = ipam_list(gc->root, network->name, gc->boot, &leases);
        for (size_t i = 0; r == 0 && i < leases.leases.n; i++)
                if (!gc_is_dead(gc, leases.leases.at[i].link))
                        return fail_words(EBUSY, "network %s: link %s has %s of it", network->name,
                                          leases.leases.at[i].link, leases.leases.at[i].address);
        return r;
}

static int remove_network(const struct net_request *request, FILE *dry) {
        autofd root = -1, lock = -1, attached = -1;
        autonl nl = { 0 }, filter = { 0 };
        struct net_network network;
        struct net_records all;
        int r = net_lock(request->root, &root, &lock);
        if (r < 0 || (r = record_folder(root, "attached", &attached)) < 0 || (r = nl_open(&nl)) < 0 ||
            (r = network_load(request->networks, request->network, &network)) < 0 ||
            (r = record_list(attached, &all)) < 0)
                return r;
        struct gc gc = { .nl = &nl, .filter = &filter, .root = root, .attached = attached };
        if ((r = record_boot(&gc.boot)) < 0 || (r = check_unused(&gc, &network, &all)) < 0)
                return r;
        if (dry) {
                if (network.bridge)
                        fprintf(dry, "host     delete bridge %s if it was made here and has no ports\n",
                                network.bridge);
                fprintf(dry, "host     delete network %s and its leases\n", network.name);
                return 0;
        }
        for (size_t i = 0; i < all.records.n; i++)
                if (all.records.at[i].network && str_eq(all.records.at[i].network, network.name) &&
                    (r = gc_take_away(&gc, &all.records.at[i])) < 0)
                        return r;
        if ((network.bridge && (r = delete_bridge(&nl, &network)) < 0) || (r = ipam_forget(root, network.name)) < 0)
                return r;
        r = tunnel_forget(request->networks, &network);
        return r < 0 ? r : network_remove(request->networks, network.name);
}

static int show(const struct net_request *request, struct net_result *ret) {
        struct net_network *network = arena_array(1, sizeof(*network));
        struct ipam_leases leases = { 0 };
        autofd root = -1, attached = -1;
        const char *boot;
        int r = network_load(request->networks, request->network, network);
        if (r < 0 || (r = record_boot(&boot)) < 0 || (r = record_root(request->root, &root)) < 0 ||
            (r = record_folder(root, "attached", &attached)) < 0 ||
            (r = ipam_list(root, request->network, boot, &leases)) < 0)
                return r;
        struct net_lease *out = arena_array(leases.leases.n + 1, sizeof(*out));
        for (size_t i = 0; i < leases.leases.n; i++) {
                struct net_record record;
                out[i] = (struct net_lease){
                        .address = leases.leases.at[i].address,
                        .link = leases.leases.at[i].link,
                };
                if (record_read_link(attached, out[i].link, &record) == RECORD_FOUND) {
                        out[i].id = record.policy.id;
                        out[i].interface = record.policy.interface;
                }
        }
        err_clear();
        ret->networks.networks.at = network;
        ret->networks.networks.n = 1;
        ret->networks.leases.at = out;
        ret->networks.leases.n = leases.leases.n;
        return 0;
}

static int collect(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autofd root = -1, lock = -1, attached = -1;
        autonl nl = { 0 }, filter = { 0 };
        int r = net_lock(request->root, &root, &lock);
        if (r < 0 || (r = record_folder(root, "attached", &attached)) < 0 || (r = nl_open(&nl)) < 0)
                return r;
        struct gc gc = { .nl = &nl, .filter = &filter, .root = root, .attached = attached, .lock = lock };
        if ((r = record_boot(&gc.boot)) < 0)
                return r;
        return gc_run(&gc, request->keep, request->keep_data, dry, &ret->collected);
}

static int run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        switch (request->command) {
        case NET_ATTACH:
                return attach_run(request, dry, ret);
        case NET_DETACH:
                return detach_run(request, dry, ret);
        case NET_LOOPBACK:
                return loopback(request, dry);
        case NET_STATUS:
        case NET_LIST:
                return look(request, ret);
        case NET_NETWORK_CREATE:
                return create_network(request, dry, ret);
        case NET_NETWORK_DELETE:
                return remove_network(request, dry);
        case NET_NETWORK_LIST:
                return network_all(request->networks, &ret->networks);
        case NET_NETWORK_SHOW:
                return show(request, ret);
        case NET_GC:
                return collect(request, dry, ret);
        case NET_PORT_ADD:
        case NET_PORT_DEL:
                return ports_change(request, dry, ret);
        case NET_PORT_LIST:
                return ports_list(request, ret);
        case NET_PEER_ADD:
        case NET_PEER_DEL:
                return request->words.wireguard.peers.n ? tunnel_change(request, dry) : overlay_change(request, dry);
        case NET_BANDWIDTH:
                return bandwidth_change(request, dry, ret);
        case NET_RELOAD:
                return reload_run(request, dry, ret);
        case NET_WATCH:
                return watch_run(request);
        case NET_HOOK:
                break;
        }
        return fail_words(EINVAL, "no command");
}

/* An attachment whose own file cannot be written is none. */
static int take_back(const struct net_request *request) {
        const struct net_request off = {
                .command = NET_DETACH,
                .face = request->face,
                .id = request->id,
                .interface = request->interface,
                .root = request->root,
                .is_quiet = true,
        };
        struct err_saved saved;
        struct net_result gone = { 0 };
        err_save(&saved);
        if (detach_run(&off, NULL, &gone) < 0)
                log_warning("%s", err_message());
        err_restore(&saved);
        return -err_errno();
}

/* Containers with names of ours know the others too, whoever attaches them.  The hook does it by itself, when all of a
 * container's interfaces are there. */
static int tell_names(const struct net_request *request) {
        bool is_own = request->command == NET_ATTACH && request->owner.hosts;
        if (!(request->command & (NET_ATTACH | NET_DETACH | NET_GC)) || str_eq(request->face, "hook") ||
            (!is_own && !names_are_kept(request->root)))
                return 0;
        if (names_write_hosts(request->root, NULL, is_own ? &request->owner : NULL) < 0) {
                if (is_own)
                        return take_back(request);
                log_warning("names: %s", err_message());
        }
        err_clear();
        return 0;
}

int net_run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        int r = run(request, dry, ret);
        if (r == 0 && !dry)
                r = tell_names(request);
        if (r == -EPERM)
                fail_hint(r, "netsetup needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter a network namespace");
        return r;
}
