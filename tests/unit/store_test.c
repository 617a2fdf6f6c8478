/* The state root on a temporary folder: claims, locks, records, and what is left of broken ones. */
#include "runtime/host/store.h"
#include "specs/base/arena.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static char root[] = "/tmp/rundlet-store-XXXXXX";

static void test_ids(void) {
        static const struct {
                const char *id;
                bool good;
        } rows[] = {
                { "a", true },    { "web-1", true },     { "_x", true },    { "+x.y", true }, { "-x", true },
                { "0", true },    { "a.b..c", true },    { "", false },     { ".", false },   { "..", false },
                { ".a", false },  { "a/b", false },      { "../a", false }, { "a b", false }, { "a\n", false },
                { "a:b", false }, { "\xc3\xa9", false }, { "a\\b", false }, { "a*", false },
        };
        char longest[258];
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                CHECK_ROW((store_check_id(rows[i].id) == 0) == rows[i].good, str_format("id \"%s\"", rows[i].id));
        memset(longest, 'a', sizeof(longest));
        longest[255] = '\0';
        CHECK_INT(store_check_id(longest), 0);
        longest[255] = 'a';
        longest[256] = '\0';
        CHECK_FAIL(store_check_id(longest), "longer than 255 bytes");
}

static struct container_record sample(const char *id) {
        return (struct container_record){
                .version = 1,
                .id = id,
                .bundle = "/b",
                .created = "2026-01-01T00:00:00Z",
                .phase = "creating",
                .boot_id = "boot",
                .cgroup_path = "/rundlet/x",
                .cgroup_driver = "cgroupfs",
        };
}

static void test_life(void) {
        struct store store;
        struct strv ids;
        struct container_record record = sample("web"), loaded, peeked;
        autoentry entry = ENTRY_NONE, again = ENTRY_NONE;
        struct stat status;
        umask(0);
        CHECK_INT(store_open(str_path(root, "a/b"), true, &store), 0);
        CHECK(fstat(store.root, &status) == 0 && (status.st_mode & 0777) == 0700);
        CHECK_FAIL(store_lock(&store, "web", LOCK_SH, &entry), "container \"web\" does not exist");
        CHECK_INT(store_create(&store, "web", &entry), 0);
        CHECK(fstat(entry.folder, &status) == 0 && (status.st_mode & 0777) == 0700);
        CHECK_FAIL(store_create(&store, "web", &again), "container with given ID already exists: web");
        CHECK_INT(store_lock(&store, "web", LOCK_SH | LOCK_NB, &again), -EWOULDBLOCK);
        CHECK_INT(store_lock(&store, "web", 0, &again), 0);
        CHECK_FAIL(store_load(&again, &loaded), "its record state.json is unusable");
        record.annotations.n = 1;
        record.annotations.at = &(struct str_pair){ "k", "v" };
        record.pid_inode = UINT64_MAX;
        CHECK_INT(store_save(&entry, &record), 0);
        CHECK_INT(store_load(&again, &loaded), 0);
        CHECK_INT(store_peek(&store, "web", &peeked), 0);
        CHECK(str_eq(peeked.id, "web") && peeked.pid_inode == UINT64_MAX);
        CHECK_INT(store_peek(&store, "other", &peeked), -EAGAIN);
        CHECK_STR(loaded.cgroup_path, "/rundlet/x");
        CHECK_STR(loaded.phase, "creating");
        CHECK(loaded.annotations.n == 1 && str_eq(loaded.annotations.at[0].value, "v"));
        CHECK(loaded.pid_inode == UINT64_MAX);
        CHECK(fstatat(entry.folder, "state.json", &status, 0) == 0 && (status.st_mode & 0777) == 0600);
        CHECK_INT(store_save_config(&entry, "{}", 2), 0);
        char *text;
        CHECK_INT(store_load_config(&entry, &text, NULL), 0);
        CHECK_STR(text, "{}");
        CHECK_INT(store_list(&store, &ids), 0);
        CHECK(ids.n == 1 && str_eq(ids.at[0], "web"));
        CHECK_INT(mkdirat(entry.folder, "overlay", 0700), 0);
        CHECK_INT(mkdirat(entry.folder, "overlay/upper", 0755), 0);
        CHECK_INT(store_remove(&store, &entry), 0);
        CHECK_INT(entry.folder, -1);
        CHECK_INT(store_list(&store, &ids), 0);
        CHECK_INT(ids.n, 0);
        CHECK_INT(rmdir(store.path), 0);
        CHECK_INT(rmdir(str_path(root, "a")), 0);
        (void)fd_close(store.root);
}

