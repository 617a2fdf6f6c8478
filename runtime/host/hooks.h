/* Hooks that run in the runtime's namespaces: prestart, createRuntime, poststart, poststop.  Parent side only.
 * Spec: config.md "POSIX-platform Hooks". */
#ifndef RUNTIME_HOST_HOOKS_H
#define RUNTIME_HOST_HOOKS_H

#include "specs/oci_config.h"
#include "specs/oci_state.h"

/* Runs each in order: state JSON on standard input (from a memfd, so a hook that never reads cannot block us), exactly
 * its own args and env, cwd (the bundle), default signals, its own process group, no other fds; output goes to our
 * standard error, at most 64 KiB, or where hooks_output() says.  After its timeout the group is killed.  Stops at the
 * first that fails: the words name the list, index, path and status ("hooks.createRuntime[1]: /bin/x: exit status 3").
 */
int hooks_run(const char *list, const struct oci_hook *hooks, size_t count, const struct oci_state *state,
              const char *cwd);

/* The file that crun's annotation run.oci.hooks.stdout or .stderr (stream: "stdout", "stderr") wants the output of
 * hooks to be added to; relative ones are below cwd.  It is made when it is not there.  *ret_fd is -1 without the
 * annotation. */
int hooks_output(const struct strmap *annotations, const char *stream, const char *cwd, int *ret_fd);

/* The poststop hooks: a failure is a warning, and the next one runs all the same.  Returns 0. */
int hooks_poststop(const struct oci_hooks *hooks, const struct oci_state *state, const char *cwd);

/* A memfd with the state as JSON, at offset 0.  For hooks and for SLOT_STATE. Returns the fd or -errno. */
int hooks_state_fd(const struct oci_state *state);

/* Replaces the content of such a memfd (the pid is only known after clone). */
int hooks_state_update(int fd, const struct oci_state *state);

#endif
