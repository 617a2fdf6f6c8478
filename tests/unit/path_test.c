/* Paths that stay in their root: the kernel's walk, the one by hand, and what is made in between. */
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/path.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* TEMP/root is the root, TEMP/canary must stay empty. */
static char temporary[] = "/tmp/rundlet-path-test-XXXXXX";
static int base, root;

static void make_dir(const char *path) {
        CHECK_ROW(mkdirat(root, path, 0755) == 0, str_format("mkdir %s", path));
}

static void make_file(const char *path) {
        autofd fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        CHECK_ROW(fd >= 0, str_format("make %s", path));
}

static void make_link(const char *target, const char *path) {
        CHECK_ROW(symlinkat(target, root, path) == 0, str_format("link %s", path));
}

/* Whether fd, which is closed, is what is called name below TEMP. */
static bool is_same(int take_fd, const char *name) {
        autofd fd = take_fd;
        struct stat a, b;
        if (fd < 0 || fstat(fd, &a) < 0 || fstatat(base, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool is_empty(const char *name) {
        autofd fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fdopendir(fd);
        int n = 0;
        if (!list)
                return false;
        (void)fd_take(&fd);
        while (readdir(list))
                n++;
        (void)closedir(list);
        return n == 2;
}

static void make_tree(void) {
        make_dir("dir");
        make_dir("dir/sub");
        make_file("file");
        make_file("dir/inner");
        make_link("dir/sub", "relative");
        make_link("/dir/sub", "absolute");
        make_link("../../../../../../dir", "dir/up");
        make_link("/", "slash");
        make_link("..", "dir/sub/back");
        make_link("loop2", "loop1");
        make_link("loop1", "loop2");
        make_link("self/x", "self");
        make_link("nowhere/at/all", "dangling");
        make_link("dir/", "ends-with-slash");
        make_link("file/", "file-slash");
        make_link(str_format("%s/canary", temporary), "outside");
        make_link("../canary", "beside");
        make_link("relative", "chain0");
        for (int i = 1; i < 41; i++)
                make_link(str_format("chain%d", i - 1), str_format("chain%d", i));
}

struct row {
        const char *path;
        int flags;
        const char *want; /* below TEMP, NULL: error */
        int error;
};

static const struct row rows[] = {
        { "dir/sub", O_PATH, "root/dir/sub", 0 },
        { "/dir//sub/.", O_PATH, "root/dir/sub", 0 },
        { "/", O_PATH, "root", 0 },
        { ".", O_RDONLY | O_DIRECTORY, "root", 0 },
        { "..", O_PATH, "root", 0 },
        { "../../..", O_RDONLY, "root", 0 },
        { "/../dir/../../../file", O_RDONLY, "root/file", 0 },
        { "", O_PATH, NULL, -ENOENT },
        { "absent", O_PATH, NULL, -ENOENT },
        { "absent/..", O_PATH, NULL, -ENOENT },
        { "file", O_RDWR, "root/file", 0 },
        { "file/", O_PATH, NULL, -ENOTDIR },
        { "file/.", O_PATH, NULL, -ENOTDIR },
        { "file/..", O_PATH, NULL, -ENOTDIR },
        { "file", O_PATH | O_DIRECTORY, NULL, -ENOTDIR },
        { "file", O_RDONLY | O_DIRECTORY, NULL, -ENOTDIR },
        { "dir", O_WRONLY, NULL, -EISDIR },
        { "relative", O_PATH, "root/dir/sub", 0 },
        { "absolute", O_RDONLY, "root/dir/sub", 0 },
        { "absolute/..", O_PATH, "root/dir", 0 },
        { "dir/up/inner", O_RDONLY, "root/dir/inner", 0 },
        { "slash", O_PATH, "root", 0 },
        { "slash/slash/dir/../file", O_PATH, "root/file", 0 },
        { "relative/back/inner", O_PATH, "root/dir/inner", 0 },
        { "relative", O_PATH | O_NOFOLLOW, "root/relative", 0 },
        { "relative/", O_PATH | O_NOFOLLOW, "root/dir/sub", 0 },
        { "relative/.", O_PATH | O_NOFOLLOW, "root/dir/sub", 0 },
        { "relative", O_RDONLY | O_NOFOLLOW, NULL, -ELOOP },
        { "relative", O_PATH | O_NOFOLLOW | O_DIRECTORY, NULL, -ENOTDIR },
        { "relative", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, NULL, -ENOTDIR },
        { "loop1", O_PATH, NULL, -ELOOP },
        { "loop1", O_PATH | O_NOFOLLOW, "root/loop1", 0 },
        { "self", O_PATH, NULL, -ELOOP },
        { "dangling", O_PATH, NULL, -ENOENT },
        { "dangling/x", O_PATH, NULL, -ENOENT },
        { "ends-with-slash", O_PATH, "root/dir", 0 },
        { "file-slash", O_PATH, NULL, -ENOTDIR },
        { "outside", O_PATH, NULL, -ENOENT },
        { "beside", O_PATH, NULL, -ENOENT },
        { "beside/x", O_RDONLY, NULL, -ENOENT },
        { "chain38", O_PATH, "root/dir/sub", 0 },
        { "chain39", O_PATH, NULL, -ELOOP },
        { "file", O_RDWR | O_CREAT, NULL, -EINVAL },
        { "dir", O_RDWR | O_TMPFILE, NULL, -EINVAL },
};

static void check_row(const struct row *row, int (*open_it)(int, const char *, int), const char *who) {
        const char *what = str_format("%s <%s> flags %o", who, row->path, (unsigned)row->flags);
        int fd = open_it(root, row->path, row->flags);
        CHECK_ROW(fd < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC), what);
        if (!row->want)
                CHECK_ROW(fd == row->error, str_format("%s: %d", what, fd));
        CHECK_ROW(row->want ? is_same(fd, row->want) : fd_close(fd) == -1, what);
}

static void test_open(void) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                check_row(&rows[i], open_in, "kernel");
                check_row(&rows[i], open_in_by_hand, "by hand");
        }
        char *name = arena_alloc(NAME_MAX + 2), *path = arena_alloc(PATH_MAX + 1);
        memset(name, 'n', NAME_MAX + 1);
        memset(path, '/', PATH_MAX);
        CHECK_INT(open_in(root, name, O_PATH), -ENAMETOOLONG);
        CHECK_INT(open_in_by_hand(root, name, O_PATH), -ENAMETOOLONG);
        CHECK_INT(open_in(root, path, O_PATH), -ENAMETOOLONG);
        CHECK_INT(open_in_by_hand(root, path, O_PATH), -ENAMETOOLONG);
        CHECK_INT(open_in_by_hand(-1, "x", O_PATH), -EBADF);
}

