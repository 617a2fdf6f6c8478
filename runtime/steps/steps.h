/* Steps: what is done around clone, each one system call or one short, fixed sequence of them.
 *
 * Linked twice: into rundlet (open and host lanes, parent side) and into the init image (child lane).  Raw system calls
 * only (specs/base/sys.h, specs/base/path.h): no libc, no allocation, no words.  A step returns 0 or -errno; whoever
 * runs the lane turns {step, errno} into words.  Steps hold only numbers and offsets into the plan's data, so a lane is
 * one flat piece of memory that both programs can map. */
#ifndef RUNTIME_STEPS_STEPS_H
#define RUNTIME_STEPS_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Fds have numbered slots.  The open lane fills some before clone, the child inherits those, child steps fill more. */
enum slot {
        SLOT_NONE = -1,
        SLOT_SYNC,         /* socket to the parent: struct step_message both ways */
        SLOT_ROOTFS,       /* root.path as the host sees it, O_PATH; overlay and tree are attached over it */
        SLOT_ROOT,         /* the root mount of the container; every container path is opened in it */
        SLOT_PROC,         /* private, detached, full procfs of the child's own pid namespace: sysctls, labels */
        SLOT_NULL,         /* /dev/null of the host, verified char 1:3, a mount of the child's namespace */
        SLOT_EMPTY,        /* the empty tmpfs that covers masked folders, with the attributes of a mask */
        SLOT_TTY,          /* the container's side of its terminal */
        SLOT_CONSOLE,      /* connected socket that gets the terminal's master by SCM_RIGHTS */
        SLOT_START,        /* listening socket on which a created container waits for `start` */
        SLOT_STATE,        /* memfd with the state JSON for hooks that run in the child */
        SLOT_NOTIFY,       /* connected socket of the seccomp agent (listenerPath) */
        SLOT_NOTIFY_STATE, /* memfd with the container process state for the agent; the parent fills it after clone */
        SLOT_TARGET,       /* scratch: the mount point of the mount being made */
        SLOT_MOUNT,        /* scratch: the mount being made */
        SLOT_PIDNS,        /* pid namespace to be joined */
        SLOT_PIDFD,        /* pidfd of the process whose namespaces are joined (exec) */
        SLOT_CGROUP,       /* the container's cgroup folder, filled by the caller before the open lane */
        SLOT_RULESET,      /* of Landlock, until it holds */
        SLOT_HOOK_STDOUT,  /* where hooks that run in the child say what they have to say; empty: standard error */
        SLOT_HOOK_STDERR,
        SLOT_FREE = 20     /* the builder numbers its own from here with plan_slot() */
};
#define SLOT_MAX 1024

