#include "runtime/steps/table.h"

#define EXIT_ABANDONED 127

int send_bytes(int socket, const void *bytes, size_t size, int fd) {
        char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct iovec part = { .iov_base = (void *)bytes, .iov_len = size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
        long n;
        if (fd >= 0) {
                message.msg_control = control;
                message.msg_controllen = sizeof(control);
                struct cmsghdr *header = CMSG_FIRSTHDR(&message);
                *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                            .cmsg_level = SOL_SOCKET,
                                            .cmsg_type = SCM_RIGHTS };
                sys_copy(CMSG_DATA(header), &fd, sizeof(fd));
        }
        do {
                n = sys_sendmsg(socket, &message, MSG_NOSIGNAL);
        } while (n == -EINTR);
        if (n < 0)
                return (int)n;
        return (size_t)n == size ? 0 : -EIO;
}

/* One message of the other side: 1, or 0 at end of file. */
static int receive(int socket, struct step_message *ret) {
        struct iovec part = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
        long n;
        do {
                n = sys_recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        } while (n == -EINTR);
        if (n == 0 || n == -ECONNRESET)
                return 0;
        if (n < 0)
                return (int)n;
        return n == sizeof(*ret) ? 1 : -EPROTO;
}

static int say(int socket, enum step_message_type type) {
        struct step_message message = { .type = (uint8_t)type };
        return send_bytes(socket, &message, sizeof(message), -1);
}

int step_send(const struct step *step, struct context *context) {
        int sync = slot_fd(context, SLOT_SYNC);
        return sync < 0 ? sync : say(sync, (enum step_message_type)step->flags);
}

int step_await(const struct step *step, struct context *context) {
        struct step_message message;
        int sync = slot_fd(context, SLOT_SYNC), r = sync < 0 ? sync : receive(sync, &message);
        if (r == 0)
                sys_exit(EXIT_ABANDONED);
        if (r < 0)
                return r;
        return message.type == step->flags ? 0 : -EPROTO;
}

/* Hears one `start` to its end: 1 when it said go, 0 when it left before it had said anything. */
static int hear_start(int connection, uint16_t next) {
        struct step_message message, here = { .type = MESSAGE_START, .step = next };
        int r = receive(connection, &message);
        if (r <= 0 || message.type != MESSAGE_START)
                return 0;
        r = send_bytes(connection, &here, sizeof(here), -1);
        if (r >= 0)
                r = receive(connection, &message);
        /* The socket's file may be gone already: nobody could start us any more. */
        if (r <= 0)
                sys_exit(EXIT_ABANDONED);
        return message.type == MESSAGE_GO ? 1 : -EPROTO;
}

int step_start(const struct step *step, struct context *context) {
        int listener = slot_fd(context, SLOT_START);
        for (;;) {
                sysfd connection = listener < 0 ? listener : (int)sys_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (connection == -EINTR || connection == -ECONNABORTED)
                        continue;
                if (connection < 0)
                        return connection;
                int r = hear_start(connection, (uint16_t)step->flags);
                if (r < 0)
                        return r;
                if (r > 0) {
                        context->start = sys_take(&connection);
                        return slot_put(context, SLOT_START, -1);
                }
        }
}
