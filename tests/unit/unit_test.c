/* Names of scopes and slices, properties for limits, and the values of annotations org.systemd.property.*. */
#include "runtime/plan/unit.h"

#include "runtime/plan/unit_value.h"
#include "tests/unit/plan_case.h"

static void check_words(int r, const char *words) {
        CHECK_ROW(r < 0 && strstr(err_message(), words), words);
}

/* -- names -- */

static const struct {
        const char *path, *id, *slice, *scope;
} names[] = {
        { NULL, "web", NULL, "rundlet-web.scope" },
        { "", "web", NULL, "rundlet-web.scope" },
        { NULL, "a+b", NULL, "rundlet-a\\x2bb.scope" },
        { "system.slice:docker:1234", "web", "system.slice", "docker-1234.scope" },
        { "user-1000.slice:libpod:1234", "web", "user-1000.slice", "libpod-1234.scope" },
        { ":crio:1234", "web", NULL, "crio-1234.scope" },
        { "::1234", "web", NULL, "1234.scope" },
        { "-:p:n", "web", "-.slice", "p-n.scope" },
        { "box", "web", NULL, "box.scope" },
};

static const struct {
        const char *path, *words;
} bad_names[] = {
        { "/a/b", "linux.cgroupsPath: /a/b: slice:prefix:name expected" },
        { "a/b", "linux.cgroupsPath: a/b: slice:prefix:name expected" },
        { "a.slice:b", "linux.cgroupsPath: a.slice:b: slice:prefix:name expected" },
        { "a.slice:b:c:d", "slice:prefix:name expected" },
        { "a.slice:b:", "the name is empty" },
        { "::x.slice", "cannot be the slice x.slice" },
        { "x.slice", "cannot be the slice x.slice" },
        { "a:b:c", "linux.cgroupsPath: a: the name of a slice ends with .slice" },
        { ".slice:b:c", "the name of a slice ends with .slice" },
        { "a--b.slice:b:c", "linux.cgroupsPath: a--b.slice: each dash" },
        { "-a.slice:b:c", "linux.cgroupsPath: -a.slice: each dash" },
        { "a-.slice:b:c", "linux.cgroupsPath: a-.slice: each dash" },
        { "--.slice:b:c", "each dash" },
        { "a b.slice:b:c", "\" \" cannot be in the name" },
        { ":b:c d", "\" \" cannot be in the name" },
        { ":b:c@d", "\"@\" cannot be in the name" },
        { ":\xc3\xa9:x", "cannot be in the name" },
};

static void test_names(void) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct unit unit = { 0 };
                CHECK_ROW(unit_names(names[i].path, names[i].id, &unit) == 0, names[i].scope);
                CHECK_STR(unit.slice, names[i].slice);
                CHECK_STR(unit.scope, names[i].scope);
        }
        for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
                struct unit unit = { 0 };
                check_words(unit_names(bad_names[i].path, "web", &unit), bad_names[i].words);
                CHECK(!unit.scope);
        }
        char *longest = arena_alloc(256);
        struct unit unit = { 0 };
        memset(longest, 'x', 249);
        CHECK(unit_names(longest, "web", &unit) == 0);
        longest[249] = 'x';
        CHECK_FAIL(unit_names(longest, "web", &unit), "at most 255 characters");
}

static void test_slices(void) {
        const char *path;
        CHECK(unit_slice_path("-.slice", &path) == 0);
        CHECK_STR(path, "");
        CHECK(unit_slice_path("system.slice", &path) == 0);
        CHECK_STR(path, "/system.slice");
        CHECK(unit_slice_path("a-b-c.slice", &path) == 0);
        CHECK_STR(path, "/a.slice/a-b.slice/a-b-c.slice");
        CHECK_FAIL(unit_slice_path("a/b.slice", &path), "cannot be in the name");
        CHECK_FAIL(unit_slice_path("", &path), "ends with .slice");
}

/* -- values -- */

/* "t 5": the signature and the value. */
static const char *shown(const struct unit_property *p) {
        const char *text = str_format("%s %s", p->name, p->signature);
        if (strchr("sog", *p->signature))
                return str_format("%s %s", text, p->text);
        if (*p->signature == 'd')
                return str_format("%s %g", text, p->real);
        if (*p->signature != 'a')
                return str_format("%s %lld", text, (long long)p->number);
        for (size_t i = 0; i < p->strings.n; i++)
                text = str_format("%s <%s>", text, p->strings.at[i]);
        for (size_t i = 0; i < p->bytes_count; i++)
                text = str_format("%s %u", text, p->bytes[i]);
        for (size_t i = 0; i < p->pairs_count; i++)
                text = str_format("%s <%s>=%llu", text, p->pairs[i].text, (unsigned long long)p->pairs[i].number);
        return text;
}

