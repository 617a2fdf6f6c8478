#include "netsetup/filter.h"
#include "netsetup/conntrack.h"
#include "netsetup/guard.h"
#include "netsetup/layout.h"
#include "netsetup/nat.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int filter_is_there(struct nl *nl, bool *ret) {
        return nft_is_there(nl, layout_tables, 2, ret);
}

static void add_half(const struct net_policy *policy, enum filter_half half, struct nft_elements *list) {
        if (half & FILTER_GUARD)
                guard_elements(policy, list);
        if (half & FILTER_WAYS)
                nat_elements(policy, list);
}

/* Of one set after the other, so that few messages say it: a stable sort by set, of which there are few. */
static struct nft_elements by_set(const struct nft_elements *list) {
        struct nft_elements sorted = { 0 };
        for (size_t t = 0; t < 2; t++)
                for (size_t s = 0; s < layout_tables[t]->set_count; s++)
                        for (size_t i = 0; i < list->n; i++)
                                if (list->at[i].set == &layout_tables[t]->sets[s])
                                        nft_elements_add(&sorted, &list->at[i]);
        return sorted;
}

int filter_rebuild(struct nl *nl, const struct filter_policies *policies) {
        struct nft_batch batch = { 0 };
        struct nft_elements list = { 0 };
        for (size_t i = 0; i < policies->list.n; i++) {
                guard_bridge(&policies->list.at[i], &list);
                add_half(&policies->list.at[i], FILTER_ALL, &list);
        }
        for (size_t i = 0; i < 2; i++)
                nft_put_table(&batch, layout_tables[i]);
        list = by_set(&list);
        nft_put_elements(&batch, &list, 0);
        return nft_send(nl, &batch);
}

/* Ways are maps, and who masquerades. */
static enum filter_half half_of(const struct nft_set *set) {
        return set->data[0] != NFT_T_NONE || str_starts(set->name, "masquerade") ? FILTER_WAYS : FILTER_GUARD;
}

/* The elements of a link (NULL: of all). */
static int list_of_link(struct nl *nl, const char *link, struct nft_elements *ret) {
        for (size_t t = 0; t < 2; t++)
                for (size_t s = 0; s < layout_tables[t]->set_count; s++) {
                        struct nft_elements all = { 0 };
                        int r = nft_list(nl, layout_tables[t], &layout_tables[t]->sets[s], &all);
                        if (r < 0 && r != -ENOENT)
                                return r;
                        for (size_t i = 0; i < all.n; i++) {
                                const char *owner = guard_comment_link(all.at[i].comment);
                                if (owner && (!link || str_eq(owner, link)))
                                        nft_elements_add(ret, &all.at[i]);
                        }
                }
        return 0;
}

static int compare_keys(const struct nft_key *a, const struct nft_key *b) {
        return a->size != b->size ? (a->size > b->size) - (a->size < b->size) : memcmp(a->bytes, b->bytes, a->size);
}

static int compare_elements(const void *a, const void *b) {
        const struct nft_element *x = a, *y = b;
        int order = (x->set > y->set) - (x->set < y->set);
        if (order == 0)
                order = compare_keys(&x->key, &y->key);
        return order ? order : compare_keys(&x->end, &y->end);
}

/* Those of list that are not in other.  There may be tens of thousands in both: a range of ports that leads to other
 * numbers is one element a port. */
static struct nft_elements without(const struct nft_elements *list, const struct nft_elements *other) {
        struct nft_elements left = { 0 };
        struct nft_element *sorted = arena_array(other->n + 1, sizeof(*sorted));
        if (other->n)
                memcpy(sorted, other->at, other->n * sizeof(*sorted));
        qsort(sorted, other->n, sizeof(*sorted), compare_elements);
        for (size_t i = 0; i < list->n; i++)
                if (!bsearch(&list->at[i], sorted, other->n, sizeof(*sorted), compare_elements))
                        nft_elements_add(&left, &list->at[i]);
        return left;
}

static int remove_elements(struct nl *nl, const struct nft_elements *list) {
        struct nft_batch batch = { 0 };
        struct nft_elements sorted = by_set(list);
        nft_put_elements(&batch, &sorted, NFT_DELETE);
        return nft_send(nl, &batch);
}

/* Only what is its own: when it died, somebody else may have got its address or its port. */
static int remove_half(struct nl *nl, const struct net_policy *policy, enum filter_half half) {
        struct nft_elements meant = { 0 }, there = { 0 }, own = { 0 };
        add_half(policy, half, &meant);
        int r = nft_look(nl, &meant, &there);
        for (size_t i = 0; i < there.n; i++) {
                const char *link = guard_comment_link(there.at[i].comment);
                if (link && str_eq(link, policy->link))
                        nft_elements_add(&own, &there.at[i]);
        }
        return r < 0 ? r : remove_elements(nl, &own);
}

int filter_remove(struct nl *nl, const struct net_policy *policy, enum filter_half half) {
        int r = remove_half(nl, policy, half);
        if (r == 0 && half & FILTER_WAYS)
                r = conntrack_forget(nl, policy);
        return r;
}

