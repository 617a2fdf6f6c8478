/* Terminals: to an engine's socket, or our own in the foreground.  Parent side only.  pty(7), unix(7). */
#ifndef RUNTIME_HOST_CONSOLE_H
#define RUNTIME_HOST_CONSOLE_H

#include "runtime/host/spawn.h"

/* Connects to the socket at path (also longer than sun_path, by its folder); not a socket, nobody listening: words.
 * For --console-socket, listenerPath, --pidfd-socket. Returns the fd or -errno. */
int console_connect(const char *path);

/* A socket pair for the foreground: *ret_child goes to SLOT_CONSOLE, on *ret_ours console_receive gets the master. */
int console_pair(int *ret_ours, int *ret_child);
int console_receive(int ours, int *ret_master);

/* Sends one fd with the payload bytes by SCM_RIGHTS (the seccomp agent, a pidfd). */
int console_send_fd(int socket, const void *bytes, size_t size, int fd);

/* The foreground of run and exec: forwards signals to the child (SIGWINCH sets the window size of master), copies
 * between our standard streams and master (-1: no terminal, the child has our streams), with back-pressure, until the
 * child ends and master is drained.  Puts our terminal in raw mode and restores it on every path.  By signalfd and
 * poll, no handlers. Returns the exit status as child_wait gives it, or -errno with words. */
int console_foreground(struct child *child, int master);

/* Blocks the forwarded signals; called before spawn so that none is lost. */
void console_block_signals(void);

#endif
