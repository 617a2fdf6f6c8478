/* yajl events -> structs, by table.  The parser's nesting is kept in an explicit stack of frames: hostile text must not
 * reach the C stack. */
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/json.h"
#include "specs/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

/* What a yajl callback returns. */
enum { STOP = 0, GO_ON = 1 };

enum token_kind { TOKEN_NULL, TOKEN_BOOLEAN, TOKEN_NUMBER, TOKEN_STRING, TOKEN_OBJECT, TOKEN_LIST };

static const char *const token_names[] = { "null", "boolean", "number", "string", "object", "list" };

struct token {
        enum token_kind kind;
        const char *text; /* of numbers and strings, not NUL-terminated */
        size_t size;
        bool truth;
};

enum { SEEN = 1, PRESENT = 2 };

/* An open object, or (without a type) an open list or free map that fills one member. */
struct frame {
        const struct json_type *type;
        const struct json_field *field; /* what the next value is for (NULL: nothing); a list or map has only one */
        char *base;                     /* the struct, or the member that the list or map fills */
        const char *key;                /* of the next value, NULL in lists */
        size_t index;                   /* of the next value, in lists */
        size_t room;                    /* elements that fit into the list or map */
        unsigned char *seen;            /* a row of flags, one for each field */
        struct strv keys;               /* unknown keys of an object, all keys of a map: to find duplicates */
};

struct reader {
        const char *text;
        size_t size;
        const struct json_type *type;
        const struct json_read_options *options;
        void *object;
        yajl_handle parser;
        struct frame frames[JSON_MAX_DEPTH];
        size_t depth;
        size_t skipped; /* how many values are open inside one that is not read */
        struct json_raw *raw;
        size_t raw_start;
        bool failed;
};

static struct frame *top(struct reader *r) {
        return &r->frames[r->depth - 1];
}

/* What the next value fills: a member of an open object, or an open list or map. */
static void *target(struct reader *r) {
        struct frame *f = top(r);
        return f->type ? f->base + f->field->offset : f->base;
}

static bool is_list(const struct frame *f) {
        return !f->type && f->field->kind != J_STRMAP && f->field->kind != J_KEYED;
}

/* Where the reader is; with a name: that member of the innermost object. */
static const char *place(const struct reader *r, const char *name) {
        const char *text = r->options->in ? r->options->in : "";
        for (size_t i = 0; i < r->depth; i++) {
                const struct frame *f = &r->frames[i];
                const char *key = name && i + 1 == r->depth ? name : f->key;
                if (is_list(f))
                        text = str_format("%s[%zu]", text, f->index);
                else if (key)
                        text = str_format("%s%s%.200s", text, *text ? "." : "", key);
        }
        return *text ? text : "document";
}

/* A hostile document must not turn into an endless list of complaints. */
#define NOTES_MAX 200

static void note(struct strv *list, const char *words) {
        if (list && list->n <= NOTES_MAX)
                strv_add(list, list->n < NOTES_MAX ? words : "there is more, which is not listed");
}

static void warn(struct reader *r, const char *why) {
        if (r->options->warnings && r->options->warnings->n <= NOTES_MAX)
                note(r->options->warnings, str_format("%s: %s", place(r, NULL), why));
}

static int complain_text(struct reader *r, const char *words) {
        if (!r->failed)
                (void)fail_words(EINVAL, "%s", words);
        r->failed = true;
        note(r->options->errors, words);
        return r->options->errors && r->depth > 0 ? GO_ON : STOP;
}

static int complain(struct reader *r, const char *name, const char *why) {
        return complain_text(r, str_format("%s: %s", place(r, name), why));
}

static int unexpected(struct reader *r, enum token_kind kind) {
        return complain(r, NULL, str_format("%s not expected", token_names[kind]));
}

/* Lists, maps and string lists all begin with these two. */
struct vector {
        char *at;
        size_t n;
};

