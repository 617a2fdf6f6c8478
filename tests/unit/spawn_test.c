/* From a hand-made plan to a real process, and the words of everything that can go wrong on the way. */
#include "runtime/host/probe.h"
#include "runtime/host/selfcopy.h"
#include "runtime/host/spawn.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"
#include "specs/base/sys.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static int slots[SLOT_MAX];
static struct plan *plan;

#define ADD(lane, kind, ...) plan_add(plan, lane, kind, __VA_ARGS__)
#define TEXT(text)           plan_text(plan, text)

static void begin(void) {
        plan = plan_new();
        for (int i = 0; i < SLOT_MAX; i++)
                slots[i] = -1;
        ADD(LANE_CHILD, STEP_GUARD, .flags = 1);
}

/* The end of every plan here: ready, go, and a shell that runs the script. */
static void add_payload(const char *script) {
        struct strv args = { 0 }, env = { 0 };
        strv_add(&args, "sh");
        strv_add(&args, "-c");
        strv_add(&args, script);
        strv_add(&env, "ONE=1");
        plan->place = "process.args";
        ADD(LANE_CHILD, STEP_FIND, .a = TEXT("sh"), .b = TEXT("/usr/bin:/bin"));
        ADD(LANE_CHILD, STEP_SEND, .flags = MESSAGE_READY);
        ADD(LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_GO);
        ADD(LANE_CHILD, STEP_FDS, .flags = 3);
        ADD(LANE_CHILD, STEP_EXEC, .a = plan_strings(plan, &args), .b = plan_strings(plan, &env));
}

static int start(struct child *child) {
        const struct spawn_input input = { .plan = plan, .slot = slots };
        return spawn(&input, child);
}

/* Through all of it: the status of the payload or -errno. */
static int run(void) {
        autochild child = CHILD_NONE;
        int r = start(&child);
        if (r >= 0)
                r = spawn_await(&child, MESSAGE_READY);
        if (r >= 0)
                r = spawn_go(&child);
        if (r >= 0)
                r = spawn_await_exec(&child);
        return r < 0 ? r : child_wait(&child);
}

static int count_fds(void) {
        DIR *list = opendir("/proc/self/fd");
        int n = -3; /* ".", ".." and the list itself */
        while (list && readdir(list))
                n++;
        if (list)
                (void)closedir(list);
        return n;
}

static void test_payload(void) {
        int before = count_fds();
        static const struct {
                const char *script;
                int want;
        } rows[] = {
                { "exit 0", 0 },
                { "exit 7", 7 },
                { "kill -9 $$", 128 + SIGKILL },
                { "test \"$(env | grep -v ^PWD= | grep -v ^_= | grep -v ^SHLVL= | grep -v ^OLDPWD=)\" = ONE=1", 0 },
                { "for i in 3 4 5 6 7 8 9 10 11 12 13 14 15; do test ! -e /proc/$$/fd/$i || exit 1; done", 0 },
                { "exec awk '/^Sig(Blk|Ign):/ && $2 !~ /^0*$/ { exit 1 }' /proc/self/status", 0 },
        };
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGUSR1);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)signal(SIGUSR2, SIG_IGN);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                begin();
                add_payload(rows[i].script);
                CHECK_ROW(run() == rows[i].want, rows[i].script);
        }
        (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
        (void)signal(SIGUSR2, SIG_DFL);
        CHECK_INT(count_fds(), before);
}

