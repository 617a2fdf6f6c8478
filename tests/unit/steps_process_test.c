/* Steps that act on the process: hooks, finding the program, identity, filters, the talk of start. */
#include "runtime/steps/landlock.h"
#include "tests/unit/steps_case.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/un.h>

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

/* A label goes to procfs and nowhere else: not to a folder that looks like it, nor to a file mounted over the
 * attribute. The name of the process stands for one here, which every kernel has. */
static void test_label(void) {
        slots[SLOT_PROC] = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ADD(STEP_LABEL, .slot = SLOT_PROC, .a = TEXT("self/comm"), .b = TEXT("labelled"));
        ADD(STEP_LABEL, .slot = SLOT_PROC, .a = TEXT("self/absent"), .b = TEXT("x"));
        CHECK_INT(run(), -ENOENT);
        CHECK_INT(failed_step, 1);
        char name[16] = "";
        CHECK(prctl(PR_GET_NAME, name) == 0);
        CHECK_STR(name, "labelled");

        make_file("decoy", "");
        const char *covered = str_format("/proc/%d/comm", getpid());
        CHECK(sys_mount(in_base("decoy"), covered, NULL, 4096 /* MS_BIND */, NULL) == 0);
        ADD(STEP_LABEL, .slot = SLOT_PROC, .a = TEXT("self/comm"), .b = TEXT("x"));
        CHECK_INT(run(), -EXDEV);
        CHECK(file_is("decoy", ""));
        CHECK(sys_umount2(covered, MNT_DETACH) == 0);

        CHECK(mkdir(in_base("fake"), 0755) == 0 && mkdir(in_base("fake/self"), 0755) == 0);
        make_file("fake/self/comm", "");
        open_slot(SLOT_PROC, "fake");
        ADD(STEP_LABEL, .slot = SLOT_PROC, .a = TEXT("self/comm"), .b = TEXT("x"));
        CHECK_INT(run(), -EXDEV);
        CHECK(file_is("fake/self/comm", ""));
        /* Nor by a way out of it. */
        open_slot(SLOT_PROC, "fake/self");
        ADD(STEP_LABEL, .slot = SLOT_PROC, .a = TEXT("../../decoy"), .b = TEXT("x"));
        CHECK_INT(run(), -EXDEV);
        slots[SLOT_PROC] = fd_close(slots[SLOT_PROC]);
}

static int is_confined(void) {
        if (open(in_base("root/kept"), O_RDONLY | O_CLOEXEC) < 0)
                return 201;
        if (open(in_base("root/kept"), O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
                return 202;
        return open(in_base("decoy"), O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : 203;
}

/* A rule on a file keeps the rights that a file can have; links lead nowhere out of the root. */
static void test_landlock(void) {
        const struct landlock_ruleset ruleset = { .files = RIGHT_READ_FILE | RIGHT_READ_FOLDER | RIGHT_WRITE_FILE };
        if (sys_landlock_create_ruleset(NULL, 0, 1) <= 0) {
                printf("# no Landlock here\n");
                return;
        }
        make_file("root/kept", "kept");
        CHECK(symlink(in_base("decoy"), in_base("root/out")) == 0);
        open_slot(SLOT_ROOT, "root");
        uint32_t at = plan_bytes(plan, &ruleset, sizeof(ruleset), 8);
        ADD(STEP_RULESET, .into = SLOT_RULESET, .b = at);
        ADD(STEP_RULE, .slot = SLOT_ROOT, .a = TEXT("/out"), .flags = RIGHT_READ_FILE);
        CHECK_INT(run(), -ENOENT);
        ADD(STEP_RULESET, .into = SLOT_RULESET, .b = at);
        ADD(STEP_RULE, .slot = SLOT_ROOT, .a = TEXT("kept"), .flags = RIGHT_READ_FILE | RIGHT_READ_FOLDER);
        ADD(STEP_NNP);
        ADD(STEP_RESTRICT, .slot = SLOT_RULESET);
        CHECK_INT(run_apart(is_confined), 0);
        slots[SLOT_RULESET] = fd_close(slots[SLOT_RULESET]);
}

/* What no kernel without SMT would do: a filter answers in its place, and only to the right arguments. */
static void test_core(void) {
        const struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 8),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 62 /* PR_SCHED_CORE */, 0, 6),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1 /* create */, 2, 0),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 77, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        static const struct {
                uint64_t flags;
                int want;
        } rows[] = { { 0, 0 }, { 77, 0 }, { 78, ENODEV } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                ADD(STEP_NNP);
                ADD(STEP_SECCOMP, .b = plan_bytes(plan, filter, sizeof(filter), 8), .flags = 11);
                ADD(STEP_CORE, .flags = rows[i].flags);
                CHECK_INT(run_apart(NULL), rows[i].want);
        }
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
        test_hook();
        test_find();
        test_identity();
        test_seccomp();
        test_label();
        test_landlock();
        test_core();
        test_start();
        tear_down();
        return test_done();
}
