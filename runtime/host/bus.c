#include "runtime/host/bus.h"

#include "specs/base/arena.h"
#include "specs/base/clock.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define MANAGER         "org.freedesktop.systemd1"
#define BUS             "org.freedesktop.DBus"
#define NO_AUTO_START   2 /* a systemd that does not run is not to be started by a bus */
#define LINE_MAX_       512
#define SYSTEM_ADDRESS  "unix:path=/run/dbus/system_bus_socket"
#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define NO_SYSTEMD_HINT "is systemd running? use --cgroup-manager cgroupfs"

/* -- bytes, until a deadline -- */

static int too_late(const struct bus *bus) {
        return fail_words(ETIMEDOUT, "%s: no answer after %g s", bus->address, bus->timeout_ms / 1000.0);
}

static int closed(const struct bus *bus) {
        return fail_words(ECONNRESET, "%s: the connection was closed", bus->address);
}

static int await(const struct bus *bus, short events, int64_t deadline) {
        struct pollfd ready = { .fd = bus->fd, .events = events };
        int64_t left = deadline - clock_ms();
        int n = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (n < 0 && errno != EINTR)
                return fail(errno, "poll %s", bus->address);
        return n == 0 ? too_late(bus) : 0;
}

static int send_all(const struct bus *bus, const uint8_t *at, size_t n, int64_t deadline) {
        while (n > 0) {
                ssize_t sent = send(bus->fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return closed(bus);
                if (sent < 0 && errno != EAGAIN && errno != EINTR)
                        return fail(errno, "send to %s", bus->address);
                int r = sent < 0 ? await(bus, POLLOUT, deadline) : 0;
                if (r < 0)
                        return r;
                at += sent > 0 ? sent : 0;
                n -= sent > 0 ? (size_t)sent : 0;
        }
        return 0;
}

/* What is there already, at least one byte. */
static ssize_t receive_some(const struct bus *bus, void *at, size_t n, int flags, int64_t deadline) {
        for (;;) {
                ssize_t got = recv(bus->fd, at, n, MSG_DONTWAIT | flags);
                if (got > 0)
                        return got;
                if (got == 0 || errno == ECONNRESET)
                        return closed(bus);
                if (errno != EAGAIN && errno != EINTR)
                        return fail(errno, "receive from %s", bus->address);
                int r = await(bus, POLLIN, deadline);
                if (r < 0)
                        return r;
        }
}

static int receive_all(const struct bus *bus, uint8_t *at, size_t n, int64_t deadline) {
        while (n > 0) {
                ssize_t got = receive_some(bus, at, n, 0, deadline);
                if (got < 0)
                        return (int)got;
                at += got;
                n -= (size_t)got;
        }
        return 0;
}

/* -- messages -- */

static int receive(struct bus *bus, int64_t deadline, struct bus_header *ret) {
        uint8_t fixed[BUS_FIXED_SIZE];
        bool is_too_large;
        if (clock_ms() >= deadline) /* one that talks without an end never lets us wait */
                return too_late(bus);
        int r = receive_all(bus, fixed, sizeof(fixed), deadline);
        if (r < 0)
                return r;
        size_t n = bus_size(fixed, &is_too_large);
        if (is_too_large)
                return fail_words(EMSGSIZE, "%s: a message larger than %u bytes", bus->address, BUS_MESSAGE_MAX);
        if (n > bus->room) {
                bus->scratch = arena_grow(bus->scratch, 0, n);
                bus->room = n;
        }
        if (n > 0) {
                memcpy(bus->scratch, fixed, sizeof(fixed));
                r = receive_all(bus, bus->scratch + sizeof(fixed), n - sizeof(fixed), deadline);
        }
        if (r < 0)
                return r;
        if (n == 0 || !bus_parse(bus->scratch, n, ret))
                return fail_words(EBADMSG, "%s: this is not D-Bus", bus->address);
        return 0;
}

/* Out of the scratch, which the next message overwrites. */
static void keep(const struct bus_header *header, struct bus_reply *ret) {
        *ret = (struct bus_reply){ arena_strdup(header->signature), header->body };
        ret->body.at = arena_memdup(header->body.at, header->body.n);
}

static void put_field(struct bus_message *m, uint8_t code, const char *type, const char *text) {
        bus_align(m, 8);
        bus_put_bytes(m, &code, 1);
        bus_put_signature(m, type);
        if (*type == 'g')
                bus_put_signature(m, text);
        else
                bus_put_text(m, text);
}

static int send_call(struct bus *bus, const char *destination, const struct bus_call *call, int64_t deadline) {
        struct bus_message m = { 0 };
        bool is_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, has_overflowed = call->body && call->body->has_overflowed;
        size_t n = call->body ? call->body->n : 0;
        bus_put_bytes(&m, (uint8_t[]){ is_big ? 'B' : 'l', BUS_CALL, NO_AUTO_START, 1 }, 4);
        bus_put_u32(&m, (uint32_t)n);
        bus_put_u32(&m, ++bus->serial);
        size_t fields = bus_begin_array(&m, 8);
        put_field(&m, 1, "o", call->path);
        put_field(&m, 2, "s", call->interface);
        put_field(&m, 3, "s", call->member);
        put_field(&m, 6, "s", destination);
        if (n > 0)
                put_field(&m, 8, "g", call->signature);
        bus_end_array(&m, fields, 8);
        bus_align(&m, 8);
        if (n > 0)
                bus_put_bytes(&m, call->body->at, n);
        if (m.has_overflowed || has_overflowed)
                return fail_words(EMSGSIZE, "call %s: it does not fit a message", call->member);
        return send_all(bus, m.at, m.n, deadline);
}

/* -- answers -- */

static int error_number(const char *name) {
        static const struct {
                const char *name;
                int number;
        } rows[] = {
                { MANAGER ".UnitExists", EEXIST },      { MANAGER ".NoSuchUnit", ENOENT },
                { BUS ".Error.AccessDenied", EACCES },  { BUS ".Error.InteractiveAuthorizationRequired", EACCES },
                { BUS ".Error.InvalidArgs", EINVAL },   { BUS ".Error.ServiceUnknown", ENXIO },
                { BUS ".Error.NameHasNoOwner", ENXIO }, { BUS ".Error.NoReply", ETIMEDOUT },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (str_eq(rows[i].name, name))
                        return rows[i].number;
        return EIO;
}

static int error_reply(struct bus_header *header, const char **ret_error) {
        const char *text = NULL;
        if (ret_error)
                *ret_error = arena_strdup(header->error);
        if (*header->signature != 's' || !bus_get_text(&header->body, &text) || !*text)
                text = header->error;
        int number = error_number(header->error), r = fail_words(number, "%s", text);
        return number == ENXIO ? fail_hint(r, NO_SYSTEMD_HINT) : r;
}

static int exchange(struct bus *bus, const char *destination, const struct bus_call *call, struct bus_reply *ret,
                    const char **ret_error) {
        int64_t deadline = clock_ms() + bus->timeout_ms;
        struct bus_header header;
        int r = send_call(bus, destination, call, deadline);
        do {
                if (r == 0)
                        r = receive(bus, deadline, &header);
                if (r < 0)
                        return r;
        } while (header.reply_serial != bus->serial || (header.type != BUS_REPLY && header.type != BUS_ERROR));
        if (header.type == BUS_ERROR)
                return error_reply(&header, ret_error);
        bus->peer = header.sender ? arena_strdup(header.sender) : NULL;
        if (ret)
                keep(&header, ret);
        return 0;
}

int bus_call(struct bus *bus, const struct bus_call *call, struct bus_reply *ret, const char **ret_error) {
        if (ret_error)
                *ret_error = NULL;
        return exchange(bus, MANAGER, call, ret, ret_error);
}

int bus_match(struct bus *bus, const char *interface, const char *member) {
        struct bus_message body = { 0 };
        struct bus_call call = { "/org/freedesktop/DBus", BUS, "AddMatch", "s", &body };
        if (bus->is_direct)
                return 0;
        bus_put_text(&body,
                     str_format("type='signal',sender='" MANAGER "',interface='%s',member='%s'", interface, member));
        int r = exchange(bus, BUS, &call, NULL, NULL);
        return r < 0 ? fail_in(r, "ask for the signal %s", member) : 0;
}

/* The sender is the bus's own word; a direct connection has none. */
static bool is_signal(const struct bus *bus, const struct bus_header *header, const char *interface,
                      const char *member) {
        if (header->type != BUS_SIGNAL || !str_eq(header->interface, interface) || !str_eq(header->member, member))
                return false;
        return !bus->peer || (header->sender && str_eq(header->sender, bus->peer));
}

int bus_wait(struct bus *bus, const char *interface, const char *member, int timeout_ms, struct bus_reply *ret) {
        int64_t deadline = clock_ms() + timeout_ms;
        struct bus_header header;
        do {
                int r = receive(bus, deadline, &header);
                if (r == -ETIMEDOUT)
                        return fail_words(ETIMEDOUT, "%s: no signal %s after %g s", bus->address, member,
                                          timeout_ms / 1000.0);
                if (r < 0)
                        return r;
        } while (!is_signal(bus, &header, interface, member));
        keep(&header, ret);
        return 0;
}

/* -- connecting -- */

static int hex_digit(char c) {
        static const char digits[] = "0123456789abcdef";
        const char *at = c ? strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0)) : NULL;
        return at ? (int)(at - digits) : -1;
}