int filter_forget(struct nl *nl, const char *link, enum filter_half half) {
        struct nft_elements there = { 0 }, gone = { 0 };
        int r = list_of_link(nl, link, &there);
        for (size_t i = 0; i < there.n; i++)
                if (half_of(there.at[i].set) & half)
                        nft_elements_add(&gone, &there.at[i]);
        return r < 0 ? r : remove_elements(nl, &gone);
}

int filter_replace(struct nl *nl, const struct net_policy *before, const struct net_policy *policy) {
        struct nft_elements old = { 0 }, new = { 0 };
        struct nft_batch batch = { 0 };
        nat_elements(before, &old);
        nat_elements(policy, &new);
        struct nft_elements gone = without(&old, &new), come = without(&new, &old);
        gone = by_set(&gone);
        come = by_set(&come);
        nft_put_elements(&batch, &gone, NFT_DELETE);
        nft_put_elements(&batch, &come, NFT_NEW);
        return nft_send(nl, &batch);
}

int filter_links(struct nl *nl, struct strv *ret) {
        struct nft_elements there = { 0 };
        int r = list_of_link(nl, NULL, &there);
        for (size_t i = 0; i < there.n; i++) {
                const char *link = guard_comment_link(there.at[i].comment);
                if (link && !strv_has(ret, link))
                        strv_add(ret, link);
        }
        return r;
}

int filter_check_free(const struct filter *filter, const struct net_policy *policy) {
        for (;;) {
                const char *owner = NULL;
                struct err_saved saved;
                int r = nat_check_free(filter->nl, policy, &owner);
                if (r != -EADDRINUSE || !owner)
                        return r;
                err_save(&saved);
                /* Each round takes one owner away. */
                if (filter->bury(filter->data, owner) != 0) {
                        err_restore(&saved);
                        return r;
                }
        }
}

static int add_elements(struct nl *nl, const struct nft_elements *list, unsigned flags) {
        struct nft_batch batch = { 0 };
        nft_put_elements(&batch, list, flags);
        return nft_send(nl, &batch);
}

/* The first of the elements that is another link's, with the comment that says so; NULL when there is none. */
static int find_other(struct nl *nl, const struct net_policy *policy, const struct nft_elements *list,
                      const char **ret_comment) {
        struct nft_elements there = { 0 };
        int r = nft_look(nl, list, &there);
        *ret_comment = NULL;
        for (size_t i = 0; i < there.n && !*ret_comment; i++) {
                const char *link = guard_comment_link(there.at[i].comment);
                if (link && !str_eq(link, policy->link))
                        *ret_comment = there.at[i].comment;
        }
        return r;
}

int filter_add(const struct filter *filter, const struct net_policy *policy, enum filter_half half) {
        struct nl *nl = filter->nl;
        struct nft_elements list = { 0 }, bridge = { 0 };
        if (half == FILTER_GUARD)
                guard_bridge(policy, &bridge);
        add_half(policy, half, &list);
        list = by_set(&list);
        int r = add_elements(nl, &bridge, 0);
        if (r < 0 || (r = add_elements(nl, &list, NFT_NEW)) != -EEXIST)
                return r;
        for (;;) {
                const char *other;
                if ((r = find_other(nl, policy, &list, &other)) < 0)
                        return r;
                /* Its own of a time that nobody remembers: they may say another address. */
                if (!other)
                        return (r = filter_forget(nl, policy->link, half)) < 0 ? r : add_elements(nl, &list, 0);
                if ((r = filter->bury(filter->data, guard_comment_link(other))) < 0)
                        return r;
                if (r == FILTER_LIVES)
                        return fail_words(EADDRINUSE, "its address is that of %s already", guard_comment_owner(other));
        }
}

static const char *guard_words(const struct net_policy *policy) {
        struct strv words = { 0 };
        if (!policy->allow_spoofing)
                strv_add(&words, "send from MAC and addresses of its own");
        if (policy->isolated)
                strv_add(&words, "reach no other isolated one");
        if (policy->host_blocked)
                strv_add(&words, "not reach the host");
        for (size_t i = 0; i < policy->host_access.n; i++)
                strv_add(&words, str_format("but %s", policy_allow_words(&policy->host_access.at[i])));
        if (policy->egress_blocked)
                strv_add(&words, "reach nothing beyond the bridge");
        for (size_t i = 0; i < policy->egress.n; i++)
                strv_add(&words, str_format("but %s", policy_allow_words(&policy->egress.at[i])));
        return words.n ? str_join(&words, ", ") : "send from any address";
}

const char *filter_words(const struct net_policy *policy, enum filter_half half) {
        struct strv words = { 0 };
        if (half == FILTER_GUARD)
                return guard_words(policy);
        if (policy->masquerade)
                strv_add(&words, "masquerade what leaves the host");
        for (size_t i = 0; i < policy->publish.n; i++)
                strv_add(&words, str_format("publish %s", policy_publish_words(&policy->publish.at[i])));
        return words.n ? str_join(&words, ", ") : NULL;
}
