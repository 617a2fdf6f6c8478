/* Plans of a few steps each, run for real: in a mount namespace of our own (and a user namespace when we are not root),
 * on a tmpfs that goes away with it.  Beside the container's root lies a canary folder that hostile links lead to. */
#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"
#include "specs/base/sys.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

static char base[] = "/tmp/rundlet-steps-test-XXXXXX";
static bool is_root;
static int slots[SLOT_MAX];
static struct context context = { .slot = slots, .start = -1 };
static struct plan *plan;
static size_t failed_step;

#define ADD(kind, ...) plan_add(plan, LANE_CHILD, kind, __VA_ARGS__)
#define TEXT(text)     plan_text(plan, text)

static const char *in_base(const char *name) {
        return str_path(base, name);
}

/* Runs what was added since the last time. */
static int run(void) {
        struct lane lane = plan_lane(plan, LANE_CHILD);
        int r = steps_run(&lane, &context, &failed_step);
        plan->count[LANE_CHILD] = 0;
        return r;
}

/* Runs it in a child that changes itself for good; then check (0: fine) decides.  The errno of a failed step or what
 * check says is returned. */
static int run_apart(int (*check)(void)) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
                int r = run();
                _exit(r < 0 ? -r : check ? check() : 0);
        }
        plan->count[LANE_CHILD] = 0;
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void make_file(const char *name, const char *text) {
        autofd fd = open(in_base(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
                printf("Bail out! cannot make %s\n", name);
}

static bool file_is(const char *name, const char *text) {
        char buffer[256];
        autofd fd = open(in_base(name), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);
        if (n < 0)
                return false;
        buffer[n] = '\0';
        return str_eq(buffer, text);
}

static int count_entries(const char *name) {
        DIR *list = opendir(in_base(name));
        int n = -2;
        while (list && readdir(list))
                n++;
        if (list)
                (void)closedir(list);
        return n;
}

static bool is_mount_point(const char *name) {
        struct statx status;
        return statx(AT_FDCWD, in_base(name), AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
               (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void open_slot(int slot, const char *name) {
        slots[slot] = fd_close(slots[slot]);
        slots[slot] = open(in_base(name), O_PATH | O_CLOEXEC);
}

static void write_proc(const char *path, const char *text) {
        autofd fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                printf("# %s: %s\n", path, strerror(errno));
}

static bool set_up(void) {
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

static void tear_down(void) {
        (void)sys_umount2(base, MNT_DETACH);
        (void)rmdir(base);
}

static int make_tmpfs_at(const char *path, uint64_t flags) {
        ADD(STEP_FS, .a = TEXT("tmpfs"), .into = SLOT_MOUNT);
        ADD(STEP_TARGET, .slot = SLOT_ROOT, .a = TEXT(path), .into = SLOT_TARGET, .flags = flags);
        ADD(STEP_ATTACH, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
        return run();
}

static void test_attach(void) {
        open_slot(SLOT_ROOT, "root");
        CHECK_INT(make_tmpfs_at("/data/deep", TARGET_FOLDER), 0);
        CHECK(is_mount_point("root/data/deep"));
        /* An absolute link, a relative way out and a link in the middle all stay in the root. */
        CHECK(symlink(in_base("canary"), in_base("root/absolute")) == 0);
        CHECK(symlink("../../../canary", in_base("root/upward")) == 0);
        CHECK_INT(make_tmpfs_at("/absolute", TARGET_FOLDER), 0);
        CHECK_INT(make_tmpfs_at("/upward/below", TARGET_FOLDER), 0);
        CHECK(is_mount_point("root/canary/below"));
        CHECK(!is_mount_point("canary"));
        CHECK_INT(count_entries("canary"), 0);
        CHECK_INT(make_tmpfs_at("/nothing", 0), -ENOENT);
        CHECK_INT(failed_step, 1);
        /* A mount point as the mount is: here a file. */
        make_file("source", "bound");
        ADD(STEP_TREE, .a = TEXT(in_base("source")), .into = SLOT_MOUNT);
        ADD(STEP_ATTR, .slot = SLOT_MOUNT, .flags = ATTR(MOUNT_ATTR_RDONLY, 0));
        ADD(STEP_TARGET, .slot = SLOT_ROOT, .a = TEXT("/new/file"), .into = SLOT_TARGET,
            .flags = TARGET_LIKE | (uint64_t)SLOT_MOUNT << 32);
        ADD(STEP_ATTACH, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
        CHECK_INT(run(), 0);
        CHECK(file_is("root/new/file", "bound"));
        CHECK(open(in_base("root/new/file"), O_WRONLY) < 0 && errno == EROFS);
}

static void test_plain(void) {
        CHECK(symlink("data", in_base("root/linked")) == 0);
        CHECK_INT(make_tmpfs_at("/linked", TARGET_FOLDER | TARGET_PLAIN), -ELOOP);
        CHECK_INT(make_tmpfs_at("/linked/below", TARGET_FOLDER | TARGET_PLAIN), -ELOOP);
        CHECK_INT(make_tmpfs_at("/data/../data", TARGET_FOLDER | TARGET_PLAIN), -EINVAL);
        CHECK_INT(make_tmpfs_at("/data/deep", TARGET_FOLDER | TARGET_PLAIN), -EXDEV);
        CHECK_INT(make_tmpfs_at("/plain/new", TARGET_FOLDER | TARGET_PLAIN), 0);
        CHECK(is_mount_point("root/plain/new"));
}

static void test_mask(void) {
        CHECK(mkdir(in_base("root/secrets"), 0755) == 0 && mkdir(in_base("empty"), 0755) == 0);
        make_file("root/secrets/key", "secret");
        make_file("root/secret", "secret");
        slots[SLOT_NULL] = open("/dev/null", O_PATH | O_CLOEXEC);
        ADD(STEP_FS, .a = TEXT("tmpfs"), .into = SLOT_EMPTY);
        ADD(STEP_OPEN, .a = TEXT(in_base("empty")), .flags = O_PATH, .into = SLOT_TARGET, .more = OPEN_FOLDER);
        ADD(STEP_ATTACH, .slot = SLOT_EMPTY, .into = SLOT_TARGET);
        ADD(STEP_MASK, .slot = SLOT_ROOT, .a = TEXT("/secret"));
        ADD(STEP_MASK, .slot = SLOT_ROOT, .a = TEXT("/secrets"));
        ADD(STEP_MASK, .slot = SLOT_ROOT, .a = TEXT("/absent"));
        ADD(STEP_MASK, .slot = SLOT_ROOT, .a = TEXT("/secret/below"));
        CHECK_INT(run(), 0);
        CHECK(file_is("root/secret", ""));
        CHECK_INT(count_entries("root/secrets"), 0);
        CHECK(mkdir(in_base("root/secrets/new"), 0755) < 0 && errno == EROFS);
        CHECK(mkdir(in_base("canary/key"), 0755) == 0);
        CHECK(symlink(in_base("canary"), in_base("root/masked")) == 0);
        ADD(STEP_MASK, .slot = SLOT_ROOT, .a = TEXT("/masked"));
        CHECK_INT(run(), 0);
        CHECK_INT(count_entries("canary"), 1);
        CHECK(rmdir(in_base("canary/key")) == 0);
}

static void test_readonly(void) {
        CHECK(mkdir(in_base("root/fixed"), 0755) == 0);
        make_file("root/fixed/file", "old");
        ADD(STEP_READONLY, .slot = SLOT_ROOT, .a = TEXT("/fixed"), .flags = MOUNT_ATTR_NOSUID);
        ADD(STEP_READONLY, .slot = SLOT_ROOT, .a = TEXT("/absent"));
        CHECK_INT(run(), 0);
        CHECK(open(in_base("root/fixed/file"), O_WRONLY) < 0 && errno == EROFS);
        CHECK(open(in_base("root/fixed/new"), O_WRONLY | O_CREAT, 0644) < 0 && errno == EROFS);
}

static bool is_device(const char *name, mode_t mode, unsigned minor_number) {
        struct stat status;
        return lstat(in_base(name), &status) == 0 && status.st_mode == mode && major(status.st_rdev) == 1 &&
               minor(status.st_rdev) == minor_number;
}

static void test_node(void) {
        ADD(STEP_NODE, .slot = SLOT_ROOT, .a = TEXT("/dev/fifo"), .flags = NODE(S_IFIFO | 0622, 0), .more = IDS(0, 0));
        ADD(STEP_LINK, .slot = SLOT_ROOT, .a = TEXT("/dev/fd"), .b = TEXT("/proc/self/fd"));
        ADD(STEP_LINK, .slot = SLOT_ROOT, .a = TEXT("/secret"), .b = TEXT("/elsewhere"));
        ADD(STEP_LINK, .slot = SLOT_ROOT, .a = TEXT("/upward/link"), .b = TEXT("x"));
        CHECK_INT(run(), 0);
        CHECK(file_is("root/secret", ""));
        CHECK_INT(count_entries("canary"), 0);
        char target[64] = "";
        CHECK(readlink(in_base("root/dev/fd"), target, sizeof(target) - 1) > 0 && str_eq(target, "/proc/self/fd"));
        if (!is_root) {
                printf("ok %d # SKIP devices need root\n", ++test_count);
                return;
        }
        /* What the image has put there is a link out of it, a FIFO, another device, or the right one. */
        make_file("canary/file", "untouched");
        CHECK(symlink(in_base("canary/file"), in_base("root/dev/null")) == 0);
        CHECK(mkfifo(in_base("root/dev/zero"), 0600) == 0);
        CHECK(mknod(in_base("root/dev/full"), S_IFCHR | 0600, makedev(1, 1)) == 0);
        CHECK(mknod(in_base("root/dev/random"), S_IFCHR | 0640, makedev(1, 8)) == 0);
        static const struct {
                const char *path;
                unsigned number;
        } nodes[] = { { "/dev/null", 3 }, { "/dev/zero", 5 }, { "/dev/full", 7 }, { "/dev/random", 8 } };
        for (size_t i = 0; i < 4; i++)
                ADD(STEP_NODE, .slot = SLOT_ROOT, .a = TEXT(nodes[i].path),
                    .flags = NODE(S_IFCHR | 0666, makedev(1, nodes[i].number)), .more = IDS(0, 0));
        CHECK_INT(run(), 0);
        CHECK(is_device("root/dev/null", S_IFCHR | 0666, 3));
        CHECK(is_device("root/dev/zero", S_IFCHR | 0666, 5));
        CHECK(is_device("root/dev/full", S_IFCHR | 0666, 7));
        CHECK(is_device("root/dev/random", S_IFCHR | 0640, 8));
        CHECK(file_is("canary/file", "untouched"));
        CHECK(unlink(in_base("canary/file")) == 0);
}

/* The fd that came over the socket, -1 when none; what was said with it goes to text. */
static int receive_fd(int from, char *text, size_t size) {
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

static void test_pty(void) {
        int ends[2];
        char text[64], line[16] = "";
        struct winsize size = { 0 };
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        autofd ours = ends[0];
        slots[SLOT_CONSOLE] = ends[1];
        CHECK(mkdir(in_base("root/dev/fake"), 0755) == 0);
        make_file("root/dev/fake/ptmx", "");
        ADD(STEP_PTY, .slot = SLOT_ROOT, .a = TEXT("/dev/fake/ptmx"), .into = SLOT_TTY);
        CHECK_INT(run(), -ENODEV);
        ADD(STEP_FS, .a = TEXT("devpts"), .b = plan_bytes(plan, "newinstance\0ptmxmode=0666\0mode=0620\0", 37, 1),
            .into = SLOT_MOUNT);
        ADD(STEP_TARGET, .slot = SLOT_ROOT, .a = TEXT("/dev/pts"), .into = SLOT_TARGET, .flags = TARGET_FOLDER);
        ADD(STEP_ATTACH, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
        ADD(STEP_PTY, .slot = SLOT_ROOT, .a = TEXT("/dev/pts/ptmx"), .flags = 24 << 16 | 80, .more = 0,
            .into = SLOT_TTY);
        ADD(STEP_CONSOLE, .slot = SLOT_ROOT, .a = TEXT("/dev/console"));
        CHECK_INT(run(), 0);
        autofd master = receive_fd(ours, text, sizeof(text));
        CHECK_STR(text, "/dev/pts/0");
        CHECK(ioctl(master, TIOCGWINSZ, &size) == 0 && size.ws_row == 24 && size.ws_col == 80);
        CHECK_INT(slots[SLOT_CONSOLE], -1);
        autofd console = open(in_base("root/dev/console"), O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK(console >= 0 && write(console, "hello", 5) == 5 && read(master, line, sizeof(line) - 1) == 5);
        CHECK_STR(line, "hello");
        CHECK(symlink(in_base("canary/made"), in_base("root/dev/console2")) == 0);
        ADD(STEP_CONSOLE, .slot = SLOT_ROOT, .a = TEXT("/dev/console2"));
        CHECK_INT(run(), -ELOOP);
        CHECK_INT(count_entries("canary"), 0);
}

static void test_copyup(void) {
        struct stat status;
        char target[32] = "";
        CHECK(mkdir(in_base("from"), 0755) == 0 && mkdir(in_base("to"), 0755) == 0 &&
              mkdir(in_base("from/a"), 0751) == 0);
        CHECK(mkdir(in_base("from/a/b"), 0700) == 0 && mkdir(in_base("from/a/other"), 0755) == 0);
        make_file("from/a/b/deep", "deep");
        make_file("from/file", "file");
        CHECK(chmod(in_base("from/file"), 04711) == 0);
        CHECK(symlink("/etc/shadow", in_base("from/link")) == 0 && mkfifo(in_base("from/fifo"), 0600) == 0);
        CHECK(sys_mount("tmpfs", in_base("from/a/other"), "tmpfs", 0, NULL) == 0);
        make_file("from/a/other/hidden", "");
        open_slot(SLOT_MOUNT, "from");
        open_slot(SLOT_TARGET, "to");
        ADD(STEP_COPYUP, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
        CHECK_INT(run(), 0);
        CHECK(file_is("to/a/b/deep", "deep"));
        CHECK(stat(in_base("to/a"), &status) == 0 && status.st_mode == (S_IFDIR | 0751));
        CHECK(stat(in_base("to/file"), &status) == 0 && status.st_mode == (S_IFREG | 04711));
        CHECK(readlink(in_base("to/link"), target, sizeof(target) - 1) > 0 && str_eq(target, "/etc/shadow"));
        CHECK(lstat(in_base("to/fifo"), &status) < 0);
        CHECK(lstat(in_base("to/a/other"), &status) < 0);
        char deep[1024] = "from";
        for (int i = 0; i < 70; i++) {
                (void)strcat(deep, "/d");
                (void)mkdir(in_base(deep), 0755);
        }
        CHECK(mkdir(in_base("to2"), 0755) == 0);
        open_slot(SLOT_TARGET, "to2");
        ADD(STEP_COPYUP, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
        CHECK_INT(run(), -ELOOP);
}

static void add_hook(const char *script, uint64_t timeout_ms) {
        struct strv args = { 0 }, env = { 0 };
        strv_add(&args, "hook");
        strv_add(&args, "-c");
        strv_add(&args, script);
        strv_add(&env, str_format("WHERE=%s", base));
        struct hook_data data = { plan_strings(plan, &args), plan_strings(plan, &env) };
        ADD(STEP_HOOK, .a = TEXT("/bin/sh"), .b = plan_bytes(plan, &data, sizeof(data), _Alignof(struct hook_data)),
            .more = timeout_ms);
}

static void test_hook(void) {
        make_file("state", "{\"state\":1}");
        slots[SLOT_STATE] = open(in_base("state"), O_RDONLY | O_CLOEXEC);
        /* Twice: each hook reads the state from its beginning, has its own environment, and no fd but the first three.
         */
        add_hook(
                "read line; printf '%s' \"$line\" >$WHERE/heard; ls /proc/self/fd | wc -l >$WHERE/fds; pwd >$WHERE/pwd",
                0);
        add_hook("read line; printf '%s' \"$line\" >$WHERE/again", 5000);
        CHECK_INT(run(), 0);
        CHECK(file_is("heard", "{\"state\":1}"));
        CHECK(file_is("again", "{\"state\":1}"));
        CHECK(file_is("fds", "4\n"));
        CHECK(file_is("pwd", "/\n"));
        add_hook("exit 3", 0);
        CHECK_INT(run(), -ECANCELED);
        add_hook("sleep 60 & sleep 60", 100);
        CHECK_INT(run(), -ETIMEDOUT);
        struct hook_data data = { 0, 0 };
        ADD(STEP_HOOK, .a = TEXT("/no/such/hook"), .b = plan_bytes(plan, &data, sizeof(data), 4));
        CHECK_INT(run(), -ENOENT);
}

static void test_find(void) {
        CHECK(mkdir(in_base("bin"), 0755) == 0 && mkdir(in_base("bin/folder"), 0755) == 0);
        make_file("bin/plain", "#!/bin/sh\n");
        make_file("bin/script", "#!/bin/sh\n");
        CHECK(chmod(in_base("bin/script"), 0755) == 0);
        const char *path = str_format("/nowhere:%s:/bin", in_base("bin"));
        ADD(STEP_FIND, .a = TEXT("script"), .b = TEXT(path));
        CHECK_INT(run(), 0);
        CHECK_STR(context.program, in_base("bin/script"));
        const struct {
                const char *program;
                int want;
        } rows[] = { { "plain", -EACCES },
                     { "folder", -EACCES },
                     { "missing", -ENOENT },
                     { "", -ENOENT },
                     { in_base("bin/folder"), -EACCES },
                     { in_base("bin/missing"), -ENOENT },
                     { in_base("bin/script"), 0 } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                ADD(STEP_FIND, .a = TEXT(rows[i].program), .b = TEXT(path));
                CHECK_ROW(run() == rows[i].want, str_format("find \"%s\"", rows[i].program));
        }
}

static int cwd_is_made(void) {
        char where[256];
        return getcwd(where, sizeof(where)) && str_eq(where, "/made/here") ? 0 : 200;
}

static void test_cwd(void) {
        autofd host = open("/", O_RDONLY | O_DIRECTORY);
        CHECK(mkdir(in_base("root/proc"), 0755) == 0);
        ADD(STEP_TREE, .a = TEXT("/proc"), .into = SLOT_MOUNT);
        ADD(STEP_TARGET, .slot = SLOT_ROOT, .a = TEXT("/proc"), .into = SLOT_TARGET);
        ADD(STEP_ATTACH, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
        CHECK_INT(run(), 0);
        ADD(STEP_CHROOT, .slot = SLOT_ROOT);
        ADD(STEP_CWD, .a = TEXT(str_format("/proc/self/fd/%d", host)));
        CHECK_INT(run_apart(NULL), EXDEV);
        ADD(STEP_CHROOT, .slot = SLOT_ROOT);
        ADD(STEP_CWD, .a = TEXT("/made/here"));
        CHECK_INT(run_apart(cwd_is_made), 0);
        ADD(STEP_CHROOT, .slot = SLOT_ROOT);
        ADD(STEP_CWD, .a = TEXT("/secret"));
        CHECK_INT(run_apart(NULL), ENOTDIR);
        /* Fds are gone before execve, so that no link of proc leads to the host. */
        ADD(STEP_FDS, .flags = 3);
        ADD(STEP_CWD, .a = TEXT(str_format("/proc/self/fd/%d", host)));
        CHECK(run_apart(NULL) != 0);
}

static int only_canary_is_out(void) {
        struct stat status;
        if (stat("/data", &status) < 0)
                return 201;
        if (stat(in_base("root"), &status) == 0 || stat("/usr", &status) == 0)
                return 202;
        return chdir("../../..") == 0 && stat("data", &status) == 0 ? 0 : 203;
}

static void test_pivot(void) {
        static const enum step_kind ways[] = { STEP_PIVOT, STEP_MOVE_ROOT };
        for (size_t i = 0; i < 2; i++) {
                ADD(STEP_UNSHARE, .flags = CLONE_NEWNS);
                ADD(STEP_TREE, .a = TEXT(in_base("root")), .into = SLOT_MOUNT, .flags = AT_RECURSIVE);
                ADD(STEP_OPEN, .a = TEXT(in_base("root")), .into = SLOT_TARGET, .flags = O_PATH, .more = OPEN_FOLDER);
                ADD(STEP_ATTACH, .slot = SLOT_MOUNT, .into = SLOT_TARGET);
                plan_add(plan, LANE_CHILD, ways[i], .slot = SLOT_MOUNT);
                CHECK_INT(run_apart(only_canary_is_out), 0);
        }
}

static void test_write(void) {
        char name[32] = "";
        ADD(STEP_OPEN, .a = TEXT("/proc/self"), .flags = O_PATH | O_DIRECTORY, .into = SLOT_PROC, .more = OPEN_FOLDER);
        ADD(STEP_WRITE, .slot = SLOT_PROC, .a = TEXT("comm"), .b = TEXT("written"));
        CHECK_INT(run(), 0);
        CHECK(prctl(PR_GET_NAME, name) == 0);
        CHECK_STR(name, "written");
        ADD(STEP_OPEN, .a = TEXT("/proc/self"), .flags = O_PATH | O_DIRECTORY, .into = SLOT_PROC, .more = OPEN_PROC);
        CHECK_INT(run(), -ENODEV);
        ADD(STEP_OPEN, .a = TEXT("/dev/zero"), .flags = O_PATH, .into = SLOT_NULL, .more = OPEN_NULL);
        CHECK_INT(run(), -ENODEV);
        ADD(STEP_OPEN, .a = TEXT("/proc/self/ns/uts"), .into = SLOT_FREE,
            .more = OPEN_NAMESPACE | (uint64_t)CLONE_NEWNET << 32);
        CHECK_INT(run(), -EINVAL);
        ADD(STEP_OPEN, .a = TEXT("/proc/self/ns/uts"), .into = SLOT_FREE,
            .more = OPEN_NAMESPACE | (uint64_t)CLONE_NEWUTS << 32);
        CHECK_INT(run(), 0);
        /* A failure that is tolerated leaves no fd of an earlier step behind. */
        ADD(STEP_OPEN, .a = TEXT("/no/such"), .into = SLOT_FREE, .tolerate = ENOENT);
        CHECK_INT(run(), 0);
        CHECK_INT(slots[SLOT_FREE], -1);
}

static void test_overlay(void) {
        CHECK(mkdir(in_base("low"), 0755) == 0 && mkdir(in_base("up"), 0755) == 0 && mkdir(in_base("work"), 0755) == 0);
        CHECK(mkdir(in_base("merged"), 0755) == 0 && mkdir(in_base("low2"), 0755) == 0);
        make_file("low/file", "low");
        open_slot(SLOT_FREE, "low");
        open_slot(SLOT_FREE + 1, "low2");
        open_slot(SLOT_FREE + 2, "up");
        open_slot(SLOT_FREE + 3, "work");
        open_slot(SLOT_ROOTFS, "merged");
        const char *low = plan_slot_reference(SLOT_FREE), *low2 = plan_slot_reference(SLOT_FREE + 1);
        const char *up = plan_slot_reference(SLOT_FREE + 2), *work = plan_slot_reference(SLOT_FREE + 3);
        ADD(STEP_OVERLAY_OLD, .slot = SLOT_ROOTFS, .into = SLOT_MOUNT,
            .a = TEXT(str_format("lowerdir=%s:%s,upperdir=%s,workdir=%s", low, low2, up, work)));
        int r = run();
        if (r == -ENODEV || (r == -EPERM && !is_root)) {
                printf("ok %d # SKIP no overlay here\n", ++test_count);
                return;
        }
        CHECK_INT(r, 0);
        CHECK(file_is("merged/file", "low"));
        autofd file = openat(slots[SLOT_MOUNT], "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        CHECK(file >= 0 && file_is("up/new", ""));
}

static int has_no_privilege(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];
        if (sys_capget(&header, data) < 0 || data[0].permitted != 1u << CAP_KILL || data[1].permitted != 0)
                return 201;
        if (data[0].effective != 1u << CAP_KILL || data[0].inheritable != 1u << CAP_KILL)
                return 202;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0) != 1)
                return 203;
        if (prctl(PR_CAPBSET_READ, CAP_KILL) != 1 || prctl(PR_CAPBSET_READ, CAP_CHOWN) != 0)
                return 204;
        int signal_number = 0;
        if (prctl(PR_GET_PDEATHSIG, &signal_number) < 0 || signal_number != SIGKILL)
                return 205;
        return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && getuid() == (is_root ? 1000u : 0u) ? 0 : 206;
}

static void test_identity(void) {
        const struct step_caps caps = { 1 << CAP_KILL, 1 << CAP_KILL, 1 << CAP_KILL, 1 << CAP_KILL };
        uint32_t id = is_root ? 1000 : 0;
        ADD(STEP_GUARD, .flags = 1);
        ADD(STEP_BOUNDS, .flags = 1 << CAP_KILL);
        if (is_root)
                ADD(STEP_GROUPS, .flags = 0);
        ADD(STEP_IDS, .flags = IDS(id, id), .more = 1);
        ADD(STEP_CAPS, .b = plan_bytes(plan, &caps, sizeof(caps), 8));
        ADD(STEP_NNP);
        CHECK_INT(run_apart(has_no_privilege), 0);
}

static int personality_is_denied(void) {
        return sys_personality(0xffffffff) == -EACCES ? 0 : 201;
}

static void test_seccomp(void) {
        const struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        int ends[2];
        char text[64];
        uint32_t at = plan_bytes(plan, filter, sizeof(filter), 8);
        ADD(STEP_NNP);
        ADD(STEP_SECCOMP, .b = at, .flags = 4);
        CHECK_INT(run_apart(personality_is_denied), 0);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        autofd ours = ends[0];
        slots[SLOT_NOTIFY] = ends[1];
        make_file("agent", "{\"agent\":1}");
        slots[SLOT_NOTIFY_STATE] = open(in_base("agent"), O_RDONLY | O_CLOEXEC);
        ADD(STEP_NNP);
        ADD(STEP_SECCOMP, .b = at, .flags = 4, .more = SECCOMP_FILTER_FLAG_NEW_LISTENER);
        CHECK_INT(run_apart(NULL), 0);
        autofd listener = receive_fd(ours, text, sizeof(text));
        CHECK(listener >= 0);
        CHECK_STR(text, "{\"agent\":1}");
        slots[SLOT_NOTIFY] = fd_close(slots[SLOT_NOTIFY]);
}

/* The other side of the talk of start. */
static int dial(const struct sockaddr_un *address) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        return connect(fd, (const void *)address, sizeof(*address)) < 0 ? fd_close(fd) : fd;
}

static int hear_type(int fd) {
        struct step_message message;
        struct pollfd poll_fd = { fd, POLLIN, 0 };
        return poll(&poll_fd, 1, 5000) == 1 && recv(fd, &message, sizeof(message), 0) == sizeof(message) ? message.type
                                                                                                         : 0;
}

static bool say(int fd, uint8_t type) {
        const struct step_message message = { .type = type };
        return send(fd, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message);
}

static void test_start(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int status = 0;
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", base);
        slots[SLOT_START] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        CHECK(bind(slots[SLOT_START], (const void *)&address, sizeof(address)) == 0 &&
              listen(slots[SLOT_START], 4) == 0);
        ADD(STEP_START);
        pid_t pid = fork();
        if (pid == 0)
                _exit(run() == 0 && context.start >= 0 && slots[SLOT_START] < 0 ? 7 : 1);
        plan->count[LANE_CHILD] = 0;
        slots[SLOT_START] = fd_close(slots[SLOT_START]);
        int early = dial(&address); /* dies before it has said anything: the next one is heard */
        CHECK(early >= 0 && fd_close(early) == -1);
        autofd second = dial(&address);
        CHECK(say(second, MESSAGE_START));
        CHECK_INT(hear_type(second), MESSAGE_START);
        CHECK(waitpid(pid, &status, WNOHANG) == 0);
        CHECK(say(second, MESSAGE_GO));
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void) {
        if (!set_up()) {
                printf("1..0 # SKIP no namespaces here: %s\n", strerror(errno));
                return 0;
        }
        test_attach();
        test_plain();
        test_mask();
        test_readonly();
        test_node();
        test_pty();
        test_copyup();
        test_hook();
        test_find();
        test_cwd();
        test_pivot();
        test_write();
        test_overlay();
        test_identity();
        test_seccomp();
        test_start();
        CHECK_STR(step_name(STEP_MASK), "mask");
        tear_down();
        return test_done();
}
