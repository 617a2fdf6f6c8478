#include "runtime/plan/unit.h"

#include "runtime/plan/id_list.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/unit_value.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <string.h>

#define PLACE         "linux.cgroupsPath"
#define ANNOTATION    "org.systemd.property."
#define SUBGROUP      "run.oci.systemd.subgroup"
#define UNIT_NAME_MAX 255 /* with its ending */
/* What may stand in a unit's name; "@" would make it a template or an instance of one. */
#define NAME_CHARS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\"
#define USEC_PER_SEC UINT64_C(1000000)
#define TASKS_MIN    4     /* see set_tasks */
#define QUOTA_STEP   10000 /* systemd keeps a quota as whole percents of a CPU */

static const struct name driver_rows[] = {
        { "cgroupfs", DRIVER_CGROUPFS },
        { "systemd", DRIVER_SYSTEMD },
        { "disabled", DRIVER_DISABLED },
        { 0 },
};
const struct names cgroup_driver_names = { "cgroup manager", driver_rows };

/* -- names -- */

/* Ids may have characters that names of units may not: written as systemd-escape(1) does. */
static const char *escaped(const char *id) {
        const char *name = "";
        for (; *id; id++)
                name = str_format(strchr(NAME_CHARS, *id) ? "%s%c" : "%s\\x%02x", name, *id);
        return name;
}

static int check_name(const char *cgroups_path, const char *name) {
        size_t good = strspn(name, NAME_CHARS);
        if (name[good])
                return fail_words(EINVAL, PLACE ": %s: \"%s\" cannot be in the name of a systemd unit", cgroups_path,
                                  str_printable(arena_strndup(name + good, 1)));
        if (strlen(name) > UNIT_NAME_MAX)
                return fail_words(EINVAL, PLACE ": %s: the name of a systemd unit has at most %d characters",
                                  cgroups_path, UNIT_NAME_MAX);
        return 0;
}

int unit_slice_path(const char *slice, const char **ret) {
        const char *path = "", *parent = "";
        int r = check_name(slice, slice);
        if (r < 0)
                return r;
        if (!str_ends(slice, ".slice") || str_eq(slice, ".slice"))
                return fail_words(EINVAL, PLACE ": %s: the name of a slice ends with .slice", slice);
        if (str_eq(slice, "-.slice")) {
                *ret = "";
                return 0;
        }
        struct strv parts = str_split(arena_strndup(slice, strlen(slice) - strlen(".slice")), '-', false);
        for (size_t i = 0; i < parts.n; i++) {
                if (!*parts.at[i])
                        return fail_words(EINVAL,
                                          PLACE ": %s: each dash in the name of a slice leads to one below it, "
                                                "with a name before and after it",
                                          slice);
                parent = str_format("%s%s%s", parent, *parent ? "-" : "", parts.at[i]);
                path = str_format("%s/%s.slice", path, parent);
        }
        *ret = path;
        return 0;
}

int unit_names(const char *cgroups_path, const char *id, struct unit *ret) {
        const char *text = cgroups_path && *cgroups_path ? cgroups_path : str_format(":rundlet:%s", escaped(id));
        const char *slice = "", *prefix = "", *name = text, *path;
        struct strv parts = str_split(text, ':', false);
        if (strchr(text, '/') || (parts.n != 1 && parts.n != 3))
                return fail_hint(
                        fail_words(EINVAL, PLACE ": %s: slice:prefix:name expected with the systemd driver", text),
                        "\"system.slice:rundlet:%s\", or leave it out", id);
        if (parts.n == 3) {
                slice = parts.at[0];
                prefix = parts.at[1];
                name = parts.at[2];
        }
        if (!*name)
                return fail_words(EINVAL, PLACE ": %s: the name is empty", text);
        if (str_ends(name, ".slice"))
                return fail_words(EINVAL, PLACE ": %s: a container is a scope, it cannot be the slice %s", text, name);
        const char *scope = str_format("%s%s%s.scope", prefix, *prefix ? "-" : "", name);
        int r = check_name(text, scope);
        if (str_eq(slice, "-"))
                slice = "-.slice";
        if (r == 0 && *slice)
                r = unit_slice_path(slice, &path);
        if (r < 0)
                return r;
        ret->slice = *slice ? slice : NULL;
        ret->scope = scope;
        ret->description = str_format("rundlet container %s", id);
        return 0;
}

