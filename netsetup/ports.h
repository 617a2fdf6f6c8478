/* Published ports of an attachment that lives: `port add`, `port del` and `port list`.  The record says first what the
 * maps are to hold, and says again what they held when the kernel refuses.  Called by net.c; host side. */
#ifndef NETSETUP_PORTS_H
#define NETSETUP_PORTS_H

#include "netsetup/net.h"

int ports_change(const struct net_request *request, FILE *dry, struct net_result *ret);
int ports_list(const struct net_request *request, struct net_result *ret);

#endif
