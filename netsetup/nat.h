/* What a policy means for masquerade and published ports, as elements of the sets of layout.h; and whose a port of the
 * host is.  Called by filter.c. */
#ifndef NETSETUP_NAT_H
#define NETSETUP_NAT_H

#include "netsetup/nft.h"
#include "netsetup/policy.h"

/* Pure.  A published port has an element for each family; a range that has the same numbers inside has one in all, any
 * other range one for each port. */
void nat_elements(const struct net_policy *policy, struct nft_elements *list);

/* 0 when no port of the policy is published by another attachment, otherwise -EADDRINUSE with its id in the record and
 * its link in *ret_link (NULL when it is none of ours).  The kernel's maps are asked, not our records: they are what
 * counts. */
int nat_check_free(struct nl *nl, const struct net_policy *policy, const char **ret_link);

#endif
