#include "netsetup/nl.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel fills a dump up to the size of the buffer it is offered, 32 KiB at most. */
enum { RECEIVE_SIZE = 32768, DUMP_TRIES = 64 };

void nl_closep(struct nl *nl) {
        if (nl->socket)
                (void)mnl_socket_close(nl->socket);
        nl->socket = NULL;
}

static int open_bus(int bus, struct nl *ret) {
        static const struct {
                int option;
                const char *name;
        } options[] = {
                { NETLINK_CAP_ACK, "capped acks" },
                { NETLINK_EXT_ACK, "extended acks" },
                { NETLINK_GET_STRICT_CHK, "strict checks" },
        };
        /* The kernel answers before send returns; the timeout only keeps a broken one from holding us for ever. */
        const struct timeval timeout = { .tv_sec = 10 };
        autonl nl = { .socket = mnl_socket_open2(bus, SOCK_CLOEXEC) };
        if (!nl.socket)
                return fail(errno, "open netlink socket");
        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
                if (mnl_socket_setsockopt(nl.socket, options[i].option, &(int){ 1 }, sizeof(int)) < 0)
                        return fail(errno, "netlink socket: turn on %s", options[i].name);
        if (setsockopt(mnl_socket_get_fd(nl.socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                return fail(errno, "netlink socket: set timeout");
        if (mnl_socket_bind(nl.socket, 0, MNL_SOCKET_AUTOPID) < 0)
                return fail(errno, "bind netlink socket");
        *ret = nl;
        ret->seq = 1;
        nl.socket = NULL;
        return 0;
}

int nl_open(struct nl *ret) {
        return open_bus(NETLINK_ROUTE, ret);
}

int nl_open_netfilter(struct nl *ret) {
        int r = open_bus(NETLINK_NETFILTER, ret);
        return r == -EPROTONOSUPPORT
                       ? fail_hint(fail_words(EPROTONOSUPPORT, "kernel without netfilter (nfnetlink)"),
                                   "modprobe nf_tables says more; a kernel without modules must have it built in")
                       : r;
}

int nl_open_generic(struct nl *ret) {
        return open_bus(NETLINK_GENERIC, ret);
}

uint64_t nl_cookie(const struct nl *nl) {
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);
        int fd = nl->socket ? mnl_socket_get_fd(nl->socket) : -1;
        return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static struct nlmsghdr *open_message(struct nl_batch *batch) {
        return (struct nlmsghdr *)(void *)(batch->bytes + batch->begin);
}

void nl_begin(struct nl_batch *batch, uint16_t type, uint16_t flags, const void *header, size_t size) {
        if (batch->count == NL_BATCH_MESSAGES || NL_BATCH_SIZE - batch->used < MNL_NLMSG_HDRLEN)
                batch->overflow = true;
        if (batch->overflow)
                return;
        batch->begin = batch->used;
        struct nlmsghdr *message = mnl_nlmsg_put_header(batch->bytes + batch->begin);
        batch->used += MNL_NLMSG_HDRLEN;
        batch->count++;
        message->nlmsg_type = type;
        message->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
        if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
                message->nlmsg_flags |= NLM_F_ACK;
        nl_put_raw(batch, header, size);
}

void nl_put_raw(struct nl_batch *batch, const void *data, size_t size) {
        size_t aligned = MNL_ALIGN(size);
        if (batch->count == 0 || aligned < size || aligned > NL_BATCH_SIZE - batch->used)
                batch->overflow = true;
        if (batch->overflow)
                return;
        char *at = batch->bytes + batch->used;
        memset(at, 0, aligned);
        memcpy(at, data, size);
        batch->used += aligned;
        open_message(batch)->nlmsg_len = (uint32_t)(batch->used - batch->begin);
}

void nl_put(struct nl_batch *batch, uint16_t type, const void *data, size_t size) {
        /* The length field has 16 bits and libmnl does not look at them. */
        if (size > UINT16_MAX - MNL_ATTR_HDRLEN || batch->count == 0)
                batch->overflow = true;
        if (batch->overflow)
                return;
        struct nlmsghdr *message = open_message(batch);
        if (mnl_attr_put_check(message, NL_BATCH_SIZE - batch->begin, type, size, data))
                batch->used = batch->begin + message->nlmsg_len;
        else
                batch->overflow = true;
}

void nl_put_u8(struct nl_batch *batch, uint16_t type, uint8_t value) {
        nl_put(batch, type, &value, sizeof(value));
}

void nl_put_u32(struct nl_batch *batch, uint16_t type, uint32_t value) {
        nl_put(batch, type, &value, sizeof(value));
}

void nl_put_text(struct nl_batch *batch, uint16_t type, const char *text) {
        nl_put(batch, type, text, strlen(text) + 1);
}

size_t nl_nest(struct nl_batch *batch, uint16_t type) {
        size_t nest = batch->used;
        nl_put(batch, (uint16_t)(type | NLA_F_NESTED), "", 0);
        return nest;
}

void nl_nest_end(struct nl_batch *batch, size_t nest) {
        if (batch->overflow || batch->used - nest > UINT16_MAX) {
                batch->overflow = true;
                return;
        }
        struct nlattr *attribute = (struct nlattr *)(void *)(batch->bytes + nest);
        mnl_attr_nest_end(open_message(batch), attribute);
}

/* A copy of the batch numbered from seq: a batch can be sent again. */
static char *numbered(const char *bytes, size_t size, uint32_t seq) {
        char *copy = arena_memdup(bytes, size);
        for (size_t at = 0; at < size;) {
                struct nlmsghdr *message = (struct nlmsghdr *)(void *)(copy + at);
                message->nlmsg_seq = seq++;
                at += MNL_ALIGN(message->nlmsg_len);
        }
        return copy;
}

/* One datagram of the kernel; those of anybody else are dropped. */
static int receive(struct nl *nl, void *buffer, size_t *ret_size) {
        for (;;) {
                struct sockaddr_nl from = { 0 };
                struct iovec bytes = { .iov_base = buffer, .iov_len = RECEIVE_SIZE };
                struct msghdr header = {
                        .msg_name = &from,
                        .msg_namelen = sizeof(from),
                        .msg_iov = &bytes,
                        .msg_iovlen = 1,
                };
                ssize_t size = recvmsg(mnl_socket_get_fd(nl->socket), &header, 0);
                if (size < 0 && errno == EINTR)
                        continue;
                if (size < 0)
                        return fail(errno, "read answer of the kernel");
                if (header.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0)
                        continue;
                if (header.msg_flags & MSG_TRUNC)
                        return fail(EMSGSIZE, "read answer of the kernel");
                *ret_size = (size_t)size;
                return 0;
        }
}

/* An attribute of an error message; the kernel may have put them behind a copy of the request. */
static const struct nlattr *extended(const struct nlmsghdr *message, const struct nlmsgerr *error, uint16_t type) {
        if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
                return NULL;
        size_t header = sizeof(*error);
        if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
                if (error->msg.nlmsg_len < sizeof(error->msg) || error->msg.nlmsg_len > message->nlmsg_len)
                        return NULL;
                header += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
        }
        return nl_find(message, header, type);
}

static int add_answer(struct nl_reply *reply, size_t which, const struct nlmsghdr *message) {
        int error = 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *refusal = nl_header(message, sizeof(*refusal));
                if (!refusal)
                        return fail(EPROTO, "read answer of the kernel");
                error = refusal->error;
                reply->answers[which].words = nl_text(extended(message, refusal, NLMSGERR_ATTR_MSG));
        } else if (nl_header(message, sizeof(error))) {
                error = *(const int *)nl_header(message, sizeof(error));
        }
        if (error > 0 || error < -4095 || reply->answers[which].is_known)
                return fail(EPROTO, "read answer of the kernel");
        reply->answers[which].is_known = true;
        reply->answers[which].error = -error;
        reply->answered++;
        return 0;
}

/* The list doubles: there may be thousands of links. */
static void add_message(struct nl_reply *reply, const struct nlmsghdr *message) {
        size_t n = reply->n, size = n * sizeof(void *);
        if ((n & (n - 1)) == 0)
                reply->messages = arena_grow(reply->messages, size, n ? 2 * size : sizeof(void *));
        reply->messages[reply->n++] = arena_memdup(message, message->nlmsg_len);
}

int nl_reply_add(struct nl_reply *reply, const void *bytes, size_t size, uint32_t seq, size_t count) {
        const char *at = bytes;
        while (size >= sizeof(struct nlmsghdr)) {
                const struct nlmsghdr *message = (const void *)at;
                /* Not mnl_nlmsg_ok: it compares the length as a signed number. */
                if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > size)
                        return fail(EPROTO, "read answer of the kernel");
                size_t which = message->nlmsg_seq - seq;
                if (which < count) {
                        reply->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                        if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
                                int r = add_answer(reply, which, message);
                                if (r < 0)
                                        return r;
                        } else if (message->nlmsg_type >= NLMSG_MIN_TYPE) {
                                add_message(reply, message);
                        }
                }
                size_t step = MNL_ALIGN((size_t)message->nlmsg_len);
                at += step;
                size -= step < size ? step : size;
        }
        return size == 0 ? 0 : fail(EPROTO, "read answer of the kernel");
}