static const struct {
        const char *name, *text, *shown;
} values[] = {
        { "X", "true", "X b 1" },
        { "X", " false ", "X b 0" },
        { "X", "boolean true", "X b 1" },
        { "X", "@b true", "X b 1" },
        { "KillSignal", "9", "KillSignal i 9" },
        { "X", "-5", "X i -5" },
        { "X", "+5", "X i 5" },
        { "X", "0x1f", "X i 31" },
        { "X", "-2147483648", "X i -2147483648" },
        { "X", "uint32 4294967295", "X u 4294967295" },
        { "X", "int64 -9223372036854775808", "X x -9223372036854775808" },
        { "X", "uint64 123456789", "X t 123456789" },
        { "X", "@t 5", "X t 5" },
        { "TimeoutStopUSec", "uint64 10000000", "TimeoutStopUSec t 10000000" },
        { "TimeoutStopUSec", "10000000", "TimeoutStopUSec t 10000000" },
        { "TasksMax", "100", "TasksMax t 100" },
        { "TasksMax", "int32 100", "TasksMax i 100" },
        { "TimeoutStopSec", "5", "TimeoutStopUSec t 5000000" },
        { "TimeoutStopSec", "uint32 5", "TimeoutStopUSec t 5000000" },
        { "TimeoutStopSec", "0.25", "TimeoutStopUSec t 250000" },
        { "TimeoutStopSec", "double 2", "TimeoutStopUSec t 2000000" },
        { "X", "1.5", "X d 1.5" },
        { "X", "-1e3", "X d -1000" },
        { "CollectMode", "'inactive-or-failed'", "CollectMode s inactive-or-failed" },
        { "X", "\"it's\"", "X s it's" },
        { "X", "'a\\'\\n\\u00e9\\U0001f600\\\\'", "X s a'\n\xc3\xa9\xf0\x9f\x98\x80\\" },
        { "X", "''", "X s " },
        { "X", "string 'x'", "X s x" },
        { "X", "objectpath '/a'", "X o /a" },
        { "X", "@g 'as'", "X g as" },
        { "After", "['a.service', \"b.service\"]", "After as <a.service> <b.service>" },
        { "After", "[ 'a' ]", "After as <a>" },
        { "After", "[]", "After as" },
        { "After", "@as []", "After as" },
        { "AllowedCPUs", "[byte 0x03, 255]", "AllowedCPUs ay 3 255" },
        { "AllowedCPUs", "@ay [1]", "AllowedCPUs ay 1" },
        { "IODeviceWeight", "[('/dev/sda', 5), ('/dev/sdb', uint64 6)]",
          "IODeviceWeight a(st) </dev/sda>=5 </dev/sdb>=6" },
};

static const struct {
        const char *name, *text, *words;
} bad_values[] = {
        { "X", "", "place: column 1 of \"\": true, false, a number" },
        { "X", "yes", "column 1 of \"yes\"" },
        { "X", "trueish", "column 1 of" },
        { "X", "5 6", "column 3 of \"5 6\": nothing more expected" },
        { "X", "5x", "a whole number expected" },
        { "X", "2147483648", "column 1 of \"2147483648\": the number does not fit int32" },
        { "X", "uint32 -1", "column 8 of \"uint32 -1\": the number does not fit uint32" },
        { "X", "uint64 18446744073709551616", "does not fit uint64" },
        { "X", "uint64 'x'", "column 8 of \"uint64 'x'\": a string does not have this type" },
        { "X", "uint64 true", "a boolean does not have this type" },
        { "X", "uint64 [1]", "a list does not have this type" },
        { "X", "string 5", "a number does not have this type" },
        { "X", "@as 5", "a number does not have this type" },
        { "X", "@b 5", "a number does not have this type" },
        { "X", "uint64 1.5", "a whole number expected" },
        { "X", "byte 5", "column 1 of" },
        { "X", "@a{sv} []", "no property of a scope has this type" },
        { "X", "@as", "column 4 of" },
        { "X", "'abc", "column 5 of \"'abc\": the string has no end" },
        { "X", "'abc\\", "the string has no end" },
        { "X", "'\\u00g0'", "column 6 of \"'\\u00g0'\": a hexadecimal digit expected" },
        { "X", "'\\u0000'", "no character has this number" },
        { "X", "'\\ud800'", "no character has this number" },
        { "X", "['a'", "column 5 of \"['a'\": , or ] expected" },
        { "X", "['a' 'b']", "column 6 of \"['a' 'b']\": , or ] expected" },
        { "X", "['a', 5]", "a string in quotes expected" },
        { "X", "['a',]", "a string in quotes expected" },
        { "X", "[1, 2]", "column 2 of \"[1, 2]\": a string in quotes expected" },
        { "X", "[byte 256]", "does not fit byte" },
        { "X", "[('a')]", ", expected" },
        { "X", "[('a', 5]", ") expected" },
        { "X", "1.2.3", "a number expected" },
        { "X", "-", "a number expected" },
        { "TimeoutStopSec", "-1", "does not fit uint64" },
        { "TimeoutStopSec", "int32 -1", "the number of seconds is out of range" },
        { "TimeoutStopSec", "18446744073710", "the number of seconds is out of range" },
        { "TimeoutStopSec", "-0.5", "the number of seconds is out of range" },
        { "TimeoutStopSec", "'5'", "a number of seconds expected" },
};

