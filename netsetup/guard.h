/* What a policy means for isolation and anti-spoofing, as elements of the sets of layout.h.  Pure; called by filter.c.
 */
#ifndef NETSETUP_GUARD_H
#define NETSETUP_GUARD_H

#include "netsetup/nft.h"
#include "netsetup/policy.h"

/* Those of a port, its addresses and lists.  The bridge's own are apart: it is shared, and outlives its ports. */
void guard_elements(const struct net_policy *policy, struct nft_elements *list);
void guard_bridge(const struct net_policy *policy, struct nft_elements *list);

/* By what an element is known to be an attachment's, also without a record: the name of the link comes first. */
const char *guard_comment(const struct net_policy *policy);
/* The name of the link in a comment that anybody may have written: 15 bytes; NULL when it is none of ours. */
const char *guard_comment_link(const char *comment);
/* What else it says: "ID:INTERFACE", maybe cut. */
const char *guard_comment_owner(const char *comment);

#endif
