/* Answers of route netlink, whatever their bytes are. */
#include "runtime/host/rtnl.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

enum { SEQ = 7 };

/* A datagram made by hand. */
struct datagram {
        size_t used;
        _Alignas(8) char bytes[4096];
};

static struct nlmsghdr *add(struct datagram *d, uint16_t type, uint16_t flags, const void *data, size_t size) {
        struct nlmsghdr *message = (struct nlmsghdr *)(void *)(d->bytes + d->used);
        *message = (struct nlmsghdr){
                .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + size), .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = SEQ
        };
        memcpy(d->bytes + d->used + NLMSG_HDRLEN, data, size);
        d->used += NLMSG_ALIGN(message->nlmsg_len);
        return message;
}

static int read_all(const struct datagram *d, struct rtnl_answer *ret) {
        *ret = (struct rtnl_answer){ 0 };
        return rtnl_read(ret, d->bytes, d->used, SEQ);
}

static void test_answers(void) {
        struct datagram d = { 0 };
        struct rtnl_answer answer;
        const struct ifinfomsg info = { .ifi_index = 3 };
        const int no_error = 0;
        CHECK_INT(read_all(&d, &answer), 0);
        add(&d, RTM_NEWLINK, 0, &info, sizeof(info));
        add(&d, RTM_NEWLINK, 0, &info, sizeof(info))->nlmsg_seq = SEQ + 1; /* another's */
        add(&d, NLMSG_NOOP, 0, &info, 0);
        CHECK(read_all(&d, &answer) == 0 && answer.n == 1);
        add(&d, NLMSG_DONE, NLM_F_DUMP_INTR, &no_error, sizeof(no_error));
        CHECK(read_all(&d, &answer) == 1 && answer.n == 1 && answer.interrupted && answer.error == 0);
        CHECK(rtnl_header(answer.messages[0], sizeof(info)) && !rtnl_header(answer.messages[0], sizeof(info) + 1));
        CHECK_INT(((const struct ifinfomsg *)rtnl_header(answer.messages[0], sizeof(info)))->ifi_index, 3);
}

/* The kernel's words stand behind the header of the request. */
static void refusal(struct datagram *d, int error, const char *words, size_t size) {
        struct {
                struct nlmsgerr error;
                struct nlattr attribute;
                char text[64];
        } data = { .error = { .error = error } };
        data.attribute = (struct nlattr){ .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = NLMSGERR_ATTR_MSG };
        memcpy(data.text, words, size);
        d->used = 0;
        add(d, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &data,
            sizeof(data.error) + sizeof(data.attribute) + NLA_ALIGN(size));
}

static void test_refusals(void) {
        struct datagram d = { 0 };
        struct rtnl_answer answer;
        refusal(&d, -EEXIST, "File exists there", sizeof("File exists there"));
        CHECK(read_all(&d, &answer) == 1 && answer.error == -EEXIST);
        CHECK_STR(answer.words, "File exists there");
        refusal(&d, -EEXIST, "\033[2J", sizeof("\033[2J"));
        CHECK(read_all(&d, &answer) == 1 && !answer.words);
        refusal(&d, -EEXIST, "no end", 6);
        CHECK(read_all(&d, &answer) == 1);
        CHECK_STR(answer.words, "no end");
        refusal(&d, EEXIST, "", 1);
        CHECK_INT(read_all(&d, &answer), -EPROTO);
        refusal(&d, -5000, "", 1);
        CHECK_INT(read_all(&d, &answer), -EPROTO);
        refusal(&d, INT32_MIN, "", 1);
        CHECK_INT(read_all(&d, &answer), -EPROTO);
        d.used = 0;
        add(&d, NLMSG_ERROR, 0, "", 0);
        CHECK_INT(read_all(&d, &answer), -EPROTO);
}

/* Not capped, with a length of the request that leads out of the message. */
static void test_lying_copy(void) {
        struct datagram d = { 0 };
        struct rtnl_answer answer;
        const uint32_t lengths[] = { 0, 15, 16, 4000, UINT32_MAX - 3, UINT32_MAX };
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
                struct nlmsgerr data = { .error = -EINVAL, .msg = { .nlmsg_len = lengths[i] } };
                d.used = 0;
                add(&d, NLMSG_ERROR, NLM_F_ACK_TLVS, &data, sizeof(data));
                CHECK(read_all(&d, &answer) == 1 && answer.error == -EINVAL && !answer.words);
        }
}

