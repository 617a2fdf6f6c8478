/* linux.resources become exactly these writes, in this order, or a refusal with the place. */
#include "runtime/plan/resources.h"
#include "tests/unit/plan_case.h"

/* "memory.max=1 [memory]" for each write, in order. */
static const char *writes(const struct plan *plan) {
        struct strv lines = { 0 };
        for (size_t i = 0; i < plan->cgroup_writes.n; i++) {
                const struct cgroup_write *w = &plan->cgroup_writes.at[i];
                const char *line = str_format("%s=%s", w->file, w->value);
                if (w->or_file)
                        line = str_format("%s or %s=%s", line, w->or_file, w->or_value);
                strv_add(&lines, line);
        }
        return lines.n ? str_join(&lines, "; ") : "";
}

struct resource_case {
        const char *resources, *writes, *controllers, *warnings;
};

static const struct resource_case good[] = {
        { "", "", "", "" },
        { "\"memory\":{\"limit\":1073741824}", "memory.max=1073741824", "memory", "" },
        { "\"memory\":{\"limit\":-1,\"swap\":-1}", "memory.max=max; memory.swap.max=max", "memory", "" },
        { "\"memory\":{\"limit\":100,\"swap\":300,\"reservation\":50}",
          "memory.max=100; memory.swap.max=200; memory.low=50", "memory", "" },
        { "\"memory\":{\"limit\":100,\"swap\":100}", "memory.max=100; memory.swap.max=0", "memory", "" },
        { "\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0}", "", "", "" },
        { "\"memory\":{\"swap\":-1}", "memory.swap.max=max", "memory", "" },
        { "\"memory\":{\"kernelTCP\":5,\"disableOOMKiller\":true}", "", "",
          "linux.resources.memory.kernelTCP: cgroup v2 has no such limit, left out; "
          "linux.resources.memory.disableOOMKiller: cgroup v2 cannot do without it, left out" },
        { "\"memory\":{\"disableOOMKiller\":false,\"useHierarchy\":true,\"checkBeforeUpdate\":true}", "", "", "" },
        { "\"cpu\":{\"shares\":1024}", "cpu.weight=100", "cpu", "" },
        { "\"cpu\":{\"shares\":0}", "", "", "" },
        { "\"cpu\":{\"quota\":50000}", "cpu.max=50000 100000", "cpu", "" },
        { "\"cpu\":{\"quota\":50000,\"period\":20000,\"burst\":1000}", "cpu.max=50000 20000; cpu.max.burst=1000", "cpu",
          "" },
        { "\"cpu\":{\"quota\":-1,\"period\":20000}", "cpu.max=max 20000", "cpu", "" },
        { "\"cpu\":{\"quota\":0,\"period\":0}", "", "", "" },
        { "\"cpu\":{\"period\":20000}", "cpu.max=max 20000", "cpu", "" },
        { "\"cpu\":{\"idle\":1,\"shares\":5}", "cpu.idle=1", "cpu",
          "linux.resources.cpu.shares: an idle group has no weight, left out" },
        { "\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\",\"shares\":2}", "cpu.weight=1; cpuset.cpus=0-1; cpuset.mems=0",
          "cpu cpuset", "" },
        { "\"cpu\":{\"cpus\":\"\",\"mems\":\"\"}", "", "", "" },
        { "\"pids\":{\"limit\":0}", "pids.max=1", "pids", "" },
        { "\"pids\":{\"limit\":-1}", "pids.max=max", "pids", "" },
        { "\"blockIO\":{\"weight\":10}", "io.bfq.weight=10 or io.weight=default 1", "io", "" },
        { "\"blockIO\":{\"weight\":1000,\"weightDevice\":[{\"major\":8,\"minor\":16,\"weight\":500}]}",
          "io.bfq.weight=1000 or io.weight=default 10000; io.bfq.weight=8:16 500 or io.weight=8:16 4950", "io", "" },
        { "\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}],"
          "\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}],"
          "\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":8}],"
          "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":9}]}",
          "io.max=8:0 rbps=7; io.max=8:0 wbps=max; io.max=8:1 riops=8; io.max=8:1 wiops=9", "io", "" },
        { "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]",
          "hugetlb.2MB.rsvd.max=4194304 or hugetlb.2MB.max=4194304", "hugetlb", "" },
        { "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000},\"mlx4_0\":{\"hcaObjects\":1},\"rxe3\":{}}",
          "rdma.max=mlx5_1 hca_handle=3 hca_object=10000; rdma.max=mlx4_0 hca_object=1", "rdma", "" },
        { "\"unified\":{\"memory.high\":\"5\",\"cgroup.max.depth\":\"0\",\"memory.oom.group\":\"1\",\"new.thing\":\" x "
          "\"}",
          "memory.high=5; cgroup.max.depth=0; memory.oom.group=1; new.thing= x ", "memory new", "" },
        { "\"unified\":{\"io.max\":\"259:0 rbps=2097152 wiops=120\\n253:0 rbps=max\\n\",\"cpuset.cpus\":\"\"}",
          "io.max=259:0 rbps=2097152 wiops=120; io.max=253:0 rbps=max; cpuset.cpus=", "io cpuset", "" },
        { "\"unified\":{\"misc.max\":\"sev 1\",\"cgroup.pressure\":\"0\",\"cgrouplike.x\":\"1\"}",
          "misc.max=sev 1; cgroup.pressure=0; cgrouplike.x=1", "misc cgrouplike", "" },
        { "\"memory\":{\"limit\":9},\"pids\":{\"limit\":3},\"unified\":{\"memory.max\":\"7\"}",
          "memory.max=9; pids.max=3; memory.max=7", "memory pids", "" },
};

