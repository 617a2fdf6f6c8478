/* Cgroups on the machine's own cgroup2 mount, below a name of this test only; without rights to make one only what is
 * pure is tested. */
#include "runtime/host/cgroup.h"
#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct probe probe;
static const char *top; /* "/rundlet-test-PID" */
static const char *web; /* a label that no test before us has left somewhere: "/state/web-PID" */

/* CHECK_FAIL takes literals only. */
static void check_words(int r, const char *words) {
        CHECK_ROW(r < 0 && strstr(err_message(), words), words);
}

static const char *on_disk(const char *path) {
        return str_format("%s%s", probe.cgroup_root, path);
}

static bool exists(const char *path) {
        return access(on_disk(path), F_OK) == 0;
}

static void test_paths(void) {
        static const struct {
                const char *wanted, *path, *words;
        } rows[] = {
                { NULL, "/rundlet/web", NULL },
                { "", "/rundlet/web", NULL },
                { "/a/b", "/a/b", NULL },
                { "a/b", "/rundlet/a/b", NULL },
                { "/a:b", "/a:b", NULL },
                { "/a..b", "/a..b", NULL },
                { "..", NULL, "\"..\" is refused" },
                { "/a/../b", NULL, "\"..\" is refused" },
                { "/a/./b", NULL, "\".\" is refused" },
                { "/", NULL, "empty component" },
                { "/a//b", NULL, "empty component" },
                { "/a/", NULL, "empty component" },
                { "system.slice:docker:web", NULL, "systemd driver" },
        };
        struct probe root = { .is_root = true, .cgroup_root = "/sys/fs/cgroup" };
        const char *path;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if (rows[i].words) {
                        check_words(cgroup_path(&root, rows[i].wanted, "web", &path), rows[i].words);
                        continue;
                }
                CHECK_INT(cgroup_path(&root, rows[i].wanted, "web", &path), 0);
                CHECK_STR(path, rows[i].path);
        }
        root.cgroup_root = NULL;
        CHECK_FAIL(cgroup_path(&root, NULL, "web", &path), "find the cgroup2 file system");
        root.is_root = false;
        CHECK_INT(cgroup_path(&root, NULL, "web", &path), 0);
        CHECK_STR(path, "");
        CHECK_FAIL(cgroup_path(&root, "/a", "web", &path), "find the cgroup2 file system");
}

static void test_below(void) {
        CHECK(cgroup_is_below("/a/b", "/a/b"));
        CHECK(cgroup_is_below("/a/b/c", "/a/b"));
        CHECK(!cgroup_is_below("/a/bc", "/a/b")); /* a sibling that shares the beginning of the name */
        CHECK(!cgroup_is_below("/a", "/a/b"));
        CHECK(cgroup_is_below("/a", "/"));
}

/* A process that sleeps in the cgroup. */
static pid_t sleeper(const char *path) {
        pid_t pid = fork();
        if (pid == 0)
                for (;;)
                        (void)pause();
        char *number = str_format("%d", (int)pid);
        CHECK_INT(write_file_at(AT_FDCWD, str_path(on_disk(path), "cgroup.procs"), number, strlen(number)), 0);
        return pid;
}

static int make(const char *path, const char *label, struct cgroup *ret) {
        struct plan plan = { .data = NULL };
        return cgroup_make(&probe, &plan, path, label, ret);
}

static void test_make_and_remove(void) {
        const char *path = str_path(top, "deep/web"), *found;
        struct cgroup again = CGROUP_NONE, opened = CGROUP_NONE;
        autocgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(path, web, &cgroup), 0);
        CHECK(exists(path) && cgroup_is_ours(&cgroup, web) && !cgroup_is_ours(&cgroup, "/state/other"));
        CHECK_INT(cgroup_find(&probe, web, &found), 0);
        CHECK_STR(found, path);
        CHECK_INT(cgroup_find(&probe, "/state/nobody", &found), -ENOENT);
        CHECK_INT(cgroup_open(&probe, path, &opened), 0);
        cgroup_release(&opened);
        CHECK(exists(path)); /* one that was only opened is not undone */
        CHECK_INT(cgroup_open(&probe, "/../..", &opened), -EXDEV);
        CHECK_INT(cgroup_open(&probe, "/", &opened), -ENOENT);

        pid_t pid = sleeper(path);
        CHECK_INT(cgroup_of(pid, &found), 0);
        CHECK_STR(found, path);
        check_words(make(path, "/state/other", &again), str_format("process %d is in it already", (int)pid));
        CHECK_FAIL(make(top, "/state/other", &again), "it has the child deep already");
        CHECK_INT(cgroup_remove(&probe, path, "/state/other"), 0); /* somebody else's: left alone */
        CHECK(exists(path) && kill(pid, 0) == 0);
        cgroup_keep(&cgroup);

        CHECK_INT(cgroup_open(&probe, path, &opened), 0);
        check_words(cgroup_wait_empty(&opened, 50), str_format("held by process %d", (int)pid));
        CHECK_INT(mkdir(on_disk(str_path(path, "one")), 0755), 0);
        CHECK_INT(mkdir(on_disk(str_path(path, "one/two")), 0755), 0);
        pid_t inner = sleeper(str_path(path, "one/two")), *pids;
        size_t n;
        CHECK_INT(cgroup_pids(&opened, &pids, &n), 0);
        CHECK(n == 2 && pids[0] == pid && pids[1] == inner && pids[2] == 0);
        CHECK_INT(cgroup_kill(&opened), 0);
        CHECK_INT(cgroup_wait_empty(&opened, 5000), 0);
        CHECK(waitpid(pid, NULL, 0) == pid && waitpid(inner, NULL, 0) == inner);
        CHECK_INT(cgroup_remove(&probe, path, web), 0);
        CHECK(!exists(top)); /* with the parents that were made for it */
        CHECK_INT(cgroup_remove(&probe, path, web), 0);
        CHECK_INT(cgroup_wait_empty(&opened, 50), 0); /* gone is empty */
        cgroup_release(&opened);
}

