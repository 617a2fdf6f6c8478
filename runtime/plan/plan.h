/* The plan: every operation around clone, fully resolved before it.  Parent side only.
 *
 * Builders (one file per noun: plan_mounts, plan_caps...) read the checked config and the probe, and append steps. They
 * allocate from the arena and may fail with words; apart from reading what is said in their header they make no system
 * calls, so that config -> plan text is tested without rights.  Spec: runtime.md, lifecycle. */
#ifndef RUNTIME_PLAN_PLAN_H
#define RUNTIME_PLAN_PLAN_H

#include "runtime/plan/unit.h"
#include "runtime/steps/steps.h"
#include "specs/oci_config.h"
#include "specs/oci_linux.h"

/* LANE_READY: the parent's too, once the child's process is the last one and ready. */
enum plan_lane { LANE_OPEN, LANE_CHILD, LANE_HOST, LANE_READY, LANES };

/* A cgroup v2 limit: one write to one file of the container's cgroup.  The host lane carries it out. */
struct cgroup_write {
        const char *file, *value;
        const char *controller;         /* "memory": must be enabled, NULL for core files */
        const char *place;              /* config path for messages */
        int tolerate;                   /* errno, or 0 */
        const char *or_file, *or_value; /* written instead when file does not exist in the cgroup; NULL: none */
};

/* A user namespace wanted only for its id maps (idmapped mounts).  Before the open lane the caller makes it with a
 * short-lived child, writes the maps, and puts /proc/PID/ns/user in the slot. */
struct plan_userns {
        int slot;
        const struct oci_idmap *uid_maps, *gid_maps;
        size_t uid_maps_count, gid_maps_count;
};

/* A device of the host's network namespace that the container gets.  Moved while the child waits at the hooks barrier,
 * before the hooks. */
struct plan_net_device {
        const char *name; /* on the host */
        const char *as;   /* in the container, perhaps with one %d; NULL: its own */
        const char *place;
};

/* linux.intelRdt: the group of resctrl whose share of caches and memory bandwidth the container's processes have. */
struct plan_rdt_line {
        const char *text, *place;
        bool must_match; /* of a group that exists already */
};
struct plan_rdt {
        const char *group;   /* a folder of resctrl, "." for the default group */
        const char *monitor; /* name of a monitoring group of its own, NULL: none */
        bool may_make;       /* a missing one is made */
        bool is_own;         /* it has the container's name, and goes with the container when it was made for it */
        LIST_OF(plan_rdt_line) lines;
};

struct plan {
        struct step *steps[LANES];
        const char **places[LANES]; /* config path or words for messages, one a step */
        size_t count[LANES], room[LANES];
        char *data; /* offset 0 is never used */
        size_t data_size, data_room;
        uint32_t texts[256]; /* by a hash, the text last put in data */
        const char *slot_names[SLOT_MAX];
        int slots; /* next free number */

        const char *place; /* set by builders: what steps appended from now on belong to, "mounts[3]" */

        uint64_t clone_flags; /* CLONE_NEWx of new namespaces made by clone3 */
        bool has_new_userns;
        bool joins_pidns;         /* STEP_FORK makes the payload's process and tells its pid; before it the child awaits
                                   * MESSAGE_MAPPED, which the parent then sends after the host lane */
        struct strv time_offsets; /* lines for timens_offsets: the parent unshares time, writes, clones, goes back */
        bool unshares_time;
        const struct oci_idmap *uid_maps, *gid_maps; /* what to write for a new user namespace */
        size_t uid_maps_count, gid_maps_count;

        LIST_OF(plan_userns) userns_wanted;

        LIST_OF(plan_net_device) net_devices;
        struct plan_rdt *rdt; /* NULL: none */

        LIST_OF(cgroup_write) cgroup_writes;
        struct strv controllers;   /* to be enabled for the container's cgroup */
        const void *device_filter; /* BPF instructions for BPF_PROG_TYPE_CGROUP_DEVICE, NULL: none */
        size_t device_filter_count;
        struct unit *unit; /* the systemd scope; NULL: no such driver */

        bool has_hooks_barrier; /* the child stops for prestart and createRuntime hooks */
        struct strv warnings;   /* for the log */
};

