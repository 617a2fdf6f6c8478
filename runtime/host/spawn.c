#include "runtime/host/spawn.h"

#include "runtime/host/idmap.h"
#include "runtime/host/probe.h"
#include "runtime/host/scope.h"
#include "runtime/host/selfcopy.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"
#include "specs/base/sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define STEP_OF_INIT 0xffff /* MESSAGE_FAILED before the first step */
#define EXIT_UNABLE  127
#define WAIT_PIDFD   ((idtype_t)3) /* P_PIDFD, which glibc lacks before 2.36 */
#define CHILD_STACK  8192

/* What spawn() holds until the child has it. */
struct spawning {
        const struct spawn_input *input;
        const struct plan *plan;
        const struct probe *probe;
        int init, image, sync; /* sync: the child's end */
        size_t slots_count;
        bool is_outside; /* the child is not in its cgroup yet */
        const char *image_number;
};

/* -- words -- */

/* What an errno of these kinds means here, where strerror would mislead. */
static const struct {
        enum step_kind kind;
        int error;
        const char *words;
} meanings[] = {
        { STEP_FIND, ENOENT, "executable file not found in $PATH" }, /* engines look for these words */
        { STEP_HOOK, ECANCELED, "it failed" },
        { STEP_HOOK, ETIMEDOUT, "its time was over" },
        { STEP_CWD, EXDEV, "it is outside of the container's root" },
        { STEP_CWD, ELOOP, "a link of proc, or too many links" },
        { STEP_DETACH, EINVAL, "nothing is mounted there" },
        { STEP_TARGET, EXDEV, "another mount than proc or sysfs lies there" },
        { STEP_OPEN, EINVAL, "it is not a namespace of that type" },
        { STEP_LABEL, ENOENT, "no such profile is loaded" },
        { STEP_CORE, ENODEV, "no threads share a core here (SMT is off or absent)" },
        { STEP_CORE, EINVAL, "not in this kernel (CONFIG_SCHED_CORE)" },
        { STEP_RULE, ENOENT, "it is not there" },
        { STEP_LABEL, EXDEV, "another mount lies over it" },
        { STEP_AWAIT, EPROTO, "an answer that was not expected" },
};

/* Only a name is looked for along $PATH; a path is there or not. */
static bool is_by_path(const struct plan *plan, const struct step *step) {
        return step->kind == STEP_FIND && strchr(plan->data + step->a, '/');
}

int spawn_fail_step(const struct plan *plan, enum plan_lane lane, size_t step, int error) {
        const char *place = plan->places[lane][step], *words = plan_step_words(plan, lane, step);
        const char *colon = place ? ": " : "";
        place = place ? place : "";
        const struct step *failed = &plan->steps[lane][step];
        for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
                if (meanings[i].kind == failed->kind && meanings[i].error == error && !is_by_path(plan, failed))
                        return fail_words(error, "%s%s%s: %s", place, colon, words, meanings[i].words);
        if (failed->kind == STEP_FIND || failed->kind == STEP_EXEC)
                return fail_program(error, "%s%s%s", place, colon, words);
        int r = fail(error, "%s%s%s", place, colon, words);
        if (failed->kind == STEP_ATTR && failed->slot == SLOT_NONE && error == EINVAL)
                return fail_hint(r, "\"/\" is no mount point here (a chroot?): bind it over itself before entering it");
        return r;
}

/* A child that dies without having read what we told it leaves ECONNRESET, once, in front of its last words. */
static ssize_t take_message(const struct child *child, struct step_message *ret, int flags) {
        ssize_t n;
        do {
                n = recv(child->sync, ret, sizeof(*ret), flags);
        } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        return n;
}

/* MESSAGE_FAILED in words. */
static int fail_message(const struct child *child, const struct step_message *message) {
        int error = message->value > 0 ? message->value : EIO;
        if (message->step == STEP_OF_INIT)
                return fail(error, "start the init image");
        if (message->step >= child->plan->count[LANE_CHILD])
                return fail(error, "step %u of the container's process", message->step);
        return spawn_fail_step(child->plan, LANE_CHILD, message->step, error);
}

