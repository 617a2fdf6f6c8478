#include "specs/oci_config.h"

#include "specs/base/arena.h"
#include "specs/oci_linux.h"
#include "specs/oci_names.h"
#include "specs/oci_shape.h"

#include <errno.h>

/* 4294967295 is "no id" to every system call that takes one. */
#define MAX_ID (UINT32_MAX - 1)

static const struct json_field oci_root_fields[] = {
        FIELD(oci_root, "path", path, .flags = J_REQUIRED, .check = oci_shape_not_empty),
        FIELD(oci_root, "readonly", readonly),
};
static TYPE(oci_root);

static const struct json_field oci_idmap_fields[] = {
        FIELD(oci_idmap, "containerID", container_id, .flags = J_REQUIRED | J_KEEP_EMPTY),
        FIELD(oci_idmap, "hostID", host_id, .flags = J_REQUIRED | J_KEEP_EMPTY),
        FIELD(oci_idmap, "size", size, .flags = J_REQUIRED | J_KEEP_EMPTY),
};
TYPE(oci_idmap);

static const struct json_field oci_mount_fields[] = {
        FIELD(oci_mount, "destination", destination, .flags = J_REQUIRED, .check = oci_shape_not_empty),
        FIELD(oci_mount, "type", type),
        FIELD(oci_mount, "source", source),
        FIELD(oci_mount, "options", options),
        LIST(oci_mount, "uidMappings", uid_mappings, oci_idmap),
        LIST(oci_mount, "gidMappings", gid_mappings, oci_idmap),
};
TYPE(oci_mount);

static const struct json_field oci_user_fields[] = {
        FIELD(oci_user, "uid", uid, .flags = J_REQUIRED | J_KEEP_EMPTY, .max = MAX_ID),
        FIELD(oci_user, "gid", gid, .flags = J_REQUIRED | J_KEEP_EMPTY, .max = MAX_ID),
        FIELD(oci_user, "umask", umask, .max = 0777),
        FIELD(oci_user, "additionalGids", additional_gids, .max = MAX_ID),
        FIELD(oci_user, "username", username),
};
static TYPE(oci_user);

/* A name that nobody knows is a mistake and an error; a known one that this kernel lacks or the caller cannot grant is
 * a warning of plan_caps, as the specification wants it. */
static const struct json_field oci_capabilities_fields[] = {
        NAMED_SET(oci_capabilities, "bounding", bounding, oci_capability_names),
        NAMED_SET(oci_capabilities, "effective", effective, oci_capability_names),
        NAMED_SET(oci_capabilities, "inheritable", inheritable, oci_capability_names),
        NAMED_SET(oci_capabilities, "permitted", permitted, oci_capability_names),
        NAMED_SET(oci_capabilities, "ambient", ambient, oci_capability_names),
};
static TYPE(oci_capabilities);

static const struct json_field oci_rlimit_fields[] = {
        NAMED(oci_rlimit, "type", type, oci_rlimit_names, .flags = J_REQUIRED),
        FIELD(oci_rlimit, "hard", hard, .flags = J_REQUIRED | J_KEEP_EMPTY),
        FIELD(oci_rlimit, "soft", soft, .flags = J_REQUIRED | J_KEEP_EMPTY),
};
static TYPE(oci_rlimit);

/* struct winsize holds 16 bits. */
static const struct json_field oci_box_fields[] = {
        FIELD(oci_box, "height", height, .flags = J_REQUIRED | J_KEEP_EMPTY, .max = UINT16_MAX),
        FIELD(oci_box, "width", width, .flags = J_REQUIRED | J_KEEP_EMPTY, .max = UINT16_MAX),
};
static TYPE(oci_box);

static const struct json_field oci_scheduler_fields[] = {
        NAMED(oci_scheduler, "policy", policy, oci_scheduler_policy_names, .flags = J_REQUIRED),
        FIELD(oci_scheduler, "nice", nice, .min = -20, .max = 19),
        FIELD(oci_scheduler, "priority", priority, .min = 0, .max = 99),
        NAMED_SET(oci_scheduler, "flags", flags, oci_scheduler_flag_names),
        FIELD(oci_scheduler, "runtime", runtime),
        FIELD(oci_scheduler, "deadline", deadline),
        FIELD(oci_scheduler, "period", period),
};
static TYPE(oci_scheduler);

static const struct json_field oci_io_priority_fields[] = {
        NAMED(oci_io_priority, "class", class_, oci_ioprio_class_names, .flags = J_REQUIRED),
        FIELD(oci_io_priority, "priority", priority, .flags = J_REQUIRED, .min = 0, .max = 7),
};
static TYPE(oci_io_priority);