/* -- properties -- */

/* The last word on a property wins, as the last write to a file does. */
static struct unit_property *set(struct unit *unit, const struct unit_property *property) {
        size_t n = unit->properties.n;
        for (size_t i = 0; i < n; i++)
                if (str_eq(unit->properties.at[i].name, property->name)) {
                        unit->properties.at[i] = *property;
                        return &unit->properties.at[i];
                }
        unit->properties.at = arena_grow(unit->properties.at, n * sizeof(*property), (n + 1) * sizeof(*property));
        unit->properties.at[n] = *property;
        unit->properties.n++;
        return &unit->properties.at[n];
}

static void set_number(struct unit *unit, const char *name, uint64_t number, const char *place) {
        (void)set(unit, &(struct unit_property){ .name = name, .signature = "t", .number = number, .place = place });
}

/* "max" or bytes, with a suffix where a person wrote them; false: the kernel takes more forms than we read here. */
static bool read_limit(const char *value, uint64_t *ret) {
        int64_t bytes;
        if (str_eq(value, "max")) {
                *ret = UINT64_MAX;
                return true;
        }
        if (parse_size(value, false, &bytes) < 0)
                return false;
        *ret = (uint64_t)bytes;
        return true;
}

typedef void setter(struct unit *unit, const struct cgroup_write *write, const char *property);

static void set_limit(struct unit *unit, const struct cgroup_write *write, const char *property) {
        uint64_t limit;
        if (read_limit(write->value, &limit))
                set_number(unit, property, limit, write->place);
}

/* systemd's placeholder is counted until the container's first processes are there; the exact limit is below. */
static void set_tasks(struct unit *unit, const struct cgroup_write *write, const char *property) {
        uint64_t limit;
        if (read_limit(write->value, &limit))
                set_number(unit, property, limit < TASKS_MIN ? TASKS_MIN : limit, write->place);
}

static void set_weight(struct unit *unit, const struct cgroup_write *write, const char *property) {
        uint64_t weight;
        if (parse_u64(write->value, 1, 10000, &weight) == 0)
                set_number(unit, property, weight, write->place);
}

/* To systemd (252) a weight of 0 is idle.  Only the scope is idle beside its neighbours: what is below it is among
 * itself. */
static void set_idle(struct unit *unit, const struct cgroup_write *write, const char *property) {
        if (str_eq(write->value, "1"))
                set_number(unit, property, 0, write->place);
}

/* "QUOTA PERIOD" or "QUOTA": systemd counts the quota of a second.  Rounded up, so that the exact one below is the one
 * that limits. */
static void set_quota(struct unit *unit, const struct cgroup_write *write, const char *property) {
        struct strv words = str_split(write->value, ' ', true);
        uint64_t quota = UINT64_MAX, period = 100000; /* the kernel's default */
        if (words.n < 1 || words.n > 2)
                return;
        if (!str_eq(words.at[0], "max") && parse_u64(words.at[0], 1, UINT64_MAX / USEC_PER_SEC, &quota) < 0)
                return;
        if (words.n == 2 && parse_u64(words.at[1], 1, USEC_PER_SEC, &period) < 0)
                return;
        if (quota != UINT64_MAX) {
                quota = (quota * USEC_PER_SEC + period - 1) / period;
                quota = (quota + QUOTA_STEP - 1) / QUOTA_STEP * QUOTA_STEP;
        }
        set_number(unit, property, quota, write->place);
        set_number(unit, "CPUQuotaPeriodUSec", period, write->place);
}