enum step_kind {
        STEP_NONE,
        /* fds */
        STEP_OPEN,  /* open a (in slot, or of the host when SLOT_NONE) with O_ flags -> into; more: enum open_expect */
        STEP_CLOSE, /* close slot */
        /* mounts */
        STEP_TREE, /* open_tree(OPEN_TREE_CLONE | flags) of host path a, or of the fd in slot when a is 0 -> into */
        STEP_FS,   /* fsopen(type a), fsconfig(options b), fsmount(attributes flags) -> into */
        STEP_OVERLAY_OLD, /* mount(2) an overlay with options a, MS_ flags over the fd in slot, reopened -> into */
        STEP_ATTR,   /* mount_setattr of slot (SLOT_NONE: "/"): attributes ATTR(set, clear) in flags,
                      * more: AT_RECURSIVE | propagation << 32 */
        STEP_IDMAP,  /* give the detached mount in slot the id map of the user namespace in into; host lane,
                      * more: AT_RECURSIVE */
        STEP_TARGET, /* open or make the mount point a in slot -> into; flags: enum target_flags, more: mode */
        STEP_ATTACH, /* move_mount slot onto into; slot then names the attached mount; flags: with the mode of into, if
                      * that was there before */
        STEP_DETACH, /* take the mount on a in slot away with all below it, by its fd in the procfs in into */
        STEP_COPYUP, /* copy the tree of folder slot into folder into (tmpcopyup), bounded */
        STEP_MASK,   /* cover a in slot: a folder by a clone of SLOT_EMPTY, else by one of SLOT_NULL; absent is fine */
        STEP_READONLY, /* bind a in slot over itself with attributes flags set, recursively; absent is fine */
        STEP_NODE,  /* make device or fifo a in slot: flags NODE(mode, dev), more: IDS(uid, gid); an equal one stays,
                     * another file makes room, or with NODE_EXACT in the mode is an error; with into: that node of the
                     * host, when it is the one, is laid over a, which may be an empty file or be made as one */
        STEP_LINK,  /* make symbolic link a in slot pointing to b; an existing entry is left alone */
        STEP_WRITE, /* one write(2) of b to kernel file a below the folder in slot; flags: O_ flags beside O_WRONLY */
        STEP_PIVOT, /* pivot_root into slot, detach the old root, chdir "/" */
        STEP_MOVE_ROOT, /* --no-pivot: move slot over "/", detach every other mount it can, chroot into it, chdir "/" */
        STEP_CHROOT,    /* chroot into slot, chdir "/" (joined mount namespaces, exec) */
        /* namespaces */
        STEP_SETNS,      /* setns(slot, flags) */
        STEP_UNSHARE,    /* unshare(flags) */
        STEP_HOSTNAME,   /* sethostname a */
        STEP_DOMAINNAME, /* setdomainname a */
        STEP_LOOPBACK,   /* set lo up */
        STEP_FORK, /* go on in a new child of our parent (CLONE_PARENT), in the joined pid namespace; tell its pid */
        /* talk */
        STEP_SEND,  /* send message flags (enum step_message_type) on SLOT_SYNC */
        STEP_AWAIT, /* wait for message flags on SLOT_SYNC; end of file is the parent's death: exit */
        STEP_START, /* wait on SLOT_START for `start`, flags: the step after this one; the two-phase talk is told in
                     * runtime/container/start.c */
        STEP_HOOK,  /* run program a with struct hook_data b, state from SLOT_STATE, more: timeout in ms (0: none);
                     * -ETIMEDOUT, or -ECANCELED when it ends with anything but status 0 */
        /* the process */
        STEP_GUARD,   /* flags 1: die with the parent, not dumpable; 0: no longer die with it */
        STEP_KEYRING, /* join a new session keyring named a */
        STEP_SESSION, /* setsid; with slot: make it the controlling terminal */
        STEP_PTY,     /* open a pty in devpts a (its folder or its ptmx) of slot, size flags (rows << 16 | columns),
                       * owner uid more, master to SLOT_CONSOLE with the payload "/dev/pts/N" -> into */
        STEP_CONSOLE,     /* bind the terminal in SLOT_TTY over a in slot */
        STEP_STDIO,       /* dup slot to 0, 1 and 2 */
        STEP_UMASK,       /* umask flags */
        STEP_RLIMIT,      /* prlimit resource flags to struct rlimit64 b, of the context's pid */
        STEP_SCHED,       /* sched_setattr b (struct sched_attr) */
        STEP_IOPRIO,      /* ioprio_set value flags */
        STEP_AFFINITY,    /* sched_setaffinity mask b of flags bytes, of the context's pid */
        STEP_MEMPOLICY,   /* set_mempolicy mode flags, node mask b of more bits */
        STEP_PERSONALITY, /* personality flags */
        STEP_LABEL,   /* write b to attribute a ("self/attr/exec") of the procfs in slot, which nothing lies over */
        STEP_RELABEL, /* give the root of the file system in slot the SELinux context a */
        STEP_RULESET, /* a ruleset of Landlock that handles struct landlock_ruleset b -> into */
        STEP_RULE,     /* into SLOT_RULESET: rights flags below path a in slot; a is 0: of TCP port more */
        STEP_RESTRICT, /* the ruleset in slot holds from now on; needs no_new_privs */
        STEP_CORE,     /* core scheduling: a new cookie; flags not 0: the one of process flags (open lane) */
        STEP_GROUPS,      /* setgroups: flags numbers of 32 bits at b */
        STEP_IDS,     /* setresgid and setresuid: flags IDS(uid, gid); keeps permitted capabilities when more is 1 */
        STEP_BOUNDS,  /* drop every capability not in flags from the bounding set */
        STEP_CAPS,    /* struct step_caps b: capset, and the ambient set */
        STEP_NNP,     /* no_new_privs */
        STEP_SECCOMP, /* load filter b of flags instructions, more: SECCOMP_FILTER_FLAG_; listener to SLOT_NOTIFY */
        STEP_CWD,     /* chdir a, made when missing if flags; below the root, through no link of proc */
        STEP_FIND,    /* find program a along PATH b as the present user; remembers it for STEP_EXEC;
                       * flags: and the home folder of uid more, by the container's passwd */
        STEP_FDS,     /* every fd from flags (first) up: closed, so that /proc/self/fd leads nowhere; the sockets and
                       * memfds that later steps need (sync, start, state, notify, tty) only close-on-exec.
                       * Standard streams on another null device go to the one of the container */
        STEP_EXEC,    /* execve the found program with argument list a and environment b; flags: the number, from
                       * one, of the HOME in it that a found one replaces */
        STEP_KINDS
};

enum open_expect {
        OPEN_ANY,
        OPEN_NULL, /* char 1:3 */
        OPEN_FOLDER,
        OPEN_PROC,     /* root of a procfs */
        OPEN_NAMESPACE /* | CLONE_NEWx << 32: of that type */
};
enum target_flags {
        TARGET_FOLDER = 1, /* make a missing one as a folder */
        TARGET_FILE = 2,   /* make a missing one as an empty file */
        TARGET_PLAIN = 4,  /* for /proc and /sys: no component is a link, or lies on another mount than proc or sysfs */
        TARGET_LIKE = 8,   /* missing: made as the kind (folder or file) of the mount in slot HIGH32(flags) */
};

