/* The JSON tables: reading, every error of it, writing, walking.  A small made-up type has a field of every kind. */
#include "specs/base/arena.h"
#include "specs/base/str.h"
#include "specs/json.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>

static const struct name colour_rows[] = {
        { "red", 0 }, { "green", 1 }, { "verdant", 1 }, { "blue", 63 }, { NULL, 0 },
};
static const struct names colours = { "colour", colour_rows };

struct leaf {
        const char *key; /* where leaves are the values of an object */
        const char *name;
        uint64_t size;
};

static const struct json_field leaf_fields[] = {
        FIELD(leaf, "name", name, .flags = J_REQUIRED),
        FIELD(leaf, "size", size),
};
static TYPE(leaf);

struct twig {
        struct opt_u32 knots;
        struct strv birds;
};

static const struct json_field twig_fields[] = {
        FIELD(twig, "knots", knots, .min = 1),
        FIELD(twig, "birds", birds),
};
static TYPE(twig);

struct tree {
        const char *kind;
        struct strv paths;
        struct strmap notes;
        bool tall;
        struct opt_bool old;
        uint32_t u32;
        uint64_t u64;
        int64_t i64;
        int32_t i32;
        struct opt_u16 o16;
        struct opt_u32 o32;
        struct opt_i32 oi32;
        struct opt_u64 o64;
        struct opt_i64 oi64;
        struct u32v numbers;
        struct named colour;
        struct named_set set;
        struct u32v order;
        struct named loose;
        struct named_set loose_set;
        struct twig twig;
        struct twig *second;
        LIST_OF(leaf) leaves;
        KEYED_OF(leaf) named_leaves;
        struct json_raw raw;
        struct strv kept;
        struct opt_i32 small;
};

static const char *is_absolute(const char *text) {
        return text[0] == '/' ? NULL : "not an absolute path";
}

static const struct json_field tree_fields[] = {
        FIELD(tree, "kind", kind, .flags = J_REQUIRED),
        FIELD(tree, "paths", paths, .check = is_absolute),
        FIELD(tree, "notes", notes),
        FIELD(tree, "tall", tall),
        FIELD(tree, "old", old, .flags = J_DEPRECATED),
        FIELD(tree, "u32", u32),
        FIELD(tree, "u64", u64),
        FIELD(tree, "i64", i64),
        FIELD(tree, "i32", i32),
        FIELD(tree, "o16", o16),
        FIELD(tree, "o32", o32),
        FIELD(tree, "oi32", oi32),
        FIELD(tree, "o64", o64),
        FIELD(tree, "oi64", oi64),
        FIELD(tree, "numbers", numbers),
        NAMED(tree, "colour", colour, colours),
        NAMED_SET(tree, "set", set, colours),
        NAMED_LIST(tree, "order", order, colours),
        NAMED(tree, "loose", loose, colours, .flags = J_UNKNOWN_OK),
        NAMED_SET(tree, "looseSet", loose_set, colours, .flags = J_UNKNOWN_OK),
        OBJECT(tree, "twig", twig, twig),
        OPT_OBJECT(tree, "second", second, twig),
        LIST(tree, "leaves", leaves, leaf),
        KEYED(tree, "namedLeaves", named_leaves, leaf),
        FIELD(tree, "raw", raw),
        FIELD(tree, "kept", kept, .flags = J_KEEP_EMPTY),
        FIELD(tree, "small", small, .min = -5, .max = -1),
};
static TYPE(tree);

static int read_with(const char *text, const struct json_read_options *options, struct tree *tree) {
        return json_read(text, strlen(text), &tree_type, options, tree);
}

static int read_text(const char *text) {
        struct tree tree;
        return read_with(text, NULL, &tree);
}

static const char whole[] =
        "{\"kind\":\"oak\",\"paths\":[\"/a\",\"/b\"],\"notes\":{\"z\":\"1\",\"a\":\"\"},\"tall\":true,\"old\":false,"
        "\"u32\":4294967295,\"u64\":18446744073709551615,\"i64\":-9223372036854775808,\"i32\":-2147483648,"
        "\"o16\":65535,\"o32\":0,\"oi32\":-1,\"o64\":9223372036854775808,\"oi64\":9223372036854775807,"
        "\"numbers\":[0,4294967295],\"colour\":\"green\",\"set\":[\"red\",\"blue\"],"
        "\"order\":[\"blue\",\"red\",\"blue\"],\"loose\":\"red\","
        "\"looseSet\":[],\"twig\":{\"knots\":7,\"birds\":[\"wren\"]},\"second\":{},"
        "\"leaves\":[{\"name\":\"x\",\"size\":1},{\"name\":\"y\",\"size\":0}],"
        "\"namedLeaves\":{\"left\":{\"name\":\"l\",\"size\":2}},\"raw\":{\"any\" : [1.5e3, null]},"
        "\"kept\":[],\"small\":-5}";

