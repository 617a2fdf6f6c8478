/* Limits changed all or none, on a cgroup of this test's own; without rights to make one nothing can be seen. */
#include "runtime/host/cgroup_change.h"
#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct probe *probe;

#define WRITE(file_, value_)                                                                                           \
        { .file = file_, .value = value_, .place = "linux.resources." file_ }

/* "5 max" of the two files that every cgroup has. */
static const char *now(const struct cgroup *cgroup) {
        static const char *const files[] = { "cgroup.max.depth", "cgroup.max.descendants" };
        struct strv values = { 0 };
        for (size_t i = 0; i < 2; i++) {
                char *text = NULL;
                CHECK_INT(read_file_at(cgroup->fd, files[i], 64, &text, NULL), 0);
                strv_add(&values, arena_strndup(text, strcspn(text, "\n")));
        }
        return str_join(&values, " ");
}

static int change_to(const struct cgroup *cgroup, struct cgroup_write *writes, size_t n, bool keep) {
        struct plan plan = { .cgroup_writes = { writes, n } };
        autochange change = CGROUP_CHANGE_NONE;
        int r = cgroup_change_prepare(cgroup, &plan, false, &change);
        if (r == 0)
                r = cgroup_change_make(&change);
        if (r == 0 && keep)
                cgroup_change_keep(&change);
        return r;
}

static void test_files(const struct cgroup *cgroup) {
        struct cgroup_write good[] = { WRITE("cgroup.max.depth", "5"), WRITE("cgroup.max.descendants", "9") };
        struct cgroup_write twice[] = { WRITE("cgroup.max.depth", "6"), WRITE("cgroup.max.depth", "7") };
        struct cgroup_write bad[] = { WRITE("cgroup.max.depth", "8"), WRITE("cgroup.max.descendants", "many") };
        struct cgroup_write blind[] = { WRITE("cgroup.kill", "1"), WRITE("cgroup.max.depth", "many") };
        struct cgroup_write last[] = { WRITE("cgroup.max.depth", "4"), WRITE("cgroup.kill", "no") };
        CHECK_INT(change_to(cgroup, good, 2, true), 0);
        CHECK_STR(now(cgroup), "5 9");
        CHECK_INT(change_to(cgroup, twice, 2, false), 0); /* not kept: both go back */
        CHECK_STR(now(cgroup), "5 9");
        CHECK_INT(change_to(cgroup, bad, 2, true), -EINVAL);
        CHECK_STR(err_message(), "linux.resources.cgroup.max.descendants: write many to cgroup.max.descendants of the "
                                 "cgroup: Invalid argument");
        CHECK_STR(now(cgroup), "5 9");
        CHECK_INT(change_to(cgroup, blind, 2, true), -EINVAL);
        CHECK(str_ends(err_message(), ": Invalid argument; not brought back: cgroup.kill (it could not be read)"));
        CHECK_INT(change_to(cgroup, last, 2, true), -EINVAL); /* what was refused need not come back */
        CHECK(str_ends(err_message(), "write no to cgroup.kill of the cgroup: Invalid argument"));
        CHECK_STR(now(cgroup), "5 9");
        CHECK_INT(change_to(cgroup, NULL, 0, true), 0);
}

/* Of two files the one that is there; a caller's own loss is told with ours. */
static void test_way_back(const struct cgroup *cgroup) {
        struct cgroup_write other[] = {
                { .file = "no.such.file", .value = "1", .or_file = "cgroup.max.depth", .or_value = "3", .place = "x" }
        };
        struct plan plan = { .cgroup_writes = { other, 1 } };
        struct cgroup_change change;
        CHECK_INT(cgroup_change_prepare(cgroup, &plan, false, &change), 0);
        const struct plan *back = cgroup_change_back(&change);
        CHECK_INT(back->cgroup_writes.n, 1);
        CHECK_STR(back->cgroup_writes.at[0].file, "cgroup.max.depth");
        CHECK_STR(back->cgroup_writes.at[0].value, "5");
        CHECK_STR(now(cgroup), "5 9");
        CHECK_INT(cgroup_change_make(&change), 0);
        CHECK_STR(now(cgroup), "3 9");
        (void)fail_hint(fail_words(EIO, "the reason"), "the cure");
        strv_add(&change.lost, "the rest (gone)");
        cgroup_change_release(&change);
        CHECK_STR(now(cgroup), "5 9");
        CHECK_STR(err_message(), "the reason; not brought back: the rest (gone)");
        CHECK_STR(err_hint(), "the cure");
        cgroup_change_release(&change); /* once is enough */
        CHECK_STR(now(cgroup), "5 9");
}