static void test_values(void) {
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
                struct unit_property property = { 0 };
                err_clear();
                CHECK_ROW(unit_value_read("place", values[i].name, values[i].text, &property) == 0, values[i].text);
                CHECK_STR(property.name ? shown(&property) : "", values[i].shown);
        }
        for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++) {
                struct unit_property property = { 0 };
                check_words(unit_value_read("place", bad_values[i].name, bad_values[i].text, &property),
                            bad_values[i].words);
                CHECK(!property.name);
        }
}

/* -- limits -- */

/* What a write becomes, "" when systemd has nothing for it. */
static const char *limit(const char *file, const char *value) {
        struct plan plan = { 0 };
        struct unit unit = { 0 };
        struct strv all = { 0 };
        struct cgroup_write write = { .file = file, .value = value, .place = "place" };
        plan.cgroup_writes.at = &write;
        plan.cgroup_writes.n = 1;
        err_clear();
        unit_limits(&plan, &unit);
        for (size_t i = 0; i < unit.properties.n; i++)
                strv_add(&all, shown(&unit.properties.at[i]));
        CHECK_STR(err_message(), "");
        return all.n ? str_join(&all, "; ") : "";
}

static const struct {
        const char *file, *value, *shown;
} limits[] = {
        { "memory.max", "100", "MemoryMax t 100" },
        { "memory.max", "max", "MemoryMax t -1" }, /* all bits: infinity */
        { "memory.high", "1G", "MemoryHigh t 1073741824" },
        { "memory.low", "0", "MemoryLow t 0" },
        { "memory.min", "4096", "MemoryMin t 4096" },
        { "memory.swap.max", "0", "MemorySwapMax t 0" },
        { "memory.max", "what", "" },
        { "memory.oom.group", "1", "" },
        { "cpu.weight", "50", "CPUWeight t 50" },
        { "cpu.weight", "20000", "" },
        { "cpu.idle", "1", "CPUWeight t 0" },
        { "cpu.idle", "0", "" },
        { "cpu.max", "50000 100000", "CPUQuotaPerSecUSec t 500000; CPUQuotaPeriodUSec t 100000" },
        { "cpu.max", "1001 100000", "CPUQuotaPerSecUSec t 20000; CPUQuotaPeriodUSec t 100000" },
        { "cpu.max", "1000 3000", "CPUQuotaPerSecUSec t 340000; CPUQuotaPeriodUSec t 3000" },
        { "cpu.max", "max 5000", "CPUQuotaPerSecUSec t -1; CPUQuotaPeriodUSec t 5000" },
        { "cpu.max", "max", "CPUQuotaPerSecUSec t -1; CPUQuotaPeriodUSec t 100000" },
        { "cpu.max", "250000", "CPUQuotaPerSecUSec t 2500000; CPUQuotaPeriodUSec t 100000" },
        { "cpu.max", "5 0", "" },
        { "cpu.max", "", "" },
        { "cpuset.cpus", "0-2,9", "AllowedCPUs ay 7 2" },
        { "cpuset.cpus", "64", "AllowedCPUs ay 0 0 0 0 0 0 0 0 1" },
        { "cpuset.mems", "1", "AllowedMemoryNodes ay 2" },
        { "cpuset.cpus", "", "" },
        { "cpuset.cpus", "0-7:2/4", "" },
        { "io.weight", "default 7", "IOWeight t 7" },
        { "io.weight", "7", "IOWeight t 7" },
        { "io.weight", "8:16 7", "IODeviceWeight a(st) </dev/block/8:16>=7" },
        { "io.max", "8:0 rbps=5", "" },
        { "pids.max", "64", "TasksMax t 64" },
        { "pids.max", "1", "TasksMax t 4" },
        { "pids.max", "max", "TasksMax t -1" },
};