static void test_whole(void) {
        struct tree t;
        CHECK_INT(read_with(whole, NULL, &t), 0);
        CHECK_STR(t.kind, "oak");
        CHECK(t.paths.n == 2 && str_eq(t.paths.at[1], "/b") && t.paths.at[2] == NULL);
        CHECK(t.notes.n == 2 && str_eq(t.notes.at[0].key, "z") && str_eq(t.notes.at[1].value, ""));
        CHECK(t.tall && t.old.set && !t.old.v);
        CHECK(t.u32 == UINT32_MAX && t.u64 == UINT64_MAX && t.i64 == INT64_MIN && t.i32 == INT32_MIN);
        CHECK(t.o16.set && t.o16.v == 65535 && t.o32.set && t.o32.v == 0 && t.oi32.set && t.oi32.v == -1);
        CHECK(t.o64.set && t.o64.v == UINT64_C(1) << 63 && t.oi64.set && t.oi64.v == INT64_MAX);
        CHECK(t.numbers.n == 2 && t.numbers.at[1] == UINT32_MAX);
        CHECK(t.colour.set && t.colour.v == 1 && t.set.set && t.set.bits == (UINT64_C(1) << 63 | 1));
        CHECK(t.order.n == 3 && t.order.at[0] == 63 && t.order.at[1] == 0);
        CHECK(t.loose_set.set && t.loose_set.bits == 0);
        CHECK(t.twig.knots.v == 7 && t.twig.birds.n == 1 && t.second && !t.second->knots.set);
        CHECK(t.leaves.n == 2 && t.leaves.at[0].size == 1 && str_eq(t.leaves.at[1].name, "y"));
        CHECK(t.named_leaves.n == 1 && str_eq(t.named_leaves.at[0].key, "left") && t.named_leaves.at[0].size == 2);
        CHECK_STR(t.raw.text, "{\"any\" : [1.5e3, null]}");
        CHECK_INT(t.small.v, -5);
        CHECK_STR(json_write(&t, &tree_type, false), whole);
}

static void test_absent(void) {
        struct tree t;
        memset(&t, 0xff, sizeof(t));
        const char *nulls = "{\"kind\":\"\",\"o32\":null,\"twig\":null,\"leaves\":null,\"notes\":null,\"raw\":null}";
        CHECK_INT(read_with(nulls, NULL, &t), 0);
        CHECK(!t.o32.set && !t.colour.set && !t.set.set && !t.second && !t.leaves.at && !t.notes.n && !t.raw.text);
        CHECK_STR(json_write(&t, &tree_type, false),
                  "{\"kind\":\"\",\"u32\":0,\"u64\":0,\"i64\":0,\"i32\":0,\"kept\":[]}");
        CHECK_STR(json_write(&(struct twig){ 0 }, &twig_type, false), "{}");
        CHECK_STR(json_write(&(struct leaf){ .name = "a\"\n\xff", .size = 1 }, &leaf_type, true),
                  "{\n    \"name\": \"a\\\"\\n\xef\xbf\xbd\",\n    \"size\": 1\n}\n");
        nulls = "{\"kind\":\"x\",\"notes\":{\"a\":null,\"b\":\"c\"},\"namedLeaves\":{\"a\":null}}";
        CHECK_INT(read_with(nulls, NULL, &t), 0);
        CHECK(t.notes.n == 1 && t.named_leaves.n == 0);
        CHECK_INT(read_with("{\"kind\":\"\\u0041\\ud83d\\ude00\\\\u0000\"}", NULL, &t), 0);
        CHECK_STR(t.kind, "A\xf0\x9f\x98\x80\\u0000");
        CHECK_INT(read_with(" \n{\"other\":{\"a\":[{}]},\"kind\":\"x\" , \"last\":[[]] }\t\r\n", NULL, &t), 0);
        CHECK_INT(json_read("{\"kind\":\"x\"}garbage", 12, &tree_type, NULL, &t), 0);
}

