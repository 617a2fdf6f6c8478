#include "specs/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SIZE 4096

static char message[MESSAGE_SIZE];
static char hint[MESSAGE_SIZE];
static int number;

/* Replaces the record.  The words may be made from the old message, so they are built beside it. */
__attribute__((format(printf, 3, 0)))
static int record(int errnum, bool explain, const char *format, va_list arguments) {
        char words[MESSAGE_SIZE];
        int positive = abs(errnum);
        const char *why = explain && positive ? strerror(positive) : NULL;
        int room = (int)sizeof(message) - 1 - (why ? (int)strlen(why) + 2 : 0);

        (void)vsnprintf(words, sizeof(words), format, arguments);
        /* Long words are cut, the reason never is. */
        (void)snprintf(message, sizeof(message), "%.*s%s%s", room, words, why ? ": " : "", why ? why : "");
        hint[0] = '\0';
        number = positive ? positive : EINVAL;
        return -number;
}

int fail(int errnum, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int r = record(errnum, true, format, arguments);
        va_end(arguments);
        return r;
}

int fail_words(int errnum, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int r = record(errnum, false, format, arguments);
        va_end(arguments);
        return r;
}

int fail_in(int r, const char *format, ...) {
        char place[MESSAGE_SIZE / 2];
        char words[MESSAGE_SIZE];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(place, sizeof(place), format, arguments);
        va_end(arguments);
        memcpy(words, message, sizeof(words));
        (void)snprintf(message, sizeof(message), "%s: %.*s", place, (int)(sizeof(message) - strlen(place) - 3), words);
        return r;
}

int fail_hint(int r, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(hint, sizeof(hint), format, arguments);
        va_end(arguments);
        return r;
}

const char *err_message(void) {
        return message;
}

const char *err_hint(void) {
        return hint[0] ? hint : NULL;
}

int err_errno(void) {
        return number;
}

void err_clear(void) {
        message[0] = '\0';
        hint[0] = '\0';
        number = 0;
}
