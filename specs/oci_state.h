/* The state that hooks get on standard input and `state` prints.  Spec: runtime.md "State"; config-linux.md "The
 * Container Process State". */
#ifndef SPECS_OCI_STATE_H
#define SPECS_OCI_STATE_H

#include "specs/json.h"

/* ociVersion, id, status, pid (always written; 0 once stopped), bundle, annotations, and what runc and crun add:
 * rootfs, created (RFC 3339), owner. */
struct oci_state {
        const char *oci_version, *id, *status;
        int64_t pid;
        const char *bundle, *rootfs, *created, *owner;
        struct strmap annotations;
};

/* Sent with a seccomp listener: fds, pid, metadata, state. */
struct oci_process_state {
        const char *oci_version;
        struct strv fds;
        int64_t pid;
        const char *metadata;
        struct oci_state state;
};

extern const struct json_type oci_state_type, oci_process_state_type;

#endif