/* A new zeroed element; one more zeroed one always follows, which ends lists of strings. */
static void *add_element(struct frame *f, size_t size) {
        struct vector *vector = (struct vector *)(void *)f->base;
        if (vector->n + 2 > f->room) {
                f->room = f->room ? f->room * 2 : 4;
                vector->at = arena_grow(vector->at, vector->n * size, f->room * size);
        }
        return vector->at + size * vector->n++;
}

/* The string of a token, or NULL after complaining (*ret_go_on says how to continue). */
static const char *copy_string(struct reader *r, const struct token *token, int *ret_go_on) {
        if (memchr(token->text, '\0', token->size)) {
                *ret_go_on = complain(r, NULL, "NUL in string");
                return NULL;
        }
        const char *text = arena_strndup(token->text, token->size);
        const char *why = top(r)->field && top(r)->field->check ? top(r)->field->check(text) : NULL;
        *ret_go_on = why ? complain(r, NULL, why) : GO_ON;
        return why ? NULL : text;
}

static int set_string(struct reader *r, const struct token *token) {
        int go_on;
        const char *text = copy_string(r, token, &go_on);
        if (text)
                *(const char **)target(r) = text;
        return go_on;
}

static int add_string(struct reader *r, const struct token *token) {
        int go_on;
        struct frame *f = top(r);
        const char *text = copy_string(r, token, &go_on);
        if (text && f->field->kind == J_STRMAP)
                *(struct str_pair *)add_element(f, sizeof(struct str_pair)) = (struct str_pair){ f->key, text };
        else if (text)
                *(const char **)add_element(f, sizeof(text)) = text;
        return go_on;
}

static int set_bool(struct reader *r, const struct token *token) {
        if (top(r)->field->kind == J_BOOL)
                *(bool *)target(r) = token->truth;
        else
                *(struct opt_bool *)target(r) = (struct opt_bool){ true, token->truth };
        return GO_ON;
}

/* The C types of numbers; an optional one has its value after the flag, which is its first member. */
struct integer {
        int64_t min;
        uint64_t max;
        size_t width, offset;
        bool is_optional;
};

static const struct integer integers[] = {
        [J_U32] = { 0, UINT32_MAX, 4, 0, false },
        [J_U32V] = { 0, UINT32_MAX, 4, 0, false },
        [J_U64] = { 0, UINT64_MAX, 8, 0, false },
        [J_I32] = { INT32_MIN, INT32_MAX, 4, 0, false },
        [J_I64] = { INT64_MIN, INT64_MAX, 8, 0, false },
        [J_OPT_U16] = { 0, UINT16_MAX, 2, offsetof(struct opt_u16, v), true },
        [J_OPT_U32] = { 0, UINT32_MAX, 4, offsetof(struct opt_u32, v), true },
        [J_OPT_I32] = { INT32_MIN, INT32_MAX, 4, offsetof(struct opt_i32, v), true },
        [J_OPT_U64] = { 0, UINT64_MAX, 8, offsetof(struct opt_u64, v), true },
        [J_OPT_I64] = { INT64_MIN, INT64_MAX, 8, offsetof(struct opt_i64, v), true },
};

/* The integer of a number token of the kind and range of the field; otherwise the words why not. */
static const char *parse_integer(const struct json_field *field, const struct token *token, uint64_t *ret) {
        struct integer range = integers[field->kind];
        bool is_signed = range.min < 0;
        const char *text = arena_strndup(token->text, token->size);
        int64_t value;

        if (field->min != 0 || field->max != 0)
                range.min = field->min;
        if (field->max > 0 || field->min < 0) /* only a minimum: the maximum stays that of the type */
                range.max = (uint64_t)field->max;
        int result = is_signed ? parse_i64(text, range.min, (int64_t)range.max, &value)
                               : parse_u64(text, (uint64_t)range.min, range.max, ret);
        if (result == -EINVAL && !(*text == '-' && text[1] != '0' && !strpbrk(text, ".eE")))
                return str_format("%.64s is not a whole number", text);
        if (result < 0 && is_signed)
                return str_format("%.64s is out of range %lld..%lld", text, (long long)range.min, (long long)range.max);
        if (result < 0)
                return str_format("%.64s is out of range %lld..%llu", text, (long long)range.min,
                                  (unsigned long long)range.max);
        if (is_signed)
                *ret = (uint64_t)value;
        return NULL;
}

