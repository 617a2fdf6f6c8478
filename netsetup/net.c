#include "netsetup/net.h"
#include "netsetup/netns.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

static void hands_close(struct net_hands *hands) {
        nl_closep(&hands->inside);
        nl_closep(&hands->host);
        hands->netns = fd_close(hands->netns);
}

#define autohands __attribute__((cleanup(hands_close))) struct net_hands

/* One attach at a time: what it takes back after a failure, no other can have come to rely on.  In a folder of our own,
 * because whoever can open the file can hold the lock. */
static int lock(const char *root, int *ret_fd) {
        struct stat st;
        if (mkdir(root, 0700) < 0 && errno != EEXIST)
                return fail(errno, "make folder %s", root);
        autofd dir = open(root, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0)
                return fail(errno, "open folder %s", root);
        if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
                return fail_words(EACCES, "open folder %s: others can write to it", root);
        autofd fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return fail(errno, "open %s/lock", root);
        int r = lock_fd(fd, LOCK_EX);
        if (r < 0)
                return r;
        *ret_fd = fd_take(&fd);
        return 0;
}

/* Nothing half-done by Ctrl-C: what follows takes milliseconds. */
static void block_signals(void) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The first message of an answer as a link; false when there is none. */
static bool ask_index(struct nl *nl, int index, int netns, struct link_info *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        link_put_get_index(&batch, index, netns);
        return nl_run(nl, &batch, &reply) == 0 && reply.n > 0 && link_read(reply.messages[0], ret);
}

/* The other end is read through the kernel's number for its namespace: no path is needed.  What may not be read stays
 * out. */
static void describe_inside(struct nl *nl, const struct link_info *link, struct net_link *ret) {
        struct link_info inside;
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        if (link->peer_netns < 0 || !ask_index(nl, link->peer, link->peer_netns, &inside))
                return;
        ret->mac = link_mac_text(inside.mac);
        ret->mtu = inside.mtu;
        address_put_dump(&batch, link->peer_netns);
        if (nl_run(nl, &batch, &reply) < 0)
                return;
        for (size_t i = 0; i < reply.n; i++) {
                const char *address = address_read(reply.messages[i], link->peer);
                if (address)
                        strv_add(&ret->addresses, address);
        }
}

static struct net_link *describe(struct nl *nl, const struct link_info *link, const char *id,
                                 struct net_result *result) {
        struct tag tag = { 0 };
        struct link_info bridge;
        (void)tag_read(link->alias, &tag);
        struct net_link out = {
                .id = id ? id : tag.id,
                .interface = tag.interface,
                .link = link->name,
                .state = !(link->flags & IFF_UP)      ? "down"
                         : link->flags & IFF_LOWER_UP ? "up"
                                                      : "no carrier",
                .mtu = link->mtu,
                .isolated = link->port.isolated,
                .hairpin = link->port.hairpin,
        };
        if (link->bridge && ask_index(nl, link->bridge, -1, &bridge))
                out.bridge = bridge.name;
        describe_inside(nl, link, &out);
        err_clear();
        size_t size = result->links.n * sizeof(out);
        result->links.at = arena_grow(result->links.at, size, size + sizeof(out));
        result->links.at[result->links.n] = out;
        return &result->links.at[result->links.n++];
}

