/* The one attachment that a command changes while its container runs, with the lock and all that is known of it.  Used
 * by ports.c and bandwidth.c; host side. */
#ifndef NETSETUP_LIVING_H
#define NETSETUP_LIVING_H

#include "netsetup/net.h"
#include "netsetup/record.h"

struct living {
        int root, lock, attached;
        struct nl host;
        struct net_record record;
        struct link_info link;
};

#define LIVING_NONE                                                                                                    \
        { .root = -1, .lock = -1, .attached = -1 }

/* The interface's, or the only one of the id; -ENODEV when it is not attached. */
int living_open(const struct net_request *request, struct living *ret);
void living_close(struct living *living);

/* One more link of the result: as it is now, and what the record says. */
void living_say(struct living *living, struct net_result *result);

#endif
