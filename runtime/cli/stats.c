/* What containers use, for people: a live picture on a terminal, one table elsewhere; JSON for scripts. */
#include "runtime/cli/cli.h"

#include "runtime/cli/screen.h"
#include "runtime/cli/stats_view.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct stats_options {
        const char *format, *interval;
        bool no_stream;
};

/* -- what grew since the reading before -- */

struct sample {
        char id[256];
        struct opt_u64 cpu, read, written, periods, throttled;
};

/* Sorted by id.  Its memory is older than the round's, so room for more is made between rounds. */
struct history {
        struct sample *at;
        size_t n, room, wanted;
        int64_t time_ns;
};

static int64_t now_ns(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct sample sample_of(const struct oci_container_stats *reading) {
        const struct oci_stats *stats = &reading->stats;
        struct sample sample = {
                .cpu = stats->cpu.usage.total,
                .periods = stats->cpu.throttling.periods,
                .throttled = stats->cpu.throttling.throttled_periods,
                .read.set = stats->blkio.is_counted,
                .written.set = stats->blkio.is_counted,
        };
        (void)snprintf(sample.id, sizeof(sample.id), "%s", reading->id);
        for (size_t i = 0; i < stats->blkio.devices.n; i++) {
                sample.read.v += stats->blkio.devices.at[i].rbytes.v;
                sample.written.v += stats->blkio.devices.at[i].wbytes.v;
        }
        return sample;
}

/* What a counter grew by, times factor / over.  Absent when it was not there before, or went back: then it is another
 * container of that name. */
static struct opt_u64 growth(const struct opt_u64 *before, const struct opt_u64 *now, double factor, double over) {
        if (!before->set || !now->set || now->v < before->v || over <= 0)
                return (struct opt_u64){ 0 };
        return (struct opt_u64){ true, (uint64_t)((double)(now->v - before->v) * factor / over + 0.5) };
}

static int compare_ids(const void *id, const void *sample) {
        return strcmp(id, ((const struct sample *)sample)->id);
}

static struct stats_row row_of(const struct oci_container_stats *reading, const struct history *history,
                               double seconds) {
        struct stats_row row = { .id = reading->id, .stats = &reading->stats };
        struct sample now = sample_of(reading);
        const struct sample *before =
                history->n > 0 ? bsearch(now.id, history->at, history->n, sizeof(now), compare_ids) : NULL;
        if (!before)
                return row;
        row.cpu_permille = growth(&before->cpu, &now.cpu, 1e-6, seconds);
        row.read = growth(&before->read, &now.read, 1, seconds);
        row.written = growth(&before->written, &now.written, 1, seconds);
        struct opt_u64 periods = growth(&before->periods, &now.periods, 1, 1);
        if (periods.set) /* no period went by in which it ran: none was throttled */
                row.throttled_percent =
                        growth(&before->throttled, &now.throttled, 100, periods.v > 0 ? (double)periods.v : 1);
        return row;
}

static void remember(struct history *history, const struct container_readings *readings, int64_t time_ns) {
        history->n = readings->n < history->room ? readings->n : history->room;
        history->time_ns = time_ns;
        for (size_t i = 0; i < history->n; i++)
                history->at[i] = sample_of(&readings->at[i]);
}

static void make_room(struct history *history) {
        if (history->wanted <= history->room)
                return;
        history->room = history->wanted * 2;
        history->at =
                arena_grow(history->at, history->n * sizeof(history->at[0]), history->room * sizeof(history->at[0]));
}

/* -- one reading -- */

struct asked {
        const char *root;
        struct strv ids; /* sorted, each once; none: all that live */
};

struct picture {
        struct stats_row *rows;
        size_t n;
};

static void warn(const struct container_readings *readings) {
        for (size_t i = 0; i < readings->unreadable.n; i++)
                log_warning("%s", readings->unreadable.at[i]);
}

/* is_first: everything that is allocated stays, so there is room for all; and what is wrong is said, which later would
 * spoil the picture. */
static int take(const struct asked *asked, struct history *history, bool is_first, struct picture *ret) {
        struct container_readings readings;
        int64_t time_ns = now_ns();
        int r = container_stats_all(asked->root, &asked->ids, &readings);
        if (r < 0)
                return r;
        history->wanted = readings.n;
        if (is_first) {
                make_room(history);
                warn(&readings);
        }
        double seconds = (double)(time_ns - history->time_ns) / 1e9;
        struct stats_row *rows = arena_array(readings.n, sizeof(rows[0]));
        for (size_t i = 0; i < readings.n; i++)
                rows[i] = row_of(&readings.at[i], history, seconds);
        remember(history, &readings, time_ns);
        stats_sort(rows, readings.n);
        *ret = (struct picture){ rows, readings.n };
        return 0;
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct strv sorted(const struct strv *ids) {
        struct strv every = { 0 }, once = { 0 };
        for (size_t i = 0; i < ids->n; i++)
                strv_add(&every, ids->at[i]);
        if (every.n > 1)
                qsort(every.at, every.n, sizeof(every.at[0]), compare_texts);
        for (size_t i = 0; i < every.n; i++)
                if (i == 0 || !str_eq(every.at[i], every.at[i - 1]))
                        strv_add(&once, every.at[i]);
        return once;
}

/* -- the three forms -- */

static int print_json(const struct asked *asked) {
        struct container_readings readings;
        int r = container_stats_all(asked->root, &asked->ids, &readings);
        if (r < 0)
                return r;
        warn(&readings);
        (void)putchar('[');
        for (size_t i = 0; i < readings.n; i++)
                (void)printf("%s%s", i > 0 ? "," : "", json_write(&readings.at[i], &oci_container_stats_type, false));
        (void)printf("]\n");
        return 0;
}

static int print_table(const struct asked *asked, uint64_t interval_ns) {
        struct history history = { 0 };
        struct picture picture;
        size_t columns;
        int r = take(asked, &history, true, &picture);
        if (r == 0 && picture.n > 0) { /* what grows is seen between two readings */
                struct timespec wait = { (time_t)(interval_ns / 1000000000), (long)(interval_ns % 1000000000) };
                while (nanosleep(&wait, &wait) < 0 && errno == EINTR)
                        ;
                r = take(asked, &history, false, &picture);
        }
        if (r < 0)
                return r;
        struct strv cells = stats_cells(picture.rows, picture.n, &columns);
        cli_table(&cells, columns);
        return 0;
}

static bool shows_utf8(void) {
        static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                const char *value = getenv(names[i]);
                if (value && *value)
                        return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
        }
        return false;
}

static int draw(const struct picture *picture) {
        const char *no_colour = getenv("NO_COLOR");
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        struct stats_look look = {
                .has_colour = !no_colour || !*no_colour,
                .has_blocks = shows_utf8(),
                .processors = processors > 0 ? (unsigned)processors : 1,
        };
        screen_size(&look.width, &look.height);
        return screen_draw(stats_screen(picture->rows, picture->n, &look));
}

/* Where escape sequences would be seen as such there is one table. */
static bool is_drawable(void) {
        const char *terminal = getenv("TERM");
        return isatty(STDOUT_FILENO) && !(terminal && str_eq(terminal, "dumb"));
}

static int show_live(const struct asked *asked, uint64_t interval_ns) {
        struct history history = { 0 };
        struct picture picture;
        enum screen_event event = SCREEN_TIME;
        int ended_by = 0;
        /* The first reading may fail with words, which want the terminal as it is. */
        int r = take(asked, &history, true, &picture);
        autoscreen screen = SCREEN_NONE;
        if (r == 0)
                r = screen_open(interval_ns, &screen);
        if (r == 0)
                r = draw(&picture);
        struct arena_mark mark = arena_mark();
        while (r == 0) {
                r = screen_wait(&screen, &event, &ended_by);
                if (r < 0 || event == SCREEN_END)
                        break;
                if (event == SCREEN_TIME) {
                        arena_rewind(&mark);
                        if (history.wanted > history.room) {
                                make_room(&history);
                                mark = arena_mark();
                        }
                        r = take(asked, &history, false, &picture);
                }
                if (r == 0)
                        r = draw(&picture);
        }
        screen_release(&screen);
        return r < 0 ? r : ended_by ? 128 + ended_by : 0;
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        const struct stats_options *stats = options;
        const char *format = stats->format ? stats->format : "table";
        struct asked asked = { .root = globals->root };
        uint64_t interval_ns;
        if (!str_eq(format, "table") && !str_eq(format, "json"))
                return fail_words(EINVAL, "stats --format: %s: table or json expected", format);
        int r = cli_duration("stats --interval", stats->interval ? stats->interval : "1s", &interval_ns);
        if (r < 0)
                return r;
        asked.ids = sorted(arguments);
        if (str_eq(format, "json"))
                return print_json(&asked);
        if (stats->no_stream || !is_drawable())
                return print_table(&asked, interval_ns);
        return show_live(&asked, interval_ns);
}

static const struct opt options_table[] = {
        { "format", 'f', OPT_STRING, offsetof(struct stats_options, format), "table|json",
          "a table, or one reading as a JSON array of {id, stats} (default: table)" },
        { "no-stream", 0, OPT_FLAG, offsetof(struct stats_options, no_stream), NULL,
          "one table also on a terminal, which else shows a live one" },
        { "interval", 0, OPT_STRING, offsetof(struct stats_options, interval), "DURATION",
          "time between two readings, as 500ms, 5s or 1m (default: 1s)" },
        { 0 },
};

const struct command command_stats = {
        .name = "stats",
        .arguments = "[ID]...",
        .summary = "what containers use: processor, memory, pids, io, pressure",
        .description =
                "On a terminal a table that is drawn anew at every interval, the busiest first, until q or ^C; "
                "elsewhere one\n"
                "table. Without ids every container that lives. CPU% is of one processor, READ/S and WRITE/S are "
                "bytes,\n"
                "THROTTLED% is of the periods of the container's quota, PSI is the percentage of the last 10 s in "
                "which some\n"
                "process waited, OOM is how many processes were killed for memory. What is not counted is a dash.\n"
                "\n"
                "  rundlet stats --format json | jq -r '.[] | [.id, .stats.memory.usage.max] | @tsv'",
        .options = options_table,
        .max = 4096,
        .size = sizeof(struct stats_options),
        .run = run,
};
