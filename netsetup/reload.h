/* Our tables built anew from the records of attachments, by hand (`reload`), by itself (`watch`), and before an
 * attachment is made.  Host side. */
#ifndef NETSETUP_RELOAD_H
#define NETSETUP_RELOAD_H

#include "netsetup/net.h"

/* Where rules and links are, and the records; with the lock held. */
struct reload {
        struct nl *filter, *host;
        int attached; /* folder of the records */
};

/* Both tables in one transaction, with what the records of living attachments say; their number to *ret. */
int reload_tables(const struct reload *reload, size_t *ret);

/* The same unless the tables are there. */
int reload_if_gone(const struct reload *reload);

int reload_run(const struct net_request *request, FILE *dry, struct net_result *ret);

/* Looks whenever anybody changes nf_tables, until SIGTERM or SIGINT. */
int watch_run(const struct net_request *request);

#endif
