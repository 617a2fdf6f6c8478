/* The mounts of the config, in its order.  Parent side; pure but for is_folder().
 *
 * A bind becomes a detached copy of the host's tree, made and changed before anyone in the container can see it;
 * another mount a new file system in the child.  Either is moved onto its mount point by fd: a destination is resolved
 * once. */
#include "runtime/plan/mount_opts.h"
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#define MS_PRIVATE_BIT             (1u << 18)
#define MS_SHARED_BIT              (1u << 20)
#define PROPAGATION(ms, recursive) ((uint64_t)(ms) << 32 | ((recursive) ? AT_RECURSIVE : 0))
#define TTY_GROUP_PREFIX           "gid="
#define FS_VALUE_MAX               255 /* of fsconfig(2) */

/* What is known of one mount while its steps are made. */
struct work {
        const struct oci_mount *mount;
        struct mount_opts opts;
        const char *type, *destination;
        size_t index;
        int slot;
};

/* File systems without a device behind them: what is asked read-only is the mount, not the superblock.  The kernel
 * gives some of them only to who owns the namespace they show; then the host's mount is bound instead. */
static const struct virtual_fs {
        const char *type;
        int64_t shows;    /* CLONE_NEWx */
        const char *host; /* where the host has it mounted */
        bool is_labelled; /* takes a context= option */
} virtual_fss[] = {
        { "proc", CLONE_NEWPID, "/proc", false },
        { "sysfs", CLONE_NEWNET, "/sys", false },
        { "mqueue", CLONE_NEWIPC, "/dev/mqueue", false },
        { "cgroup2", 0, NULL, false },
        { "tmpfs", 0, NULL, true },
        { "devpts", 0, NULL, true },
        { "ramfs", 0, NULL, true },
        { "overlay", 0, NULL, true },
        { "binfmt_misc", 0, NULL, false },
};

static const struct virtual_fs *find_virtual(const char *type) {
        for (size_t i = 0; i < sizeof(virtual_fss) / sizeof(virtual_fss[0]); i++)
                if (str_eq(virtual_fss[i].type, type))
                        return &virtual_fss[i];
        return NULL;
}

static bool has_userns(const struct build *b) {
        return plan_has_own(b, CLONE_NEWUSER);
}

/* The destination as a plain absolute path: what "." and ".." say is taken by its words, before any link is followed.
 */
const char *plan_destination(const struct oci_mount *mount) {
        struct strv parts = str_split(mount->destination, '/', true), kept = { 0 };
        for (size_t i = 0; i < parts.n; i++) {
                if (str_eq(parts.at[i], "..")) {
                        if (kept.n)
                                kept.at[--kept.n] = NULL;
                } else if (!str_eq(parts.at[i], ".")) {
                        strv_add(&kept, parts.at[i]);
                }
        }
        return str_format("/%s", kept.n ? str_join(&kept, "/") : "");
}

/* -- attributes -- */

static void add_attr(struct build *b, enum plan_lane lane, int slot, const struct mount_change *change,
                     bool recursive) {
        if (change->set || change->clear)
                plan_add(b->plan, lane, STEP_ATTR, .slot = slot, .flags = ATTR(change->set, change->clear),
                         .more = recursive ? AT_RECURSIVE : 0);
}

static void add_attrs(struct build *b, enum plan_lane lane, int slot, const struct mount_opts *opts) {
        add_attr(b, lane, slot, &opts->tree, true);
        add_attr(b, lane, slot, &opts->self, false);
}

static void add_propagation(struct build *b, const struct work *w) {
        if (w->opts.propagation)
                plan_add(b->plan, LANE_CHILD, STEP_ATTR, .slot = w->slot,
                         .more = PROPAGATION(w->opts.propagation, w->opts.propagates_tree));
}

static void add_target(struct build *b, const struct work *w, uint64_t flags) {
        plan_add(b->plan, LANE_CHILD, STEP_TARGET, .slot = SLOT_ROOT, .into = SLOT_TARGET,
                 .a = plan_text(b->plan, w->destination), .flags = flags, .more = 0755);
}

static void add_attach(struct build *b, const struct work *w, bool takes_mode) {
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = w->slot, .into = SLOT_TARGET, .flags = takes_mode);
        add_propagation(b, w);
}