/* NULL: a % without two digits. */
static char *address_unescape(const char *text) {
        char *out = arena_strdup(text), *to = out;
        for (; *text; text++) {
                *to = *text;
                if (*text == '%') {
                        int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
                        if (low < 0 || high * 16 + low == 0)
                                return NULL;
                        *to = (char)(high * 16 + low);
                        text += 2;
                }
                to++;
        }
        *to = '\0';
        return out;
}

/* One address to a socket's; -EINVAL: of another kind. */
static int socket_address(const char *address, struct sockaddr_un *ret, socklen_t *ret_size) {
        if (!str_starts(address, "unix:"))
                return -EINVAL;
        struct strv pairs = str_split(address + strlen("unix:"), ',', true);
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        for (size_t i = 0; i < pairs.n; i++) {
                bool is_abstract = str_starts(pairs.at[i], "abstract=");
                if (!is_abstract && !str_starts(pairs.at[i], "path="))
                        continue;
                const char *name = address_unescape(strchr(pairs.at[i], '=') + 1);
                size_t n = name ? strlen(name) : 0;
                if (n == 0 || n + 1 > sizeof(ret->sun_path))
                        return name && n ? -ENAMETOOLONG : -EINVAL;
                memcpy(ret->sun_path + is_abstract, name, n);
                *ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
                return 0;
        }
        return -EINVAL;
}

