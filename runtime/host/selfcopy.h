/* The image that the child runs between clone and execve: bytes of its own, in a sealed memfd, so that nothing a
 * container opens through /proc/PID/exe is a file of the host (CVE-2019-5736).  Parent side only. */
#ifndef RUNTIME_HOST_SELFCOPY_H
#define RUNTIME_HOST_SELFCOPY_H

/* A memfd (close-on-exec, sealed against writing, growing, shrinking, sealing and, from 6.3, changing its mode) that
 * holds the init image, executable.  Returns the fd or -errno with words (vm.memfd_noexec=2 is named). */
int selfcopy_open(void);

#endif
