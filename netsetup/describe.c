#include "netsetup/net.h"
#include "netsetup/record.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <linux/if.h>

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

struct net_link *net_describe(struct nl *nl, const struct link_info *link, const char *id, struct net_result *result) {
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

void net_recall(struct net_link *link, const struct net_record *record) {
        link->network = record->network;
        link->gateways = record->gateways;
        link->aliases = record->owner.aliases;
        link->publish.at = record->policy.publish.at;
        link->publish.n = record->policy.publish.n;
        link->bandwidth = record->policy.bandwidth;
}

/* One link is asked for by its name: the number of others does not matter. */
static int find_link(struct nl *nl, const struct net_request *request, struct link_info **ret_links, size_t *ret_n) {
        struct link_info *links = arena_array(1, sizeof(*links));
        int r = link_get(nl, tag_link_name(request->id, request->interface), links);
        if (r < 0 && r != -ENODEV)
                return r;
        *ret_links = links;
        *ret_n = r == 0 && tag_is_of(links->alias, request->id, request->interface);
        return 0;
}

int net_find_links(struct nl *nl, const struct net_request *request, struct link_info **ret_links, size_t *ret_n) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct tag tag;
        if (request->id && request->interface)
                return find_link(nl, request, ret_links, ret_n);
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
