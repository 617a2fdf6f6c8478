/* What is mounted in a mount namespace, as the kernel lists it.  Parent side only.  proc_pid_mountinfo(5). */
#ifndef RUNTIME_HOST_MOUNTINFO_H
#define RUNTIME_HOST_MOUNTINFO_H

#include <stddef.h>
#include <stdint.h>

struct mount_entry {
        int64_t id;
        const char *device;  /* "0:23", of the superblock */
        const char *root;    /* what of the file system is mounted */
        const char *point;   /* where, as the reader of the file sees it */
        const char *options; /* of the mount: "ro,nosuid,relatime" */
        const char *type;
};

struct mount_list {
        struct mount_entry *at;
        size_t n;
};

/* Reads "/proc/PID/mountinfo" at path, in the kernel's order, into the arena.  Lines of another shape are left out. */
int mountinfo_read(const char *path, struct mount_list *ret);

#endif