/* The child is gone, or will be in a moment, without a word. */
static int fail_silent(const struct child *child) {
        siginfo_t info = { 0 };
        while (waitid(WAIT_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOWAIT) < 0)
                if (errno != EINTR)
                        return fail(errno, "wait for the container's process");
        if (info.si_code == CLD_EXITED)
                return fail_words(EIO, "the container's process ended with status %d before it was ready",
                                  info.si_status);
        return fail_words(EIO, "the container's process was killed by signal %d before it was ready%s", info.si_status,
                          info.si_status == SIGKILL ? " (the memory limit may be too small, or somebody killed it)"
                                                    : "");
}

/* -- lanes -- */

static int run_lane(const struct spawning *s, enum plan_lane lane, pid_t pid) {
        struct context context = { .slot = s->input->slot, .pid = pid, .start = -1 };
        struct lane steps = plan_lane(s->plan, lane);
        size_t step = 0;
        int r = steps_run(&steps, &context, &step);
        return r < 0 ? spawn_fail_step(s->plan, lane, step, -r) : 0;
}

/* Namespaces that the open lane entered on the child's behalf are left again, whatever became of the child. */
static int go_home(const struct spawning *s) {
        struct context context = { .slot = s->input->slot, .start = -1 };
        for (size_t i = 0; i < s->plan->count[LANE_HOST]; i++) {
                struct lane one = { &s->plan->steps[LANE_HOST][i], 1, s->plan->data };
                size_t step;
                if (one.at->kind != STEP_SETNS || context.slot[one.at->slot] < 0)
                        continue;
                int r = steps_run(&one, &context, &step);
                if (r < 0)
                        return spawn_fail_step(s->plan, LANE_HOST, i, -r);
        }
        return 0;
}

static bool lane_has(const struct plan *plan, enum plan_lane lane, enum step_kind kind) {
        for (size_t i = 0; i < plan->count[lane]; i++)
                if (plan->steps[lane][i].kind == kind)
                        return true;
        return false;
}

/* -- the plan's image -- */

static size_t align8(size_t n) {
        return (n + 7) & ~(size_t)7;
}

/* Up to the last one that is filled. */
static size_t count_slots(const int *slot) {
        size_t n = SLOT_MAX;
        while (n > 0 && slot[n - 1] < 0)
                n--;
        return n;
}

static int open_image(const struct spawning *s) {
        struct lane lane = plan_lane(s->plan, LANE_CHILD);
        size_t steps_size = lane.count * sizeof(struct step), slots_count = s->slots_count;
        struct plan_image header = { .magic = PLAN_IMAGE_MAGIC, .steps_at = (uint32_t)align8(sizeof(header)) };
        header.steps_count = (uint32_t)lane.count;
        header.data_at = (uint32_t)align8(header.steps_at + steps_size);
        header.data_size = (uint32_t)s->plan->data_size;
        header.slots_at = (uint32_t)align8(header.data_at + header.data_size);
        header.slots_count = (uint32_t)slots_count;
        header.size = (uint32_t)(header.slots_at + slots_count * sizeof(int32_t));
        char *bytes = arena_alloc(header.size);
        memcpy(bytes, &header, sizeof(header));
        if (lane.count)
                memcpy(bytes + header.steps_at, lane.at, steps_size);
        if (header.data_size)
                memcpy(bytes + header.data_at, lane.data, header.data_size);
        memcpy(bytes + header.slots_at, s->input->slot, slots_count * sizeof(int32_t));
        autofd fd = memfd_create("rundlet-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return fail(errno, "make a memfd for the plan");
        int r = write_fd(fd, bytes, header.size);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return fail(errno, "seal the plan");
        return fd_take(&fd);
}

/* -- between clone and execve: system calls only, in memory that is still ours too -- */

/* AddressSanitizer knows of no other stack than ours. */
#define on_own_stack __attribute__((no_sanitize_address))

/* Born in a user namespace that has no maps yet, the child is nobody's root: only ambient capabilities outlive execve.
 */
on_own_stack static long keep_capabilities(int last_capability) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];
        long r = sys_capget(&header, data);
        if (r < 0)
                return r;
        for (int i = 0; i < 2; i++)
                data[i].inheritable = data[i].permitted;
        r = sys_capset(&header, data);
        for (int cap = 0; cap <= last_capability && r >= 0; cap++)
                r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)cap, 0, 0);
        return r;
}