static void test_words(void) {
        int before = count_fds();
        begin();
        plan->place = "process.cwd";
        ADD(LANE_CHILD, STEP_CWD, .a = TEXT("/dev/null"));
        add_payload("exit 0");
        CHECK_FAIL(run(), "process.cwd: ");
        CHECK(strstr(err_message(), "/dev/null: Not a directory"));
        begin();
        plan->place = "mounts[3]";
        ADD(LANE_OPEN, STEP_OPEN, .into = SLOT_FREE, .a = TEXT("/no/such"), .flags = O_PATH);
        add_payload("exit 0");
        CHECK_FAIL(run(), "mounts[3]: ");
        CHECK(strstr(err_message(), "/no/such") && strstr(err_message(), ": No such file or directory"));
        begin();
        plan->place = "process.oomScoreAdj";
        ADD(LANE_HOST, STEP_WRITE, .slot = SLOT_TARGET, .a = TEXT("oom_score_adj"), .b = TEXT("5000"));
        add_payload("exit 0");
        CHECK_FAIL(run(), "process.oomScoreAdj: ");
        /* After go, too, until execve. */
        begin();
        add_payload("exit 0");
        plan->steps[LANE_CHILD][1].a = TEXT("/etc/passwd");
        CHECK_FAIL(run(), "process.args: ");
        CHECK(strstr(err_message(), "permission denied"));
        /* A lane that ends without execve ends the process. */
        begin();
        CHECK_FAIL(run(), "ended with status 127 before it was ready");
        CHECK_INT(count_fds(), before);
        CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_silent_death(void) {
        autochild child = CHILD_NONE;
        begin();
        ADD(LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_GO);
        CHECK_INT(start(&child), 0);
        CHECK(sys_pidfd_send_signal(child.pidfd, SIGKILL, NULL, 0) == 0);
        CHECK_FAIL(spawn_await(&child, MESSAGE_READY), "killed by signal 9 before it was ready (the memory limit");
}

/* GO before READY: who is ready finds it, and who is gone before it was sent says why. */
static void test_early(void) {
        siginfo_t info;
        begin();
        add_payload("exit 7");
        {
                autochild child = CHILD_NONE;
                CHECK_INT(start(&child), 0);
                CHECK_INT(spawn_await_ready(&child, spawn_go(&child)), 0);
                CHECK_INT(spawn_await_exec(&child), 0);
                CHECK_INT(child_wait(&child), 7);
        }
        begin();
        plan->place = "process.cwd";
        ADD(LANE_CHILD, STEP_CWD, .a = TEXT("/dev/null"));
        add_payload("exit 0");
        autochild child = CHILD_NONE;
        CHECK_INT(start(&child), 0);
        CHECK(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT) == 0);
        int gone = spawn_go(&child);
        CHECK(gone < 0);
        CHECK_FAIL(spawn_await_ready(&child, gone), "process.cwd: ");
        /* What is not about the child stays what it is. */
        CHECK_INT(spawn_await_ready(&child, -ENOSPC), -ENOSPC);
}

static void test_release(void) {
        pid_t pid;
        begin();
        add_payload("exit 0");
        {
                autochild child = CHILD_NONE;
                CHECK_INT(start(&child), 0);
                CHECK_INT(spawn_await(&child, MESSAGE_READY), 0);
                pid = child.pid;
                CHECK(kill(pid, 0) == 0);
        }
        CHECK(kill(pid, 0) < 0 && errno == ESRCH);
        /* One that is kept lives on; here it ends because the other end of its socket is gone. */
        autochild kept = CHILD_NONE;
        CHECK_INT(start(&kept), 0);
        CHECK_INT(spawn_await(&kept, MESSAGE_READY), 0);
        child_keep(&kept);
        CHECK(kept.pid > 0 && kept.sync < 0);
        CHECK_INT(child_wait(&kept), 127);
}

/* What the container could open of its runtime is a sealed copy, not a file of the host. */
static void test_image(void) {
        char exe[64] = "";
        autochild child = CHILD_NONE;
        begin();
        plan->count[LANE_CHILD] = 0; /* not guarded: an ordinary user may then look */
        add_payload("exit 0");
        CHECK_INT(start(&child), 0);
        CHECK_INT(spawn_await(&child, MESSAGE_READY), 0);
        const char *path = str_format("/proc/%d/exe", child.pid);
        CHECK(readlink(path, exe, sizeof(exe) - 1) > 0 && str_starts(exe, "/memfd:rundlet-init"));
        autofd write_fd = open(path, O_WRONLY | O_CLOEXEC);
        CHECK(write_fd < 0);
        autofd copy = selfcopy_open();
        int seals = fcntl(copy, F_GET_SEALS), want = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        CHECK(copy >= 0 && (seals & want) == want);
        CHECK(write(copy, "x", 1) < 0 && errno == EPERM);
}

static void test_user_namespace(void) {
        struct oci_idmap uid = { 0, geteuid(), 1 }, gid = { 0, getegid(), 1 };
        begin();
        plan->clone_flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID;
        plan->has_new_userns = true;
        plan->uid_maps = &uid;
        plan->gid_maps = &gid;
        plan->uid_maps_count = plan->gid_maps_count = 1;
        /* A guarded process of an ordinary user is not dumpable, and its maps could not be written. */
        plan->count[LANE_CHILD] = 0;
        ADD(LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_MAPPED);
        ADD(LANE_CHILD, STEP_IDS, .flags = IDS(0, 0), .more = 1);
        ADD(LANE_CHILD, STEP_HOSTNAME, .a = TEXT("inside"));
        add_payload("test $(id -u) = 0 && test $(hostname) = inside && test $$ = 1");
        CHECK_INT(run(), 0);
        /* A map that nobody may write is told with its place. */
        uid = (struct oci_idmap){ 0, 4294967294u, 1 };
        if (geteuid() == 0) {
                uid = (struct oci_idmap){ 0, 0, 0 };
                CHECK_FAIL(run(), "linux.uidMappings: ");
        }
}