static void test_raw(void) {
        static const char *const values[] = {
                "{}", "[]", "\"a\\\"}\"", "-1.5E+3", "true", "[ {\"a\":{}} , 1 ]", "\"\"",
        };
        static const char *const before[] = { "{\"raw\":", "{\"kind\":\"k\", \"raw\"\n : \t" };
        static const char *const after[] = { ",\"kind\":\"k\"}", " }" };
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
                for (size_t j = 0; j < 2; j++) {
                        struct tree t;
                        CHECK_INT(read_with(str_format("%s%s%s", before[j], values[i], after[j]), NULL, &t), 0);
                        CHECK_STR(t.raw.text, values[i]);
                }
}

struct error_row {
        const char *text, *words;
        bool strict;
};

/* With K the required key is there. */
#define K "\"kind\":\"oak\","
static const struct error_row error_rows[] = {
        { "{}", "kind: required but missing", false },
        { "{\"kind\":null}", "kind: required but missing", false },
        { "{" K "\"leaves\":[{\"name\":\"a\"},{}]}", "leaves[1].name: required but missing", false },
        { "{" K "\"namedLeaves\":{\"left\":{}}}", "namedLeaves.left.name: required but missing", false },
        { "{" K "\"kind\":\"elm\"}", "kind: duplicate key", false },
        { "{" K "\"old\":null,\"old\":true}", "old: duplicate key", false },
        { "{" K "\"notes\":{\"b\":\"1\",\"a\":\"1\",\"b\":\"2\"}}", "notes.b: duplicate key", false },
        { "{" K "\"notes\":{\"b\":null,\"b\":\"2\"}}", "notes.b: duplicate key", false },
        { "{" K "\"namedLeaves\":{\"x\":{\"name\":\"\"},\"x\":{\"name\":\"\"}}}", "Leaves.x: duplicate key", false },
        { "{" K "\"x\":1,\"y\":1,\"x\":2}", "x: duplicate key", false },
        { "{" K "\"kindd\":1}", "kindd: unknown key", true },
        { "{" K "\"twig\":{\"bird\":[]}}", "twig.bird: unknown key", true },
        { "{\"kind\":3}", "kind: number not expected", false },
        { "{\"kind\":true}", "kind: boolean not expected", false },
        { "{\"kind\":{}}", "kind: object not expected", false },
        { "{\"kind\":[]}", "kind: list not expected", false },
        { "{" K "\"paths\":\"/a\"}", "paths: string not expected", false },
        { "{" K "\"paths\":{}}", "paths: object not expected", false },
        { "{" K "\"paths\":[\"/a\",null]}", "paths[1]: null not expected", false },
        { "{" K "\"paths\":[\"/a\",[]]}", "paths[1]: list not expected", false },
        { "{" K "\"paths\":[\"/a\",\"b\"]}", "paths[1]: not an absolute path", false },
        { "{" K "\"paths\":[\"/a\\u0000b\"]}", "paths[0]: NUL in string", false },
        { "{" K "\"a\\u0000\":1}", "NUL in string", false },
        { "{" K "\"notes\":{\"a\\u0000\":\"\"}}", "NUL in string", false },
        { "{" K "\"notes\":{\"a\":1}}", "notes.a: number not expected", false },
        { "{" K "\"notes\":[]}", "notes: list not expected", false },
        { "{" K "\"notes\":{\"a\":{}}}", "notes.a: object not expected", false },
        { "{" K "\"tall\":1}", "tall: number not expected", false },
        { "{" K "\"tall\":\"true\"}", "tall: string not expected", false },
        { "{" K "\"o64\":\"1\"}", "o64: string not expected", false },
        { "{" K "\"u32\":4294967296}", "u32: 4294967296 is out of range 0..4294967295", false },
        { "{" K "\"u32\":-1}", "u32: -1 is out of range 0..4294967295", false },
        { "{" K "\"u32\":-0}", "u32: -0 is not a whole number", false },
        { "{" K "\"u32\":1.0}", "u32: 1.0 is not a whole number", false },
        { "{" K "\"u32\":-1.5}", "u32: -1.5 is not a whole number", false },
        { "{" K "\"u32\":1e3}", "u32: 1e3 is not a whole number", false },
        { "{" K "\"u64\":18446744073709551616}", "616 is out of range 0..18446744073709551615", false },
        { "{" K "\"i64\":9223372036854775808}", "is out of range -9223372036854775808..9223372036854775807", false },
        { "{" K "\"i32\":2147483648}", "i32: 2147483648 is out of range -2147483648..2147483647", false },
        { "{" K "\"o16\":65536}", "o16: 65536 is out of range 0..65535", false },
        { "{" K "\"oi32\":-2147483649}", "oi32: -2147483649 is out of range", false },
        { "{" K "\"numbers\":[1,-1]}", "numbers[1]: -1 is out of range 0..4294967295", false },
        { "{" K "\"numbers\":[1,\"1\"]}", "numbers[1]: string not expected", false },
        { "{" K "\"twig\":{\"knots\":0}}", "twig.knots: 0 is out of range 1..4294967295", false },
        { "{" K "\"small\":0}", "small: 0 is out of range -5..-1", false },
        { "{" K "\"small\":-6}", "small: -6 is out of range -5..-1", false },
        { "{" K "\"colour\":\"pink\"}", "colour: pink: unknown colour", false },
        { "{" K "\"colour\":1}", "colour: number not expected", false },
        { "{" K "\"set\":[\"red\",\"pink\"]}", "set[1]: pink: unknown colour", false },
        { "{" K "\"set\":\"red\"}", "set: string not expected", false },
        { "{" K "\"order\":[\"pink\"]}", "order[0]: pink: unknown colour", false },
        { "{" K "\"loose\":\"pink\"}", "loose: pink: unknown colour", true },
        { "{" K "\"looseSet\":[\"pink\"]}", "looseSet[0]: pink: unknown colour", true },
        { "{" K "\"leaves\":{}}", "leaves: object not expected", false },
        { "{" K "\"leaves\":[null]}", "leaves[0]: null not expected", false },
        { "{" K "\"leaves\":[[]]}", "leaves[0]: list not expected", false },
        { "{" K "\"leaves\":[{\"name\":\"\",\"size\":[]}]}", "leaves[0].size: list not expected", false },
        { "{" K "\"namedLeaves\":{\"a\":1}}", "namedLeaves.a: number not expected", false },
        { "{" K "\"namedLeaves\":{\"a\":[]}}", "namedLeaves.a: list not expected", false },
        { "{" K "\"second\":[]}", "second: list not expected", false },
        { "[]", "document: list not expected", false },
        { "\"x\"", "document: string not expected", false },
        { "null", "document: null not expected", false },
        { "", "line 1 column 1: invalid JSON: parse error: premature EOF", false },
        { "{\"kind\":\"x\"", "line 1 column 11: invalid JSON: parse error: premature EOF", false },
        { "{" K "\"raw\":4", "line 1 column 21: invalid JSON: parse error: premature EOF", false },
        { "{\"kind\":\"x\"}\n {}", "line 2 column 2: invalid JSON: parse error: trailing garbage", false },
        { "{\n\"kind\" \"x\"}", "line 2 column 10: invalid JSON: parse error: object key and value", false },
        { "{\"kind\":\"x\",}", "line 1 column 13: invalid JSON: ", false },
        { "{\"kind\":'x'}", "line 1 column 9: invalid JSON: lexical error", false },
        { "{\"kind\":\"x\n\"}", "invalid JSON: lexical error", false },
        { "{\"u32\":01}", "invalid JSON: ", false },
        { "{\"u32\":+1}", "invalid JSON: ", false },
        { "{\"u32\":NaN}", "invalid JSON: ", false },
        { "{/* no */}", "invalid JSON: ", false },
        { "\xef\xbb\xbf{}", "line 1 column 1: invalid JSON: byte order mark", false },
        { "{\n\"kind\":\"a\xc0\x80\"}", "line 2 column 10: invalid JSON: invalid UTF-8", false },
        { "{\"kind\":\"\xed\xa0\x80\"}", "invalid JSON: invalid UTF-8", false },
        { "{\"kind\":\"\\ud800\"}", "line 1 column 10: invalid JSON: unpaired surrogate", false },
        { "{\"kind\":\"\\ud800\\u0041\"}", "invalid JSON: unpaired surrogate", false },
        { "{\"kind\":\"\\udc00\"}", "invalid JSON: unpaired surrogate", false },
        { "{\"kind\":\"\\ud800", "invalid JSON: unpaired surrogate", false },
        { "{\"kind\":\"\\u12", "invalid JSON: ", false },
        { "{\"kind\":\"\\x41\"}", "invalid JSON: lexical error", false },
};

