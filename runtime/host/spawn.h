/* From a plan to a process: open lane, clone3, host lane beside the child, messages.  Parent side only.  clone(2). */
#ifndef RUNTIME_HOST_SPAWN_H
#define RUNTIME_HOST_SPAWN_H

#include "runtime/host/cgroup.h"
#include "runtime/plan/plan.h"

/* Our child.  {.pid = 0, -1, -1} is valid to release; child_release kills and reaps a child that was not kept. */
struct child {
        pid_t pid;
        int pidfd, sync;
        const struct plan *plan;
        bool kept;
};
#define CHILD_NONE { 0, -1, -1, NULL, false }

struct spawn_input {
        const struct plan *plan;
        int *slot; /* SLOT_MAX entries; the caller has filled its own (console, start...), the open lane adds */
        const struct cgroup *cgroup; /* of the child, by CLONE_INTO_CGROUP; NULL, or one without an fd: ours */
        bool is_frozen;              /* that cgroup is: the child does nothing before it is thawed */
};

/* Runs the open lane, hands the child lane to the init image, clones, writes the id maps, runs the host lane.  For it
 * SLOT_TARGET is /proc/PID of the child and SLOT_MOUNT its user namespace; its STEP_SETNS bring us home.  On any
 * failure the child is killed and reaped and every fd opened here is closed.  Failures carry the step's words and its
 * place in the config.  Where the kernel lets no ordinary user into the cgroup of a scope (from a login session:
 * EACCES), systemd moves the child there before its first step.  EBUSY of CLONE_INTO_CGROUP is returned as it is for
 * exec's fall-back.  On success slots that only the child needs are closed here. */
int spawn(const struct spawn_input *input, struct child *ret_child);

/* A failed step in words, with its place in the config. */
int spawn_fail_step(const struct plan *plan, enum plan_lane lane, size_t step, int error);

/* Waits until the child says want (MESSAGE_HOOKS, or MESSAGE_READY and then runs the ready lane); on the way
 * MESSAGE_PID replaces child's pid and pidfd.  MESSAGE_FAILED becomes words from the plan ("process.cwd: cwd /nowhere:
 * No such file or directory"); a silent death becomes words from the wait status (killed by signal 9: the memory limit
 * may be too small...). */
int spawn_await(struct child *child, enum step_message_type want);

/* Answers MESSAGE_GO. */
int spawn_go(struct child *child);

/* spawn_await(MESSAGE_READY) after r, what came of things that were done before it was heard, MESSAGE_GO with them: a
 * child that is gone by then has the better reason to tell. */
int spawn_await_ready(struct child *child, int r);

/* For run and exec: waits for execve (end of file on the socket: success) or the failure that came instead. */
int spawn_await_exec(struct child *child);

/* Success said aloud: the child lives on; pid and pidfd stay readable, the socket is closed. */
void child_keep(struct child *child);

/* Kills and reaps unless kept; closes fds.  Cleanup attribute: autochild. */
void child_release(struct child *child);
#define autochild __attribute__((cleanup(child_release))) struct child

/* Waits for a child to end; its exit status as a shell gives it: code, or 128 + signal. */
int child_wait(struct child *child);

#endif
