/* update: resources out of options or out of a file, as JSON either way: one set of tables says what is allowed. */
#include "runtime/cli/cli.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum value {
        MEMORY,
        MEMORY_RESERVATION,
        MEMORY_SWAP,
        KERNEL_MEMORY,
        KERNEL_MEMORY_TCP,
        CPU_SHARE,
        CPU_QUOTA,
        CPU_PERIOD,
        CPU_BURST,
        CPU_RT_RUNTIME,
        CPU_RT_PERIOD,
        CPU_IDLE,
        CPUSET_CPUS,
        CPUSET_MEMS,
        PIDS_LIMIT,
        BLKIO_WEIGHT,
        VALUES
};

struct update_options {
        const char *given[VALUES]; /* NULL: not on the command line */
        const char *resources, *l3_cache_schema, *mem_bw_schema;
};

/* Where the values belong in linux.resources; those of one section stand together. */
enum form { FORM_NUMBER, FORM_SIZE, FORM_TEXT };
static const struct {
        const char *section, *field;
        enum form form;
} fields[VALUES] = {
        [MEMORY] = { "memory", "limit", FORM_SIZE },
        [MEMORY_RESERVATION] = { "memory", "reservation", FORM_SIZE },
        [MEMORY_SWAP] = { "memory", "swap", FORM_SIZE },
        [KERNEL_MEMORY] = { "memory", "kernel", FORM_SIZE },
        [KERNEL_MEMORY_TCP] = { "memory", "kernelTCP", FORM_SIZE },
        [CPU_SHARE] = { "cpu", "shares", FORM_NUMBER },
        [CPU_QUOTA] = { "cpu", "quota", FORM_NUMBER },
        [CPU_PERIOD] = { "cpu", "period", FORM_NUMBER },
        [CPU_BURST] = { "cpu", "burst", FORM_NUMBER },
        [CPU_RT_RUNTIME] = { "cpu", "realtimeRuntime", FORM_NUMBER },
        [CPU_RT_PERIOD] = { "cpu", "realtimePeriod", FORM_NUMBER },
        [CPU_IDLE] = { "cpu", "idle", FORM_NUMBER },
        [CPUSET_CPUS] = { "cpu", "cpus", FORM_TEXT },
        [CPUSET_MEMS] = { "cpu", "mems", FORM_TEXT },
        [PIDS_LIMIT] = { "pids", "limit", FORM_NUMBER },
        [BLKIO_WEIGHT] = { "blockIO", "weight", FORM_NUMBER },
};

#define VALUE(value_, name_, argument_, help_)                                                                         \
        [value_] = { name_, 0, OPT_STRING, offsetof(struct update_options, given[value_]), argument_, help_ }
static const struct opt options_table[] = {
        VALUE(MEMORY, "memory", "BYTES", "memory limit; -1: none, and none for swap either"),
        VALUE(MEMORY_RESERVATION, "memory-reservation", "BYTES", "memory that is not reclaimed before that of others"),
        VALUE(MEMORY_SWAP, "memory-swap", "BYTES", "limit for memory and swap together; -1: none for swap"),
        VALUE(KERNEL_MEMORY, "kernel-memory", "BYTES", "accepted and ignored: the kernel has no such limit any more"),
        VALUE(KERNEL_MEMORY_TCP, "kernel-memory-tcp", "BYTES", "accepted and ignored, as --kernel-memory is"),
        VALUE(CPU_SHARE, "cpu-share", "N", "share of CPU time beside others, 2 to 262144; 1024 is the default"),
        VALUE(CPU_QUOTA, "cpu-quota", "USEC", "CPU time in each period; -1: no limit"),
        VALUE(CPU_PERIOD, "cpu-period", "USEC", "length of a period"),
        VALUE(CPU_BURST, "cpu-burst", "USEC", "CPU time that may be saved up for a later period"),
        VALUE(CPU_RT_RUNTIME, "cpu-rt-runtime", "USEC", "refused: cgroup version 2 has no such limit"),
        VALUE(CPU_RT_PERIOD, "cpu-rt-period", "USEC", "refused, as --cpu-rt-runtime is"),
        VALUE(CPU_IDLE, "cpu-idle", "0|1", "1: run only when nothing else wants to"),
        VALUE(CPUSET_CPUS, "cpuset-cpus", "LIST", "CPUs to run on, 0-3,7"),
        VALUE(CPUSET_MEMS, "cpuset-mems", "LIST", "memory nodes to use"),
        VALUE(PIDS_LIMIT, "pids-limit", "N", "number of processes; -1: no limit"),
        VALUE(BLKIO_WEIGHT, "blkio-weight", "N", "share of disk time beside others, 10 to 1000"),
        { "resources", 'r', OPT_STRING, offsetof(struct update_options, resources), "FILE",
          "linux.resources as JSON, instead of the other options; -: from standard input" },
        { "l3-cache-schema", 0, OPT_STRING, offsetof(struct update_options, l3_cache_schema), "SCHEMA",
          "share of caches, L3:0=f;1=f0 (linux.intelRdt)" },
        { "mem-bw-schema", 0, OPT_STRING, offsetof(struct update_options, mem_bw_schema), "SCHEMA",
          "share of memory bandwidth, MB:0=20;1=70 (linux.intelRdt)" },
        { 0 },
};