/* What this kernel and caller can do, asked once (host/probe.h fills it; tests write it by hand). */
struct probe {
        bool is_root; /* effective uid 0 with CAP_SYS_ADMIN over the host's namespaces */
        uint32_t uid, gid;
        bool has_overlay_layers; /* overlay takes lowerdir+ by fsconfig: 6.8 */
        bool has_mount_api;      /* open_tree, fsopen, move_mount, mount_setattr: 5.12 */
        bool has_time_namespace, has_cgroup_namespace;
        bool has_seccomp_wait_killable;      /* 6.0 */
        int last_capability;                 /* cap_last_cap */
        uint64_t capabilities;               /* effective capabilities of this process */
        const char *cgroup_root;             /* the cgroup2 mount, NULL: none */
        bool can_set_rlimits, can_lower_oom; /* CAP_SYS_RESOURCE */
        unsigned cpus;                       /* online; 0: nobody asked */
        /* Security modules; asked only when a label is configured. */
        bool has_apparmor, has_selinux;
        bool is_apparmor_confined; /* this process has a profile already */
        int landlock_abi;          /* 0: none; asked only when it is configured */
};

/* Choices of the command line that shape the plan. */
struct plan_options {
        const char *bundle; /* absolute */
        const char *id;
        const char *state_folder; /* absolute path of this container's own folder (private overlay upper) */
        bool no_pivot, no_keyring;
        unsigned preserve_fds;   /* fds 3 .. 2 + preserve_fds reach the payload (LISTEN_FDS counted in by the caller) */
        unsigned listen_fds;     /* LISTEN_FDS for the payload's environment, 0: none; LISTEN_PID=1 with it */
        bool has_console_socket; /* SLOT_CONSOLE will be filled */
        bool waits_for_start;    /* create: STEP_START; run and exec: none */
        bool relative_paths;     /* print paths of the bundle relative (golden files) */
        enum cgroup_driver driver;
        pid_t init_pid; /* exec: the container's first process */
};

/* What a builder works with. */
struct build {
        struct plan *plan;
        const struct oci_config *config;
        const struct oci_process *process; /* config->process, or exec's own */
        const struct probe *probe;
        const struct plan_options *options;
        int mounts_of;             /* slot of the mount namespace that is shared; 0: none */
        bool confines_itself;      /* a ruleset of Landlock waits in SLOT_RULESET */
        struct u32v late_readonly; /* slots of new file systems that become read-only after everything is in place */
        bool has_remounts;         /* among config->mounts */
        size_t first_mount;        /* the first of config->mounts that is meant; 0: all */
        int shelf;                 /* slot of a tmpfs below the root, for copies that wait for their turn; 0: none */
        bool is_entering;          /* a running container is entered: copies of host trees are made before that */
        size_t copies_at; /* is_entering, not root: where in the child lane the host's trees are still to be seen */
};

/* -- probes.c -- */
/* A probe written by hand, so that plans do not depend on the machine: "full" (root, new kernel), "old" (root, 5.15) or
 * "rootless" (uid 1000, new kernel).  NULL for another name. */
const struct probe *probe_named(const char *name);

