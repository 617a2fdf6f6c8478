/* What is read out of a cgroup's files, whatever stands in them; durations; how it looks. */
#include "runtime/cli/cli.h"
#include "runtime/cli/stats_view.h"
#include "runtime/host/cgroup_stats.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int folder = -1;

static void put(const char *file, const char *words) {
        CHECK_INT(replace_file_at(folder, file, 0644, words, strlen(words)), 0);
}

static const char *read_json(void) {
        struct oci_stats stats;
        return cgroup_stats(folder, &stats) == 0 ? json_write(&stats, &oci_stats_type, false) : err_message();
}

#define NO_CPU "{\"cpu\":{},"

static void test_little(void) {
        struct oci_stats stats;
        CHECK_INT(cgroup_stats(folder, &stats), -ENOENT); /* the folder of a cgroup that is gone is empty */
        put("cpu.stat", "");
        CHECK_STR(read_json(), NO_CPU "\"memory\":{},\"pids\":{},\"blkio\":{},\"hugetlb\":{}}");
        put("io.stat", "");
        struct oci_stats idle;
        CHECK(cgroup_stats(folder, &idle) == 0 && idle.blkio.is_counted && idle.blkio.devices.n == 0);
        CHECK_INT(unlinkat(folder, "io.stat", 0), 0);
        CHECK(cgroup_stats(folder, &idle) == 0 && !idle.blkio.is_counted);
        put("cpu.stat", "usage_usec 3\nuser_usec 2\nsystem_usec 1\n"); /* without the cpu controller */
        CHECK_STR(read_json(), "{\"cpu\":{\"usage\":{\"total\":3000,\"kernel\":1000,\"user\":2000}},\"memory\":{},"
                               "\"pids\":{},\"blkio\":{},\"hugetlb\":{}}");
}

