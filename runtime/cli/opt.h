/* Option tables: one row is the parser, the help, the man page and the completion of an option.  Parent side only.
 *
 * Accepted as runc and crun together accept: --x v, --x=v, -x (single-dash long names), -b DIR, -bDIR, -it clusters,
 * repeats (the last wins, lists grow), options after positionals, "--" as the end of options. */
#ifndef RUNTIME_CLI_OPT_H
#define RUNTIME_CLI_OPT_H

#include "specs/base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum opt_kind {
        OPT_FLAG,   /* bool: --x, --x=true, --x=false; see opt_bool */
        OPT_STRING, /* const char * */
        OPT_PATH,   /* const char *, made absolute at once: later changes of the working directory do not move it */
        OPT_LIST,   /* struct strv, one value a repeat */
        OPT_COUNT,  /* unsigned: 0 .. 4294967295 */
};

struct opt {
        const char *name; /* long name without dashes */
        char letter;      /* 0: none */
        enum opt_kind kind;
        size_t offset;        /* into the structure that opt_parse fills; OPT_IGNORED: not stored */
        const char *argument; /* "DIR", for help; NULL for flags */
        const char *help;     /* one line; NULL: accepted but not shown */
};
#define OPT_IGNORED ((size_t)-1)

struct opt_result {
        struct strv positionals;
        bool wants_help; /* --help, -h, -? or --usage was there */
};

/* Fills into by the rows of table (which ends with an empty row) and collects positionals.  After verbatim_after
 * positionals the rest is taken as it is (the arguments of exec's command); OPT_ANYWHERE: options may stand anywhere.
 * Errors: "unknown option --x", "flag needs an argument: --x". */
#define OPT_ANYWHERE ((size_t)-1)
int opt_parse(const struct opt *table, const struct strv *arguments, size_t verbatim_after, void *into,
              struct opt_result *ret);

/* A truth value as runc and crun take it (true, 1, t, yes...).  -EINVAL without words: the caller knows the place. */
int opt_bool(const char *text, bool *ret);

/* The rows as indented help lines on standard output. */
void opt_help(const struct opt *table);

/* The rows as man page paragraphs on standard output. */
void opt_man(const struct opt *table);

#endif
