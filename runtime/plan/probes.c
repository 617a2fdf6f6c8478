#include "runtime/plan/plan.h"

#include <linux/capability.h>

#define ALL_CAPABILITIES ((UINT64_C(1) << (CAP_CHECKPOINT_RESTORE + 1)) - 1)

static const struct probe full = {
        .is_root = true,
        .has_overlay_layers = true,
        .has_mount_api = true,
        .has_time_namespace = true,
        .has_cgroup_namespace = true,
        .has_seccomp_wait_killable = true,
        .last_capability = CAP_CHECKPOINT_RESTORE,
        .capabilities = ALL_CAPABILITIES,
        .cgroup_root = "/sys/fs/cgroup",
        .can_set_rlimits = true,
        .can_lower_oom = true,
        .has_apparmor = true,
        .landlock_abi = 7,
        .has_selinux = true,
};

static const struct probe old = {
        .is_root = true,
        .has_mount_api = true,
        .has_time_namespace = true,
        .has_cgroup_namespace = true,
        .last_capability = CAP_CHECKPOINT_RESTORE,
        .capabilities = ALL_CAPABILITIES,
        .cgroup_root = "/sys/fs/cgroup",
        .can_set_rlimits = true,
        .can_lower_oom = true,
        .landlock_abi = 1,
};

static const struct probe rootless = {
        .uid = 1000,
        .gid = 1000,
        .has_overlay_layers = true,
        .has_mount_api = true,
        .has_time_namespace = true,
        .has_cgroup_namespace = true,
        .has_seccomp_wait_killable = true,
        .last_capability = CAP_CHECKPOINT_RESTORE,
        .cgroup_root = "/sys/fs/cgroup",
        .landlock_abi = 7,
};

static const struct {
        const char *name;
        const struct probe *probe;
} probes[] = { { "full", &full }, { "old", &old }, { "rootless", &rootless } };

const struct probe *probe_named(const char *name) {
        for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
                if (str_eq(probes[i].name, name))
                        return probes[i].probe;
        return NULL;
}
