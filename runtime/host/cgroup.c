#include "runtime/host/cgroup.h"

#include "runtime/host/cgroup_tree.h"
#include "runtime/host/scope.h"
#include "runtime/plan/id_list.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/sys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#define FILE_MAX 65536
#define HINT_DELEGATE                                                                                                  \
        "a controller must be in the cgroup.subtree_control of every cgroup above; for an ordinary user systemd "      \
        "hands it down with Delegate=yes"

/* -- names -- */

/* The path of a process's cgroup as this cgroup namespace sees it. */
int cgroup_of(pid_t pid, const char **ret_path) {
        char *text;
        int r = read_file_at(AT_FDCWD, pid ? str_format("/proc/%d/cgroup", (int)pid) : "/proc/self/cgroup", FILE_MAX,
                             &text, NULL);
        if (r < 0)
                return r;
        struct strv lines = str_split(text, '\n', true);
        for (size_t i = 0; i < lines.n; i++)
                if (str_starts(lines.at[i], "0::/")) {
                        *ret_path = lines.at[i] + 3;
                        return 0;
                }
        return fail_words(ENOENT, "find the cgroup of process %d: it is in no cgroup2 hierarchy", (int)pid);
}

bool cgroup_is_below(const char *path, const char *parent) {
        return str_eq(path, parent) || str_is_below(path, parent);
}

static bool is_writable(const struct probe *probe, const char *path) {
        return access(str_format("%s%s/cgroup.procs", probe->cgroup_root, path), W_OK) == 0;
}

/* Where containers go when the config does not say: "" when this caller was given no place. */
static int default_parent(const struct probe *probe, const char **ret) {
        const char *own;
        if (probe->is_root) {
                *ret = PRIVILEGED_PARENT;
                return 0;
        }
        *ret = "";
        if (cgroup_of(0, &own) < 0) {
                err_clear();
                return 0;
        }
        const char *slash = strrchr(own, '/');
        const char *parent = slash == own ? "/" : arena_strndup(own, (size_t)(slash - own));
        if (is_writable(probe, parent))
                *ret = str_eq(parent, "/") ? "/rundlet" : str_path(parent, "rundlet");
        return 0;
}

static int check_components(const char *path) {
        struct strv parts = str_split(path, '/', false);
        for (size_t i = 0; i < parts.n; i++) {
                if (!*parts.at[i])
                        return fail_words(EINVAL, "linux.cgroupsPath: %s: empty component", path);
                if (str_eq(parts.at[i], "..") || str_eq(parts.at[i], "."))
                        return fail_words(EINVAL, "linux.cgroupsPath: %s: \"%s\" is refused", path, parts.at[i]);
                if (strlen(parts.at[i]) > 255)
                        return fail(ENAMETOOLONG, "linux.cgroupsPath");
        }
        return 0;
}

int cgroup_path(const struct probe *probe, const char *cgroups_path, const char *id, const char **ret_path) {
        const char *parent, *wanted = cgroups_path && *cgroups_path ? cgroups_path : NULL;
        if (wanted && !strchr(wanted, '/') && str_split(wanted, ':', false).n == 3)
                return fail_words(EINVAL,
                                  "linux.cgroupsPath: %s: this is the slice:prefix:name form of the systemd driver, "
                                  "rundlet makes cgroups itself: give a path, or --cgroup-manager=systemd",
                                  wanted);
        int r = wanted ? check_components(*wanted == '/' ? wanted + 1 : wanted) : 0;
        if (r < 0)
                return r;
        if (!probe->cgroup_root) {
                if (wanted || probe->is_root)
                        return fail_words(ENOENT, "find the cgroup2 file system: none is mounted at /sys/fs/cgroup or "
                                                  "/sys/fs/cgroup/unified");
                *ret_path = "";
                return 0;
        }
        r = default_parent(probe, &parent);
        if (r < 0)
                return r;
        if (wanted && *wanted == '/')
                *ret_path = arena_strdup(wanted);
        else
                *ret_path = *parent ? str_path(parent, wanted ? wanted : id) : "";
        return 0;
}

/* -- making -- */

