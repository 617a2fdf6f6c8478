#include "specs/oci_linux.h"

#include "specs/oci_names.h"
#include "specs/oci_shape.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

static const struct json_field oci_namespace_fields[] = {
        NAMED(oci_namespace, "type", type, oci_namespace_names, .flags = J_REQUIRED),
        FIELD(oci_namespace, "path", path),
};
static TYPE(oci_namespace);

static const struct json_field oci_time_offset_fields[] = {
        FIELD(oci_time_offset, "secs", secs),
        FIELD(oci_time_offset, "nanosecs", nanosecs, .max = 999999999),
};
static TYPE(oci_time_offset);

/* The kernel's dev_t has 12 bits of major and 20 of minor. */
#define MAX_MAJOR ((1 << 12) - 1)
#define MAX_MINOR ((1 << 20) - 1)

static const struct json_field oci_device_fields[] = {
        FIELD(oci_device, "path", path, .flags = J_REQUIRED, .check = oci_shape_absolute),
        FIELD(oci_device, "type", type, .flags = J_REQUIRED, .check = oci_shape_device_type),
        FIELD(oci_device, "major", major, .min = 0, .max = MAX_MAJOR),
        FIELD(oci_device, "minor", minor, .min = 0, .max = MAX_MINOR),
        FIELD(oci_device, "fileMode", file_mode, .max = S_IFMT | 07777),
        FIELD(oci_device, "uid", uid, .max = UINT32_MAX - 1),
        FIELD(oci_device, "gid", gid, .max = UINT32_MAX - 1),
};
static TYPE(oci_device);

static const struct json_field oci_device_rule_fields[] = {
        FIELD(oci_device_rule, "allow", allow, .flags = J_REQUIRED | J_KEEP_EMPTY),
        FIELD(oci_device_rule, "type", type, .check = oci_shape_rule_type),
        FIELD(oci_device_rule, "major", major, .min = -1, .max = MAX_MAJOR),
        FIELD(oci_device_rule, "minor", minor, .min = -1, .max = MAX_MINOR),
        FIELD(oci_device_rule, "access", access, .check = oci_shape_rule_access),
};
static TYPE(oci_device_rule);

static const struct json_field oci_memory_fields[] = {
        FIELD(oci_memory, "limit", limit, .min = -1, .max = INT64_MAX),
        FIELD(oci_memory, "reservation", reservation, .min = -1, .max = INT64_MAX),
        FIELD(oci_memory, "swap", swap, .min = -1, .max = INT64_MAX),
        FIELD(oci_memory, "kernel", kernel, .flags = J_DEPRECATED, .min = -1, .max = INT64_MAX),
        FIELD(oci_memory, "kernelTCP", kernel_tcp, .flags = J_DEPRECATED, .min = -1, .max = INT64_MAX),
        FIELD(oci_memory, "swappiness", swappiness, .max = 100),
        FIELD(oci_memory, "disableOOMKiller", disable_oom_killer),
        FIELD(oci_memory, "useHierarchy", use_hierarchy),
        FIELD(oci_memory, "checkBeforeUpdate", check_before_update),
};
static TYPE(oci_memory);

static const struct json_field oci_cpu_fields[] = {
        FIELD(oci_cpu, "shares", shares),
        FIELD(oci_cpu, "quota", quota),
        FIELD(oci_cpu, "burst", burst),
        FIELD(oci_cpu, "period", period),
        FIELD(oci_cpu, "realtimeRuntime", realtime_runtime),
        FIELD(oci_cpu, "realtimePeriod", realtime_period),
        FIELD(oci_cpu, "cpus", cpus, .check = oci_shape_id_list),
        FIELD(oci_cpu, "mems", mems, .check = oci_shape_id_list),
        FIELD(oci_cpu, "idle", idle, .min = 0, .max = 1),
};
static TYPE(oci_cpu);

static const struct json_field oci_weight_device_fields[] = {
        FIELD(oci_weight_device, "major", major, .flags = J_REQUIRED | J_KEEP_EMPTY | J_KEY, .max = MAX_MAJOR),
        FIELD(oci_weight_device, "minor", minor, .flags = J_REQUIRED | J_KEEP_EMPTY | J_KEY, .max = MAX_MINOR),
        FIELD(oci_weight_device, "weight", weight, .max = 1000),
        FIELD(oci_weight_device, "leafWeight", leaf_weight, .max = 1000),
};
static TYPE(oci_weight_device);

static const struct json_field oci_throttle_device_fields[] = {
        FIELD(oci_throttle_device, "major", major, .flags = J_REQUIRED | J_KEEP_EMPTY | J_KEY, .max = MAX_MAJOR),
        FIELD(oci_throttle_device, "minor", minor, .flags = J_REQUIRED | J_KEEP_EMPTY | J_KEY, .max = MAX_MINOR),
        FIELD(oci_throttle_device, "rate", rate, .flags = J_REQUIRED | J_KEEP_EMPTY),
};
static TYPE(oci_throttle_device);

