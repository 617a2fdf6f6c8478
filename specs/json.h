/* One table per object: the struct is the type, the table is everything else.  Reading, writing, unknown keys, the fuzz
 * dictionary and the schema test all walk the same rows.  No privileges, no system calls.
 *
 * The kind of a plain member is derived from its C type, so a wrong row does not compile.  Where absent differs from
 * zero the member is an opt_ struct, or a pointer (NULL: absent). */
#ifndef SPECS_JSON_H
#define SPECS_JSON_H

#include "specs/base/names.h"
#include "specs/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opt_bool { bool set; bool v; };
struct opt_u16 { bool set; uint16_t v; };
struct opt_u32 { bool set; uint32_t v; };
struct opt_i32 { bool set; int32_t v; };
struct opt_u64 { bool set; uint64_t v; };
struct opt_i64 { bool set; int64_t v; };

/* An enum value read through a name table; set is false when the key was absent. */
struct named { bool set; int64_t v; };

/* A JSON object of strings, in the order of the file. */
struct str_pair { const char *key, *value; };
struct strmap { struct str_pair *at; size_t n; };

struct u32v { uint32_t *at; size_t n; };

/* A list of names of one table (capabilities, scheduler flags...), as bits of their values. */
struct named_set { bool set; uint64_t bits; };

/* Any JSON value kept as its text, unread (platform sections of other systems, listenerMetadata stays a string). */
struct json_raw { const char *text; };

#define LIST_OF(t) struct { struct t *at; size_t n; }
/* A JSON object whose keys are free and whose values are t: each t begins with const char *key. */
#define KEYED_OF(t) LIST_OF(t)

enum json_kind {
        J_STRING, J_STRV, J_STRMAP, J_BOOL, J_OPT_BOOL, J_U32, J_U64, J_I64, J_I32, J_OPT_U16, J_OPT_U32, J_OPT_I32,
        J_OPT_U64, J_OPT_I64, J_U32V, J_NAMED, J_NAMED_SET, J_NAMED_LIST, J_OBJECT, J_OPT_OBJECT, J_LIST, J_KEYED,
        J_RAW,
};

enum json_flags {
        J_REQUIRED = 1,   /* absent (or null) is an error */
        J_DEPRECATED = 2, /* read, and named in a warning by check */
        J_KEEP_EMPTY = 4, /* written even when empty */
        J_UNKNOWN_OK = 8, /* J_NAMED, J_NAMED_SET: unknown names are warnings, kept in json_read_result.warnings */
        J_KEY = 16,       /* elements of a list that agree in their J_KEY members are the same one to json_merge */
};

struct json_type;

struct json_field {
        const char *name;
        enum json_kind kind;
        uint16_t offset;
        uint16_t flags;
        int64_t min, max;             /* range of integers; both 0: the range of the C type; only min: up to its end */
        const struct names *names;    /* J_NAMED, J_NAMED_SET */
        const struct json_type *sub;  /* J_OBJECT, J_OPT_OBJECT, J_LIST, J_KEYED */
        const char *(*check)(const char *text); /* strings and elements of string lists: NULL when good, else why not */
};

struct json_type {
        const char *name;
        size_t size;
        const struct json_field *fields;
        size_t n;
};

#define JSON_KIND_OF(t, m) \
        _Generic(((struct t *)0)->m, \
                const char *: J_STRING, \
                struct strv: J_STRV, \
                struct strmap: J_STRMAP, \
                bool: J_BOOL, \
                struct opt_bool: J_OPT_BOOL, \
                uint32_t: J_U32, uint64_t: J_U64, int64_t: J_I64, int32_t: J_I32, \
                struct opt_u16: J_OPT_U16, struct opt_u32: J_OPT_U32, struct opt_i32: J_OPT_I32, \
                struct opt_u64: J_OPT_U64, struct opt_i64: J_OPT_I64, \
                struct u32v: J_U32V, struct json_raw: J_RAW)
#define JSON_SAME(t, m, want) (0 * sizeof(char[_Generic(((struct t *)0)->m, want: 1)]))

/* A plain member: the kind follows from its type. */
#define FIELD(t, key, m, ...) \
        { .name = key, .kind = JSON_KIND_OF(t, m), .offset = offsetof(struct t, m), __VA_ARGS__ }
/* struct named, through a name table. */
#define NAMED(t, key, m, table, ...) \
        { .name = key, .kind = J_NAMED, .offset = offsetof(struct t, m) + JSON_SAME(t, m, struct named), \
          .names = &table, __VA_ARGS__ }
