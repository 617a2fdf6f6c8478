#include "runtime/host/console.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONNECT_SECONDS 10

/* sun_path has 108 bytes; a longer path is reached through its folder. */
static int fill_address(const char *path, struct sockaddr_un *address, int *ret_folder) {
        const char *slash = strrchr(path, '/');
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(address->sun_path)) {
                const char *folder = slash ? arena_strndup(path, (size_t)(slash - path) + 1) : ".";
                *ret_folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (*ret_folder < 0)
                        return fail(errno, "open %s", folder);
                path = str_format("/proc/self/fd/%d/%s", *ret_folder, slash ? slash + 1 : path);
        }
        if (strlen(path) >= sizeof(address->sun_path))
                return fail(ENAMETOOLONG, "connect to %s", path);
        memcpy(address->sun_path, path, strlen(path) + 1);
        return 0;
}

int console_connect(const char *path) {
        struct timeval patience = { .tv_sec = CONNECT_SECONDS };
        struct sockaddr_un address;
        struct stat status;
        autofd folder = -1;
        int r = fill_address(path, &address, &folder);
        if (r < 0)
                return r;
        if (stat(address.sun_path, &status) < 0)
                return fail(errno, "connect to %s", path);
        if (!S_ISSOCK(status.st_mode))
                return fail_words(ENOTSOCK, "connect to %s: it is not a socket", path);
        autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        /* A listener that never accepts must not hold us for ever. */
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return fail(errno, "make a socket");
        while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                if (errno != EINTR)
                        return fail(errno == EAGAIN ? ETIMEDOUT : errno, "connect to %s", path);
        return fd_take(&fd);
}

int console_pair(int *ret_ours, int *ret_child) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return fail(errno, "make a socket pair for the terminal");
        *ret_ours = ends[0];
        *ret_child = ends[1];
        return 0;
}

union control {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
};

int console_receive(int ours, int *ret_master) {
        char name[4096]; /* the sender may name the terminal */
        unsigned number;
        union control control = { .room = { 0 } };
        struct iovec bytes = { name, sizeof(name) };
        struct msghdr message = {
                .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n;
        do {
                n = recvmsg(ours, &message, MSG_CMSG_CLOEXEC);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return fail(errno, "receive the terminal");
        const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
            header->cmsg_len != CMSG_LEN(sizeof(int)))
                return fail_words(EPROTO, "receive the terminal: none was sent");
        int fd;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        autofd master = fd;
        if (ioctl(master, TIOCGPTN, &number) < 0)
                return fail(errno, "receive the terminal: what was sent is no pty master");
        *ret_master = fd_take(&master);
        return 0;
}

int console_send_fd(int socket_fd, const void *bytes, size_t size, int fd) {
        union control control = { .room = { 0 } };
        struct iovec payload = { (void *)(uintptr_t)bytes, size };
        struct msghdr message = {
                .msg_iov = &payload, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        ssize_t n;
        do {
                n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return fail(errno, "send a file descriptor");
        return (size_t)n == size ? 0 : fail_words(EIO, "send a file descriptor: cut short");
}