static void test_errors(void) {
        for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
                const struct error_row *row = &error_rows[i];
                struct tree t;
                struct strv errors = { 0 };
                int number = strstr(row->words, "invalid JSON") ? -EBADMSG : -EINVAL;
                err_clear();
                int r = read_with(row->text, &(struct json_read_options){ .strict = row->strict }, &t);
                CHECK_ROW(r == number && strstr(err_message(), row->words), row->words);
                r = read_with(row->text, &(struct json_read_options){ .strict = row->strict, .errors = &errors }, &t);
                CHECK_ROW(r == number && errors.n > 0 && str_eq(errors.at[0], err_message()) &&
                                  strstr(err_message(), row->words),
                          str_format("collected: %s", row->words));
                if (row->strict)
                        CHECK_ROW(read_text(row->text) == 0, str_format("tolerated: %s", row->words));
        }
}

static void test_collect(void) {
        struct tree t;
        struct strv errors = { 0 }, warnings = { 0 };
        struct json_read_options options = { .errors = &errors, .warnings = &warnings, .strict = true };
        int r = read_with("{\"u32\":-1,\"paths\":[1,\"/a\",\"b\"],"
                          "\"leaves\":[{\"size\":{\"deep\":[]}},3,{\"name\":\"n\"}],"
                          "\"x\":{\"y\":1},\"u32\":\"z\",\"old\":true}",
                          &options, &t);
        CHECK_INT(r, -EINVAL);
        CHECK_STR(err_message(), "u32: -1 is out of range 0..4294967295");
        CHECK_STR(str_join(&errors, "\n"), "u32: -1 is out of range 0..4294967295\n"
                                           "paths[0]: number not expected\n"
                                           "paths[2]: not an absolute path\n"
                                           "leaves[0].size: object not expected\n"
                                           "leaves[0].name: required but missing\n"
                                           "leaves[1]: number not expected\n"
                                           "x: unknown key\n"
                                           "u32: duplicate key\n"
                                           "kind: required but missing");
        CHECK_STR(str_join(&warnings, "\n"), "old: deprecated");

        errors = warnings = (struct strv){ 0 };
        r = read_with("{\"u32\":-1,\"u64\":-1,]", &options, &t);
        CHECK(r == -EBADMSG && errors.n == 3 && strstr(errors.at[2], "line 1 column 20: invalid JSON"));
        CHECK_STR(err_message(), "u32: -1 is out of range 0..4294967295");

        /* A hostile document cannot make an endless list. */
        char *text = arena_alloc(100000 * 3 + 100), *at = stpcpy(text, "{" K "\"numbers\":[");
        for (int i = 0; i < 100000; i++)
                at = stpcpy(at, i ? ",{}" : "{}");
        (void)stpcpy(at, "]}");
        errors = (struct strv){ 0 };
        CHECK_INT(read_with(text, &options, &t), -EINVAL);
        CHECK(errors.n > 100 && errors.n < 300);
        CHECK_STR(errors.at[errors.n - 1], "there is more, which is not listed");
}