/* struct named_set: a JSON list of names, each worth 1 << value. */
#define NAMED_SET(t, key, m, table, ...) \
        { .name = key, .kind = J_NAMED_SET, .offset = offsetof(struct t, m) + JSON_SAME(t, m, struct named_set), \
          .names = &table, __VA_ARGS__ }
/* struct u32v: a JSON list of names, each kept as its value, order kept. */
#define NAMED_LIST(t, key, m, table, ...) \
        { .name = key, .kind = J_NAMED_LIST, .offset = offsetof(struct t, m) + JSON_SAME(t, m, struct u32v), \
          .names = &table, __VA_ARGS__ }
/* An embedded struct (always there). */
#define OBJECT(t, key, m, s, ...) \
        { .name = key, .kind = J_OBJECT, .offset = offsetof(struct t, m) + JSON_SAME(t, m, struct s), \
          .sub = &s##_type, __VA_ARGS__ }
/* A pointer to a struct, NULL when absent. */
#define OPT_OBJECT(t, key, m, s, ...) \
        { .name = key, .kind = J_OPT_OBJECT, .offset = offsetof(struct t, m) + JSON_SAME(t, m, struct s *), \
          .sub = &s##_type, __VA_ARGS__ }
#define LIST(t, key, m, s, ...) \
        { .name = key, .kind = J_LIST, \
          .offset = offsetof(struct t, m) + 0 * sizeof(char[_Generic(((struct t *)0)->m.at, struct s *: 1)]), \
          .sub = &s##_type, __VA_ARGS__ }
#define KEYED(t, key, m, s, ...) \
        { .name = key, .kind = J_KEYED, \
          .offset = offsetof(struct t, m) + 0 * sizeof(char[_Generic(((struct t *)0)->m.at, struct s *: 1)]), \
          .sub = &s##_type, __VA_ARGS__ }

#define TYPE(t) \
        const struct json_type t##_type = { \
                #t, sizeof(struct t), t##_fields, sizeof(t##_fields) / sizeof(t##_fields[0]) \
        }

#define JSON_MAX_SIZE (16u << 20) /* bytes of one document */
#define JSON_MAX_DEPTH 64

struct json_read_options {
        bool strict;            /* unknown keys are errors, otherwise ignored */
        struct strv *warnings;  /* when not NULL: one line for each unknown key, deprecated key, tolerated name */
        struct strv *errors;    /* when not NULL: reading goes on after an error where it can, and each is added here
                                 * (`check` says everything at once); the first is also the error record */
        const char *in;         /* where the document belongs, in front of places ("linux.resources"); NULL: nowhere */
        const char *file;       /* named where the text is no JSON; NULL: the caller does so */
};

/* Reads text (size bytes, need not be NUL-terminated) as one object of the type into *ret, which is zeroed first.  All
 * strings are copied to the arena.  Refused: invalid JSON or UTF-8, bytes after the document, duplicate keys, NUL in
 * strings, wrong types, numbers that are not exact integers of the field's range, missing required keys, too deep, too
 * large.  The value of a key that is null is absent; in a list null is an error.  Inside J_RAW and unknown keys only
 * the syntax is checked.  options may be NULL.  Errors name the place:
 * "linux.resources.memory.limit: string not expected".  0, -EBADMSG (no JSON), -EINVAL or -EFBIG, with the record. */
int json_read(const char *text, size_t size, const struct json_type *type, const struct json_read_options *options,
              void *ret);

/* The object as JSON text in the arena, keys in table order, absent members left out; pretty: four-space indent and a
 * final newline.  Cannot fail. */
char *json_write(const void *object, const struct json_type *type, bool pretty);

/* Whether the member is there as far as writing goes: what json_write would write. */
bool json_has(const struct json_field *field, const void *member);

/* Puts what is there in update into base, both of type: scalars and lists take the place of the earlier ones; objects,
 * maps and keyed objects are merged member by member, and so are lists whose elements have J_KEY members.  What base
 * did not have is shared with update, what it had is changed in place. */
void json_merge(void *base, const void *update, const struct json_type *type);

/* Calls visit once for every field reachable from type, depth first, with its path ("linux.resources.memory.limit";
 * lists add "[]", keyed objects add ".*").  For the schema test, the fuzz dictionary and the reference page. */
void json_walk(const struct json_type *type,
               void (*visit)(const char *path, const struct json_field *field, void *data), void *data);

/* text as a JSON string literal with its quotes, in the arena. */
char *json_quote(const char *text);

#endif