/* Where /proc and /sys go nothing may be in the way: what is written below them decides about confinement. */
static uint64_t plain_flag(const struct work *w) {
        return str_eq(w->destination, "/proc") || str_eq(w->destination, "/sys") ? TARGET_PLAIN : 0;
}

/* -- id maps -- */

static bool is_idmapped(const struct work *w) {
        return w->opts.is_idmapped || w->mount->uid_mappings.n || w->mount->gid_mappings.n;
}

static int add_idmap(struct build *b, const struct work *w) {
        const struct oci_linux *linux_ = b->config->linux_;
        const struct oci_mount *mount = w->mount;
        bool has_maps = mount->uid_mappings.n > 0 || mount->gid_mappings.n > 0;
        if (!is_idmapped(w))
                return 0;
        if (!b->probe->is_root)
                return fail_words(EPERM, "mounts[%zu]: an idmapped mount needs root", w->index);
        if (plan_joins_mounts(b))
                return fail_words(EINVAL, "mounts[%zu]: no idmapped mount from a joined mount namespace", w->index);
        struct plan_userns wanted = { .slot = plan_slot(b->plan, str_format("ids %zu", w->index)) };
        if (wanted.slot < 0)
                return wanted.slot;
        wanted.uid_maps = has_maps ? mount->uid_mappings.at : linux_->uid_mappings.at;
        wanted.uid_maps_count = has_maps ? mount->uid_mappings.n : linux_->uid_mappings.n;
        wanted.gid_maps = has_maps ? mount->gid_mappings.at : linux_->gid_mappings.at;
        wanted.gid_maps_count = has_maps ? mount->gid_mappings.n : linux_->gid_mappings.n;
        if (!wanted.uid_maps_count || !wanted.gid_maps_count)
                return fail_words(EINVAL,
                                  "mounts[%zu]: idmap needs uidMappings and gidMappings, of the mount or of the "
                                  "container's user namespace",
                                  w->index);
        size_t n = b->plan->userns_wanted.n;
        b->plan->userns_wanted.at = arena_grow(b->plan->userns_wanted.at, n * sizeof(wanted), (n + 1) * sizeof(wanted));
        b->plan->userns_wanted.at[n] = wanted;
        b->plan->userns_wanted.n++;
        plan_add(b->plan, LANE_OPEN, STEP_IDMAP, .slot = w->slot, .into = wanted.slot,
                 .more = w->opts.idmaps_tree ? AT_RECURSIVE : 0);
        return 0;
}

/* -- binds -- */

/* Since Linux 6.8 mounts are listed by their age, and users read /proc/mounts as the config's order: so a copy is made
 * when it is its turn.  Where the child has the right to it: it may not search the folders of the host as root of a
 * user namespace, and never has the tree that somebody else's mount namespace has. */
static bool copies_in_order(const struct build *b) {
        return plan_tree_lane(b) == LANE_OPEN && !has_userns(b) && !plan_shares_mounts(b) && !b->is_entering &&
               !b->options->no_pivot;
}

static const char *source_path(const struct build *b, const char *source) {
        return source[0] == '/' ? source : str_path(b->options->bundle, source);
}

