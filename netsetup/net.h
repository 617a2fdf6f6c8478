/* What netsetup does: a request becomes an ordered list of operations (plan.c: pure, printable), which apply.c carries
 * out and, when one fails, takes back in reverse; net.c tells the story of each command.  Host side; faces call
 * net_run. */
#ifndef NETSETUP_NET_H
#define NETSETUP_NET_H

#include "netsetup/forward.h"
#include "netsetup/request.h"

#include <stdio.h>

enum net_op_kind {
        NET_FIND_FREE, /* nobody has the link's name */
        NET_BRIDGE,
        NET_FIND, /* a link by name -> slot */
        NET_RA_OFF,
        NET_UP,
        NET_VETH,
        NET_PORT,
        NET_NO_IPV6, /* a port has no use for addresses and routes of its own, and the kernel walks all of them */
        NET_DIRECT,  /* a link of the container's own on the uplink, and then its name and tag */
        NET_NAME,
        NET_OVERLAY, /* the port that leads to other hosts, unless it is there */
        NET_VLAN,    /* of a bridge, with the gate to it */
        NET_JOIN,    /* a port, before it is up, to its VLANs */
        NET_TUNNEL,  /* the link that leads to other hosts, unless it is there */
        NET_ADDRESS,
        NET_ROUTE,
        NET_PATH,
        NET_DOWN, /* nothing passes a link that goes */
        NET_DELETE,
        NET_PORTS_FREE, /* nobody else publishes them */
        NET_GUARD,      /* the rules of a port, before there is one */
        NET_FORWARD,
        NET_WAYS,      /* masquerade and published ports, when all else works */
        NET_RULES_OFF, /* of a link that is down */
        NET_SHAPE,     /* bandwidth, before anything can be sent */
        NET_UNSHAPE,
};

/* Facts about links that are only known once they exist. */
enum net_slot {
        NET_SLOT_BRIDGE,
        NET_SLOT_GATE,
        NET_SLOT_UPLINK,
        NET_SLOT_LINK,
        NET_SLOT_LOOPBACK,
        NET_SLOT_INSIDE,
        NET_SLOTS
};

enum net_op_state { NET_OP_PENDING, NET_OP_DONE, NET_OP_TOLERATED };

struct net_op {
        enum net_op_kind kind;
        bool is_inside; /* in the namespace of the container */
        bool is_joined; /* in one send with the operation before */
        bool is_bridge; /* NET_FIND: it must be a bridge; NET_ADDRESS: it may be there already */
        enum net_slot slot;
        const char *link;
        const struct net_address *address;
        const struct net_path *path;
        const struct net_request *request; /* NET_FIND_FREE, NET_VETH, NET_PORT */
        const struct net_policy *policy;   /* of rules; NULL: nobody remembers it, the rules are looked for */
        int index, netns;  /* NET_DOWN, NET_DELETE: and the kernel's number of its namespace, -1: ours */
        const char *alias; /* NET_UNSHAPE: whose it is */
        enum net_op_state state;
        const char *before; /* NET_RA_OFF: what it replaced, NULL when nothing */
};

struct net_plan {
        struct net_op *ops;
        size_t n;
};

/* plan.c: the operations of attach or loopback. */
struct net_plan net_plan(const struct net_request *request);
/* More: take that link out of use, and then delete it.  detach looks first, and plans afterwards. */
void net_plan_off(struct net_plan *plan, const struct link_info *link);
void net_plan_delete(struct net_plan *plan, const struct link_info *link);
/* "add address 10.1.0.2/24 to eth0": for the dry run and for messages; in the arena. */
const char *net_op_words(const struct net_op *op);
/* The dry run: one line an operation. */
void net_plan_print(const struct net_plan *plan, FILE *out);

/* What was done to a bridge for its VLANs (vlan.h). */
struct vlan_changes {
        bool is_filtering, is_gate;
};

struct gc;

/* apply.c: everything that operations need to be done. */
struct net_hands {
        struct nl host, inside;
        struct nl filter; /* opened by the first operation that needs it */
        int netns;
        int number;    /* of netns, as the kernel calls it here; of attachments without a bridge */
        struct gc *gc; /* of attach: for rules that have to be built anew, and for those of the dead */
        struct forward_changes forward;
        struct vlan_changes vlan;
        struct link_info found[NET_SLOTS];
};
/* Carries the plan out.  When an operation fails, those before it are taken back and the record names what failed. */
int net_apply(struct net_plan *plan, struct net_hands *hands);

void net_hands_close(struct net_hands *hands);

/* describe.c: one more link of the result, as people see it.  id NULL: that of its tag. */
struct net_link *net_describe(struct nl *nl, const struct link_info *link, const char *id, struct net_result *result);
/* What the record of an attachment says about it. */
struct net_record;
void net_recall(struct net_link *link, const struct net_record *record);
/* Our links on this host: those of the request's id and interface, or all. */
int net_find_links(struct nl *nl, const struct net_request *request, struct link_info **ret_links, size_t *ret_n);

/* One at a time: what an attach takes back after a failure, no other can have come to rely on.  Gives
 * the folder of state, and the lock, which is held until it is closed; from here on no signal but SIGKILL ends the
 * process. */
int net_lock(const char *root, int *ret_root, int *ret_lock);
/* Lets others in while the kernel takes its time over something that nobody uses any more; and waits for its turn
 * again. */
int net_unlock(int lock);
int net_lock_again(int lock);

/* net.c: does what the request says (with dry: prints to it what would be done instead). */
int net_run(const struct net_request *request, FILE *dry, struct net_result *ret);

#endif
