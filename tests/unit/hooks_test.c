/* Hooks as real processes: what they get, and what happens when they do not behave. */
#include "runtime/host/hooks.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/rundlet-hooks-XXXXXX";

static const struct oci_state state = {
        .oci_version = "1.3.0", .id = "web", .status = "creating", .pid = 42, .bundle = "/b"
};

static struct oci_hook shell(const char *script, int timeout) {
        struct oci_hook hook = { .path = "/bin/sh" };
        strv_add(&hook.args, "sh");
        strv_add(&hook.args, "-c");
        strv_add(&hook.args, script);
        hook.timeout.set = timeout > 0;
        hook.timeout.v = timeout;
        return hook;
}

static int run(const char *script, int timeout) {
        struct oci_hook hook = shell(script, timeout);
        return hooks_run("createRuntime", &hook, 1, &state, folder);
}

static const char *said(const char *name) {
        char *text;
        return read_file_at(AT_FDCWD, str_path(folder, name), 1 << 20, &text, NULL) == 0 ? text : "";
}

static int64_t seconds(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec;
}

static void test_what_it_gets(void) {
        struct oci_hook hook = shell("cat > state; pwd > cwd; /usr/bin/env > env; ls /proc/self/fd | wc -l > fds;"
                                     "grep SigBlk /proc/self/status > mask; echo $0 $# > args",
                                     0);
        autofd extra = open("/dev/zero", O_RDONLY); /* not close-on-exec, as a careless caller leaves them */
        sigset_t blocked;
        strv_add(&hook.args, "a");
        strv_add(&hook.args, "b");
        strv_add(&hook.env, "ONE=1");
        (void)sigfillset(&blocked);
        (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
        (void)setenv("LD_PRELOAD", "", 1);
        CHECK_INT(hooks_run("prestart", &hook, 1, &state, folder), 0);
        (void)sigprocmask(SIG_UNBLOCK, &blocked, NULL);
        (void)unsetenv("LD_PRELOAD");
        CHECK_STR(said("state"),
                  "{\"ociVersion\":\"1.3.0\",\"id\":\"web\",\"pid\":42,\"status\":\"creating\",\"bundle\":\"/b\"}");
        CHECK_STR(said("cwd"), str_format("%s\n", folder));
        CHECK(strstr(said("env"), "ONE=1\n") && !strstr(said("env"), "LD_PRELOAD") && !strstr(said("env"), "HOME="));
        CHECK_STR(said("fds"), "4\n"); /* 0, 1, 2 and the folder that ls itself reads */
        CHECK_STR(said("mask"), "SigBlk:\t0000000000000000\n");
        CHECK_STR(said("args"), "a 1\n");
}

static void test_failing(void) {
        struct oci_hook missing = { .path = "/nowhere/hook" };
        struct oci_hook both[2] = { shell("exit 0", 0), shell("exit 3", 0) };
        CHECK_FAIL(hooks_run("prestart", &missing, 1, &state, folder),
                   "hooks.prestart[0]: /nowhere/hook: cannot be started: No such");
        CHECK_FAIL(hooks_run("createRuntime", both, 2, &state, folder),
                   "hooks.createRuntime[1]: /bin/sh: exit status 3");
        CHECK_FAIL(run("kill -TERM $$", 0), "killed by signal 15");
        both[0] = shell("exit 1", 0);
        both[1] = shell("touch second", 0);
        CHECK_FAIL(hooks_run("createRuntime", both, 2, &state, folder), "[0]: /bin/sh: exit status 1");
        CHECK(access(str_path(folder, "second"), F_OK) < 0); /* the first failure is the last hook */
}

/* SIGKILL has been sent to the group, but who is not our own child ends (and is reaped) in its own time. */
static bool ends_soon(pid_t pid) {
        char *text;
        for (int64_t until = seconds() + 10; seconds() <= until; (void)usleep(10000))
                if (read_file_at(AT_FDCWD, str_format("/proc/%d/stat", pid), 4096, &text, NULL) < 0 ||
                    strstr(text, ") Z ") || strstr(text, ") X "))
                        return true;
        return false;
}

static void test_misbehaviour(void) {
        int64_t before = seconds();
        CHECK_INT(run("exec <&-; exit 0", 0), 0);                                 /* never reads its state */
        CHECK_INT(run("(sleep 30; touch late) & echo $! > child; exit 0", 0), 0); /* leaves a child with our pipe */
        CHECK(seconds() - before < 10);
        (void)kill(atoi(said("child")), SIGKILL);
        before = seconds();
        CHECK_FAIL(run("echo $$ > leader; sleep 30 & echo $! > child; wait", 1), "not done within its timeout of 1 s");
        CHECK(seconds() - before < 10);
        CHECK(kill(atoi(said("leader")), 0) < 0);
        CHECK(ends_soon(atoi(said("child"))));
        CHECK_FAIL(run("trap '' TERM INT; sleep 30", 1), "not done within");
        CHECK(seconds() - before < 20);
}

/* A megabyte of output neither blocks the hook nor reaches our standard error whole. */
static void test_flood(void) {
        autofd file = open(str_path(folder, "flood"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), saved = dup(2);
        struct stat status;
        (void)dup2(file, 2);
        int r = run("head -c 1000000 /dev/zero", 20);
        (void)dup2(saved, 2);
        CHECK_INT(r, 0);
        CHECK(fstat(file, &status) == 0 && status.st_size == 65536);
}

static void test_state_fd(void) {
        struct oci_state next = state;
        char *text;
        autofd fd = hooks_state_fd(&state);
        CHECK(fd >= 0);
        next.pid = 7;
        next.status = "created";
        CHECK_INT(hooks_state_update(fd, &next), 0);
        CHECK_INT(read_fd(fd, 4096, &text, NULL), 0);
        CHECK_STR(text, "{\"ociVersion\":\"1.3.0\",\"id\":\"web\",\"pid\":7,\"status\":\"created\",\"bundle\":\"/b\"}");
}

int main(void) {
        if (!mkdtemp(folder))
                return 1;
        test_what_it_gets();
        test_failing();
        test_misbehaviour();
        test_flood();
        test_state_fd();
        autofd parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(remove_tree_at(parent, folder + strlen("/tmp/")), 0);
        return test_done();
}