static int talk_once(struct nl *nl, const struct nl_batch *batch, struct nl_reply *ret) {
        static _Alignas(8) char buffer[RECEIVE_SIZE];
        uint32_t seq = nl->seq;
        nl->seq += (uint32_t)batch->count;
        *ret = (struct nl_reply){ 0 };
        if (mnl_socket_sendto(nl->socket, numbered(batch->bytes, batch->used, seq), batch->used) < 0)
                return fail(errno, "send to the kernel");
        while (ret->answered < batch->count) {
                size_t size = 0;
                int r = receive(nl, buffer, &size);
                if (r < 0)
                        return r;
                r = nl_reply_add(ret, buffer, size, seq, batch->count);
                if (r < 0)
                        return r;
        }
        return 0;
}

int nl_run(struct nl *nl, const struct nl_batch *batch, struct nl_reply *ret) {
        if (batch->overflow)
                return fail(EMSGSIZE, "build netlink messages");
        for (int i = 0; i < DUMP_TRIES; i++) {
                int r = talk_once(nl, batch, ret);
                if (r < 0 || !ret->interrupted)
                        return r;
        }
        return fail_words(EAGAIN, "read tables of the kernel: they changed during each of %d attempts", DUMP_TRIES);
}

int nl_run_all(struct nl *nl, const struct nl_batch *batch, const char *what, int tolerated) {
        struct nl_reply reply;
        int r = nl_run(nl, batch, &reply);
        if (r < 0)
                return fail_in(r, "%s", what);
        for (size_t i = 0; i < batch->count; i++) {
                const struct nl_answer *answer = &reply.answers[i];
                if (!answer->error || answer->error == tolerated)
                        continue;
                return answer->words
                               ? fail_words(answer->error, "%s: %s (%s)", what, strerror(answer->error), answer->words)
                               : fail(answer->error, "%s", what);
        }
        return 0;
}

