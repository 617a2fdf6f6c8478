/* Rules of config-linux.md but for seccomp and resources. */
#include "specs/base/arena.h"
#include "specs/oci_check_rules.h"
#include "specs/oci_names.h"
#include "specs/oci_shape.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static void rule_namespaces(struct check *c) {
        int64_t seen = 0;
        for (size_t i = 0; i < c->linux_->namespaces.n; i++) {
                const struct oci_namespace *ns = &c->linux_->namespaces.at[i];
                const char *name = names_of(&oci_namespace_names, ns->type.v);
                if (seen & ns->type.v)
                        check_error(c, "linux.namespaces[%zu].type: %s is there twice", i, name);
                seen |= ns->type.v;
                if (ns->path && *ns->path && *ns->path != '/')
                        check_error(c, "linux.namespaces[%zu].path: not an absolute path", i);
        }
}

/* True when the config makes or joins a namespace of the kind. */
static bool has_namespace(const struct check *c, int64_t kind) {
        return oci_namespace_find(c->config, kind) != NULL;
}

/* True when the config makes a new one. */
static bool makes_namespace(const struct check *c, int64_t kind) {
        const struct oci_namespace *ns = oci_namespace_find(c->config, kind);
        return ns && (!ns->path || !*ns->path);
}

static void rule_mappings(struct check *c) {
        const struct oci_linux *l = c->linux_;
        bool has_uids = l->uid_mappings.n > 0, has_gids = l->gid_mappings.n > 0;
        check_idmaps(c, "linux.uidMappings", l->uid_mappings.at, l->uid_mappings.n);
        check_idmaps(c, "linux.gidMappings", l->gid_mappings.at, l->gid_mappings.n);
        if (!has_uids && !has_gids)
                return;
        const char *first = has_uids ? "uidMappings" : "gidMappings";
        if (!has_namespace(c, CLONE_NEWUSER))
                check_error(c, "linux.%s: needs a user namespace", first);
        else if (!makes_namespace(c, CLONE_NEWUSER))
                /* containerd and CRI-O write both for pods; whether they agree is seen when the namespace is joined. */
                check_warning(c, "linux.%s: the user namespace is joined by path and has its own", first);
        if (has_uids != has_gids)
                check_error(c, "linux.%s: required beside %s", has_uids ? "gidMappings" : "uidMappings", first);
}

static void rule_time_offsets(struct check *c) {
        if (c->linux_->time_offsets.n == 0)
                return;
        for (size_t i = 0; i < c->linux_->time_offsets.n; i++) {
                const char *clock = c->linux_->time_offsets.at[i].key;
                if (!str_eq(clock, "monotonic") && !str_eq(clock, "boottime"))
                        check_error(c, "linux.timeOffsets.%s: unknown clock", clock);
        }
        if (!makes_namespace(c, CLONE_NEWTIME))
                check_error(c, "linux.timeOffsets: needs a new time namespace");
}

static bool is_mapped(const struct oci_idmap *maps, size_t n, uint32_t id) {
        for (size_t i = 0; i < n; i++)
                if (id >= maps[i].container_id && id - maps[i].container_id < maps[i].size)
                        return true;
        return false;
}

/* setuid(2) and setgid(2) refuse an id that the user namespace does not have. */
static void rule_user_mapped(struct check *c) {
        const struct oci_linux *l = c->linux_;
        if (!c->process || !makes_namespace(c, CLONE_NEWUSER))
                return;
        const struct oci_user *user = &c->process->user;
        if (l->uid_mappings.n > 0 && !is_mapped(l->uid_mappings.at, l->uid_mappings.n, user->uid))
                check_error(c, "process.user.uid: %u is not in linux.uidMappings", user->uid);
        if (l->gid_mappings.n > 0 && !is_mapped(l->gid_mappings.at, l->gid_mappings.n, user->gid))
                check_error(c, "process.user.gid: %u is not in linux.gidMappings", user->gid);
}

static int compare_device_paths(const void *a, const void *b) {
        return strcmp(((const struct oci_device *)a)->path, ((const struct oci_device *)b)->path);
}

static bool is_same_device(const struct oci_device *a, const struct oci_device *b) {
        return str_eq(a->type, b->type) && a->major.v == b->major.v && a->minor.v == b->minor.v;
}

