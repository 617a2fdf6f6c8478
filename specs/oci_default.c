#include "specs/base/arena.h"
#include "specs/base/str.h"
#include "specs/oci_linux.h"

#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COPY(array)                                                                                                    \
        { .at = arena_memdup(array, sizeof(array)), .n = COUNT(array) }
#define BIT(n) (1ULL << (n))

/* A list of the arena with what n texts say. */
static struct strv texts(const char *const *at, size_t n) {
        struct strv list = { 0 };
        for (size_t i = 0; i < n; i++)
                strv_add(&list, at[i]);
        return list;
}
#define TEXTS(...) texts((const char *const[]){ __VA_ARGS__ }, COUNT(((const char *const[]){ __VA_ARGS__ })))

/* What of the kernel a container has no business to read: the lists of the other runtimes and engines together, and the
 * files beside them that tell of host memory, power, tracing and firmware. */
static const char *const masked[] = {
        "/proc/acpi",
        "/proc/asound",
        "/proc/dynamic_debug",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/kmsg",
        "/proc/kpagecgroup",
        "/proc/kpagecount",
        "/proc/kpageflags",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/slabinfo",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/vmallocinfo",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
        "/sys/fs/bpf",
        "/sys/fs/pstore",
        "/sys/fs/selinux",
        "/sys/kernel/debug",
        "/sys/kernel/security",
        "/sys/kernel/tracing",
        "/sys/power",
};

