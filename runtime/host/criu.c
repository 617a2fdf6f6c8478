#include "runtime/host/criu.h"

#include "runtime/host/spawn.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX 65536
#define LOG_TAIL   65536
#define ERRORS_MAX 3
#define NOTIFY     6 /* criu_req_type of an event and of its answer */

/* -- protobuf -- */

static void put_bytes(struct criu_message *message, const void *bytes, size_t size) {
        message->at = arena_grow(message->at, message->n, message->n + size);
        memcpy(message->at + message->n, bytes, size);
        message->n += size;
}

static void put_varint(struct criu_message *message, uint64_t value) {
        unsigned char bytes[10];
        size_t n = 0;
        for (; value >= 128; value >>= 7)
                bytes[n++] = (unsigned char)(value | 128);
        bytes[n++] = (unsigned char)value;
        put_bytes(message, bytes, n);
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

void criu_put_number(struct criu_message *message, unsigned field, uint64_t value) {
        put_varint(message, (uint64_t)field << 3 | WIRE_VARINT);
        put_varint(message, value);
}

static void put_block(struct criu_message *message, unsigned field, const void *bytes, size_t size) {
        put_varint(message, (uint64_t)field << 3 | WIRE_BYTES);
        put_varint(message, size);
        put_bytes(message, bytes, size);
}

void criu_put_text(struct criu_message *message, unsigned field, const char *text) {
        put_block(message, field, text, strlen(text));
}

void criu_put_inner(struct criu_message *message, unsigned field, const struct criu_message *inner) {
        put_block(message, field, inner->at, inner->n);
}

/* What is left to be read, and the field read last. */
struct reader {
        const unsigned char *at, *end;
        unsigned field;
        uint64_t number;            /* WIRE_VARINT */
        const unsigned char *bytes; /* WIRE_BYTES; else NULL */
        size_t size;
        bool is_bad; /* what came is no message */
};

static bool read_varint(struct reader *reader, uint64_t *ret) {
        *ret = 0;
        for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
                *ret |= (uint64_t)(*reader->at & 127) << shift;
                if (!(*reader->at++ & 128))
                        return true;
        }
        return false;
}

static bool skip(struct reader *reader, size_t size) {
        if ((size_t)(reader->end - reader->at) < size)
                return false;
        reader->at += size;
        return true;
}

static bool read_field(struct reader *reader) {
        uint64_t key, size;
        reader->bytes = NULL;
        if (!read_varint(reader, &key))
                return false;
        reader->field = (unsigned)(key >> 3);
        switch (key & 7) {
        case WIRE_VARINT:
                return read_varint(reader, &reader->number);
        case WIRE_64:
                return skip(reader, 8);
        case WIRE_32:
                return skip(reader, 4);
        case WIRE_BYTES:
                if (!read_varint(reader, &size))
                        return false;
                reader->bytes = reader->at;
                reader->size = (size_t)size;
                return skip(reader, (size_t)size);
        default:
                return false;
        }
}

/* false at the end, and at what is no message. */
static bool next_field(struct reader *reader) {
        if (reader->at == reader->end)
                return false;
        reader->is_bad = !read_field(reader);
        return !reader->is_bad;
}

/* -- the process -- */

/* What its process could not do before execve. */
struct failure {
        int lane; /* -1: by itself, with what in words */
        size_t step;
        int error;
};

struct launch {
        const struct criu_start *start;
        const char *program;
        int talk, failed;
        pid_t parent;
};

static bool enter_cgroup(const struct criu_start *start) {
        const struct cgroup *cgroup = start->cgroup;
        if (cgroup && cgroup->fd >= 0 && write_file_at(cgroup->fd, "cgroup.procs", "0", 1) < 0)
                return false;
        return !start->has_cgroup_namespace || unshare(CLONE_NEWCGROUP) == 0;
}

/* No version of CRIU before 4 remembers it of a process; nobody who has it can lose it. */
static bool give_up_privileges(const struct criu_start *start) {
        return !start->no_new_privileges || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool run_lane(const struct plan *plan, enum plan_lane which, struct context *context, struct failure *ret) {
        struct lane lane = plan_lane(plan, which);
        context->data = lane.data;
        int r = steps_run(&lane, context, &ret->step);
        ret->lane = which;
        ret->error = -r;
        return r == 0;
}

/* What the host mounts or unmounts from now on is to be seen, what CRIU mounts is not to be seen by the host. */
static bool run_lanes(const struct plan *plan, struct failure *ret) {
        static int slot[SLOT_MAX];
        static struct context context;
        context = (struct context){ .slot = slot, .start = -1 };
        for (int i = 0; i < SLOT_MAX; i++)
                slot[i] = -1;
        if (!run_lane(plan, LANE_OPEN, &context, ret))
                return false;
        ret->lane = -1;
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
                ret->error = errno;
                return false;
        }
        return run_lane(plan, LANE_CHILD, &context, ret);
}

