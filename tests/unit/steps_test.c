/* Steps that act on files and mounts.  Beside the container's root lies a canary folder that hostile links lead to. */
#include "tests/unit/steps_case.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

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

/* By what the name leads to in the root, folder or file; the working directory changes. */
static int detach(const char *path) {
        slots[SLOT_PROC] = fd_close(slots[SLOT_PROC]);
        slots[SLOT_PROC] = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ADD(STEP_DETACH, .slot = SLOT_ROOT, .into = SLOT_PROC, .a = TEXT(path));
        int r = run_apart(NULL);
        slots[SLOT_PROC] = fd_close(slots[SLOT_PROC]);
        return r;
}

static void test_detach(void) {
        CHECK(is_mount_point("root/data/deep"));
        CHECK_INT(detach("/data/../data/deep"), 0);
        CHECK(!is_mount_point("root/data/deep"));
        CHECK_INT(detach("/data/deep"), EINVAL);
        CHECK_INT(detach("/data/nowhere"), ENOENT);
        CHECK_INT(detach("/new/file"), 0);
        CHECK(!is_mount_point("root/new/file"));
        CHECK_INT(detach("/upward/below"), 0); /* a link, as test_attach made it */
        CHECK(!is_mount_point("root/canary/below"));
        CHECK_INT(make_tmpfs_at("/data/deep", TARGET_FOLDER), 0);
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
        ADD(STEP_FS, .a = TEXT("tmpfs"), .into = SLOT_EMPTY, .flags = MOUNT_ATTR_RDONLY);
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
        CHECK_INT(run_apart(NULL), ELOOP);
        ADD(STEP_CHROOT, .slot = SLOT_ROOT);
        ADD(STEP_CWD, .a = TEXT("/made/here"));
        CHECK_INT(run_apart(NULL), ENOENT);
        ADD(STEP_CHROOT, .slot = SLOT_ROOT);
        ADD(STEP_CWD, .a = TEXT("/made/here"), .flags = 1);
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
        const struct {
                const char *path;
                uint64_t expect;
                int want;
        } rows[] = {
                { "/proc/self", OPEN_PROC, -ENODEV },
                { "/dev/zero", OPEN_NULL, -ENODEV },
                { "/dev/zero", OPEN_FOLDER, -ENOTDIR },
                { "/proc/self/ns/uts", OPEN_NAMESPACE | (uint64_t)CLONE_NEWNET << 32, -EINVAL },
                { "/proc/self/ns/uts", OPEN_NAMESPACE | (uint64_t)CLONE_NEWUTS << 32, 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                ADD(STEP_OPEN, .a = TEXT(rows[i].path), .into = SLOT_FREE, .more = rows[i].expect);
                CHECK_ROW(run() == rows[i].want, rows[i].path);
        }
        /* A failure that is tolerated leaves no fd of an earlier step behind. */
        ADD(STEP_OPEN, .a = TEXT("/no/such"), .into = SLOT_FREE, .tolerate = ENOENT);
        CHECK_INT(run(), 0);
        CHECK_INT(slots[SLOT_FREE], -1);
}

static void test_overlay(void) {
        CHECK(mkdir(in_base("merged"), 0755) == 0);
        static const char *const names[] = { "low", "low2", "up", "work" };
        const char *at[4];
        for (int i = 0; i < 4; i++) {
                CHECK(mkdir(in_base(names[i]), 0755) == 0);
                open_slot(SLOT_FREE + i, names[i]);
                at[i] = plan_slot_reference(SLOT_FREE + i);
        }
        make_file("low/file", "low");
        open_slot(SLOT_ROOTFS, "merged");
        ADD(STEP_OVERLAY_OLD, .slot = SLOT_ROOTFS, .into = SLOT_MOUNT,
            .a = TEXT(str_format("lowerdir=%s:%s,upperdir=%s,workdir=%s", at[0], at[1], at[2], at[3])));
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

int main(void) {
        if (!set_up()) {
                printf("1..0 # SKIP no namespaces here: %s\n", strerror(errno));
                return 0;
        }
        test_attach();
        test_detach();
        test_plain();
        test_mask();
        test_readonly();
        test_node();
        test_pty();
        test_copyup();
        test_cwd();
        test_pivot();
        test_write();
        test_overlay();
        tear_down();
        return test_done();
}