static const struct {
        const char *resources, *words;
} bad[] = {
        { "\"memory\":{\"swappiness\":60}", "linux.resources.memory.swappiness: cgroup v2 has no such limit" },
        { "\"memory\":{\"swap\":5}", "linux.resources.memory.swap" },
        { "\"memory\":{\"swap\":5,\"limit\":-1}", "linux.resources.memory.swap" },
        { "\"memory\":{\"swap\":5,\"limit\":6}", "linux.resources.memory.swap: 5 is less than memory.limit 6" },
        { "\"cpu\":{\"realtimeRuntime\":5}", "linux.resources.cpu.realtimeRuntime: cgroup v2 has no such limit" },
        { "\"cpu\":{\"realtimePeriod\":5}", "linux.resources.cpu.realtimePeriod: cgroup v2 has no such limit" },
        { "\"network\":{\"classID\":5}", "linux.resources.network.classID: cgroup v2 has no such limit" },
        { "\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":1}]}", "linux.resources.network.priorities" },
        { "\"blockIO\":{\"leafWeight\":5}", "linux.resources.blockIO.leafWeight" },
        { "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"leafWeight\":5}]}",
          "linux.resources.blockIO.weightDevice[0].leafWeight" },
        { "\"unified\":{\"../x.y\":\"1\"}", "linux.resources.unified" },
        { "\"unified\":{\"memory\":\"1\"}", "linux.resources.unified.memory" },
        { "\"unified\":{\".x\":\"1\"}", "linux.resources.unified" },
        { "\"unified\":{\"..\":\"1\"}", "linux.resources.unified" },
        { "\"unified\":{\"memory.max/../x\":\"1\"}", "linux.resources.unified.memory.max/../x: a file name, no path" },
        { "\"unified\":{\"a\\nb.c/d\":\"1\"}", "linux.resources.unified.a\\nb.c/d: a file name, no path" },
        { "\"unified\":{\"cgroup.procs\":\"1\"}", "linux.resources.unified.cgroup.procs: refused: " },
        { "\"unified\":{\"cgroup.threads\":\"1\"}", "linux.resources.unified.cgroup.threads: refused: " },
        { "\"unified\":{\"cgroup.kill\":\"1\"}", "linux.resources.unified.cgroup.kill: refused: " },
        { "\"unified\":{\"cgroup.freeze\":\"1\"}", "linux.resources.unified.cgroup.freeze: refused: " },
        { "\"unified\":{\"cgroup.type\":\"threaded\"}", "linux.resources.unified.cgroup.type: refused: " },
        { "\"unified\":{\"cgroup.subtree_control\":\"+pids\"}",
          "linux.resources.unified.cgroup.subtree_control: refused: " },
};

static struct build *build_of(const char *resources) {
        struct build *b = plan_case_build(&(struct plan_case){ .process = USER(0, 0) });
        struct oci_resources *parsed = arena_alloc(sizeof(*parsed));
        const char *text = str_format("{%s}", resources);
        /* Straight into the resources: the tables of the whole config refuse some of the bad ones earlier. */
        if (json_read(text, strlen(text), &oci_resources_type, &(struct json_read_options){ .strict = true }, parsed) <
            0)
                printf("# %s: %s\n", resources, err_message());
        b->config->linux_->resources = parsed;
        return b;
}

static void test_tables(void) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct build *b = build_of(good[i].resources);
                CHECK_ROW(plan_resources(b) == 0, good[i].resources);
                CHECK_STR(writes(b->plan), good[i].writes);
                CHECK_STR(b->plan->controllers.n ? str_join(&b->plan->controllers, " ") : "", good[i].controllers);
                CHECK_STR(plan_case_warnings(b->plan), good[i].warnings);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                err_clear();
                CHECK_ROW(plan_resources(build_of(bad[i].resources)) < 0 && strstr(err_message(), bad[i].words),
                          bad[i].words);
        }
}

