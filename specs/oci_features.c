#include "specs/oci_features.h"

#include "specs/base/arena.h"
#include "specs/oci_config.h"
#include "specs/oci_names.h"

#include <stdlib.h>
#include <string.h>

static const struct json_field oci_feature_fields[] = {
        FIELD(oci_feature, "enabled", enabled),
};
static TYPE(oci_feature);

static const struct json_field oci_features_cgroup_fields[] = {
        FIELD(oci_features_cgroup, "v1", v1),           FIELD(oci_features_cgroup, "v2", v2),
        FIELD(oci_features_cgroup, "systemd", systemd), FIELD(oci_features_cgroup, "systemdUser", systemd_user),
        FIELD(oci_features_cgroup, "rdma", rdma),
};
static TYPE(oci_features_cgroup);

static const struct json_field oci_features_seccomp_fields[] = {
        FIELD(oci_features_seccomp, "enabled", enabled),
        FIELD(oci_features_seccomp, "actions", actions),
        FIELD(oci_features_seccomp, "operators", operators),
        FIELD(oci_features_seccomp, "archs", archs),
        FIELD(oci_features_seccomp, "knownFlags", known_flags),
        FIELD(oci_features_seccomp, "supportedFlags", supported_flags),
};
static TYPE(oci_features_seccomp);

static const struct json_field oci_features_intel_rdt_fields[] = {
        FIELD(oci_features_intel_rdt, "enabled", enabled),
        FIELD(oci_features_intel_rdt, "schemata", schemata),
        FIELD(oci_features_intel_rdt, "monitoring", monitoring),
};
static TYPE(oci_features_intel_rdt);

static const struct json_field oci_features_memory_policy_fields[] = {
        FIELD(oci_features_memory_policy, "modes", modes),
        FIELD(oci_features_memory_policy, "flags", flags),
};
static TYPE(oci_features_memory_policy);

static const struct json_field oci_features_mount_extensions_fields[] = {
        OBJECT(oci_features_mount_extensions, "idmap", idmap, oci_feature),
};
static TYPE(oci_features_mount_extensions);

static const struct json_field oci_features_linux_fields[] = {
        FIELD(oci_features_linux, "namespaces", namespaces),
        FIELD(oci_features_linux, "capabilities", capabilities),
        OBJECT(oci_features_linux, "cgroup", cgroup, oci_features_cgroup),
        OBJECT(oci_features_linux, "seccomp", seccomp, oci_features_seccomp),
        OBJECT(oci_features_linux, "apparmor", apparmor, oci_feature),
        OBJECT(oci_features_linux, "selinux", selinux, oci_feature),
        OBJECT(oci_features_linux, "intelRdt", intel_rdt, oci_features_intel_rdt),
        OPT_OBJECT(oci_features_linux, "memoryPolicy", memory_policy, oci_features_memory_policy),
        OBJECT(oci_features_linux, "mountExtensions", mount_extensions, oci_features_mount_extensions),
        OBJECT(oci_features_linux, "netDevices", net_devices, oci_feature),
};
static TYPE(oci_features_linux);

static const struct json_field oci_features_fields[] = {
        FIELD(oci_features, "ociVersionMin", oci_version_min, .flags = J_REQUIRED),
        FIELD(oci_features, "ociVersionMax", oci_version_max, .flags = J_REQUIRED),
        FIELD(oci_features, "hooks", hooks),
        FIELD(oci_features, "mountOptions", mount_options),
        OBJECT(oci_features, "linux", linux_, oci_features_linux),
        FIELD(oci_features, "annotations", annotations),
        FIELD(oci_features, "potentiallyUnsafeConfigAnnotations", unsafe_annotations),
};
TYPE(oci_features);

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct strv sorted(const struct strv *list) {
        struct strv copy = { 0 };
        for (size_t i = 0; i < list->n; i++)
                strv_add(&copy, list->at[i]);
        if (copy.n > 1)
                qsort(copy.at, copy.n, sizeof(*copy.at), compare_texts);
        return copy;
}

static struct strv all_names(const struct names *names) {
        struct strv list = { 0 };
        for (const struct name *row = names->rows; row->name; row++)
                strv_add(&list, row->name);
        return list;
}

static struct strv all_sorted(const struct names *names) {
        struct strv list = all_names(names);
        return sorted(&list);
}

/* The hooks are the keys of their own table. */
static struct strv hook_names(void) {
        struct strv list = { 0 };
        for (size_t i = 0; i < oci_hooks_type.n; i++)
                strv_add(&list, oci_hooks_type.fields[i].name);
        return list;
}

static struct opt_bool answer(bool yes) {
        return (struct opt_bool){ .set = true, .v = yes };
}

struct question {
        const char *path;
        bool is_read;
};

static void compare_path(const char *path, const struct json_field *field, void *data) {
        struct question *question = data;
        (void)field;
        question->is_read |= str_eq(path, question->path);
}

/* Has the config a row for it? */
static struct opt_bool reads(const char *path) {
        struct question question = { .path = path };
        json_walk(&oci_config_type, compare_path, &question);
        return answer(question.is_read);
}

static void fill_seccomp(const struct oci_features_input *input, struct oci_features_seccomp *seccomp) {
        seccomp->enabled = reads("linux.seccomp");
        seccomp->actions = all_sorted(&oci_seccomp_action_names);
        seccomp->operators = all_sorted(&oci_seccomp_op_names);
        seccomp->archs = sorted(&input->seccomp_archs);
        seccomp->known_flags = all_sorted(&oci_seccomp_flag_names);
        seccomp->supported_flags = sorted(&input->seccomp_supported_flags);
}

static void fill_linux(const struct oci_features_input *input, struct oci_features_linux *ret) {
        ret->namespaces = all_sorted(&oci_namespace_names);
        ret->capabilities = all_names(&oci_capability_names);
        ret->cgroup = (struct oci_features_cgroup){
                .v1 = answer(false),
                .v2 = answer(true),
                .systemd = answer(input->cgroup_systemd),
                .systemd_user = answer(input->cgroup_systemd_user),
                .rdma = reads("linux.resources.rdma"),
        };
        fill_seccomp(input, &ret->seccomp);
        ret->apparmor.enabled = reads("process.apparmorProfile");
        ret->selinux.enabled = reads("process.selinuxLabel");
        ret->intel_rdt = (struct oci_features_intel_rdt){
                .enabled = reads("linux.intelRdt"),
                .schemata = reads("linux.intelRdt.schemata"),
                .monitoring = reads("linux.intelRdt.enableMonitoring"),
        };
        ret->memory_policy = arena_alloc(sizeof(*ret->memory_policy));
        ret->memory_policy->modes = all_names(&oci_mempolicy_mode_names);
        ret->memory_policy->flags = all_names(&oci_mempolicy_flag_names);
        ret->mount_extensions.idmap.enabled = reads("mounts[].uidMappings");
        ret->net_devices.enabled = reads("linux.netDevices");
}

void oci_features_fill(const struct oci_features_input *input, struct oci_features *ret) {
        struct oci_features features = {
                .oci_version_min = OCI_VERSION_MIN,
                .oci_version_max = OCI_VERSION,
                .hooks = hook_names(),
                .mount_options = sorted(&input->mount_options),
                .annotations = input->annotations,
                .unsafe_annotations = sorted(&input->unsafe_annotations),
        };
        fill_linux(input, &features.linux_);
        *ret = features;
}
