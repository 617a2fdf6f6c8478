/* File descriptors with an owner.  System calls only: used on both sides of clone.
 *
 * autofd closes itself when it leaves its scope; fd_take() passes ownership on and is said aloud. */
#ifndef SPECS_BASE_FD_H
#define SPECS_BASE_FD_H

#include <errno.h>
#include <unistd.h>

/* Closes fd if it is one and returns -1, the value that is valid to close again; errno is kept. */
static inline int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void)close(fd);
                errno = saved;
        }
        return -1;
}

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

/* The fd out of *fd, which no longer owns it. */
static inline int fd_take(int *fd) {
        int taken = *fd;
        *fd = -1;
        return taken;
}

#define autofd __attribute__((cleanup(fd_closep))) int

#endif
