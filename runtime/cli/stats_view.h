/* How statistics look to people: cells for a plain table, and a screen with bars.  Pure: text in the arena.  Parent
 * side only. */
#ifndef RUNTIME_CLI_STATS_VIEW_H
#define RUNTIME_CLI_STATS_VIEW_H

#include "specs/oci_stats.h"

/* A container at this moment: its counts, and what they grew by in a second since the reading before (absent at the
 * first). */
struct stats_row {
        const char *id;
        const struct oci_stats *stats;
        struct opt_u64 cpu_permille;      /* of one processor */
        struct opt_u64 throttled_percent; /* of the periods of its quota */
        struct opt_u64 read, written;     /* bytes a second */
};

/* The busiest first; the same by id. */
void stats_sort(struct stats_row *rows, size_t n);

/* Rows of cells, header first; what is not counted is "-". */
struct strv stats_cells(const struct stats_row *rows, size_t n, size_t *ret_columns);

struct stats_look {
        size_t width, height; /* of the terminal */
        bool has_colour;
        bool has_blocks;     /* the terminal shows UTF-8 */
        unsigned processors; /* what a full bar of the processor means */
};

/* Everything that draws one picture over the one before: escape sequences, no line wider and not more lines than the
 * terminal has.  What does not fit is left out, the least asked for first. */
const char *stats_screen(const struct stats_row *rows, size_t n, const struct stats_look *look);

#endif