static bool is_folder(const char *path) {
        struct stat status;
        return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The copy of the host's tree in w->slot, with the attributes that it shall have. */
static int add_copy(struct build *b, struct work *w, enum plan_lane lane, const char *source) {
        unsigned flags = w->opts.is_recursive ? TREE_RECURSIVE : 0;
        w->slot = lane == LANE_CHILD ? SLOT_MOUNT : plan_slot(b->plan, str_format("mount %zu", w->index));
        if (w->slot < 0)
                return w->slot;
        if (w->opts.propagation == MS_SHARED_BIT)
                flags |= TREE_PEERS;
        plan_tree(b, lane, source, flags, w->slot);
        int r = add_idmap(b, w);
        if (r == 0)
                add_attrs(b, lane, w->slot, &w->opts);
        return r;
}

/* Without a cgroup namespace a new mount would show every cgroup of the host: the container's own folder is bound. */
static bool binds_cgroup(const struct build *b, const struct work *w) {
        return (str_eq(w->type, "cgroup") || str_eq(w->type, "cgroup2")) && !w->opts.is_bind &&
               !plan_has_own(b, CLONE_NEWCGROUP) && b->probe->is_root;
}

/* A copy that the child makes of the host's tree has the container's root in it, if that lies below, is a slave, and
 * gets no id map: the parent makes the copy of a folder that is to be otherwise.  What is attached nowhere cannot be
 * copied once more when it is its turn, so until then it waits on the shelf. */
static bool is_shelved(const struct build *b, const struct work *w) {
        const char *source = w->mount->source;
        if (!copies_in_order(b) || w->opts.is_remount)
                return false;
        if (binds_cgroup(b, w))
                return true;
        if (!w->opts.is_bind && !str_eq(w->type, "bind"))
                return false;
        return (w->opts.is_recursive || w->opts.propagation == MS_SHARED_BIT || is_idmapped(w)) && source && *source &&
               is_folder(source_path(b, source));
}

static void take_turn(struct build *b, const struct work *w) {
        plan_add(b->plan, LANE_CHILD, STEP_TARGET, .slot = b->shelf, .into = SLOT_TARGET,
                 .a = plan_text(b->plan, str_format("/%zu", w->index)), .flags = TARGET_FOLDER, .more = 0700);
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = w->slot, .into = SLOT_TARGET);
        plan_add(b->plan, LANE_CHILD, STEP_TREE, .slot = w->slot, .into = w->slot,
                 .flags = w->opts.is_recursive ? AT_RECURSIVE : 0);
}

static int add_bind_of(struct build *b, struct work *w, const char *source) {
        bool waits = is_shelved(b, w), is_childs = copies_in_order(b) && !waits && !is_idmapped(w);
        int r = add_copy(b, w, is_childs ? LANE_CHILD : plan_tree_lane(b), source);
        if (r < 0)
                return r;
        if (waits)
                take_turn(b, w);
        add_target(b, w, TARGET_LIKE | plain_flag(w) | (uint64_t)w->slot << 32);
        add_attach(b, w, false);
        return 0;
}

static int add_bind(struct build *b, struct work *w) {
        const char *source = w->mount->source;
        if (!source || !*source)
                return fail_words(EINVAL, "mounts[%zu].source: a bind mount needs one", w->index);
        /* Engines leave words of their own among them ("z"), which crun passes over too. */
        for (size_t i = 0; i < w->opts.data.n; i++)
                plan_warn(b->plan, "mounts[%zu].options: %s: left out, a bind mount takes no options of a file system",
                          w->index, w->opts.data.at[i]);
        return add_bind_of(b, w, source_path(b, source));
}

/* The host's mount of a file system that this container has no right to mount anew. */
static int add_bind_of_host(struct build *b, struct work *w, const char *host) {
        w->opts.is_recursive = true; /* parts of it are covered by mounts that must stay covered */
        w->opts.tree.set |= w->opts.self.set;
        w->opts.self = (struct mount_change){ 0 };
        w->opts.data = (struct strv){ 0 };
        return add_bind_of(b, w, host);
}

static bool is_remount(const struct oci_mount *mount) {
        return strv_has(&mount->options, "remount");
}

/* The mount that a remount means: the last one before it of the same destination. */
static size_t remounted(const struct build *b, size_t index) {
        const struct oci_mount *mounts = b->config->mounts.at;
        size_t i = index;
        while (i-- > 0)
                if (!is_remount(&mounts[i]) && str_eq(mounts[i].destination, mounts[index].destination))
                        return i;
        return SIZE_MAX;
}

static bool is_tmpfs(const struct oci_mount *mount) {
        return mount->type && str_eq(mount->type, "tmpfs") && !mount_opts_parse(&mount->options).is_bind;
}

/* Nodes and mount points may yet have to be made in it: read-only comes last. */
static void set_readonly_late(struct build *b, int slot) {
        struct u32v *late = &b->late_readonly;
        late->at = arena_grow(late->at, late->n * sizeof(*late->at), (late->n + 1) * sizeof(*late->at));
        late->at[late->n++] = (uint32_t)slot;
}

