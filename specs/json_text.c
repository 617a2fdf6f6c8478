#include "specs/json_text.h"

#include "specs/base/str.h"

#include <stdint.h>
#include <string.h>

/* The code unit of the escape \uXXXX at text, or -1. */
static long escape_unit(const char *text, size_t size) {
        long unit = 0;
        if (size < 6 || text[0] != '\\' || text[1] != 'u')
                return -1;
        for (size_t i = 2; i < 6; i++) {
                const char *digit = text[i] ? strchr("00112233445566778899aAbBcCdDeEfF", text[i]) : NULL;
                if (!digit)
                        return -1;
                unit = unit * 16 + (digit - "00112233445566778899aAbBcCdDeEfF") / 2;
        }
        return unit;
}

/* How many bytes at the beginning are ASCII without a backslash, in words of eight: nearly all of a config is. */
static size_t plain_length(const char *text, size_t size) {
        static const uint64_t ones = UINT64_MAX / 255, high = UINT64_MAX / 255 * 0x80;
        size_t n = 0;
        for (uint64_t word; size - n >= sizeof(word); n += sizeof(word)) {
                memcpy(&word, text + n, sizeof(word));
                uint64_t other = word ^ ones * '\\'; /* a byte of zero where a backslash is */
                if ((word | ((other - ones) & ~other)) & high)
                        break;
        }
        return n;
}

size_t json_bad_text(const char *text, size_t size, const char **ret_why) {
        size_t n;
        for (size_t i = 0; i < size; i += n) {
                n = plain_length(text + i, size - i);
                if (n > 0)
                        continue;
                n = utf8_length(text + i, size - i);
                *ret_why = n == 0 ? "invalid UTF-8" : "unpaired surrogate";
                if (n == 0)
                        return i;
                long unit = text[i] == '\\' ? escape_unit(text + i, size - i) : 0;
                if (text[i] == '\\' && i + 1 < size && !(text[i + 1] & 0x80))
                        n = 2;
                if (unit < 0xd800 || unit > 0xdfff)
                        continue;
                long low = unit < 0xdc00 ? escape_unit(text + i + 6, size - i - 6) : -1;
                if (low < 0xdc00 || low > 0xdfff)
                        return i;
                n = 12;
        }
        return size;
}
