#include "runtime/plan/unit_value.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define USEC_PER_SEC UINT64_C(1000000)

struct text {
        const char *all, *at;
        const char *place;
};

static int fail_at(const struct text *text, const char *words) {
        return fail_words(EINVAL, "%s: column %zu of \"%s\": %s", text->place, (size_t)(text->at - text->all) + 1,
                          str_printable(text->all), words);
}

static void skip_space(struct text *text) {
        text->at += strspn(text->at, " \t\n\r");
}

static bool take(struct text *text, char c) {
        skip_space(text);
        if (*text->at != c)
                return false;
        text->at++;
        return true;
}

/* A word of its own: no letter or digit goes on behind it. */
static bool take_word(struct text *text, const char *word) {
        size_t size = strlen(word);
        if (strncmp(text->at, word, size) != 0 || isalnum((unsigned char)text->at[size]))
                return false;
        text->at += size;
        return true;
}

/* -- types -- */

struct value_type {
        const char *word, *signature;
        int64_t min; /* of integers */
        uint64_t max;
};

static const struct value_type types[] = {
        { "boolean", "b", 0, 0 },         { "int32", "i", INT32_MIN, INT32_MAX },
        { "uint32", "u", 0, UINT32_MAX }, { "int64", "x", INT64_MIN, INT64_MAX },
        { "uint64", "t", 0, UINT64_MAX }, { "double", "d", 0, 0 },
        { "string", "s", 0, 0 },          { "objectpath", "o", 0, 0 },
        { "signature", "g", 0, 0 },
};
static const struct value_type byte_type = { "byte", "y", 0, UINT8_MAX };
static const char *const array_types[] = { "as", "ay", "a(st)" };

static const struct value_type *type_of(const char *signature) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (str_eq(types[i].signature, signature))
                        return &types[i];
        return NULL;
}

static const char *known_signature(const char *signature) {
        const struct value_type *type = type_of(signature);
        for (size_t i = 0; i < sizeof(array_types) / sizeof(array_types[0]); i++)
                if (str_eq(array_types[i], signature))
                        return array_types[i];
        return type ? type->signature : NULL;
}

/* "@as" or "uint64" in front of a value; *ret stays as it is when there is none. */
static int read_type(struct text *text, const char **ret) {
        skip_space(text);
        if (*text->at == '@') {
                size_t size = strcspn(text->at + 1, " \t\n\r");
                const char *known = known_signature(arena_strndup(text->at + 1, size));
                if (!known)
                        return fail_at(text, "no property of a scope has this type");
                text->at += 1 + size;
                *ret = known;
                return 0;
        }
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (take_word(text, types[i].word)) {
                        *ret = types[i].signature;
                        return 0;
                }
        return 0;
}

/* What systemd has as uint64: an integer alone would be an int32, which it refuses. */
static bool is_wide(const char *name) {
        static const char *const wide[] = {
                "CPUWeight", "StartupCPUWeight", "IOWeight",      "StartupIOWeight", "MemoryMin",
                "MemoryLow", "MemoryHigh",       "MemoryMax",     "MemorySwapMax",   "MemoryZSwapMax",
                "TasksMax",  "CPUShares",        "BlockIOWeight", "MemoryLimit",
        };
        for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
                if (str_eq(name, wide[i]))
                        return true;
        return str_ends(name, "USec");
}

/* -- numbers -- */

static int read_integer(struct text *text, const struct value_type *type, uint64_t *ret) {
        char *end;
        bool is_negative = *text->at == '-';
        const char *digits = text->at + (is_negative || *text->at == '+');
        if (!isdigit((unsigned char)*digits))
                return fail_at(text, "a number expected");
        errno = 0;
        unsigned long long size = strtoull(digits, &end, 0);
        if (end == digits || isalnum((unsigned char)*end) || *end == '.')
                return fail_at(text, "a whole number expected");
        bool fits = is_negative ? type->min < 0 && size <= (uint64_t) - (type->min + 1) + 1 : size <= type->max;
        if (errno == ERANGE || !fits)
                return fail_at(text, str_format("the number does not fit %s", type->word));
        text->at = end;
        *ret = is_negative ? -(uint64_t)size : (uint64_t)size;
        return 0;
}