/* "default 50", "50", or "8:16 50" for one device, which systemd wants as a path: udev's link by number. */
static void set_io_weight(struct unit *unit, const struct cgroup_write *write, const char *property) {
        struct strv words = str_split(write->value, ' ', true);
        uint64_t weight;
        if (words.n < 1 || words.n > 2 || parse_u64(words.at[words.n - 1], 1, 10000, &weight) < 0)
                return;
        if (words.n == 1 || str_eq(words.at[0], "default")) {
                set_number(unit, property, weight, write->place);
                return;
        }
        struct unit_property weights = { .name = "IODeviceWeight", .signature = "a(st)", .place = write->place };
        for (size_t i = 0; i < unit->properties.n; i++)
                if (str_eq(unit->properties.at[i].name, weights.name))
                        weights = unit->properties.at[i];
        size_t n = weights.pairs_count;
        struct unit_pair *pairs = arena_array(n + 1, sizeof(*pairs));
        if (n)
                memcpy(pairs, weights.pairs, n * sizeof(*pairs));
        pairs[n] = (struct unit_pair){ str_format("/dev/block/%s", words.at[0]), weight };
        weights.pairs = pairs;
        weights.pairs_count = n + 1;
        (void)set(unit, &weights);
}

/* Bit i of byte i / 8 is CPU or node i. */
static void set_mask(struct unit *unit, const struct cgroup_write *write, const char *property) {
        struct id_mask *mask = arena_alloc(sizeof(*mask));
        if (id_list_read(write->place, write->value, mask) < 0 || !mask->used) {
                err_clear();
                return;
        }
        size_t count = mask->used * sizeof(mask->words[0]);
        uint8_t *bytes = arena_alloc(count);
        for (size_t i = 0; i < count; i++)
                bytes[i] = (uint8_t)(mask->words[i / 8] >> i % 8 * 8);
        while (!bytes[count - 1])
                count--;
        (void)set(unit, &(struct unit_property){ .name = property,
                                                 .signature = "ay",
                                                 .bytes = bytes,
                                                 .bytes_count = count,
                                                 .place = write->place });
}

static const struct {
        const char *file, *property;
        setter *set;
} limits[] = {
        { "memory.min", "MemoryMin", set_limit },
        { "memory.low", "MemoryLow", set_limit },
        { "memory.high", "MemoryHigh", set_limit },
        { "memory.max", "MemoryMax", set_limit },
        { "memory.swap.max", "MemorySwapMax", set_limit },
        { "cpu.weight", "CPUWeight", set_weight },
        { "cpu.idle", "CPUWeight", set_idle },
        { "cpu.max", "CPUQuotaPerSecUSec", set_quota },
        { "cpuset.cpus", "AllowedCPUs", set_mask },
        { "cpuset.mems", "AllowedMemoryNodes", set_mask },
        { "io.weight", "IOWeight", set_io_weight },
        { "pids.max", "TasksMax", set_tasks },
};

/* The rates of io.max stay with the sub-cgroup: nothing between neighbours depends on them. */
void unit_limits(const struct plan *writes, struct unit *unit) {
        for (size_t i = 0; i < writes->cgroup_writes.n; i++) {
                struct cgroup_write write = writes->cgroup_writes.at[i];
                /* systemd has the scale of io.weight, and looks after BFQ's itself. */
                if (write.or_file && str_eq(write.or_file, "io.weight")) {
                        write.file = write.or_file;
                        write.value = write.or_value;
                }
                for (size_t n = 0; n < sizeof(limits) / sizeof(limits[0]); n++)
                        if (str_eq(limits[n].file, write.file))
                                limits[n].set(unit, &write, limits[n].property);
        }
}

/* -- annotations -- */

