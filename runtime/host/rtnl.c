#include "runtime/host/rtnl.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel fills the parts of a list up to the room it is offered, 32 KiB at most. */
enum { RECEIVE_SIZE = 32768, DUMP_TRIES = 32, MESSAGES_MAX = 65536, LARGEST_ERRNO = 4095 };

/* -- the request -- */

static void put_raw(struct rtnl_request *request, const void *data, size_t size) {
        size_t aligned = NLMSG_ALIGN(size);
        if (size > RTNL_REQUEST_SIZE || aligned > RTNL_REQUEST_SIZE - request->used)
                request->overflow = true;
        if (request->overflow)
                return;
        memset(request->bytes + request->used, 0, aligned);
        memcpy(request->bytes + request->used, data, size);
        request->used += aligned;
}

void rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags, const void *header, size_t size) {
        struct nlmsghdr message = { .nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST) };
        if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
                message.nlmsg_flags |= NLM_F_ACK;
        request->used = 0;
        request->overflow = false;
        put_raw(request, &message, sizeof(message));
        put_raw(request, header, size);
}

void rtnl_put(struct rtnl_request *request, uint16_t type, const void *data, size_t size) {
        struct nlattr attribute = { .nla_type = type };
        if (size > RTNL_REQUEST_SIZE || NLA_HDRLEN + NLA_ALIGN(size) > RTNL_REQUEST_SIZE - request->used)
                request->overflow = true;
        if (request->overflow)
                return;
        attribute.nla_len = (uint16_t)(NLA_HDRLEN + size);
        put_raw(request, &attribute, sizeof(attribute));
        put_raw(request, data, size);
}

void rtnl_put_u32(struct rtnl_request *request, uint16_t type, uint32_t value) {
        rtnl_put(request, type, &value, sizeof(value));
}

void rtnl_put_text(struct rtnl_request *request, uint16_t type, const char *text) {
        rtnl_put(request, type, text, strlen(text) + 1);
}

/* -- what is in a message -- */

const void *rtnl_header(const struct nlmsghdr *message, size_t size) {
        return message->nlmsg_len >= NLMSG_HDRLEN + size ? (const char *)message + NLMSG_HDRLEN : NULL;
}

const struct nlattr *rtnl_find(const struct nlmsghdr *message, size_t header, uint16_t type) {
        size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(header), end = message->nlmsg_len;
        while (at <= end && end - at >= NLA_HDRLEN) {
                const struct nlattr *attribute = (const struct nlattr *)(const void *)((const char *)message + at);
                if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > end - at)
                        return NULL;
                if ((attribute->nla_type & NLA_TYPE_MASK) == type)
                        return attribute;
                at += NLA_ALIGN(attribute->nla_len);
        }
        return NULL;
}

size_t rtnl_size(const struct nlattr *attribute) {
        return attribute->nla_len - (size_t)NLA_HDRLEN;
}

const void *rtnl_data(const struct nlattr *attribute) {
        return (const char *)attribute + NLA_HDRLEN;
}

uint32_t rtnl_u32(const struct nlattr *attribute, uint32_t absent) {
        uint32_t value;
        if (!attribute || rtnl_size(attribute) != sizeof(value))
                return absent;
        memcpy(&value, rtnl_data(attribute), sizeof(value));
        return value;
}

const char *rtnl_text(const struct nlattr *attribute) {
        if (!attribute)
                return NULL;
        const char *text = rtnl_data(attribute);
        size_t size = strnlen(text, rtnl_size(attribute));
        for (size_t i = 0; i < size; i++)
                if (text[i] < ' ' || text[i] > '~')
                        return NULL;
        return arena_strndup(text, size);
}

/* -- the answer -- */

/* What the kernel says of an error stands behind a copy of the request, or of its header alone. */
static const char *words_of(const struct nlmsghdr *message, const struct nlmsgerr *refusal) {
        size_t header = sizeof(*refusal), copied = refusal->msg.nlmsg_len;
        if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
                return NULL;
        if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
                if (copied < sizeof(refusal->msg) || copied > message->nlmsg_len)
                        return NULL;
                header += NLMSG_ALIGN(copied) - sizeof(refusal->msg);
        }
        return rtnl_text(rtnl_find(message, header, NLMSGERR_ATTR_MSG));
}