/* 0 became a limit with 1.3. */
static void test_pids_of_old(void) {
        static const char *const versions[][2] = {
                { "1.0.0", "" },           { "1.0.2-dev", "" },        { "1.2.1", "" },
                { "1.3.0", "pids.max=1" }, { "1.12.0", "pids.max=1" }, { "1.3.0-rc.1+dev", "pids.max=1" },
        };
        for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
                struct build *b = build_of("\"pids\":{\"limit\":0}");
                struct oci_config config = *b->config;
                config.oci_version = versions[i][0];
                b->config = &config;
                CHECK(plan_resources(b) == 0);
                CHECK_STR(writes(b->plan), versions[i][1]);
        }
}

/* More than one growth of the list, every entry with its place. */
static void test_many(void) {
        struct strv limits = { 0 };
        for (int i = 0; i < 100; i++)
                strv_add(&limits, str_format("\"memory.x%d\":\"%d\"", i, i));
        struct build *b = build_of(str_format("\"unified\":{%s}", str_join(&limits, ",")));
        CHECK(plan_resources(b) == 0);
        size_t right = 0;
        for (size_t i = 0; i < b->plan->cgroup_writes.n; i++)
                right += str_eq(b->plan->cgroup_writes.at[i].value, str_format("%zu", i)) &&
                         str_eq(b->plan->cgroup_writes.at[i].place,
                                str_format("linux.resources.unified.memory.x%zu", i));
        CHECK_INT(right, 100);
}

/* Computed with sixty decimal digits from the formula; and the result never goes down. */
static void test_cpu_weight(void) {
        static const uint64_t pairs[][2] = { { 0, 1 },          { 1, 1 },          { 2, 1 },
                                             { 3, 2 },          { 4, 2 },          { 5, 2 },
                                             { 8, 3 },          { 10, 4 },         { 16, 5 },
                                             { 20, 6 },         { 50, 10 },        { 64, 12 },
                                             { 100, 17 },       { 102, 17 },       { 128, 21 },
                                             { 200, 29 },       { 204, 29 },       { 256, 35 },
                                             { 300, 39 },       { 409, 49 },       { 500, 58 },
                                             { 512, 59 },       { 600, 66 },       { 768, 80 },
                                             { 819, 84 },       { 1000, 99 },      { 1023, 100 },
                                             { 1024, 100 },     { 1025, 101 },     { 1100, 106 },
                                             { 1500, 136 },     { 2000, 170 },     { 2048, 174 },
                                             { 3000, 236 },     { 3072, 240 },     { 4000, 297 },
                                             { 4096, 303 },     { 5000, 356 },     { 8192, 532 },
                                             { 10000, 627 },    { 10240, 639 },    { 16384, 942 },
                                             { 20000, 1112 },   { 22000, 1204 },   { 32768, 1681 },
                                             { 50000, 2402 },   { 65536, 3023 },   { 100000, 4340 },
                                             { 102400, 4429 },  { 131072, 5478 },  { 200000, 7899 },
                                             { 250000, 9595 },  { 262000, 9996 },  { 262143, 10000 },
                                             { 262144, 10000 }, { 300000, 10000 }, { UINT64_MAX, 10000 } };
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
                CHECK_INT(resource_cpu_weight(pairs[i][0]), pairs[i][1]);
        size_t falls = 0;
        for (uint64_t shares = 2, last = 1; shares <= 262144; shares++) {
                uint64_t weight = resource_cpu_weight(shares);
                falls += weight < last || weight > 10000;
                last = weight;
        }
        CHECK_INT(falls, 0);
}

/* What a machine can give is known only where it was asked. */
static void test_quota_above(void) {
        static const struct {
                unsigned cpus;
                const char *cpu, *warning;
        } cases[] = {
                { 0, "\"quota\":900000000", "" },
                { 2, "\"quota\":200000", "" },
                { 2, "\"quota\":200001",
                  "linux.resources.cpu.quota: 200001 in each 100000 is more than the 2 processors here can give" },
                { 1, "\"quota\":20001,\"period\":20000",
                  "linux.resources.cpu.quota: 20001 in each 20000 is more than the 1 processor here can give" },
                { 4, "\"quota\":80000,\"period\":20000", "" },
                { 1, "\"quota\":-1,\"period\":20000", "" },
                { 2, "\"quota\":9223372036854775807",
                  "linux.resources.cpu.quota: 9223372036854775807 in each 100000 is more than the 2 processors here "
                  "can give" },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct build *b = build_of(str_format("\"cpu\":{%s}", cases[i].cpu));
                struct probe probe = *b->probe;
                probe.cpus = cases[i].cpus;
                b->probe = &probe;
                CHECK_ROW(plan_resources(b) == 0, cases[i].cpu);
                CHECK_STR(plan_case_warnings(b->plan), cases[i].warning);
        }
}

int main(void) {
        test_tables();
        test_pids_of_old();
        test_many();
        test_cpu_weight();
        test_quota_above();
        return test_done();
}
