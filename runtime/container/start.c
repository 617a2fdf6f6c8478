/* start: wakes the init of a created container and waits until the payload runs.
 *
 * The talk on ID/start.sock (SOCK_SEQPACKET, one struct step_message a datagram; only .type counts unless said
 * otherwise).  Two phases, so that what `state` says is true at every instant: the socket's file exists exactly as long
 * as init has not been told to go on.
 *
 *   start                                init (STEP_START)
 *   connect                      ->      accept
 *   MESSAGE_START 's'            ->
 *                                <-      MESSAGE_START 's' {step: the first startContainer hook}: I listen to you alone
 *   unlink start.sock
 *   MESSAGE_GO 'g'               ->      startContainer hooks, identity, execve
 *                                <-      MESSAGE_FAILED {kind, step, value: errno}, then exit 127
 *                                <-      or end of file: execve has closed the connection, the payload runs
 *
 * End of file before 's': the caller died early; init accepts the next one.  End of file after 's' and before 'g': the
 * caller died when the file may already be gone; init exits, the container is `stopped`.  Init closes the listening
 * socket when it gets 'g'.  Parent side only. */
#include "runtime/container/inside.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"
#include "specs/base/timing.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

static int connect_to_init(const struct container *container) {
        struct timeval patience = { .tv_sec = END_MS / 1000 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", container->entry.folder,
                       START_SOCKET);
        autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return fail(errno, "make a socket");
        while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                if (errno != EINTR)
                        return fail(errno, "connect to its init at %s/%s", container->entry.path, START_SOCKET);
        return fd_take(&fd);
}

static int say(int fd, enum step_message_type type) {
        struct step_message message = { .type = (uint8_t)type };
        ssize_t n;
        do {
                n = send(fd, &message, sizeof(message), MSG_NOSIGNAL);
        } while (n < 0 && errno == EINTR);
        return n < 0 ? fail(errno, "talk to its init") : 0;
}

/* 1 with a message, 0 at end of file. */
static int hear(int fd, struct step_message *ret) {
        ssize_t n;
        do {
                n = recv(fd, ret, sizeof(*ret), 0);
        } while (n < 0 && errno == EINTR);
        if (n < 0 && errno != ECONNRESET)
                return fail(errno, "listen to its init");
        if (n > 0 && (size_t)n != sizeof(*ret))
                return fail_words(EPROTO, "listen to its init: a message of %zd bytes", n);
        return n > 0;
}

/* What failed, in the words that are left without the plan. */
static int fail_hook(const struct step_message *message, unsigned index, const struct oci_config *config) {
        int number = message->value > 0 ? message->value : EIO;
        const char *path = config->hooks && index < config->hooks->start_container.n
                                   ? config->hooks->start_container.at[index].path
                                   : "a hook";
        if (number == ECANCELED)
                return fail_words(number, "hooks.startContainer[%u]: %s: it failed", index, path);
        if (number == ETIMEDOUT)
                return fail_words(number, "hooks.startContainer[%u]: %s: its time was over", index, path);
        return fail(number, "hooks.startContainer[%u]: %s", index, path);
}

static int fail_kind(const struct step_message *message, const struct oci_config *config) {
        const struct oci_process *process = config->process;
        const char *program = process && process->args.n ? process->args.at[0] : "";
        int number = message->value > 0 ? message->value : EIO;
        if (message->kind == STEP_EXEC || message->kind == STEP_FIND)
                return fail_program(number, "%s %s", step_name(message->kind), program);
        return fail(number, "%s", step_name(message->kind));
}

/* Phase one: init listens to us alone, so nobody else can find the file that goes now. */
static int agree(int fd, const struct container *container, unsigned *ret_first) {
        struct step_message message;
        int r = say(fd, MESSAGE_START);
        if (r == 0)
                r = hear(fd, &message);
        if (r < 0)
                return r;
        if (r == 0 || message.type != MESSAGE_START)
                return fail_words(ESRCH, "its init ended");
        if (unlinkat(container->entry.folder, START_SOCKET, 0) < 0)
                return fail(errno, "remove %s/%s", container->entry.path, START_SOCKET);
        *ret_first = message.step;
        return 0;
}

/* first: the number of the step that comes next. */
static int go(int fd, const struct oci_config *config, unsigned first, bool *ret_hook_failed) {
        struct step_message message;
        int r = say(fd, MESSAGE_GO);
        if (r == 0)
                r = hear(fd, &message);
        if (r <= 0)
                return r;
        if (message.type != MESSAGE_FAILED)
                return fail_words(EPROTO, "its init said '%c' instead of execve", message.type);
        *ret_hook_failed = message.kind == STEP_HOOK;
        return *ret_hook_failed ? fail_hook(&message, message.step - first, config) : fail_kind(&message, config);
}

/* A startContainer hook that fails ends the lifecycle; a program that cannot be executed leaves a stopped container. */
static int wake(struct container *container, const struct oci_config *config) {
        bool hook_failed = false;
        unsigned first = 0;
        autofd fd = connect_to_init(container);
        int r = fd < 0 ? fd : agree(fd, container, &first);
        if (r == 0)
                r = go(fd, config, first, &hook_failed);
        if (!hook_failed)
                return r;
        const char *words = arena_strdup(err_message());
        if (container_destroy_known(container, config) < 0)
                log_warning("%s", err_message());
        return fail_words(r, "%s", words);
}

int container_start(const char *root, const char *id) {
        autocontainer container = CONTAINER_NONE;
        struct oci_config *config;
        int r = container_open(root, id, LOCK_EX, &container);
        if (r < 0)
                return r;
        if (container.status != CONTAINER_CREATED)
                return fail_words(EINVAL, "start %s: cannot start a container in the %s state", id,
                                  container_status_name(container.status));
        r = container_config(&container.entry, &config);
        if (r == 0)
                r = timing_phase("execve", wake(&container, config));
        if (r == 0)
                r = container_poststart(&container, config);
        return r < 0 ? fail_in(r, "start %s", id) : 0;
}