static int connect_socket(const char *address, int timeout_ms) {
        struct timeval patience = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
        struct sockaddr_un to;
        socklen_t size;
        int r = socket_address(address, &to, &size);
        if (r < 0)
                return r;
        autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* connect waits for a place in the queue of who listens. */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        while (connect(fd, (struct sockaddr *)&to, size) < 0)
                if (errno != EINTR)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
        return fd_take(&fd);
}

static int connect_any(const char *address, int timeout_ms) {
        struct strv choices = str_split(address, ';', true);
        int fd = -EINVAL;
        for (size_t i = 0; fd < 0 && i < choices.n; i++)
                fd = connect_socket(choices.at[i], timeout_ms);
        if (fd == -EINVAL)
                return fail_words(EINVAL,
                                  "connect to %s: not an address that rundlet knows (unix:path=, unix:abstract=)",
                                  address);
        return fd < 0 ? fail(fd, "connect to %s", address) : fd;
}

/* A line of the time before messages, its end cut off; what follows it stays in the socket. */
static int receive_line(const struct bus *bus, int64_t deadline, char line[LINE_MAX_]) {
        size_t n = 0;
        while (n + 1 < LINE_MAX_) {
                ssize_t got = receive_some(bus, line + n, LINE_MAX_ - 1 - n, MSG_PEEK, deadline);
                if (got < 0)
                        return (int)got;
                const char *end = memchr(line + n, '\n', (size_t)got);
                size_t taken = end ? (size_t)(end + 1 - (line + n)) : (size_t)got;
                got = receive_some(bus, line + n, taken, 0, deadline);
                if (got < 0)
                        return (int)got;
                n += (size_t)got;
                if (end) {
                        line[n - 1] = '\0';
                        line[strcspn(line, "\r")] = '\0';
                        return 0;
                }
        }
        return fail_words(EBADMSG, "%s: this is not D-Bus", bus->address);
}

