/* Network namespaces: found by path or process id, checked, visited.  Host side; the process always comes back. */
#ifndef NETSETUP_NETNS_H
#define NETSETUP_NETNS_H

#include "netsetup/nl.h"

/* Opens the namespace that word names: digits are a process id, all else a path.  Returns the fd in *ret.  -ENOENT or
 * -ESRCH when there is no such path or process, -EINVAL when it is something else than a network namespace. */
int netns_open(const char *word, int *ret);

/* A netlink socket inside the namespace: the process enters it, opens the socket and comes back. */
int netns_socket(int netns, struct nl *ret);

/* Something done in a new namespace that nobody else is in, and which goes afterwards: work, with data. */
int netns_try(int (*work)(void *data), void *data);

/* True when the namespace is the one the process is in. */
bool netns_is_own(int netns);

/* The number by which the kernel calls the namespace in ours, -1 when it never had to. */
int netns_number(struct nl *nl, int netns, int *ret);
/* The same, and if it never had to, now it has. */
int netns_give_number(struct nl *nl, int netns, int *ret);

#endif