static void test_limits(void) {
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
                CHECK_STR(limit(limits[i].file, limits[i].value), limits[i].shown);
}

/* -- the whole unit -- */

static struct build *build_of(const char *linux_, const char *annotations, const char *probe) {
        struct build *b = plan_case_build(
                &(struct plan_case){ .process = USER(0, 0),
                                     .linux_ = linux_,
                                     .rest = annotations ? str_format("\"annotations\":{%s}", annotations) : NULL,
                                     .probe = probe });
        struct plan_options *options = arena_memdup(b->options, sizeof(*b->options));
        options->driver = DRIVER_SYSTEMD;
        b->options = options;
        return b;
}

static const struct unit_property *property(const struct build *b, const char *name) {
        const struct unit_property *found = NULL;
        for (size_t i = 0; b->plan->unit && i < b->plan->unit->properties.n; i++)
                if (str_eq(b->plan->unit->properties.at[i].name, name)) {
                        CHECK(!found);
                        found = &b->plan->unit->properties.at[i];
                }
        return found;
}

static void test_unit(void) {
        struct build *b = build_of(NULL, NULL, NULL);
        CHECK(plan_resources(b) == 0 && plan_unit(b) == 0 && b->plan->unit);
        CHECK_STR(b->plan->unit->slice, "system.slice");
        CHECK_STR(b->plan->unit->subgroup, "container");
        CHECK(!b->plan->unit->is_user);
        CHECK_STR(shown(property(b, "TasksMax")), "TasksMax t -1");
        CHECK_STR(shown(property(b, "Delegate")), "Delegate b 1");
        b = build_of(NULL, NULL, "rootless");
        CHECK(plan_unit(b) == 0 && b->plan->unit->is_user);
        CHECK_STR(b->plan->unit->slice, "user.slice");
        b = build_of(
                "\"resources\":{\"memory\":{\"limit\":5},\"unified\":{\"memory.max\":\"6\"},\"pids\":{\"limit\":9}}",
                "\"org.systemd.property.TasksMax\":\"7\",\"run.oci.systemd.subgroup\":\"\"", NULL);
        CHECK(plan_resources(b) == 0 && plan_unit(b) == 0);
        CHECK_STR(shown(property(b, "MemoryMax")), "MemoryMax t 6");
        CHECK_STR(shown(property(b, "TasksMax")), "TasksMax t 7");
        CHECK_STR(b->plan->unit->subgroup, "");
        struct plan_options *options = arena_memdup(b->options, sizeof(*b->options));
        options->driver = DRIVER_CGROUPFS;
        b->options = options;
        b->plan->unit = NULL;
        CHECK(plan_unit(b) == 0 && !b->plan->unit);
}

static void test_refused_annotations(void) {
        static const char *const refused[] = { "Delegate",    "PIDs",          "Slice",         "DevicePolicy",
                                               "DeviceAllow", "SuccessAction", "FailureAction", "BPFProgram" };
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                const char *place = str_format("annotations[\"org.systemd.property.%s\"]: not to be set: ", refused[i]);
                struct build *b = build_of(NULL, str_format("\"org.systemd.property.%s\":\"'x'\"", refused[i]), NULL);
                check_words(plan_unit(b), place);
        }
        CHECK_FAIL(plan_unit(build_of(NULL, "\"org.systemd.property.\":\"1\"", NULL)), "no property of systemd has");
        CHECK_FAIL(plan_unit(build_of(NULL, "\"org.systemd.property.A-B\":\"1\"", NULL)), "no property of systemd has");
        CHECK_FAIL(plan_unit(build_of(NULL, "\"org.systemd.property.After\":\"[\"", NULL)),
                   "annotations[\"org.systemd.property.After\"]: column 2 of \"[\"");
        CHECK_FAIL(plan_unit(build_of(NULL, "\"run.oci.systemd.subgroup\":\"a/b\"", NULL)),
                   "annotations[\"run.oci.systemd.subgroup\"]: a/b: the name of one cgroup expected");
        CHECK_FAIL(plan_unit(build_of(NULL, "\"run.oci.systemd.subgroup\":\"..\"", NULL)), "the name of one cgroup");
}

int main(void) {
        test_names();
        test_slices();
        test_values();
        test_limits();
        test_unit();
        test_refused_annotations();
        return test_done();
}