/* The value as JSON.  Ranges are the tables' business. */
static int json_value(size_t i, const char *text, const char **ret) {
        int64_t number;
        if (fields[i].form == FORM_TEXT) {
                *ret = json_quote(text);
                return 0;
        }
        bool is_size = fields[i].form == FORM_SIZE;
        int r = is_size ? parse_size(text, true, &number) : parse_i64(text, INT64_MIN, INT64_MAX, &number);
        if (r < 0)
                return fail_words(EINVAL, "--%s: %s: %s is expected", options_table[i].name, text,
                                  is_size ? "a size like 512M, or -1" : "a number");
        *ret = str_format("%lld", (long long)number);
        return 0;
}

/* An empty value is how scripts say that they have none. */
static int json_of_options(const struct update_options *options, char **ret, size_t *ret_size) {
        const char *text = "", *section = "";
        for (size_t i = 0; i < VALUES; i++) {
                const char *value;
                if (!options->given[i] || !*options->given[i])
                        continue;
                int r = json_value(i, options->given[i], &value);
                if (r < 0)
                        return r;
                bool is_same = str_eq(section, fields[i].section);
                if (!is_same)
                        text = str_format("%s%s\"%s\":{", text, *text ? "}," : "", fields[i].section);
                text = str_format("%s%s\"%s\":%s", text, is_same ? "," : "", fields[i].field, value);
                section = fields[i].section;
        }
        *ret = str_format("{%s%s}", text, *text ? "}" : "");
        *ret_size = strlen(*ret);
        return 0;
}

static int json_of_file(const char *path, char **ret, size_t *ret_size) {
        bool is_stdin = str_eq(path, "-");
        int r = is_stdin ? read_fd(STDIN_FILENO, JSON_MAX_SIZE, ret, ret_size)
                         : read_file_at(AT_FDCWD, path, JSON_MAX_SIZE, ret, ret_size);
        return r < 0 ? fail_in(r, "--resources %s", path) : 0;
}

static int read_resources(const struct update_options *options, struct oci_resources *ret) {
        struct strv warnings = { 0 };
        struct json_read_options reading = { .in = "linux.resources", .warnings = &warnings };
        char *text;
        size_t size;
        int r = options->resources ? json_of_file(options->resources, &text, &size)
                                   : json_of_options(options, &text, &size);
        if (options->resources)
                reading.file = str_format("--resources %s", options->resources);
        if (r == 0)
                r = json_read(text, size, &oci_resources_type, &reading, ret);
        for (size_t i = 0; r == 0 && i < warnings.n; i++)
                log_warning("%s", warnings.at[i]);
        return r;
}

/* The first option that says something of linux.resources, NULL: none. */
static const char *first_value(const struct update_options *options) {
        for (size_t i = 0; i < VALUES; i++)
                if (options->given[i])
                        return options_table[i].name;
        return NULL;
}

static int check_usage(const struct update_options *options) {
        const char *value = first_value(options);
        if (options->resources && value)
                return fail_words(EINVAL, "--resources and --%s exclude each other", value);
        if (!options->resources && !value && !options->l3_cache_schema && !options->mem_bw_schema)
                return fail_hint(fail_words(EINVAL, "update: nothing to change was given"),
                                 "see rundlet update --help");
        return 0;
}

static const char *json_member(const char *json, const char *key, const char *value) {
        if (!value || !*value)
                return json;
        return str_format("%s%s\"%s\":%s", json, *json ? "," : "", key, json_quote(value));
}

/* *ret NULL: none was given. */
static int read_rdt(const struct update_options *options, struct oci_intel_rdt **ret) {
        const struct json_read_options reading = { .in = "linux.intelRdt" };
        const char *json = json_member("", "l3CacheSchema", options->l3_cache_schema);
        json = json_member(json, "memBwSchema", options->mem_bw_schema);
        *ret = NULL;
        if (!*json)
                return 0;
        *ret = arena_alloc(sizeof(**ret));
        json = str_format("{%s}", json);
        return json_read(json, strlen(json), &oci_intel_rdt_type, &reading, *ret);
}

static int run(const struct globals *globals, const void *data, const struct strv *arguments) {
        const struct update_options *options = data;
        struct oci_resources resources;
        struct oci_intel_rdt *rdt = NULL;
        int r = check_usage(options);
        if (r == 0)
                r = read_rdt(options, &rdt);
        if (r == 0)
                r = read_resources(options, &resources);
        if (r < 0)
                return r;
        bool gives_resources = options->resources || first_value(options);
        return container_update(globals->root, arguments->at[0], gives_resources ? &resources : NULL, rdt);
}

const struct command command_update = {
        .name = "update",
        .arguments = "ID",
        .summary = "change the limits of a container",
        .description =
                "Changes what is given and leaves the rest, for a created, running or paused container. When one "
                "limit is refused,\n"
                "all are as they were. Sizes take k, m, g and t. Device rules in FILE take the place of the "
                "earlier ones.\n"
                "\n"
                "  rundlet update --memory 512M --cpu-quota 50000 web\n"
                "  echo '{\"pids\": {\"limit\": 100}}' | rundlet update --resources - web",
        .options = options_table,
        .min = 1,
        .max = 1,
        .size = sizeof(struct update_options),
        .run = run,
};
