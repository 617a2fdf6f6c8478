/* What is left over of attachments that are gone: found and taken away.  Called by net.c and detach.c with the lock
 * held, so nothing is half made by a living process.  Host side. */
#ifndef NETSETUP_GC_H
#define NETSETUP_GC_H

#include "netsetup/filter.h"
#include "netsetup/ipam.h"
#include "netsetup/net.h"
#include "netsetup/record.h"

/* Where it is seen whether an attachment lives. */
struct gc {
        struct nl *nl;
        struct nl *filter;  /* opened when needed; NULL: rules are not its matter */
        int root, attached; /* folders */
        int lock;           /* gc_run: may be given up meanwhile */
        const char *boot;
};

/* True when the link of that name is not there, not ours, or was never finished: struct ipam_ask's is_dead, data is a
 * struct gc.  When the kernel does not say, it lives. */
bool gc_is_dead(void *data, const char *link);
/* Or it is of another boot. */
bool gc_is_over(struct gc *gc, const struct net_record *record);

/* One attachment on its way out, in three steps: the lock is held during the first and the last.  Between them the
 * record is one that was begun and not kept, so whatever happens to us, somebody else can finish. */
struct gc_going {
        const struct net_record *record;
        bool is_planned; /* somebody else takes the link away, and its rules */
        bool is_gone;    /* there is no link of it here */
        int file;        /* of the record, as long as it is going; -1: none */
};

struct gc_going gc_going(const struct net_record *record);
/* It has no rules, its link is down and its record says so. */
int gc_take_off(struct gc *gc, struct gc_going *going);
/* Deletes the link; what is not there is no error.  The kernel takes its time. */
int gc_delete(struct gc *gc, struct gc_going *going);
/* Leases, files of names and record, unless somebody else has finished meanwhile: there may be another attachment of
 * that name now. */
int gc_finish(struct gc *gc, struct gc_going *going);
/* Whatever came of it. */
void gc_forget(struct gc_going *going);

/* All three: rules, link, leases, the record itself. */
int gc_take_away(struct gc *gc, const struct net_record *record);

/* The same of a link that rules were found of, with a record or without, unless it lives: filter_bury_fn, data is a
 * struct gc that has a filter. */
int gc_bury(void *data, const char *link);

/* Takes away what is dead: links, leases, records, and the bridges of ours that have no port.  keep is asked about each
 * record that lives (NULL: all are kept).  With dry nothing is done but printed. */
int gc_run(struct gc *gc, bool (*keep)(const struct net_record *record, const void *data), const void *data, FILE *dry,
           struct net_collected *ret);

#endif
