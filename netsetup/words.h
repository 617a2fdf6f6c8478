/* Words of a command line, by table: what is read and what --help prints are the same rows.  Pure. */
#ifndef NETSETUP_WORDS_H
#define NETSETUP_WORDS_H

#include "netsetup/request.h"

struct words_option {
        const char *name;  /* without the dashes */
        char letter;       /* of the short form, 0 for none */
        unsigned commands; /* bits of the commands that have it */
        const char *value; /* what follows, as help calls it; NULL: a flag */
        const char *help;
        bool is_many;                                               /* may be given more than once */
        int (*take)(struct net_request *request, const char *word); /* of an option with a value */
        unsigned flag;                                              /* of one without: the bit that is set */
};

struct words_command {
        const char *name;
        unsigned bit;
        const char *operand; /* "ID", or NULL when it has none */
        const char *help;
        int (*take)(struct net_request *request, const char *word); /* of the operand; NULL: it is an id */
};

struct words_table {
        const char *program;
        const struct words_command *commands; /* ends with a row without name */
        const struct words_option *options;   /* ends with a row without name */
};

/* The command that argv begins with, one word or two ("network create"), or NULL; *ret_used is how many. */
const struct words_command *words_command(const struct words_table *table, const char *const *argv, int *ret_used);

/* Reads the words after the command (argv ends with NULL): options anywhere, "--" ends them, at most one operand. */
int words_read(const struct words_table *table, const struct words_command *command, const char *const *argv,
               struct net_request *ret_request, unsigned *ret_flags);

/* The text of --help for one command, or for all with NULL; in the arena. */
const char *words_help(const struct words_table *table, const struct words_command *command);

/* The completion for bash, with the words that are there when it is asked: ids and networks; in the arena. */
const char *words_completion(const struct words_table *table);

#endif