static bool has_word(const char *text, const char *word) {
        struct strv words = str_split(text, ' ', true);
        return strv_has(&words, word);
}

/* The first place in the config that asks for the controller. */
static const char *place_of(const struct plan *plan, const char *controller) {
        for (size_t i = 0; i < plan->cgroup_writes.n; i++)
                if (plan->cgroup_writes.at[i].controller && str_eq(plan->cgroup_writes.at[i].controller, controller))
                        return plan->cgroup_writes.at[i].place;
        return "linux.resources";
}

static int no_controller(const struct plan *plan, const char *controller, const char *where, const char *available) {
        int r = fail_words(ENODEV, "%s: the %s controller is not available at %s (cgroup.controllers: %s)",
                           place_of(plan, controller), controller, where, *available ? available : "none");
        if (str_ends(where, "/unified"))
                return fail_hint(r, "on a hybrid host boot with systemd.unified_cgroup_hierarchy=1");
        return fail_hint(r, HINT_DELEGATE);
}

/* Where "max" is all that the config says, nothing is lost without the controller: what is not there does not limit. */
static bool is_limited(const struct plan *plan, const char *controller) {
        for (size_t i = 0; i < plan->cgroup_writes.n; i++) {
                const struct cgroup_write *write = &plan->cgroup_writes.at[i];
                if (write->controller && str_eq(write->controller, controller) && !str_eq(write->value, "max"))
                        return true;
        }
        return false;
}

/* Hands the controllers of the plan down from the cgroup at fd to its children. */
static int enable_controllers(const struct plan *plan, int fd, const char *where) {
        char *available, *enabled;
        if (plan->controllers.n == 0)
                return 0;
        int r = cgroup_read(fd, "cgroup.controllers", &available);
        if (r == 0)
                r = cgroup_read(fd, "cgroup.subtree_control", &enabled);
        for (size_t i = 0; r == 0 && i < plan->controllers.n; i++) {
                const char *name = plan->controllers.at[i], *text = str_format("+%s", name);
                if (has_word(enabled, name))
                        continue;
                if (!has_word(available, name) && !is_limited(plan, name))
                        continue;
                if (!has_word(available, name))
                        return no_controller(plan, name, where, available);
                r = write_file_at(fd, "cgroup.subtree_control", text, strlen(text));
                if (r == -EBUSY)
                        return fail_words(
                                EBUSY,
                                "%s: enable the %s controller in %s/cgroup.subtree_control: processes live in "
                                "that cgroup itself (cgroup2 allows them only in leaves)",
                                place_of(plan, name), name, where);
                if (r < 0) {
                        r = fail_in(r, "%s: enable the %s controller in %s", place_of(plan, name), name, where);
                        return r == -EACCES || r == -EPERM ? fail_hint(r, HINT_DELEGATE) : r;
                }
        }
        return r;
}

/* Labels are hints about one cgroup only: trusted. ones cannot be changed by the container, even with a delegated
 * cgroup. */
int cgroup_set_label(int fd, const char *name, const char *value) {
        if (fsetxattr(fd, str_format("trusted.rundlet.%s", name), value, strlen(value), 0) == 0)
                return 0;
        if (errno == EPERM || errno == EOPNOTSUPP)
                if (fsetxattr(fd, str_format("user.rundlet.%s", name), value, strlen(value), 0) == 0 ||
                    errno == EOPNOTSUPP || errno == EPERM)
                        return 0;
        return fail(errno, "label the cgroup");
}

/* The cgroup exists already: it is taken when nothing lives in it, and stays when the container goes. */
static int check_unused(int fd, const char *path) {
        char *text;
        const char *child = NULL;
        int r = read_file_at(fd, "cgroup.procs", FILE_MAX, &text, NULL);
        if (r == -EOPNOTSUPP)
                return fail_words(EOPNOTSUPP, "use the cgroup %s: it is threaded, a container needs a domain", path);
        if (r == 0 && *text) {
                text[strcspn(text, "\n")] = '\0';
                return fail_words(EBUSY, "use the cgroup %s: process %s is in it already", path, text);
        }
        if (r == 0)
                r = cgroup_first_child(fd, &child);
        if (r == 0 && child)
                return fail_words(EBUSY, "use the cgroup %s: it has the child %s already", path, child);
        return r;
}