#define ATTR(set, clear) ((uint64_t)(uint32_t)(set) | (uint64_t)(uint32_t)(clear) << 32)
#define NODE(mode, dev)  ((uint64_t)(uint32_t)(mode) | (uint64_t)(uint32_t)(dev) << 32)
#define NODE_EXACT       (1u << 20)
#define IDS(uid, gid)    ((uint64_t)(uint32_t)(uid) | (uint64_t)(uint32_t)(gid) << 32)
#define LOW32(x)         ((uint32_t)(x))
#define HIGH32(x)        ((uint32_t)((x) >> 32))

/* a and b are offsets into the data (0: none).  tolerate is one errno that counts as success (0: none).
 *
 * Option lists (STEP_FS b): "key=value" or "key" strings, each ended by NUL, the list by an empty string.  In an option
 * or in STEP_OVERLAY_OLD's string, the byte 1 followed by four hex digits is a slot: replaced by "/proc/self/fd/N", or
 * by "N" in STEP_OVERLAY_OLD, which runs with /proc/self/fd as its working directory.
 * String lists (STEP_EXEC): uint32_t count, then count offsets of strings, 4-aligned. */
struct step {
        uint16_t kind;
        int16_t slot, into;
        uint16_t tolerate;
        uint32_t a, b;
        uint64_t flags, more;
};

struct step_caps {
        uint64_t effective, permitted, inheritable, ambient;
};

struct hook_data {
        uint32_t args, env; /* string lists */
};

/* What the child says and hears on SLOT_SYNC (one message a datagram; SOCK_SEQPACKET). */
enum step_message_type {
        MESSAGE_FAILED = 'f', /* {step, error}: the child is about to exit */
        MESSAGE_HERE = 'e',   /* child: execve of the init image is done; to an ordinary user's parent */
        MESSAGE_MAPPED = 'm', /* parent: id maps are written */
        MESSAGE_HOOKS = 'h',  /* child: mounts are made, run prestart and createRuntime; parent answers MESSAGE_GO */
        MESSAGE_PID = 'p',    /* child: value is the pid STEP_FORK made */
        MESSAGE_READY = 'r',  /* child: what fails early is done; parent answers MESSAGE_GO once the state is saved */
        MESSAGE_START = 's',  /* on the connection of `start`, both ways */
        MESSAGE_GO = 'g',
};

struct step_message {
        uint8_t type;
        uint8_t kind; /* MESSAGE_FAILED: enum step_kind, for readers that no longer have the plan (`start`) */
        uint16_t step;
        int32_t value; /* errno (positive) or pid */
};

/* One lane as the executor sees it. */
struct lane {
        const struct step *at;
        size_t count;
        const char *data;
};

/* What steps share while a lane runs. */
struct context {
        const char *data;
        int *slot;           /* SLOT_MAX entries, -1: empty */
        pid_t pid;           /* host lane: the child; child and open lanes: 0 (self) */
        int start;           /* child: the accepted connection of `start`, -1 before STEP_START */
        const char *program; /* found by STEP_FIND */
        char program_buffer[4096];
        bool is_target_new; /* the last STEP_TARGET found no folder there and made one */
        bool is_null_set;   /* SLOT_NULL is a copy that has the attributes of a mask */
        /* The folder of the last STEP_NODE or STEP_LINK: its fd, slot and path up to the last slash; NULL: none. */
        const char *folder_path;
        size_t folder_size;
        int folder, folder_slot;
        char home[512]; /* "HOME=" and the folder, or "": found by STEP_FIND, takes the place of the default */
};

/* Runs the steps in order.  Returns 0, or -errno with *ret_step the index of the step that failed.  Both sides. */
int steps_run(const struct lane *lane, struct context *context, size_t *ret_step);

/* "mount", "mask"...: the word for a kind in plans and messages.  Both sides. */
const char *step_name(enum step_kind kind);

/* Layout of the memfd that hands the child lane to the init image: this header, then steps, data, slots. */
#define PLAN_IMAGE_MAGIC 0x72756e64u
struct plan_image {
        uint32_t magic, size;
        uint32_t steps_at, steps_count;
        uint32_t data_at, data_size;
        uint32_t slots_at, slots_count; /* int32_t fd per slot, -1: empty */
};

/* One function per kind, in fs.c mount.c node.c ns.c id.c confine.c talk.c exec.c; the table is in run.c. */
typedef int step_function(const struct step *step, struct context *context);

static inline const char *step_text(const struct context *context, uint32_t at) {
        return at ? context->data + at : NULL;
}

#endif
