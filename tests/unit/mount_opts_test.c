/* Mount options: every name, what undoes what, what is left for the file system. */
#include "runtime/plan/mount_opts.h"
#include "tests/unit/test.h"

#include <linux/mount.h>

#define PRIVATE (1u << 18)
#define SLAVE   (1u << 19)
#define SHARED  (1u << 20)

static const struct {
        const char *options; /* between commas */
        struct mount_change self, tree;
        uint32_t propagation;
        bool propagates_tree, is_bind, is_recursive;
        const char *data;
} rows[] = {
        { "", { 0 }, { 0 }, 0, false, false, false, "" },
        { "defaults", { 0 }, { 0 }, 0, false, false, false, "" },
        { "ro", { MOUNT_ATTR_RDONLY, 0 }, { 0 }, 0, false, false, false, "" },
        { "ro,rw", { 0, MOUNT_ATTR_RDONLY }, { 0 }, 0, false, false, false, "" },
        { "rw,ro", { MOUNT_ATTR_RDONLY, 0 }, { 0 }, 0, false, false, false, "" },
        { "nosuid,nodev,noexec",
          { MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0 },
          { 0 },
          0,
          false,
          false,
          false,
          "" },
        { "suid,dev,exec",
          { 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC },
          { 0 },
          0,
          false,
          false,
          false,
          "" },
        { "nosymfollow", { MOUNT_ATTR_NOSYMFOLLOW, 0 }, { 0 }, 0, false, false, false, "" },
        { "nodiratime", { MOUNT_ATTR_NODIRATIME, 0 }, { 0 }, 0, false, false, false, "" },
        { "noatime", { MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME }, { 0 }, 0, false, false, false, "" },
        { "noatime,strictatime", { MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME }, { 0 }, 0, false, false, false, "" },
        { "strictatime,relatime", { MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME }, { 0 }, 0, false, false, false, "" },
        { "noatime,ro",
          { MOUNT_ATTR_NOATIME | MOUNT_ATTR_RDONLY, MOUNT_ATTR__ATIME },
          { 0 },
          0,
          false,
          false,
          false,
          "" },
        { "rro", { 0 }, { MOUNT_ATTR_RDONLY, 0 }, 0, false, false, false, "" },
        { "rro,rrw", { 0 }, { 0, MOUNT_ATTR_RDONLY }, 0, false, false, false, "" },
        { "rnoatime,rnosuid",
          { 0 },
          { MOUNT_ATTR_NOATIME | MOUNT_ATTR_NOSUID, MOUNT_ATTR__ATIME },
          0,
          false,
          false,
          false,
          "" },
        { "bind", { 0 }, { 0 }, 0, false, true, false, "" },
        { "rbind,rprivate", { 0 }, { 0 }, PRIVATE, true, true, true, "" },
        { "slave", { 0 }, { 0 }, SLAVE, false, false, false, "" },
        { "rslave,shared", { 0 }, { 0 }, SHARED, false, false, false, "" },
        { "sync,dirsync", { 0 }, { 0 }, 0, false, false, false, "sync,dirsync" },
        { "sync,async,lazytime", { 0 }, { 0 }, 0, false, false, false, "lazytime" },
        { "sync,sync", { 0 }, { 0 }, 0, false, false, false, "sync" },
        { "mode=755,size=64k,ro", { MOUNT_ATTR_RDONLY, 0 }, { 0 }, 0, false, false, false, "mode=755,size=64k" },
        { "RO", { 0 }, { 0 }, 0, false, false, false, "RO" },
};

static bool equal(const struct mount_change *a, const struct mount_change *b) {
        return a->set == b->set && a->clear == b->clear;
}

static void options_are_read(void) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct strv list = str_split(rows[i].options, ',', true);
                struct mount_opts opts = mount_opts_parse(&list);
                CHECK_ROW(equal(&opts.self, &rows[i].self), rows[i].options);
                CHECK_ROW(equal(&opts.tree, &rows[i].tree), rows[i].options);
                CHECK_ROW(opts.propagation == rows[i].propagation && opts.propagates_tree == rows[i].propagates_tree,
                          rows[i].options);
                CHECK_ROW(opts.is_bind == rows[i].is_bind && opts.is_recursive == rows[i].is_recursive,
                          rows[i].options);
                CHECK_STR(str_join(&opts.data, ","), rows[i].data);
        }
}

static void words_are_read(void) {
        struct strv list = str_split("tmpcopyup,remount,idmap", ',', true);
        struct mount_opts opts = mount_opts_parse(&list);
        CHECK(opts.copies_up && opts.is_remount && opts.is_idmapped && !opts.idmaps_tree);
        list = str_split("ridmap", ',', true);
        opts = mount_opts_parse(&list);
        CHECK(opts.is_idmapped && opts.idmaps_tree);
}

/* What `features` promises is understood: no name of the list is taken for data, but those of superblock flags. */
static void every_name_is_known(void) {
        struct strv names = mount_opts_names(), super = str_split("sync,dirsync,lazytime,mand", ',', true);
        for (size_t i = 0; i < names.n; i++) {
                struct strv one = { 0 };
                strv_add(&one, names.at[i]);
                struct mount_opts opts = mount_opts_parse(&one);
                CHECK_ROW((opts.data.n == 1) == strv_has(&super, names.at[i]), names.at[i]);
        }
        CHECK(strv_has(&names, "rnostrictatime") && strv_has(&names, "runbindable") && strv_has(&names, "idmap"));
        CHECK(strv_has(&names, "iversion") && strv_has(&names, "noiversion"));
}

int main(void) {
        options_are_read();
        words_are_read();
        every_name_is_known();
        return test_done();
}
