/* Measures what a path lets through: one end writes into a TCP connection, the other counts.  Test tool.
 *
 *   flow receive ADDRESS PORT MILLISECONDS          prints the bits a second of payload that came, the first half
 * second left out, and ends the connection flow send ADDRESS PORT [PRIORITY]               writes until the other end
 * has enough; SO_PRIORITY if given */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP = 500, TRIES = 100 };
static char buffer[1 << 18];

static int failed(const char *what) {
        fprintf(stderr, "flow: %s: %s\n", what, strerror(errno));
        return 1;
}

static int64_t now(void) {
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int receive(const struct addrinfo *at, int64_t duration) {
        int64_t start = 0, bytes = 0;
        int listener = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 ||
            bind(listener, at->ai_addr, at->ai_addrlen) < 0 || listen(listener, 1) < 0)
                return failed("listen");
        int peer = accept(listener, NULL, NULL);
        if (peer < 0)
                return failed("accept");
        int64_t opened = now();
        for (;;) {
                ssize_t n = recv(peer, buffer, sizeof(buffer), 0);
                int64_t time = now();
                if (n <= 0)
                        return failed("receive");
                if (start)
                        bytes += n;
                else if (time - opened >= (int64_t)WARM_UP * 1000)
                        start = time;
                if (start && time - start >= duration * 1000) {
                        printf("%lld\n", (long long)(bytes * 8 * 1000000 / (time - start)));
                        return 0;
                }
        }
}

static int send_all(const struct addrinfo *to, const char *priority) {
        int fd = -1;
        for (int i = 0; i < TRIES; i++) {
                fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
                int value = priority ? (int)strtol(priority, NULL, 0) : 0;
                if (priority && setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, sizeof(value)) < 0)
                        return failed("set priority");
                if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
                        break;
                (void)close(fd);
                fd = -1;
                (void)usleep(50000);
        }
        if (fd < 0)
                return failed("connect");
        while (send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) > 0)
                ;
        return 0;
}

int main(int argc, char **argv) {
        const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
        struct addrinfo *address = NULL;
        if (argc < 4 || getaddrinfo(argv[2], argv[3], &hints, &address) != 0 ||
            (strcmp(argv[1], "receive") == 0 && argc != 5)) {
                fprintf(stderr, "usage: flow receive ADDRESS PORT MILLISECONDS | send ADDRESS PORT [PRIORITY]\n");
                return 2;
        }
        return strcmp(argv[1], "receive") == 0 ? receive(address, strtol(argv[4], NULL, 10))
                                               : send_all(address, argv[4]);
}