/* Device plugins ask for the same device twice; two devices in one place are a mistake. */
static void rule_device_twice(struct check *c) {
        size_t n = c->linux_->devices.n;
        if (n < 2)
                return;
        struct oci_device *sorted = arena_memdup(c->linux_->devices.at, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_device_paths);
        for (size_t i = 1; i < n; i++) {
                if (!str_eq(sorted[i - 1].path, sorted[i].path))
                        continue;
                if (is_same_device(&sorted[i - 1], &sorted[i]))
                        check_warning(c, "linux.devices: %s is there twice", sorted[i].path);
                else
                        check_error(c, "linux.devices: two devices are to be at %s", sorted[i].path);
        }
}

static void rule_devices(struct check *c) {
        for (size_t i = 0; i < c->linux_->devices.n; i++) {
                const struct oci_device *d = &c->linux_->devices.at[i];
                if (*d->type == 'p')
                        continue;
                if (!d->major.set)
                        check_error(c, "linux.devices[%zu].major: required for type %s", i, d->type);
                if (!d->minor.set)
                        check_error(c, "linux.devices[%zu].minor: required for type %s", i, d->type);
        }
}

static void rule_net_devices(struct check *c) {
        struct strv inside = { 0 };
        for (size_t i = 0; i < c->linux_->net_devices.n; i++) {
                const struct oci_net_device *d = &c->linux_->net_devices.at[i];
                const char *name = d->name && *d->name ? d->name : d->key;
                check_shape(c, str_format("linux.netDevices.%s", d->key), oci_shape_interface(d->key));
                if (name != d->key)
                        check_shape(c, str_format("linux.netDevices.%s.name", d->key),
                                    oci_shape_interface_template(name));
                /* A template gives each device a name of its own. */
                if (!strchr(name, '%'))
                        strv_add(&inside, name);
        }
        const char *twice = check_twice(&inside);
        if (twice)
                check_error(c, "linux.netDevices: two devices are to be named %s", twice);
        if (c->linux_->net_devices.n > 0 && !has_namespace(c, CLONE_NEWNET))
                check_error(c, "linux.netDevices: needs a network namespace");
}

/* Paths below /proc/sys that a namespace of the container has for itself; a trailing slash stands for all below. */
static const struct {
        const char *path;
        int64_t kind;
} sysctls[] = {
        { "net/", CLONE_NEWNET },
        { "fs/mqueue/", CLONE_NEWIPC },
        { "kernel/msgmax", CLONE_NEWIPC },
        { "kernel/msgmnb", CLONE_NEWIPC },
        { "kernel/msgmni", CLONE_NEWIPC },
        { "kernel/sem", CLONE_NEWIPC },
        { "kernel/shmall", CLONE_NEWIPC },
        { "kernel/shmmax", CLONE_NEWIPC },
        { "kernel/shmmni", CLONE_NEWIPC },
        { "kernel/shm_rmid_forced", CLONE_NEWIPC },
        { "kernel/domainname", CLONE_NEWUTS },
};

/* The kind of namespace that has the parameter for itself, 0 when it is the host's. */
static int64_t sysctl_namespace(const char *path) {
        for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++) {
                bool is_match = str_ends(sysctls[i].path, "/") ? str_starts(path, sysctls[i].path)
                                                               : str_eq(path, sysctls[i].path);
                if (is_match)
                        return sysctls[i].kind;
        }
        return 0;
}

static void rule_sysctl(struct check *c) {
        for (size_t i = 0; i < c->linux_->sysctl.n; i++) {
                const char *key = c->linux_->sysctl.at[i].key, *path = oci_sysctl_path(key);
                if (!path) {
                        check_error(c, "linux.sysctl.%s: not the name of a kernel parameter", key);
                        continue;
                }
                int64_t kind = sysctl_namespace(path);
                if (str_eq(path, "kernel/hostname"))
                        check_error(c, "linux.sysctl.%s: use hostname instead", key);
                else if (kind == 0)
                        check_error(c, "linux.sysctl.%s: belongs to the host, not to a namespace", key);
                else if (!has_namespace(c, kind))
                        check_error(c, "linux.sysctl.%s: needs a namespace of type %s", key,
                                    names_of(&oci_namespace_names, kind));
                else if (kind == CLONE_NEWUTS && c->config->domainname && *c->config->domainname)
                        check_error(c, "linux.sysctl.%s: domainname is set too", key);
        }
}

/* Without one of its own the container's mounts are a tree that is attached nowhere: nothing travels to it or from it.
 */
