#include "specs/base/names.h"

#include <string.h>

const struct name *names_find(const struct names *names, const char *name) {
        for (const struct name *row = names->rows; row->name; row++)
                if (strcmp(row->name, name) == 0)
                        return row;
        return NULL;
}

const char *names_of(const struct names *names, int64_t value) {
        for (const struct name *row = names->rows; row->name; row++)
                if (row->value == value)
                        return row->name;
        return NULL;
}
