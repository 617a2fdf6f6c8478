#include "specs/base/str.h"

#include "specs/base/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void strv_add(struct strv *list, const char *text) {
        if (list->n + 2 > list->room) {
                size_t room = list->n < 6 ? 8 : (list->n + 2) * 2;
                const char **at = arena_array(room, sizeof(*at));
                if (list->n)
                        memcpy(at, list->at, list->n * sizeof(*at));
                list->at = at;
                list->room = room;
        }
        list->at[list->n++] = text;
        list->at[list->n] = NULL;
}

bool strv_has(const struct strv *list, const char *text) {
        for (size_t i = 0; i < list->n; i++)
                if (str_eq(list->at[i], text))
                        return true;
        return false;
}

char *str_format(const char *format, ...) {
        char small[512];
        va_list arguments;
        va_start(arguments, format);
        int n = vsnprintf(small, sizeof(small), format, arguments);
        va_end(arguments);
        if (n < 0)
                return arena_strdup("");
        if ((size_t)n < sizeof(small))
                return arena_memdup(small, (size_t)n + 1);
        char *text = arena_alloc((size_t)n + 1);
        va_start(arguments, format);
        (void)vsnprintf(text, (size_t)n + 1, format, arguments);
        va_end(arguments);
        return text;
}

char *str_path(const char *a, const char *b) {
        if (!*a)
                return arena_strdup(b);
        size_t n = strlen(a);
        while (n > 0 && a[n - 1] == '/')
                n--;
        while (*b == '/')
                b++;
        if (!*b)
                return n ? arena_strndup(a, n) : arena_strdup("/");
        size_t m = strlen(b);
        char *path = arena_alloc(n + m + 2);
        memcpy(path, a, n);
        path[n] = '/';
        memcpy(path + n + 1, b, m);
        return path;
}

struct strv str_split(const char *text, char separator, bool skip_empty) {
        struct strv list = { 0 };
        for (const char *at = text;;) {
                const char *stop = strchrnul(at, separator);
                if (stop > at || !skip_empty)
                        strv_add(&list, arena_strndup(at, (size_t)(stop - at)));
                if (!*stop)
                        return list;
                at = stop + 1;
        }
}

char *str_join(const struct strv *list, const char *separator) {
        size_t gap = strlen(separator), size = 1;
        for (size_t i = 0; i < list->n; i++)
                size += strlen(list->at[i]) + gap;
        char *text = arena_alloc(size), *at = text;
        for (size_t i = 0; i < list->n; i++)
                at = stpcpy(stpcpy(at, i ? separator : ""), list->at[i]);
        return text;
}

bool str_starts(const char *text, const char *prefix) {
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_is_below(const char *path, const char *folder) {
        if (str_eq(folder, "/"))
                return path[0] == '/' && path[1];
        return str_starts(path, folder) && path[strlen(folder)] == '/';
}

bool str_ends(const char *text, const char *suffix) {
        size_t n = strlen(text), m = strlen(suffix);
        return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

/* The digits at the start of text; *ret_end is what follows them. */
static int parse_digits(const char *text, uint64_t *ret, const char **ret_end) {
        uint64_t value = 0;
        bool over = false;
        const char *at = text;
        for (; *at >= '0' && *at <= '9'; at++)
                over = over || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
                       __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value);
        if (at == text || (*text == '0' && at > text + 1))
                return -EINVAL;
        *ret_end = at;
        *ret = value;
        return over ? -ERANGE : 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        const char *stop = text;
        uint64_t value = 0;
        int r = parse_digits(text, &value, &stop);
        if (r == -EINVAL || *stop)
                return -EINVAL;
        if (r < 0 || value < min || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret) {
        bool negative = *text == '-';
        uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0), magnitude = 0;
        int r = parse_u64(text + negative, 0, limit, &magnitude);
        if (r < 0)
                return r;
        if (negative && magnitude == 0)
                return -EINVAL;
        int64_t value = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
        if (value < min || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

int parse_size(const char *text, bool is_signed, int64_t *ret) {
        static const struct {
                const char *suffix;
                int shift;
        } units[] = {
                { "", 0 },    { "b", 0 },    { "k", 10 },  { "kb", 10 }, { "kib", 10 }, { "m", 20 },  { "mb", 20 },
                { "mib", 20 }, { "g", 30 },  { "gb", 30 }, { "gib", 30 }, { "t", 40 },  { "tb", 40 }, { "tib", 40 },
        };
        const char *suffix = text;
        uint64_t value = 0;

        if (is_signed && str_eq(text, "-1")) {
                *ret = -1;
                return 0;
        }
        int r = parse_digits(text, &value, &suffix);
        if (r == -EINVAL)
                return r;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (strcasecmp(suffix, units[i].suffix) != 0)
                        continue;
                if (r < 0 || value > (uint64_t)INT64_MAX >> units[i].shift)
                        return -ERANGE;
                *ret = (int64_t)(value << units[i].shift);
                return 0;
        }
        return -EINVAL;
}