/* Release without keep is what a failing create does: processes end, nothing stays. */
static void test_release(void) {
        const char *path = str_path(top, "half");
        struct cgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(path, "/state/half", &cgroup), 0);
        pid_t pid = sleeper(path);
        (void)fail_words(EIO, "the reason");
        cgroup_release(&cgroup);
        CHECK_STR(err_message(), "the reason");
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK(!exists(top));
}

/* A create that was killed before it made the cgroup itself leaves parents only. */
static void test_parents(void) {
        struct cgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(str_path(top, "a/b/c"), web, &cgroup), 0);
        cgroup_keep(&cgroup);
        CHECK_INT(rmdir(on_disk(str_path(top, "a/b/c"))), 0);
        CHECK_INT(rmdir(on_disk(str_path(top, "a/b"))), 0);
        CHECK_INT(cgroup_remove(&probe, str_path(top, "a/b/c"), web), 0);
        CHECK(!exists(top));
}

/* One that was there before is used when it is empty, and stays. */
static void test_adopted(void) {
        struct cgroup cgroup = CGROUP_NONE;
        CHECK_INT(mkdir(on_disk(top), 0755), 0);
        CHECK_INT(make(top, web, &cgroup), 0);
        CHECK(cgroup_is_ours(&cgroup, web));
        CHECK_INT(mkdir(on_disk(str_path(top, "made-by-container")), 0755), 0);
        CHECK_INT(cgroup_remove(&probe, top, web), 0);
        CHECK(exists(top) && !exists(str_path(top, "made-by-container")));
        CHECK(!cgroup_is_ours(&cgroup, web));
        cgroup_keep(&cgroup);
        CHECK_INT(rmdir(on_disk(top)), 0);
}

static void test_freeze(void) {
        autocgroup cgroup = CGROUP_NONE;
        bool frozen = false;
        CHECK_INT(make(top, web, &cgroup), 0);
        pid_t pid = sleeper(top);
        CHECK_INT(cgroup_freeze(&cgroup, true), 0);
        CHECK_INT(cgroup_is_frozen(&cgroup, &frozen), 0);
        CHECK(frozen);
        CHECK_INT(cgroup_freeze(&cgroup, false), 0);
        CHECK_INT(cgroup_is_frozen(&cgroup, &frozen), 0);
        CHECK(!frozen);
        CHECK_INT(cgroup_freeze(&cgroup, true), 0);
        CHECK_INT(cgroup_kill(&cgroup), 0); /* works on frozen ones */
        CHECK_INT(cgroup_wait_empty(&cgroup, 5000), 0);
        CHECK_INT(waitpid(pid, NULL, 0), pid);
        CHECK_INT(cgroup_freeze(&cgroup, false), 0);

        int status = 0;
        pid = sleeper(top);
        CHECK_INT(cgroup_signal(&cgroup, SIGTERM), 0);
        CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* As on a machine that is slow to end many: the wait for all is longer than what one may take. */
static void test_slow_end(void) {
        enum { COUNT = 6 };
        pid_t pids[COUNT];
        autocgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(top, web, &cgroup), 0);
        for (size_t i = 0; i < COUNT; i++)
                pids[i] = sleeper(top);
        pid_t killer = fork();
        if (killer == 0) {
                for (size_t i = 0; i < COUNT && usleep(120 * 1000) == 0; i++)
                        (void)kill(pids[i], SIGKILL);
                _exit(0);
        }
        CHECK_INT(cgroup_wait_empty(&cgroup, 500), 0);
        for (size_t i = 0; i < COUNT; i++)
                CHECK_INT(waitpid(pids[i], NULL, 0), pids[i]);
        CHECK_INT(waitpid(killer, NULL, 0), killer);
}