int nl_lacks(const char *what, const char *module) {
        return fail_hint(fail_words(EOPNOTSUPP, "%s: the kernel has no %s (module %s)", what, module, module),
                         "modprobe %s says more; a kernel without modules must have it built in", module);
}

int nl_refusal_add(struct nl_refusal *refusal, const void *bytes, size_t size, const uint32_t range[2],
                   bool *ret_is_over) {
        const char *at = bytes;
        while (size >= sizeof(struct nlmsghdr)) {
                const struct nlmsghdr *message = (const void *)at;
                const struct nlmsgerr *error = NULL;
                if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > size)
                        return fail(EPROTO, "read answer of the kernel");
                uint32_t which = message->nlmsg_seq - range[0];
                if (which < range[1] && message->nlmsg_type == NLMSG_ERROR) {
                        error = nl_header(message, sizeof(*error));
                        if (!error || error->error > 0 || error->error < -4095)
                                return fail(EPROTO, "read answer of the kernel");
                }
                if (error && error->error && !refusal->error)
                        *refusal = (struct nl_refusal){
                                .message = which,
                                .error = -error->error,
                                .words = nl_text(extended(message, error, NLMSGERR_ATTR_MSG)),
                                .offset = nl_u32(extended(message, error, NLMSGERR_ATTR_OFFS), 0),
                        };
                /* A transaction that is refused as a whole is refused in the name of its first message. */
                if (error && ((which == 0 && error->error) || which + 2 == range[1]))
                        *ret_is_over = true;
                size_t step = MNL_ALIGN((size_t)message->nlmsg_len);
                at += step;
                size -= step < size ? step : size;
        }
        return size == 0 ? 0 : fail(EPROTO, "read answer of the kernel");
}

