/* A terminal for tests, which have none.  Three uses:
 *
 *   pty [--size ROWSxCOLUMNS] COMMAND...   runs the command on a new terminal; standard input is typed into it, what it
 *                                          shows goes to standard output, the exit status is the command's
 *   pty --console-socket PATH              listens there, takes one terminal master as an engine does, and goes on the
 *                                          same way until the terminal hangs up
 *   pty --pidfd-socket PATH                listens there, takes one pidfd, and prints what was said with it and the
 *                                          number of its process
 *
 * End of standard input types nothing: a test that wants ^D sends the byte 4. */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what) {
        fprintf(stderr, "pty: %s: %s\n", what, strerror(errno));
        exit(125);
}

static void write_all(int fd, const char *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return;
                bytes += n;
                size -= (size_t)n;
        }
}

/* False at end of file.  A master whose last slave was closed gives EIO. */
static bool copy(int from, int to) {
        char buffer[4096];
        ssize_t n = read(from, buffer, sizeof(buffer));

        if (n > 0)
                write_all(to, buffer, (size_t)n);
        return n > 0 || (n < 0 && errno == EINTR);
}

static void talk(int master) {
        struct pollfd fds[2] = { { .fd = master, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

        for (;;) {
                if (poll(fds, 2, -1) < 0) {
                        if (errno != EINTR)
                                die("poll");
                        continue;
                }
                if (fds[0].revents && !copy(master, STDOUT_FILENO))
                        return;
                if (fds[1].revents && !copy(STDIN_FILENO, master))
                        fds[1].fd = -1;
        }
}

/* The fd that comes with the first message of the first connection; what was said goes to text, of size bytes. */
static int receive_fd(const char *path, char *text, size_t size) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec data = { text, size - 1 };
        struct msghdr message = {
                .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        int listener, connection, fd;

        if (strlen(path) >= sizeof(address.sun_path)) {
                errno = ENAMETOOLONG;
                die(path);
        }
        strcpy(address.sun_path, path);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
                die(path);
        connection = accept(listener, NULL, NULL);
        ssize_t n = connection < 0 ? -1 : recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
        if (n <= 0)
                die("nothing came");
        text[n] = '\0';
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) {
                errno = EPROTO;
                die("no file came");
        }
        memcpy(&fd, CMSG_DATA(head), sizeof(fd));
        close(connection);
        close(listener);
        return fd;
}

static int receive_master(const char *path) {
        char text[256];
        int master = receive_fd(path, text, sizeof(text));
        if (!isatty(master))
                die("what came is no terminal");
        return master;
}

static void print_pidfd(const char *path) {
        char text[256], name[64], line[256];
        int fd = receive_fd(path, text, sizeof(text));
        (void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
        FILE *info = fopen(name, "r");
        if (!info)
                die(name);
        while (fgets(line, sizeof(line), info))
                if (strncmp(line, "Pid:\t", 5) == 0)
                        printf("%s %s", text, line + 5);
        (void)fclose(info);
}

static int run_command(char **argv, struct winsize *size) {
        int master, status;
        pid_t child = forkpty(&master, NULL, NULL, size);

        if (child < 0)
                die("forkpty");
        if (child == 0) {
                execvp(argv[0], argv);
                _exit(127);
        }
        talk(master);
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        die("waitpid");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
        struct winsize size = { .ws_row = 24, .ws_col = 80 };

        (void)signal(SIGPIPE, SIG_IGN);
        if (argc == 3 && strcmp(argv[1], "--console-socket") == 0) {
                talk(receive_master(argv[2]));
                return 0;
        }
        if (argc == 3 && strcmp(argv[1], "--pidfd-socket") == 0) {
                print_pidfd(argv[2]);
                return 0;
        }
        if (argc > 3 && strcmp(argv[1], "--size") == 0) {
                if (sscanf(argv[2], "%hux%hu", &size.ws_row, &size.ws_col) != 2) {
                        fprintf(stderr, "pty: size %s is not ROWSxCOLUMNS\n", argv[2]);
                        return 2;
                }
                argv += 2;
                argc -= 2;
        }
        if (argc < 2) {
                fprintf(stderr,
                        "usage: pty [--size ROWSxCOLUMNS] COMMAND... | pty --console-socket|--pidfd-socket PATH\n");
                return 2;
        }
        return run_command(argv + 1, &size);
}
