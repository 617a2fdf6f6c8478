/* The OCI runtime-spec 1.3 config: root, process, mounts, hooks.  Types only; tables are in oci_config.c.
 * Spec: config.md.  Objects of `linux` are in oci_linux.h. */
#ifndef SPECS_OCI_CONFIG_H
#define SPECS_OCI_CONFIG_H

#include "specs/json.h"

#define OCI_VERSION     "1.3.0"
#define OCI_VERSION_MIN "1.0.0"

struct oci_root {
        const char *path;
        bool readonly;
};

struct oci_idmap {
        uint32_t container_id, host_id, size; /* all required */
};

struct oci_mount {
        const char *destination, *type, *source;
        struct strv options;
        LIST_OF(oci_idmap) uid_mappings, gid_mappings;
};

struct oci_user {
        uint32_t uid, gid;
        struct opt_u32 umask;
        struct u32v additional_gids;
        const char *username; /* Windows only: ignored */
};

/* Bits are capability numbers of <linux/capability.h>. */
struct oci_capabilities {
        struct named_set bounding, effective, inheritable, permitted, ambient;
};

struct oci_rlimit {
        struct named type;   /* value: RLIMIT_x */
        uint64_t soft, hard; /* UINT64_MAX: RLIM_INFINITY */
};

struct oci_box {
        uint32_t height, width; /* characters */
};

struct oci_scheduler {
        struct named policy; /* value: SCHED_x */
        struct opt_i32 nice, priority;
        struct named_set flags;                   /* bits: SCHED_FLAG_x as bit numbers */
        struct opt_u64 runtime, deadline, period; /* ns */
};

struct oci_io_priority {
        struct named class_; /* value: IOPRIO_CLASS_x */
        struct opt_i32 priority;
};

struct oci_cpu_affinity {
        const char *initial, *final;
};

struct oci_process {
        bool terminal;
        struct oci_box *console_size;
        struct oci_user user;
        struct strv args;
        const char *command_line; /* Windows only: ignored */
        struct strv env;
        const char *cwd;
        struct oci_capabilities *capabilities;
        LIST_OF(oci_rlimit) rlimits;
        bool no_new_privileges;
        const char *apparmor_profile;
        struct opt_i32 oom_score_adj;
        struct oci_scheduler *scheduler;
        const char *selinux_label;
        struct oci_io_priority *io_priority;
        struct oci_cpu_affinity *exec_cpu_affinity;
};

struct oci_hook {
        const char *path;
        struct strv args, env;
        struct opt_i32 timeout; /* seconds, > 0 */
};

struct oci_hooks {
        LIST_OF(oci_hook) prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct oci_linux;

struct oci_config {
        const char *oci_version;
        struct oci_hooks *hooks;
        struct strmap annotations;
        const char *hostname, *domainname;
        LIST_OF(oci_mount) mounts;
        struct oci_root *root;
        struct oci_process *process;
        struct oci_linux *linux_;                           /* NULL when the section is absent */
        struct json_raw solaris, windows, vm, zos, freebsd; /* accepted, ignored */
};

extern const struct json_type oci_config_type, oci_process_type, oci_mount_type, oci_hook_type, oci_hooks_type;
extern const struct json_type oci_idmap_type;

/* Reads and completes a config.json text: json_read with oci_config_type.  Errors as of json_read.  With
 * options->errors *ret is set also after errors that left the rest readable, for the rules to say theirs too. */
int oci_config_read(const char *text, size_t size, const struct json_read_options *options, struct oci_config **ret);

/* Whether a mount shows a tree of the host's: by its type or its options. */
bool oci_mount_is_bind(const struct oci_mount *mount);

/* The value of an annotation or NULL. */
const char *oci_annotation(const struct oci_config *config, const char *key);

/* The socket of the seccomp agent: listenerPath, else crun's annotation, else NULL. */
#define OCI_RECEIVER "run.oci.seccomp.receiver"
const char *oci_seccomp_listener(const struct oci_config *config);

/* A new config in the arena: what `rundlet spec` prints; strict by default (no_new_privs, masks, few capabilities).
 * rootless adds a user namespace mapping container 0 to uid and gid and drops what an ordinary user may not do. */
struct oci_config *oci_config_default(bool rootless, uint32_t uid, uint32_t gid);

/* Makes of the default config that of a system container: /sbin/init as the first process of a writable root, which has
 * its own cgroup to write to and file systems in memory for /run and /tmp. */
void oci_config_to_system(struct oci_config *config);

#endif