static const struct {
        const char *name, *why;
} refused[] = {
        { "Delegate", "rundlet needs the cgroup below the scope for itself" },
        { "DelegateControllers", "rundlet needs the cgroup below the scope for itself" },
        { "DelegateSubgroup", "the cgroup below the scope is named by " SUBGROUP },
        { "PIDs", "the processes of the scope are the container's" },
        { "PIDFDs", "the processes of the scope are the container's" },
        { "Controller", "the scope is rundlet's to end" },
        { "Slice", "linux.cgroupsPath says it" },
        { "DevicePolicy", "linux.resources.devices says it; systemd would take devices away at daemon-reload" },
        { "DeviceAllow", "linux.resources.devices says it; systemd would take devices away at daemon-reload" },
        { "BPFProgram", "linux.resources.devices says it; systemd would take devices away at daemon-reload" },
        { "SuccessAction", "no container decides about the host" },
        { "FailureAction", "no container decides about the host" },
        { "JobTimeoutAction", "no container decides about the host" },
        { "StartLimitAction", "no container decides about the host" },
};

static bool is_property_name(const char *name) {
        size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
        return size > 0 && !name[size];
}

static int add_annotation(struct unit *unit, const struct str_pair *annotation) {
        const char *name = annotation->key + strlen(ANNOTATION);
        const char *place = str_format("annotations[\"%s\"]", str_printable(annotation->key));
        struct unit_property property;
        if (!is_property_name(name))
                return fail_words(EINVAL, "%s: no property of systemd has such a name", place);
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
                if (str_eq(refused[i].name, name))
                        return fail_words(EPERM, "%s: not to be set: %s", place, refused[i].why);
        int r = unit_value_read(place, name, annotation->value, &property);
        if (r == 0)
                (void)set(unit, &property);
        return r;
}

static int add_annotations(const struct oci_config *config, struct unit *unit) {
        for (size_t i = 0; i < config->annotations.n; i++) {
                const struct str_pair *annotation = &config->annotations.at[i];
                int r = str_starts(annotation->key, ANNOTATION) ? add_annotation(unit, annotation) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* -- the unit -- */

static int find_subgroup(const struct oci_config *config, struct unit *unit) {
        const char *name = oci_annotation(config, SUBGROUP);
        unit->subgroup = name ? name : "container";
        if (strchr(unit->subgroup, '/') || str_eq(unit->subgroup, ".") || str_eq(unit->subgroup, "..") ||
            strlen(unit->subgroup) > UNIT_NAME_MAX || !str_eq(str_printable(unit->subgroup), unit->subgroup))
                return fail_words(EINVAL, "annotations[\"" SUBGROUP "\"]: %s: the name of one cgroup expected",
                                  str_printable(unit->subgroup));
        return 0;
}

/* Delegate: the cgroups below are ours.  Accounting: `systemctl status` shows figures.  No default dependencies: at the
 * end of the host it is for the engine to stop its containers, before systemd would.  CollectMode: a scope that failed
 * (a program killed for memory) is forgotten as one that ended well is. */
static void add_common(struct unit *unit) {
        static const struct {
                const char *name;
                bool value;
        } common[] = {
                { "Delegate", true },     { "CPUAccounting", true },   { "MemoryAccounting", true },
                { "IOAccounting", true }, { "TasksAccounting", true }, { "DefaultDependencies", false },
        };
        for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
                (void)set(unit, &(struct unit_property){
                                        .name = common[i].name, .signature = "b", .number = common[i].value });
        (void)set(unit,
                  &(struct unit_property){ .name = "CollectMode", .signature = "s", .text = "inactive-or-failed" });
        /* systemd's own default would limit what the config does not. */
        set_number(unit, "TasksMax", UINT64_MAX, NULL);
}

int plan_unit(struct build *b) {
        const struct oci_config *config = b->config;
        struct unit *unit = arena_alloc(sizeof(*unit));
        if (b->options->driver != DRIVER_SYSTEMD)
                return 0;
        int r = unit_names(config->linux_ ? config->linux_->cgroups_path : NULL, b->options->id ? b->options->id : "ID",
                           unit);
        if (r == 0)
                r = find_subgroup(config, unit);
        if (r < 0)
                return r;
        unit->is_user = !b->probe->is_root;
        if (!unit->slice)
                unit->slice = unit->is_user ? "user.slice" : "system.slice";
        add_common(unit);
        unit_limits(b->plan, unit);
        r = add_annotations(config, unit);
        if (r == 0)
                b->plan->unit = unit;
        return r;
}
