/* What the files of this folder share.  Parent side only. */
#ifndef RUNTIME_CONTAINER_INSIDE_H
#define RUNTIME_CONTAINER_INSIDE_H

#include "runtime/container/container.h"
#include "runtime/host/cgroup.h"

#define START_SOCKET "start.sock"
#define END_MS       10000 /* how long a killed process may take to end */

/* The container's cgroup when it has one and it is really its own; -ENOENT without words otherwise. */
int container_cgroup(const struct container *container, struct cgroup *ret);

/* The words for -ENOENT of container_cgroup: it never had one, or somebody else removed it. */
int container_no_cgroup(const struct container *container);

/* What `state` and `list` say of one, whose id is a valid one. */
int container_look(const struct store *store, const char *id, struct oci_state *ret);

/* What hooks and `state` are told. */
struct oci_state container_oci_state(const struct container_record *record, enum container_status status);

/* The config as it was at create. */
int container_config(const struct entry *entry, struct oci_config **ret);

/* -ESRCH with the words that engines look for. */
int container_not_running(const char *id);

/* mounts.c: carries out a plan of mounts inside, where pidfd lives: the child of ours does it, says so and ends. */
int container_enter(int pidfd, const struct plan *plan);

/* SIGKILL to init, and to all in its cgroup when that does not end it soon; waits for the end. */
int container_kill_init(const struct container *container);

/* Step 12 of the lifecycle and what follows: kills what lives, undoes what create made, releases the lock, runs the
 * poststop hooks (whose failures are warnings).  The container is released as far as its entry goes. */
int container_destroy(struct container *container);
/* The same for who has its config already. */
int container_destroy_known(struct container *container, const struct oci_config *config);

/* Runs the poststart hooks of a container whose payload runs; the first failure ends the container and destroys it. */
int container_poststart(struct container *container, const struct oci_config *config);

/* The pid in decimal, replaced whole: readers never see half of it, and a link in its place is replaced, not followed.
 */
int write_pid_file(const char *path, pid_t pid);

/* The process's pidfd to the engine that listens at path; place stands in front of failures. */
int send_pidfd(const char *path, const char *place, int pidfd);

#endif