static void put_everything(void) {
        put("cpu.stat", "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\ncore_sched.force_idle_usec 0\n"
                        "nr_periods 10\nnr_throttled 4\nthrottled_usec 70\nnr_bursts 2\nburst_usec 9\n");
        put("cpu.pressure", "some avg10=1.25 avg60=0.50 avg300=0.00 total=777\n"
                            "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
        put("memory.current", "4096\n");
        put("memory.max", "max\n");
        put("memory.peak", "8192\n");
        put("memory.swap.current", "100\n");
        put("memory.swap.max", "1000\n");
        put("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
        put("memory.swap.events", "high 7\nmax 8\nfail 9\n");
        put("memory.stat", "anon 10\nfile 20\n");
        put("pids.current", "3\n");
        put("pids.max", "max\n");
        put("pids.events", "max 11\n");
        put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n"
                       "8:16 \n"
                       "7:1 7:2 rbytes=8 wbytes=9 rios=0 wios=0 dbytes=0 dios=0\n");
        put("hugetlb.2MB.current", "2097152\n");
        put("hugetlb.2MB.events", "max 12\n");
        put("hugetlb.2MB.rsvd.current", "1\n");
}

static void test_everything(void) {
        struct oci_stats stats;
        put_everything();
        CHECK_INT(cgroup_stats(folder, &stats), 0);
        CHECK_STR(json_write(&stats.cpu, oci_stats_type.fields[0].sub, false),
                  "{\"usage\":{\"total\":5000000000,\"kernel\":1000000000,\"user\":4000000000},"
                  "\"throttling\":{\"periods\":10,\"throttledPeriods\":4,\"throttledTime\":70000},"
                  "\"burst\":{\"bursts\":2,\"burstTime\":9000},"
                  "\"psi\":{\"some\":{\"avg10\":1.25,\"avg60\":0.50,\"avg300\":0.00,\"total\":777},"
                  "\"full\":{\"avg10\":0.00,\"avg60\":0.00,\"avg300\":0.00,\"total\":0}}}");
        CHECK_STR(json_write(&stats.memory, oci_stats_type.fields[1].sub, false),
                  "{\"cache\":20,\"usage\":{\"limit\":18446744073709551615,\"usage\":4096,\"max\":8192,\"failcnt\":3},"
                  "\"swap\":{\"limit\":18446744073709551615,\"usage\":4196},"
                  "\"swapOnly\":{\"limit\":1000,\"usage\":100,\"failcnt\":8},"
                  "\"events\":{\"low\":1,\"high\":2,\"max\":3,\"oom\":4,\"oom_kill\":5,\"oom_group_kill\":6},"
                  "\"swapEvents\":{\"high\":7,\"max\":8,\"fail\":9},\"raw\":{\"anon\":10,\"file\":20}}");
        CHECK_STR(json_write(&stats.pids, oci_stats_type.fields[2].sub, false),
                  "{\"current\":3,\"events\":{\"max\":11}}");
        CHECK_INT(stats.blkio.devices.n, 2);
        CHECK(stats.blkio.devices.at[1].major == 7 && stats.blkio.devices.at[1].minor == 2);
        CHECK_STR(json_write(&stats.blkio.bytes.at[1], oci_stats_type.fields[3].sub->fields[0].sub, false),
                  "{\"major\":8,\"minor\":0,\"op\":\"Write\",\"value\":2}");
        CHECK_INT(stats.blkio.bytes.n, 6);
        CHECK_INT(stats.blkio.operations.at[0].value, 3);
        CHECK_INT(stats.hugetlb.n, 1);
        CHECK_STR(stats.hugetlb.at[0].key, "2MB");
        CHECK(stats.hugetlb.at[0].usage.v == 2097152 && stats.hugetlb.at[0].failcnt.v == 12);
        put("memory.max", "5000\n");
        put("pids.max", "64\n");
        put("pids.peak", "5\n");
        CHECK_INT(cgroup_stats(folder, &stats), 0);
        CHECK_INT(stats.memory.swap.limit.v, 6000);
        CHECK(stats.pids.limit.v == 64 && stats.pids.peak.v == 5);
}

/* What is written reads as the same, as an event and as an element of a list. */
static void test_round_trip(void) {
        struct oci_stats stats;
        struct oci_event event = { .type = "stats", .id = "web", .data = &stats }, again;
        struct oci_container_stats element = { .id = "web" }, element_again;
        put_everything();
        CHECK_INT(cgroup_stats(folder, &stats), 0);
        const char *text = json_write(&event, &oci_event_type, false);
        CHECK_INT(json_read(text, strlen(text), &oci_event_type, &(struct json_read_options){ .strict = true }, &again),
                  0);
        CHECK_STR(json_write(&again, &oci_event_type, false), text);
        event = (struct oci_event){ .type = "oom", .id = "web" };
        CHECK_STR(json_write(&event, &oci_event_type, false), "{\"type\":\"oom\",\"id\":\"web\"}");
        element.stats = stats;
        text = json_write(&element, &oci_container_stats_type, false);
        CHECK_INT(json_read(text, strlen(text), &oci_container_stats_type,
                            &(struct json_read_options){ .strict = true }, &element_again),
                  0);
}

/* No kernel writes these; they are left out, and what is beside them is not. */
static void test_hostile(void) {
        struct oci_stats stats;
        put_everything();
        put("cpu.stat",
            "usage_usec 18446744073709551615\nuser_usec -1\nsystem_usec 0x10\nnr_periods\n\n \nnr_throttled  4\n"
            "throttled_usec 99999999999999999999999\nburst_usec 1 2\n");
        put("cpu.pressure",
            "some avg10=1e5 avg60=01.00 avg300=.5 total=x\nfull avg10=1.\"} avg60 =\nnone avg10=1.00\n");
        put("memory.current", "max\n");
        put("memory.stat", "an\"on 1\nfile\nx y\n\xff 2\n");
        put("io.stat", "::: rbytes=1\nrbytes=5\n8:0 rbytes= wbytes=-1\n9:9 =5 rbytes=7 rbytes\n99999999999999999999:0 "
                       "rios=1\n8:0=3 rios=2\n");
        put("hugetlb.2MB.current", "none\n");
        CHECK_INT(cgroup_stats(folder, &stats), 0);
        CHECK(stats.cpu.usage.total.v == UINT64_MAX && !stats.cpu.usage.user.set && !stats.cpu.usage.kernel.set);
        CHECK(!stats.cpu.throttling.periods.set && !stats.cpu.throttling.throttled_periods.set);
        CHECK(!stats.cpu.throttling.throttled_time.set && !stats.cpu.burst.burst_time.set);
        CHECK(!stats.cpu.psi.some.avg10.text && !stats.cpu.psi.some.avg60.text && !stats.cpu.psi.some.avg300.text);
        CHECK(!stats.cpu.psi.full.avg10.text && !stats.cpu.psi.some.total.set);
        CHECK(!stats.memory.usage.usage.set && !stats.memory.swap.usage.set);
        CHECK_STR(stats.memory.raw.text, "{\"an\\\"on\":1,\"\xef\xbf\xbd\":2}");
        CHECK_INT(stats.blkio.devices.n, 1);
        CHECK(stats.blkio.devices.at[0].major == 9 && stats.blkio.devices.at[0].rbytes.v == 7);
        CHECK_INT(stats.hugetlb.n, 0);

        char *large = arena_alloc((2u << 20) + 1);
        memset(large, '1', 2u << 20);
        put("memory.stat", large);
        CHECK_FAIL(cgroup_stats(folder, &stats), "read memory.stat of the cgroup: larger than");
        put("memory.stat", "file 1\n");
        CHECK_INT(unlinkat(folder, "pids.current", 0), 0);
        CHECK_INT(mkfifoat(folder, "pids.current", 0600), 0);
        CHECK_FAIL(cgroup_stats(folder, &stats), "read pids.current of the cgroup: not a regular file");
        CHECK_INT(unlinkat(folder, "pids.current", 0), 0);
        CHECK_INT(symlinkat("/proc/self/environ", folder, "pids.current"), 0);
        CHECK_FAIL(cgroup_stats(folder, &stats), "open pids.current of the cgroup");
        CHECK_INT(unlinkat(folder, "pids.current", 0), 0);
}

/* A watch ends with its process; a file in a folder gives no notices, so only the intervals come. */
static int count_notice(enum cgroup_notice notice, void *data) {
        struct {
                int pid, notices;
        } *watched = data;
        CHECK_INT(notice, CGROUP_INTERVAL);
        if (++watched->notices == 2)
                (void)kill(watched->pid, SIGKILL);
        return 0;
}

static int stop_at_once(enum cgroup_notice notice, void *data) {
        (void)notice;
        (void)data;
        return 7;
}

static int sleeper(void) {
        int pid = fork();
        if (pid == 0)
                for (;;)
                        (void)pause();
        return pid;
}

/* Memory runs out in the first interval, and the process ends of it. */
struct run_out {
        int pid, events, intervals, ooms;
        const char *after;
};

static int run_out(enum cgroup_notice notice, void *data) {
        struct run_out *run_out = data;
        if (notice == CGROUP_OOM) {
                run_out->ooms++;
                return 0;
        }
        if (run_out->intervals++ == 0) {
                CHECK(pwrite(run_out->events, run_out->after, strlen(run_out->after), 0) > 0);
                (void)kill(run_out->pid, SIGKILL);
        }
        return 0;
}

static void test_run_out(void) {
        static const struct {
                const char *before, *after;
                int ooms;
        } rows[] = {
                { "low 0\noom 1\noom_kill 1\n", "low 9\noom 1\noom_kill 1\n", 0 }, /* what was before is history */
                { "low 0\noom 1\noom_kill 1\n", "low 0\noom 2\noom_kill 2\n", 1 }, /* one notice for both */
                { "low 0\noom 0\noom_kill 0\n", "low 0\noom 0\noom_kill 3\n", 1 }, /* the machine's memory ran out */
                { "low 0\noom 0\noom_kill 0\n", "low 0\noom 1\noom_kill 0\n", 1 },
                { "low 0\nabc 0\nxyz_kill 0\n", "low 0\nabc 1\nxyz_kill 9\n", 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                put("memory.events", rows[i].before);
                autofd events = openat(folder, "memory.events", O_WRONLY | O_CLOEXEC);
                struct run_out watched = { .pid = sleeper(), .events = events, .after = rows[i].after };
                autofd pidfd = (int)syscall(SYS_pidfd_open, watched.pid, 0);
                CHECK_INT(cgroup_watch(folder, pidfd, 1000000, run_out, &watched), 0);
                CHECK_INT(watched.ooms, rows[i].ooms);
                CHECK_INT(waitpid(watched.pid, NULL, 0), watched.pid);
        }
}

static void test_watch(void) {
        struct {
                int pid, notices;
        } watched = { .pid = sleeper() };
        autofd pidfd = (int)syscall(SYS_pidfd_open, watched.pid, 0);
        CHECK_INT(unlinkat(folder, "memory.events", 0), 0); /* no memory controller */
        CHECK_INT(cgroup_watch(folder, pidfd, 1000000, stop_at_once, NULL), 7);
        CHECK_INT(cgroup_watch(folder, pidfd, 1000000, count_notice, &watched), 0);
        CHECK(watched.notices >= 2);
        CHECK_INT(waitpid(watched.pid, NULL, 0), watched.pid);
}

static void test_durations(void) {
        static const struct {
                const char *text;
                uint64_t ns; /* 0: refused */
        } rows[] = {
                { "5s", 5000000000 },
                { "500ms", 500000000 },
                { "1.5s", 1500000000 },
                { "1m30s", 90000000000 },
                { "1h", 3600000000000 },
                { "2000us", 2000000 },
                { "1ms", 1000000 },
                { "0.25m", 15000000000 },
                { "1.000000001s", 1000000001 },
                { "5000µs", 5000000 },
                { "1000000ns", 1000000 },
                { "0", 0 },
                { "", 0 },
                { "5", 0 },
                { "s", 0 },
                { "-1s", 0 },
                { "1 s", 0 },
                { "1s ", 0 },
                { "1d", 0 },
                { "0.5ms", 0 },
                { "1.s", 0 },
                { ".5s", 0 },
                { "1e3s", 0 },
                { "1s2", 0 },
                { "9999999999s", 0 },
                { "999999999h", 0 },
                { "3000000h", 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t ns = 0;
                int r = cli_duration("--interval", rows[i].text, &ns);
                CHECK_ROW((r == 0) == (rows[i].ns > 0) && ns == rows[i].ns, rows[i].text);
        }
        uint64_t ns;
        CHECK_FAIL(cli_duration("events --interval", "soon", &ns), "events --interval: soon: a duration is expected");
        CHECK_FAIL(cli_duration("events --interval", "0s", &ns), "events --interval: 0s: it must be 1ms or more");
}

static void test_cells(void) {
        struct oci_stats nothing = { 0 }, much = { 0 };
        struct opt_u64 some = { true, 1536 };
        much.memory.usage = (struct oci_memory_entry){ .usage = some, .limit = { true, 3072 } };
        much.memory.swap_only.usage = (struct opt_u64){ true, 200u << 20 };
        much.memory.events.oom_kill = (struct opt_u64){ true, 2 };
        much.pids = (struct oci_pids_stats){ .current = { true, 3 }, .limit = { true, 64 } };
        much.cpu.psi.some.avg10.text = "1.25";
        struct stats_row rows[] = {
                { .id = "b", .stats = &nothing },
                { .id = "busy", .stats = &much, .cpu_permille = { true, 1234 }, .read = some, .written = { true, 0 } },
                { .id = "a", .stats = &nothing },
        };
        size_t columns;
        stats_sort(rows, 3);
        struct strv cells = stats_cells(rows, 3, &columns);
        CHECK_INT(cells.n, 4 * columns);
        struct strv busy = { .at = cells.at + columns, .n = columns };
        struct strv idle = { .at = cells.at + 2 * columns, .n = columns };
        CHECK_STR(str_join(&busy, " "), "busy 123.4 1.5K 3.0K 50.0 200M 3/64 1.5K 0B - 1.25 - - 2");
        CHECK_STR(str_join(&idle, " "), "a - - - - - - - - - - - - -");
}

/* How many columns a terminal gives the longest line, and how many lines there are. */
static size_t columns_of(const char *screen, size_t *ret_lines) {
        size_t longest = 0, now = 0;
        *ret_lines = 1;
        for (const char *at = screen; *at; at++) {
                if (*at == '\033') {
                        while (!strchr("HKJmhl", *at))
                                at++;
                } else if (*at == '\n') {
                        ++*ret_lines;
                        now = 0;
                } else if (*at != '\r' && (*at & 0xc0) != 0x80) {
                        now++;
                }
                longest = now > longest ? now : longest;
        }
        return longest;
}

static void test_screen(void) {
        struct oci_stats stats = { 0 };
        stats.memory.usage = (struct oci_memory_entry){ .usage = { true, 900 }, .limit = { true, 1000 } };
        struct stats_row rows[40];
        for (size_t i = 0; i < 40; i++)
                rows[i] = (struct stats_row){ .id = str_format("%040zu\033[2J", i),
                                              .stats = &stats,
                                              .cpu_permille = { true, 25 * i } };
        struct stats_look look = { .has_colour = true, .has_blocks = true, .processors = 1 };
        bool fits = true;
        size_t lines;
        for (look.width = 1; look.width < 260; look.width++)
                for (look.height = 1; look.height < 60; look.height += 7) {
                        struct arena_mark mark = arena_mark();
                        fits = fits && columns_of(stats_screen(rows, 40, &look), &lines) <= look.width &&
                               lines <= look.height;
                        arena_rewind(&mark);
                }
        CHECK(fits);
        look.width = 120;
        look.height = 10;
        const char *screen = stats_screen(rows, 40, &look);
        CHECK(strstr(screen, "40 containers, q ends") && strstr(screen, "... 33 more"));
        CHECK(!strstr(screen, "\033[2J"));
        CHECK(strstr(screen, "\033[31m█") && strstr(screen, "900B") && !strchr(screen, '#'));
        look.has_colour = look.has_blocks = false;
        screen = stats_screen(rows, 1, &look);
        CHECK(strstr(screen, "###") && !strstr(screen, "[3") && strstr(screen, "1 container,"));
        look.height = 60;
        (void)columns_of(stats_screen(rows, 40, &look), &lines);
        CHECK_INT(lines, 42);
        CHECK(strstr(stats_screen(NULL, 0, &look), "0 containers"));
}

int main(void) {
        char path[] = "/tmp/rundlet-stats.XXXXXX";
        CHECK(mkdtemp(path));
        folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_little();
        test_everything();
        test_round_trip();
        test_hostile();
        test_run_out();
        test_watch();
        test_durations();
        test_cells();
        test_screen();
        folder = fd_close(folder);
        autofd tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(remove_tree_at(tmp, path + 5), 0);
        return test_done();
}
