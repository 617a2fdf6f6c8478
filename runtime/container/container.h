/* The life of a container: what each command does, in one prototype each.  Parent side only.  Spec: runtime.md
 * "Operations", "Lifecycle".  Every function returns 0 or -errno with words, ready to print; after a failure nothing is
 * left that was not there before. */
#ifndef RUNTIME_CONTAINER_CONTAINER_H
#define RUNTIME_CONTAINER_CONTAINER_H

#include "runtime/host/store.h"
#include "runtime/plan/plan.h"
#include "specs/oci_config.h"
#include "specs/oci_linux.h"
#include "specs/oci_state.h"

#include <stdbool.h>

struct oci_stats; /* specs/oci_stats.h */

enum container_status { CONTAINER_CREATING, CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_PAUSED, CONTAINER_STOPPED };

struct container_options {
        const char *root; /* --root, NULL: the default */
        const char *id;
        const char *bundle; /* NULL: "." */
        const char *config; /* another config file than BUNDLE/config.json */
        const char *pid_file, *console_socket, *pidfd_socket;
        bool no_pivot, no_keyring, detach, keep, no_subreaper, force, strict;
        unsigned preserve_fds;
        struct strv layers;        /* --layer: topmost first */
        const char *upper;         /* --upper: folder, "tmpfs" or "tmpfs:SIZE" */
        struct strv nets, publish; /* --net, --publish */
        bool no_hosts;
        const struct probe *probe; /* plan only: another machine's answers; NULL: this one's, as asked by probe_get */
        bool relative_paths;       /* plan only: print paths below the bundle relative to it */
        enum cgroup_driver driver; /* --cgroup-manager, --systemd-cgroup */
};

typedef int exec_chooser(const struct oci_config *config, const void *data, struct oci_process **ret_process);

struct exec_options {
        const char *root, *id;
        struct oci_process *process; /* complete, from a file; a terminal in the foreground gets our size */
        exec_chooser *choose;        /* without it: makes it of the container's config as it was at create, */
        const void *data;            /* with this */
        const char *pid_file, *console_socket, *pidfd_socket, *cgroup;
        bool detach, ignore_paused, no_subreaper;
        unsigned preserve_fds;
};

/* What checkpoint and restore leave to CRIU; its fields are those of criu(8). */
struct image_options {
        const char *criu;                    /* --criu: the program; NULL: along PATH */
        const char *image_path, *work_path;  /* NULL: "checkpoint", and the same */
        const char *parent_path;             /* checkpoint: the image of an earlier pre-dump, relative to image_path */
        const char *page_server;             /* checkpoint: "ADDRESS:PORT" */
        const char *manage_cgroups;          /* NULL, "soft", "full", "strict", "ignore" */
        const char *network_lock;            /* NULL, "iptables", "nftables" */
        const char *lsm_profile, *lsm_mount_context; /* restore */
        const char *status_fd;               /* checkpoint: gets a NUL byte when lazy pages can be asked for */
        struct strv empty_ns;                /* "network" */
        bool leave_running, pre_dump;        /* checkpoint */
        bool tcp_established, tcp_skip_in_flight, tcp_close, ext_unix_sk, shell_job, file_locks, link_remap, lazy_pages,
                auto_dedup;
};

/* A container as a command sees it: its locked entry, record, and status asked of the kernel. */
struct container {
        struct store store;
        struct entry entry;
        struct container_record record;
        enum container_status status;
        int pidfd; /* -1 once stopped */
};
#define CONTAINER_NONE                                                                                                 \
        { { -1, NULL }, ENTRY_NONE, { 0 }, CONTAINER_STOPPED, -1 }
void container_release(struct container *container);
#define autocontainer __attribute__((cleanup(container_release))) struct container

/* Opens, locks (LOCK_SH or LOCK_EX), loads and asks the kernel. */
int container_open(const char *root, const char *id, int operation, struct container *ret);
const char *container_status_name(enum container_status status);

/* create: reads and checks BUNDLE/config.json, builds the plan, claims the id, spawns, runs hooks, saves. */
int container_create(const struct container_options *options);
/* run: create + start; foreground waits and puts the payload's status in *ret_status and deletes (unless keep). */
int container_run(const struct container_options *options, int *ret_status);
int container_start(const char *root, const char *id);
int container_kill(const char *root, const char *id, int number, bool all);
/* pid 0 when stopped. */
int container_state(const char *root, const char *id, struct oci_state *ret);
int container_delete(const char *root, const char *id, bool force);
int container_pause(const char *root, const char *id);
int container_resume(const char *root, const char *id);
/* Foreground: *ret_status is the process's. Detached: 0. */
int container_exec(const struct exec_options *options, int *ret_status);
int container_pids(const char *root, const char *id, pid_t **ret_pids, size_t *ret_count);
/* checkpoint: writes the processes into a folder; then the container is gone, unless leave_running or pre_dump says
 * otherwise. */
int container_checkpoint(const char *root, const char *id, const struct image_options *options);
/* restore: a container as by create and start, but with the processes of the image; foreground as by run. */
int container_restore(const struct container_options *options, const struct image_options *image, int *ret_status);
/* update: resources as given, changes only; everything is applied or nothing is, and what was applied is kept in the
 * container's saved config.  Either of resources and rdt may be NULL; of rdt only the two schemas count. */
int container_update(const char *root, const char *id, const struct oci_resources *resources,
                     const struct oci_intel_rdt *rdt);
/* mounts: sources as in a config, relative ones to the bundle.  add makes all or none; remove begins with the last and
 * stops at the first that cannot be taken away. */
int container_mounts_add(const char *root, const char *id, const struct oci_mount *mounts, size_t n);
int container_mounts_remove(const char *root, const char *id, const struct oci_mount *mounts, size_t n);
/* One reading of everything the cgroup counts.  -ESRCH: it has ended. */
int container_stats(const char *root, const char *id, struct oci_stats *ret);
/* A reading of each of ids, or without ids of each container that lives and has a cgroup of its own, sorted by id.
 * Those that have ended, or end meanwhile, are left out; an id that does not exist is an error. */
struct container_readings {
        struct oci_container_stats *at;
        size_t n;
        struct strv unreadable; /* why, of the others; only where no ids were given */
};
int container_stats_all(const char *root, const struct strv *ids, struct container_readings *ret);
/* Calls watcher with a reading every interval_ns nanoseconds, and with NULL when the container's memory ran out, until
 * the container ends (0) or the watcher does not answer 0.  The container is not locked meanwhile, and a reading lives
 * as long as the call that gets it. */
typedef int container_watcher(const struct oci_stats *stats, void *data);
int container_watch(const char *root, const char *id, uint64_t interval_ns, container_watcher *watcher, void *data);
/* Every readable container; unreadable ones are named in warnings of the log. */
struct oci_states {
        struct oci_state *at;
        size_t n;
};
int container_list(const char *root, struct oci_states *ret);
/* Every id that is taken, in order, whatever state its container is in. */
int container_ids(const char *root, struct strv *ret);

/* For `plan` and `check`: everything up to the plan, no side effects.  check adds every error to errors. */
int container_plan(const struct container_options *options, struct plan **ret);
int container_check(const struct container_options *options, struct strv *errors, struct strv *warnings);

#endif
