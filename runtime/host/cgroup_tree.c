#include "runtime/host/cgroup_tree.h"

#include "runtime/host/cgroup.h"
#include "specs/base/arena.h"
#include "specs/base/clock.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define PROCS_MAX   (16u << 20)
#define WAIT_MS     10000
#define KILL_ROUNDS 100

/* -- walking -- */

static void closedirp(DIR **folder) {
        if (*folder)
                (void)closedir(*folder);
}

/* Kernel files answer ENODEV once their cgroup is gone. */
static bool is_vanished(int r) {
        return r == -ENOENT || r == -ENODEV;
}

static DIR *list(int fd) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = copy < 0 ? NULL : fdopendir(copy);
        if (!folder)
                (void)fd_close(copy);
        return folder;
}

/* The next sub-cgroup, NULL at the end. */
static const char *next_child(DIR *folder) {
        for (struct dirent *found; (found = readdir(folder));)
                if (found->d_type == DT_DIR && !str_eq(found->d_name, ".") && !str_eq(found->d_name, ".."))
                        return found->d_name;
        return NULL;
}

int cgroup_first_child(int fd, const char **ret_name) {
        __attribute__((cleanup(closedirp))) DIR *folder = list(fd);
        if (!folder)
                return fail(errno, "list the cgroup");
        const char *name = next_child(folder);
        *ret_name = name ? arena_strdup(name) : NULL;
        return 0;
}

struct walk {
        cgroup_visit *visit;
        void *data;
        int depth;
};

static int walk_in(int fd, const char *path, struct walk *walk) {
        int r = walk->visit(fd, path, walk->data);
        if (r != 0)
                return is_vanished(r) ? 0 : r;
        __attribute__((cleanup(closedirp))) DIR *folder = list(fd);
        if (!folder)
                return is_vanished(-errno) ? 0 : fail(errno, "list the cgroup %s", path);
        if (walk->depth == CGROUP_DEPTH)
                return next_child(folder) ? fail_words(ELOOP, "walk the cgroup: more than %d levels deep", CGROUP_DEPTH)
                                          : 0;
        walk->depth++;
        for (const char *name; r == 0 && (name = next_child(folder));) {
                autofd child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (child >= 0)
                        r = walk_in(child, *path ? str_path(path, name) : arena_strdup(name), walk);
                else if (!is_vanished(-errno))
                        r = fail(errno, "open the cgroup %s", name);
        }
        walk->depth--;
        return r;
}

int cgroup_walk(int fd, cgroup_visit *visit, void *data) {
        struct walk walk = { visit, data, 0 };
        return walk_in(fd, "", &walk);
}

/* -- events -- */

int cgroup_read(int fd, const char *file, char **ret_text) {
        char text[4096];
        autofd open_file = openat(fd, file, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (open_file < 0)
                return fail(errno, "open %s", file);
        ssize_t n = read(open_file, text, sizeof(text));
        if (n < 0)
                return fail(errno, "read %s", file);
        if ((size_t)n == sizeof(text))
                return fail_words(EFBIG, "read %s: larger than %zu bytes", file, sizeof(text) - 1);
        while (n > 0 && text[n - 1] == '\n')
                n--;
        *ret_text = arena_strndup(text, (size_t)n);
        return 0;
}

/* The value of key in an open cgroup.events. */
static int read_event(int events, const char *key, bool *ret) {
        char text[1024];
        size_t size = strlen(key);
        ssize_t n = pread(events, text, sizeof(text) - 1, 0);
        if (n < 0)
                return fail(errno, "read cgroup.events");
        text[n] = '\0';
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, size) == 0 && line[size] == ' ') {
                        *ret = line[size + 1] == '1';
                        return 0;
                }
        }
        return fail_words(ENOSYS, "read cgroup.events: this kernel has no \"%s\" in it", key);
}

int cgroup_event(int fd, const char *key, bool *ret) {
        autofd events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return events < 0 ? fail(errno, "open cgroup.events") : read_event(events, key, ret);
}

