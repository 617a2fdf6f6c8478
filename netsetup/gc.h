/* What is left over of attachments that are gone: found and taken away.  Called by net.c with the lock held, so nothing
 * is half made by a living process.  Host side. */
#ifndef NETSETUP_GC_H
#define NETSETUP_GC_H

#include "netsetup/ipam.h"
#include "netsetup/net.h"
#include "netsetup/record.h"

/* Where it is seen whether an attachment lives. */
struct gc {
        struct nl *nl;
        struct nl *filter;  /* opened when needed; NULL: rules are not its matter */
        int root, attached; /* folders */
        const char *boot;
};

/* True when the link of that name is not there, not ours, or was never finished: struct ipam_ask's is_dead, data is a
 * struct gc.  When the kernel does not say, it lives. */
bool gc_is_dead(void *data, const char *link);

/* Takes away all that belongs to one record: rules, link, leases, the record itself.  What is not there is no error. */
int gc_take_away(struct gc *gc, const struct net_record *record);

/* Takes away what is dead: links, leases, records, and the bridges of ours that have no port.  keep is asked about each
 * record that lives (NULL: all are kept).  With dry nothing is done but printed. */
int gc_run(struct gc *gc, bool (*keep)(const struct net_record *record, const void *data), const void *data, FILE *dry,
           struct net_collected *ret);

#endif
