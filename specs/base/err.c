#include "specs/base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char message[ERR_SIZE];
static char hint[ERR_SIZE];
static int number;

/* Replaces the record.  The words may be made from the old message, so they are built beside it. */
__attribute__((format(printf, 3, 0))) static int record(int errnum, bool explain, const char *format,
                                                        va_list arguments) {
        char words[ERR_SIZE];
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

int fail_program(int errnum, const char *format, ...) {
        char why[ERR_SIZE / 8], words[ERR_SIZE - ERR_SIZE / 8];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(words, sizeof(words), format, arguments);
        va_end(arguments);
        (void)snprintf(why, sizeof(why), "%s", strerror(abs(errnum)));
        why[0] = (char)tolower((unsigned char)why[0]);
        return fail_words(errnum, "%s: %s", words, why);
}

int fail_in(int r, const char *format, ...) {
        char place[ERR_SIZE / 2];
        char words[ERR_SIZE];
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

void err_save(struct err_saved *ret) {
        memcpy(ret->message, message, sizeof(message));
        memcpy(ret->hint, hint, sizeof(hint));
        ret->number = number;
}

void err_restore(const struct err_saved *saved) {
        memcpy(message, saved->message, sizeof(message));
        memcpy(hint, saved->hint, sizeof(hint));
        number = saved->number;
}

void err_clear(void) {
        message[0] = '\0';
        hint[0] = '\0';
        number = 0;
}