int cgroup_await_event(int fd, const char *key, bool value, int timeout_ms) {
        int64_t deadline = clock_ms() + timeout_ms;
        struct pollfd changed = { .events = POLLPRI };
        autofd events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (events < 0)
                return is_vanished(-errno) ? -ENOENT : fail(errno, "open cgroup.events");
        changed.fd = events;
        for (;;) {
                bool is;
                /* Reading through the polled fd is what arms the next notice. */
                int r = read_event(events, key, &is);
                if (r < 0)
                        return is_vanished(r) ? -ENOENT : r;
                if (is == value)
                        return 0;
                int64_t left = deadline - clock_ms();
                if (left <= 0)
                        return -ETIMEDOUT;
                if (poll(&changed, 1, (int)left) < 0 && errno != EINTR)
                        return fail(errno, "poll cgroup.events");
        }
}

/* -- freezing -- */

int cgroup_is_frozen(const struct cgroup *cgroup, bool *ret) {
        return cgroup_event(cgroup->fd, "frozen", ret);
}

/* cgroup.events of the cgroup at path by way of the one above it, which stays open: `list` asks a thousand neighbours.
 */
static long open_neighbour(const struct probe *probe, const char *path) {
        static char above_path[PATH_MAX];
        static int above = -1;
        const struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
        };
        const char *slash = strrchr(path, '/');
        size_t size = slash ? (size_t)(slash - path) : 0;
        if (size == 0 || size >= sizeof(above_path))
                return -ENOENT;
        if (above < 0 || strlen(above_path) != size || memcmp(above_path, path, size) != 0) {
                autocgroup cgroup = CGROUP_NONE;
                above = fd_close(above);
                memcpy(above_path, path, size);
                above_path[size] = '\0';
                int r = cgroup_open(probe, above_path, &cgroup);
                if (r < 0)
                        return r;
                above = fd_take(&cgroup.fd);
        }
        return sys_openat2(above, str_path(slash + 1, "cgroup.events"), &how, sizeof(how));
}

int cgroup_frozen_at(const struct probe *probe, const char *path, bool *ret) {
        autocgroup cgroup = CGROUP_NONE;
        autofd events = (int)open_neighbour(probe, path);
        if (events >= 0)
                return read_event(events, "frozen", ret);
        int r = cgroup_open(probe, path, &cgroup);
        return r < 0 ? r : cgroup_is_frozen(&cgroup, ret);
}

void cgroup_let_go(const struct cgroup *cgroup) {
        struct err_saved why;
        err_save(&why);
        (void)write_file_at(cgroup->fd, "cgroup.freeze", "0", 1);
        err_restore(&why);
}

/* A cgroup above it that is frozen keeps it so. */
static bool is_held_from_above(const struct cgroup *cgroup) {
        bool frozen = false;
        autofd above = openat(cgroup->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above >= 0 && cgroup_event(above, "frozen", &frozen) < 0)
                err_clear(); /* the root of the hierarchy has no events and is never frozen */
        return frozen;
}

int cgroup_freeze(const struct cgroup *cgroup, bool frozen) {
        const char *what = frozen ? "freeze" : "thaw";
        int r = write_file_at(cgroup->fd, "cgroup.freeze", frozen ? "1" : "0", 1);
        if (r < 0)
                return fail_in(r, "%s the cgroup %s", what, cgroup->path);
        if (!frozen && is_held_from_above(cgroup))
                return fail_words(EBUSY, "thaw the cgroup %s: a cgroup above it is frozen", cgroup->path);
        r = cgroup_await_event(cgroup->fd, "frozen", frozen, WAIT_MS);
        if (r == 0)
                return 0;
        if (frozen) /* never left half frozen */
                cgroup_let_go(cgroup);
        if (r == -ETIMEDOUT)
                return fail_words(ETIMEDOUT, "%s the cgroup %s: not done after %d s", what, cgroup->path,
                                  WAIT_MS / 1000);
        return r == -ENOENT ? fail_words(ENOENT, "%s the cgroup %s: it is gone", what, cgroup->path) : r;
}

