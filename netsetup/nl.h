/* Netlink: a builder of message batches, one socket, and answers that are not trusted.  The only door to libmnl;
 * whoever adds messages (link.c, addr.c, route.c) or reads them does it with these functions.
 *
 * A batch is plain bytes until nl_run sends it, so a test can look at it without rights.  Putting into a full batch
 * sets its overflow flag for good and changes nothing else; nl_run refuses such a batch, so builders need no checks. */
#ifndef NETSETUP_NL_H
#define NETSETUP_NL_H

#include <linux/netlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NL_BATCH_SIZE = 32768, NL_BATCH_MESSAGES = 32 };

struct nl_batch {
        size_t used;   /* bytes of all messages, the open one included */
        size_t begin;  /* where the open message begins */
        size_t count;  /* messages */
        bool overflow; /* sticky: something did not fit */
        _Alignas(8) char bytes[NL_BATCH_SIZE];
};

/* What the kernel said to one message of a batch: a positive errno or 0, and its own words or NULL. */
struct nl_answer {
        bool is_known;
        int error;
        const char *words;
};

/* Everything that came back, copied to the arena.  answers has one element for each message of the batch; messages are
 * those that carry data, as asked for by get and dump requests. */
struct nl_reply {
        struct nl_answer answers[NL_BATCH_MESSAGES];
        const struct nlmsghdr **messages;
        size_t n;
        size_t answered;
        bool interrupted; /* a dump saw its table change under it: its messages are not the whole truth */
};

struct mnl_socket;
struct nl {
        struct mnl_socket *socket;
        uint32_t seq;
};

void nl_closep(struct nl *nl);
#define autonl __attribute__((cleanup(nl_closep))) struct nl

/* A route netlink socket of the network namespace the process is in now; it stays there when the process goes on. */
int nl_open(struct nl *ret);
/* The same for netfilter: nf_tables and connection tracking. */
int nl_open_netfilter(struct nl *ret);
/* The same for families that the kernel numbers when they come: WireGuard. */
int nl_open_generic(struct nl *ret);

/* The number that no other network namespace of this boot ever has: that of the socket's; 0 when the kernel has none.
 */
uint64_t nl_cookie(const struct nl *nl);

/* Begins the next message with its family header (ifinfomsg, ifaddrmsg...).  NLM_F_REQUEST is added, and NLM_F_ACK
 * unless the flags ask for a dump. */
void nl_begin(struct nl_batch *batch, uint16_t type, uint16_t flags, const void *header, size_t size);

/* Attributes of the open message.  nl_put_text includes the NUL. */
void nl_put(struct nl_batch *batch, uint16_t type, const void *data, size_t size);
void nl_put_u8(struct nl_batch *batch, uint16_t type, uint8_t value);
void nl_put_u32(struct nl_batch *batch, uint16_t type, uint32_t value);
void nl_put_text(struct nl_batch *batch, uint16_t type, const char *text);

/* Opens a nest and returns the handle that closes it.  nl_put_raw puts bytes without a header, for the nests that begin
 * with a struct (VETH_INFO_PEER). */
size_t nl_nest(struct nl_batch *batch, uint16_t type);
void nl_nest_end(struct nl_batch *batch, size_t nest);
void nl_put_raw(struct nl_batch *batch, const void *data, size_t size);

/* Sends the whole batch in one call and waits for every answer; the kernel works through all messages even when one
 * fails.  The batch is either up to NL_BATCH_MESSAGES requests or one dump, which is asked again (a bounded number of
 * times) when it was interrupted.  Returns 0 when everything was answered, with refusals in ret->answers; fails when
 * the talk itself failed. */
int nl_run(struct nl *nl, const struct nl_batch *batch, struct nl_reply *ret);

/* The same for messages that must succeed: what the kernel refuses fails with the words what, unless it is the errno
 * tolerated (0: none). */
int nl_run_all(struct nl *nl, const struct nl_batch *batch, const char *what, int tolerated);

/* -EOPNOTSUPP in words, with what to do: what was tried, and the module that it needs. */
int nl_lacks(const char *what, const char *module);

/* The first thing that the kernel did not like about a transaction. */
struct nl_refusal {
        size_t message; /* which one: 0 is the one that begins the transaction */
        int error;      /* 0: it was all done */
        const char *words;
        uint32_t offset; /* of the attribute in the message, 0 when unknown */
};

/* Sends messages of any number as one transaction: the first begins it and the last ends it, the one before that asks
 * for an answer.  The kernel does all or nothing. */
int nl_transact(struct nl *nl, const char *bytes, size_t size, size_t count, struct nl_refusal *ret);
/* Reads one datagram as answers to it; true in *ret_is_over with the last one.  Pure; public for its test. */
int nl_refusal_add(struct nl_refusal *refusal, const void *bytes, size_t size, const uint32_t range[2],
                   bool *ret_is_over);

/* Waits for any message of a group that the socket has joined; all that are there are dropped unread.  Signals come as
 * the mask lets them; then it is -EINTR, without a record. */
int nl_join(struct nl *nl, int group);
int nl_wait(struct nl *nl, const sigset_t *mask);

/* Reads one datagram as answers to count messages whose first has the sequence number seq.  Pure; part of nl_run,
 * public for its test: the bytes may be anything.  -EPROTO for what the kernel would never send. */
int nl_reply_add(struct nl_reply *reply, const void *bytes, size_t size, uint32_t seq, size_t count);

/* The attribute of a message whose family header has the given size, or of a nest; NULL when absent, nest may be NULL.
 */
const struct nlattr *nl_find(const struct nlmsghdr *message, size_t header, uint16_t type);
const struct nlattr *nl_find_in(const struct nlattr *nest, uint16_t type);

/* The family header of a message, NULL when the message is too short for it. */
const void *nl_header(const struct nlmsghdr *message, size_t size);

/* Values; attribute may be NULL.  Of a wrong size: the default.  Text is copied, ends at the first NUL, and whatever is
 * not printable ASCII is replaced by '?': it goes to a terminal. */
uint32_t nl_u32(const struct nlattr *attribute, uint32_t absent);
uint8_t nl_u8(const struct nlattr *attribute, uint8_t absent);
const char *nl_text(const struct nlattr *attribute);
const void *nl_bytes(const struct nlattr *attribute, size_t size);

#endif
