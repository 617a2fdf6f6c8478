/* What is known about an attachment: one file each below ROOT/attached, begun before the first side effect and kept
 * after the last, so that whatever a killed process left can be found and taken back: with the lock held, one that was
 * begun and not kept is of no living process, or of one that is giving it up and waits for the kernel only.  Called by
 * net.c and gc.c, and by whoever builds rules anew, with the lock of net.h held.  Host side.
 *
 * The file is called after the link (tag.h), so there is one for each id and interface.  What it says was meant; what
 * is there, only the kernel knows. */
#ifndef NETSETUP_RECORD_H
#define NETSETUP_RECORD_H

#include "netsetup/policy.h"

/* Which network namespace it was.  An inode number is used again after a namespace is gone, a cookie never. */
struct net_identity {
        uint64_t device, inode;
        uint64_t cookie; /* 0: the kernel has none (before 5.14) */
};

/* The container that an attachment is made for, as far as its runtime says. */
struct net_owner {
        const char *container;       /* what no other container of this host has: its folder; NULL: not known */
        const char *hosts, *servers; /* its hosts and resolv.conf on this host; NULL: it has none of ours */
        struct strv made, emptied;   /* which of the two go with the attachment, and which are left empty then */
        const char *hostname;
        struct strv aliases; /* more names by which others on the network know it */
};

struct net_record {
        bool is_begun;       /* and not kept, or given up; not in the file */
        const char *boot;    /* the kernel's boot id */
        const char *network; /* NULL: none; the leases are below its name */
        const char *face;    /* who made it: "cli", "cni", "hook" */
        const char *netns;   /* word it was given by */
        /* Of a link that is in the namespace only (direct.h): the kernel's number for that, while it lives. */
        struct opt_u32 number;
        struct net_identity identity;
        struct net_owner owner;
        struct strv gateways;
        struct net_policy policy; /* with id, interface, link, bridge, mac, addresses */
};

struct net_records {
        LIST_OF(net_record) records;
};

extern const struct json_type net_record_type, net_records_type;

enum { RECORD_FOUND = 0, RECORD_ABSENT = 1 };

/* The folder of all state, made when absent (mode 0700); refused when others can write to it. */
int record_root(const char *root, int *ret_dir);
/* A folder of that name in it, made when absent. */
int record_folder(int root, const char *name, int *ret_dir);

/* The folder of records below root (made when absent), for the calls below. */
int record_open(const char *root, int *ret_dir);
/* RECORD_ABSENT when root has no such folder: for those who only look. */
int record_look(const char *root, int *ret_dir);

/* Begins an attachment, instead of an earlier one of that link; keeps it when all is done. */
int record_begin(int dir, const struct net_record *record);
int record_keep(int dir, const char *link);
/* Puts a record in place of one that was kept, whole or not at all. */
int record_write(int dir, const struct net_record *record);
/* Begun and not kept, or given up? */
bool record_is_begun(int dir, const char *link);

/* Makes one that was kept into one that was not: what it is about is going.  Gives the file, which tells it from a
 * later one of that link as long as it is open; -1 when there is none. */
int record_give_up(int dir, const char *link, int *ret_file);
/* Still that file?  False for -1. */
bool record_is_given_up(int dir, const char *link, int file);

/* By id and interface, or by the link's name.  RECORD_ABSENT when there is none; one that cannot be understood fails
 * with -EBADMSG or -EINVAL. */
int record_read(int dir, const char *id, const char *interface, struct net_record *ret);
int record_read_link(int dir, const char *link, struct net_record *ret);

/* Every record in the order of id and interface, also those of an earlier boot; what cannot be understood is left out
 * with a warning. */
int record_list(int dir, struct net_records *ret);
/* The same of one id; the others are not read. */
int record_list_of(int dir, const char *id, struct net_records *ret);

/* Absent is success. */
int record_remove(int dir, const char *link);

/* The kernel's boot id: 36 characters. */
int record_boot(const char **ret_boot);

/* The identity of a network namespace; inside is a socket in it, or has none (no cookie then). */
int record_identity(int netns, const struct nl *inside, struct net_identity *ret);
/* The same namespace, as far as can be told. */
bool record_is_same_netns(const struct net_identity *a, const struct net_identity *b);

#endif