static bool prepare(const struct launch *launch, struct failure *ret) {
        const struct criu_start *start = launch->start;
        sigset_t empty;
        if (start->umask)
                (void)umask(start->umask);
        bool ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == launch->parent;
        for (int number = 1; number < NSIG; number++)
                (void)signal(number, SIG_DFL);
        (void)sigemptyset(&empty);
        (void)sigprocmask(SIG_SETMASK, &empty, NULL);
        ready = ready && enter_cgroup(start) && give_up_privileges(start);
        if (!ready)
                ret->error = errno;
        if (!ready || (start->plan && !run_lanes(start->plan, ret)))
                return false;
        ret->lane = -1;
        ready = syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) == 0 && fcntl(launch->talk, F_SETFD, 0) == 0;
        for (size_t i = 0; i < start->inherited_count; i++)
                ready = ready && fcntl(start->inherited[i], F_SETFD, 0) == 0;
        ret->error = errno;
        return ready;
}

static void become_criu(const struct launch *launch) __attribute__((noreturn));
static void become_criu(const struct launch *launch) {
        struct failure failure = { .lane = -1 };
        if (prepare(launch, &failure)) {
                const char *number = str_format("%d", launch->talk);
                (void)execlp(launch->program, "criu", "swrk", number, NULL);
                failure.error = errno;
        }
        (void)!write(launch->failed, &failure, sizeof(failure));
        _exit(127);
}

static int fail_launch(const struct criu_start *start, const char *program, const struct failure *failure) {
        if (failure->lane >= 0)
                return spawn_fail_step(start->plan, (enum plan_lane)failure->lane, failure->step, failure->error);
        int r = fail(failure->error ? failure->error : EIO, "start CRIU (%s)", program);
        return failure->error == ENOENT ? fail_hint(r, "install CRIU (Debian package criu), or name it by --criu") : r;
}

int criu_start(const struct criu_start *start, struct criu *ret) {
        autocriu criu = CRIU_NONE;
        struct failure failure;
        int ends[2], talk[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return fail(errno, "pipe");
        autofd said = ends[0], failed = ends[1];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, talk) < 0)
                return fail(errno, "make a socket");
        criu.talk = talk[0];
        autofd theirs = talk[1];
        struct launch launch = { .start = start,
                                 .program = start->program ? start->program : "criu",
                                 .talk = theirs,
                                 .failed = failed,
                                 .parent = getpid() };
        criu.pid = fork();
        if (criu.pid == 0)
                become_criu(&launch);
        if (criu.pid < 0)
                return fail(errno, "fork");
        criu.pidfd = (int)syscall(SYS_pidfd_open, criu.pid, 0);
        failed = fd_close(failed);
        ssize_t n = read(said, &failure, sizeof(failure));
        if (n != 0)
                return n == (ssize_t)sizeof(failure) ? fail_launch(start, launch.program, &failure)
                                                     : fail(n < 0 ? errno : EIO, "start CRIU");
        *ret = criu;
        criu = (struct criu)CRIU_NONE;
        return 0;
}

void criu_release(struct criu *criu) {
        criu->talk = fd_close(criu->talk);
        if (criu->pid > 0) {
                (void)kill(criu->pid, SIGKILL);
                while (waitpid(criu->pid, NULL, 0) < 0 && errno == EINTR)
                        continue;
        }
        criu->pidfd = fd_close(criu->pidfd);
        criu->pid = 0;
}

/* -- the talk -- */

struct answer {
        uint64_t kind, success;
        pid_t pid;
        const char *event, *words;
        int fd;
};

static int say(const struct criu *criu, const struct criu_message *message) {
        ssize_t n;
        do {
                n = send(criu->talk, message->at, message->n, MSG_NOSIGNAL);
        } while (n < 0 && errno == EINTR);
        return n < 0 ? fail(errno, "talk to CRIU") : 0;
}

static void read_event(const struct reader *outer, struct answer *ret) {
        struct reader reader = { .at = outer->bytes, .end = outer->bytes + outer->size };
        while (next_field(&reader)) {
                if (reader.field == 1 && reader.bytes)
                        ret->event = arena_strndup((const char *)reader.bytes, reader.size);
                else if (reader.field == 2 && !reader.bytes && reader.number <= INT32_MAX)
                        ret->pid = (pid_t)reader.number;
        }
}

