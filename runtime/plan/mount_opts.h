/* Mount options by name: one table for the builder of mounts, `features` and the shell's completion.  Parent side only.
 * Spec: config.md "Mounts", config-linux "mount options"; mount_setattr(2), fsconfig(2). */
#ifndef RUNTIME_PLAN_MOUNT_OPTS_H
#define RUNTIME_PLAN_MOUNT_OPTS_H

#include "specs/base/str.h"

/* Attributes for mount_setattr(2): MOUNT_ATTR_x bits. */
struct mount_change {
        uint64_t set, clear;
};

/* What the option list of one mount asks for. */
struct mount_opts {
        struct mount_change self, tree; /* of the mount alone; of it and everything below (rro, rnosuid...) */
        uint32_t propagation;           /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; 0: not asked */
        bool propagates_tree;           /* rshared, rslave... */
        bool is_bind, is_recursive;     /* bind, rbind */
        bool is_remount;
        bool copies_up;                /* tmpcopyup */
        bool is_idmapped, idmaps_tree; /* idmap, ridmap */
        struct strv data;              /* for the file system: "size=64k", and flags of its superblock: "sync" */
};

/* Reads the list; a later option undoes an earlier one.  Options that no row names are data for the file system. */
struct mount_opts mount_opts_parse(const struct strv *options);

/* Every name in the table, in its order. */
struct strv mount_opts_names(void);

#endif