/* Under a filter that does not know openat2, as in an old container engine: answers with errnum. */
static int open_filtered(int errnum) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return 1;
        bool good = is_same(open_in(root, "absolute/..", O_PATH), "root/dir") &&
                    is_same(mkdirs_in(root, "filtered/x", 0755), "root/filtered/x") &&
                    open_in(root, "outside", O_PATH) == -ENOENT;
        return good ? 0 : 2;
}

static void test_without_openat2(void) {
        static const int errors[] = { ENOSYS, EPERM };
        for (size_t i = 0; i < 2; i++) {
                int status = -1;
                (void)fflush(NULL);
                pid_t pid = fork();
                if (pid == 0)
                        _exit(open_filtered(errors[i]));
                (void)waitpid(pid, &status, 0);
                CHECK_INT(status, 0);
        }
}

/* The links of proc that lead out of every root. */
static void test_magic(void) {
        static const char *const paths[] = { "self/root", "self/root/etc", "self/cwd", "self/exe", "self/fd/0/x" };
        autofd proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                CHECK_ROW(open_in(proc, paths[i], O_PATH) == -ELOOP, str_format("kernel %s", paths[i]));
                CHECK_ROW(open_in_by_hand(proc, paths[i], O_PATH) == -ELOOP, str_format("by hand %s", paths[i]));
        }
        autofd self = open_in(proc, "self", O_PATH);
        CHECK(self >= 0);
        CHECK_INT(open_in_by_hand(proc, "self", O_PATH), -ELOOP);
}

static unsigned dice;

static unsigned roll(unsigned sides) {
        dice = dice * 1103515245u + 12345u;
        return (dice >> 16) % sides;
}

/* A path of a few components, often a link, often with "..". */
static const char *random_path(unsigned most) {
        static const char *const parts[] = { "a", "b", "c", "d", "..", ".", "", "e" };
        const char *path = roll(3) ? "" : "/";
        for (unsigned n = 1 + roll(most); n > 0; n--)
                path = str_format("%s%s%s", path, parts[roll(8)], n > 1 || roll(8) == 0 ? "/" : "");
        return path;
}

