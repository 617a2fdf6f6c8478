/* Strings in the arena, lists of strings, numbers out of text.  Parent side of clone only. */
#ifndef SPECS_BASE_STR_H
#define SPECS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of strings; at[n] is NULL once anything was added, so at can be handed to execve.  room belongs to strv_add():
 * how many slots at has to give; 0 for a list made otherwise, which is then copied by the first addition. */
struct strv {
        const char **at;
        size_t n;
        size_t room;
};

/* Appends text (borrowed, not copied).  After adding to a copy of a struct strv use only that copy. */
void strv_add(struct strv *list, const char *text);
bool strv_has(const struct strv *list, const char *text);

/* printf into the arena. */
char *str_format(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* "a/b" with exactly one slash between; an absolute b is still put below a.  a may be "" (gives b). */
char *str_path(const char *a, const char *b) __attribute__((returns_nonnull));

/* The pieces of text between separators; empty pieces are kept unless skip_empty. */
struct strv str_split(const char *text, char separator, bool skip_empty);
char *str_join(const struct strv *list, const char *separator) __attribute__((returns_nonnull));

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
/* Whether a path lies below a folder, by whole components; the folder itself does not.  folder is "/" or ends without a
 * slash. */
bool str_is_below(const char *path, const char *folder);
static inline bool str_eq(const char *a, const char *b) {
        return __builtin_strcmp(a, b) == 0;
}

/* Whole-string numbers, decimal digits only (a leading '-' for i64): no sign, no space, no leading zero beyond "0",
 * range checked against min..max.  Returns 0 or -EINVAL (not a number) / -ERANGE, without touching *ret and without an
 * error record: the caller knows the place. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);

/* Bytes with an optional suffix b, k, m, g, t (either case, 1024-based, optional trailing "b"/"ib"); -1 allowed as
 * INT64_MAX-free "no limit" only when is_signed.  Same returns as above. */
int parse_size(const char *text, bool is_signed, int64_t *ret);

/* How many bytes the UTF-8 character at text (size bytes left) has: 1..4, or 0 when it is not valid UTF-8. */
size_t utf8_length(const char *text, size_t size);

/* text itself when it is valid UTF-8, otherwise a copy with U+FFFD for each wrong byte. */
const char *str_utf8(const char *text) __attribute__((returns_nonnull));

/* text safe for a terminal: control characters (C0, DEL, C1) and bytes that are no UTF-8 become \xNN, newline \n,
 * tab \t. */
const char *str_printable(const char *text) __attribute__((returns_nonnull));

/* Seconds since 1970 as "2026-11-23T09:20:23.123456789Z". */
char *str_utc(int64_t seconds, long nanoseconds) __attribute__((returns_nonnull));

/* text as a JSON string literal with its quotes; wrong UTF-8 becomes U+FFFD. */
char *str_json_quote(const char *text) __attribute__((returns_nonnull));

#endif