/* -- processes -- */

struct pids {
        pid_t *at;
        size_t n, room;
};

static int collect_pids(int fd, const char *path, void *data) {
        struct pids *pids = data;
        char *text;
        (void)path;
        int r = read_file_at(fd, "cgroup.procs", PROCS_MAX, &text, NULL);
        if (r == -EOPNOTSUPP) /* a threaded cgroup: its processes are listed where its domain begins */
                return 0;
        if (r < 0)
                return r;
        for (char *at = text; *at;) {
                long pid = strtol(at, &at, 10);
                at += strspn(at, "\n");
                if (pids->n + 1 >= pids->room) {
                        pids->room = pids->room ? pids->room * 2 : 64;
                        pids->at = arena_grow(pids->at, pids->n * sizeof(pid_t), pids->room * sizeof(pid_t));
                }
                if (pid > 0) /* 0: a process of another pid namespace, which we can neither name nor signal */
                        pids->at[pids->n++] = (pid_t)pid;
        }
        return 0;
}

static int compare_pids(const void *a, const void *b) {
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
        return (x > y) - (x < y);
}

int cgroup_pids(const struct cgroup *cgroup, pid_t **ret_pids, size_t *ret_count) {
        struct pids pids = { arena_array(64, sizeof(pid_t)), 0, 64 };
        int r = cgroup_walk(cgroup->fd, collect_pids, &pids);
        if (r < 0)
                return fail_in(r, "list the processes of the cgroup %s", cgroup->path);
        err_clear();
        qsort(pids.at, pids.n, sizeof(pid_t), compare_pids);
        pids.at[pids.n] = 0;
        *ret_pids = pids.at;
        *ret_count = pids.n;
        return 0;
}

/* Signals pid if it is still in the cgroup: the pidfd is opened first, so what is then read is about its process or,
 * when that has ended, the signal reaches nobody. */
static int signal_member(const struct cgroup *cgroup, pid_t pid, int number) {
        const char *path;
        autofd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return errno == ESRCH || errno == EINVAL ? 0 : fail(errno, "pidfd_open %d", (int)pid);
        if (cgroup_of(pid, &path) < 0 || !cgroup_is_below(path, cgroup->path))
                return 0;
        if (syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 && errno != ESRCH)
                return fail(errno, "send signal %d to process %d", number, (int)pid);
        return 0;
}

int cgroup_signal(const struct cgroup *cgroup, int number) {
        pid_t *pids;
        size_t n;
        int r = cgroup_pids(cgroup, &pids, &n);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = signal_member(cgroup, pids[i], number);
        return r;
}

int cgroup_kill(const struct cgroup *cgroup) {
        int r = write_file_at(cgroup->fd, "cgroup.kill", "1", 1);
        if (r == 0 || r == -ENODEV)
                return 0;
        if (r != -ENOENT)
                return fail_in(r, "kill the cgroup %s", cgroup->path);
        /* Before 5.14.  Children forked between listing and killing are met in the next round. */
        for (int round = 0; round < KILL_ROUNDS; round++) {
                r = cgroup_signal(cgroup, SIGKILL);
                if (r < 0)
                        return r;
                r = cgroup_await_event(cgroup->fd, "populated", false, 20);
                if (r != -ETIMEDOUT)
                        return r == -ENOENT ? 0 : r;
        }
        return fail_words(ETIMEDOUT, "kill the cgroup %s: it forks faster than it dies", cgroup->path);
}

bool cgroup_is_empty(const struct cgroup *cgroup) {
        return cgroup_await_event(cgroup->fd, "populated", false, 0) == 0;
}

