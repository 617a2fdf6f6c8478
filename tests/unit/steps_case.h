/* What the tests of steps share: plans of a few steps each, run for real in a mount namespace of our own (and a user
 * namespace when we are not root), on a tmpfs that goes away with it. */
#ifndef TESTS_UNIT_STEPS_CASE_H
#define TESTS_UNIT_STEPS_CASE_H

#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"
#include "specs/base/sys.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

static char base[] = "/tmp/rundlet-steps-test-XXXXXX";
static bool is_root;
static int slots[SLOT_MAX];
static struct context context = { .slot = slots, .start = -1 };
static struct plan *plan;
static size_t failed_step;

#define ADD(kind, ...) plan_add(plan, LANE_CHILD, kind, __VA_ARGS__)
#define TEXT(text)     plan_text(plan, text)

static inline const char *in_base(const char *name) {
        return str_path(base, name);
}

/* Runs what was added since the last time. */
static inline int run(void) {
        struct lane lane = plan_lane(plan, LANE_CHILD);
        int r = steps_run(&lane, &context, &failed_step);
        plan->count[LANE_CHILD] = 0;
        return r;
}

/* Runs it in a child that changes itself for good; then check (0: fine) decides.  The errno of a failed step or what
 * check says is returned. */
static inline int run_apart(int (*check)(void)) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
                int r = run();
                _exit(r < 0 ? -r : check ? check() : 0);
        }
        plan->count[LANE_CHILD] = 0;
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static inline void make_file(const char *name, const char *text) {
        autofd fd = open(in_base(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                printf("Bail out! cannot make %s\n", name);
}

static inline bool file_is(const char *name, const char *text) {
        char buffer[256];
        autofd fd = open(in_base(name), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);
        if (n < 0)
                return false;
        buffer[n] = '\0';
        return str_eq(buffer, text);
}

static inline void open_slot(int slot, const char *name) {
        slots[slot] = fd_close(slots[slot]);
        slots[slot] = open(in_base(name), O_PATH | O_CLOEXEC);
}

static inline void write_proc(const char *path, const char *text) {
        autofd fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                printf("# %s: %s\n", path, strerror(errno));
}

static inline bool set_up(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        is_root = uid == 0;
        if (!mkdtemp(base) || unshare(is_root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0)
                return false;
        if (!is_root) {
                write_proc("/proc/self/setgroups", "deny");
                write_proc("/proc/self/uid_map", str_format("0 %u 1", uid));
                write_proc("/proc/self/gid_map", str_format("0 %u 1", gid));
        }
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        if (sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0 ||
            sys_mount("tmpfs", base, "tmpfs", 0, NULL) < 0)
                return false;
        (void)umask(0);
        for (int i = 0; i < SLOT_MAX; i++)
                slots[i] = -1;
        plan = plan_new();
        context.data = plan->data;
        return mkdir(in_base("root"), 0755) == 0 && mkdir(in_base("canary"), 0755) == 0;
}

static inline void tear_down(void) {
        (void)sys_umount2(base, MNT_DETACH);
        (void)rmdir(base);
}

/* The fd that came over the socket, -1 when none; what was said with it goes to text. */
static inline int receive_fd(int from, char *text, size_t size) {
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
        struct iovec part = { text, size - 1 };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        ssize_t n = recvmsg(from, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        int fd = -1;
        text[n > 0 ? n : 0] = '\0';
        if (n > 0 && CMSG_FIRSTHDR(&message))
                memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        return fd;
}

#endif
