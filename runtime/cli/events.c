/* What happens to a container, as JSON lines; and durations, which stats knows too. */
#include "runtime/cli/cli.h"

#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/oci_stats.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct events_options {
        const char *interval;
        bool stats;
};

#define DURATION_MIN 1000000 /* shorter than a millisecond, reading would be all there is */

struct time_unit {
        const char *name;
        uint64_t ns;
};

/* The unit at the beginning of text: longer names first. */
static const struct time_unit *find_unit(const char *text) {
        static const struct time_unit units[] = {
                { "ns", 1 },         { "us", 1000 },       { "µs", 1000 },         { "ms", 1000000 },
                { "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
        };
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (str_starts(text, units[i].name))
                        return &units[i];
        return NULL;
}

/* "1.5s" at *text, which is moved behind it.  Nine digits on each side of the point are years or less than we sleep. */
static int parse_part(const char **text, uint64_t *ret) {
        size_t whole = strspn(*text, "0123456789");
        size_t part = (*text)[whole] == '.' ? strspn(*text + whole + 1, "0123456789") : 0;
        const char *digits = *text;
        const struct time_unit *unit = find_unit(*text + whole + (part ? part + 1 : 0));
        uint64_t value = 0, fraction = 0, scale = 1;
        if (!unit || whole == 0 || whole > 9 || part > 9)
                return -EINVAL;
        for (size_t i = 0; i < whole; i++)
                value = value * 10 + (uint64_t)(digits[i] - '0');
        for (size_t i = 0; i < part; i++, scale *= 10)
                fraction = fraction * 10 + (uint64_t)(digits[whole + 1 + i] - '0');
        uint64_t ns, below = unit->ns >= scale ? fraction * (unit->ns / scale) : fraction * unit->ns / scale;
        if (__builtin_mul_overflow(value, unit->ns, &ns) || __builtin_add_overflow(ns, below, &ns))
                return -ERANGE;
        *text += whole + (part ? part + 1 : 0) + strlen(unit->name);
        *ret = ns;
        return 0;
}

int cli_duration(const char *option, const char *text, uint64_t *ret_ns) {
        uint64_t sum = 0, part = 0;
        const char *at = text;
        int r = *at ? 0 : -EINVAL;
        if (str_eq(text, "0"))
                at++;
        while (r == 0 && *at) {
                r = parse_part(&at, &part);
                if (r == 0 && __builtin_add_overflow(sum, part, &sum))
                        r = -ERANGE;
        }
        if (r < 0)
                return fail_words(EINVAL, "%s: %s: a duration is expected, as 500ms, 5s or 1m30s", option, text);
        if (sum < DURATION_MIN)
                return fail_words(EINVAL, "%s: %s: it must be 1ms or more", option, text);
        if (sum > INT64_MAX)
                return fail_words(EINVAL, "%s: %s: it is too long", option, text);
        *ret_ns = sum;
        return 0;
}

/* A line at once, in one write.  1: nobody reads any more, which is how a reader says that it has seen enough. */
static int print_event(const char *id, const char *type, const struct oci_stats *stats) {
        struct oci_event event = { .type = type, .id = id, .data = (struct oci_stats *)(uintptr_t)stats };
        const char *line = str_format("%s\n", json_write(&event, &oci_event_type, false));
        int r = write_fd(STDOUT_FILENO, line, strlen(line));
        return r == -EPIPE ? 1 : r < 0 ? fail_in(r, "write to standard output") : 0;
}

static int on_event(const struct oci_stats *stats, void *id) {
        return print_event(id, stats ? "stats" : "oom", stats);
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        const struct events_options *events = options;
        const char *id = arguments->at[0];
        uint64_t interval_ns;
        int r = cli_duration("events --interval", events->interval ? events->interval : "5s", &interval_ns);
        if (r < 0)
                return r;
        (void)signal(SIGPIPE, SIG_IGN);
        if (events->stats) {
                struct oci_stats stats;
                r = container_stats(globals->root, id, &stats);
                if (r == 0)
                        r = print_event(id, "stats", &stats);
        } else {
                r = container_watch(globals->root, id, interval_ns, on_event, (void *)(uintptr_t)id);
        }
        return r > 0 ? 0 : r;
}

static const struct opt options_table[] = {
        { "interval", 0, OPT_STRING, offsetof(struct events_options, interval), "DURATION",
          "time between two statistics, as 500ms, 5s or 1m (default: 5s)" },
        { "stats", 0, OPT_FLAG, offsetof(struct events_options, stats), NULL,
          "print the statistics as they are now and end" },
        { 0 },
};

const struct command command_events = {
        .name = "events",
        .arguments = "ID",
        .summary = "what happens to a container, as JSON: statistics and out-of-memory",
        .description =
                "Prints a line of JSON with the container's statistics at every interval, and one of the type oom "
                "at the moment\n"
                "its memory runs out; ends when the container does. STATISTICS in the manual page names what is "
                "counted.\n"
                "\n"
                "  rundlet events --stats web | jq .data.memory.events.oom_kill",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct events_options),
        .run = run,
};
