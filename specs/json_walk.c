#include "specs/json.h"

#include <assert.h>

struct level {
        const struct json_type *type;
        size_t next;      /* the field to visit next */
        const char *path; /* of the object, "" for the outermost */
};

/* What a field adds to the path of the fields below it. */
static const char *const suffixes[] = { [J_LIST] = "[]", [J_KEYED] = ".*", [J_RAW] = NULL };

void json_walk(const struct json_type *type,
               void (*visit)(const char *path, const struct json_field *field, void *data), void *data) {
        struct level levels[JSON_MAX_DEPTH] = { { .type = type, .path = "" } };
        size_t n = 1;
        while (n > 0) {
                struct level *level = &levels[n - 1];
                if (level->next == level->type->n) {
                        n--;
                        continue;
                }
                const struct json_field *field = &level->type->fields[level->next++];
                const char *path = str_format("%s%s%s", level->path, *level->path ? "." : "", field->name);
                visit(path, field, data);
                if (!field->sub)
                        continue;
                assert(n < JSON_MAX_DEPTH);
                const char *suffix = suffixes[field->kind] ? suffixes[field->kind] : "";
                levels[n++] = (struct level){ .type = field->sub, .path = str_format("%s%s", path, suffix) };
        }
}