static void test_warnings(void) {
        struct tree t;
        struct strv warnings = { 0 };
        int r = read_with("{" K "\"zzz\":[{\"zzz\":1}],\"old\":null,\"loose\":\"pink\",\"looseSet\":[\"red\",\"pink\"],"
                          "\"leaves\":[{\"name\":\"a\",\"extra\":{}}]}",
                          &(struct json_read_options){ .warnings = &warnings }, &t);
        CHECK_INT(r, 0);
        CHECK_STR(str_join(&warnings, "\n"), "zzz: unknown key\n"
                                             "old: deprecated\n"
                                             "loose: pink: unknown colour\n"
                                             "looseSet[1]: pink: unknown colour\n"
                                             "leaves[0].extra: unknown key");
        CHECK(!t.loose.set && t.loose_set.set && t.loose_set.bits == 1);
}

/* "{" K "key": then depth lists. */
static const char *bomb(const char *key, size_t depth, bool closed) {
        char *text = arena_alloc(depth * 2 + 100);
        char *at = text + sprintf(text, "{" K "\"%s\":", key);
        memset(at, '[', depth);
        if (closed)
                (void)strcpy((char *)memset(at + depth, ']', depth) + depth, "}");
        return text;
}

static void test_limits(void) {
        struct tree t;
        CHECK_INT(read_text(bomb("other", 63, true)), 0);
        CHECK_FAIL(read_text(bomb("other", 64, true)), "deeper than 64 levels");
        CHECK_FAIL(read_text(bomb("raw", 1000000, false)), "raw: deeper than 64 levels");
        struct strv errors = { 0 };
        struct json_read_options options = { .errors = &errors };
        CHECK_INT(read_with(bomb("kind2", 1000000, false), &options, &t), -EINVAL);
        CHECK_INT(errors.n, 1);

        size_t size = 17u << 20;
        char *large = arena_alloc(size + 1);
        memset(large, ' ', size);
        memcpy(large, "{\"kind\":\"x\"}", 12);
        CHECK_INT(json_read(large, size, &tree_type, NULL, &t), -EFBIG);
        CHECK_STR(err_message(), "document larger than 16 MiB");
        CHECK_INT(json_read(large, JSON_MAX_SIZE, &tree_type, NULL, &t), 0);
        CHECK_INT(json_read(large, (size_t)JSON_MAX_SIZE + 1, &tree_type, NULL, &t), -EFBIG);
        memset(large, 'y', size);
        memcpy(large, "{\"kind\":\"", 9);
        memcpy(large + JSON_MAX_SIZE - 2, "\"}", 2);
        CHECK(json_read(large, JSON_MAX_SIZE, &tree_type, NULL, &t) == 0 && strlen(t.kind) == JSON_MAX_SIZE - 11);
}

