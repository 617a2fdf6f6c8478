/* Name tables of the OCI config: read, written, listed by `features`, completed by the shell. */
#ifndef SPECS_OCI_NAMES_H
#define SPECS_OCI_NAMES_H

#include "specs/base/names.h"

enum oci_seccomp_action {
        OCI_ACT_KILL, /* the thread */
        OCI_ACT_KILL_PROCESS,
        OCI_ACT_KILL_THREAD,
        OCI_ACT_TRAP,
        OCI_ACT_ERRNO,
        OCI_ACT_TRACE,
        OCI_ACT_ALLOW,
        OCI_ACT_LOG,
        OCI_ACT_NOTIFY,
};

enum oci_seccomp_op { OCI_CMP_NE, OCI_CMP_LT, OCI_CMP_LE, OCI_CMP_EQ, OCI_CMP_GE, OCI_CMP_GT, OCI_CMP_MASKED_EQ };

extern const struct names oci_namespace_names;      /* "pid" -> CLONE_NEWPID */
extern const struct names oci_capability_names;     /* "CAP_CHOWN" -> 0 */
extern const struct names oci_rlimit_names;         /* "RLIMIT_NOFILE" -> RLIMIT_NOFILE */
extern const struct names oci_seccomp_action_names; /* "SCMP_ACT_ALLOW" -> OCI_ACT_ALLOW */
extern const struct names oci_seccomp_op_names;     /* "SCMP_CMP_EQ" -> OCI_CMP_EQ */
extern const struct names oci_seccomp_arch_names;   /* "SCMP_ARCH_X86_64" -> AUDIT_ARCH_X86_64 */
extern const struct names oci_seccomp_flag_names;   /* "SECCOMP_FILTER_FLAG_LOG" -> bit number */
extern const struct names oci_propagation_names;    /* "rslave" -> MS_SLAVE | MS_REC; all four, and r forms */
extern const struct names oci_scheduler_policy_names, oci_scheduler_flag_names;
extern const struct names oci_ioprio_class_names;
extern const struct names oci_mempolicy_mode_names, oci_mempolicy_flag_names;
extern const struct names oci_personality_names;

#endif