/* -- plan.c: appending -- */
struct plan *plan_new(void);
/* The offset of a copy of text (or bytes, aligned to align, a power of two) in the data; equal text may share. */
uint32_t plan_text(struct plan *plan, const char *text);
uint32_t plan_bytes(struct plan *plan, const void *bytes, size_t size, size_t align);
/* A string list as STEP_EXEC takes it. */
uint32_t plan_strings(struct plan *plan, const struct strv *list);
/* An option list as STEP_FS takes it; 0 when it is empty. */
uint32_t plan_option_list(struct plan *plan, const struct strv *list);
/* A new slot; name is for printing ("lower 2"). */
int plan_slot(struct plan *plan, const char *name);
/* A line for the log. */
void plan_warn(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether the container gets this namespace: a new one (CLONE_NEWx in the config without a path), or any of its own. */
bool plan_has_new(const struct build *b, int64_t kind);
bool plan_has_own(const struct build *b, int64_t kind);
/* Whether it shares the mount namespace of somebody else: of the path in the config, or of the host. */
bool plan_shares_mounts(const struct build *b);
bool plan_joins_mounts(const struct build *b); /* the former */
/* Appends; the current plan->place is remembered.  A slot that is not given is SLOT_NONE (no step names SLOT_SYNC: talk
 * implies it).  plan_add(p, LANE_CHILD, STEP_LINK, .slot = SLOT_ROOT, .a = ...) */
struct step *plan_add_step(struct plan *plan, enum plan_lane lane, struct step step);
#define plan_add(plan, lane, step_kind_, ...)                                                                          \
        plan_add_step(plan, lane, (struct step){ .kind = step_kind_, __VA_ARGS__ })
/* The reference to a slot inside option strings: byte 1 and four hex digits, in the arena. */
const char *plan_slot_reference(int slot);
struct lane plan_lane(const struct plan *plan, enum plan_lane lane);

/* -- print.c -- */
/* The whole plan as text, one line a step: lane, word, what; then cgroup writes.  In the arena.  Golden format. */
char *plan_print(const struct plan *plan, const struct plan_options *options);
/* print_limits.c: the end of it, from network devices and the systemd unit to the warnings. */
char *plan_print_limits(const struct plan *plan);
/* print_confine.c: what follows the name of a step that confines. */
const char *plan_confine_words(const struct plan *plan, const struct step *step);
/* One step in words for messages: "mount proc on /proc". */
char *plan_step_words(const struct plan *plan, enum plan_lane lane, size_t step);

/* -- build.c: the order of everything, on one screen -- */
/* create and run: the whole plan of a container. */
int plan_build(const struct oci_config *config, const struct probe *probe, const struct plan_options *options,
               struct plan **ret);

/* exec: joins the running container's namespaces by SLOT_PIDFD, then becomes process.  config is the container's own
 * saved config (which namespaces exist, seccomp, masks are already there). */
int plan_build_exec(const struct oci_config *config, const struct oci_process *process, const struct probe *probe,
                    const struct plan_options *options, struct plan **ret);

/* mounts add: enters a running container by SLOT_PIDFD and makes the mount config->mounts.at[index] there; config is
 * the container's own with other mounts.  What fails leaves nothing mounted. */
int plan_build_mount(const struct oci_config *config, size_t index, const struct probe *probe,
                     const struct plan_options *options, struct plan **ret);

/* restore: the same way in, and changes the attributes of mounts that are there; every one of config->mounts says
 * "remount". */
int plan_build_remounts(const struct oci_config *config, const struct probe *probe, const struct plan_options *options,
                        struct plan **ret);

/* mounts remove: the same way in, and takes away what is mounted at its destination. */
int plan_build_detach(const struct oci_config *config, size_t index, const struct probe *probe, struct plan **ret);

/* restore.c: the root and its mount points for CRIU, in a mount namespace of its process, which the executor makes
 * between the lanes.  The root lies over root.path. */
int plan_build_restore(const struct oci_config *config, const struct probe *probe, const struct plan_options *options,
                       struct plan **ret);

/* -- builders, one a file; each appends its steps and returns 0 or -errno with words -- */
int plan_namespaces(struct build *b); /* namespaces.c: clone flags, joins, maps, time offsets, become root, cgroup ns */
int plan_namespaces_late(struct build *b); /* hostname, domainname, loopback, cgroup namespace */
int plan_join(struct build *b);   /* namespaces.c: exec's entry into the container's namespaces by SLOT_PIDFD */
void plan_fork(struct build *b);  /* namespaces.c: STEP_FORK into the joined pid namespace */
int plan_rootfs(struct build *b); /* rootfs.c: propagation, bind or overlay -> SLOT_ROOT attached */
enum tree_flags { TREE_RECURSIVE = 1, TREE_PEERS = 2 /* mounts below go on being shared with the host's */ };
void plan_tree(struct build *b, enum plan_lane lane, const char *path, unsigned flags,
               int into); /* rootfs.c: detached copy of a host tree; lane: plan_tree_lane, if it is not known better */
enum plan_lane
plan_tree_lane(const struct build *b); /* open for root; others have the right to it only in the child's own mount
                                          namespace, and of a joined one the trees are wanted that it has */
bool plan_overlay_is_private(const struct oci_config *config); /* overlay.c: writes go to overlay/ of state_folder */
int plan_overlay(struct build *b, int *ret_slot);            /* overlay.c: the overlay of the annotations, attached over
                                                                SLOT_ROOTFS -> SLOT_ROOT; SLOT_NONE: none asked */
int plan_mounts(struct build *b);                            /* mounts.c: config mounts in order */
const char *plan_destination(const struct oci_mount *mount); /* mounts.c: as a plain absolute path */
int plan_mounts_readonly(struct build *b); /* mounts.c: new file systems asked for read-only, once devices are made */
int plan_devices(struct build *b);         /* devices.c: nodes, links, console */
int plan_terminal(struct build *b);        /* devices.c: the pty of the process -> SLOT_TTY, when it has a terminal */
int plan_proc(struct build *b);            /* masks.c: SLOT_PROC, when sysctls or labels are to be written */
/* rootfs.c: what waits over SLOT_ROOTFS until it is copied: after root.path and layers are opened, before the root is
 * attached over it.  A mount can be copied only once it has a place; there nobody sees it, and it goes with pivot. */
int plan_below_root(struct build *b);
void plan_covers(struct build *b);     /* masks.c: SLOT_NULL and SLOT_EMPTY */
int plan_shelf(struct build *b);       /* mounts.c: the folder of copies that wait for their turn -> build.shelf */
int plan_masks(struct build *b);       /* masks.c: masked, read-only paths */
int plan_sysctls(struct build *b);     /* masks.c: kernel parameters, through SLOT_PROC */
int plan_pivot(struct build *b);       /* rootfs.c: pivot, root read-only, root propagation */
int plan_net_devices(struct build *b); /* netdevices.c: linux.netDevices -> net_devices */
int plan_rdt(struct build *b);         /* rdt.c: linux.intelRdt -> rdt */
void plan_rdt_lines(const struct oci_intel_rdt *config, struct plan_rdt *rdt); /* rdt.c: its schemas, in order */
/* rdt.c: the name of the group, and whether it is the container's own name */
const char *plan_rdt_group(const struct oci_intel_rdt *config, const char *id, bool *ret_is_own);
int plan_hooks(struct build *b);         /* hooks.c: hooks barrier, createContainer */
int plan_hooks_start(struct build *b);   /* hooks.c: startContainer */
void plan_keyring(struct build *b);      /* process.c: a session keyring of its own */
void plan_io_priority(struct build *b);  /* process.c */
int plan_memory_policy(struct build *b); /* process.c */
int plan_process(struct build *b);       /* process.c: keyring, session, stdio, limits, labels */
int plan_label_modules(struct build *b); /* labels.c: is there a module for every label? */
bool plan_writes_labels(const struct build *b);
void plan_keyring_label(struct build *b);              /* labels.c: of the session keyring, before it is made */
void plan_labels(struct build *b);                     /* labels.c: of the next execve */
const char *plan_mount_context(const struct build *b); /* labels.c: "context=LABEL" for new file systems, or NULL */
const char *plan_mount_context_quoted(const struct build *b); /* the same for mount(2), where commas part options */
void plan_relabel(struct build *b, int slot);                 /* labels.c: for a file system without that option */
int plan_annotations(struct build *b);                        /* annotations.c: refuses, warns */
struct strv plan_annotation_names(void); /* annotations.c: of those that change what the runtime does; "x.": a prefix */
int plan_oom_group(struct build *b);     /* annotations.c: memory.oom.group */
int plan_core_scheduling(struct build *b); /* annotations.c: STEP_CORE */
int plan_delegate_cgroup(struct build *b); /* annotations.c: a cgroup below, once the cgroup namespace is new */
int plan_landlock(struct build *b);        /* landlock.c: the ruleset; once "/" is the container's */
void plan_restrict(struct build *b);       /* landlock.c: it holds; after no_new_privs */
int plan_identity(struct build *b);        /* identity.c: bounding, groups, ids, capabilities, cwd, find */
int plan_confine(struct build *b);         /* identity.c: no_new_privs, filter, final capabilities */
int plan_caps(struct build *b, struct step_caps *ret_caps, uint64_t *ret_bounding); /* caps.c (libcap) */
int plan_seccomp(struct build *b);      /* seccomp.c (libseccomp): STEP_SECCOMP */
struct strv plan_seccomp_archs(void);   /* seccomp.c: the spec's architectures that this libseccomp knows */
const char *plan_seccomp_version(void); /* seccomp.c: of libseccomp */
int plan_session(struct build *b);      /* process.c: a new session, where a fork came between */
void plan_fds(struct build *b);         /* process.c: fds */
int plan_exec(struct build *b);         /* process.c: exec */
int plan_resources(struct build *b);    /* resources.c: linux.resources -> cgroup_writes */
int plan_devfilter(struct build *b);    /* devfilter.c: device rules -> device_filter */

#endif