on_own_stack static void become_init(const void *data) {
        const struct spawning *s = data;
        const char *const argv[] = { "rundlet-init", s->image_number, NULL }, *const envp[] = { NULL };
        struct step_message message = { .type = MESSAGE_FAILED, .step = STEP_OF_INIT };
        struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        long r = s->plan->has_new_userns ? keep_capabilities(s->probe->last_capability) : 0;
        for (size_t i = 0; i < s->slots_count && r >= 0; i++)
                if (s->input->slot[i] >= 0)
                        r = sys_fcntl(s->input->slot[i], F_SETFD, 0);
        if (r >= 0)
                r = sys_fcntl(s->image, F_SETFD, 0);
        if (r >= 0)
                r = sys_execveat(s->init, "", argv, envp, AT_EMPTY_PATH);
        message.value = (int32_t)-r;
        (void)sys_sendmsg(s->sync, &header, MSG_NOSIGNAL);
        sys_exit(EXIT_UNABLE);
}

static int hint_at_cgroup(int r) {
        return fail_hint(r, "an ordinary user may only move processes between cgroups below one that was handed over: "
                            "run it below the same one, for example with systemd-run --user --scope");
}

/* Only a child that waits for its maps first, as all of ordinary users do, does nothing before it is in its cgroup. */
static bool may_be_moved(const struct spawning *s) {
        return s->input->cgroup && s->input->cgroup->scope && !s->probe->is_root;
}

/* Sharing our memory until execve spares both sides the copies of what they touch meanwhile; the host lane loses
 * little, for the child only waits before that.  A frozen child would not get so far, and only a child with memory of
 * its own is in a new time namespace at once. */
static uint64_t sharing(const struct spawning *s) {
        return s->input->is_frozen || s->plan->unshares_time ? 0 : CLONE_VM | CLONE_VFORK;
}

static int clone_child(struct spawning *s, struct child *ret) {
        char stack[CHILD_STACK] __attribute__((aligned(16)));
        int pidfd = -1;
        struct clone_args args = { .flags = s->plan->clone_flags | sharing(s) | CLONE_PIDFD,
                                   .pidfd = (uint64_t)(uintptr_t)&pidfd,
                                   .exit_signal = SIGCHLD,
                                   .stack = (uint64_t)(uintptr_t)stack,
                                   .stack_size = sizeof(stack) };
        if (s->input->cgroup && s->input->cgroup->fd >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t)s->input->cgroup->fd;
        }
        long pid = sys_clone3(&args, sizeof(args), become_init, s);
        if (pid == -EACCES && may_be_moved(s)) {
                s->is_outside = true;
                args.flags &= ~(uint64_t)CLONE_INTO_CGROUP;
                pid = sys_clone3(&args, sizeof(args), become_init, s);
        }
        if (pid < 0) {
                int r = fail((int)pid, "make the container's process%s",
                             s->plan->clone_flags ? " in new namespaces" : "");
                return pid == -EACCES && (args.flags & CLONE_INTO_CGROUP) ? hint_at_cgroup(r) : r;
        }
        ret->pid = (pid_t)pid;
        ret->pidfd = pidfd;
        return 0;
}

/* Time namespaces only catch children: ours is the same before and after. */
static int clone_in_time(struct spawning *s, struct child *ret) {
        autofd home = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
        if (home < 0)
                return fail(errno, "linux.namespaces: open /proc/self/ns/time");
        long r = sys_unshare(CLONE_NEWTIME);
        if (r < 0)
                return fail((int)r, "linux.namespaces: make a time namespace");
        for (size_t i = 0; i < s->plan->time_offsets.n && r >= 0; i++) {
                const char *line = s->plan->time_offsets.at[i];
                r = write_file_at(AT_FDCWD, "/proc/self/timens_offsets", line, strlen(line));
                if (r < 0)
                        r = fail_in((int)r, "linux.timeOffsets: %s", line);
        }
        if (r >= 0)
                r = clone_child(s, ret);
        long back = sys_setns(home, CLONE_NEWTIME);
        return r >= 0 && back < 0 ? fail((int)back, "go back to our time namespace") : (int)r;
}

/* -- beside the child -- */

static int send_message(int sync, enum step_message_type type) {
        struct step_message message = { .type = (uint8_t)type };
        if (send(sync, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message))
                return 0;
        return fail(errno, "talk to the container's process");
}

