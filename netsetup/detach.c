#include "netsetup/attach.h"
#include "netsetup/direct.h"
#include "netsetup/gc.h"
#include "netsetup/ipam.h"
#include "netsetup/netns.h"
#include "netsetup/record.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>

#define autohands __attribute__((cleanup(net_hands_close))) struct net_hands

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

/* The records that the request is about: one by its name, or all of the id. */
static int find_records(const struct net_request *request, int attached, struct net_records *ret) {
        struct net_record *record = arena_array(1, sizeof(*record));
        if (!request->interface)
                return record_list_of(attached, request->id, ret);
        int r = record_read(attached, request->id, request->interface, record);
        if (r < 0)
                return r;
        ret->records.at = record;
        ret->records.n = r == RECORD_FOUND;
        return 0;
}

/* A face that knows the network takes nothing of another one. */
static bool is_other_network(const struct net_request *request, const struct net_record *record) {
        return request->network && (!record->network || !str_eq(request->network, record->network));
}

/* Operations about the policy's link know it from now on; false when there are none. */
static bool know_policy(struct net_plan *plan, const struct net_policy *policy) {
        bool is_in_plan = false;
        for (size_t i = 0; i < plan->n; i++)
                if (str_eq(plan->ops[i].link, policy->link)) {
                        plan->ops[i].policy = policy;
                        is_in_plan = true;
                }
        return is_in_plan;
}

/* What is on its way out: the links by the plan, and each record with what else belongs to it. */
struct detaching {
        const struct net_request *request;
        struct gc gc;
        struct net_hands hands;
        struct net_plan off, away; /* with the lock held, and without */
        struct net_records records;
        struct gc_going *going; /* of each record */
};

static void close_detaching(struct detaching *d) {
        for (size_t i = 0; d->going && i < d->records.records.n; i++)
                gc_forget(&d->going[i]);
        net_hands_close(&d->hands);
}

#define autodetaching __attribute__((cleanup(close_detaching))) struct detaching

enum { OTHER_NETWORK = 1 };

/* Nothing passes any more, and whoever comes next sees that it is going. */
static int take_off(struct detaching *d) {
        const struct net_request *request = d->request;
        const size_t n = d->records.records.n;
        int r = 0;
        for (size_t i = 0; r == 0 && i < n; i++)
                if (is_other_network(request, &d->records.records.at[i]))
                        return OTHER_NETWORK;
        d->going = arena_array(n + 1, sizeof(*d->going));
        for (size_t i = 0; i < n; i++) {
                const struct net_record *record = &d->records.records.at[i];
                bool is_planned = know_policy(&d->off, &record->policy);
                d->going[i] = gc_going(record);
                d->going[i].is_planned = know_policy(&d->away, &record->policy) || is_planned;
        }
        if (r == 0)
                r = net_apply(&d->off, &d->hands);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = gc_take_off(&d->gc, &d->going[i]);
        /* Addresses may have been leased before there was a record. */
        if (r == 0 && request->network && request->interface && n == 0)
                r = ipam_give_back(d->gc.root, request->network, tag_link_name(request->id, request->interface));
        return r;
}

/* The kernel waits for all processors before it says that a link is gone, tens of milliseconds: others go on. */
static int take_away(struct detaching *d, int lock) {
        int r = net_unlock(lock);
        if (r == 0)
                r = net_apply(&d->away, &d->hands);
        for (size_t i = 0; r == 0 && i < d->records.records.n; i++)
                r = gc_delete(&d->gc, &d->going[i]);
        if (r == 0 && d->records.records.n)
                r = net_lock_again(lock);
        for (size_t i = 0; r == 0 && i < d->records.records.n; i++)
                r = gc_finish(&d->gc, &d->going[i]);
        return r;
}

/* Those of the records; without any, all links of this host are looked through. */
static int find_links(struct detaching *d, struct link_info **ret_links, size_t *ret_n) {
        const struct net_request *request = d->request;
        const size_t n = d->records.records.n;
        if (request->interface || n == 0)
                return net_find_links(&d->hands.host, request, ret_links, ret_n);
        struct link_info *links = arena_array(n, sizeof(*links));
        *ret_links = links;
        for (size_t i = 0; i < n; i++) {
                const struct net_policy *policy = &d->records.records.at[i].policy;
                int r = link_get(&d->hands.host, policy->link, &links[*ret_n]);
                if (r < 0 && r != -ENODEV)
                        return r;
                *ret_n += r == 0 && tag_is_of(links[*ret_n].alias, policy->id, policy->interface);
        }
        return 0;
}

/* What is there, and may be taken away. */
static int look(struct detaching *d, struct link_info **ret_links, size_t *ret_n) {
        const struct net_request *request = d->request;
        struct link_info other;
        bool has_state = d->gc.attached >= 0;
        int r = has_state ? find_records(request, d->gc.attached, &d->records) : 0;
        if (r < 0 || (r = find_links(d, ret_links, ret_n)) < 0 ||
            (has_state && (r = direct_find(&d->hands.host, d->gc.attached, request, ret_links, ret_n)) < 0) ||
            (r = check_leads_to(&d->hands.host, request, *ret_links, *ret_n)) < 0)
                return r;
        const char *name = tag_link_name(request->id, request->interface ? request->interface : "eth0");
        if (*ret_n == 0 && link_get(&d->hands.host, name, &other) == 0)
                return fail_words(EEXIST, "link %s carries no tag of ours: left alone", name);
        err_clear();
        return 0;
}

int detach_run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autofd root = -1, lock = -1, attached = -1;
        autodetaching d = { .request = request, .hands.netns = -1 };
        struct link_info *links = NULL;
        size_t n = 0;
        int r = nl_open(&d.hands.host);
        if (r == 0 && !dry && (r = net_lock(request->root, &root, &lock)) == 0)
                r = record_folder(root, "attached", &attached);
        if (dry && record_look(request->root, &attached) < 0)
                err_clear();
        d.gc = (struct gc){ .nl = &d.hands.host, .filter = &d.hands.filter, .root = root, .attached = attached };
        if (r < 0 || (r = look(&d, &links, &n)) < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                net_plan_off(&d.off, &links[i]);
                net_plan_delete(&d.away, &links[i]);
                if (!dry && !request->is_quiet)
                        net_describe(&d.hands.host, &links[i], request->id, ret);
        }
        err_clear();
        if (dry) {
                net_plan_print(&d.off, dry);
                net_plan_print(&d.away, dry);
                return 0;
        }
        r = take_off(&d);
        return r == OTHER_NETWORK ? 0 : r < 0 ? r : take_away(&d, lock);
}
