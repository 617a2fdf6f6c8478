/* One object put into another of the same type, by table. */
#include "specs/base/arena.h"
#include "specs/json.h"

#include <string.h>

/* Lists and maps all begin with these two. */
struct vector {
        char *at;
        size_t n;
};

static size_t size_of(const struct json_field *field) {
        static const size_t sizes[] = {
                [J_STRING] = sizeof(const char *),
                [J_STRV] = sizeof(struct strv),
                [J_STRMAP] = sizeof(struct strmap),
                [J_BOOL] = sizeof(bool),
                [J_OPT_BOOL] = sizeof(struct opt_bool),
                [J_U32] = sizeof(uint32_t),
                [J_U64] = sizeof(uint64_t),
                [J_I64] = sizeof(int64_t),
                [J_I32] = sizeof(int32_t),
                [J_OPT_U16] = sizeof(struct opt_u16),
                [J_OPT_U32] = sizeof(struct opt_u32),
                [J_OPT_I32] = sizeof(struct opt_i32),
                [J_OPT_U64] = sizeof(struct opt_u64),
                [J_OPT_I64] = sizeof(struct opt_i64),
                [J_U32V] = sizeof(struct u32v),
                [J_NAMED] = sizeof(struct named),
                [J_NAMED_SET] = sizeof(struct named_set),
                [J_NAMED_LIST] = sizeof(struct u32v),
                [J_OPT_OBJECT] = sizeof(void *),
                [J_LIST] = sizeof(struct vector),
                [J_KEYED] = sizeof(struct vector),
                [J_RAW] = sizeof(struct json_raw),
        };
        return field->kind == J_OBJECT ? field->sub->size : sizes[field->kind];
}

static bool has_key(const struct json_type *type) {
        for (size_t i = 0; i < type->n; i++)
                if (type->fields[i].flags & J_KEY)
                        return true;
        return false;
}

static bool is_same_text(const void *a, const void *b) {
        return str_eq(*(const char *const *)a, *(const char *const *)b);
}

/* Whether two elements have the same key: that of a map is their first member, that of a list their J_KEY members,
 * which are strings or plain numbers. */
static bool is_same(const struct json_field *field, const char *a, const char *b) {
        if (!field->sub || field->kind != J_LIST)
                return is_same_text(a, b);
        for (size_t i = 0; i < field->sub->n; i++) {
                const struct json_field *key = &field->sub->fields[i];
                if (!(key->flags & J_KEY))
                        continue;
                const char *one = a + key->offset, *other = b + key->offset;
                if (key->kind == J_STRING ? !is_same_text(one, other) : memcmp(one, other, size_of(key)) != 0)
                        return false;
        }
        return true;
}

static char *find(const struct json_field *field, const struct vector *list, size_t size, const char *wanted) {
        for (size_t i = 0; i < list->n; i++)
                if (is_same(field, list->at + i * size, wanted))
                        return list->at + i * size;
        return NULL;
}

/* New elements follow the earlier ones, in the order of the update. */
static void merge_elements(const struct json_field *field, struct vector *base, const struct vector *update) {
        size_t size = field->sub ? field->sub->size : sizeof(struct str_pair);
        char *all = arena_array(base->n + update->n + 1, size); /* a zeroed one ends lists */
        if (base->n)
                memcpy(all, base->at, base->n * size);
        base->at = all;
        for (size_t i = 0; i < update->n; i++) {
                const char *element = update->at + i * size;
                char *earlier = find(field, base, size, element);
                if (earlier && field->sub)
                        json_merge(earlier, element, field->sub);
                else
                        memcpy(earlier ? earlier : base->at + size * base->n++, element, size);
        }
}

static void merge_member(const struct json_field *field, char *base, const char *update) {
        bool is_keyed =
                field->kind == J_STRMAP || field->kind == J_KEYED || (field->kind == J_LIST && has_key(field->sub));
        void *earlier = field->kind == J_OBJECT ? base : field->kind == J_OPT_OBJECT ? *(void **)(void *)base : NULL;
        if (is_keyed)
                merge_elements(field, (struct vector *)(void *)base, (const struct vector *)(const void *)update);
        else if (earlier)
                json_merge(earlier, field->kind == J_OBJECT ? update : *(const char *const *)(const void *)update,
                           field->sub);
        else
                memcpy(base, update, size_of(field));
}

void json_merge(void *base, const void *update, const struct json_type *type) {
        for (size_t i = 0; i < type->n; i++) {
                const struct json_field *field = &type->fields[i];
                const char *given = (const char *)update + field->offset;
                if (json_has(field, given))
                        merge_member(field, (char *)base + field->offset, given);
        }
}
