/* The bandwidth of an attachment that lives, changed.  Called by net.c; host side. */
#ifndef NETSETUP_BANDWIDTH_H
#define NETSETUP_BANDWIDTH_H

#include "netsetup/net.h"

int bandwidth_change(const struct net_request *request, FILE *dry, struct net_result *ret);

#endif