/* Changes an existing mount: only its attributes, which is what a read-only remount of a bind means.  Options of the
 * file system, which others may have mounted too, are taken only for a tmpfs of the config's own, which add_fs() has
 * made with them: by its name it might no longer be found. */
static int add_remount(struct build *b, struct work *w) {
        size_t of = remounted(b, w->index);
        bool is_own_tmpfs = of != SIZE_MAX && is_tmpfs(&b->config->mounts.at[of]);
        if (w->opts.data.n && !is_own_tmpfs)
                return fail_words(EINVAL, "mounts[%zu].options: %s: remount changes only attributes of the mount",
                                  w->index, w->opts.data.at[0]);
        bool is_late = is_own_tmpfs && ((w->opts.self.set | w->opts.tree.set) & MOUNT_ATTR_RDONLY);
        w->slot = is_late ? plan_slot(b->plan, str_format("mount %zu", w->index)) : SLOT_MOUNT;
        if (w->slot < 0)
                return w->slot;
        w->opts.self.set &= ~(uint64_t)(is_late ? MOUNT_ATTR_RDONLY : 0);
        w->opts.tree.set &= ~(uint64_t)(is_late ? MOUNT_ATTR_RDONLY : 0);
        plan_add(b->plan, LANE_CHILD, STEP_OPEN, .slot = SLOT_ROOT, .into = w->slot,
                 .a = plan_text(b->plan, w->destination), .flags = O_PATH);
        add_attrs(b, LANE_CHILD, w->slot, &w->opts);
        add_propagation(b, w);
        if (is_late)
                set_readonly_late(b, w->slot);
        return 0;
}

/* -- new file systems -- */

static bool is_mapped(const struct oci_linux *linux_, const char *gid) {
        uint64_t id;
        if (!linux_->gid_mappings.n || parse_u64(gid, 0, UINT32_MAX, &id) < 0)
                return true;
        for (size_t i = 0; i < linux_->gid_mappings.n; i++) {
                const struct oci_idmap *map = &linux_->gid_mappings.at[i];
                if (id >= map->container_id && id - map->container_id < map->size)
                        return true;
        }
        return false;
}

/* One string may hold several options, "mode=755,size=64k"; overlayfs escapes commas in its own way. */
static struct strv data_options(struct build *b, const struct work *w) {
        struct strv list = { 0 };
        for (size_t i = 0; i < w->opts.data.n; i++) {
                struct strv parts = str_split(w->opts.data.at[i], str_eq(w->type, "overlay") ? '\n' : ',', true);
                for (size_t j = 0; j < parts.n; j++) {
                        const char *option = parts.at[j];
                        if (str_eq(w->type, "devpts") && str_starts(option, TTY_GROUP_PREFIX) && has_userns(b) &&
                            !is_mapped(b->config->linux_, option + strlen(TTY_GROUP_PREFIX))) {
                                plan_warn(b->plan,
                                          "mounts[%zu].options: %s: left out, the user namespace does not map it",
                                          w->index, option);
                                continue;
                        }
                        strv_add(&list, option);
                }
        }
        return list;
}

/* What remounts of a tmpfs will say of it; the last word counts. */
static void add_later_options(struct build *b, const struct work *w, struct strv *list) {
        for (size_t i = w->index + 1; b->has_remounts && i < b->config->mounts.n; i++) {
                const struct oci_mount *later = &b->config->mounts.at[i];
                if (!is_remount(later) || remounted(b, i) != w->index)
                        continue;
                struct strv data = data_options(
                        b, &(struct work){ .type = w->type, .opts = mount_opts_parse(&later->options), .index = i });
                for (size_t j = 0; j < data.n; j++)
                        strv_add(list, data.at[j]);
        }
}

static struct strv fs_options(struct build *b, const struct work *w, const struct virtual_fs *virtual_fs) {
        struct strv list = { 0 }, data = data_options(b, w);
        const char *context = plan_mount_context(b);
        if (w->mount->source && *w->mount->source)
                strv_add(&list, str_format("source=%s", w->mount->source));
        if (!virtual_fs && w->opts.self.set & MOUNT_ATTR_RDONLY)
                strv_add(&list, "ro");
        for (size_t i = 0; i < data.n; i++)
                strv_add(&list, data.at[i]);
        if (str_eq(w->type, "tmpfs"))
                add_later_options(b, w, &list);
        if (context && (!virtual_fs || virtual_fs->is_labelled))
                strv_add(&list, context);
        return list;
}

