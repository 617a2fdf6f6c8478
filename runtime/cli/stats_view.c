#include "runtime/cli/stats_view.h"

#include "specs/base/arena.h"

#include <stdlib.h>
#include <string.h>

/* -- cells -- */

static const char *size_text(const struct opt_u64 *size) {
        static const char units[] = "BKMGTPE";
        if (!size->set)
                return "-";
        if (size->v == UINT64_MAX)
                return "max";
        double value = (double)size->v;
        size_t unit = 0;
        for (; value >= 1024 && unit + 1 < sizeof(units) - 1; unit++)
                value /= 1024;
        return str_format(unit == 0 || value >= 100 ? "%.0f%c" : "%.1f%c", value, units[unit]);
}

static const char *count_text(const struct opt_u64 *count) {
        return count->set ? str_format("%llu", (unsigned long long)count->v) : "-";
}

static const char *raw_text(const struct json_raw *number) {
        return number->text ? number->text : "-";
}

static const char *id_cell(const struct stats_row *row) {
        return str_printable(row->id);
}

static const char *cpu_cell(const struct stats_row *row) {
        return row->cpu_permille.set ? str_format("%.1f", (double)row->cpu_permille.v / 10) : "-";
}

static const char *memory_cell(const struct stats_row *row) {
        return size_text(&row->stats->memory.usage.usage);
}

static const char *limit_cell(const struct stats_row *row) {
        return size_text(&row->stats->memory.usage.limit);
}

/* The part of its limit that a container uses, negative: it has none. */
static double memory_part(const struct stats_row *row) {
        const struct oci_memory_entry *memory = &row->stats->memory.usage;
        if (!memory->usage.set || !memory->limit.set || memory->limit.v == UINT64_MAX || memory->limit.v == 0)
                return -1;
        return (double)memory->usage.v / (double)memory->limit.v;
}

static const char *memory_percent_cell(const struct stats_row *row) {
        double part = memory_part(row);
        return part < 0 ? "-" : str_format("%.1f", part * 100);
}

static const char *swap_cell(const struct stats_row *row) {
        return size_text(&row->stats->memory.swap_only.usage);
}

static const char *pids_cell(const struct stats_row *row) {
        const struct oci_pids_stats *pids = &row->stats->pids;
        return pids->current.set && pids->limit.set
                       ? str_format("%s/%s", count_text(&pids->current), count_text(&pids->limit))
                       : count_text(&pids->current);
}

static const char *read_cell(const struct stats_row *row) {
        return size_text(&row->read);
}

static const char *write_cell(const struct stats_row *row) {
        return size_text(&row->written);
}

static const char *throttled_cell(const struct stats_row *row) {
        return count_text(&row->throttled_percent);
}

static const char *cpu_psi_cell(const struct stats_row *row) {
        return raw_text(&row->stats->cpu.psi.some.avg10);
}

static const char *memory_psi_cell(const struct stats_row *row) {
        return raw_text(&row->stats->memory.psi.some.avg10);
}

static const char *io_psi_cell(const struct stats_row *row) {
        return raw_text(&row->stats->blkio.psi.some.avg10);
}

static const char *oom_cell(const struct stats_row *row) {
        return count_text(&row->stats->memory.events.oom_kill);
}

/* -- columns -- */

enum bar { NO_BAR, CPU_BAR, MEMORY_BAR };