static int set_integer(struct reader *r, const struct token *token) {
        const struct integer *type = &integers[top(r)->field->kind];
        uint64_t value = 0;
        const char *why = parse_integer(top(r)->field, token, &value);
        if (why)
                return complain(r, NULL, why);
        char *at = top(r)->field->kind == J_U32V ? add_element(top(r), sizeof(uint32_t)) : target(r);
        if (type->is_optional)
                *(bool *)at = true;
        if (type->width == 2)
                *(uint16_t *)(void *)(at + type->offset) = (uint16_t)value;
        else if (type->width == 4)
                *(uint32_t *)(void *)(at + type->offset) = (uint32_t)value;
        else
                *(uint64_t *)(void *)(at + type->offset) = value;
        return GO_ON;
}

/* The row of a name, or NULL: then it was a warning or a complaint. */
static const struct name *find_name(struct reader *r, const struct token *token, int *ret_go_on) {
        const struct json_field *field = top(r)->field;
        const char *text = copy_string(r, token, ret_go_on);
        if (!text)
                return NULL;
        const struct name *row = names_find(field->names, text);
        if (row)
                return row;
        const char *why = str_format("%.200s: unknown %s", text, field->names->what);
        if ((field->flags & J_UNKNOWN_OK) && !r->options->strict)
                warn(r, why);
        else
                *ret_go_on = complain(r, NULL, why);
        return NULL;
}

static int set_named(struct reader *r, const struct token *token) {
        int go_on;
        const struct name *row = find_name(r, token, &go_on);
        enum json_kind kind = top(r)->field->kind;
        if (row && kind == J_NAMED)
                *(struct named *)target(r) = (struct named){ true, row->value };
        else if (row && kind == J_NAMED_SET)
                ((struct named_set *)target(r))->bits |= UINT64_C(1) << row->value;
        else if (row)
                *(uint32_t *)add_element(top(r), sizeof(uint32_t)) = (uint32_t)row->value;
        return go_on;
}

struct setter {
        enum token_kind token;
        int (*set)(struct reader *r, const struct token *token);
};

/* What a scalar does to a member of an object... */
static const struct setter member_setters[] = {
        [J_STRING] = { TOKEN_STRING, set_string },   [J_NAMED] = { TOKEN_STRING, set_named },
        [J_BOOL] = { TOKEN_BOOLEAN, set_bool },      [J_OPT_BOOL] = { TOKEN_BOOLEAN, set_bool },
        [J_U32] = { TOKEN_NUMBER, set_integer },     [J_U64] = { TOKEN_NUMBER, set_integer },
        [J_I32] = { TOKEN_NUMBER, set_integer },     [J_I64] = { TOKEN_NUMBER, set_integer },
        [J_OPT_U16] = { TOKEN_NUMBER, set_integer }, [J_OPT_U32] = { TOKEN_NUMBER, set_integer },
        [J_OPT_I32] = { TOKEN_NUMBER, set_integer }, [J_OPT_U64] = { TOKEN_NUMBER, set_integer },
        [J_OPT_I64] = { TOKEN_NUMBER, set_integer }, [J_RAW] = { TOKEN_NULL, NULL },
};

/* ...and to an open list or map. */
static const struct setter element_setters[] = {
        [J_STRV] = { TOKEN_STRING, add_string },      [J_STRMAP] = { TOKEN_STRING, add_string },
        [J_U32V] = { TOKEN_NUMBER, set_integer },     [J_NAMED_SET] = { TOKEN_STRING, set_named },
        [J_NAMED_LIST] = { TOKEN_STRING, set_named }, [J_RAW] = { TOKEN_NULL, NULL },
};