/* Opens the folder name below dir, making it when it is missing. */
static int enter(int dir, const char *name, bool *ret_made) {
        *ret_made = false;
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 || errno != ENOENT)
                return fd >= 0 ? fd : -errno;
        if (mkdirat(dir, name, 0755) == 0)
                *ret_made = true;
        else if (errno != EEXIST)
                return -errno;
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 ? fd : -errno;
}

static int fail_make(int r, const char *where) {
        if (r == -EAGAIN)
                return fail_words(EAGAIN,
                                  "make the cgroup %s: a cgroup above it takes no more (cgroup.max.descendants, "
                                  "cgroup.max.depth)",
                                  where);
        return fail(r, "make the cgroup %s", where);
}

/* What is at fd now, made by us or found, becomes the container's.  One that we made is labelled at once: a create that
 * is killed leaves something that says whose it is. */
static int take(const struct cgroup_making *making, int fd, bool made) {
        bool frozen;
        int r = made ? cgroup_set_label(fd, "container", making->label) : check_unused(fd, making->path);
        if (r == 0)
                r = cgroup_event(fd, "frozen", &frozen);
        if (r == 0 && frozen) /* the container's first process would never come to say that it lives */
                return fail_words(EBUSY,
                                  made ? "use the cgroup %s: a cgroup above it is frozen"
                                       : "use the cgroup %s: it is frozen",
                                  making->path);
        if (r == 0 && !made)
                r = cgroup_set_label(fd, "adopted", making->label);
        return r;
}

/* The common case: only the last cgroup is missing, and no walk is needed to make it.  -ENOENT without words: not so.
 */
