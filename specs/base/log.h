/* The log: text or JSON lines, to standard error and optionally to a file.  Parent side of clone only. */
#ifndef SPECS_BASE_LOG_H
#define SPECS_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log_options {
        enum log_level level;   /* records above this level are dropped */
        bool json;              /* {"level","msg","time"} objects with RFC 3339 times in the file, and on standard error
                                 * when there is no file */
        const char *path;       /* "FILE" or "file:FILE"; "journald:NAME" or "syslog:NAME": the host's log, where NAME
                                 * (empty: the program's) says whose record it is; NULL: standard error only */
};

/* Opens the log.  With one, records go there and errors also to standard error as text, because engines read only one
 * of the two.  The file is opened O_APPEND|O_NOFOLLOW|O_CLOEXEC, created 0600.  A host that has no journal or syslog is
 * no error: records go to standard error as if none was asked for. */
int log_open(const struct log_options *options);

/* One record.  On a terminal the level is coloured unless NO_COLOR is set.  Control characters in the message are
 * escaped: names and paths are hostile. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/* The error record of err.h as one log record of level error, hint included. */
void log_error_record(void);

#endif
