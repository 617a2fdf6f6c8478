/* What the files of this folder share: one function per kind, and the fds of slots.  Both sides of clone. */
#ifndef RUNTIME_STEPS_TABLE_H
#define RUNTIME_STEPS_TABLE_H

#include "runtime/steps/steps.h"
#include "specs/base/path.h"
#include "specs/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

/* fs.c */
step_function step_open, step_close, step_target, step_write, step_mask, step_readonly;
/* mount.c */
step_function step_tree, step_fs, step_overlay_old, step_attr, step_idmap, step_attach, step_detach, step_pivot,
        step_move_root, step_chroot;
/* copyup.c */
step_function step_copyup;
/* node.c */
step_function step_node, step_link, step_pty, step_console;
/* ns.c */
step_function step_setns, step_unshare, step_hostname, step_domainname, step_loopback, step_fork, step_guard,
        step_keyring, step_session;
/* id.c */
step_function step_umask, step_rlimit, step_sched, step_ioprio, step_affinity, step_mempolicy, step_personality,
        step_groups, step_ids, step_bounds, step_caps, step_nnp, step_seccomp;
/* confine.c */
step_function step_label, step_relabel, step_ruleset, step_rule, step_restrict, step_core;
/* talk.c */
step_function step_send, step_await, step_start;
/* hook.c */
step_function step_hook;
/* exec.c */
step_function step_stdio, step_cwd, step_find, step_fds, step_exec;

/* The fd of a slot, or -EBADF when the slot is empty. */
static inline int slot_fd(const struct context *context, int slot) {
        if (slot < 0 || slot >= SLOT_MAX || context->slot[slot] < 0)
                return -EBADF;
        return context->slot[slot];
}

/* Puts fd (or -1) into the slot, which owns it from now on, and closes what was there.  Returns 0 or -EBADF. */
int slot_put(struct context *context, int slot, int fd);

/* node.c: closes what the context keeps for the next STEP_NODE or STEP_LINK. */
void folder_forget(struct context *context);

/* fs.c: writes a whole text at once, as the files of proc want it.  0 or -errno; -EIO: only a part was taken. */
int write_text(int fd, const char *text);

/* exec.c: a path of the container whose root is ours by now; no link leads out of it.  An fd with close-on-exec, or
 * -errno. */
int open_inside(const char *path, int flags);

/* home.c: the home folder of uid in the container's /etc/passwd; false when it is not told there. */
bool find_home(uint32_t uid, char *buffer, size_t size);

/* Sends bytes and, unless it is -1, a file descriptor over a socket as one message.  0 or -errno. */
int send_bytes(int socket, const void *bytes, size_t size, int fd);

/* The string list at offset `at` as execve(2) takes it, in memory of its own; NULL when there is none. */
const char *const *step_strings(const struct context *context, uint32_t at);

static inline bool is_mode(const struct statx *status, mode_t type) {
        return (status->stx_mode & S_IFMT) == type;
}

/* The steps run between clone and execve: nothing that allocates or prints may be named there. */
#pragma GCC poison malloc calloc realloc free printf fprintf snprintf strerror perror getenv

#endif
