/* The `linux` section of the OCI runtime-spec 1.3.  Types only; tables are in oci_linux.c.  Spec: config-linux.md. */
#ifndef SPECS_OCI_LINUX_H
#define SPECS_OCI_LINUX_H

#include "specs/oci_config.h"

struct oci_namespace {
        struct named type; /* value: CLONE_NEWx */
        const char *path;  /* NULL: make a new one */
};

struct oci_time_offset {
        const char *key; /* "monotonic" or "boottime" */
        int64_t secs;
        uint32_t nanosecs; /* 0..999999999 */
};

struct oci_device {
        const char *path, *type;            /* type: c, b, u, p */
        struct opt_i64 major, minor;        /* set unless type is p: the spec requires them, and 0 is a real number */
        struct opt_u32 file_mode, uid, gid; /* fileMode: podman adds bits of the type, which are lost */
};

struct oci_device_rule {
        bool allow;
        const char *type;            /* a, c, b; NULL is a */
        struct opt_i64 major, minor; /* unset or -1: any */
        const char *access;          /* letters of "rwm"; NULL: all */
};

struct oci_memory {
        struct opt_i64 limit, reservation, swap, kernel, kernel_tcp; /* bytes; -1: unlimited */
        struct opt_u64 swappiness;
        struct opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
        struct opt_u64 shares, burst, period, realtime_period;
        struct opt_i64 quota, realtime_runtime, idle;
        const char *cpus, *mems;
};

struct oci_weight_device {
        int64_t major, minor;
        struct opt_u16 weight, leaf_weight;
};

struct oci_throttle_device {
        int64_t major, minor;
        uint64_t rate;
};

struct oci_block_io {
        struct opt_u16 weight, leaf_weight;
        LIST_OF(oci_weight_device) weight_device;
        LIST_OF(oci_throttle_device) throttle_read_bps, throttle_write_bps, throttle_read_iops, throttle_write_iops;
};

struct oci_hugepage_limit {
        const char *page_size; /* "2MB", "1GB" */
        uint64_t limit;
};

struct oci_network_priority {
        const char *name;
        uint32_t priority;
};

struct oci_network {
        struct opt_u32 class_id;
        LIST_OF(oci_network_priority) priorities;
};

struct oci_pids {
        struct opt_i64 limit; /* 0 is a real limit, -1 is max */
};

struct oci_rdma {
        const char *key; /* device name */
        struct opt_u32 hca_handles, hca_objects;
};

struct oci_resources {
        LIST_OF(oci_device_rule) devices;
        struct oci_memory *memory;
        struct oci_cpu *cpu;
        struct oci_pids *pids;
        struct oci_block_io *block_io;
        LIST_OF(oci_hugepage_limit) hugepage_limits;
        struct oci_network *network;
        KEYED_OF(oci_rdma) rdma;
        struct strmap unified;
};

struct oci_seccomp_arg {
        uint32_t index; /* 0..5 */
        uint64_t value, value_two;
        struct named op; /* value: enum scmp_compare numbers, see oci_names.h */
};

struct oci_seccomp_syscall {
        struct strv names;
        struct named action; /* value: enum oci_seccomp_action */
        struct opt_u32 errno_ret;
        LIST_OF(oci_seccomp_arg) args;
};

struct oci_seccomp {
        struct named default_action;
        struct opt_u32 default_errno_ret;
        struct strv architectures; /* SCMP_ARCH_x; checked against oci_seccomp_arch_names */
        struct named_set flags;    /* bits: SECCOMP_FILTER_FLAG_x as bit numbers */
        const char *listener_path, *listener_metadata;
        LIST_OF(oci_seccomp_syscall) syscalls;
};

struct oci_intel_rdt {
        const char *clos_id, *l3_cache_schema, *mem_bw_schema;
        struct strv schemata;
        struct opt_bool enable_cmt, enable_mbm; /* removed in 1.3: read, ignored with a warning */
        struct opt_bool enable_monitoring;
};

struct oci_net_device {
        const char *key;  /* name on the host */
        const char *name; /* name in the container, NULL: the same */
};

struct oci_memory_policy {
        struct named mode; /* value: MPOL_x */
        const char *nodes;
        struct named_set flags; /* bits: MPOL_F_x as bit numbers */
};

struct oci_personality {
        struct named domain; /* value: PER_LINUX, PER_LINUX32 */
        struct strv flags;   /* none is defined: must be empty */
};

struct oci_linux {
        LIST_OF(oci_namespace) namespaces;
        LIST_OF(oci_idmap) uid_mappings, gid_mappings;
        KEYED_OF(oci_time_offset) time_offsets;
        LIST_OF(oci_device) devices;
        KEYED_OF(oci_net_device) net_devices;
        const char *cgroups_path;
        struct oci_resources *resources;
        struct oci_intel_rdt *intel_rdt;
        struct oci_memory_policy *memory_policy;
        struct strmap sysctl;
        struct oci_seccomp *seccomp;
        const char *rootfs_propagation;
        struct strv masked_paths, readonly_paths;
        const char *mount_label;
        struct oci_personality *personality;
};

extern const struct json_type oci_linux_type, oci_resources_type, oci_seccomp_type, oci_intel_rdt_type;

/* The path below /proc/sys of a sysctl key ("net.ipv4.ip_forward" or "net/ipv4/ip_forward"; where dots separate, a
 * slash is a dot of an interface name and the other way around), in the arena.  NULL when the key has a character, an
 * empty or a ".." component that no kernel parameter has. */
char *oci_sysctl_path(const char *key);

/* The namespace entry of the CLONE_NEWx kind, or NULL when the config does not name it (the host's is kept). */
const struct oci_namespace *oci_namespace_find(const struct oci_config *config, int64_t kind);

#endif