static bool is_too_long(const struct strv *options) {
        for (size_t i = 0; i < options->n; i++) {
                const char *equals = strchr(options->at[i], '=');
                if (equals && strlen(equals + 1) > FS_VALUE_MAX)
                        return true;
        }
        return false;
}

/* An engine's layers have longer names than fsconfig(2) takes; mount(2) takes a page of them. */
static int add_overlay_of_names(struct build *b, struct work *w) {
        struct strv options = data_options(b, w);
        if (plan_mount_context(b))
                strv_add(&options, plan_mount_context_quoted(b));
        add_target(b, w, TARGET_FOLDER);
        plan_add(b->plan, LANE_CHILD, STEP_OVERLAY_OLD, .slot = SLOT_TARGET, .into = w->slot,
                 .a = plan_text(b->plan, str_join(&options, ",")));
        add_attrs(b, LANE_CHILD, w->slot, &w->opts);
        add_propagation(b, w);
        return 0;
}

/* A file system that shows a namespace which the parent entered for the child is the parent's to make: its owner is not
 * the child's new user namespace. */
static enum plan_lane fs_lane(const struct build *b, const struct virtual_fs *virtual_fs) {
        bool is_joined = virtual_fs && virtual_fs->shows && !plan_has_new(b, virtual_fs->shows);
        return is_joined && b->plan->has_new_userns && b->probe->is_root ? LANE_OPEN : LANE_CHILD;
}

/* A tmpfs that is not told its mode would be everybody's to write to, over whatever folder of the image it lies. */
static bool takes_mode(const struct work *w, const struct strv *options) {
        for (size_t i = 0; i < options->n; i++)
                if (str_starts(options->at[i], "mode="))
                        return false;
        return str_eq(w->type, "tmpfs");
}

static int add_fs(struct build *b, struct work *w) {
        const struct virtual_fs *virtual_fs = find_virtual(w->type);
        enum plan_lane lane = fs_lane(b, virtual_fs);
        uint64_t set = w->opts.self.set | w->opts.tree.set;
        bool is_late = (set & MOUNT_ATTR_RDONLY) && str_eq(w->type, "tmpfs");
        w->slot = is_late || lane == LANE_OPEN ? plan_slot(b->plan, str_format("mount %zu", w->index)) : SLOT_MOUNT;
        if (w->slot < 0)
                return w->slot;
        struct strv options = fs_options(b, w, virtual_fs);
        if (str_eq(w->type, "overlay") && is_too_long(&options))
                return add_overlay_of_names(b, w);
        plan_add(b->plan, lane, STEP_FS, .into = w->slot, .a = plan_text(b->plan, w->type),
                 .b = plan_option_list(b->plan, &options), .flags = is_late ? set & ~(uint64_t)MOUNT_ATTR_RDONLY : set);
        if (str_eq(w->type, "mqueue"))
                plan_relabel(b, w->slot);
        add_target(b, w, TARGET_FOLDER | plain_flag(w));
        if (w->opts.copies_up)
                plan_add(b->plan, LANE_CHILD, STEP_COPYUP, .slot = SLOT_TARGET, .into = w->slot);
        add_attach(b, w, takes_mode(w, &options));
        if (is_late)
                set_readonly_late(b, w->slot);
        return 0;
}

static int add_cgroup_bind(struct build *b, struct work *w) {
        w->slot = plan_slot(b->plan, str_format("mount %zu", w->index));
        if (w->slot < 0)
                return w->slot;
        plan_add(b->plan, LANE_OPEN, STEP_TREE, .slot = SLOT_CGROUP, .into = w->slot);
        plan_add(b->plan, LANE_OPEN, STEP_ATTR, .slot = w->slot, .flags = ATTR(w->opts.self.set, w->opts.self.clear),
                 .more = PROPAGATION(MS_PRIVATE_BIT, false));
        if (is_shelved(b, w))
                take_turn(b, w);
        add_target(b, w, TARGET_FOLDER | plain_flag(w));
        add_attach(b, w, false);
        return 0;
}

