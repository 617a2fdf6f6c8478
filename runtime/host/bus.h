/* A small D-Bus client for one purpose: calls to systemd's manager and the signals they end with.  Parent side only.
 *
 * Not libsystemd: the static executable cannot load it, and those who don't use systemd must not pay for it (the README
 * has the figures).  D-Bus Specification 0.41.  Everything that comes from the other side is hostile: lengths, nesting,
 * signatures and offsets are checked before use, the size of a message is bounded. */
#ifndef RUNTIME_HOST_BUS_H
#define RUNTIME_HOST_BUS_H

#include "runtime/plan/unit.h"
#include "specs/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_TIMEOUT_MS  25000 /* of a call and of a job, as D-Bus has it by custom */
#define BUS_MESSAGE_MAX (1u << 20)

/* {.fd = -1} is valid to release. */
struct bus {
        int fd;
        uint32_t serial;
        bool is_direct; /* straight to the manager: no names, no Hello */
        int timeout_ms; /* of each call */
        const char *address;
        const char *peer; /* the unique name that answered the last call: only its signals are believed */
        uint8_t *scratch; /* the message read last */
        size_t room;
};
#define BUS_NONE                                                                                                       \
        { .fd = -1 }

/* A message being written (sticky overflow: errors are told by bus_call) or read. */
struct bus_message {
        uint8_t *at;
        size_t n, room;      /* written so far; size when read */
        size_t position;     /* when read */
        bool is_swapped;     /* the other side has the other byte order */
        bool has_overflowed; /* written: larger than BUS_MESSAGE_MAX; read: something did not fit */
};

struct bus_call {
        const char *path, *interface, *member; /* the destination is always org.freedesktop.systemd1 */
        const char *signature;                 /* of body, "" */
        const struct bus_message *body;        /* NULL: none */
};

struct bus_reply {
        const char *signature;
        struct bus_message body;
};

enum bus_type { BUS_CALL = 1, BUS_REPLY, BUS_ERROR, BUS_SIGNAL }; /* more than these is legal, and passed over */

/* What a message says of itself; its strings are inside the message, NULL: not said (signature: ""). */
struct bus_header {
        int type;
        uint32_t reply_serial;
        const char *path, *interface, *member, *error, *sender, *signature;
        struct bus_message body;
};

/* Connects to DBUS_SYSTEM_BUS_ADDRESS, /run/dbus/system_bus_socket, else to systemd itself at /run/systemd/private;
 * is_user: to $XDG_RUNTIME_DIR/systemd/private, DBUS_SESSION_BUS_ADDRESS, else $XDG_RUNTIME_DIR/bus.  -ENOENT,
 * -ECONNREFUSED, -ETIMEDOUT... with words that say what was tried and the cure. */
int bus_open(bool is_user, struct bus *ret);
/* The same for one address ("unix:path=/run/x;unix:abstract=y", %-escapes); every call then has timeout_ms. */
int bus_connect(const char *address, bool is_direct, int timeout_ms, struct bus *ret);
void bus_release(struct bus *bus);
#define autobus __attribute__((cleanup(bus_release))) struct bus

/* Calls and waits for the reply; signals that arrive before it are dropped.  An error reply is a failure with its
 * words; *ret_error (may be NULL) is then its name, "org.freedesktop.systemd1.NoSuchUnit". */
int bus_call(struct bus *bus, const struct bus_call *call, struct bus_reply *ret, const char **ret_error);

/* Asks for a signal before what causes it is called; no-op when is_direct. */
int bus_match(struct bus *bus, const char *interface, const char *member);
/* The next such signal of who answered last, other messages are passed over; -ETIMEDOUT with words. */
int bus_wait(struct bus *bus, const char *interface, const char *member, int timeout_ms, struct bus_reply *ret);

/* -- bus_message.c: pure -- */
void bus_put_bytes(struct bus_message *m, const void *bytes, size_t n);
void bus_put_u32(struct bus_message *m, uint32_t value);
void bus_put_u64(struct bus_message *m, uint64_t value);
void bus_put_text(struct bus_message *m, const char *text); /* s and o */
void bus_put_signature(struct bus_message *m, const char *signature);
/* Arrays: begin answers where the length stands, align is the alignment of the elements; end fills it in. */
size_t bus_begin_array(struct bus_message *m, size_t align);
void bus_end_array(struct bus_message *m, size_t begin, size_t align);
void bus_align(struct bus_message *m, size_t align);
/* A struct (sv) of a unit's property list. */
void bus_put_property(struct bus_message *m, const struct unit_property *property);

/* false once anything did not fit (m->has_overflowed). */
bool bus_get_u32(struct bus_message *m, uint32_t *ret);
bool bus_get_text(struct bus_message *m, const char **ret); /* s and o; inside the message */
bool bus_get_signature(struct bus_message *m, const char **ret);
/* Passes over one complete value of the signature; moves *signature behind it. */
bool bus_skip(struct bus_message *m, const char **signature);

#define BUS_FIXED_SIZE 16 /* of every message: enough to know its size */
/* The size of the whole message; 0: these bytes begin none, or one larger than BUS_MESSAGE_MAX (*ret_too_large). */
size_t bus_size(const uint8_t fixed[BUS_FIXED_SIZE], bool *ret_too_large);
/* Takes a whole message apart; false: it is no message that the specification allows. */
bool bus_parse(uint8_t *at, size_t n, struct bus_header *ret);

#endif