/* A container may have nested its files deeper than a tree is walked at once. */
static void test_deep_overlay(void) {
        struct store store;
        autoentry entry = ENTRY_NONE;
        CHECK_INT(store_open(str_path(root, "d"), true, &store), 0);
        CHECK_INT(store_create(&store, "web", &entry), 0);
        for (int branch = 0; branch < 3; branch++) {
                autofd at = dup(entry.folder);
                for (int depth = 0; depth < 200 && at >= 0; depth++) {
                        const char *name = depth == 0 ? "overlay" : str_format("%d", depth == 1 ? branch : depth);
                        (void)mkdirat(at, name, 0700);
                        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        (void)fd_close(at);
                        at = next;
                }
                CHECK(at >= 0);
        }
        CHECK_INT(store_remove(&store, &entry), 0);
        CHECK_INT(rmdir(store.path), 0);
        store_release(&store);
}

/* Every cut of a good record, and records that lie. */
static void test_corrupt(void) {
        static const char *const lies[][2] = {
                { "\"id\": \"web\"", "\"id\": \"other\"" },
                { "\"phase\": \"creating\"", "\"phase\": \"dreaming\"" },
                { "\"version\": 1", "\"version\": 2" },
                { "\"/rundlet/x\"", "\"/\"" },
                { "\"/rundlet/x\"", "\"/rundlet/../system.slice\"" },
                { "\"/rundlet/x\"", "\"rundlet/x\"" },
                { "\"pid\": 0", "\"pid\": -1" },
                { "\"pid\": 0", "\"pid\": 4294967296" },
                { "\"pid\": 0", "\"pid\": \"1\"" },
        };
        struct store store;
        struct container_record record = sample("web"), loaded;
        autoentry entry = ENTRY_NONE;
        CHECK_INT(store_open(str_path(root, "c"), true, &store), 0);
        CHECK_INT(store_create(&store, "web", &entry), 0);
        CHECK_INT(store_save(&entry, &record), 0);
        char *text;
        size_t size, unreadable = 0, cuts = 0;
        CHECK_INT(read_file_at(entry.folder, "state.json", 1 << 20, &text, &size), 0);
        for (; cuts + 2 < size; cuts++) { /* without the last brace and its newline */
                CHECK_INT(replace_file_at(entry.folder, "state.json", 0600, text, cuts), 0);
                unreadable += store_load(&entry, &loaded) == -EBADMSG && store_peek(&store, "web", &loaded) == -EAGAIN;
        }
        CHECK_INT(unreadable, cuts);
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
                char *at = strstr(text, lies[i][0]);
                CHECK(at != NULL);
                if (!at)
                        continue;
                char *lie = str_format("%.*s%s%s", (int)(at - text), text, lies[i][1], at + strlen(lies[i][0]));
                CHECK_INT(replace_file_at(entry.folder, "state.json", 0600, lie, strlen(lie)), 0);
                CHECK_ROW(store_load(&entry, &loaded) == -EBADMSG, lies[i][1]);
                CHECK_ROW(store_peek(&store, "web", &loaded) == -EAGAIN, lies[i][1]);
        }
        CHECK_INT(unlinkat(entry.folder, "state.json", 0), 0);
        CHECK_INT(mkfifoat(entry.folder, "state.json", 0600), 0);
        CHECK_FAIL(store_load(&entry, &loaded), "not a regular file"); /* and does not hang */
        CHECK_INT(store_peek(&store, "web", &loaded), -EAGAIN);
        CHECK_INT(unlinkat(entry.folder, "state.json", 0), 0);
        CHECK_INT(symlinkat("/dev/zero", entry.folder, "state.json"), 0);
        CHECK_INT(store_peek(&store, "web", &loaded), -EAGAIN);
        CHECK_INT(store_remove(&store, &entry), 0);
        (void)fd_close(store.root);
}