static int read_real(struct text *text, double *ret) {
        char *end;
        double value = strtod(text->at, &end);
        size_t size = strspn(text->at, "+-.0123456789eE");
        if (!size || end != text->at + size)
                return fail_at(text, "a number expected");
        text->at = end;
        *ret = value;
        return 0;
}

static bool is_real(const char *at) {
        at += *at == '-' || *at == '+';
        at += strspn(at, "0123456789");
        return *at == '.' || *at == 'e' || *at == 'E';
}

static int read_number(struct text *text, const char *name, const char *signature, struct unit_property *ret) {
        bool is_seconds = str_ends(name, "Sec") && !str_ends(name, "USec");
        if (!signature)
                signature = is_real(text->at) ? "d" : is_wide(name) || is_seconds ? "t" : "i";
        ret->signature = signature;
        if (str_eq(signature, "d"))
                return read_real(text, &ret->real);
        if (!strchr("iuxt", *signature))
                return fail_at(text, "a number does not have this type");
        return read_integer(text, type_of(signature), &ret->number);
}

/* -- strings -- */

static int hex_digits(struct text *text, unsigned count, uint32_t *ret) {
        uint32_t value = 0;
        for (unsigned i = 0; i < count; i++, text->at++) {
                char digit[2] = { *text->at, '\0' };
                if (!isxdigit((unsigned char)*digit))
                        return fail_at(text, "a hexadecimal digit expected");
                value = value << 4 | (uint32_t)strtoul(digit, NULL, 16);
        }
        *ret = value;
        return 0;
}

static char *put_utf8(char *out, uint32_t c) {
        if (c < 0x80) {
                *out++ = (char)c;
                return out;
        }
        unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        static const unsigned char first[] = { 0, 0xc0, 0xe0, 0xf0 };
        *out++ = (char)(first[more] | c >> 6 * more);
        while (more-- > 0)
                *out++ = (char)(0x80 | (c >> 6 * more & 0x3f));
        return out;
}

/* What stands behind a backslash. */
static int read_escape(struct text *text, char **out) {
        static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
        char c = *text->at;
        uint32_t code = 0;
        if (!c)
                return fail_at(text, "the string has no end");
        text->at++;
        const char *named = strchr(names, c);
        if (c != 'u' && c != 'U') {
                *(*out)++ = named ? values[named - names] : c;
                return 0;
        }
        int r = hex_digits(text, c == 'u' ? 4 : 8, &code);
        if (r == 0 && (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)))
                return fail_at(text, "no character has this number");
        if (r == 0)
                *out = put_utf8(*out, code);
        return r;
}

static int read_string(struct text *text, const char **ret) {
        skip_space(text);
        char quote = *text->at;
        if (quote != '\'' && quote != '"')
                return fail_at(text, "a string in quotes expected");
        char *start = arena_alloc(strlen(text->at) + 1),
             *out = start; /* no escape is shorter than what it stands for */
        for (text->at++; *text->at != quote;) {
                char c = *text->at;
                if (!c)
                        return fail_at(text, "the string has no end");
                text->at++;
                int r = 0;
                if (c == '\\')
                        r = read_escape(text, &out);
                else
                        *out++ = c;
                if (r < 0)
                        return r;
        }
        text->at++;
        *ret = start;
        return 0;
}

/* -- arrays -- */

static int read_byte(struct text *text, struct unit_property *ret) {
        uint64_t value;
        skip_space(text);
        if (take_word(text, "byte"))
                skip_space(text);
        int r = read_integer(text, &byte_type, &value);
        if (r < 0)
                return r;
        uint8_t *bytes = arena_grow((void *)(uintptr_t)ret->bytes, ret->bytes_count, ret->bytes_count + 1);
        bytes[ret->bytes_count++] = (uint8_t)value;
        ret->bytes = bytes;
        return 0;
}