/* Without a name of our own: the kernel has told the other side who we are, in its own numbers, whatever user namespace
 * we are in. */
static int authenticate(const struct bus *bus) {
        static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        static const char *const answers[] = { "DATA", "OK" };
        int64_t deadline = clock_ms() + bus->timeout_ms;
        char line[LINE_MAX_];
        int r = send_all(bus, (const uint8_t *)hello, sizeof(hello) - 1, deadline);
        for (size_t i = 0; r == 0 && i < sizeof(answers) / sizeof(answers[0]); i++) {
                r = receive_line(bus, deadline, line);
                if (r == 0 && str_starts(line, "REJECTED"))
                        return fail_words(EACCES, "%s: it does not let in uid %u", bus->address, (unsigned)geteuid());
                if (r == 0 && !str_starts(line, answers[i]))
                        return fail_words(EBADMSG, "%s: this is not D-Bus: %s", bus->address, line);
        }
        return r;
}

int bus_connect(const char *address, bool is_direct, int timeout_ms, struct bus *ret) {
        struct bus_call hello = { "/org/freedesktop/DBus", BUS, "Hello", "", NULL };
        autobus bus = { .is_direct = is_direct, .timeout_ms = timeout_ms, .address = arena_strdup(address) };
        bus.fd = connect_any(address, timeout_ms);
        int r = bus.fd < 0 ? bus.fd : authenticate(&bus);
        if (r == 0 && !is_direct)
                r = exchange(&bus, BUS, &hello, NULL, NULL);
        if (r < 0)
                return r;
        *ret = bus;
        bus.fd = -1;
        return 0;
}

void bus_release(struct bus *bus) {
        bus->fd = fd_close(bus->fd);
}

/* -- where systemd is -- */

struct place {
        const char *address;
        bool is_direct;
};

/* A path as an address takes it. */
static const char *path_address(const char *folder, const char *name) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.\\*";
        const char *path = str_path(folder, name);
        char *out = arena_alloc(strlen(path) * 3 + 1), *to = out;
        for (; *path; path++)
                if (strchr(plain, *path))
                        *to++ = *path;
                else
                        to += snprintf(to, 4, "%%%02x", (unsigned char)*path);
        return str_format("unix:path=%s", out);
}

static size_t find_places(bool is_user, struct place ret[3]) {
        const char *named = getenv(is_user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
        const char *folder = getenv("XDG_RUNTIME_DIR");
        size_t n = 0;
        if (!folder || !*folder)
                folder = str_format("/run/user/%u", (unsigned)geteuid());
        /* A user's bus is started by the first who connects, and systemd is not yet on it then: straight to systemd, as
         * systemctl --user does it. */
        if (is_user)
                ret[n++] = (struct place){ path_address(folder, "systemd/private"), true };
        if (named && *named)
                ret[n++] = (struct place){ named, false };
        ret[n++] = (struct place){ is_user ? path_address(folder, "bus") : SYSTEM_ADDRESS, false };
        if (!is_user)
                ret[n++] = (struct place){ PRIVATE_ADDRESS, true };
        return n;
}

int bus_open(bool is_user, struct bus *ret) {
        struct place places[3];
        struct strv tried = { 0 };
        size_t n = find_places(is_user, places);
        int r = -ENOENT, why = 0;
        for (size_t i = 0; i < n && (r == -ENOENT || r == -ECONNREFUSED); i++) {
                strv_add(&tried, places[i].address);
                r = bus_connect(places[i].address, places[i].is_direct, BUS_TIMEOUT_MS, ret);
                why = why ? why : r;
        }
        if (r == 0) {
                err_clear();
                return 0;
        }
        if (r == -ENOENT || r == -ECONNREFUSED)
                r = fail(why, "reach systemd%s at %s", is_user ? " of the user" : "", str_join(&tried, ", "));
        else
                r = fail_in(r, "reach systemd%s", is_user ? " of the user" : "");
        return fail_hint(r, NO_SYSTEMD_HINT);
}
