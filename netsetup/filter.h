/* The packet filter of this host: our two tables (layout.h) made, filled, emptied and rebuilt, each time in one
 * transaction.  Called with the lock of net.h held.  Host side. */
#ifndef NETSETUP_FILTER_H
#define NETSETUP_FILTER_H

#include "netsetup/nft.h"
#include "netsetup/policy.h"

struct filter_policies {
        LIST_OF(net_policy) list;
};

/* The two halves of what an attachment has: the guard comes before its link and goes when that is down, so that nothing
 * passes without; the ways to it come when it works.  Both go in one transaction: the kernel clears up after each that
 * removes something, and whoever closes a socket of nf_tables waits until it has, tens of milliseconds. */
enum filter_half { FILTER_GUARD = 1, FILTER_WAYS = 2, FILTER_ALL = 3 };

/* The tables are there as laid out; false in *ret when one is not: somebody flushed the firewall, or nobody has
 * attached anything since the machine started. */
int filter_is_there(struct nl *nl, bool *ret);

/* Makes both tables, in place of what may be there, with all that these policies say.  `reload`, and the first
 * attach. */
int filter_rebuild(struct nl *nl, const struct filter_policies *policies);

/* Takes away all that the attachment of that link has, its rules too, when it is dead: 0; FILTER_LIVES when it is not.
 * That of gc.h. */
typedef int filter_bury_fn(void *data, const char *link);
enum { FILTER_LIVES = 1 };

/* The packet filter as those know it who add to it: with a way to be rid of the dead, who own nothing. */
struct filter {
        struct nl *nl;
        filter_bury_fn *bury;
        void *data;
};

/* No port of the policy is somebody else's who lives (-EADDRINUSE otherwise). */
int filter_check_free(const struct filter *filter, const struct net_policy *policy);

/* Adds a half of what a policy says.  What is there already of its link goes, unless it is the same; what is somebody
 * else's who lives is in the way (-EADDRINUSE). */
int filter_add(const struct filter *filter, const struct net_policy *policy, enum filter_half half);

/* Removes a half or both, by what the policy says; what is not there or not its own is fine.  With the ways go the
 * connections that used them. */
int filter_remove(struct nl *nl, const struct net_policy *policy, enum filter_half half);

/* The same without a record, by the comments of elements.  Tables that are not there are fine. */
int filter_forget(struct nl *nl, const char *link, enum filter_half half);

/* Puts the ways of policy in place of those of before in one transaction: a port that is in both stays untouched. */
int filter_replace(struct nl *nl, const struct net_policy *before, const struct net_policy *policy);

/* The names of all links that have an element: those without a link and a record are what `gc` forgets. */
int filter_links(struct nl *nl, struct strv *ret);

/* "send from MAC and addresses of its own, not reach the host" and "masquerade what leaves the host, publish
 * 8080:80/tcp": for the dry run and for messages, in the arena; NULL when the half says nothing. */
const char *filter_words(const struct net_policy *policy, enum filter_half half);

#endif
