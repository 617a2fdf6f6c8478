/* A container on its way into life: everything create and run have made so far, undone in reverse unless kept.
 * Parent side only. */
#ifndef RUNTIME_CONTAINER_CREATION_H
#define RUNTIME_CONTAINER_CREATION_H

#include "runtime/container/inside.h"
#include "runtime/container/prepare.h"
#include "runtime/host/netdev.h"
#include "runtime/host/rdt.h"
#include "runtime/host/spawn.h"

struct creation {
        const struct container_options *options; /* its paths are absolute */
        struct prepared prepared;
        struct store store;
        struct entry entry;
        struct container_record record;
        struct cgroup cgroup;
        struct child child;
        struct netdevs netdevs; /* that have left the host for it */
        int resctrl;            /* its mount, -1: nobody asked for it */
        struct rdt_made rdt_made;
        int slot[SLOT_MAX];
        int state;        /* memfd of SLOT_STATE, -1: no hooks ask for it */
        int notify_state; /* memfd of SLOT_NOTIFY_STATE */
        int terminal;     /* run: our end of the pair that brings the pty master */
        int upper;        /* folder in which we made "upper" and "work" for the caller, -1: none */
        bool waits_for_start, hooks_ran, wrote_pid_file, kept;
};

/* Nothing made yet; valid to release. */
void creation_init(struct creation *creation, const struct container_options *options, bool waits_for_start);

/* The whole way from the bundle to a container that is saved and committed: for create, its init waits for `start`; for
 * run, the payload runs. */
int creation_bring_up(struct creation *creation);

/* Its parts, which restore shares: everything up to an empty cgroup with its limits; what is looked at once its first
 * process is there; prestart and createRuntime hooks; the record and whoever else is told of the process. */
int creation_begin(struct creation *creation);
int creation_settle(struct creation *creation);
int creation_run_hooks(struct creation *creation);
int creation_record(struct creation *creation);

/* create.c: what follows for run and restore: poststart hooks, and in the foreground the wait for the end. */
int creation_serve(struct creation *creation, int *ret_status);

/* create.c: later we may stand elsewhere, and the record must mean the same to everybody. */
struct container_options container_absolute(const struct container_options *given);

/* Success said aloud. */
void creation_keep(struct creation *creation);

/* Undoes what was done, in reverse, keeping the error record; then poststop hooks if others had run. */
void creation_release(struct creation *creation);
#define autocreation __attribute__((cleanup(creation_release))) struct creation

/* -- slots.c: the fds that the child inherits -- */

/* Console, start socket, state, seccomp agent, wanted user namespaces. */
int creation_fill_slots(struct creation *creation);
/* Puts the pid and the status into the state that hooks in the child and the seccomp agent get. */
int creation_tell_state(struct creation *creation, enum container_status status);
void slots_close(int slot[SLOT_MAX]);

/* The seccomp agent's socket and the state it gets, when the profile has a listener: slots and *ret_state. */
int slots_fill_notify(const struct oci_config *config, int slot[SLOT_MAX], int *ret_state);
int slots_tell_agent(const struct oci_config *config, int state_fd, const struct oci_state *state, pid_t pid);

#endif
