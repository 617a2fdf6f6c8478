#include "specs/oci_state.h"

/* The order in which runc prints them, which people and scripts are used to. */
static const struct json_field oci_state_fields[] = {
        FIELD(oci_state, "ociVersion", oci_version, .flags = J_REQUIRED),
        FIELD(oci_state, "id", id, .flags = J_REQUIRED),
        FIELD(oci_state, "pid", pid, .min = 0, .max = INT32_MAX),
        FIELD(oci_state, "status", status, .flags = J_REQUIRED),
        FIELD(oci_state, "bundle", bundle, .flags = J_REQUIRED),
        FIELD(oci_state, "rootfs", rootfs),
        FIELD(oci_state, "created", created),
        FIELD(oci_state, "annotations", annotations),
        FIELD(oci_state, "owner", owner),
};
TYPE(oci_state);

static const struct json_field oci_process_state_fields[] = {
        FIELD(oci_process_state, "ociVersion", oci_version, .flags = J_REQUIRED),
        FIELD(oci_process_state, "fds", fds),
        FIELD(oci_process_state, "pid", pid, .flags = J_REQUIRED, .min = 0, .max = INT32_MAX),
        FIELD(oci_process_state, "metadata", metadata),
        OBJECT(oci_process_state, "state", state, oci_state, .flags = J_REQUIRED),
};
TYPE(oci_process_state);
