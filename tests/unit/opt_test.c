/* The option parser takes what runc and crun take together, and refuses the rest with words. */
#include "tests/unit/test.h"

#include "runtime/cli/opt.h"

struct options {
        bool flag, other;
        const char *text, *path;
        struct strv list;
        unsigned count;
};

static const struct opt table[] = {
        { "flag", 'f', OPT_FLAG, offsetof(struct options, flag), NULL, "a flag" },
        { "other", 'o', OPT_FLAG, offsetof(struct options, other), NULL, "another" },
        { "text", 't', OPT_STRING, offsetof(struct options, text), "TEXT", "text" },
        { "path", 'p', OPT_PATH, offsetof(struct options, path), "PATH", "path" },
        { "list", 'l', OPT_LIST, offsetof(struct options, list), "ITEM", "list" },
        { "preserve-fds", 0, OPT_COUNT, offsetof(struct options, count), "N", "count" },
        { "ignored", 0, OPT_STRING, OPT_IGNORED, "X", NULL },
        { 0 },
};

/* The arguments are one string, split at spaces. */
static int parse(const char *line, size_t verbatim_after, struct options *ret, struct opt_result *ret_result) {
        struct strv arguments = str_split(line, ' ', true);
        *ret = (struct options){ 0 };
        return opt_parse(table, &arguments, verbatim_after, ret, ret_result);
}

static void test_forms(void) {
        static const char *const lines[] = { "--text v ID", "--text=v ID",      "-t v ID",       "-tv ID",
                                             "-text v ID",  "-text=v ID",       "ID --text v",   "-ft v ID",
                                             "-ftv ID",     "--text w -t v ID", "--text v -- ID" };
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
                struct options o;
                struct opt_result result;
                int r = parse(lines[i], OPT_ANYWHERE, &o, &result);
                CHECK_ROW(r == 0 && o.text && strcmp(o.text, "v") == 0, lines[i]);
                CHECK_ROW(result.positionals.n == 1 && strcmp(result.positionals.at[0], "ID") == 0, lines[i]);
        }
}

static void test_kinds(void) {
        struct options o;
        struct opt_result result;
        CHECK_INT(parse("-fo --list a -l b --list=c --preserve-fds 7 --ignored x", OPT_ANYWHERE, &o, &result), 0);
        CHECK(o.flag && o.other);
        CHECK_INT(o.list.n, 3);
        CHECK_STR(o.list.at[2], "c");
        CHECK_INT(o.count, 7);
        CHECK_INT(parse("--flag=false --path rel", OPT_ANYWHERE, &o, &result), 0);
        CHECK(!o.flag);
        CHECK(o.path && o.path[0] == '/' && strstr(o.path, "/rel"));
        CHECK_INT(parse("--path /a", OPT_ANYWHERE, &o, &result), 0);
        CHECK_STR(o.path, "/a");
        CHECK_INT(parse("--help", OPT_ANYWHERE, &o, &result), 0);
        CHECK(result.wants_help);
        static const char *const helps[] = { "-h", "-?", "--usage", "-help" };
        for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
                CHECK_INT(parse(helps[i], OPT_ANYWHERE, &o, &result), 0);
                CHECK_ROW(result.wants_help, helps[i]);
        }
        static const char *const truths[] = { "--flag=true", "--flag=1", "-f -flag=t", "--flag=True", "--flag=yes" };
        static const char *const lies[] = { "--flag=false", "--flag=0", "-f --flag=F", "-f -flag=FALSE", "--flag=no" };
        for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
                CHECK_INT(parse(truths[i], OPT_ANYWHERE, &o, &result), 0);
                CHECK_ROW(o.flag, truths[i]);
                CHECK_INT(parse(lies[i], OPT_ANYWHERE, &o, &result), 0);
                CHECK_ROW(!o.flag, lies[i]);
        }
}

static void test_verbatim(void) {
        struct options o;
        struct opt_result result;
        CHECK_INT(parse("-f ID ls -l --text", 2, &o, &result), 0);
        CHECK_INT(result.positionals.n, 4);
        CHECK_STR(result.positionals.at[2], "-l");
        CHECK_INT(parse("ID -f ls -f", 2, &o, &result), 0);
        CHECK(o.flag && result.positionals.n == 3);
        CHECK_INT(parse("ID -- -f", 2, &o, &result), 0);
        CHECK(!o.flag && result.positionals.n == 2);
        CHECK_INT(parse("-", OPT_ANYWHERE, &o, &result), 0);
        CHECK_STR(result.positionals.at[0], "-");
}

static void test_bad(void) {
        struct options o;
        struct opt_result result;
        CHECK_FAIL(parse("--nope", OPT_ANYWHERE, &o, &result), "unknown option --nope");
        CHECK_FAIL(parse("-x", OPT_ANYWHERE, &o, &result), "unknown option -x");
        CHECK_FAIL(parse("ID --text", OPT_ANYWHERE, &o, &result), "flag needs an argument: --text");
        CHECK_FAIL(parse("-t", OPT_ANYWHERE, &o, &result), "flag needs an argument: --text");
        CHECK_FAIL(parse("--preserve-fds -1", OPT_ANYWHERE, &o, &result), "a number from 0 to 4294967295");
        CHECK_FAIL(parse("--preserve-fds 4294967296", OPT_ANYWHERE, &o, &result), "a number from 0 to 4294967295");
        CHECK_FAIL(parse("--preserve-fds=", OPT_ANYWHERE, &o, &result), "a number from 0 to 4294967295");
        CHECK_FAIL(parse("--path=", OPT_ANYWHERE, &o, &result), "a path is expected");
        CHECK_FAIL(parse("--flag=maybe", OPT_ANYWHERE, &o, &result), "true or false expected");
        CHECK_FAIL(parse("--flag=", OPT_ANYWHERE, &o, &result), "true or false expected");
}

int main(void) {
        test_forms();
        test_kinds();
        test_verbatim();
        test_bad();
        return test_done();
}