static void rule_mount_namespace(struct check *c) {
        const struct oci_namespace *namespace = oci_namespace_find(c->config, CLONE_NEWNS);
        const char *text = c->linux_->rootfs_propagation;
        const struct name *row = text ? names_find(&oci_propagation_names, text) : NULL;
        bool is_own = namespace && !namespace->path;
        if (!is_own && row && !(row->value & MS_PRIVATE))
                check_error(c, "linux.rootfsPropagation: %s: needs a mount namespace of its own", text);
}

static void rule_intel_rdt(struct check *c) {
        const struct oci_intel_rdt *rdt = c->linux_->intel_rdt;
        if (rdt && rdt->l3_cache_schema && *rdt->l3_cache_schema && !str_starts(rdt->l3_cache_schema, "L3:"))
                check_warning(c, "linux.intelRdt.l3CacheSchema: does not begin with L3:");
}

enum nodes_wanted { NODES_NONE, NODES_SOME, NODES_ANY };

static enum nodes_wanted nodes_wanted(int64_t mode) {
        if (mode == MPOL_DEFAULT || mode == MPOL_LOCAL)
                return NODES_NONE;
        return mode == MPOL_PREFERRED ? NODES_ANY : NODES_SOME;
}

/* What set_mempolicy(2) refuses. */
static void rule_memory_policy(struct check *c) {
        const struct oci_memory_policy *policy = c->linux_->memory_policy;
        if (!policy)
                return;
        const uint64_t fixed = 1ULL << 15 | 1ULL << 14; /* MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES */
        const uint64_t balancing = 1ULL << 13;          /* MPOL_F_NUMA_BALANCING */
        const char *name = names_of(&oci_mempolicy_mode_names, policy->mode.v);
        bool has_nodes = policy->nodes && policy->nodes[strspn(policy->nodes, " ")];
        enum nodes_wanted wanted = nodes_wanted(policy->mode.v);
        if (has_nodes && wanted == NODES_NONE)
                check_error(c, "linux.memoryPolicy.nodes: %s takes none", name);
        if (!has_nodes && wanted == NODES_SOME)
                check_error(c, "linux.memoryPolicy.nodes: %s needs one or more", name);
        if ((policy->flags.bits & fixed) == fixed)
                check_error(c, "linux.memoryPolicy.flags: nodes cannot be both static and relative");
        if ((policy->flags.bits & fixed) && !has_nodes)
                check_error(c, "linux.memoryPolicy.flags: say how nodes are meant, and there are none");
        if ((policy->flags.bits & balancing) && policy->mode.v != MPOL_BIND && policy->mode.v != MPOL_PREFERRED_MANY)
                check_error(c, "linux.memoryPolicy.flags: %s does not take MPOL_F_NUMA_BALANCING", name);
}

static void rule_personality(struct check *c) {
        if (c->linux_->personality && c->linux_->personality->flags.n > 0)
                check_error(c, "linux.personality.flags[0]: %s: no flag is supported",
                            c->linux_->personality->flags.at[0]);
}

static const struct check_rule rows[] = {
        { "config-linux.md namespaces", "no type twice, paths absolute", rule_namespaces },
        { "config-linux.md uidMappings, gidMappings", "both, for a new user namespace, valid ranges", rule_mappings },
        { "config.md process.user.uid, gid", "ids of the container's user namespace", rule_user_mapped },
        { "config-linux.md timeOffsets", "known clocks, in a new time namespace", rule_time_offsets },
        { "config-linux.md devices.major, minor", "numbers unless a FIFO", rule_devices },
        { "config-linux.md devices.path", "no path for two devices", rule_device_twice },
        { "config-linux.md netDevices", "names of the kernel, no two alike, a network namespace", rule_net_devices },
        { "config-linux.md sysctl", "only parameters of a namespace of the container", rule_sysctl },
        { "config-linux.md rootfsPropagation", "private without a mount namespace of one's own", rule_mount_namespace },
        { "config-linux.md intelRdt.l3CacheSchema", "begins with L3:", rule_intel_rdt },
        { "config-linux.md memoryPolicy", "nodes and flags that go with the mode", rule_memory_policy },
        { "config-linux.md personality.flags", "none is supported", rule_personality },
};
const struct check_rules check_linux_rules = { rows, sizeof(rows) / sizeof(rows[0]) };
