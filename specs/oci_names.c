#include "specs/oci_names.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

/* Values that Debian 12's headers do not have yet; all are numbers of the kernel's stable ABI. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
enum { SCHED_ISO_NUMBER = 4 }; /* reserved in <linux/sched.h> and never implemented */
enum { MPOL_WEIGHTED_INTERLEAVE_NUMBER = 6 };

#define NAMES(t, noun) const struct names oci_##t##_names = { noun, t##_rows }
#define CAP(name)                                                                                                      \
        { "CAP_" #name, CAP_##name }

static const struct name namespace_rows[] = {
        { "mount", CLONE_NEWNS },      { "pid", CLONE_NEWPID },   { "network", CLONE_NEWNET },
        { "uts", CLONE_NEWUTS },       { "ipc", CLONE_NEWIPC },   { "user", CLONE_NEWUSER },
        { "cgroup", CLONE_NEWCGROUP }, { "time", CLONE_NEWTIME }, { 0 },
};
NAMES(namespace, "namespace");

static const struct name capability_rows[] = {
        CAP(CHOWN),
        CAP(DAC_OVERRIDE),
        CAP(DAC_READ_SEARCH),
        CAP(FOWNER),
        CAP(FSETID),
        CAP(KILL),
        CAP(SETGID),
        CAP(SETUID),
        CAP(SETPCAP),
        CAP(LINUX_IMMUTABLE),
        CAP(NET_BIND_SERVICE),
        CAP(NET_BROADCAST),
        CAP(NET_ADMIN),
        CAP(NET_RAW),
        CAP(IPC_LOCK),
        CAP(IPC_OWNER),
        CAP(SYS_MODULE),
        CAP(SYS_RAWIO),
        CAP(SYS_CHROOT),
        CAP(SYS_PTRACE),
        CAP(SYS_PACCT),
        CAP(SYS_ADMIN),
        CAP(SYS_BOOT),
        CAP(SYS_NICE),
        CAP(SYS_RESOURCE),
        CAP(SYS_TIME),
        CAP(SYS_TTY_CONFIG),
        CAP(MKNOD),
        CAP(LEASE),
        CAP(AUDIT_WRITE),
        CAP(AUDIT_CONTROL),
        CAP(SETFCAP),
        CAP(MAC_OVERRIDE),
        CAP(MAC_ADMIN),
        CAP(SYSLOG),
        CAP(WAKE_ALARM),
        CAP(BLOCK_SUSPEND),
        CAP(AUDIT_READ),
        CAP(PERFMON),
        CAP(BPF),
        CAP(CHECKPOINT_RESTORE),
        { 0 },
};
NAMES(capability, "capability");

static const struct name rlimit_rows[] = {
        { "RLIMIT_AS", RLIMIT_AS },
        { "RLIMIT_CORE", RLIMIT_CORE },
        { "RLIMIT_CPU", RLIMIT_CPU },
        { "RLIMIT_DATA", RLIMIT_DATA },
        { "RLIMIT_FSIZE", RLIMIT_FSIZE },
        { "RLIMIT_LOCKS", RLIMIT_LOCKS },
        { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
        { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
        { "RLIMIT_NICE", RLIMIT_NICE },
        { "RLIMIT_NOFILE", RLIMIT_NOFILE },
        { "RLIMIT_NPROC", RLIMIT_NPROC },
        { "RLIMIT_RSS", RLIMIT_RSS },
        { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
        { "RLIMIT_RTTIME", RLIMIT_RTTIME },
        { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
        { "RLIMIT_STACK", RLIMIT_STACK },
        { 0 },
};
NAMES(rlimit, "rlimit");

static const struct name seccomp_action_rows[] = {
        { "SCMP_ACT_KILL", OCI_ACT_KILL },
        { "SCMP_ACT_KILL_PROCESS", OCI_ACT_KILL_PROCESS },
        { "SCMP_ACT_KILL_THREAD", OCI_ACT_KILL_THREAD },
        { "SCMP_ACT_TRAP", OCI_ACT_TRAP },
        { "SCMP_ACT_ERRNO", OCI_ACT_ERRNO },
        { "SCMP_ACT_TRACE", OCI_ACT_TRACE },
        { "SCMP_ACT_ALLOW", OCI_ACT_ALLOW },
        { "SCMP_ACT_LOG", OCI_ACT_LOG },
        { "SCMP_ACT_NOTIFY", OCI_ACT_NOTIFY },
        { 0 },
};
NAMES(seccomp_action, "seccomp action");

static const struct name seccomp_op_rows[] = {
        { "SCMP_CMP_NE", OCI_CMP_NE },
        { "SCMP_CMP_LT", OCI_CMP_LT },
        { "SCMP_CMP_LE", OCI_CMP_LE },
        { "SCMP_CMP_EQ", OCI_CMP_EQ },
        { "SCMP_CMP_GE", OCI_CMP_GE },
        { "SCMP_CMP_GT", OCI_CMP_GT },
        { "SCMP_CMP_MASKED_EQ", OCI_CMP_MASKED_EQ },
        { 0 },
};
NAMES(seccomp_op, "seccomp operator");

/* x32 has no token of its own in the audit header: it is x86-64 with 32-bit pointers.  SCMP_ARCH_SH is the
 * little-endian SuperH, SHEB the big-endian one. */
static const struct name seccomp_arch_rows[] = {
        { "SCMP_ARCH_X86", AUDIT_ARCH_I386 },
        { "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64 },
        { "SCMP_ARCH_X32", EM_X86_64 | __AUDIT_ARCH_LE },
        { "SCMP_ARCH_ARM", AUDIT_ARCH_ARM },
        { "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64 },
        { "SCMP_ARCH_MIPS", AUDIT_ARCH_MIPS },
        { "SCMP_ARCH_MIPS64", AUDIT_ARCH_MIPS64 },
        { "SCMP_ARCH_MIPS64N32", AUDIT_ARCH_MIPS64N32 },
        { "SCMP_ARCH_MIPSEL", AUDIT_ARCH_MIPSEL },
        { "SCMP_ARCH_MIPSEL64", AUDIT_ARCH_MIPSEL64 },
        { "SCMP_ARCH_MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32 },
        { "SCMP_ARCH_PPC", AUDIT_ARCH_PPC },
        { "SCMP_ARCH_PPC64", AUDIT_ARCH_PPC64 },
        { "SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE },
        { "SCMP_ARCH_S390", AUDIT_ARCH_S390 },
        { "SCMP_ARCH_S390X", AUDIT_ARCH_S390X },
        { "SCMP_ARCH_PARISC", AUDIT_ARCH_PARISC },
        { "SCMP_ARCH_PARISC64", AUDIT_ARCH_PARISC64 },
        { "SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64 },
        { "SCMP_ARCH_LOONGARCH64", AUDIT_ARCH_LOONGARCH64 },
        { "SCMP_ARCH_M68K", AUDIT_ARCH_M68K },
        { "SCMP_ARCH_SH", AUDIT_ARCH_SHEL },
        { "SCMP_ARCH_SHEB", AUDIT_ARCH_SH },
        { 0 },
};
NAMES(seccomp_arch, "seccomp architecture");

/* Bit numbers of <linux/seccomp.h>. */
static const struct name seccomp_flag_rows[] = {
        { "SECCOMP_FILTER_FLAG_TSYNC", 0 },
        { "SECCOMP_FILTER_FLAG_LOG", 1 },
        { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 2 },
        { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 5 },
        { 0 },
};
NAMES(seccomp_flag, "seccomp flag");

static const struct name propagation_rows[] = {
        { "private", MS_PRIVATE },
        { "rprivate", MS_PRIVATE | MS_REC },
        { "slave", MS_SLAVE },
        { "rslave", MS_SLAVE | MS_REC },
        { "shared", MS_SHARED },
        { "rshared", MS_SHARED | MS_REC },
        { "unbindable", MS_UNBINDABLE },
        { "runbindable", MS_UNBINDABLE | MS_REC },
        { 0 },
};
NAMES(propagation, "propagation");

static const struct name scheduler_policy_rows[] = {
        { "SCHED_OTHER", SCHED_OTHER },
        { "SCHED_FIFO", SCHED_FIFO },
        { "SCHED_RR", SCHED_RR },
        { "SCHED_BATCH", SCHED_BATCH },
        { "SCHED_ISO", SCHED_ISO_NUMBER },
        { "SCHED_IDLE", SCHED_IDLE },
        { "SCHED_DEADLINE", SCHED_DEADLINE },
        { 0 },
};
NAMES(scheduler_policy, "scheduler policy");

/* Bit numbers of <linux/sched.h>. */
static const struct name scheduler_flag_rows[] = {
        { "SCHED_FLAG_RESET_ON_FORK", 0 },  { "SCHED_FLAG_RECLAIM", 1 },
        { "SCHED_FLAG_DL_OVERRUN", 2 },     { "SCHED_FLAG_KEEP_POLICY", 3 },
        { "SCHED_FLAG_KEEP_PARAMS", 4 },    { "SCHED_FLAG_UTIL_CLAMP_MIN", 5 },
        { "SCHED_FLAG_UTIL_CLAMP_MAX", 6 }, { 0 },
};
NAMES(scheduler_flag, "scheduler flag");

static const struct name ioprio_class_rows[] = {
        { "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
        { "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
        { "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
        { 0 },
};
NAMES(ioprio_class, "I/O priority class");

/* MPOL_x, with the weighted one that Debian 12 lacks. */
static const struct name mempolicy_mode_rows[] = {
        { "MPOL_DEFAULT", MPOL_DEFAULT },       { "MPOL_BIND", MPOL_BIND },
        { "MPOL_INTERLEAVE", MPOL_INTERLEAVE }, { "MPOL_WEIGHTED_INTERLEAVE", MPOL_WEIGHTED_INTERLEAVE_NUMBER },
        { "MPOL_PREFERRED", MPOL_PREFERRED },   { "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY },
        { "MPOL_LOCAL", MPOL_LOCAL },           { 0 },
};
NAMES(mempolicy_mode, "memory policy");

/* Bit numbers of MPOL_F_x. */
static const struct name mempolicy_flag_rows[] = {
        { "MPOL_F_NUMA_BALANCING", 13 },
        { "MPOL_F_RELATIVE_NODES", 14 },
        { "MPOL_F_STATIC_NODES", 15 },
        { 0 },
};
NAMES(mempolicy_flag, "memory policy flag");

static const struct name personality_rows[] = {
        { "LINUX", PER_LINUX },
        { "LINUX32", PER_LINUX32 },
        { 0 },
};
NAMES(personality, "execution domain");