/* Cutting a document anywhere makes an error, never a crash or a success; so does any one strange byte inside. */
static void test_cut(void) {
        struct tree t;
        int good = 1;
        for (size_t i = 0; i < sizeof(whole) - 1 && good; i++) {
                char *part = malloc(i ? i : 1); /* so that the sanitizer sees reads beyond the end */
                memcpy(part, whole, i);
                good = json_read(part, i, &tree_type, NULL, &t) == -EBADMSG;
                free(part);
        }
        CHECK_ROW(good, "every cut document is refused");
        for (size_t i = 0; i < sizeof(whole) - 1 && good; i++) {
                char *copy = arena_strdup(whole);
                copy[i] = '\x01';
                good = read_text(copy) == -EBADMSG;
        }
        CHECK_ROW(good, "every control character is refused");
}

static void test_fixpoint(void) {
        static const char *const texts[] = {
                whole,
                "{\"kind\":\"x\"}",
                "{\"kind\":\"\\u007f\\/\\b\",\"paths\":[],\"order\":[],\"numbers\":[],\"notes\":{}}",
                "{\"kind\":\"x\",\"second\":{\"birds\":[]},"
                "\"colour\":\"verdant\",\"set\":[\"verdant\",\"green\",\"red\"],\"order\":[\"verdant\"]}",
                "{\"kind\":\"x\",\"raw\": [ 1 , {\"a\" : \"\\u00e9\"} ] ,\"tall\":false,\"old\":true,\"zzz\":1}",
                "{\"kind\":\"x\",\"namedLeaves\":{\"\":{\"name\":\"\"}},\"notes\":{\"\":\"\"}}",
        };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                for (int pretty = 0; pretty < 2; pretty++) {
                        struct tree t;
                        CHECK_INT(read_with(texts[i], NULL, &t), 0);
                        const char *first = json_write(&t, &tree_type, pretty);
                        CHECK_INT(read_with(first, &(struct json_read_options){ .strict = true }, &t), 0);
                        CHECK_STR(json_write(&t, &tree_type, pretty), first);
                }
        struct tree t;
        CHECK_INT(read_with(texts[3], NULL, &t), 0);
        const char *want = "\"colour\":\"green\",\"set\":[\"red\",\"green\"],\"order\":[\"green\"]";
        CHECK(strstr(json_write(&t, &tree_type, false), want));
}

static void visit(const char *path, const struct json_field *field, void *data) {
        strv_add(data, str_format("%s=%d", path, (int)field->kind));
}

static void test_walk(void) {
        struct strv seen = { 0 };
        json_walk(&tree_type, visit, &seen);
        CHECK_INT(seen.n, sizeof(tree_fields) / sizeof(tree_fields[0]) + 8);
        CHECK_STR(seen.at[0], str_format("kind=%d", J_STRING));
        CHECK(strv_has(&seen, str_format("twig.knots=%d", J_OPT_U32)));
        CHECK(strv_has(&seen, str_format("second.birds=%d", J_STRV)));
        CHECK(strv_has(&seen, str_format("leaves[].size=%d", J_U64)));
        CHECK(strv_has(&seen, str_format("namedLeaves.*.name=%d", J_STRING)));
        CHECK_STR(json_quote("a\"\x1f"), "\"a\\\"\\u001f\"");
}

int main(void) {
        test_whole();
        test_absent();
        test_raw();
        test_errors();
        test_collect();
        test_warnings();
        test_limits();
        test_cut();
        test_fixpoint();
        test_walk();
        arena_reset();
        return test_done();
}