static void test_roots(void) {
        struct store store;
        const char *loose = str_path(root, "loose");
        CHECK_INT(store_open(str_path(root, "none"), false, &store), 0);
        CHECK_INT(store.root, -1);
        CHECK_INT(mkdir(loose, 0700), 0);
        CHECK_INT(chmod(loose, 0770), 0);
        CHECK_FAIL(store_open(loose, true, &store), "others can write to it (mode 0770)");
        CHECK_INT(chmod(loose, 0700), 0);
        if (geteuid() == 0) {
                CHECK_INT(chown(loose, 1234, 0), 0);
                CHECK_FAIL(store_open(loose, false, &store), "belongs to uid 1234");
        }
        CHECK_INT(rmdir(loose), 0);
        CHECK_INT(symlink("/nowhere", loose), 0);
        CHECK_FAIL(store_open(loose, true, &store), "loose");
        CHECK_INT(unlink(loose), 0);
}

/* Whoever waited for the lock of a container that is deleted meanwhile finds it absent, even when the id lives again.
 */
static void test_deleted_while_waiting(void) {
        struct store store;
        autoentry entry = ENTRY_NONE, next = ENTRY_NONE, waited = ENTRY_NONE;
        int status;
        CHECK_INT(store_open(str_path(root, "w"), true, &store), 0);
        CHECK_INT(store_create(&store, "web", &entry), 0);
        pid_t pid = fork();
        if (pid == 0) {
                entry_release(&entry); /* the inherited fd would hold the parent's lock */
                _exit(store_lock(&store, "web", LOCK_EX, &waited) == -ENOENT ? 0 : 1);
        }
        for (;;) { /* until the child waits in flock(2) */
                char *text;
                if (read_file_at(AT_FDCWD, str_format("/proc/%d/syscall", pid), 256, &text, NULL) < 0 ||
                    atoi(text) == SYS_flock)
                        break;
        }
        CHECK_INT(unlinkat(store.root, "web", AT_REMOVEDIR), 0);
        CHECK_INT(store_create(&store, "web", &next), 0);
        entry_release(&entry);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        CHECK_INT(store_remove(&store, &next), 0);
        (void)fd_close(store.root);
}

static void test_process(void) {
        struct container_record record = sample("web");
        int pidfd = -1;
        pid_t pid = fork();
        if (pid == 0)
                for (;;)
                        (void)pause();
        autofd own = (int)syscall(SYS_pidfd_open, pid, 0);
        CHECK_INT(process_remember(pid, own, &record), 0);
        CHECK_INT(process_open(&record, &pidfd), 0);
        (void)fd_close(pidfd);
        struct container_record other = record;
        other.pid_inode = 0; /* a kernel before 6.9: the start time says who it is */
        CHECK_INT(process_open(&other, &pidfd), 0);
        (void)fd_close(pidfd);
        other.start_time++;
        CHECK_INT(process_open(&other, &pidfd), -ESRCH);
        other = record;
        other.boot_id = "another boot";
        CHECK_INT(process_open(&other, &pidfd), -ESRCH);
        other = record;
        other.pid_inode += record.pid_inode != 0;
        CHECK_INT(process_open(&other, &pidfd), record.pid_inode ? -ESRCH : 0);
        other = record;
        other.pid = getpid(); /* a bystander in the place of ours */
        CHECK_INT(process_open(&other, &pidfd), -ESRCH);
        (void)kill(pid, SIGKILL);
        siginfo_t info;
        (void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
        CHECK_INT(process_open(&record, &pidfd), -ESRCH); /* a zombie has ended */
        (void)waitpid(pid, NULL, 0);
        CHECK_INT(process_open(&record, &pidfd), -ESRCH);
        CHECK(process_is_gone(own));
}

/* For the record.  Every day of five centuries says what libc says. */
static void test_utc(void) {
        int wrong = 0;
        CHECK_STR(str_utc(0, 7), "1970-01-01T00:00:00.000000007Z");
        for (time_t t = 0; t < (time_t)500 * 366 * 86400; t += 86399) {
                struct tm parts;
                char text[32];
                (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000000000Z", gmtime_r(&t, &parts));
                wrong += strcmp(str_utc(t, 0), text) != 0;
        }
        CHECK_INT(wrong, 0);
}

int main(void) {
        if (!mkdtemp(root))
                return 1;
        test_utc();
        test_ids();
        test_life();
        test_deep_overlay();
        test_corrupt();
        test_roots();
        test_deleted_while_waiting();
        test_process();
        (void)rmdir(str_path(root, "c"));
        (void)rmdir(str_path(root, "w"));
        CHECK_INT(rmdir(root), 0);
        return test_done();
}