/* Message criu_resp: type 1, success 2, notify 5 (script 1, pid 2), cr_errmsg 9. */
static int read_answer(const unsigned char *bytes, size_t size, struct answer *ret) {
        struct reader reader = { .at = bytes, .end = bytes + size };
        while (next_field(&reader)) {
                if (reader.field == 1 && !reader.bytes)
                        ret->kind = reader.number;
                else if (reader.field == 2 && !reader.bytes)
                        ret->success = reader.number;
                else if (reader.field == 5 && reader.bytes)
                        read_event(&reader, ret);
                else if (reader.field == 9 && reader.bytes)
                        ret->words = arena_strndup((const char *)reader.bytes, reader.size);
        }
        return reader.is_bad ? fail_words(EPROTO, "CRIU answered what is no message") : 0;
}

static int hear(const struct criu *criu, struct answer *ret) {
        static unsigned char buffer[ANSWER_MAX];
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec part = { buffer, sizeof(buffer) };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n;
        *ret = (struct answer){ .fd = -1 };
        do {
                n = recvmsg(criu->talk, &message, MSG_CMSG_CLOEXEC);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return fail(errno, "listen to CRIU");
        const struct cmsghdr *part_of = CMSG_FIRSTHDR(&message);
        if (part_of && part_of->cmsg_level == SOL_SOCKET && part_of->cmsg_type == SCM_RIGHTS &&
            part_of->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(&ret->fd, CMSG_DATA(part_of), sizeof(int));
        if (n == 0)
                return fail_words(EPIPE, "CRIU ended without an answer");
        return read_answer(buffer, (size_t)n, ret);
}

/* Message criu_req: type 1, opts 2, notify_success 3. */
static int answer_event(const struct criu *criu, bool is_good) {
        struct criu_message message = { 0 };
        criu_put_number(&message, 1, NOTIFY);
        criu_put_number(&message, 3, is_good);
        return say(criu, &message);
}

int criu_ask(struct criu *criu, enum criu_kind kind, const struct criu_message *options, criu_listener *listener,
             void *data) {
        struct criu_message request = { 0 };
        struct err_saved why;
        int failed = 0;
        criu_put_number(&request, 1, kind);
        criu_put_inner(&request, 2, options);
        int r = say(criu, &request);
        while (r == 0) {
                struct answer answer;
                r = hear(criu, &answer);
                if (r < 0 || answer.kind != NOTIFY) {
                        (void)fd_close(answer.fd);
                        if (r == 0 && !answer.success && !failed)
                                r = answer.words ? fail_words(EIO, "CRIU: %s", str_printable(answer.words)) : -EIO;
                        break;
                }
                log_write(LOG_DEBUG, "criu: %s", answer.event ? answer.event : "an event without a name");
                int listened = failed || !answer.event ? 0 : listener(answer.event, answer.pid, answer.fd, data);
                if (listened < 0) {
                        failed = listened;
                        err_save(&why);
                }
                r = answer_event(criu, !failed);
        }
        if (failed)
                err_restore(&why);
        return failed ? failed : r;
}

/* -- words -- */

/* "(00.012345) Error (criu/mount.c:1088): mnt: ...": what follows the place in CRIU's source. */
static const char *error_of(const char *line) {
        const char *at = strstr(line, "Error ("), *end = at ? strstr(at, "): ") : NULL;
        /* That it failed is known. */
        return end && !str_ends(line, " FAILED.") ? end + 3 : NULL;
}

/* One mistake makes several: the first of the last few says most. */
static const char *last_errors(const char *text) {
        struct strv lines = str_split(text, '\n', true), found = { 0 };
        for (size_t i = 0; i < lines.n; i++)
                if (error_of(lines.at[i]))
                        strv_add(&found, error_of(lines.at[i]));
        if (found.n > ERRORS_MAX)
                found = (struct strv){ .at = found.at + found.n - ERRORS_MAX, .n = ERRORS_MAX };
        return found.n ? str_join(&found, "; ") : NULL;
}

static const char *read_tail(int folder, const char *log) {
        struct stat status;
        char *text;
        autofd fd = openat(folder, log, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
                return "";
        if (status.st_size > LOG_TAIL && lseek(fd, status.st_size - LOG_TAIL, SEEK_SET) < 0)
                return "";
        return read_fd(fd, LOG_TAIL + 4096, &text, NULL) < 0 ? "" : text;
}

int criu_fail(int r, int folder, const char *path, const char *log) {
        struct err_saved saved;
        err_save(&saved);
        const char *words = last_errors(read_tail(folder, log));
        err_restore(&saved);
        if (*err_message() && (!words || (r != -EPIPE && r != -EIO)))
                return r;
        r = fail_words(EIO, "CRIU: %s", words ? str_printable(words) : "it failed without saying why");
        return fail_hint(r, "all it said is in %s", str_path(path, log));
}
