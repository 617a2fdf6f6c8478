/* The stories of attach and detach, with records and leases.  Called by net.c, which has blocked the signals; host
 * side.
 */
#ifndef NETSETUP_ATTACH_H
#define NETSETUP_ATTACH_H

#include "netsetup/net.h"

/* dry: prints what would be done and does nothing. */
int attach_run(const struct net_request *request, FILE *dry, struct net_result *ret);
int detach_run(const struct net_request *request, FILE *dry, struct net_result *ret);

#endif
