#include "runtime/host/mountinfo.h"

#include "specs/base/arena.h"
#include "specs/base/file.h"
#include "specs/base/str.h"

#include <fcntl.h>
#include <stdbool.h>

#define MOUNTINFO_MAX (16u << 20)

/* \040 and the like, as mountinfo writes blanks. */
static const char *unescaped(const char *text) {
        char *copy = arena_strdup(text), *to = copy;
        for (const char *at = text; *at; to++) {
                bool is_octal = at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
                                at[3] >= '0' && at[3] <= '7';
                *to = is_octal ? (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0')) : *at;
                at += is_octal ? 4 : 1;
        }
        *to = '\0';
        return copy;
}

/* "ID PARENT DEVICE ROOT MOUNT OPTIONS... - TYPE SOURCE OPTIONS" */
static bool read_line(const char *line, struct mount_entry *ret) {
        struct strv words = str_split(line, ' ', false);
        if (words.n < 6 || parse_i64(words.at[0], 0, INT32_MAX, &ret->id) < 0)
                return false;
        ret->device = words.at[2];
        ret->root = unescaped(words.at[3]);
        ret->point = unescaped(words.at[4]);
        ret->options = words.at[5];
        for (size_t i = 6; i + 1 < words.n; i++)
                if (str_eq(words.at[i], "-")) {
                        ret->type = words.at[i + 1];
                        return true;
                }
        return false;
}

int mountinfo_read(const char *path, struct mount_list *ret) {
        char *text;
        int r = read_file_at(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL);
        if (r < 0)
                return r;
        struct strv lines = str_split(text, '\n', true);
        *ret = (struct mount_list){ .at = arena_array(lines.n, sizeof(*ret->at)) };
        for (size_t i = 0; i < lines.n; i++)
                ret->n += read_line(lines.at[i], &ret->at[ret->n]);
        return 0;
}