/* Engines write a weight of 0 for "not set"; 1..9 is refused by oci_check. */
static const struct json_field oci_block_io_fields[] = {
        FIELD(oci_block_io, "weight", weight, .max = 1000),
        FIELD(oci_block_io, "leafWeight", leaf_weight, .max = 1000),
        LIST(oci_block_io, "weightDevice", weight_device, oci_weight_device),
        LIST(oci_block_io, "throttleReadBpsDevice", throttle_read_bps, oci_throttle_device),
        LIST(oci_block_io, "throttleWriteBpsDevice", throttle_write_bps, oci_throttle_device),
        LIST(oci_block_io, "throttleReadIOPSDevice", throttle_read_iops, oci_throttle_device),
        LIST(oci_block_io, "throttleWriteIOPSDevice", throttle_write_iops, oci_throttle_device),
};
static TYPE(oci_block_io);

static const struct json_field oci_hugepage_limit_fields[] = {
        FIELD(oci_hugepage_limit, "pageSize", page_size, .flags = J_REQUIRED | J_KEY, .check = oci_shape_page_size),
        FIELD(oci_hugepage_limit, "limit", limit, .flags = J_REQUIRED | J_KEEP_EMPTY),
};
static TYPE(oci_hugepage_limit);

static const struct json_field oci_network_priority_fields[] = {
        FIELD(oci_network_priority, "name", name, .flags = J_REQUIRED, .check = oci_shape_interface),
        FIELD(oci_network_priority, "priority", priority, .flags = J_REQUIRED | J_KEEP_EMPTY),
};
static TYPE(oci_network_priority);

static const struct json_field oci_network_fields[] = {
        FIELD(oci_network, "classID", class_id),
        LIST(oci_network, "priorities", priorities, oci_network_priority),
};
static TYPE(oci_network);

static const struct json_field oci_pids_fields[] = {
        FIELD(oci_pids, "limit", limit, .min = -1, .max = INT64_MAX),
};
static TYPE(oci_pids);

static const struct json_field oci_rdma_fields[] = {
        FIELD(oci_rdma, "hcaHandles", hca_handles),
        FIELD(oci_rdma, "hcaObjects", hca_objects),
};
static TYPE(oci_rdma);

static const struct json_field oci_resources_fields[] = {
        LIST(oci_resources, "devices", devices, oci_device_rule),
        OPT_OBJECT(oci_resources, "memory", memory, oci_memory),
        OPT_OBJECT(oci_resources, "cpu", cpu, oci_cpu),
        OPT_OBJECT(oci_resources, "pids", pids, oci_pids),
        OPT_OBJECT(oci_resources, "blockIO", block_io, oci_block_io),
        LIST(oci_resources, "hugepageLimits", hugepage_limits, oci_hugepage_limit),
        OPT_OBJECT(oci_resources, "network", network, oci_network),
        KEYED(oci_resources, "rdma", rdma, oci_rdma),
        FIELD(oci_resources, "unified", unified),
};
TYPE(oci_resources);

static const struct json_field oci_seccomp_arg_fields[] = {
        FIELD(oci_seccomp_arg, "index", index, .flags = J_REQUIRED | J_KEEP_EMPTY, .max = 5),
        FIELD(oci_seccomp_arg, "value", value, .flags = J_REQUIRED | J_KEEP_EMPTY),
        FIELD(oci_seccomp_arg, "valueTwo", value_two),
        NAMED(oci_seccomp_arg, "op", op, oci_seccomp_op_names, .flags = J_REQUIRED),
};
static TYPE(oci_seccomp_arg);

static const struct json_field oci_seccomp_syscall_fields[] = {
        FIELD(oci_seccomp_syscall, "names", names, .flags = J_REQUIRED, .check = oci_shape_not_empty),
        NAMED(oci_seccomp_syscall, "action", action, oci_seccomp_action_names, .flags = J_REQUIRED),
        FIELD(oci_seccomp_syscall, "errnoRet", errno_ret),
        LIST(oci_seccomp_syscall, "args", args, oci_seccomp_arg),
};
static TYPE(oci_seccomp_syscall);

static const struct json_field oci_seccomp_fields[] = {
        NAMED(oci_seccomp, "defaultAction", default_action, oci_seccomp_action_names, .flags = J_REQUIRED),
        FIELD(oci_seccomp, "defaultErrnoRet", default_errno_ret),
        FIELD(oci_seccomp, "architectures", architectures, .check = oci_shape_seccomp_arch),
        NAMED_SET(oci_seccomp, "flags", flags, oci_seccomp_flag_names),
        FIELD(oci_seccomp, "listenerPath", listener_path),
        FIELD(oci_seccomp, "listenerMetadata", listener_metadata),
        LIST(oci_seccomp, "syscalls", syscalls, oci_seccomp_syscall),
};
TYPE(oci_seccomp);