static const struct json_field oci_cpu_affinity_fields[] = {
        FIELD(oci_cpu_affinity, "initial", initial, .check = oci_shape_id_list),
        FIELD(oci_cpu_affinity, "final", final, .check = oci_shape_id_list),
};
static TYPE(oci_cpu_affinity);

static const struct json_field oci_process_fields[] = {
        FIELD(oci_process, "terminal", terminal),
        OPT_OBJECT(oci_process, "consoleSize", console_size, oci_box),
        OBJECT(oci_process, "user", user, oci_user),
        FIELD(oci_process, "args", args),
        FIELD(oci_process, "commandLine", command_line),
        FIELD(oci_process, "env", env),
        FIELD(oci_process, "cwd", cwd, .flags = J_REQUIRED),
        OPT_OBJECT(oci_process, "capabilities", capabilities, oci_capabilities),
        LIST(oci_process, "rlimits", rlimits, oci_rlimit),
        FIELD(oci_process, "noNewPrivileges", no_new_privileges),
        FIELD(oci_process, "apparmorProfile", apparmor_profile, .check = oci_shape_one_line),
        FIELD(oci_process, "oomScoreAdj", oom_score_adj, .min = -1000, .max = 1000),
        OPT_OBJECT(oci_process, "scheduler", scheduler, oci_scheduler),
        FIELD(oci_process, "selinuxLabel", selinux_label, .check = oci_shape_one_line),
        OPT_OBJECT(oci_process, "ioPriority", io_priority, oci_io_priority),
        OPT_OBJECT(oci_process, "execCPUAffinity", exec_cpu_affinity, oci_cpu_affinity),
};
TYPE(oci_process);

static const struct json_field oci_hook_fields[] = {
        FIELD(oci_hook, "path", path, .flags = J_REQUIRED, .check = oci_shape_absolute),
        FIELD(oci_hook, "args", args),
        FIELD(oci_hook, "env", env),
        FIELD(oci_hook, "timeout", timeout, .min = 1, .max = INT32_MAX),
};
TYPE(oci_hook);

static const struct json_field oci_hooks_fields[] = {
        LIST(oci_hooks, "prestart", prestart, oci_hook, .flags = J_DEPRECATED),
        LIST(oci_hooks, "createRuntime", create_runtime, oci_hook),
        LIST(oci_hooks, "createContainer", create_container, oci_hook),
        LIST(oci_hooks, "startContainer", start_container, oci_hook),
        LIST(oci_hooks, "poststart", poststart, oci_hook),
        LIST(oci_hooks, "poststop", poststop, oci_hook),
};
TYPE(oci_hooks);

static const struct json_field oci_config_fields[] = {
        FIELD(oci_config, "ociVersion", oci_version, .flags = J_REQUIRED),
        OPT_OBJECT(oci_config, "root", root, oci_root),
        OPT_OBJECT(oci_config, "process", process, oci_process),
        FIELD(oci_config, "hostname", hostname),
        FIELD(oci_config, "domainname", domainname),
        LIST(oci_config, "mounts", mounts, oci_mount),
        OPT_OBJECT(oci_config, "hooks", hooks, oci_hooks),
        FIELD(oci_config, "annotations", annotations),
        OPT_OBJECT(oci_config, "linux", linux_, oci_linux),
        FIELD(oci_config, "solaris", solaris),
        FIELD(oci_config, "windows", windows),
        FIELD(oci_config, "vm", vm),
        FIELD(oci_config, "zos", zos),
        FIELD(oci_config, "freebsd", freebsd),
};
TYPE(oci_config);

int oci_config_read(const char *text, size_t size, const struct json_read_options *options, struct oci_config **ret) {
        struct oci_config *config = arena_alloc(sizeof(*config));
        int r = json_read(text, size, &oci_config_type, options, config);
        if (r == 0 || (r == -EINVAL && options && options->errors))
                *ret = config;
        return r;
}

const char *oci_seccomp_listener(const struct oci_config *config) {
        const struct oci_seccomp *seccomp = config->linux_ ? config->linux_->seccomp : NULL;
        if (!seccomp)
                return NULL;
        return seccomp->listener_path && *seccomp->listener_path ? seccomp->listener_path
                                                                 : oci_annotation(config, OCI_RECEIVER);
}

bool oci_mount_is_bind(const struct oci_mount *mount) {
        return (mount->type && str_eq(mount->type, "bind")) || strv_has(&mount->options, "bind") ||
               strv_has(&mount->options, "rbind");
}

const char *oci_annotation(const struct oci_config *config, const char *key) {
        for (size_t i = 0; i < config->annotations.n; i++)
                if (str_eq(config->annotations.at[i].key, key))
                        return config->annotations.at[i].value;
        return NULL;
}