static const char *const readonly_paths[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static struct oci_process *default_process(void) {
        /* Inheritable and ambient stay empty: what a program gets, it gets by being root in the container. */
        const uint64_t bits = BIT(CAP_AUDIT_WRITE) | BIT(CAP_KILL) | BIT(CAP_NET_BIND_SERVICE);
        struct named_set few = { .set = true, .bits = bits };
        struct oci_capabilities capabilities = { .bounding = few, .effective = few, .permitted = few };
        struct oci_rlimit rlimits[] = { { .type = { true, RLIMIT_NOFILE }, .soft = 1024, .hard = 1024 } };
        struct oci_process process = {
                .terminal = true,
                .args = TEXTS("sh"),
                .env = TEXTS("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"),
                .cwd = "/",
                .capabilities = arena_memdup(&capabilities, sizeof(capabilities)),
                .rlimits = COPY(rlimits),
                .no_new_privileges = true,
        };
        return arena_memdup(&process, sizeof(process));
}

static void add_mounts(struct oci_config *config, bool rootless) {
        struct oci_mount mounts[] = {
                { "/proc", "proc", "proc", .options = TEXTS("nosuid", "noexec", "nodev") },
                { "/dev", "tmpfs", "tmpfs", .options = TEXTS("nosuid", "strictatime", "mode=755", "size=65536k") },
                { "/dev/pts", "devpts", "devpts",
                  .options = TEXTS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620") },
                { "/dev/shm", "tmpfs", "shm",
                  .options = TEXTS("nosuid", "noexec", "nodev", "mode=1777", "size=65536k") },
                { "/dev/mqueue", "mqueue", "mqueue", .options = TEXTS("nosuid", "noexec", "nodev") },
                { "/sys", "sysfs", "sysfs", .options = TEXTS("nosuid", "noexec", "nodev", "ro") },
                { "/sys/fs/cgroup", "cgroup", "cgroup",
                  .options = TEXTS("nosuid", "noexec", "nodev", "relatime", "ro") },
        };
        enum { DEVPTS = 2, SYS = 5 };

        /* Group 5 has no name in a map of one id, and sysfs belongs to a network namespace that is not ours. */
        if (rootless) {
                mounts[SYS].type = "none";
                mounts[SYS].source = "/sys";
                mounts[SYS].options = TEXTS("rbind", "nosuid", "noexec", "nodev", "rro");
        } else {
                strv_add(&mounts[DEVPTS].options, "gid=5");
        }
        config->mounts.at = arena_memdup(mounts, sizeof(mounts));
        config->mounts.n = COUNT(mounts);
}

static struct oci_linux *default_linux(bool rootless, uint32_t uid, uint32_t gid) {
        /* The last place is the network's; an ordinary user has a user namespace there, on the host's network. */
        struct oci_namespace namespaces[] = {
                { .type = { true, CLONE_NEWPID } },    { .type = { true, CLONE_NEWIPC } },
                { .type = { true, CLONE_NEWUTS } },    { .type = { true, CLONE_NEWNS } },
                { .type = { true, CLONE_NEWCGROUP } }, { .type = { true, rootless ? CLONE_NEWUSER : CLONE_NEWNET } },
        };
        struct oci_linux linux_ = {
                .namespaces = COPY(namespaces),
                .masked_paths = texts(masked, COUNT(masked)),
                .readonly_paths = texts(readonly_paths, COUNT(readonly_paths)),
        };
        if (rootless) {
                struct oci_idmap uids[] = { { .container_id = 0, .host_id = uid, .size = 1 } };
                struct oci_idmap gids[] = { { .container_id = 0, .host_id = gid, .size = 1 } };
                linux_.uid_mappings.at = arena_memdup(uids, sizeof(uids));
                linux_.uid_mappings.n = COUNT(uids);
                linux_.gid_mappings.at = arena_memdup(gids, sizeof(gids));
                linux_.gid_mappings.n = COUNT(gids);
        } else {
                struct oci_device_rule rules[] = { { .allow = false, .access = "rwm" } };
                struct oci_resources resources = { .devices = COPY(rules) };
                linux_.resources = arena_memdup(&resources, sizeof(resources));
        }
        return arena_memdup(&linux_, sizeof(linux_));
}

struct oci_config *oci_config_default(bool rootless, uint32_t uid, uint32_t gid) {
        struct oci_root root = { .path = "rootfs", .readonly = true };
        struct oci_config *config = arena_alloc(sizeof(*config));

        config->oci_version = OCI_VERSION;
        config->root = arena_memdup(&root, sizeof(root));
        config->process = default_process();
        config->hostname = "rundlet";
        add_mounts(config, rootless);
        config->linux_ = default_linux(rootless, uid, gid);
        return config;
}

/* -- a system container -- */

static void set_system_process(struct oci_process *process) {
        /* What an init needs for users, services and their files; none of them reaches beyond the container's own
         * namespaces. */
        const uint64_t bits = BIT(CAP_AUDIT_WRITE) | BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) |
                              BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETFCAP) |
                              BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) | BIT(CAP_SYS_CHROOT);
        struct named_set set = { .set = true, .bits = bits };
        struct oci_capabilities capabilities = { .bounding = set, .effective = set, .permitted = set };

        process->terminal = false;
        process->args = TEXTS("/sbin/init");
        /* systemd looks for this word to know that it is in a container. */
        process->env = TEXTS("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=oci");
        process->capabilities = arena_memdup(&capabilities, sizeof(capabilities));
        process->rlimits.n = 0;
        process->no_new_privileges = false;
}

void oci_config_to_system(struct oci_config *config) {
        const struct oci_mount more[] = {
                { "/run", "tmpfs", "tmpfs", .options = TEXTS("nosuid", "nodev", "mode=755") },
                { "/run/lock", "tmpfs", "tmpfs",
                  .options = TEXTS("nosuid", "noexec", "nodev", "mode=1777", "size=5120k") },
                { "/tmp", "tmpfs", "tmpfs", .options = TEXTS("nosuid", "nodev", "mode=1777") },
        };
        size_t n = config->mounts.n;
        struct oci_mount *mounts = arena_alloc((n + COUNT(more)) * sizeof(*mounts));

        memcpy(mounts, config->mounts.at, n * sizeof(*mounts));
        memcpy(mounts + n, more, sizeof(more));
        for (size_t i = 0; i < n; i++)
                if (str_eq(mounts[i].type, "cgroup"))
                        mounts[i].options = TEXTS("nosuid", "noexec", "nodev", "relatime");
        config->mounts.at = mounts;
        config->mounts.n = n + COUNT(more);
        config->root->readonly = false;
        set_system_process(config->process);
}
