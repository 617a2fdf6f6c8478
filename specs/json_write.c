/* Structs -> yajl_gen, by table.  Types nest a few levels only and are our own, so the nesting is plain recursion. */
#include "specs/base/arena.h"
#include "specs/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

struct vector {
        const char *at;
        size_t n;
};

static void write_object(yajl_gen gen, const struct json_type *type, const char *object);

/* The generator only fails by wrong nesting or too great depth, which tables cannot make. */
static void done(yajl_gen_status status) {
        assert(status == yajl_gen_status_ok);
        (void)status;
}

static void write_string(yajl_gen gen, const char *text) {
        const char *good = str_utf8(text);
        done(yajl_gen_string(gen, (const unsigned char *)good, strlen(good)));
}

static void write_signed(yajl_gen gen, int64_t value) {
        const char *text = str_format("%lld", (long long)value);
        done(yajl_gen_number(gen, text, strlen(text)));
}

static void write_unsigned(yajl_gen gen, uint64_t value) {
        const char *text = str_format("%llu", (unsigned long long)value);
        done(yajl_gen_number(gen, text, strlen(text)));
}

static bool object_has_content(const struct json_type *type, const char *object) {
        for (size_t i = 0; i < type->n; i++)
                if (json_has(&type->fields[i], object + type->fields[i].offset))
                        return true;
        return false;
}

/* Where each kind keeps that it is there. */
bool json_has(const struct json_field *field, const void *member) {
        bool keeps_empty = field->flags & (J_KEEP_EMPTY | J_REQUIRED);
        switch (field->kind) {
        case J_STRING:
        case J_RAW:
        case J_OPT_OBJECT:
                return *(const void *const *)member != NULL;
        case J_STRV:
        case J_STRMAP:
        case J_U32V:
        case J_NAMED_LIST:
        case J_LIST:
        case J_KEYED:
                return ((const struct vector *)member)->n > 0 || keeps_empty;
        case J_BOOL:
                return *(const bool *)member || keeps_empty;
        case J_U32:
        case J_U64:
        case J_I64:
        case J_I32:
                return true;
        case J_OPT_BOOL:
        case J_OPT_U16:
        case J_OPT_U32:
        case J_OPT_I32:
        case J_OPT_U64:
        case J_OPT_I64:
        case J_NAMED:
        case J_NAMED_SET:
                return *(const bool *)member; /* the first member of all of them */
        case J_OBJECT:
                return keeps_empty || object_has_content(field->sub, member);
        }
        return false;
}

_Static_assert(offsetof(struct opt_bool, set) == 0 && offsetof(struct opt_u64, set) == 0 &&
                       offsetof(struct named, set) == 0 && offsetof(struct named_set, set) == 0,
               "the flag comes first");

static void write_named_set(yajl_gen gen, const struct json_field *field, uint64_t bits) {
        done(yajl_gen_array_open(gen));
        for (int i = 0; i < 64; i++) {
                const char *name = bits >> i & 1 ? names_of(field->names, i) : NULL;
                if (name)
                        write_string(gen, name);
        }
        done(yajl_gen_array_close(gen));
}

static void write_named(yajl_gen gen, const struct json_field *field, int64_t value) {
        const char *name = names_of(field->names, value);
        assert(name);
        write_string(gen, name);
}

static void write_list(yajl_gen gen, const struct json_field *field, const struct vector *list) {
        done(yajl_gen_array_open(gen));
        for (size_t i = 0; i < list->n; i++) {
                if (field->kind == J_STRV)
                        write_string(gen, ((const char *const *)(const void *)list->at)[i]);
                else if (field->kind == J_U32V)
                        write_unsigned(gen, ((const uint32_t *)(const void *)list->at)[i]);
                else if (field->kind == J_NAMED_LIST)
                        write_named(gen, field, ((const uint32_t *)(const void *)list->at)[i]);
                else
                        write_object(gen, field->sub, list->at + i * field->sub->size);
        }
        done(yajl_gen_array_close(gen));
}