static int attach(const struct net_request *request, FILE *dry, struct net_result *ret) {
        struct net_plan plan = net_plan(request);
        autohands hands = { .netns = -1 };
        autofd locked = -1;
        int r;
        if (dry) {
                net_plan_print(&plan, dry);
                return 0;
        }
        if ((r = netns_open(request->netns, &hands.netns)) < 0)
                return r;
        if (netns_is_own(hands.netns))
                return fail_words(EINVAL, "network namespace %s: the one of the host", request->netns);
        if ((r = lock(request->root, &locked)) < 0)
                return r;
        block_signals();
        if ((r = nl_open(&hands.host)) < 0 || (r = netns_socket(hands.netns, &hands.inside)) < 0 ||
            (r = net_apply(&plan, &hands)) < 0)
                return r;
        struct net_link *out = describe(&hands.host, &hands.found[NET_SLOT_LINK], request->id, ret);
        for (size_t i = 0; i < request->gateways.n; i++)
                strv_add(&out->gateways, request->gateways.at[i].text);
        return 0;
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

/* Our links on this host, in *ret_links: those of the request's id and interface, or all. */
static int find_links(struct nl *nl, const struct net_request *request, struct link_info **ret_links, size_t *ret_n) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct tag tag;
        link_put_dump(&batch, "veth", 0);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return r;
        if (reply.answers[0].error)
                return fail(reply.answers[0].error, "list links");
        struct link_info *links = arena_array(reply.n + 1, sizeof(*links));
        size_t n = 0;
        for (size_t i = 0; i < reply.n; i++)
                if (link_read(reply.messages[i], &links[n]) &&
                    (request->id ? tag_is_of(links[n].alias, request->id, request->interface)
                                 : tag_read(links[n].alias, &tag)))
                        n++;
        *ret_links = links;
        *ret_n = n;
        return 0;
}

/* With a namespace given, only links that lead there are meant.  A namespace that is gone is no obstacle: its links are
 * found by their tag. */
static int check_leads_to(struct nl *nl, const struct net_request *request, const struct link_info *links, size_t n) {
        autofd netns = -1;
        int number = -1, r = request->netns ? netns_open(request->netns, &netns) : -ENOENT;
        if (r == -ENOENT || r == -ESRCH || r == -EINVAL)
                return 0;
        if (r < 0 || (r = netns_number(nl, netns, &number)) < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (links[i].peer_netns != number)
                        return fail_words(EXDEV, "link %s leads to another network namespace than %s", links[i].name,
                                          request->netns);
        return 0;
}

static int detach(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autohands hands = { .netns = -1 };
        struct net_plan plan = { 0 };
        struct link_info *links = NULL, other;
        size_t n = 0;
        block_signals();
        int r = nl_open(&hands.host);
        if (r < 0 || (r = find_links(&hands.host, request, &links, &n)) < 0 ||
            (r = check_leads_to(&hands.host, request, links, n)) < 0)
                return r;
        const char *name = tag_link_name(request->id, request->interface ? request->interface : "eth0");
        if (n == 0 && link_get(&hands.host, name, &other) == 0)
                return fail_words(EEXIST, "link %s carries no tag of ours: left alone", name);
        for (size_t i = 0; i < n; i++) {
                net_plan_delete(&plan, &links[i]);
                if (!dry)
                        describe(&hands.host, &links[i], request->id, ret);
        }
        err_clear();
        if (dry) {
                net_plan_print(&plan, dry);
                return 0;
        }
        return net_apply(&plan, &hands);
}

static int look(const struct net_request *request, struct net_result *ret) {
        autonl nl = { 0 };
        struct link_info *links = NULL;
        size_t n = 0;
        int r = nl_open(&nl);
        if (r < 0 || (r = find_links(&nl, request, &links, &n)) < 0)
                return r;
        if (request->id && n == 0)
                return fail_words(ENODEV, "not attached");
        for (size_t i = 0; i < n; i++)
                describe(&nl, &links[i], request->id, ret);
        return 0;
}

static int run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        switch (request->command) {
        case NET_ATTACH:
                return attach(request, dry, ret);
        case NET_DETACH:
                return detach(request, dry, ret);
        case NET_LOOPBACK:
                return loopback(request, dry);
        case NET_STATUS:
        case NET_LIST:
                return look(request, ret);
        }
        return fail_words(EINVAL, "no command");
}

int net_run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        int r = run(request, dry, ret);
        if (r == -EPERM)
                fail_hint(r, "netsetup needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter a network namespace");
        return r;
}