static void test_limits(void) {
        struct cgroup_write good = { .file = "cgroup.max.depth", .value = "5", .place = "linux.resources.unified" };
        struct cgroup_write bad = { .file = "cgroup.max.depth",
                                    .value = "many",
                                    .place = "linux.resources.unified.depth" };
        struct cgroup_write other = {
                .file = "no.such.file", .value = "1", .place = "x", .or_file = "cgroup.max.descendants", .or_value = "9"
        };
        struct cgroup_write borne = { .file = "no.such.file", .value = "1", .place = "x", .tolerate = ENOENT };
        struct cgroup_write all[] = { good, other, borne };
        struct plan plan = { .cgroup_writes = { all, 3 } };
        char *text;
        autocgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(top, web, &cgroup), 0);
        CHECK_INT(cgroup_apply(&cgroup, &plan), 0);
        CHECK_INT(read_file_at(cgroup.fd, "cgroup.max.depth", 64, &text, NULL), 0);
        CHECK_STR(text, "5\n");
        CHECK_INT(read_file_at(cgroup.fd, "cgroup.max.descendants", 64, &text, NULL), 0);
        CHECK_STR(text, "9\n");
        plan.cgroup_writes.at = &bad;
        plan.cgroup_writes.n = 1;
        CHECK_FAIL(cgroup_apply(&cgroup, &plan),
                   "linux.resources.unified.depth: write many to cgroup.max.depth of the cgroup: Invalid argument");

        struct cgroup none = CGROUP_NONE;
        struct cgroup_write memory = {
                .file = "x.max", .value = "1", .controller = "banana", .place = "linux.resources.x"
        };
        plan.cgroup_writes.at = &memory;
        strv_add(&plan.controllers, "banana");
        CHECK_FAIL(cgroup_make(&probe, &plan, str_path(top, "b"), "/state/b", &none),
                   "linux.resources.x: the banana controller is not available at");
        CHECK_INT(none.fd, -1);
}

static void test_delegation(void) {
        struct stat status;
        autocgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(top, web, &cgroup), 0);
        CHECK_INT(cgroup_delegate(&cgroup, 4321), 0);
        CHECK(fstat(cgroup.fd, &status) == 0 && status.st_uid == 4321 && status.st_gid == 0);
        CHECK(fstatat(cgroup.fd, "cgroup.procs", &status, 0) == 0 && status.st_uid == 4321);
        CHECK(fstatat(cgroup.fd, "cgroup.max.depth", &status, 0) == 0 && status.st_uid == 0); /* a limit stays ours */
}

static bool can_open_null(const char *path) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
                int self = open(str_path(on_disk(path), "cgroup.procs"), O_WRONLY | O_CLOEXEC);
                _exit(write(self, "0", 1) == 1 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 1);
        }
        return waitpid(pid, &status, 0) == pid && status == 0;
}

/* r0 = allow; exit */
static void test_devices(void) {
        struct bpf_insn allow[2] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
                                     { .code = BPF_JMP | BPF_EXIT } };
        struct bpf_insn deny[2] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
                                    { .code = BPF_JMP | BPF_EXIT } };
        struct plan plan = { .device_filter = deny, .device_filter_count = 2 };
        autocgroup cgroup = CGROUP_NONE;
        CHECK_INT(make(top, web, &cgroup), 0);
        CHECK(can_open_null(top));
        CHECK_INT(cgroup_attach_devices(&cgroup, &plan), 0);
        CHECK(!can_open_null(top));
        plan.device_filter = allow;
        CHECK_INT(cgroup_attach_devices(&cgroup, &plan), 0); /* replaced, not added: all attached must allow */
        CHECK(can_open_null(top));
        struct bpf_insn broken[1] = { { .code = 0xff } };
        plan.device_filter = broken;
        plan.device_filter_count = 1;
        CHECK_FAIL(cgroup_attach_devices(&cgroup, &plan), "linux.resources.devices: load the device filter");
        CHECK(can_open_null(top));
}

int main(void) {
        test_paths();
        test_below();
        probe = *probe_get();
        top = str_format("/rundlet-test-%d", (int)getpid());
        web = str_format("/state/web-%d", (int)getpid());
        if (!probe.is_root || !probe.cgroup_root || access(probe.cgroup_root, W_OK) < 0) {
                printf("ok %d - cgroups are made # SKIP no rights to make a cgroup\n", ++test_count);
                return test_done();
        }
        test_make_and_remove();
        test_release();
        test_parents();
        test_adopted();
        test_freeze();
        test_slow_end();
        test_limits();
        test_delegation();
        test_devices();
        CHECK(!exists(top));
        return test_done();
}