static unsigned filters(const struct cgroup *cgroup) {
        union {
                union bpf_attr attr;
                char room[1024];
        } request;
        uint32_t ids[64];
        memset(&request, 0, sizeof(request));
        request.attr.query.target_fd = (uint32_t)cgroup->fd;
        request.attr.query.attach_type = BPF_CGROUP_DEVICE;
        request.attr.query.prog_ids = (uintptr_t)ids;
        request.attr.query.prog_cnt = 64;
        CHECK(syscall(SYS_bpf, BPF_PROG_QUERY, &request, sizeof(request.attr)) == 0);
        return request.attr.query.prog_cnt;
}

static size_t open_fds(void) {
        size_t n = 0;
        DIR *folder = opendir("/proc/self/fd");
        while (folder && readdir(folder))
                n++;
        if (folder)
                (void)closedir(folder);
        return n;
}

static bool opens_null(const struct cgroup *cgroup) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
                int self = openat(cgroup->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
                _exit(write(self, "0", 1) == 1 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 1);
        }
        return waitpid(pid, &status, 0) == pid && status == 0;
}

static int change_filter(const struct cgroup *cgroup, struct plan *plan, bool keep) {
        autochange change = CGROUP_CHANGE_NONE;
        int r = cgroup_change_prepare(cgroup, plan, true, &change);
        if (r == 0)
                r = cgroup_change_make(&change);
        if (r == 0 && keep)
                cgroup_change_keep(&change);
        return r;
}

/* One program at every moment, however often it is replaced, brought back or refused. */
static void test_filters(const struct cgroup *cgroup) {
        struct bpf_insn insns[2][2] = { { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 }, { BPF_JMP | BPF_EXIT } },
                                        { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 }, { BPF_JMP | BPF_EXIT } } };
        struct bpf_insn broken[1] = { { .code = 0xff } };
        struct plan deny = { .device_filter = insns[0], .device_filter_count = 2 };
        struct plan allow = { .device_filter = insns[1], .device_filter_count = 2 };
        struct plan bad = { .device_filter = broken, .device_filter_count = 1 }, none = { 0 };
        size_t fds = open_fds(), wrong = 0;
        CHECK_INT(change_filter(cgroup, &deny, true), 0);
        for (int i = 0; i < 200; i++)
                wrong += change_filter(cgroup, i % 2 ? &deny : &allow, i % 4 > 1) < 0;
        CHECK_INT(wrong, 0);
        CHECK_INT(filters(cgroup), 1);
        CHECK(!opens_null(cgroup)); /* the last that was kept */
        CHECK_INT(change_filter(cgroup, &allow, false), 0);
        CHECK(!opens_null(cgroup));
        CHECK_FAIL(change_filter(cgroup, &bad, true), "linux.resources.devices: load the device filter");
        CHECK(!opens_null(cgroup));
        CHECK_INT(change_filter(cgroup, &none, false), 0);
        CHECK(!opens_null(cgroup));
        CHECK_INT(change_filter(cgroup, &none, true), 0);
        CHECK_INT(filters(cgroup), 0);
        CHECK(opens_null(cgroup));
        CHECK_INT(change_filter(cgroup, &deny, false), 0); /* and back to none */
        CHECK_INT(filters(cgroup), 0);
        CHECK_INT(open_fds(), fds);
}

int main(void) {
        struct plan plan = { 0 };
        probe = probe_get();
        if (!probe->is_root || !probe->cgroup_root || access(probe->cgroup_root, W_OK) < 0) {
                printf("ok %d - limits are changed # SKIP no rights to make a cgroup\n", ++test_count);
                return test_done();
        }
        autocgroup cgroup = CGROUP_NONE;
        const char *path = str_format("/rundlet-update-test-%d", (int)getpid());
        CHECK_INT(cgroup_make(probe, &plan, path, "/state/update", &cgroup), 0);
        test_files(&cgroup);
        test_way_back(&cgroup);
        test_filters(&cgroup);
        return test_done();
}
