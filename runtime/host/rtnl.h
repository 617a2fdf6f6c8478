/* Route netlink, as little of it as it takes to move a network device.  Parent side only.  rtnetlink(7).
 *
 * Why not libmnl, which netsetup has: rundlet is one static executable, and Debian has no static libmnl.  Answers are
 * read as if anybody could have written them. */
#ifndef RUNTIME_HOST_RTNL_H
#define RUNTIME_HOST_RTNL_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RTNL_REQUEST_SIZE = 1024 };

/* A socket stays in the network namespace in which it was opened. */
struct rtnl {
        int fd;
        uint32_t seq;
        const char *words; /* what the kernel said to the last refused request, NULL: nothing */
};
#define RTNL_NONE                                                                                                      \
        { -1, 0, NULL }

/* One message on its way; what does not fit any more makes it unfit to be sent, for good. */
struct rtnl_request {
        size_t used;
        bool overflow;
        _Alignas(8) char bytes[RTNL_REQUEST_SIZE];
};

/* Messages with data that came for an answer, copied to the arena. */
struct rtnl_answer {
        const struct nlmsghdr **messages;
        size_t n;
        int error;         /* 0, or the -errno of a refusal */
        const char *words; /* the kernel's, printable; or NULL */
        bool interrupted;  /* a list that changed while it was read out */
};

/* In the network namespace of now. */
int rtnl_open(struct rtnl *ret);
void rtnl_close(struct rtnl *rtnl);

/* A request with its family header (ifinfomsg, ifaddrmsg).  flags: NLM_F_DUMP, or what goes with an acknowledgement. */
void rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags, const void *header, size_t size);
/* Attributes; text goes with its NUL. */
void rtnl_put(struct rtnl_request *request, uint16_t type, const void *data, size_t size);
void rtnl_put_u32(struct rtnl_request *request, uint16_t type, uint32_t value);
void rtnl_put_text(struct rtnl_request *request, uint16_t type, const char *text);

/* Sends it and hears the answer to its end.  Returns 0, or -errno without a record: rtnl->words is what the kernel
 * said. */
int rtnl_ask(struct rtnl *rtnl, const struct rtnl_request *request, struct rtnl_answer *ret);

/* Reads one datagram as part of the answer to the request of that number: 1 when the answer is over, 0 when more
 * follows, -EPROTO for what the kernel would never send.  Pure; public for its test. */
int rtnl_read(struct rtnl_answer *answer, const void *bytes, size_t size, uint32_t seq);

/* The family header of a message, NULL when the message is too short for it. */
const void *rtnl_header(const struct nlmsghdr *message, size_t size);
/* An attribute behind a family header of that size; NULL when absent. */
const struct nlattr *rtnl_find(const struct nlmsghdr *message, size_t header, uint16_t type);
size_t rtnl_size(const struct nlattr *attribute);
const void *rtnl_data(const struct nlattr *attribute);
/* attribute may be NULL; one that has another size, or is no text of printable ASCII, is as if absent. */
uint32_t rtnl_u32(const struct nlattr *attribute, uint32_t absent);
const char *rtnl_text(const struct nlattr *attribute);

#endif