static int held(const struct cgroup *cgroup, const pid_t *pids, size_t n) {
        struct strv names = { 0 };
        for (size_t i = 0; i < n && i < 8; i++)
                strv_add(&names, str_format("%d", (int)pids[i]));
        return fail_words(ETIMEDOUT, "wait for the cgroup %s to empty: it is held by process %s%s", cgroup->path,
                          names.n ? str_join(&names, ", ") : "of another pid namespace", n > 8 ? "..." : "");
}

/* Asked twice in the given time, so that it is known whether anything has ended in between. */
int cgroup_wait_empty(const struct cgroup *cgroup, int timeout_ms) {
        size_t before = SIZE_MAX;
        for (;;) {
                pid_t *pids;
                size_t n;
                int r = cgroup_await_event(cgroup->fd, "populated", false, timeout_ms / 2);
                if (r != -ETIMEDOUT)
                        return r == -ENOENT ? 0 : r;
                if (cgroup_pids(cgroup, &pids, &n) < 0)
                        n = 0;
                if (n >= before)
                        return held(cgroup, pids, n);
                before = n;
        }
}

/* -- labels -- */

int cgroup_label_is(int fd, const char *name, const char *value) {
        static const char *const kinds[] = { "trusted", "user" };
        char found[4096];
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                ssize_t n = fgetxattr(fd, str_format("%s.rundlet.%s", kinds[i], name), found, sizeof(found));
                if (n >= 0)
                        return (size_t)n == strlen(value) && memcmp(found, value, (size_t)n) == 0;
                if (errno == EOPNOTSUPP && i > 0)
                        return -EOPNOTSUPP;
        }
        return -ENODATA;
}

bool cgroup_is_ours(const struct cgroup *cgroup, const char *label) {
        int is = cgroup_label_is(cgroup->fd, "container", label);
        return is == 1 || is == -EOPNOTSUPP || cgroup_label_is(cgroup->fd, "adopted", label) == 1;
}

struct search {
        const char *label, *path;
};

static int match_label(int fd, const char *path, void *data) {
        struct search *search = data;
        if (cgroup_label_is(fd, "container", search->label) != 1)
                return 0;
        search->path = path;
        return 1;
}