/* All that is there, unread: nothing of it may stand in the way of later answers. */
static void drain(struct nl *nl) {
        static char buffer[RECEIVE_SIZE];
        while (recv(mnl_socket_get_fd(nl->socket), buffer, sizeof(buffer), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
                ;
}

int nl_transact(struct nl *nl, const char *bytes, size_t size, size_t count, struct nl_refusal *ret) {
        static _Alignas(8) char buffer[RECEIVE_SIZE];
        const uint32_t range[2] = { nl->seq, (uint32_t)count };
        const int room = size < INT32_MAX / 4 ? (int)size * 2 : INT32_MAX / 2;
        int fd = mnl_socket_get_fd(nl->socket);
        bool is_over = false, is_lost = false;
        nl->seq += (uint32_t)count;
        *ret = (struct nl_refusal){ 0 };
        if (size > RECEIVE_SIZE && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        if (mnl_socket_sendto(nl->socket, numbered(bytes, size, range[0]), size) < 0)
                return fail(errno, "send to the kernel");
        while (!is_over && !(is_lost && ret->error)) {
                size_t got = 0;
                int r = receive(nl, buffer, &got);
                /* So many refusals that not all fitted: the first of them did, the last answer did not. */
                if (r == -ENOBUFS) {
                        is_lost = true;
                        continue;
                }
                if (r < 0 || (r = nl_refusal_add(ret, buffer, got, range, &is_over)) < 0)
                        return r;
        }
        if (is_lost)
                drain(nl);
        return 0;
}

int nl_join(struct nl *nl, int group) {
        if (mnl_socket_setsockopt(nl->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
                return fail(errno, "listen to the kernel's notices");
        return 0;
}

int nl_wait(struct nl *nl, const sigset_t *mask) {
        static char buffer[RECEIVE_SIZE];
        struct pollfd notice = { .fd = mnl_socket_get_fd(nl->socket), .events = POLLIN };
        if (ppoll(&notice, 1, NULL, mask) < 0)
                return errno == EINTR ? -EINTR : fail(errno, "listen to the kernel's notices");
        /* Notices that did not fit are notices too. */
        while (recv(notice.fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
                ;
        return errno == EAGAIN ? 0 : fail(errno, "listen to the kernel's notices");
}

const void *nl_header(const struct nlmsghdr *message, size_t size) {
        return message->nlmsg_len - sizeof(*message) < size ? NULL : mnl_nlmsg_get_payload(message);
}

static const struct nlattr *find(const void *payload, size_t size, uint16_t type) {
        const struct nlattr *attr;
        mnl_attr_for_each_payload(payload, size) {
                if (mnl_attr_get_type(attr) == type)
                        return attr;
        }
        return NULL;
}

const struct nlattr *nl_find(const struct nlmsghdr *message, size_t header, uint16_t type) {
        size_t size = message->nlmsg_len - sizeof(*message), skip = MNL_ALIGN(header);
        return size < skip ? NULL : find((const char *)mnl_nlmsg_get_payload(message) + skip, size - skip, type);
}

const struct nlattr *nl_find_in(const struct nlattr *nest, uint16_t type) {
        return nest ? find(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), type) : NULL;
}

const void *nl_bytes(const struct nlattr *attribute, size_t size) {
        return attribute && mnl_attr_get_payload_len(attribute) == size ? mnl_attr_get_payload(attribute) : NULL;
}

uint32_t nl_u32(const struct nlattr *attribute, uint32_t absent) {
        return nl_bytes(attribute, sizeof(uint32_t)) ? mnl_attr_get_u32(attribute) : absent;
}

uint8_t nl_u8(const struct nlattr *attribute, uint8_t absent) {
        return nl_bytes(attribute, sizeof(uint8_t)) ? mnl_attr_get_u8(attribute) : absent;
}

const char *nl_text(const struct nlattr *attribute) {
        if (!attribute)
                return NULL;
        char *text = arena_strndup(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
        for (char *c = text; *c; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';
        return text;
}
