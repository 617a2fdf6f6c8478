/* linux.intelRdt on an ordinary folder: what is made, compared, written and removed.  No kernel is imitated: where
 * resctrl would put files into a new group, the test does, and an ordinary file keeps the last line written to it. */
#include "runtime/host/rdt.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static int root = -1;

static void put(const char *path, const char *words) {
        autofd fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        CHECK(fd >= 0 && write_fd(fd, words, strlen(words)) == 0);
}

static const char *get(const char *path) {
        char *text;
        return read_file_at(root, path, 4096, &text, NULL) == 0 ? text : err_message();
}

static void folder(const char *path) {
        CHECK_INT(mkdirat(root, path, 0755), 0);
}

static void test_matches(void) {
        static const char schemata[] = "    MB:0=100;1= 90\n    L3:0=fffff;1=7f0\nL3CODE:0=f\n  SMBA:0=2048\n";
        static const struct {
                const char *line;
                bool is_so;
        } rows[] = {
                { "L3:0=fffff;1=7f0", true },
                { "L3:1=07F0", true },
                { "L3:0=FFFFF;", true },
                { "MB:0=100", true },
                { "MB: 1=90 ; 0=100", true },
                { "SMBA:0=2048", true },
                { "L3CODE:0=f", true },
                { "L3:0=ffff", false },
                { "L3:2=f", false },
                { "L3:0=fffff;2=f", false },
                { "MB:0=64", false }, /* which is 100, read as if it were hexadecimal */
                { "L2:0=f", false },
                { "L3:", false },
                { "L3", false },
                { "", false },
                { "L3:0=", false },
                { "L3:x=f", false },
                { "L3:0=fffffz", false },
                { "L3:-1=f", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_ROW(rdt_matches(schemata, rows[i].line) == rows[i].is_so, rows[i].line);
        CHECK(!rdt_matches("", "L3:0=f") && !rdt_matches("L3:", "L3:0=f") && !rdt_matches("L3:0=f;junk", "L3:1=f"));
}

static struct plan_rdt wanted(const char *group, bool may_make, const char *l3, const char *mb, const char *other) {
        struct oci_intel_rdt config = { .l3_cache_schema = l3, .mem_bw_schema = mb };
        struct plan_rdt rdt = { .group = group, .may_make = may_make };
        if (other)
                strv_add(&config.schemata, other);
        plan_rdt_lines(&config, &rdt);
        return rdt;
}

static void test_order(void) {
        struct plan_rdt rdt = wanted("a", true, "L3:0=f", "MB:0=20", "L2:0=1");
        CHECK_INT(rdt.lines.n, 3);
        CHECK_STR(rdt.lines.at[0].text, "L3:0=f");
        CHECK_STR(rdt.lines.at[1].text, "MB:0=20");
        CHECK_STR(rdt.lines.at[2].text, "L2:0=1");
        CHECK(rdt.lines.at[0].must_match && rdt.lines.at[1].must_match && !rdt.lines.at[2].must_match);
        CHECK_STR(rdt.lines.at[2].place, "linux.intelRdt.schemata[0]");
}

static void test_new_group(void) {
        struct plan_rdt rdt = wanted("web", true, NULL, NULL, NULL);
        struct rdt_made made;
        CHECK_INT(rdt_make(root, &rdt, &made), 0);
        CHECK_STR(made.group, "web");
        CHECK(!made.monitor && rdt_exists(root, "web"));
        CHECK_FAIL(rdt_enter(root, "web", NULL, 42), "linux.intelRdt: put process 42 into web");
        put("web/tasks", "");
        CHECK_INT(rdt_enter(root, "web", NULL, 42), 0);
        CHECK_STR(get("web/tasks"), "42\n");
        CHECK_INT(unlinkat(root, "web/tasks", 0), 0);
        CHECK_INT(rdt_remove(root, "web", NULL, false), 0);
        CHECK(rdt_exists(root, "web"));
        CHECK_INT(rdt_remove(root, "web", NULL, true), 0);
        CHECK(!rdt_exists(root, "web"));
        CHECK_INT(rdt_remove(root, "web", "web", true), 0); /* all gone by themselves */
}

static void test_missing_group(void) {
        struct plan_rdt rdt = wanted("none", false, NULL, NULL, NULL);
        struct rdt_made made;
        CHECK_FAIL(rdt_make(root, &rdt, &made), "linux.intelRdt.closID: there is no group none");
        CHECK(!made.group && !rdt_exists(root, "none"));
}

static void test_existing_group(void) {
        struct rdt_made made;
        folder("gold");
        put("gold/schemata", "    L3:0=ff\n    MB:0=100\n");
        struct plan_rdt same = wanted("gold", true, "L3:0=ff", "MB:0=100", NULL);
        CHECK_INT(rdt_make(root, &same, &made), 0);
        CHECK(!made.group);
        put("gold/schemata", "    L3:0=ff\n    MB:0=100\n");
        struct plan_rdt other = wanted("gold", true, "L3:0=ff", "MB:0=50", NULL);
        CHECK_FAIL(rdt_make(root, &other, &made),
                   "linux.intelRdt.memBwSchema: the group gold exists and has other schemata");
        CHECK_STR(get("gold/schemata"), "    L3:0=ff\n    MB:0=100\n");
        /* schemata is not compared but written, and last */
        struct plan_rdt last = wanted("gold", true, "L3:0=ff", NULL, "MB:0=70");
        put("gold/schemata", "L3:0=ff");
        CHECK_INT(rdt_make(root, &last, &made), 0);
        CHECK_STR(get("gold/schemata"), "MB:0=70\n");
        CHECK_STR(get("info/last_cmd_status"), "mask f00f has non-consecutive 1-bits\n");
}

/* A line that the kernel does not take: the words are the config's, the line's and the kernel's. */
static void test_refused(void) {
        struct rdt_made made;
        folder("bad");
        put("bad/schemata", "L3:0=ff\n");
        CHECK_INT(fchmodat(root, "bad/schemata", 0444, 0), 0);
        struct plan_rdt rdt = wanted("bad", true, NULL, NULL, "L3:0=f00f");
        folder("gone");
        CHECK_FAIL(rdt_set(root, "gone", &rdt, NULL), "linux.intelRdt: the group gone");
        /* root writes to read-only files: a folder in its place cannot be written by anybody */
        CHECK_INT(unlinkat(root, "bad/schemata", 0), 0);
        folder("bad/schemata");
        CHECK_FAIL(rdt_make(root, &rdt, &made), "bad/schemata");
}

static void test_monitor(void) {
        struct plan_rdt rdt = wanted(".", true, NULL, NULL, NULL);
        struct rdt_made made;
        rdt.monitor = "web";
        CHECK_FAIL(rdt_make(root, &rdt, &made),
                   "linux.intelRdt.enableMonitoring: make the group ./mon_groups/web: No such file or directory (mask "
                   "f00f has non-consecutive 1-bits)");
        CHECK(!made.monitor);
        folder("mon_groups");
        CHECK_INT(rdt_make(root, &rdt, &made), 0);
        CHECK_STR(made.monitor, "web");
        CHECK(!made.group && rdt_monitor_exists(root, ".", "web"));
        CHECK_FAIL(rdt_make(root, &rdt, &made), "File exists");
        put("tasks", "");
        put("mon_groups/web/tasks", "");
        CHECK_INT(rdt_enter(root, ".", "web", 7), 0);
        CHECK_STR(get("tasks"), "7\n");
        CHECK_STR(get("mon_groups/web/tasks"), "7\n");
        CHECK_INT(unlinkat(root, "mon_groups/web/tasks", 0), 0);
        CHECK_INT(rdt_remove(root, ".", "web", false), 0);
        CHECK(!rdt_monitor_exists(root, ".", "web"));
}

/* What delete does when the record cannot be read. */
static void test_unrecorded(void) {
        struct oci_intel_rdt own = { .enable_monitoring = { true, true } }, named = { .clos_id = "gold" };
        folder("web");
        folder("web/mon_groups");
        folder("web/mon_groups/web");
        put("web/tasks", "42\n");
        CHECK_INT(rdt_remove_unrecorded(root, &own, "web"), 0);
        CHECK(rdt_exists(root, "web") && !rdt_monitor_exists(root, "web", "web"));
        CHECK_INT(unlinkat(root, "web/tasks", 0), 0);
        CHECK_INT(unlinkat(root, "web/mon_groups", AT_REMOVEDIR), 0);
        CHECK_INT(rdt_remove_unrecorded(root, &own, "web"), 0);
        CHECK(!rdt_exists(root, "web"));
        CHECK_INT(rdt_remove_unrecorded(root, &named, "web"), 0);
        CHECK(rdt_exists(root, "gold"));
}

static void test_update(void) {
        const char *before = NULL;
        folder("up");
        put("up/schemata", "    L3:0=ff\n");
        struct plan_rdt rdt = wanted("up", true, "L3:0=0f", NULL, NULL);
        CHECK_INT(rdt_set(root, "up", &rdt, &before), 0);
        CHECK_STR(get("up/schemata"), "L3:0=0f\n=ff\n"); /* an ordinary file: the end of the longer line stays */
        CHECK_STR(before, "    L3:0=ff\n");
        put("up/schemata", "");
        rdt_restore(root, "up", before);
        CHECK_STR(get("up/schemata"), "L3:0=ff\n");
}

int main(void) {
        char path[] = "/tmp/rdt_test.XXXXXX";
        CHECK(mkdtemp(path));
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(root >= 0);
        folder("info");
        put("info/last_cmd_status", "mask f00f has non-consecutive 1-bits\n");
        test_matches();
        test_order();
        test_new_group();
        test_missing_group();
        test_existing_group();
        test_refused();
        test_monitor();
        test_unrecorded();
        test_update();
        root = fd_close(root);
        autofd tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(remove_tree_at(tmp, path + sizeof("/tmp/") - 1), 0);
        return test_done();
}