/* ('/dev/sda', 1000) */
static int read_pair(struct text *text, struct unit_property *ret) {
        struct unit_pair pair;
        if (!take(text, '('))
                return fail_at(text, "( expected");
        int r = read_string(text, &pair.text);
        if (r == 0 && !take(text, ','))
                r = fail_at(text, ", expected");
        skip_space(text);
        if (r == 0 && take_word(text, "uint64"))
                skip_space(text);
        if (r == 0)
                r = read_integer(text, type_of("t"), &pair.number);
        if (r == 0 && !take(text, ')'))
                r = fail_at(text, ") expected");
        if (r < 0)
                return r;
        size_t n = ret->pairs_count;
        struct unit_pair *pairs = arena_grow((void *)(uintptr_t)ret->pairs, n * sizeof(pair), (n + 1) * sizeof(pair));
        pairs[ret->pairs_count++] = pair;
        ret->pairs = pairs;
        return 0;
}

static int read_element(struct text *text, struct unit_property *ret) {
        const char *string;
        if (str_eq(ret->signature, "ay"))
                return read_byte(text, ret);
        if (str_eq(ret->signature, "a(st)"))
                return read_pair(text, ret);
        int r = read_string(text, &string);
        if (r == 0)
                strv_add(&ret->strings, string);
        return r;
}

static int read_array(struct text *text, const char *signature, struct unit_property *ret) {
        if (signature && *signature != 'a')
                return fail_at(text, "a list does not have this type");
        text->at++;
        skip_space(text);
        const char *natural = *text->at == '(' ? "a(st)" : strncmp(text->at, "byte", 4) == 0 ? "ay" : "as";
        ret->signature = signature ? signature : natural;
        if (take(text, ']'))
                return 0;
        do {
                int r = read_element(text, ret);
                if (r < 0)
                        return r;
        } while (take(text, ','));
        return take(text, ']') ? 0 : fail_at(text, ", or ] expected");
}

/* -- the value -- */

static int read_text_value(struct text *text, const char *signature, struct unit_property *ret) {
        if (signature && !strchr("sog", *signature))
                return fail_at(text, "a string does not have this type");
        ret->signature = signature ? signature : "s";
        return read_string(text, &ret->text);
}

static int read_value(struct text *text, const char *name, struct unit_property *ret) {
        const char *signature = NULL;
        int r = read_type(text, &signature);
        if (r < 0)
                return r;
        skip_space(text);
        const struct text before = *text;
        bool is_true = take_word(text, "true");
        if (is_true || take_word(text, "false")) {
                ret->signature = "b";
                ret->number = is_true;
                return signature && *signature != 'b' ? fail_at(&before, "a boolean does not have this type") : 0;
        }
        if (*text->at == '[')
                return read_array(text, signature, ret);
        if (*text->at == '\'' || *text->at == '"')
                return read_text_value(text, signature, ret);
        if (*text->at && strchr("+-.0123456789", *text->at))
                return read_number(text, name, signature, ret);
        return fail_at(text, "true, false, a number, a string in quotes or a list expected");
}

static int to_microseconds(const struct text *text, struct unit_property *property) {
        const char *signature = property->signature;
        uint64_t seconds = property->number, limit = UINT64_MAX / USEC_PER_SEC;
        if (!strchr("iuxtd", *signature))
                return fail_at(text, "a number of seconds expected");
        if (*signature == 'd') {
                if (!(property->real >= 0 && property->real < (double)limit))
                        return fail_at(text, "the number of seconds is out of range");
                property->number = (uint64_t)(property->real * (double)USEC_PER_SEC + 0.5);
        } else {
                if (seconds > limit) /* what is negative is so too */
                        return fail_at(text, "the number of seconds is out of range");
                property->number = seconds * USEC_PER_SEC;
        }
        property->signature = "t";
        property->name = str_format("%.*sUSec", (int)strlen(property->name) - 3, property->name);
        return 0;
}

int unit_value_read(const char *place, const char *name, const char *text, struct unit_property *ret) {
        struct text reading = { .all = text, .at = text, .place = place };
        const struct text begin = reading;
        struct unit_property property = { .name = name, .place = place };
        int r = read_value(&reading, name, &property);
        if (r < 0)
                return r;
        skip_space(&reading);
        if (*reading.at)
                return fail_at(&reading, "nothing more expected");
        if (str_ends(name, "Sec") && !str_ends(name, "USec"))
                r = to_microseconds(&begin, &property);
        if (r == 0)
                *ret = property;
        return r;
}