/* Names are made in folders that were made here, so nothing is followed out of the tree. */
static void grow_random_tree(int tree) {
        struct strv folders = { 0 };
        strv_add(&folders, ".");
        for (int i = 0; i < 40; i++) {
                const char *path = str_path(folders.at[roll((unsigned)folders.n)], str_format("%c", "abcde"[roll(5)]));
                unsigned kind = roll(5);
                if (kind < 2 && mkdirat(tree, path, 0755) == 0)
                        strv_add(&folders, path);
                else if (kind == 2)
                        (void)fd_close(openat(tree, path, O_CREAT | O_EXCL | O_CLOEXEC, 0644));
                else if (kind > 2 && symlinkat(random_path(4), tree, path) < 0)
                        continue; /* something is there already */
        }
}

/* Both walks must say the same: the same file, or the same error. */
static int found;

static int compare_walks(int tree, const char *path, int flags) {
        struct stat a = { 0 }, b = { 0 };
        autofd kernel = open_in(tree, path, flags);
        autofd hand = open_in_by_hand(tree, path, flags);
        if (kernel < 0 || hand < 0)
                return kernel == hand;
        found++;
        return fstat(kernel, &a) == 0 && fstat(hand, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void test_random(void) {
        static const int flags[] = {
                O_PATH, O_RDONLY, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY, O_PATH | O_DIRECTORY,
                O_RDWR | O_NOFOLLOW,
                O_PATH | O_DIRECTORY | O_NOFOLLOW,
        };
        for (unsigned seed = 1; seed <= 40; seed++) {
                int good = 1;
                const char *name = str_format("random%u", seed);
                dice = seed;
                CHECK_ROW(mkdirat(base, name, 0755) == 0, name);
                autofd tree = openat(base, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                grow_random_tree(tree);
                for (int i = 0; i < 500 && good; i++) {
                        const char *path = random_path(6);
                        int how = flags[roll(sizeof(flags) / sizeof(flags[0]))];
                        good = compare_walks(tree, path, how);
                        if (!good)
                                printf("# seed %u path <%s> flags %o\n", seed, path, (unsigned)how);
                }
                CHECK_ROW(good, str_format("both walks agree on tree %u", seed));
        }
        CHECK_ROW(found > 4000, str_format("the random paths led somewhere %d times", found));
}

static void test_mkdirs(void) {
        CHECK(is_same(mkdirs_in(root, "new/a/b", 0700), "root/new/a/b"));
        CHECK(is_same(mkdirs_in(root, "/new/a/b/", 0700), "root/new/a/b"));
        CHECK(is_same(mkdirs_in(root, "/", 0700), "root"));
        CHECK(is_same(mkdirs_in(root, "new/../../new2/./c/..", 0700), "root/new2"));
        CHECK(is_same(mkdirs_in(root, "absolute/made", 0755), "root/dir/sub/made"));
        CHECK(is_same(mkdirs_in(root, "dangling/x", 0755), "root/nowhere/at/all/x"));
        CHECK_INT(mkdirs_in(root, "file/x", 0755), -ENOTDIR);
        CHECK_INT(mkdirs_in(root, "file", 0755), -ENOTDIR);
        CHECK_INT(mkdirs_in(root, "loop1/x", 0755), -ELOOP);
        CHECK_INT(mkdirs_in(root, "", 0755), -ENOENT);
        struct stat status;
        CHECK(fstatat(base, "root/new/a", &status, 0) == 0 && (status.st_mode & 07777) == 0700);
        /* What points out of the root lands in it. */
        CHECK(is_same(mkdirs_in(root, "outside/x/y", 0755), str_format("root/%s/canary/x/y", temporary)));
        CHECK(is_same(mkdirs_in(root, "beside/x", 0755), "root/canary/x"));
        CHECK(is_same(mkdirs_in(root, "../canary/z", 0755), "root/canary/z"));
        CHECK(is_same(mkdirs_in(root, "new/../../../canary/w", 0755), "root/canary/w"));
        CHECK(is_empty("canary"));
}

static void test_mkfile(void) {
        struct stat status;
        CHECK(is_same(mkfile_in(root, "etc/hosts", 0640), "root/etc/hosts"));
        CHECK(fstatat(base, "root/etc/hosts", &status, 0) == 0 && S_ISREG(status.st_mode) && status.st_size == 0);
        CHECK_INT(status.st_mode & 0777, 0640);
        CHECK(fstatat(base, "root/etc", &status, 0) == 0 && (status.st_mode & 0777) == 0755);
        CHECK(is_same(mkfile_in(root, "file", 0644), "root/file"));
        CHECK(is_same(mkfile_in(root, "dir", 0644), "root/dir"));
        make_link("../run/resolv.conf", "etc/resolv.conf");
        CHECK(is_same(mkfile_in(root, "etc/resolv.conf", 0644), "root/run/resolv.conf"));
        make_link(str_format("%s/canary/f", temporary), "etc/evil");
        CHECK(is_same(mkfile_in(root, "etc/evil", 0644), str_format("root/%s/canary/f", temporary)));
        CHECK_INT(mkfile_in(root, "etc/folder/", 0644), -EISDIR);
        CHECK_INT(mkfile_in(root, "file/x", 0644), -ENOTDIR);
        CHECK_INT(mkfile_in(root, "loop2", 0644), -ELOOP);
        CHECK(is_empty("canary"));
}

static void test_parent(void) {
        const char *name = NULL;
        CHECK(is_same(open_parent_in(root, "dir/up/inner", 0, &name), "root/dir"));
        CHECK_STR(name, "inner");
        CHECK(is_same(open_parent_in(root, "plain", 0, &name), "root"));
        CHECK_STR(name, "plain");
        CHECK(is_same(open_parent_in(root, "/absolute", 0, &name), "root"));
        CHECK_STR(name, "absolute");
        CHECK(is_same(open_parent_in(root, "/", 0, &name), "root"));
        CHECK_STR(name, "");
        CHECK_INT(open_parent_in(root, "parent/x/node", 0, &name), -ENOENT);
        CHECK(is_same(open_parent_in(root, "parent/x/node", 0755, &name), "root/parent/x"));
        CHECK(is_same(open_parent_in(root, "beside/dev/node", 0755, &name), "root/canary/dev"));
        CHECK_INT(open_parent_in(root, "dir/..", 0, &name), -EINVAL);
        CHECK_INT(open_parent_in(root, "..", 0, &name), -EINVAL);
        CHECK_INT(open_parent_in(root, "dir/.", 0, &name), -EINVAL);
        CHECK_INT(open_parent_in(root, "dir/sub/", 0, &name), -EINVAL);
        CHECK_INT(open_parent_in(root, "", 0, &name), -ENOENT);
        CHECK_STR(name, "node");
        CHECK(is_empty("canary"));
}

/* A second process swaps a folder with a link to the canary while names are made below it. */
static void swap_for_ever(void) {
        for (;;)
                (void)renameat2(root, "swap", root, "swap-link", RENAME_EXCHANGE);
}

static void test_race(void) {
        make_dir("swap");
        make_dir("swap/in");
        make_link(str_format("%s/canary", temporary), "swap-link");
        (void)fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
                swap_for_ever();
        int strange = 0;
        for (int i = 0; i < 3000; i++) {
                const char *path = str_format("swap/in/%d/../deeper%d", i % 50, i % 70);
                autofd made = i % 2 ? mkdirs_in(root, path, 0755) : mkfile_in(root, path, 0644);
                autofd seen = open_in_by_hand(root, path, O_PATH);
                strange += (made < 0 && made != -EAGAIN && made != -ENOENT && made != -ENOTDIR && made != -ELOOP);
                strange += (seen < 0 && seen != -EAGAIN && seen != -ENOENT && seen != -ENOTDIR && seen != -ELOOP);
        }
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        CHECK_INT(strange, 0);
        CHECK(is_empty("canary"));
}

static void test_fd_name(void) {
        char buffer[FD_NAME_SIZE];
        CHECK_STR(fd_name(0, buffer), "/proc/self/fd/0");
        CHECK_STR(fd_name(120, buffer), "/proc/self/fd/120");
        CHECK_STR(fd_name(INT_MAX, buffer), "/proc/self/fd/2147483647");
}

int main(void) {
        (void)umask(022);
        if (!mkdtemp(temporary))
                return 1;
        base = open(temporary, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (mkdirat(base, "root", 0755) < 0 || mkdirat(base, "canary", 0755) < 0)
                return 1;
        root = openat(base, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        make_tree();
        test_open();
        test_without_openat2();
        test_magic();
        test_random();
        test_mkdirs();
        test_mkfile();
        test_parent();
        test_race();
        test_fd_name();
        return system(str_format("rm -rf %s", temporary)) != 0 || test_done();
}
