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
#include <time.h>
#include <unistd.h>

static struct log_options options = { .level = LOG_WARNING };
static int log_file = -1; /* open until the process ends */

static const struct {
        const char *name, *colour;
} levels[] = {
        [LOG_ERROR] = { "error", "\033[31m" },
        [LOG_WARNING] = { "warning", "\033[33m" },
        [LOG_INFO] = { "info", "\033[36m" },
        [LOG_DEBUG] = { "debug", "\033[2m" },
};

int log_open(const struct log_options *wanted) {
        /* Nobody may ever read from a FIFO that is named as the log: not opened then, and never waited for. */
        int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
        int fd = wanted->path ? open(wanted->path, flags, 0600) : -1;
        if (wanted->path && fd < 0)
                return fail(errno, "open log file %s", wanted->path);
        (void)fd_close(log_file);
        log_file = fd;
        options = *wanted;
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
        put(fd, str_format("%s%s: %s%s:%s %s\n%s", start, program_invocation_short_name,
                           colour ? levels[level].colour : "", levels[level].name, colour ? "\033[0m" : "",
                           str_printable(message), end));
}

static void put_record(enum log_level level, const char *message, const char *hint) {
        if (level > options.level)
                return;
        int fd = log_file >= 0 ? log_file : STDERR_FILENO;
        int saved = errno;
        if (options.json)
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
