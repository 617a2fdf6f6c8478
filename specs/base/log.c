#include "specs/base/log.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_USER (1 << 3) /* the facility of programs */

static struct log_options options = { .level = LOG_WARNING };
static int log_file = -1; /* open until the process ends */

/* priority: as syslog(3) numbers it. */
static const struct {
        const char *name, *colour;
        int priority;
} levels[] = {
        [LOG_ERROR] = { "error", "\033[31m", 3 },
        [LOG_WARNING] = { "warning", "\033[33m", 4 },
        [LOG_INFO] = { "info", "\033[36m", 6 },
        [LOG_DEBUG] = { "debug", "\033[2m", 7 },
};

/* Where records go.  The host's logs are spoken to in their own datagrams: <syslog.h> has names of ours, and a library
 * for four lines is too much. */
enum sink { SINK_FILE, SINK_JOURNAL, SINK_SYSLOG };
static enum sink sink;
static const char *sink_name; /* whose records they are */

static const struct {
        const char *prefix, *socket;
} sinks[] = {
        [SINK_FILE] = { "file:", NULL },
        [SINK_JOURNAL] = { "journald:", "/run/systemd/journal/socket" },
        [SINK_SYSLOG] = { "syslog:", "/dev/log" },
};

static int open_file(const char *path) {
        /* Nobody may ever read from a FIFO that is named as the log: not opened then, and never waited for. */
        int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
        int fd = open(path, flags, 0600);
        return fd < 0 ? fail(errno, "open log file %s", path) : fd;
}

/* -1: this host has none. */
static int open_socket(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -1;
        return fd_take(&fd);
}

int log_open(const struct log_options *wanted) {
        const char *path = wanted->path;
        enum sink kind = SINK_FILE;
        for (size_t i = 0; path && i < sizeof(sinks) / sizeof(sinks[0]); i++)
                if (str_starts(wanted->path, sinks[i].prefix)) {
                        kind = (enum sink)i;
                        path = wanted->path + strlen(sinks[i].prefix);
                }
        int fd = !path ? -1 : sinks[kind].socket ? open_socket(sinks[kind].socket) : open_file(path);
        if (path && kind == SINK_FILE && fd < 0)
                return fd;
        (void)fd_close(log_file);
        log_file = fd;
        options = *wanted;
        sink = kind;
        sink_name = path && *path ? path : program_invocation_short_name;
        return 0;
}

/* RFC 3339 with nanoseconds: containerd refuses a record whose time it cannot decode. */
static const char *now(void) {
        struct timespec time;
        struct tm local;
        char date[32], zone[24] = "Z";
        (void)clock_gettime(CLOCK_REALTIME, &time);
        if (!localtime_r(&time.tv_sec, &local))
                (void)gmtime_r(&time.tv_sec, &local);
        (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &local);
        long minutes = local.tm_gmtoff / 60;
        if (minutes != 0)
                (void)snprintf(zone, sizeof(zone), "%c%02ld:%02ld", minutes < 0 ? '-' : '+', labs(minutes) / 60,
                               labs(minutes) % 60);
        return str_format("%s.%09ld%s", date, time.tv_nsec, zone);
}

/* One write(2) for each record, so that records of several processes do not mix in one file.  A log that cannot be
 * written must not fail the command. */
static void put(int fd, const char *line) {
        ssize_t n = write(fd, line, strlen(line));
        (void)n;
}

static void put_json(int fd, enum log_level level, const char *message, const char *hint) {
        const char *words = hint ? str_format("%s (hint: %s)", message, hint) : message;
        put(fd, str_format("{\"level\":\"%s\",\"msg\":%s,\"time\":\"%s\"}\n", levels[level].name, str_json_quote(words),
                           now()));
}

static bool wants_colour(int fd) {
        const char *no_color = getenv("NO_COLOR");
        return (!no_color || !*no_color) && isatty(fd);
}

static void put_text(int fd, enum log_level level, const char *message, const char *hint) {
        bool colour = wants_colour(fd);
        const char *start = fd == STDERR_FILENO ? "" : str_format("%s ", now());
        const char *end = hint ? str_format("hint: %s\n", str_printable(hint)) : "";
        put(fd,
            str_format("%s%s: %s%s:%s %s\n%s", start, program_invocation_short_name, colour ? levels[level].colour : "",
                       levels[level].name, colour ? "\033[0m" : "", str_printable(message), end));
}

/* One record in one datagram, on one line: what others chose makes no second field of it. */
static void put_host(int fd, enum log_level level, const char *message, const char *hint) {
        const char *words = str_printable(hint ? str_format("%s (hint: %s)", message, hint) : message);
        const char *name = str_printable(sink_name);
        struct timespec time;
        struct tm local;
        char date[32] = "";
        if (sink == SINK_JOURNAL) {
                put(fd,
                    str_format("MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=%s\n", words, levels[level].priority, name));
                return;
        }
        (void)clock_gettime(CLOCK_REALTIME, &time);
        if (localtime_r(&time.tv_sec, &local))
                (void)strftime(date, sizeof(date), "%b %e %H:%M:%S ", &local);
        put(fd, str_format("<%d>%s%s[%d]: %s", SYSLOG_USER | levels[level].priority, date, name, (int)getpid(), words));
}

static void put_record(enum log_level level, const char *message, const char *hint) {
        if (level > options.level)
                return;
        int fd = log_file >= 0 ? log_file : STDERR_FILENO;
        int saved = errno;
        if (log_file >= 0 && sink != SINK_FILE)
                put_host(fd, level, message, hint);
        else if (options.json)
                put_json(fd, level, message, hint);
        else
                put_text(fd, level, message, hint);
        if (level == LOG_ERROR && log_file >= 0)
                put_text(STDERR_FILENO, level, message, hint);
        errno = saved;
}

void log_write(enum log_level level, const char *format, ...) {
        char message[4096];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(message, sizeof(message), format, arguments);
        va_end(arguments);
        put_record(level, message, NULL);
}

void log_error_record(void) {
        /* Writing may replace the record, so it is copied first. */
        const char *message = arena_strdup(err_message());
        const char *hint = err_hint() ? arena_strdup(err_hint()) : NULL;
        put_record(LOG_ERROR, *message ? message : "failed without a recorded reason", hint);
}
