#include "runtime/cli/opt.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What opt_parse carries along its way through the arguments. */
struct parser {
        const struct opt *table;
        const struct strv *arguments;
        size_t at; /* the argument being read */
        void *into;
};

static const struct opt *find_long(const struct opt *table, const char *name, size_t length) {
        for (; table->name; table++)
                if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
                        return table;
        return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter) {
        for (; table->name; table++)
                if (table->letter == letter)
                        return table;
        return NULL;
}

static int absolute(const char *path, const char **ret) {
        if (path[0] == '/') {
                *ret = path;
                return 0;
        }
        char here[4096];
        if (!getcwd(here, sizeof here))
                return fail(errno, "find the working directory for %s", path);
        *ret = str_path(here, path);
        return 0;
}

/* What Go and crun take for a truth value. */
int opt_bool(const char *text, bool *ret) {
        static const char *const truths[] = { "true", "1", "t", "T", "TRUE", "True", "yes" };
        static const char *const falsehoods[] = { "false", "0", "f", "F", "FALSE", "False", "no" };
        for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
                if (!str_eq(text, truths[i]) && !str_eq(text, falsehoods[i]))
                        continue;
                *ret = str_eq(text, truths[i]);
                return 0;
        }
        return -EINVAL;
}

static int store_flag(const struct opt *row, const char *value, bool *member) {
        if (!value)
                *member = true;
        else if (opt_bool(value, member) < 0)
                return fail_words(EINVAL, "--%s: %s: true or false expected", row->name, value);
        return 0;
}

static int store_value(const struct parser *parser, const struct opt *row, const char *value) {
        if (row->offset == OPT_IGNORED)
                return 0;
        char *member = (char *)parser->into + row->offset;
        uint64_t number;
        switch (row->kind) {
        case OPT_FLAG:
                return store_flag(row, value, (bool *)member);
        case OPT_STRING:
                *(const char **)member = value;
                return 0;
        case OPT_PATH:
                if (!*value)
                        return fail_words(EINVAL, "--%s: a path is expected, not an empty string", row->name);
                return absolute(value, (const char **)member);
        case OPT_LIST:
                strv_add((struct strv *)member, value);
                return 0;
        case OPT_COUNT:
                if (parse_u64(value, 0, UINT32_MAX, &number) < 0)
                        return fail_words(EINVAL, "--%s: %s: a number from 0 to 4294967295 is expected", row->name,
                                          value);
                *(unsigned *)member = (unsigned)number;
                return 0;
        }
        return 0;
}

/* The value of an option that takes one: attached, or the next argument. */
static int take_value(struct parser *parser, const struct opt *row, const char *attached, const char **ret) {
        if (attached) {
                *ret = attached;
                return 0;
        }
        if (parser->at + 1 >= parser->arguments->n)
                return fail_words(EINVAL, "flag needs an argument: --%s", row->name);
        *ret = parser->arguments->at[++parser->at];
        return 0;
}

static int parse_row(struct parser *parser, const struct opt *row, const char *attached) {
        const char *value = attached;
        if (row->kind != OPT_FLAG) {
                int r = take_value(parser, row, attached, &value);
                if (r < 0)
                        return r;
        }
        return store_value(parser, row, value);
}

/* "-it" or "-bDIR": letters, the first that takes a value takes the rest. */
static int parse_letters(struct parser *parser, const char *letters) {
        for (const char *c = letters; *c; c++) {
                const struct opt *row = find_letter(parser->table, *c);
                if (!row)
                        return fail_words(EINVAL, "unknown option -%s", letters);
                if (row->kind != OPT_FLAG)
                        return parse_row(parser, row, c[1] ? c + 1 : NULL);
                int r = parse_row(parser, row, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* -? and --usage are crun's words for it. */
static bool asks_for_help(const struct parser *parser, const char *name, bool is_double) {
        if (str_eq(name, "help") || str_eq(name, "usage"))
                return true;
        return !is_double && (str_eq(name, "?") || (str_eq(name, "h") && !find_letter(parser->table, 'h')));
}

static int parse_option(struct parser *parser, const char *argument, bool *ret_help) {
        bool is_double = argument[1] == '-';
        const char *name = argument + (is_double ? 2 : 1);
        const char *equals = strchr(name, '=');
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        const struct opt *row = find_long(parser->table, name, length);
        if (row && (is_double || length > 1))
                return parse_row(parser, row, equals ? equals + 1 : NULL);
        if (asks_for_help(parser, name, is_double)) {
                *ret_help = true;
                return 0;
        }
        if (is_double)
                return fail_words(EINVAL, "unknown option --%s", name);
        return parse_letters(parser, name);
}

int opt_parse(const struct opt *table, const struct strv *arguments, size_t verbatim_after, void *into,
              struct opt_result *ret) {
        struct parser parser = { table, arguments, 0, into };
        struct opt_result result = { 0 };
        bool is_verbatim = false;
        for (; parser.at < arguments->n; parser.at++) {
                const char *argument = arguments->at[parser.at];
                if (is_verbatim || argument[0] != '-' || argument[1] == '\0') {
                        strv_add(&result.positionals, argument);
                        is_verbatim = is_verbatim || result.positionals.n >= verbatim_after;
                } else if (str_eq(argument, "--")) {
                        is_verbatim = true;
                } else {
                        int r = parse_option(&parser, argument, &result.wants_help);
                        if (r < 0)
                                return r;
                }
        }
        *ret = result;
        return 0;
}

void opt_help(const struct opt *table) {
        for (; table->name; table++) {
                if (!table->help)
                        continue;
                char left[64];
                (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", table->letter ? "-" : "",
                               table->letter ? table->letter : ' ', table->letter ? ", " : "   ", table->name,
                               table->argument ? " " : "", table->argument ? table->argument : "");
                (void)printf("  %-30s %s\n", left, table->help);
        }
}

/* Roff takes a bare dash for a hyphen and a leading dot for a request. */
static void put_roff(const char *text) {
        for (; *text; text++) {
                if (*text == '-' || *text == '\\')
                        (void)putchar('\\');
                (void)putchar(*text);
        }
}

void opt_man(const struct opt *table) {
        for (; table->name; table++) {
                if (!table->help)
                        continue;
                (void)printf(".TP\n");
                if (table->letter)
                        (void)printf(".BR \\-%c \", \" \\-\\-", table->letter);
                else
                        (void)printf(".BR \\-\\-");
                put_roff(table->name);
                if (table->argument)
                        (void)printf(" \" \\fI%s\\fR\"", table->argument);
                (void)printf("\n");
                put_roff(table->help);
                (void)printf("\n");
        }
}