static int add_cgroup(struct build *b, struct work *w) {
        w->type = "cgroup2";
        w->opts.data = (struct strv){ 0 }; /* options of cgroup v1 */
        if (plan_has_own(b, CLONE_NEWCGROUP))
                return add_fs(b, w);
        if (!binds_cgroup(b, w))
                return add_bind_of_host(b, w, b->probe->cgroup_root ? b->probe->cgroup_root : "/sys/fs/cgroup");
        return add_cgroup_bind(b, w);
}

static int add_new(struct build *b, struct work *w) {
        const struct virtual_fs *virtual_fs = find_virtual(w->type);
        if (is_idmapped(w))
                return fail_words(EINVAL, "mounts[%zu]: only a bind mount can be idmapped", w->index);
        if (w->opts.copies_up && !str_eq(w->type, "tmpfs"))
                return fail_words(EINVAL, "mounts[%zu].options: tmpcopyup: only for tmpfs", w->index);
        if (str_eq(w->type, "cgroup") || str_eq(w->type, "cgroup2"))
                return add_cgroup(b, w);
        if (virtual_fs && virtual_fs->host && has_userns(b) && !plan_has_own(b, virtual_fs->shows))
                return add_bind_of_host(b, w, virtual_fs->host);
        return add_fs(b, w);
}

static struct work work_on(struct build *b, size_t index) {
        const struct oci_mount *mount = &b->config->mounts.at[index];
        b->plan->place = str_format("mounts[%zu]", index);
        return (struct work){ .mount = mount,
                              .opts = mount_opts_parse(&mount->options),
                              .type = mount->type ? mount->type : "",
                              .destination = plan_destination(mount),
                              .index = index,
                              .slot = SLOT_NONE };
}

static int add_mount(struct build *b, size_t index) {
        struct work w = work_on(b, index);
        if (plan_shares_mounts(b) && w.opts.propagation && w.opts.propagation != MS_PRIVATE_BIT)
                return fail_words(
                        EINVAL, "mounts[%zu].options: nothing but private without a mount namespace of its own", index);
        if (str_eq(w.destination, "/") && !(b->is_entering && w.opts.is_remount))
                return fail_words(EINVAL, "mounts[%zu].destination: the root is set by root, not by a mount", index);
        if (w.opts.is_remount)
                return add_remount(b, &w);
        if (w.opts.is_bind || str_eq(w.type, "bind"))
                return add_bind(b, &w);
        if (!*w.type || str_eq(w.type, "none"))
                return fail_words(EINVAL, "mounts[%zu].type: missing", index);
        return add_new(b, &w);
}

int plan_shelf(struct build *b) {
        struct strv options = { 0 };
        bool is_wanted = false;
        for (size_t i = b->first_mount; i < b->config->mounts.n && !is_wanted; i++) {
                struct work w = work_on(b, i);
                is_wanted = is_shelved(b, &w);
        }
        if (!is_wanted)
                return 0;
        b->shelf = plan_slot(b->plan, "shelf");
        if (b->shelf < 0)
                return b->shelf;
        strv_add(&options, "source=shelf");
        strv_add(&options, "mode=0700");
        plan_add(b->plan, LANE_CHILD, STEP_FS, .into = b->shelf, .a = plan_text(b->plan, "tmpfs"),
                 .b = plan_option_list(b->plan, &options),
                 .flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = b->shelf, .into = SLOT_ROOTFS);
        return 0;
}

int plan_mounts(struct build *b) {
        for (size_t i = b->first_mount; i < b->config->mounts.n; i++)
                b->has_remounts |= is_remount(&b->config->mounts.at[i]);
        for (size_t i = b->first_mount; i < b->config->mounts.n; i++) {
                int r = add_mount(b, i);
                if (r < 0)
                        return r;
        }
        return 0;
}

int plan_mounts_readonly(struct build *b) {
        b->plan->place = "mounts";
        for (size_t i = 0; i < b->late_readonly.n; i++)
                plan_add(b->plan, LANE_CHILD, STEP_ATTR, .slot = (int16_t)b->late_readonly.at[i],
                         .flags = ATTR(MOUNT_ATTR_RDONLY, 0));
        return 0;
}