static int run_host_lane(const struct spawning *s, const struct child *child) {
        int *slot = s->input->slot;
        if (!s->plan->count[LANE_HOST])
                return 0;
        const char *folder = str_format("/proc/%d", child->pid), *userns = str_format("/proc/%d/ns/user", child->pid);
        autofd proc = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), user = -1;
        if (proc < 0)
                return fail(errno, "open %s", folder);
        if (lane_has(s->plan, LANE_HOST, STEP_IDMAP)) {
                user = open(userns, O_RDONLY | O_CLOEXEC);
                if (user < 0)
                        return fail(errno, "open %s", userns);
        }
        int target = slot[SLOT_TARGET], mount = slot[SLOT_MOUNT];
        slot[SLOT_TARGET] = proc;
        slot[SLOT_MOUNT] = user;
        int r = run_lane(s, LANE_HOST, child->pid);
        slot[SLOT_TARGET] = target;
        slot[SLOT_MOUNT] = mount;
        return r;
}

/* The child waits once for its maps, and before STEP_FORK once more for all that is done to its first process. */
static int tell_mapped(const struct spawning *s, const struct child *child) {
        for (size_t i = 0; i < s->plan->count[LANE_CHILD]; i++) {
                const struct step *step = &s->plan->steps[LANE_CHILD][i];
                int r = step->kind == STEP_AWAIT && step->flags == MESSAGE_MAPPED
                                ? send_message(child->sync, MESSAGE_MAPPED)
                                : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool says_here(const struct plan *plan) {
        for (size_t i = 0; i < plan->count[LANE_CHILD]; i++)
                if (plan->steps[LANE_CHILD][i].kind == STEP_SEND && plan->steps[LANE_CHILD][i].flags == MESSAGE_HERE)
                        return true;
        return false;
}

static int serve_child(const struct spawning *s, struct child *child) {
        struct step_message message;
        int r = says_here(s->plan) ? spawn_await(child, MESSAGE_HERE) : 0;
        if (r < 0)
                return r;
        r = s->is_outside ? scope_attach(s->input->cgroup, child->pid) : 0;
        if (r < 0 && r != -EBUSY)
                r = hint_at_cgroup(r);
        if (r >= 0 && s->plan->has_new_userns)
                r = idmap_write(s->plan, s->probe, child->pid);
        if (r >= 0)
                r = run_host_lane(s, child);
        if (r >= 0)
                r = tell_mapped(s, child);
        /* When the child failed first, its reason is the one to tell; ours came of it. */
        if (r < 0 && take_message(child, &message, MSG_DONTWAIT) == sizeof(message) && message.type == MESSAGE_FAILED)
                return fail_message(child, &message);
        return r;
}

static int start_child(struct spawning *s, struct child *child) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return fail(errno, "make a socket to the container's process");
        child->sync = ends[0];
        autofd theirs = ends[1], init = selfcopy_open();
        if (init < 0)
                return init;
        s->init = init;
        s->sync = s->input->slot[SLOT_SYNC] = theirs;
        s->slots_count = count_slots(s->input->slot);
        autofd image = open_image(s);
        s->image = image;
        int r = image;
        if (r >= 0) {
                s->image_number = str_format("%d", image);
                r = s->plan->unshares_time ? clone_in_time(s, child) : clone_child(s, child);
        }
        s->input->slot[SLOT_SYNC] = -1;
        return r < 0 ? r : 0;
}

/* What the open lane filled is the child's by now; with_sockets: so is what the caller only opened for it. */
static void close_slots(int *slot, const int *before, bool with_sockets) {
        for (int i = 0; i < SLOT_MAX; i++)
                if (before[i] < 0 || (with_sockets && (i == SLOT_CONSOLE || i == SLOT_START || i == SLOT_NOTIFY)))
                        slot[i] = fd_close(slot[i]);
}

int spawn(const struct spawn_input *input, struct child *ret_child) {
        struct spawning s = {
                .input = input, .plan = input->plan, .probe = probe_get(), .init = -1, .image = -1, .sync = -1
        };
        autochild child = CHILD_NONE;
        int before[SLOT_MAX];
        memcpy(before, input->slot, sizeof(before));
        child.plan = s.plan;
        int r = run_lane(&s, LANE_OPEN, 0);
        if (r >= 0)
                r = start_child(&s, &child);
        if (r >= 0) {
                r = go_home(&s);
                if (r >= 0)
                        r = serve_child(&s, &child);
        } else if (go_home(&s) < 0) {
                r = -err_errno();
        }
        close_slots(input->slot, before, r >= 0);
        if (r < 0)
                return r;
        *ret_child = child;
        child = (struct child)CHILD_NONE;
        return 0;
}

/* -- the talk -- */

/* The next message: 1, or 0 at end of file. */
static int receive(const struct child *child, struct step_message *ret) {
        ssize_t n = take_message(child, ret, 0);
        if (n == 0)
                return 0;
        if (n < 0)
                return fail(errno, "listen to the container's process");
        return n == sizeof(*ret) ? 1 : fail_words(EPROTO, "the container's process said something of %zd bytes", n);
}

static void reap(const struct child *child) {
        siginfo_t info;
        while (waitid(WAIT_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 && errno == EINTR)
                continue;
}

/* STEP_FORK: from now on the child is the process of that pid, if it is really our child. */
static int follow(struct child *child, pid_t pid) {
        siginfo_t info;
        autofd pidfd = (int)sys_pidfd_open(pid, 0);
        if (pidfd < 0)
                return fail(pidfd, "open process %d", pid);
        if (waitid(WAIT_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
                return fail(errno, "process %d is not the container's", pid);
        reap(child);
        (void)fd_close(child->pidfd);
        child->pidfd = fd_take(&pidfd);
        child->pid = pid;
        return 0;
}

/* Hears messages until one that is not MESSAGE_PID: 1 with it, 0 at end of file; a failure of the child is ours. */
static int hear(struct child *child, struct step_message *ret) {
        for (;;) {
                int r = receive(child, ret);
                if (r <= 0)
                        return r;
                if (ret->type == MESSAGE_FAILED)
                        return fail_message(child, ret);
                if (ret->type != MESSAGE_PID)
                        return 1;
                r = follow(child, ret->value);
                if (r < 0)
                        return r;
        }
}

static int run_ready_lane(const struct child *child) {
        struct context context = { .pid = child->pid, .start = -1 };
        struct lane steps = plan_lane(child->plan, LANE_READY);
        size_t step = 0;
        int r = steps_run(&steps, &context, &step);
        return r < 0 ? spawn_fail_step(child->plan, LANE_READY, step, -r) : 0;
}

int spawn_await(struct child *child, enum step_message_type want) {
        struct step_message message;
        int r = hear(child, &message);
        if (r == 0)
                return fail_silent(child);
        if (r > 0 && message.type != want)
                return fail_words(EPROTO, "the container's process said '%c' instead of '%c'", message.type, want);
        if (r > 0 && want == MESSAGE_READY)
                r = run_ready_lane(child);
        return r < 0 ? r : 0;
}

int spawn_go(struct child *child) {
        return send_message(child->sync, MESSAGE_GO);
}

int spawn_await_ready(struct child *child, int r) {
        if (r < 0 && r != -ESRCH && r != -EPIPE && r != -ECONNRESET)
                return r;
        int heard = spawn_await(child, MESSAGE_READY);
        return heard < 0 ? heard : r;
}

int spawn_await_exec(struct child *child) {
        struct step_message message;
        int r = hear(child, &message);
        if (r > 0)
                return fail_words(EPROTO, "the container's process said '%c' instead of execve", message.type);
        return r;
}

/* -- the end -- */

void child_keep(struct child *child) {
        child->kept = true;
        child->sync = fd_close(child->sync);
}

/* STEP_FORK may have made a second process that nobody was told of yet. */
static void kill_untold(struct child *child) {
        struct step_message message;
        while (take_message(child, &message, MSG_DONTWAIT) == sizeof(message)) {
                if (message.type != MESSAGE_PID || follow(child, message.value) < 0)
                        continue;
                (void)sys_pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
                reap(child);
        }
}

void child_release(struct child *child) {
        if (child->pid > 0 && !child->kept) {
                /* The words of the failure that brought us here stay. */
                const char *message = arena_strdup(err_message()), *hint = err_hint() ? arena_strdup(err_hint()) : NULL;
                int error = err_errno();
                (void)sys_pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
                reap(child);
                kill_untold(child);
                if (error)
                        (void)fail_words(error, "%s", message);
                if (hint)
                        (void)fail_hint(0, "%s", hint);
        }
        child->pidfd = fd_close(child->pidfd);
        child->sync = fd_close(child->sync);
        child->pid = 0;
        child->kept = false;
}

int child_wait(struct child *child) {
        siginfo_t info = { 0 };
        while (waitid(WAIT_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0)
                if (errno != EINTR)
                        return fail(errno, "wait for process %d", child->pid);
        child->kept = true; /* nothing is left to be killed */
        return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}