/* What opens the members that are objects, maps or lists. */
static const enum token_kind openers[] = {
        [J_OBJECT] = TOKEN_OBJECT, [J_OPT_OBJECT] = TOKEN_OBJECT, [J_STRMAP] = TOKEN_OBJECT,
        [J_KEYED] = TOKEN_OBJECT,  [J_STRV] = TOKEN_LIST,         [J_U32V] = TOKEN_LIST,
        [J_LIST] = TOKEN_LIST,     [J_NAMED_SET] = TOKEN_LIST,    [J_NAMED_LIST] = TOKEN_LIST,
        [J_RAW] = TOKEN_NULL,
};

/* The text between the colon after the key and what the parser has consumed. */
static void keep_raw(struct reader *r, struct json_raw *raw) {
        size_t end = yajl_get_bytes_consumed(r->parser);
        if (end > r->raw_start) /* otherwise a number that the document ends with, which yajl is about to refuse */
                raw->text = arena_strndup(r->text + r->raw_start, end - r->raw_start);
}

static void value_done(struct reader *r) {
        if (r->depth == 0)
                return;
        if (is_list(top(r)))
                top(r)->index++;
        else
                top(r)->key = NULL;
}

static int read_scalar(struct reader *r, const struct token *token) {
        struct frame *f = top(r);
        /* null is absent where a key could be. */
        if (!f->field || (token->kind == TOKEN_NULL && !is_list(f)))
                return GO_ON;
        const struct setter *setter = f->type ? &member_setters[f->field->kind] : &element_setters[f->field->kind];
        if (f->type)
                f->seen[f->field - f->type->fields] |= PRESENT;
        if (f->field->kind == J_RAW) {
                keep_raw(r, target(r));
                return GO_ON;
        }
        return setter->set && setter->token == token->kind ? setter->set(r, token) : unexpected(r, token->kind);
}

static int on_scalar(struct reader *r, const struct token *token) {
        if (r->skipped > 0)
                return GO_ON;
        if (r->depth == 0)
                return unexpected(r, token->kind);
        int go_on = read_scalar(r, token);
        value_done(r);
        return go_on;
}

static int on_null(void *reader) {
        return on_scalar(reader, &(struct token){ .kind = TOKEN_NULL });
}

static int on_boolean(void *reader, int truth) {
        return on_scalar(reader, &(struct token){ .kind = TOKEN_BOOLEAN, .truth = truth });
}

static int on_number(void *reader, const char *text, size_t size) {
        return on_scalar(reader, &(struct token){ .kind = TOKEN_NUMBER, .text = text, .size = size });
}

static int on_string(void *reader, const unsigned char *text, size_t size) {
        return on_scalar(reader, &(struct token){ .kind = TOKEN_STRING, .text = (const char *)text, .size = size });
}

static int push_object(struct reader *r, const struct json_type *type, void *object) {
        r->frames[r->depth++] = (struct frame){ .type = type, .base = object, .seen = arena_alloc(type->n) };
        return GO_ON;
}

static int push_container(struct reader *r, const struct json_field *field, void *member) {
        if (field->kind == J_NAMED_SET)
                ((struct named_set *)member)->set = true;
        r->frames[r->depth++] = (struct frame){ .field = field, .base = member };
        return GO_ON;
}

static int skip(struct reader *r, int go_on) {
        r->skipped = 1;
        return go_on;
}

