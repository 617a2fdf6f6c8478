/* The other side of a bus, for tests: a process that listens and answers as a script says. */
#ifndef TESTS_UNIT_BUS_CASE_H
#define TESTS_UNIT_BUS_CASE_H

#include "runtime/host/bus.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* -- the server's words -- */

struct incoming {
        struct bus_header header;
        uint32_t serial;
};

struct outgoing {
        int type;
        uint32_t reply_serial;
        const char *path, *interface, *member, *error, *sender, *signature;
        const struct bus_message *body;
};

static inline bool read_all(int fd, uint8_t *at, size_t n) {
        while (n > 0) {
                ssize_t got = read(fd, at, n);
                if (got <= 0)
                        return false;
                at += got;
                n -= (size_t)got;
        }
        return true;
}

/* The client's half up to BEGIN. */
static inline bool take_auth(int fd) {
        static const char want[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        uint8_t got[sizeof(want) - 1];
        return read_all(fd, got, sizeof(got)) && memcmp(got, want, sizeof(got)) == 0;
}

static inline void say(int fd, const void *bytes, size_t n) {
        if (write(fd, bytes, n) != (ssize_t)n)
                _exit(1);
}

static inline void say_text(int fd, const char *text) {
        say(fd, text, strlen(text));
}

static inline bool take(int fd, struct incoming *ret) {
        uint8_t fixed[BUS_FIXED_SIZE], *bytes;
        bool is_too_large;
        if (!read_all(fd, fixed, sizeof(fixed)))
                return false;
        size_t n = bus_size(fixed, &is_too_large);
        if (n == 0)
                return false;
        bytes = arena_alloc(n);
        memcpy(bytes, fixed, sizeof(fixed));
        memcpy(&ret->serial, fixed + 8, sizeof(ret->serial));
        return read_all(fd, bytes + sizeof(fixed), n - sizeof(fixed)) && bus_parse(bytes, n, &ret->header);
}

static inline void put_outgoing(struct bus_message *m, uint8_t code, const char *type, const char *text) {
        if (!text)
                return;
        bus_align(m, 8);
        bus_put_bytes(m, &code, 1);
        bus_put_signature(m, type);
        if (*type == 'g')
                bus_put_signature(m, text);
        else
                bus_put_text(m, text);
}

static inline void give(int fd, const struct outgoing *out) {
        static uint32_t serial;
        struct bus_message m = { 0 };
        uint8_t start[] = { __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 'B' : 'l', (uint8_t)out->type, 1, 1 };
        bus_put_bytes(&m, start, sizeof(start));
        bus_put_u32(&m, out->body ? (uint32_t)out->body->n : 0);
        bus_put_u32(&m, ++serial);
        size_t fields = bus_begin_array(&m, 8);
        put_outgoing(&m, 1, "o", out->path);
        put_outgoing(&m, 2, "s", out->interface);
        put_outgoing(&m, 3, "s", out->member);
        put_outgoing(&m, 4, "s", out->error);
        put_outgoing(&m, 7, "s", out->sender);
        put_outgoing(&m, 8, "g", out->body ? out->signature : NULL);
        if (out->reply_serial) {
                bus_align(&m, 8);
                bus_put_bytes(&m, "\5\1u", 4);
                bus_put_u32(&m, out->reply_serial);
        }
        bus_end_array(&m, fields, 8);
        bus_align(&m, 8);
        if (out->body)
                bus_put_bytes(&m, out->body->at, out->body->n);
        say(fd, m.at, m.n);
}

/* A reply whose body is one text (NULL: empty). */
static inline void reply(int fd, const struct incoming *call, const char *signature, const char *text) {
        struct bus_message body = { 0 };
        struct outgoing out = { .type = BUS_REPLY, .reply_serial = call->serial, .sender = ":1.1" };
        if (text) {
                bus_put_text(&body, text);
                out.signature = signature;
                out.body = &body;
        }
        give(fd, &out);
}

static inline void refuse(int fd, const struct incoming *call, const char *error, const char *text) {
        struct bus_message body = { 0 };
        struct outgoing out = { .type = BUS_ERROR, .reply_serial = call->serial, .error = error, .sender = ":1.1" };
        if (text) {
                bus_put_text(&body, text);
                out.signature = "s";
                out.body = &body;
        }
        give(fd, &out);
}

static inline void job_removed(int fd, const char *job, const char *result, const char *sender) {
        struct bus_message body = { 0 };
        struct outgoing out = { BUS_SIGNAL,
                                0,
                                "/org/freedesktop/systemd1",
                                "org.freedesktop.systemd1.Manager",
                                "JobRemoved",
                                NULL,
                                sender,
                                "uoss",
                                &body };
        bus_put_u32(&body, 1);
        bus_put_text(&body, job);
        bus_put_text(&body, "a.scope");
        bus_put_text(&body, result);
        give(fd, &out);
}

/* In and Hello answered. */
static inline void welcome(int fd) {
        struct incoming call;
        if (!take_auth(fd))
                _exit(1);
        say_text(fd, "DATA\r\nOK 00112233445566778899aabbccddeeff\r\n");
        if (!take(fd, &call) || !str_eq(call.header.member, "Hello"))
                _exit(1);
        reply(fd, &call, "s", ":1.5");
}

/* -- the server itself -- */

/* Answers every connection in a process of its own, until it is killed. */
static inline pid_t serve(const char *name, void (*conversation)(int fd)) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t n = strlen(name);
        memcpy(address.sun_path + 1, name, n);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + 1 + n)) < 0 ||
            listen(fd, 5) < 0)
                exit(1);
        (void)fflush(stdout);
        pid_t pid = fork();
        if (pid != 0) {
                (void)fd_close(fd);
                return pid;
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGCHLD, SIG_IGN);
        for (;;) {
                int connection = accept(fd, NULL, NULL);
                if (connection < 0)
                        _exit(1);
                if (fork() == 0) {
                        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                        (void)fd_close(fd);
                        conversation(connection);
                        _exit(0);
                }
                (void)fd_close(connection);
        }
}

static inline void end(pid_t server) {
        (void)kill(server, SIGKILL);
        (void)waitpid(server, NULL, 0);
}

#endif