int cgroup_find(const struct probe *probe, const char *label, const char **ret_path) {
        struct search search = { label, NULL };
        if (!probe->cgroup_root)
                return -ENOENT;
        autofd root = open(probe->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return fail(errno, "open %s", probe->cgroup_root);
        int r = cgroup_walk(root, match_label, &search);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        *ret_path = str_path("/", search.path);
        return 0;
}

/* -- removing -- */

/* rmdir of name in dir, which is fd; waits while processes leave it. */
static int remove_leaf(int dir, const char *name, int fd) {
        int64_t deadline = clock_ms() + WAIT_MS;
        while (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
                if (errno != EBUSY)
                        return fail(errno, "remove the cgroup %s", name);
                int64_t left = deadline - clock_ms();
                int r = left > 0 ? cgroup_await_event(fd, "populated", false, (int)left) : -ETIMEDOUT;
                if (r == -ENOENT)
                        return 0;
                if (r < 0)
                        return fail(r == -ETIMEDOUT ? EBUSY : r, "remove the cgroup %s", name);
                const char *child;
                if (cgroup_first_child(fd, &child) == 0 && child)
                        return -EAGAIN; /* made meanwhile: goes first */
        }
        return 0;
}

/* Goes down first children from name in dir to a leaf and removes that.  1: it was name itself. */
static int remove_deepest(int dir, const char *name) {
        const char *child;
        bool below = false;
        autofd parent = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        autofd fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (parent < 0 || fd < 0)
                return errno == ENOENT ? 1 : fail(errno, "open the cgroup %s", name);
        for (;;) {
                int r = cgroup_first_child(fd, &child);
                if (r < 0)
                        return r;
                if (!child)
                        break;
                int next = openat(fd, child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return errno == ENOENT ? 0 : fail(errno, "open the cgroup %s", child);
                (void)fd_close(parent);
                parent = fd_take(&fd);
                fd = next;
                name = child;
                below = true;
        }
        int r = remove_leaf(parent, name, fd);
        return r < 0 ? r : !below;
}

static int remove_all(int dir, const char *name) {
        for (;;) {
                int r = remove_deepest(dir, name);
                if (r != 0 && r != -EAGAIN)
                        return r < 0 ? r : 0;
        }
}

static int remove_children(int fd) {
        for (;;) {
                const char *child;
                int r = cgroup_first_child(fd, &child);
                if (r == 0 && child)
                        r = remove_all(fd, child);
                if (r < 0 || !child)
                        return r;
        }
}

/* The folder above the cgroup's, and its name there. */
static int open_above(const struct probe *probe, const char *path, const char **ret_name, const char **ret_above) {
        const char *slash = strrchr(path, '/');
        struct cgroup above = CGROUP_NONE;
        *ret_name = slash + 1;
        *ret_above = arena_strndup(path, (size_t)(slash - path));
        if (slash == path) {
                int fd = open(probe->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                return fd < 0 ? fail(errno, "open %s", probe->cgroup_root) : fd;
        }
        int r = cgroup_open(probe, *ret_above, &above);
        return r < 0 ? r : above.fd;
}

/* Parents that create made go with the last container in them.  Our own default one is known by its name too: a create
 * that was killed may not have come to label it. */
static void remove_parents(const struct probe *probe, const char *path, const char *made) {
        for (const char *name, *above; *path; path = above) {
                autofd dir = open_above(probe, path, &name, &above);
                autofd fd = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                bool is_ours = str_eq(path, PRIVILEGED_PARENT) || (made && cgroup_is_below(path, made)) ||
                               (fd >= 0 && cgroup_label_is(fd, "parent", "1") == 1);
                if (fd < 0) /* not made yet, or gone already: what is above it may still be there */
                        continue;
                if (!is_ours || unlinkat(dir, name, AT_REMOVEDIR) < 0)
                        return;
        }
}

int cgroup_remove(const struct probe *probe, const char *path, const char *label) {
        struct cgroup found = CGROUP_NONE;
        const char *name, *above;
        int r = cgroup_open(probe, path, &found);
        if (r == -ENOENT && probe->cgroup_root && *path == '/')
                remove_parents(probe, path, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        autofd fd = found.fd;
        autofd dir = open_above(probe, path, &name, &above);
        if (dir < 0)
                return dir;
        int is = cgroup_label_is(fd, "container", label);
        if (cgroup_label_is(fd, "adopted", label) == 1) {
                r = remove_children(fd);
                (void)fremovexattr(fd, "trusted.rundlet.adopted");
                (void)fremovexattr(fd, "user.rundlet.adopted");
        } else if (is == 1 || is == -EOPNOTSUPP) {
                r = unlinkat(dir, name, AT_REMOVEDIR) == 0 ? 0 : remove_all(dir, name);
        } else if (is == -ENODATA) {
                /* Perhaps a create that was killed before it could label: an empty one goes, anything else is not ours.
                 */
                (void)unlinkat(dir, name, AT_REMOVEDIR);
        }
        if (r < 0)
                return fail_in(r, "remove the cgroup %s", path);
        remove_parents(probe, above, NULL);
        return 0;
}

const char *cgroup_missing(const struct probe *probe, const char *path) {
        const char *missing = NULL;
        while (probe->cgroup_root && *path && access(str_format("%s%s", probe->cgroup_root, path), F_OK) < 0 &&
               errno == ENOENT) {
                missing = path;
                path = arena_strndup(path, (size_t)(strrchr(path, '/') - path));
        }
        return missing;
}

void cgroup_remove_made(const struct probe *probe, const char *path, const char *made) {
        if (!probe->cgroup_root || *path != '/' || !made || !*made ||
            access(str_format("%s%s", probe->cgroup_root, made), F_OK) < 0)
                return;
        remove_parents(probe, path, made);
        err_clear();
}