static void test_join(void) {
        begin();
        ADD(LANE_OPEN, STEP_OPEN, .into = SLOT_PIDNS, .a = TEXT("/proc/self/ns/pid"), .flags = O_RDONLY,
            .more = OPEN_NAMESPACE | (uint64_t)CLONE_NEWPID << 32);
        ADD(LANE_CHILD, STEP_SETNS, .slot = SLOT_PIDNS, .flags = CLONE_NEWPID);
        plan->joins_pidns = true;
        ADD(LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_MAPPED);
        ADD(LANE_CHILD, STEP_FORK);
        add_payload("exit 9");
        autochild child = CHILD_NONE;
        CHECK_INT(start(&child), 0);
        pid_t first = child.pid;
        CHECK_INT(spawn_await(&child, MESSAGE_READY), 0);
        CHECK(child.pid != first && kill(first, 0) < 0);
        /* Many times: what the second process says must never overtake its pid. */
        for (int i = 0; i < 100; i++) {
                autochild other = CHILD_NONE;
                CHECK(start(&other) == 0 && (first = other.pid) > 0 && spawn_await(&other, MESSAGE_READY) == 0 &&
                      other.pid != first);
        }
        CHECK_INT(spawn_go(&child), 0);
        CHECK_INT(spawn_await_exec(&child), 0);
        CHECK_INT(child_wait(&child), 9);
        /* A child that is let go before it told its second pid leaves neither. */
        autochild lost = CHILD_NONE;
        CHECK_INT(start(&lost), 0);
        child_release(&lost);
        CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static bool is_same_namespace(const char *a, const char *b) {
        struct stat x, y;
        return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino;
}

static void test_time(void) {
        begin();
        plan->unshares_time = true;
        strv_add(&plan->time_offsets, "boottime 100000000 0");
        add_payload("read -r up rest </proc/uptime; test ${up%.*} -gt 100000000");
        CHECK_INT(run(), 0);
        CHECK(is_same_namespace("/proc/self/ns/time", "/proc/self/ns/time_for_children"));
        strv_add(&plan->time_offsets, "no clock");
        CHECK_FAIL(run(), "linux.timeOffsets: no clock: ");
        CHECK(is_same_namespace("/proc/self/ns/time", "/proc/self/ns/time_for_children"));
}

/* A namespace that we enter for the child is left again, also when it fails. */
static void test_home(void) {
        for (int fails = 0; fails < 2; fails++) {
                begin();
                ADD(LANE_OPEN, STEP_OPEN, .into = SLOT_FREE, .a = TEXT("/proc/self/ns/uts"), .flags = O_RDONLY,
                    .more = OPEN_NAMESPACE | (uint64_t)CLONE_NEWUTS << 32);
                ADD(LANE_OPEN, STEP_UNSHARE, .flags = CLONE_NEWUTS);
                if (fails)
                        ADD(LANE_OPEN, STEP_OPEN, .into = SLOT_FREE + 1, .a = TEXT("/no/such"));
                ADD(LANE_HOST, STEP_SETNS, .slot = SLOT_FREE, .flags = CLONE_NEWUTS);
                add_payload(str_format("test $(readlink /proc/self/ns/uts) != $(readlink /proc/%d/ns/uts)", getpid()));
                struct stat before, after;
                CHECK(stat("/proc/self/ns/uts", &before) == 0);
                CHECK_INT(run(), fails ? -ENOENT : 0);
                CHECK(stat("/proc/self/ns/uts", &after) == 0 && before.st_ino == after.st_ino);
        }
}

static void test_host_lane(void) {
        begin();
        plan->count[LANE_CHILD] = 0; /* not guarded: see test_user_namespace */
        ADD(LANE_HOST, STEP_WRITE, .slot = SLOT_TARGET, .a = TEXT("oom_score_adj"), .b = TEXT("999"));
        uint64_t limit[2] = { 77, 88 };
        ADD(LANE_HOST, STEP_RLIMIT, .flags = 7 /* RLIMIT_NOFILE */, .b = plan_bytes(plan, limit, sizeof(limit), 8));
        ADD(LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_MAPPED);
        add_payload("test $(cat /proc/self/oom_score_adj) = 999 && test $(ulimit -n) = 77");
        CHECK_INT(run(), 0);
}

int main(void) {
        const struct probe *probe = probe_get();
        CHECK(probe->last_capability >= CAP_AUDIT_READ && probe->has_mount_api);
        test_payload();
        test_words();
        test_silent_death();
        test_early();
        test_release();
        test_image();
        test_host_lane();
        test_user_namespace();
        if (geteuid() == 0) {
                test_join();
                test_time();
                test_home();
        }
        return test_done();
}