static int open_member(struct reader *r, enum token_kind kind) {
        struct frame *f = top(r);
        const struct json_field *field = f->field;
        void *member = target(r);
        f->seen[field - f->type->fields] |= PRESENT;
        if (field->kind == J_RAW) {
                r->raw = member;
                return skip(r, GO_ON);
        }
        if (openers[field->kind] != kind)
                return skip(r, unexpected(r, kind));
        if (field->kind == J_OPT_OBJECT)
                member = *(void **)member = arena_alloc(field->sub->size);
        if (field->kind == J_OBJECT || field->kind == J_OPT_OBJECT)
                return push_object(r, field->sub, member);
        return push_container(r, field, member);
}

static int open_element(struct reader *r, enum token_kind kind) {
        struct frame *f = top(r);
        if (kind != TOKEN_OBJECT || (f->field->kind != J_LIST && f->field->kind != J_KEYED))
                return skip(r, unexpected(r, kind));
        void *element = add_element(f, f->field->sub->size);
        if (f->field->kind == J_KEYED)
                *(const char **)element = f->key;
        return push_object(r, f->field->sub, element);
}

static int on_open(struct reader *r, enum token_kind kind) {
        if (r->depth + r->skipped == JSON_MAX_DEPTH) {
                (void)complain(r, NULL, str_format("deeper than %d levels", JSON_MAX_DEPTH));
                return STOP;
        }
        if (r->skipped > 0) {
                r->skipped++;
                return GO_ON;
        }
        if (r->depth == 0)
                return kind == TOKEN_OBJECT ? push_object(r, r->type, r->object) : unexpected(r, kind);
        if (!top(r)->field)
                return skip(r, GO_ON);
        return top(r)->type ? open_member(r, kind) : open_element(r, kind);
}

static int on_start_map(void *reader) {
        return on_open(reader, TOKEN_OBJECT);
}

static int on_start_array(void *reader) {
        return on_open(reader, TOKEN_LIST);
}