static const struct column {
        const char *title;
        const char *(*cell)(const struct stats_row *row);
        size_t width;         /* on a screen; 0: a table's only, where no bar says it */
        unsigned dispensable; /* the higher, the sooner it gives way on a narrow screen */
        enum bar bar;
} columns[] = {
        { "ID", id_cell, 12, 0, NO_BAR },
        { "CPU%", cpu_cell, 7, 1, CPU_BAR },
        { "MEMORY", memory_cell, 6, 2, MEMORY_BAR },
        { "LIMIT", limit_cell, 6, 4, NO_BAR },
        { "MEM%", memory_percent_cell, 0, 0, NO_BAR },
        { "SWAP", swap_cell, 6, 9, NO_BAR },
        { "PIDS", pids_cell, 11, 5, NO_BAR },
        { "READ/S", read_cell, 6, 7, NO_BAR },
        { "WRITE/S", write_cell, 7, 7, NO_BAR },
        { "THROTTLED%", throttled_cell, 10, 8, NO_BAR },
        { "PSI-CPU", cpu_psi_cell, 7, 6, NO_BAR },
        { "PSI-MEM", memory_psi_cell, 7, 6, NO_BAR },
        { "PSI-IO", io_psi_cell, 6, 6, NO_BAR },
        { "OOM", oom_cell, 3, 3, NO_BAR },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static int compare_rows(const void *a, const void *b) {
        const struct stats_row *x = a, *y = b;
        if (x->cpu_permille.v != y->cpu_permille.v)
                return x->cpu_permille.v < y->cpu_permille.v ? 1 : -1;
        return strcmp(x->id, y->id);
}

void stats_sort(struct stats_row *rows, size_t n) {
        if (n > 1)
                qsort(rows, n, sizeof(rows[0]), compare_rows);
}

struct strv stats_cells(const struct stats_row *rows, size_t n, size_t *ret_columns) {
        struct strv cells = { 0 };
        for (size_t c = 0; c < COLUMNS; c++)
                strv_add(&cells, columns[c].title);
        for (size_t i = 0; i < n; i++)
                for (size_t c = 0; c < COLUMNS; c++)
                        strv_add(&cells, columns[c].cell(&rows[i]));
        *ret_columns = COLUMNS;
        return cells;
}

/* -- the screen -- */

#define BAR_MIN  4
#define BAR_MAX  24
#define ID_MAX   32
#define GAP      2
#define RESET    "\033[0m"
#define TO_END   "\033[K" /* what is left of the line before */
#define NEW_LINE TO_END "\r\n"

/* How wide each column is in this picture, 0: it is left out. */
struct layout {
        size_t width[COLUMNS];
        size_t bar;
};

static size_t total_width(const struct layout *layout) {
        size_t sum = 0;
        for (size_t c = 0; c < COLUMNS; c++)
                if (layout->width[c] > 0)
                        sum += layout->width[c] + (columns[c].bar ? layout->bar + 1 : 0) + (c > 0 ? GAP : 0);
        return sum;
}

static bool drop_column(struct layout *layout) {
        size_t worst = 0;
        for (size_t c = 1; c < COLUMNS; c++)
                if (layout->width[c] > 0 && columns[c].dispensable >= columns[worst].dispensable)
                        worst = c;
        layout->width[worst] = worst > 0 ? 0 : layout->width[0];
        return worst > 0;
}

static struct layout lay_out(const struct stats_row *rows, size_t n, size_t width) {
        struct layout layout = { .bar = BAR_MIN };
        for (size_t c = 0; c < COLUMNS; c++)
                layout.width[c] = columns[c].width;
        for (size_t i = 0; i < n; i++) {
                size_t length = strlen(columns[0].cell(&rows[i]));
                if (length > layout.width[0])
                        layout.width[0] = length < ID_MAX ? length : ID_MAX;
        }
        while (total_width(&layout) > width && drop_column(&layout))
                ;
        if (layout.width[0] > width)
                layout.width[0] = width;
        while (layout.bar < BAR_MAX && total_width(&layout) + 2 <= width)
                layout.bar++;
        return layout;
}

/* Eight steps a character where blocks can be shown. */
static const char *bar_text(double part, size_t width, const struct stats_look *look) {
        static const char *const blocks[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" };
        struct strv pieces = { 0 };
        size_t eighths = part >= 1 ? width * 8 : (size_t)(part * (double)(width * 8) + 0.5), used = 0;
        for (; used < eighths / 8; used++)
                strv_add(&pieces, look->has_blocks ? blocks[8] : "#");
        if (used < width && eighths % 8 > (look->has_blocks ? 0 : 3)) {
                strv_add(&pieces, look->has_blocks ? blocks[eighths % 8] : "#");
                used++;
        }
        const char *filled = pieces.n > 0 ? str_join(&pieces, "") : "";
        const char *colour = part < 0.6 ? "\033[32m" : part < 0.85 ? "\033[33m" : "\033[31m";
        const char *padding = str_format("%*s", (int)(width - used), "");
        return look->has_colour ? str_format("%s%s" RESET "%s", colour, filled, padding)
                                : str_format("%s%s", filled, padding);
}

static const char *bar_of(const struct stats_row *row, enum bar bar, size_t width, const struct stats_look *look) {
        double part = memory_part(row);
        if (bar == CPU_BAR)
                part = (double)row->cpu_permille.v / 1000 / (look->processors ? look->processors : 1);
        return part < 0 ? str_format("%*s", (int)width, "") : bar_text(part, width, look);
}

/* Ids begin on the left, numbers end on the right; what is too long is cut and says so. */
static const char *padded(const char *cell, size_t width, bool is_left) {
        if (strlen(cell) > width)
                return width > 0 ? str_format("%.*s~", (int)(width - 1), cell) : "";
        return is_left ? str_format("%-*s", (int)width, cell) : str_format("%*s", (int)width, cell);
}

static const char *line_of(const struct stats_row *row, const struct layout *layout, const struct stats_look *look) {
        struct strv pieces = { 0 };
        for (size_t c = 0; c < COLUMNS; c++) {
                if (layout->width[c] == 0)
                        continue;
                const char *cell = padded(row ? columns[c].cell(row) : columns[c].title, layout->width[c], c == 0);
                if (row && look->has_colour && columns[c].cell == oom_cell && row->stats->memory.events.oom_kill.v > 0)
                        cell = str_format("\033[1;31m%s" RESET, cell);
                if (columns[c].bar)
                        cell = str_format("%s %s",
                                          row ? bar_of(row, columns[c].bar, layout->bar, look)
                                              : str_format("%*s", (int)layout->bar, ""),
                                          cell);
                strv_add(&pieces, cell);
        }
        return str_join(&pieces, "  ");
}

const char *stats_screen(const struct stats_row *rows, size_t n, const struct stats_look *look) {
        struct strv lines = { 0 };
        size_t width = look->width > 0 ? look->width : 1, height = look->height > 0 ? look->height : 1;
        struct layout layout = lay_out(rows, n, width);
        const char *title = str_format("%zu container%s, q ends", n, n == 1 ? "" : "s");
        const char *header = line_of(NULL, &layout, look);
        strv_add(&lines, str_format("%.*s", (int)width, title));
        if (height > 1)
                strv_add(&lines, look->has_colour ? str_format("\033[1m%s" RESET, header) : header);
        for (size_t i = 0; i < n && lines.n < height; i++) {
                if (lines.n + 1 == height && i + 1 < n)
                        strv_add(&lines, str_format("%.*s", (int)width, str_format("... %zu more", n - i)));
                else
                        strv_add(&lines, line_of(&rows[i], &layout, look));
        }
        return str_format("\033[H%s" TO_END "\033[J", str_join(&lines, NEW_LINE));
}