static void write_map(yajl_gen gen, const struct json_field *field, const struct vector *map) {
        done(yajl_gen_map_open(gen));
        for (size_t i = 0; i < map->n; i++) {
                size_t size = field->kind == J_KEYED ? field->sub->size : sizeof(struct str_pair);
                const char *element = map->at + i * size;
                write_string(gen, *(const char *const *)(const void *)element);
                if (field->kind == J_KEYED)
                        write_object(gen, field->sub, element);
                else
                        write_string(gen, ((const struct str_pair *)(const void *)element)->value);
        }
        done(yajl_gen_map_close(gen));
}

/* How each scalar kind is read from its member. */
static void write_scalar(yajl_gen gen, enum json_kind kind, const void *at) {
        switch ((int)kind) {
        case J_BOOL:
                done(yajl_gen_bool(gen, *(const bool *)at));
                break;
        case J_OPT_BOOL:
                done(yajl_gen_bool(gen, ((const struct opt_bool *)at)->v));
                break;
        case J_U32:
                write_unsigned(gen, *(const uint32_t *)at);
                break;
        case J_U64:
                write_unsigned(gen, *(const uint64_t *)at);
                break;
        case J_OPT_U16:
                write_unsigned(gen, ((const struct opt_u16 *)at)->v);
                break;
        case J_OPT_U32:
                write_unsigned(gen, ((const struct opt_u32 *)at)->v);
                break;
        case J_OPT_U64:
                write_unsigned(gen, ((const struct opt_u64 *)at)->v);
                break;
        case J_I32:
                write_signed(gen, *(const int32_t *)at);
                break;
        case J_I64:
                write_signed(gen, *(const int64_t *)at);
                break;
        case J_OPT_I32:
                write_signed(gen, ((const struct opt_i32 *)at)->v);
                break;
        case J_OPT_I64:
                write_signed(gen, ((const struct opt_i64 *)at)->v);
                break;
        default:
                assert(!"a kind of json_write");
        }
}

static void write_member(yajl_gen gen, const struct json_field *field, const char *member) {
        const void *at = member;
        switch ((int)field->kind) {
        case J_STRING:
                write_string(gen, *(const char *const *)at);
                break;
        case J_RAW: /* was JSON when it was read: verbatim */
                done(yajl_gen_number(gen, *(const char *const *)at, strlen(*(const char *const *)at)));
                break;
        case J_NAMED:
                write_named(gen, field, ((const struct named *)at)->v);
                break;
        case J_NAMED_SET:
                write_named_set(gen, field, ((const struct named_set *)at)->bits);
                break;
        case J_STRV:
        case J_U32V:
        case J_NAMED_LIST:
        case J_LIST:
                write_list(gen, field, at);
                break;
        case J_STRMAP:
        case J_KEYED:
                write_map(gen, field, at);
                break;
        case J_OBJECT:
                write_object(gen, field->sub, member);
                break;
        case J_OPT_OBJECT:
                write_object(gen, field->sub, *(const char *const *)at);
                break;
        default:
                write_scalar(gen, field->kind, at);
        }
}

static void write_object(yajl_gen gen, const struct json_type *type, const char *object) {
        done(yajl_gen_map_open(gen));
        for (size_t i = 0; i < type->n; i++) {
                const struct json_field *field = &type->fields[i];
                const char *member = object + field->offset;
                if (!json_has(field, member))
                        continue;
                write_string(gen, field->name);
                write_member(gen, field, member);
        }
        done(yajl_gen_map_close(gen));
}

static void free_generator(yajl_gen *gen) {
        if (*gen)
                yajl_gen_free(*gen);
}

char *json_write(const void *object, const struct json_type *type, bool pretty) {
        const unsigned char *text = NULL;
        size_t size = 0;
        __attribute__((cleanup(free_generator))) yajl_gen gen = yajl_gen_alloc(NULL);
        if (!gen)
                abort(); /* out of memory, as an arena that is full */
        (void)yajl_gen_config(gen, yajl_gen_beautify, (int)pretty);
        (void)yajl_gen_config(gen, yajl_gen_indent_string, "    ");
        write_object(gen, type, object);
        done(yajl_gen_get_buf(gen, &text, &size));
        return arena_strndup((const char *)text, size);
}

char *json_quote(const char *text) {
        return str_json_quote(text);
}