static int compare_keys(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_keys(struct reader *r, struct frame *f) {
        int go_on = GO_ON;
        if (f->keys.n < 2)
                return go_on;
        qsort(f->keys.at, f->keys.n, sizeof(f->keys.at[0]), compare_keys);
        for (size_t i = 1; i < f->keys.n && go_on == GO_ON; i++)
                if (str_eq(f->keys.at[i], f->keys.at[i - 1]))
                        go_on = complain(r, f->keys.at[i], "duplicate key");
        return go_on;
}

static int check_required(struct reader *r, struct frame *f) {
        int go_on = GO_ON;
        for (size_t i = 0; f->type && i < f->type->n && go_on == GO_ON; i++)
                if ((f->type->fields[i].flags & J_REQUIRED) && !(f->seen[i] & PRESENT))
                        go_on = complain(r, f->type->fields[i].name, "required but missing");
        return go_on;
}

static int on_close(void *reader) {
        struct reader *r = reader;
        if (r->skipped > 0) {
                if (--r->skipped > 0)
                        return GO_ON;
                if (r->raw)
                        keep_raw(r, r->raw);
                r->raw = NULL;
                value_done(r);
                return GO_ON;
        }
        if (check_required(r, top(r)) == STOP || check_keys(r, top(r)) == STOP)
                return STOP;
        r->depth--;
        value_done(r);
        return GO_ON;
}

/* The search begins behind the field that was found last: most documents have the order of their table. */
static const struct json_field *find_field(const struct frame *f, const char *key, size_t size) {
        const struct json_type *type = f->type;
        size_t at = f->field ? (size_t)(f->field - type->fields) + 1 : 0;
        for (size_t i = 0; i < type->n; i++, at++) {
                at = at < type->n ? at : 0;
                if (strncmp(type->fields[at].name, key, size) == 0 && strlen(type->fields[at].name) == size)
                        return &type->fields[at];
        }
        return NULL;
}

static int on_known_key(struct reader *r, const struct json_field *field) {
        struct frame *f = top(r);
        unsigned char *seen = &f->seen[field - f->type->fields];
        f->key = field->name;
        if (*seen & SEEN)
                return complain(r, NULL, "duplicate key");
        *seen |= SEEN;
        f->field = field;
        if (field->flags & J_DEPRECATED)
                warn(r, "deprecated");
        if (field->kind == J_RAW) {
                r->raw_start = yajl_get_bytes_consumed(r->parser);
                while (r->raw_start < r->size && strchr(" \t\r\n:", r->text[r->raw_start]))
                        r->raw_start++;
        }
        return GO_ON;
}

static int on_unknown_key(struct reader *r, const char *key, size_t size) {
        struct frame *f = top(r);
        f->key = arena_strndup(key, size);
        if (f->type)
                f->field = NULL;
        if (memchr(key, '\0', size))
                return complain(r, NULL, "NUL in string");
        strv_add(&f->keys, f->key);
        if (f->type && r->options->strict)
                return complain(r, NULL, "unknown key");
        if (f->type)
                warn(r, "unknown key");
        return GO_ON;
}

static int on_key(void *reader, const unsigned char *bytes, size_t size) {
        struct reader *r = reader;
        const char *key = (const char *)bytes;
        if (r->skipped > 0)
                return GO_ON;
        const struct json_field *field = top(r)->type ? find_field(top(r), key, size) : NULL;
        return field ? on_known_key(r, field) : on_unknown_key(r, key, size);
}

static int fail_syntax(struct reader *r, size_t offset, const char *why) {
        size_t line = 1, column = 1;
        for (size_t i = 0; i < offset && i < r->size; i++) {
                column = r->text[i] == '\n' ? 1 : column + 1;
                line += r->text[i] == '\n';
        }
        const char *file = r->options->file ? str_format("%s: ", str_printable(r->options->file)) : "";
        (void)complain_text(r, str_format("%sline %zu column %zu: invalid JSON: %s", file, line, column, why));
        return -EBADMSG;
}

static void free_parser(yajl_handle *parser) {
        if (*parser)
                yajl_free(*parser);
}

static int parse(struct reader *r) {
        static const yajl_callbacks callbacks = {
                .yajl_null = on_null,
                .yajl_boolean = on_boolean,
                .yajl_number = on_number,
                .yajl_string = on_string,
                .yajl_start_map = on_start_map,
                .yajl_map_key = on_key,
                .yajl_end_map = on_close,
                .yajl_start_array = on_start_array,
                .yajl_end_array = on_close,
        };
        __attribute__((cleanup(free_parser))) yajl_handle parser = yajl_alloc(&callbacks, NULL, r);
        if (!parser)
                return fail(ENOMEM, "parse JSON");
        r->parser = parser;
        yajl_status status = yajl_parse(parser, (const unsigned char *)r->text, r->size);
        size_t consumed = yajl_get_bytes_consumed(parser);
        if (status == yajl_status_ok) {
                status = yajl_complete_parse(parser);
                consumed = r->size;
        }
        if (status == yajl_status_error) {
                unsigned char *words = yajl_get_error(parser, 0, NULL, 0);
                const char *why = words ? arena_strndup((const char *)words, strcspn((const char *)words, ".\n")) : "";
                yajl_free_error(parser, words);
                return fail_syntax(r, consumed > 0 ? consumed - 1 : 0, why);
        }
        return r->failed ? -EINVAL : 0;
}

int json_read(const char *text, size_t size, const struct json_type *type, const struct json_read_options *options,
              void *ret) {
        static const struct json_read_options defaults;
        struct reader r = { .text = text, .size = size, .type = type, .object = ret };
        const char *why = NULL;

        r.options = options ? options : &defaults;
        memset(ret, 0, type->size);
        if (size > JSON_MAX_SIZE)
                return fail_words(EFBIG, "document larger than %u MiB", JSON_MAX_SIZE >> 20);
        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                return fail_syntax(&r, 0, "byte order mark");
        size_t bad = json_bad_text(text, size, &why);
        if (bad < size)
                return fail_syntax(&r, bad, why);
        return parse(&r);
}
