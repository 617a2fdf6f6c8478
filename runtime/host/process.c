/* Who a process is: so that a signal never reaches a stranger that got the number of one of ours. */
#include "runtime/host/store.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define PID_FS_MAGIC_    0x50494446 /* pidfs, 6.9: not yet in every <linux/magic.h> */
#define START_TIME_FIELD 22

int process_start_time(pid_t pid, uint64_t *ret) {
        char text[1024];
        autofd fd = open(str_format("/proc/%d/stat", (int)pid), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : fail(errno, "open /proc/%d/stat", (int)pid);
        ssize_t n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return errno == ESRCH ? -ESRCH : fail(errno, "read /proc/%d/stat", (int)pid);
        text[n] = '\0';
        char *at = strrchr(text, ')'); /* the name before it is the process's choice: it may hold anything */
        for (int field = 2; at && field < START_TIME_FIELD; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return fail_words(EPROTO, "read /proc/%d/stat: no start time in it", (int)pid);
        at[1 + strcspn(at + 1, " \n")] = '\0';
        return parse_u64(at + 1, 0, UINT64_MAX, ret) < 0
                       ? fail_words(EPROTO, "read /proc/%d/stat: strange start time", (int)pid)
                       : 0;
}

int process_boot_id(const char **ret) {
        static const char *known;
        char *text;
        if (!known) {
                int r = read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &text, NULL);
                if (r < 0)
                        return r;
                text[strcspn(text, "\n")] = '\0';
                known = text;
        }
        *ret = known;
        return 0;
}

/* On pidfs the inode is a number that no other process of this boot ever gets; before, all pidfds share one.  A kernel
 * has all of them there or none, so it is asked once. */
static uint64_t pidfd_inode(int pidfd) {
        static enum { UNKNOWN, SHARED, UNIQUE } inodes;
        struct statfs filesystem;
        struct stat status;
        if (inodes == UNKNOWN)
                inodes = fstatfs(pidfd, &filesystem) == 0 && filesystem.f_type == PID_FS_MAGIC_ ? UNIQUE : SHARED;
        return inodes == UNIQUE && fstat(pidfd, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

bool process_is_gone(int pidfd) {
        struct pollfd ended = { .fd = pidfd, .events = POLLIN };
        return poll(&ended, 1, 0) > 0;
}

int process_remember(pid_t pid, int pidfd, struct container_record *record) {
        int r = process_boot_id(&record->boot_id);
        if (r == 0)
                r = process_start_time(pid, &record->start_time);
        if (r == 0 && process_is_gone(pidfd))
                r = -ESRCH;
        if (r < 0)
                return r == -ESRCH ? fail_words(ESRCH, "the container's process %d ended early", (int)pid) : r;
        record->pid = pid;
        record->pid_inode = pidfd_inode(pidfd);
        return 0;
}

/* The inode alone says who it is; where the kernel has none, or had none when it was recorded, the start time does. */
static int check_identity(const struct container_record *record, int pidfd) {
        uint64_t start_time;
        if (record->pid_inode)
                return record->pid_inode == pidfd_inode(pidfd) ? 0 : -ESRCH;
        int r = process_start_time((pid_t)record->pid, &start_time);
        return r == 0 && start_time != record->start_time ? -ESRCH : r;
}

int process_find(const struct container_record *record, int *ret_pidfd) {
        const char *boot_id;
        int r = process_boot_id(&boot_id);
        if (r < 0)
                return r;
        if (record->pid <= 0 || !record->boot_id || !str_eq(record->boot_id, boot_id))
                return -ESRCH;
        autofd pidfd = (int)syscall(SYS_pidfd_open, (pid_t)record->pid, 0);
        if (pidfd < 0)
                return errno == ESRCH || errno == EINVAL ? -ESRCH : fail(errno, "pidfd_open %d", (int)record->pid);
        r = check_identity(record, pidfd);
        if (r == 0)
                *ret_pidfd = fd_take(&pidfd);
        return r;
}

int process_open(const struct container_record *record, int *ret_pidfd) {
        autofd pidfd = -1;
        int r = process_find(record, &pidfd);
        if (r < 0)
                return r;
        /* Asked last: if it still lives now, what was read above was about it and nobody else. */
        if (process_is_gone(pidfd))
                return -ESRCH;
        *ret_pidfd = fd_take(&pidfd);
        return 0;
}
