/* What the seccomp tests run, static so that any root will do:
 *
 *   calls CALL...                   makes each call in a process of its own, prints what came of it, one a line
 *   calls agent SOCKET OUT ERRNO    the agent of a seccomp listener: takes listeners at SOCKET, writes the message that
 *                                   came with each to OUT, answers every mkdir with ERRNO, lets other calls go on
 *
 * A CALL is NAME[:ARGUMENT]..., an argument is a number or a path; "x86.NAME" is the same by the 32-bit entry.  What
 * comes of it is "ok NUMBER", the name of an errno, "trap" (a signal that can be caught) or "killed". */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAPPED 77

static void die(const char *what) {
        fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
        exit(125);
}

/* -- calls -- */

static const struct {
        const char *name;
        long number, number32;
} calls[] = {
        { "chmod", SYS_chmod, 15 },
        { "clone3", SYS_clone3, 435 },
        { "close_range", SYS_close_range, 436 },
        { "getppid", SYS_getppid, 64 },
        { "getpriority", SYS_getpriority, 96 },
        { "keyctl", SYS_keyctl, 288 },
        { "mkdir", SYS_mkdir, 39 },
        { "mount", SYS_mount, 21 },
        { "personality", SYS_personality, 136 },
        { "ptrace", SYS_ptrace, 26 },
        { "rmdir", SYS_rmdir, 40 },
        { "setdomainname", SYS_setdomainname, 121 },
        { "socket", SYS_socket, 359 },
        { "sync", SYS_sync, 36 },
        { "sysfs", SYS_sysfs, 135 },
        { "umask", SYS_umask, 60 },
        { "unshare", SYS_unshare, 310 },
        { "ustat", SYS_ustat, 62 },
        { "vmsplice", SYS_vmsplice, 316 },
};

static long call32(long number, const long *a) {
        long result;
        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                         : "memory", "r8", "r9", "r10", "r11");
        if ((int)result < 0 && (int)result > -4096) {
                errno = -(int)result;
                return -1;
        }
        return (int)result;
}

static void trapped(int number) {
        (void)number;
        _exit(TRAPPED);
}

static long make(const char *text) {
        char copy[256], *next = copy;
        long arguments[6] = { 0 };
        (void)snprintf(copy, sizeof(copy), "%s", text);
        bool is_32 = strncmp(copy, "x86.", 4) == 0;
        if (is_32)
                next += 4;
        const char *name = strsep(&next, ":");
        for (size_t i = 0; i < 6 && next; i++) {
                char *argument = strsep(&next, ":");
                arguments[i] = *argument == '/' ? (long)(intptr_t)argument : (long)strtoull(argument, NULL, 0);
        }
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                if (strcmp(calls[i].name, name) != 0)
                        continue;
                if (is_32)
                        return call32(calls[i].number32, arguments);
                return syscall(calls[i].number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                               arguments[5]);
        }
        fprintf(stderr, "calls: %s: unknown\n", name);
        exit(125);
}

static void try(const char *text) {
        int status;
        printf("%s ", text);
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0) {
                (void)signal(SIGSYS, trapped);
                long result = make(text);
                if (result < 0)
                        printf("%s\n", strerrorname_np(errno));
                else
                        printf("ok %ld\n", result);
                fflush(stdout);
                _exit(0);
        }
        if (waitpid(pid, &status, 0) < 0)
                die("waitpid");
        if (WIFEXITED(status) && WEXITSTATUS(status) == TRAPPED)
                printf("trap\n");
        else if (WIFSIGNALED(status))
                printf("%s\n", WTERMSIG(status) == SIGSYS ? "killed" : strsignal(WTERMSIG(status)));
        else if (WEXITSTATUS(status) != 0)
                exit(WEXITSTATUS(status));
}

/* -- the agent -- */

/* The first message must be the whole state with one fd, and the end must follow. */
static int take_listener(int connection, const char *out) {
        static char text[65536];
        char control[CMSG_SPACE(4 * sizeof(int))], rest;
        struct iovec part = { text, sizeof(text) };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        int listener;
        ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
        struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
        if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
                die("no listener came");
        memcpy(&listener, CMSG_DATA(header), sizeof(listener));
        FILE *file = fopen(out, "we");
        if (!file || fwrite(text, 1, (size_t)n, file) != (size_t)n || fclose(file) != 0)
                die(out);
        if (read(connection, &rest, 1) != 0)
                die("the connection was not closed after the message");
        return listener;
}

static void answer(int listener, int number) {
        struct seccomp_notif request;
        for (;;) {
                struct pollfd polled = { .fd = listener, .events = POLLIN };
                struct seccomp_notif_resp response = { 0 };
                if (poll(&polled, 1, -1) < 0 || !(polled.revents & POLLIN))
                        return; /* the filter's last process has ended */
                memset(&request, 0, sizeof(request));
                if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
                        continue;
                response.id = request.id;
                if (request.data.nr == SYS_mkdir)
                        response.error = -number;
                else
                        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
                (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
        }
}

static int agent(const char *path, const char *out, int number) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)signal(SIGCHLD, SIG_IGN);
        if (strlen(path) >= sizeof(address.sun_path))
                die(path);
        strcpy(address.sun_path, path);
        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                die(path);
        for (;;) {
                int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                if (connection < 0)
                        die("accept");
                int listener = take_listener(connection, out);
                (void)close(connection);
                pid_t pid = fork();
                if (pid == 0) {
                        (void)close(fd);
                        answer(listener, number);
                        _exit(0);
                }
                (void)close(listener);
        }
}

int main(int argc, char **argv) {
        if (argc == 5 && strcmp(argv[1], "agent") == 0)
                return agent(argv[2], argv[3], atoi(argv[4]));
        for (int i = 1; i < argc; i++)
                try(argv[i]);
        return 0;
}
