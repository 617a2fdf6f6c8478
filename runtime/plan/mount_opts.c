#include "runtime/plan/mount_opts.h"

#include <linux/mount.h>
#include <stddef.h>
/* <sys/mount.h> after <linux/mount.h> defines some names twice with older libcs, so the propagation bits are taken from
 * the name table of the spec. */
#include "specs/oci_names.h"

#define MS_RECURSIVE 16384u

enum option_kind {
        OPTION_SELF,    /* set, clear: attributes of the mount */
        OPTION_TREE,    /* the same, recursively */
        OPTION_SUPER,   /* a flag of the superblock: goes to the file system by its own name */
        OPTION_UNSUPER, /* undoes the superblock flag "other" */
        OPTION_WORD,    /* sets the bool at offset */
        OPTION_NOTHING, /* accepted, changes nothing */
};

struct option {
        const char *name;
        enum option_kind kind;
        uint64_t set, clear;
        size_t offset;
        const char *other;
};

/* For the access time attr_clr has to name the whole field, mount_setattr(2). */
#define ATIME MOUNT_ATTR__ATIME
#define SET(name, attr)                                                                                                \
        { name, OPTION_SELF, .set = attr }, {                                                                          \
                "r" name, OPTION_TREE, .set = attr                                                                     \
        }
#define CLEAR(name, attr)                                                                                              \
        { name, OPTION_SELF, .clear = attr }, {                                                                        \
                "r" name, OPTION_TREE, .clear = attr                                                                   \
        }
#define TIME(name, attr)                                                                                               \
        { name, OPTION_SELF, .set = attr, .clear = ATIME }, {                                                          \
                "r" name, OPTION_TREE, .set = attr, .clear = ATIME                                                     \
        }
#define WORD(name, member)                                                                                             \
        { name, OPTION_WORD, .offset = offsetof(struct mount_opts, member) }

static const struct option rows[] = {
        SET("ro", MOUNT_ATTR_RDONLY),
        CLEAR("rw", MOUNT_ATTR_RDONLY),
        SET("nosuid", MOUNT_ATTR_NOSUID),
        CLEAR("suid", MOUNT_ATTR_NOSUID),
        SET("nodev", MOUNT_ATTR_NODEV),
        CLEAR("dev", MOUNT_ATTR_NODEV),
        SET("noexec", MOUNT_ATTR_NOEXEC),
        CLEAR("exec", MOUNT_ATTR_NOEXEC),
        SET("nodiratime", MOUNT_ATTR_NODIRATIME),
        CLEAR("diratime", MOUNT_ATTR_NODIRATIME),
        SET("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW),
        CLEAR("symfollow", MOUNT_ATTR_NOSYMFOLLOW),
        TIME("noatime", MOUNT_ATTR_NOATIME),
        TIME("atime", MOUNT_ATTR_RELATIME),
        TIME("relatime", MOUNT_ATTR_RELATIME),
        /* relatime is what the kernel gives when nothing is asked: it can only be left for one of the others. */
        TIME("norelatime", MOUNT_ATTR_RELATIME),
        TIME("strictatime", MOUNT_ATTR_STRICTATIME),
        TIME("nostrictatime", MOUNT_ATTR_RELATIME),
        { "sync", OPTION_SUPER },
        { "async", OPTION_UNSUPER, .other = "sync" },
        { "dirsync", OPTION_SUPER },
        { "lazytime", OPTION_SUPER },
        { "nolazytime", OPTION_UNSUPER, .other = "lazytime" },
        { "mand", OPTION_SUPER },
        { "nomand", OPTION_UNSUPER, .other = "mand" },
        /* Changes are counted wherever the file system can (ext4, xfs, btrfs), and fsconfig(2) has no word for it. */
        { "iversion", OPTION_NOTHING },
        { "noiversion", OPTION_NOTHING },
        { "silent", OPTION_NOTHING },
        { "loud", OPTION_NOTHING },
        { "defaults", OPTION_NOTHING },
        WORD("bind", is_bind),
        WORD("rbind", is_recursive),
        WORD("remount", is_remount),
        WORD("tmpcopyup", copies_up),
        WORD("idmap", is_idmapped),
        WORD("ridmap", idmaps_tree),
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct option *find(const char *name) {
        for (size_t i = 0; i < ROWS; i++)
                if (str_eq(rows[i].name, name))
                        return &rows[i];
        return NULL;
}

/* The later option wins: what it sets is no longer cleared and the other way around.  The access time is one field, so
 * there both stay: cleared as a whole, then set. */
static void change(struct mount_change *all, const struct option *row) {
        all->set = (all->set & ~row->clear) | row->set;
        all->clear = (all->clear & ~(row->set & ~(uint64_t)ATIME)) | row->clear;
}

static void drop(struct strv *list, const char *text) {
        struct strv kept = { 0 };
        for (size_t i = 0; i < list->n; i++)
                if (!str_eq(list->at[i], text))
                        strv_add(&kept, list->at[i]);
        *list = kept;
}

static void apply(struct mount_opts *opts, const struct option *row) {
        switch (row->kind) {
        case OPTION_SELF:
                change(&opts->self, row);
                break;
        case OPTION_TREE:
                change(&opts->tree, row);
                break;
        case OPTION_SUPER:
                drop(&opts->data, row->name);
                strv_add(&opts->data, row->name);
                break;
        case OPTION_UNSUPER:
                drop(&opts->data, row->other);
                break;
        case OPTION_WORD:
                *(bool *)((char *)opts + row->offset) = true;
                break;
        case OPTION_NOTHING:
                break;
        }
}

struct mount_opts mount_opts_parse(const struct strv *options) {
        struct mount_opts opts = { 0 };
        for (size_t i = 0; i < options->n; i++) {
                const char *name = options->at[i];
                const struct option *row = find(name);
                const struct name *propagation = names_find(&oci_propagation_names, name);
                if (row) {
                        apply(&opts, row);
                } else if (propagation) {
                        opts.propagation = (uint32_t)propagation->value & ~MS_RECURSIVE;
                        opts.propagates_tree = (propagation->value & MS_RECURSIVE) != 0;
                } else if (*name) {
                        strv_add(&opts.data, name);
                }
        }
        opts.is_bind |= opts.is_recursive;
        opts.is_idmapped |= opts.idmaps_tree;
        return opts;
}

struct strv mount_opts_names(void) {
        struct strv names = { 0 };
        for (size_t i = 0; i < ROWS; i++)
                strv_add(&names, rows[i].name);
        for (const struct name *row = oci_propagation_names.rows; row->name; row++)
                strv_add(&names, row->name);
        return names;
}