static void test_lengths(void) {
        struct datagram d = { 0 };
        struct rtnl_answer answer;
        const uint32_t wrong[] = { 0, 15, 33, 4000, UINT32_MAX };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                const struct ifinfomsg info = { 0 };
                d.used = 0;
                add(&d, RTM_NEWLINK, 0, &info, sizeof(info))->nlmsg_len = wrong[i];
                CHECK_INT(read_all(&d, &answer), -EPROTO);
        }
        d.used = 7;
        CHECK_INT(read_all(&d, &answer), -EPROTO);
}

/* Attributes whose lengths are wrong end the search; nothing behind the message is read. */
static void test_attributes(void) {
        struct datagram d = { 0 };
        struct {
                struct ifinfomsg info;
                struct nlattr attribute;
                char text[12];
        } data = { .attribute = { .nla_len = 4 + 8, .nla_type = IFLA_IFNAME | NLA_F_NESTED }, .text = "eth0" };
        struct nlmsghdr *message = add(&d, RTM_NEWLINK, 0, &data, sizeof(data));
        struct nlattr *attribute = (struct nlattr *)(void *)(d.bytes + NLMSG_HDRLEN + sizeof(data.info));
        CHECK_STR(rtnl_text(rtnl_find(message, sizeof(data.info), IFLA_IFNAME)), "eth0");
        CHECK(!rtnl_find(message, sizeof(data.info), IFLA_MTU));
        CHECK_INT(rtnl_u32(rtnl_find(message, sizeof(data.info), IFLA_IFNAME), 5), 5); /* eight bytes, not four */
        CHECK(!rtnl_text(NULL) && rtnl_u32(NULL, 6) == 6);
        const uint16_t wrong[] = { 0, 3, 17, UINT16_MAX };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                attribute->nla_len = wrong[i];
                CHECK(!rtnl_find(message, sizeof(data.info), IFLA_IFNAME));
        }
        message->nlmsg_len = NLMSG_HDRLEN;
        CHECK(!rtnl_find(message, sizeof(data.info), IFLA_IFNAME));
}

/* Bytes by chance, many of them: the sanitizers are the judge. */
static void test_noise(void) {
        struct datagram d = { 0 };
        struct rtnl_answer answer;
        int over = 0;
        srandom(1);
        for (int round = 0; round < 20000; round++) {
                d.used = 0;
                for (int i = 0; i < 3; i++) {
                        char data[64];
                        for (size_t j = 0; j < sizeof(data); j++)
                                data[j] = (char)random();
                        add(&d, (uint16_t)(random() % 24), (uint16_t)random(), data, (size_t)(random() % 64));
                }
                d.bytes[(size_t)random() % d.used] ^= (char)(1 << random() % 8);
                int r = read_all(&d, &answer);
                over += r == 1;
                for (size_t i = 0; i < answer.n; i++)
                        (void)rtnl_text(rtnl_find(answer.messages[i], 16, (uint16_t)(random() % 16)));
        }
        CHECK(over > 100);
}

static void test_requests(void) {
        struct rtnl_request request;
        const struct ifinfomsg info = { 0 };
        char much[RTNL_REQUEST_SIZE] = "";
        rtnl_begin(&request, RTM_GETLINK, 0, &info, sizeof(info));
        CHECK_INT(request.used, NLMSG_HDRLEN + sizeof(info));
        rtnl_put_text(&request, IFLA_IFNAME, "eth0");
        CHECK_INT(request.used, NLMSG_HDRLEN + sizeof(info) + 12);
        rtnl_put(&request, IFLA_ADDRESS, much, sizeof(much));
        rtnl_put_u32(&request, IFLA_MTU, 1);
        struct rtnl nobody = RTNL_NONE;
        struct rtnl_answer answer;
        CHECK(request.overflow && rtnl_ask(&nobody, &request, &answer) == -EMSGSIZE);
}

int main(void) {
        test_answers();
        test_refusals();
        test_lying_copy();
        test_lengths();
        test_attributes();
        test_noise();
        test_requests();
        return test_done();
}
