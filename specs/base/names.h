/* Tables of name <-> number: one way to spell an enum, for reading, writing, features and completion. */
#ifndef SPECS_BASE_NAMES_H
#define SPECS_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name {
        const char *name;
        int64_t value;
};

/* Ends with a row whose name is NULL.  The first row of a value is its canonical spelling. */
struct names {
        const char *what; /* the noun for messages: "capability", "rlimit", "namespace" */
        const struct name *rows;
};

/* The row of name, or NULL. */
const struct name *names_find(const struct names *names, const char *name);

/* The canonical name of value, or NULL. */
const char *names_of(const struct names *names, int64_t value);

#endif