static int read_end(struct rtnl_answer *answer, const struct nlmsghdr *message) {
        int error = 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *refusal = rtnl_header(message, sizeof(*refusal));
                if (!refusal)
                        return -EPROTO;
                error = refusal->error;
                answer->words = words_of(message, refusal);
        } else if (rtnl_header(message, sizeof(error))) {
                memcpy(&error, rtnl_header(message, sizeof(error)), sizeof(error));
        }
        if (error > 0 || error < -LARGEST_ERRNO)
                return -EPROTO;
        answer->error = error;
        return 1;
}

static int add_message(struct rtnl_answer *answer, const struct nlmsghdr *message) {
        const size_t n = answer->n, one = sizeof(const struct nlmsghdr *);
        if (n == MESSAGES_MAX)
                return -EPROTO;
        if ((n & (n - 1)) == 0) /* full: room is always a power of two */
                answer->messages = arena_grow(answer->messages, n * one, (n ? 2 * n : 1) * one);
        answer->messages[answer->n++] = arena_memdup(message, message->nlmsg_len);
        return 0;
}

int rtnl_read(struct rtnl_answer *answer, const void *bytes, size_t size, uint32_t seq) {
        for (size_t at = 0; at < size;) {
                const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)((const char *)bytes + at);
                if (size - at < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
                    message->nlmsg_len > size - at)
                        return -EPROTO;
                at += NLMSG_ALIGN(message->nlmsg_len);
                if (message->nlmsg_seq != seq)
                        continue; /* of a question that was given up */
                answer->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
                        return read_end(answer, message);
                int r = message->nlmsg_type < NLMSG_MIN_TYPE ? 0 : add_message(answer, message);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* -- the talk -- */

int rtnl_open(struct rtnl *ret) {
        /* The kernel answers before send returns; the timeout only keeps a broken one from holding us for ever. */
        const struct timeval timeout = { .tv_sec = 10 };
        const int on = 1;
        autofd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd < 0)
                return fail(errno, "open a netlink socket");
        /* Both are only about the kernel's words. */
        (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
        (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                return fail(errno, "set the timeout of a netlink socket");
        *ret = (struct rtnl){ .fd = fd_take(&fd) };
        return 0;
}

void rtnl_close(struct rtnl *rtnl) {
        rtnl->fd = fd_close(rtnl->fd);
}

/* One datagram of the kernel; those of anybody else are dropped. */
static ssize_t receive(const struct rtnl *rtnl, void *buffer) {
        for (;;) {
                struct sockaddr_nl from = { 0 };
                struct iovec part = { .iov_base = buffer, .iov_len = RECEIVE_SIZE };
                struct msghdr header = {
                        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1
                };
                ssize_t n = recvmsg(rtnl->fd, &header, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
                if (header.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK || from.nl_pid != 0)
                        continue;
                return header.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
        }
}

static int ask_once(struct rtnl *rtnl, const struct rtnl_request *request, struct rtnl_answer *ret) {
        struct nlmsghdr *message = arena_memdup(request->bytes, request->used);
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        char *buffer = arena_alloc(RECEIVE_SIZE);
        message->nlmsg_len = (uint32_t)request->used;
        message->nlmsg_seq = ++rtnl->seq;
        *ret = (struct rtnl_answer){ 0 };
        if (sendto(rtnl->fd, message, request->used, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
                return -errno;
        for (;;) {
                ssize_t n = receive(rtnl, buffer);
                int r = n < 0 ? (int)n : rtnl_read(ret, buffer, (size_t)n, rtnl->seq);
                if (r != 0)
                        return r < 0 ? r : ret->error;
        }
}

int rtnl_ask(struct rtnl *rtnl, const struct rtnl_request *request, struct rtnl_answer *ret) {
        struct rtnl_answer answer = { 0 };
        rtnl->words = NULL;
        if (request->overflow)
                return -EMSGSIZE;
        for (int i = 0; i < DUMP_TRIES; i++) {
                int r = ask_once(rtnl, request, &answer);
                rtnl->words = answer.words;
                if (r < 0)
                        return r;
                if (!answer.interrupted) {
                        *ret = answer;
                        return 0;
                }
        }
        return -EAGAIN;
}
