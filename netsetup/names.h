/* The names of containers, in the /etc/hosts and /etc/resolv.conf that their runtime, or whoever starts them by hand,
 * has mounted from files of the host: written in place, because a mount is of the file and not of its name.  Nothing
 * below a rootfs is ever opened.  Called by face_hook.c, face_cni.c, attach.c and gc.c, and by net.c when somebody
 * comes or goes; host side. */
#ifndef NETSETUP_NAMES_H
#define NETSETUP_NAMES_H

#include "netsetup/request.h"

/* The files of an owner that no runtime has made for us, in three steps.  Before its record is written: what is there
 * must be an empty file of its own, in a folder that nobody else can write to and no link leads through; what will be
 * made is noted in the owner. */
int names_claim(struct net_owner *owner);
/* Makes what is missing. */
int names_make(const struct net_owner *owner);
/* At the end, however far it came: what was made goes, what was found is empty again. */
void names_release(const struct net_owner *owner);

/* resolv.conf of the owner: what dns says, otherwise the host's name servers that can be reached from elsewhere. */
int names_write_servers(const struct net_owner *owner, const struct net_dns *dns);

/* hosts of every container that has one of ours and an interface on one of these networks (NULL: of everybody): itself,
 * and whom it shares a network with.  Takes the lock.  The owner's own must succeed (NULL: there is none); the others'
 * folders may be gone. */
int names_write_hosts(const char *root, const struct strv *networks, const struct net_owner *owner);

/* Somebody has a file of ours, and cares about who comes and goes. */
bool names_are_kept(const char *root);

/* What a resolv.conf says, as the lists of CNI have it.  Pure. */
enum { NAMES_SERVERS_MAX = 1 << 16 };
void names_read(const char *text, struct net_dns *ret);

/* The text of a container's hosts, and of a resolv.conf made from that of the host; in the arena.  Pure. */
const char *names_hosts(const struct net_records *all, const struct net_record *whose);
const char *names_servers(const struct net_dns *dns, const char *of_host);

#endif
