/* The bandwidth of an attachment, both ways, where the container cannot reach it: what goes in is limited as it leaves
 * the host's end of the veth pair, what comes out is led from there to a device of its own (ifb) and limited as it
 * leaves that.  Both are one HTB class with a fair queue behind it.  Called by apply.c, gc.c and bandwidth.c with the
 * lock of net.h held; the functions of words and numbers are pure.  Host side. */
#ifndef NETSETUP_SHAPE_H
#define NETSETUP_SHAPE_H

#include "netsetup/nl.h"
#include "netsetup/policy.h"

/* "10mbit", also of bit, kbit, gbit and tbit: NULL, or why not. */
const char *shape_parse_rate(const char *word, uint64_t *ret);
const char *shape_parse_burst(const char *word, uint64_t *ret);
/* "10mbit", in the largest unit that leaves no fraction; "none" for 0.  In the arena, as is the next one. */
const char *shape_rate_words(uint64_t rate);
/* "10mbit in, 5mbit out"; NULL when nothing is limited. */
const char *shape_words(const struct net_bandwidth *bandwidth);

/* What over says, and what base says where over is silent; a rate comes with its burst. */
struct net_bandwidth shape_merge(const struct net_bandwidth *base, const struct net_bandwidth *over);

/* Rates that can be kept, and no burst without a rate. */
int shape_check(const struct net_bandwidth *bandwidth);

/* What the kernel is told about one direction. */
struct shape_numbers {
        uint64_t rate;   /* bytes a second */
        uint64_t burst;  /* bytes that may go at once after a silence */
        uint32_t buffer; /* the time that the burst takes at the rate, in the kernel's ticks of 64 ns */
        uint32_t queue;  /* bytes that wait, where the kernel has only a plain queue */
        uint32_t target; /* microseconds that a packet may wait in the fair queue for long */
};
struct shape_numbers shape_numbers(uint64_t rate, uint64_t burst);

/* The name of the device beside a link, and back. */
const char *shape_device(const char *link);
const char *shape_link(const char *device);

/* Makes it as the policy says; before is what was put there last, empty when nothing was.  What fails halfway is for
 * the caller to take back, with shape_put or shape_remove. */
int shape_put(struct nl *nl, const struct net_bandwidth *before, const struct net_policy *policy);

/* Removes the device beside a link, and with it the redirection; the rest goes with the link.  Absent is success; one
 * without that alias is left alone. */
int shape_remove(struct nl *nl, const char *link, const char *alias);

/* The kernel limits what the policy says: 0, or -ENODEV with what it does instead. */
int shape_look(struct nl *nl, const struct net_policy *policy);

#endif
