/* The /dev of the container: nodes that every container has, those of the config, links, the terminal.  Parent side;
 * pure. Spec: config-linux.md "Default Devices", runtime-linux.md "Dev symbolic links". */
#include "runtime/plan/plan.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct {
        const char *path;
        unsigned major, minor;
} default_nodes[] = {
        { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
        { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};
#define DEFAULT_NODES (sizeof(default_nodes) / sizeof(default_nodes[0]))

static const struct {
        const char *path, *to;
} links[] = {
        { "/dev/fd", "/proc/self/fd" },       { "/dev/stdin", "/proc/self/fd/0" }, { "/dev/stdout", "/proc/self/fd/1" },
        { "/dev/stderr", "/proc/self/fd/2" }, { "/dev/core", "/proc/kcore" },      { "/dev/ptmx", "pts/ptmx" },
};

/* A /dev that is bound from the host belongs to someone else: nothing is made in it. */
static bool is_dev_bound(const struct oci_config *config) {
        for (size_t i = 0; i < config->mounts.n; i++) {
                const struct oci_mount *mount = &config->mounts.at[i];
                bool is_dev = str_eq(mount->destination, "/dev") || str_eq(mount->destination, "/dev/");
                if (is_dev && oci_mount_is_bind(mount))
                        return true;
        }
        return false;
}

/* The kernel lets no user namespace make device nodes: there the host's own node is bound. */
static bool can_make_nodes(const struct build *b) {
        return b->probe->is_root && !plan_has_own(b, CLONE_NEWUSER);
}

static int node_slot(struct build *b, const char *path) {
        return plan_tree_lane(b) == LANE_CHILD ? SLOT_MOUNT : plan_slot(b->plan, path);
}

static int bind_node(struct build *b, const char *path) {
        int slot = node_slot(b, path);
        if (slot < 0)
                return slot;
        plan_tree(b, plan_tree_lane(b), path, 0, slot);
        plan_add(b->plan, LANE_CHILD, STEP_TARGET, .slot = SLOT_ROOT, .into = SLOT_TARGET,
                 .a = plan_text(b->plan, path), .flags = TARGET_FILE, .more = 0755);
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = slot, .into = SLOT_TARGET);
        return 0;
}

static mode_t kind_of(const char *type) {
        return str_eq(type, "b") ? S_IFBLK : str_eq(type, "p") ? S_IFIFO : S_IFCHR;
}

static int add_device(struct build *b, size_t index) {
        const struct oci_device *device = &b->config->linux_->devices.at[index];
        const char *path = device->path[0] == '/' ? device->path : str_path("/dev", device->path);
        mode_t kind = kind_of(device->type), mode = device->file_mode.set ? device->file_mode.v & 07777 : 0666;
        b->plan->place = str_format("linux.devices[%zu]", index);
        bool is_bound = kind != S_IFIFO && !can_make_nodes(b);
        int slot = SLOT_NONE;
        if (is_bound) {
                slot = node_slot(b, path);
                if (slot < 0)
                        return slot;
                plan_tree(b, plan_tree_lane(b), path, 0, slot);
        }
        dev_t dev = kind == S_IFIFO ? 0 : makedev((unsigned)device->major.v, (unsigned)device->minor.v);
        plan_add(b->plan, LANE_CHILD, STEP_NODE, .slot = SLOT_ROOT, .into = (int16_t)slot,
                 .a = plan_text(b->plan, path), .flags = NODE(kind | mode | NODE_EXACT, dev),
                 .more = IDS(device->uid.v, device->gid.v));
        return 0;
}

/* A node of the config takes the place of the default one of the same path. */
static bool is_configured(const struct oci_config *config, const char *path) {
        for (size_t i = 0; config->linux_ && i < config->linux_->devices.n; i++)
                if (str_eq(config->linux_->devices.at[i].path, path))
                        return true;
        return false;
}

static int add_defaults(struct build *b) {
        for (size_t i = 0; i < DEFAULT_NODES; i++) {
                b->plan->place = "default devices";
                if (is_configured(b->config, default_nodes[i].path))
                        continue;
                if (!can_make_nodes(b)) {
                        int r = bind_node(b, default_nodes[i].path);
                        if (r < 0)
                                return r;
                        continue;
                }
                plan_add(b->plan, LANE_CHILD, STEP_NODE, .slot = SLOT_ROOT,
                         .a = plan_text(b->plan, default_nodes[i].path),
                         .flags = NODE(S_IFCHR | 0666, makedev(default_nodes[i].major, default_nodes[i].minor)));
        }
        return 0;
}

static void add_links(struct build *b) {
        b->plan->place = "default links";
        for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
                plan_add(b->plan, LANE_CHILD, STEP_LINK, .slot = SLOT_ROOT, .a = plan_text(b->plan, links[i].path),
                         .b = plan_text(b->plan, links[i].to));
}

int plan_terminal(struct build *b) {
        const struct oci_process *process = b->process;
        if (!process || !process->terminal)
                return 0;
        uint64_t rows = process->console_size ? process->console_size->height : 0;
        uint64_t columns = process->console_size ? process->console_size->width : 0;
        b->plan->place = "process.terminal";
        plan_add(b->plan, LANE_CHILD, STEP_PTY, .slot = SLOT_ROOT, .into = SLOT_TTY,
                 .a = plan_text(b->plan, "/dev/pts/ptmx"), .flags = (rows & 0xffff) << 16 | (columns & 0xffff),
                 .more = process->user.uid);
        return 0;
}

int plan_devices(struct build *b) {
        if (!is_dev_bound(b->config)) {
                int r = add_defaults(b);
                if (r < 0)
                        return r;
                for (size_t i = 0; b->config->linux_ && i < b->config->linux_->devices.n; i++) {
                        r = add_device(b, i);
                        if (r < 0)
                                return r;
                }
                add_links(b);
        }
        int r = plan_terminal(b);
        if (r < 0)
                return r;
        if (b->process && b->process->terminal)
                plan_add(b->plan, LANE_CHILD, STEP_CONSOLE, .slot = SLOT_ROOT, .a = plan_text(b->plan, "/dev/console"));
        return 0;
}