static int make_last(const struct cgroup_making *making, int *ret_fd) {
        const char *where = str_format("%s%s", making->probe->cgroup_root, making->path);
        if (mkdir(where, 0755) < 0)
                return errno == ENOENT || errno == EEXIST ? -ENOENT : fail_make(-errno, where);
        autofd fd = open(where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = fd < 0 ? fail(errno, "open the cgroup %s", where) : take(making, fd, true);
        if (r < 0) {
                (void)rmdir(where);
                return r == -ENOENT ? -ENODEV : r; /* gone again: once more */
        }
        *ret_fd = fd_take(&fd);
        return 0;
}

/* One walk from the base down.  -ENOENT without a made cgroup: a parent was removed under us by another container's
 * end. */
static int make_all(const struct cgroup_making *making, int *ret_fd) {
        struct strv parts = str_split(making->path + strlen(making->base), '/', true);
        const char *where = str_format("%s%s", making->probe->cgroup_root, making->base);
        autofd fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool made = false;
        if (fd < 0)
                return fail(errno, "open %s", where);
        for (size_t i = 0; i < parts.n; i++) {
                where = str_path(where, parts.at[i]);
                int child = enter(fd, parts.at[i], &made);
                if (child < 0)
                        return fail_make(child, where);
                (void)fd_close(fd);
                fd = child;
                int r = made && i + 1 < parts.n ? cgroup_set_label(fd, "parent", "1") : 0;
                if (r < 0)
                        return r;
        }
        int r = take(making, fd, made);
        if (r < 0 && made)
                (void)rmdir(where);
        if (r == 0)
                *ret_fd = fd_take(&fd);
        return r;
}

/* What the cgroup offers already is not asked for again. */
static int needs_more(const struct cgroup *cgroup, const struct plan *plan, bool *ret) {
        char *offered;
        int r = cgroup_read(cgroup->fd, "cgroup.controllers", &offered);
        if (r < 0)
                return r;
        *ret = false;
        for (size_t i = 0; i < plan->controllers.n; i++)
                *ret = *ret || !has_word(offered, plan->controllers.at[i]);
        return 0;
}

/* base: as in struct cgroup_making. */
static int enable_below(const char *base, const struct cgroup *cgroup, const struct plan *plan) {
        struct strv parts = str_split(cgroup->path + strlen(base), '/', true);
        const char *where = str_format("%s%s", cgroup->probe->cgroup_root, base);
        bool is_needed;
        int r = needs_more(cgroup, plan, &is_needed);
        if (r < 0 || !is_needed)
                return r;
        autofd fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fail(errno, "open %s", where);
        for (size_t i = 0; r == 0 && i < parts.n; i++) {
                r = enable_controllers(plan, fd, where);
                where = str_path(where, parts.at[i]);
                int child = r < 0 ? -1 : openat(fd, parts.at[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (r == 0 && child < 0)
                        return fail(errno, "open the cgroup %s", where);
                (void)fd_close(fd);
                fd = child;
        }
        return r;
}

int cgroup_enable(const struct cgroup *cgroup, const struct plan *plan) {
        return enable_below("", cgroup, plan);
}

static int make_once(const struct cgroup_making *making, struct cgroup *ret) {
        autofd fd = -1;
        int r = make_last(making, &fd);
        if (r == -ENOENT)
                r = make_all(making, &fd);
        if (r < 0)
                return r;
        autocgroup cgroup = { making->path, fd_take(&fd), making->label, making->probe };
        r = making->plan->controllers.n ? enable_below(making->base, &cgroup, making->plan) : 0;
        if (r < 0)
                return r;
        *ret = cgroup;
        cgroup = (struct cgroup)CGROUP_NONE;
        return 0;
}

int cgroup_make_below(const struct cgroup_making *making, struct cgroup *ret) {
        int r = -ENOENT;
        for (int attempt = 0; attempt < 10 && (r == -ENOENT || r == -ENODEV); attempt++) {
                r = make_once(making, ret);
                if (r == -ENODEV && err_hint())
                        return r;
        }
        return r;
}

int cgroup_make(const struct probe *probe, const struct plan *plan, const char *path, const char *label,
                struct cgroup *ret) {
        struct cgroup_making making = { probe, plan, "", path, label };
        *ret = (struct cgroup)CGROUP_NONE;
        if (!*path) {
                if (plan->cgroup_writes.n == 0)
                        return 0;
                return fail_hint(
                        fail_words(EPERM, "%s: no cgroup is delegated to uid %u", plan->cgroup_writes.at[0].place,
                                   probe->uid),
                        "run below a unit with Delegate=yes, for example systemd-run --user --scope -p Delegate=yes");
        }
        int r = cgroup_make_below(&making, ret);
        bool is_forbidden = r == -EACCES || r == -EPERM || r == -EROFS;
        if (is_forbidden && !probe->is_root && plan->cgroup_writes.n == 0) {
                log_warning("%s: the container stays in the caller's cgroup", err_message());
                err_clear();
                *ret = (struct cgroup)CGROUP_NONE;
                return 0;
        }
        return r;
}

int cgroup_open(const struct probe *probe, const char *path, struct cgroup *ret) {
        struct open_how how = {
                .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
        };
        if (!probe->cgroup_root || !*path || !path[strspn(path, "/")])
                return -ENOENT;
        autofd root = open(probe->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return fail(errno, "open %s", probe->cgroup_root);
        long fd = sys_openat2(root, path + strspn(path, "/"), &how, sizeof(how));
        if (fd == -ENOENT || fd == -ENODEV)
                return -ENOENT;
        if (fd < 0)
                return fail((int)fd, "open the cgroup %s", path);
        *ret = (struct cgroup){ .path = path, .fd = (int)fd, .probe = probe };
        return 0;
}

/* -- limits -- */

/* The kernel takes a list of what may be plugged in one day, and lets the container run anywhere when none of it is
 * there: what is asked for must be there now. */
static int check_is_there(const struct cgroup *cgroup, const struct cgroup_write *write) {
        static struct id_mask wanted, offered; /* too large for the stack */
        char *there;
        if (!write->place || (!str_eq(write->file, "cpuset.cpus") && !str_eq(write->file, "cpuset.mems")) ||
            str_starts(write->place, "linux.resources.unified"))
                return 0;
        if (read_file_at(cgroup->fd, str_format("../%s.effective", write->file), FILE_MAX, &there, NULL) < 0) {
                err_clear();
                return 0;
        }
        there[strcspn(there, "\n")] = '\0';
        memset(&wanted, 0, sizeof(wanted));
        memset(&offered, 0, sizeof(offered));
        int r = id_list_read(write->place, write->value, &wanted);
        if (r == 0)
                r = id_list_read(write->place, there, &offered);
        for (size_t i = 0; r == 0 && i < wanted.used; i++)
                if (wanted.words[i] & ~offered.words[i])
                        return fail_words(EINVAL, "%s: %s: only %s can be had here", write->place, write->value, there);
        return r;
}

static int write_value(const struct cgroup *cgroup, const char *file, const char *value) {
        return *value ? write_file_at(cgroup->fd, file, value, strlen(value))
                      : write_file_at(cgroup->fd, file, "\n", 1);
}

int cgroup_apply_one(const struct cgroup *cgroup, const struct cgroup_write *write) {
        const char *file = write->file, *value = write->value;
        int r = check_is_there(cgroup, write);
        if (r < 0)
                return r;
        r = write_value(cgroup, file, value);
        /* EOPNOTSUPP: io.bfq.weight of a device that has another scheduler. */
        if ((r == -ENOENT || r == -EOPNOTSUPP) && write->or_file) {
                file = write->or_file;
                value = write->or_value ? write->or_value : value;
                r = write_value(cgroup, file, value);
        }
        bool is_needless = r == -ENOENT && write->controller && str_eq(value, "max");
        if (r == 0 || is_needless || (write->tolerate && r == -write->tolerate)) {
                err_clear();
                return 0;
        }
        const char *place = write->place ? write->place : "linux.resources";
        if (r == -EOPNOTSUPP && str_eq(file, "io.weight"))
                return fail_words(EOPNOTSUPP,
                                  "%s: write %s to %s of the cgroup: the disk has neither the scheduler BFQ "
                                  "nor a cost model (io.cost.qos) to weigh by",
                                  place, value, file);
        return fail(r, "%s: write %s to %s of the cgroup", place, value, file);
}

int cgroup_apply(const struct cgroup *cgroup, const struct plan *plan) {
        for (size_t i = 0; cgroup->fd >= 0 && i < plan->cgroup_writes.n; i++) {
                int r = cgroup_apply_one(cgroup, &plan->cgroup_writes.at[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int cgroup_delegate(const struct cgroup *cgroup, uint32_t uid) {
        const char *text = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";
        char *listed;
        if (read_file_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", FILE_MAX, &listed, NULL) == 0)
                text = listed;
        err_clear();
        struct strv files = str_split(text, '\n', true);
        if (fchown(cgroup->fd, uid, (gid_t)-1) < 0)
                return fail(errno, "give the cgroup %s to uid %u", cgroup->path, uid);
        for (size_t i = 0; i < files.n; i++)
                if (!strchr(files.at[i], '/') &&
                    fchownat(cgroup->fd, files.at[i], uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
                        return fail(errno, "give %s of the cgroup %s to uid %u", files.at[i], cgroup->path, uid);
        return 0;
}

/* -- ownership -- */

void cgroup_keep(struct cgroup *cgroup) {
        cgroup->fd = fd_close(cgroup->fd);
        cgroup->label = NULL;
}

static int take_back(const struct cgroup *cgroup) {
        int r = cgroup_kill(cgroup);
        if (r == 0)
                r = cgroup_wait_empty(cgroup, 10000);
        return r < 0 ? r : cgroup_remove(cgroup->probe, cgroup->path, cgroup->label);
}

void cgroup_release(struct cgroup *cgroup) {
        if (cgroup->label && cgroup->fd >= 0) {
                struct err_saved why;
                err_save(&why);
                if (take_back(cgroup) < 0)
                        log_warning("%s", err_message());
                if (cgroup->scope && scope_undo(cgroup) < 0)
                        log_warning("%s", err_message());
                err_restore(&why);
        }
        cgroup_keep(cgroup);
}