static const struct json_field oci_intel_rdt_fields[] = {
        FIELD(oci_intel_rdt, "closID", clos_id, .check = oci_shape_clos_id),
        FIELD(oci_intel_rdt, "schemata", schemata, .check = oci_shape_one_line),
        FIELD(oci_intel_rdt, "l3CacheSchema", l3_cache_schema, .check = oci_shape_one_line),
        FIELD(oci_intel_rdt, "memBwSchema", mem_bw_schema, .check = oci_shape_mem_bw),
        FIELD(oci_intel_rdt, "enableMonitoring", enable_monitoring),
        FIELD(oci_intel_rdt, "enableCMT", enable_cmt, .flags = J_DEPRECATED),
        FIELD(oci_intel_rdt, "enableMBM", enable_mbm, .flags = J_DEPRECATED),
};
TYPE(oci_intel_rdt);

static const struct json_field oci_net_device_fields[] = {
        FIELD(oci_net_device, "name", name),
};
static TYPE(oci_net_device);

static const struct json_field oci_memory_policy_fields[] = {
        NAMED(oci_memory_policy, "mode", mode, oci_mempolicy_mode_names, .flags = J_REQUIRED),
        FIELD(oci_memory_policy, "nodes", nodes, .check = oci_shape_id_list),
        NAMED_SET(oci_memory_policy, "flags", flags, oci_mempolicy_flag_names),
};
static TYPE(oci_memory_policy);

static const struct json_field oci_personality_fields[] = {
        NAMED(oci_personality, "domain", domain, oci_personality_names, .flags = J_REQUIRED),
        FIELD(oci_personality, "flags", flags),
};
static TYPE(oci_personality);

static const struct json_field oci_linux_fields[] = {
        LIST(oci_linux, "uidMappings", uid_mappings, oci_idmap),
        LIST(oci_linux, "gidMappings", gid_mappings, oci_idmap),
        FIELD(oci_linux, "sysctl", sysctl),
        OPT_OBJECT(oci_linux, "resources", resources, oci_resources),
        FIELD(oci_linux, "cgroupsPath", cgroups_path, .check = oci_shape_cgroups_path),
        LIST(oci_linux, "namespaces", namespaces, oci_namespace),
        LIST(oci_linux, "devices", devices, oci_device),
        KEYED(oci_linux, "netDevices", net_devices, oci_net_device),
        OPT_OBJECT(oci_linux, "seccomp", seccomp, oci_seccomp),
        FIELD(oci_linux, "rootfsPropagation", rootfs_propagation, .check = oci_shape_propagation),
        FIELD(oci_linux, "maskedPaths", masked_paths, .check = oci_shape_absolute),
        FIELD(oci_linux, "readonlyPaths", readonly_paths, .check = oci_shape_absolute),
        FIELD(oci_linux, "mountLabel", mount_label, .check = oci_shape_one_line),
        OPT_OBJECT(oci_linux, "intelRdt", intel_rdt, oci_intel_rdt),
        OPT_OBJECT(oci_linux, "memoryPolicy", memory_policy, oci_memory_policy),
        OPT_OBJECT(oci_linux, "personality", personality, oci_personality),
        KEYED(oci_linux, "timeOffsets", time_offsets, oci_time_offset),
};
TYPE(oci_linux);

const struct oci_namespace *oci_namespace_find(const struct oci_config *config, int64_t kind) {
        if (!config->linux_)
                return NULL;
        for (size_t i = 0; i < config->linux_->namespaces.n; i++)
                if (config->linux_->namespaces.at[i].type.v == kind)
                        return &config->linux_->namespaces.at[i];
        return NULL;
}

/* As sysctl(8): the first separator decides which of the two characters separates; the other one then stands for it. */
char *oci_sysctl_path(const char *key) {
        for (const char *at = key; *at; at++)
                if (!isalnum((unsigned char)*at) && !strchr("._-/:@", *at))
                        return NULL;
        char *path = str_format("%s", key);
        const char *first = strpbrk(key, "./");
        if (first && *first == '.')
                for (char *at = path; *at; at++)
                        *at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
        struct strv parts = str_split(path, '/', false);
        for (size_t i = 0; i < parts.n; i++)
                if (!*parts.at[i] || str_eq(parts.at[i], ".") || str_eq(parts.at[i], ".."))
                        return NULL;
        return parts.n > 0 ? path : NULL;
}
