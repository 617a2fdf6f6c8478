#include "netsetup/ports.h"
#include "netsetup/filter.h"
#include "netsetup/forward.h"
#include "netsetup/record.h"
#include "netsetup/reload.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>
#include <string.h>

/* Everything that is needed, with the lock. */
struct ports {
        int root, lock, attached;
        struct nl filter, host;
        struct net_record record;
        struct link_info link;
};

static void close_ports(struct ports *ports) {
        nl_closep(&ports->filter);
        nl_closep(&ports->host);
        ports->attached = fd_close(ports->attached);
        ports->lock = fd_close(ports->lock);
        ports->root = fd_close(ports->root);
}

#define autoports __attribute__((cleanup(close_ports))) struct ports

/* The one attachment that is meant: the interface's, or the only one of the id. */
static int find(const struct net_request *request, struct ports *ports) {
        struct net_records all;
        const char *boot = NULL;
        size_t n = 0;
        int r = record_boot(&boot);
        if (r < 0 || (r = record_list(ports->attached, &all)) < 0)
                return r;
        for (size_t i = 0; i < all.records.n; i++) {
                const struct net_record *record = &all.records.at[i];
                if (!str_eq(record->policy.id, request->id) || !str_eq(record->boot, boot) ||
                    (request->interface && !str_eq(record->policy.interface, request->interface)))
                        continue;
                ports->record = *record;
                n++;
        }
        if (n > 1)
                return fail_words(EINVAL, "it has %zu interfaces: say which (--ifname)", n);
        if (n == 1)
                r = link_get(&ports->host, ports->record.policy.link, &ports->link);
        if (n == 0 || r == -ENODEV || (r == 0 && !tag_is_of(ports->link.alias, request->id, NULL)))
                return fail_words(ENODEV, "not attached");
        return r;
}

static int open_ports(const struct net_request *request, struct ports *ret) {
        int r = net_lock(request->root, &ret->root, &ret->lock);
        if (r < 0 || (r = record_folder(ret->root, "attached", &ret->attached)) < 0 || (r = nl_open(&ret->host)) < 0 ||
            (r = nft_open(&ret->filter)) < 0)
                return r;
        return find(request, ret);
}

static void say(struct ports *ports, struct net_result *ret) {
        struct net_link *out = net_describe(&ports->host, &ports->link, ports->record.policy.id, ret);
        out->network = ports->record.network;
        out->gateways = ports->record.gateways;
        out->publish.at = ports->record.policy.publish.at;
        out->publish.n = ports->record.policy.publish.n;
        err_clear();
}

static bool is_same(const struct net_publish *a, const struct net_publish *b) {
        return str_eq(policy_publish_words(a), policy_publish_words(b));
}

/* The list without those of the request; each must be there. */
static int without(const struct net_policy *asked, struct net_policy *policy) {
        struct net_policy left = *policy;
        left.publish.at = arena_memdup(policy->publish.at, policy->publish.n * sizeof(*policy->publish.at));
        for (size_t i = 0; i < asked->publish.n; i++) {
                size_t at = 0;
                while (at < left.publish.n && !is_same(&left.publish.at[at], &asked->publish.at[i]))
                        at++;
                if (at == left.publish.n)
                        return fail_words(ENOENT, "%s is not published", policy_publish_words(&asked->publish.at[i]));
                left.publish.n--;
                memmove(&left.publish.at[at], &left.publish.at[at + 1],
                        (left.publish.n - at) * sizeof(*left.publish.at));
        }
        *policy = left;
        return 0;
}

static int with(struct ports *ports, const struct net_policy *asked, struct net_policy *policy) {
        struct net_policy all = *policy, added = *policy;
        size_t n = policy->publish.n;
        all.publish.at = arena_array(n + asked->publish.n + 1, sizeof(*all.publish.at));
        all.publish.n = n + asked->publish.n;
        if (n)
                memcpy(all.publish.at, policy->publish.at, n * sizeof(*all.publish.at));
        memcpy(all.publish.at + n, asked->publish.at, asked->publish.n * sizeof(*all.publish.at));
        added.publish.at = all.publish.at + n;
        added.publish.n = asked->publish.n;
        int r = policy_check(&all);
        if (r < 0 || (r = filter_check_free(&ports->filter, &ports->host, &added)) < 0)
                return r;
        *policy = all;
        return 0;
}

/* The record, then the maps; back again when they refuse. */
static int put(struct ports *ports, const struct net_policy *policy) {
        struct net_record before = ports->record;
        struct forward_changes changes = { 0 };
        int r = forward_enable(policy, &changes);
        if (r == 0)
                r = forward_hairpin(&ports->host, policy);
        ports->record.policy = *policy;
        if (r < 0 || (r = record_write(ports->attached, &ports->record)) < 0)
                return r;
        r = filter_replace(&ports->filter, &before.policy, policy);
        if (r < 0) {
                struct err_saved saved;
                err_save(&saved);
                (void)!record_write(ports->attached, &before);
                forward_undo(&changes);
                err_restore(&saved);
        }
        return r;
}

int ports_change(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autoports ports = { .root = -1, .lock = -1, .attached = -1 };
        bool is_add = request->command == NET_PORT_ADD;
        int r = open_ports(request, &ports);
        if (r < 0)
                return r;
        struct net_policy policy = ports.record.policy;
        const struct reload reload = { .filter = &ports.filter, .host = &ports.host, .attached = ports.attached };
        if (!dry && (r = reload_if_gone(&reload)) < 0)
                return r;
        r = is_add ? with(&ports, &request->policy, &policy) : without(&request->policy, &policy);
        for (size_t i = 0; r == 0 && dry && i < request->policy.publish.n; i++)
                fprintf(dry, "host     %s %s\n", is_add ? "publish" : "publish no more",
                        policy_publish_words(&request->policy.publish.at[i]));
        if (r == 0 && !dry && (r = put(&ports, &policy)) == 0)
                say(&ports, ret);
        return r;
}

int ports_list(const struct net_request *request, struct net_result *ret) {
        autoports ports = { .root = -1, .lock = -1, .attached = -1 };
        int r = open_ports(request, &ports);
        if (r == 0)
                say(&ports, ret);
        return r;
}
