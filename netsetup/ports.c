#include "netsetup/ports.h"
#include "netsetup/forward.h"
#include "netsetup/gc.h"
#include "netsetup/living.h"
#include "netsetup/reload.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <string.h>

/* The packet filter too. */
struct ports {
        struct living living;
        struct nl filter;
};

static void close_ports(struct ports *ports) {
        nl_closep(&ports->filter);
        living_close(&ports->living);
}

#define autoports __attribute__((cleanup(close_ports))) struct ports

static int open_ports(const struct net_request *request, struct ports *ret) {
        int r = living_open(request, &ret->living);
        return r < 0 ? r : nft_open(&ret->filter);
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

/* This boot's: that of the living record. */
static int check_free(struct ports *ports, const struct net_policy *added) {
        struct living *living = &ports->living;
        struct gc gc = {
                .nl = &living->host,
                .filter = &ports->filter,
                .root = living->root,
                .attached = living->attached,
                .boot = living->record.boot,
        };
        return filter_check_free(&(struct filter){ &ports->filter, gc_bury, &gc }, added);
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
        if (r < 0 || (r = check_free(ports, &added)) < 0)
                return r;
        *policy = all;
        return 0;
}

/* The record, then the maps; back again when they refuse. */
static int put(struct ports *ports, const struct net_policy *policy) {
        struct net_record before = ports->living.record;
        struct forward_changes changes = { 0 };
        int r = forward_enable(policy, &changes);
        if (r == 0)
                r = forward_hairpin(&ports->living.host, policy);
        ports->living.record.policy = *policy;
        if (r < 0 || (r = record_write(ports->living.attached, &ports->living.record)) < 0)
                return r;
        r = filter_replace(&ports->filter, &before.policy, policy);
        if (r < 0) {
                struct err_saved saved;
                err_save(&saved);
                (void)!record_write(ports->living.attached, &before);
                forward_undo(&changes);
                err_restore(&saved);
        }
        return r;
}

int ports_change(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autoports ports = { .living = LIVING_NONE };
        bool is_add = request->command == NET_PORT_ADD;
        int r = open_ports(request, &ports);
        if (r < 0)
                return r;
        struct net_policy policy = ports.living.record.policy;
        const struct reload reload = { .filter = &ports.filter,
                                       .host = &ports.living.host,
                                       .attached = ports.living.attached };
        if (!dry && (r = reload_if_gone(&reload)) < 0)
                return r;
        r = is_add ? with(&ports, &request->policy, &policy) : without(&request->policy, &policy);
        for (size_t i = 0; r == 0 && dry && i < request->policy.publish.n; i++)
                fprintf(dry, "host     %s %s\n", is_add ? "publish" : "publish no more",
                        policy_publish_words(&request->policy.publish.at[i]));
        if (r == 0 && !dry && (r = put(&ports, &policy)) == 0)
                living_say(&ports.living, ret);
        return r;
}

int ports_list(const struct net_request *request, struct net_result *ret) {
        autoports ports = { .living = LIVING_NONE };
        int r = open_ports(request, &ports);
        if (r == 0)
                living_say(&ports.living, ret);
        return r;
}
