/* The document that `features` prints: what this build of the runtime knows, whatever the host can do.  Filled from the
 * tables by which the config is read: a property that has a row there is done or refused with words, never passed over,
 * so a row is a promise.  What lies in other layers is told by the caller, who has to be honest.  Spec: features.md,
 * features-linux.md. */
#ifndef SPECS_OCI_FEATURES_H
#define SPECS_OCI_FEATURES_H

#include "specs/json.h"

struct oci_feature {
        struct opt_bool enabled;
};

struct oci_features_cgroup {
        struct opt_bool v1, v2, systemd, systemd_user, rdma;
};

struct oci_features_seccomp {
        struct opt_bool enabled;
        struct strv actions, operators, archs, known_flags, supported_flags;
};

struct oci_features_intel_rdt {
        struct opt_bool enabled, schemata, monitoring;
};

struct oci_features_memory_policy {
        struct strv modes, flags;
};

struct oci_features_mount_extensions {
        struct oci_feature idmap;
};

struct oci_features_linux {
        struct strv namespaces, capabilities;
        struct oci_features_cgroup cgroup;
        struct oci_features_seccomp seccomp;
        struct oci_feature apparmor, selinux;
        struct oci_features_intel_rdt intel_rdt;
        struct oci_features_memory_policy *memory_policy; /* NULL: left out of the document */
        struct oci_features_mount_extensions mount_extensions;
        struct oci_feature net_devices;
};

struct oci_features {
        const char *oci_version_min, *oci_version_max;
        struct strv hooks, mount_options;
        struct oci_features_linux linux_;
        struct strmap annotations;
        struct strv unsafe_annotations; /* potentiallyUnsafeConfigAnnotations */
};

extern const struct json_type oci_features_type;

/* What only the layers above know.  Everything left zero is reported as absent. */
struct oci_features_input {
        struct strv mount_options;           /* names that the plan layer recognises, any order */
        struct strv seccomp_archs;           /* those that the library in use knows; empty: none is listed */
        struct strv seccomp_supported_flags; /* those that library and program can set */
        struct strmap annotations;           /* versions and the like */
        struct strv unsafe_annotations;      /* annotations that change what the runtime does */
        bool cgroup_systemd, cgroup_systemd_user;
};

/* The document in *ret.  Lists of names are sorted but for those whose order is the kernel's. */
void oci_features_fill(const struct oci_features_input *input, struct oci_features *ret);

#endif
