/* The part of str.h that makes text safe for its reader: UTF-8, terminals, JSON. */
#include "specs/base/arena.h"
#include "specs/base/str.h"

#include <stdio.h>
#include <string.h>

size_t utf8_length(const char *text, size_t size) {
        const unsigned char *c = (const unsigned char *)text;
        if (size == 0)
                return 0;
        if (c[0] < 0x80)
                return 1;
        size_t n = c[0] >= 0xc2 && c[0] <= 0xdf ? 2 : (c[0] & 0xf0) == 0xe0 ? 3 : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4 : 0;
        if (n == 0 || size < n)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((c[i] & 0xc0) != 0x80)
                        return 0;
        /* Overlong forms, surrogates, and what lies above U+10FFFF. */
        if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
            (c[0] == 0xf4 && c[1] > 0x8f))
                return 0;
        return n;
}

const char *str_utf8(const char *text) {
        size_t size = strlen(text), i = 0, n = 0;
        while (i < size && (n = utf8_length(text + i, size - i)) > 0)
                i += n;
        if (i == size)
                return text;
        char *copy = arena_alloc(size * 3 + 1), *at = copy;
        for (i = 0; i < size; i += n ? n : 1) {
                n = utf8_length(text + i, size - i);
                at = n ? mempcpy(at, text + i, n) : stpcpy(at, "\xef\xbf\xbd");
        }
        return copy;
}

static bool is_control(const unsigned char *c, size_t n) {
        return c[0] < 0x20 || c[0] == 0x7f || (n == 2 && c[0] == 0xc2 && c[1] < 0xa0);
}

const char *str_printable(const char *text) {
        size_t size = strlen(text), n;
        char *copy = arena_alloc(size * 4 + 1), *at = copy;
        for (size_t i = 0; i < size; i += n) {
                const unsigned char *c = (const unsigned char *)text + i;
                size_t good = utf8_length(text + i, size - i);
                n = good ? good : 1;
                if (good && !is_control(c, good))
                        at = mempcpy(at, c, good);
                else if (*c == '\n' || *c == '\t')
                        at = stpcpy(at, *c == '\n' ? "\\n" : "\\t");
                else
                        for (size_t j = 0; j < n; j++)
                                at += sprintf(at, "\\x%02x", c[j]);
        }
        return copy;
}

char *str_json_quote(const char *text) {
        static const char letters[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
        const char *good = str_utf8(text);
        char *quoted = arena_alloc(strlen(good) * 6 + 3), *at = quoted;
        *at++ = '"';
        for (; *good; good++) {
                const char *letter = strchr(letters, *good);
                if (letter) {
                        *at++ = '\\';
                        *at++ = escapes[letter - letters];
                } else if ((unsigned char)*good < 0x20 || *good == 0x7f) {
                        at += sprintf(at, "\\u%04x", (unsigned)*good);
                } else {
                        *at++ = *good;
                }
        }
        *at = '"';
        return quoted;
}

#define DAY_SECONDS  86400
#define DAYS_TO_1970 719468 /* from the first of March of the year 0 */
#define ERA_DAYS     146097 /* 400 years */

/* By hand: gmtime(3) and strftime(3) read the host's time zone first, which has no say in it.  Here years begin in
 * March, so that the day that comes and goes is their last. */
char *str_utc(int64_t seconds, long nanoseconds) {
        int64_t days = seconds / DAY_SECONDS + DAYS_TO_1970;
        int time = (int)(seconds % DAY_SECONDS), of_era = (int)(days % ERA_DAYS);
        int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int of_year = of_era - (365 * year + year / 4 - year / 100);
        int month = (5 * of_year + 2) / 153, day = of_year - (153 * month + 2) / 5 + 1;
        bool is_next = month >= 10; /* January and February */
        return str_format("%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", (int)(days / ERA_DAYS) * 400 + year + is_next,
                          is_next ? month - 9 : month + 3, day, time / 3600, time / 60 % 60, time % 60, nanoseconds);
}
