#include "runtime/host/scope.h"

#include "runtime/host/bus.h"
#include "runtime/host/cgroup_tree.h"
#include "runtime/host/probe.h"
#include "specs/base/clock.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MANAGER     "org.freedesktop.systemd1.Manager"
#define START_GROUP "rundlet-start" /* where the placeholder waits, so that the scope itself is free of processes */
#define END_MS      10000

/* -- the placeholder -- */

static void wait_for_death(pid_t parent) __attribute__((noreturn));
static void wait_for_death(pid_t parent) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(0);
        (void)setsid(); /* what is typed at our terminal is not for it */
        (void)prctl(PR_SET_NAME, START_GROUP);
        (void)sys_close_range(0, ~0U, 0);
        for (;;)
                (void)pause();
}

static int hold(pid_t *ret) {
        pid_t parent = getpid(), pid = fork();
        if (pid == 0)
                wait_for_death(parent);
        if (pid < 0)
                return fail(errno, "fork for the scope");
        *ret = pid;
        return 0;
}

static void drop(pid_t *placeholder) {
        if (*placeholder <= 0)
                return;
        (void)kill(*placeholder, SIGKILL); /* our own child, not yet waited for: nobody else can have its number */
        while (waitpid(*placeholder, NULL, 0) < 0 && errno == EINTR)
                continue;
        *placeholder = 0;
}

/* -- talking to the manager -- */

static struct bus_call manager(const char *member, const char *signature, const struct bus_message *body) {
        return (struct bus_call){ "/org/freedesktop/systemd1", MANAGER, member, signature, body };
}

/* A call that takes the name of the scope, perhaps with a word behind it. */
static int call_unit(struct bus *bus, const char *member, const char *scope, const char *word, struct bus_reply *ret) {
        struct bus_message body = { 0 };
        struct bus_call call = manager(member, word ? "ss" : "s", &body);
        bus_put_text(&body, scope);
        if (word)
                bus_put_text(&body, word);
        return bus_call(bus, &call, ret, NULL);
}

/* Ready for jobs: systemd tells how they ended only those who asked before.  A direct connection is told everything. */
static int open_manager(bool is_user, struct bus *ret) {
        struct bus_call subscribe = manager("Subscribe", "", NULL);
        int r = bus_open(is_user, ret);
        if (r == 0)
                r = bus_match(ret, MANAGER, "JobRemoved");
        return r < 0 || ret->is_direct ? r : bus_call(ret, &subscribe, NULL, NULL);
}

static int job_failure(const char *result) {
        static const struct {
                const char *result, *words;
                int number;
        } rows[] = {
                { "failed", "the job failed", EIO },
                { "timeout", "the job took longer than systemd allows", ETIMEDOUT },
                { "canceled", "the job was canceled", ECANCELED },
                { "dependency", "a unit that it needs failed", EIO },
                { "skipped", "the job was skipped", EIO },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (str_eq(rows[i].result, result))
                        return fail_words(rows[i].number, "%s", rows[i].words);
        return fail_words(EIO, "the job ended as \"%s\"", result);
}

static int await_job(struct bus *bus, struct bus_reply *queued) {
        int64_t deadline = clock_ms() + BUS_TIMEOUT_MS;
        const char *job, *ended, *unit, *result;
        uint32_t id;
        if (!str_eq(queued->signature, "o") || !bus_get_text(&queued->body, &job))
                return fail_words(EBADMSG, "%s: an answer without a job", bus->address);
        do {
                struct bus_reply signal;
                int r = bus_wait(bus, MANAGER, "JobRemoved", (int)(deadline - clock_ms()), &signal);
                if (r < 0)
                        return r;
                if (!str_eq(signal.signature, "uoss") || !bus_get_u32(&signal.body, &id) ||
                    !bus_get_text(&signal.body, &ended) || !bus_get_text(&signal.body, &unit) ||
                    !bus_get_text(&signal.body, &result))
                        return fail_words(EBADMSG, "%s: a strange JobRemoved", bus->address);
        } while (!str_eq(ended, job));
        return str_eq(result, "done") ? 0 : job_failure(result);
}

/* -- starting -- */

static void put_properties(struct bus_message *body, const struct unit *unit, pid_t placeholder) {
        const struct unit_property ours[] = {
                { .name = "Description",
                  .signature = "s",
                  .text = unit->description ? unit->description : unit->scope },
                { .name = "Delegate", .signature = "b", .number = 1 },
                { .name = "CollectMode", .signature = "s", .text = "inactive-or-failed" },
                { .name = "DefaultDependencies", .signature = "b", .number = 0 },
                { .name = "Slice", .signature = "s", .text = unit->slice },
        };
        size_t all = bus_begin_array(body, 8);
        bus_align(body, 8);
        bus_put_text(body, "PIDs");
        bus_put_signature(body, "au");
        size_t pids = bus_begin_array(body, 4);
        bus_put_u32(body, (uint32_t)placeholder);
        bus_end_array(body, pids, 4);
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
                if (*ours[i].signature != 's' || ours[i].text)
                        bus_put_property(body, &ours[i]);
        for (size_t i = 0; i < unit->properties.n; i++)
                bus_put_property(body, &unit->properties.at[i]);
        bus_end_array(body, all, 8);
}

static int start(struct bus *bus, const struct unit *unit, pid_t placeholder, struct bus_reply *ret_job) {
        struct bus_message body = { 0 };
        struct bus_call call = manager("StartTransientUnit", "ssa(sv)a(sa(sv))", &body);
        bus_put_text(&body, unit->scope);
        bus_put_text(&body, "fail");
        put_properties(&body, unit, placeholder);
        bus_end_array(&body, bus_begin_array(&body, 8), 8);
        int r = bus_call(bus, &call, ret_job, NULL);
        if (r == -EEXIST)
                return fail_words(EEXIST, "it exists already");
        return r;
}

/* -- inside the scope -- */

/* Behind the scope's component of the path; NULL: it has none.  systemd puts a "_" in front of names that could be
 * taken for a kernel file's. */
static const char *behind_scope(const char *path, const char *scope) {
        size_t n = strlen(scope);
        for (const char *at = path; (at = strchr(at, '/')); at++) {
                const char *name = at + (at[1] == '_' && scope[0] != '_' ? 2 : 1);
                if (strncmp(name, scope, n) == 0 && (name[n] == '/' || name[n] == '\0'))
                        return name + n;
        }
        return NULL;
}

static int check_path(const char *path, const char *scope) {
        const char *end = behind_scope(path, scope);
        if (end && !*end && !strstr(path, "/../"))
                return 0;
        return fail_hint(fail_words(EXDEV, "find its cgroup: systemd names %s", path),
                         "rundlet needs a systemd that keeps its units in cgroup2");
}

static int move_placeholder(const struct cgroup *made, const char *base, const char *label) {
        const char *path = str_path(base, START_GROUP), *pid = str_format("%d", (int)made->placeholder);
        const struct plan nothing = { 0 };
        struct cgroup_making making = { made->probe, &nothing, base, path, label };
        struct cgroup group = CGROUP_NONE;
        int r = cgroup_make_below(&making, &group);
        if (r < 0)
                return r;
        r = write_file_at(group.fd, "cgroup.procs", pid, strlen(pid));
        group.fd = fd_close(group.fd);
        return r < 0 ? fail_in(r, "move process %s to the cgroup %s", pid, path) : 0;
}

/* hugetlb, rdma and misc are none of systemd's business: it neither hands them down to a scope nor takes them away from
 * one, so in its slices they are ours to enable, for whoever may. */
static int enable_unmanaged(const struct cgroup *made, const struct plan *plan, const char *base) {
        static const char *const managed[] = { "cpu", "cpuset", "io", "memory", "pids" };
        const struct strv list = { (const char **)managed, sizeof(managed) / sizeof(managed[0]) };
        autocgroup scope = CGROUP_NONE;
        struct plan others = *plan;
        others.controllers = (struct strv){ 0 };
        for (size_t i = 0; i < plan->controllers.n; i++)
                if (!strv_has(&list, plan->controllers.at[i]))
                        strv_add(&others.controllers, plan->controllers.at[i]);
        if (others.controllers.n == 0 || !made->probe->is_root)
                return 0;
        int r = cgroup_open(made->probe, base, &scope);
        if (r == -ENOENT)
                return fail(ENOENT, "open its cgroup %s", base);
        return r < 0 ? r : cgroup_enable(&scope, &others);
}

/* The sub-cgroup, or the scope's own where the container is to have none. */
static int enter(const struct plan *plan, const char *label, struct cgroup *made) {
        const char *subgroup = plan->unit->subgroup, *base;
        struct cgroup group = CGROUP_NONE;
        int r = cgroup_of(made->placeholder, &base);
        if (r == 0)
                r = check_path(base, made->scope);
        if (r == 0)
                r = enable_unmanaged(made, plan, base);
        if (r < 0)
                return r;
        if (*subgroup) {
                struct cgroup_making making = { made->probe, plan, base, str_path(base, subgroup), label };
                r = move_placeholder(made, base, label);
                if (r == 0)
                        r = cgroup_make_below(&making, &group);
        } else {
                r = cgroup_open(made->probe, base, &group);
                if (r == -ENOENT)
                        return fail(ENOENT, "open its cgroup %s", base);
                if (r == 0)
                        r = cgroup_set_label(group.fd, "container", label);
        }
        made->path = group.path;
        made->fd = group.fd;
        made->label = label;
        return r;
}

int scope_make(const struct probe *probe, const struct plan *plan, const char *label, struct cgroup *ret) {
        const struct unit *unit = plan->unit;
        autobus bus = BUS_NONE;
        struct cgroup made = { .fd = -1, .probe = probe, .scope = unit->scope, .is_user_scope = unit->is_user };
        struct bus_reply job;
        *ret = (struct cgroup)CGROUP_NONE;
        if (!probe->cgroup_root)
                return fail_words(ENOENT, "find the cgroup2 file system: none is mounted at /sys/fs/cgroup or "
                                          "/sys/fs/cgroup/unified");
        int r = open_manager(unit->is_user, &bus);
        if (r == 0)
                r = hold(&made.placeholder);
        if (r == 0)
                r = start(&bus, unit, made.placeholder, &job);
        if (r < 0) {
                drop(&made.placeholder);
                return fail_in(r, "ask systemd to start the scope %s", unit->scope);
        }
        r = await_job(&bus, &job);
        if (r == 0)
                r = enter(plan, label, &made);
        if (r == 0) {
                *ret = made;
                return 0;
        }
        struct err_saved why;
        err_save(&why);
        made.fd = fd_close(made.fd);
        if (scope_undo(&made) < 0)
                log_warning("%s", err_message());
        err_restore(&why);
        return fail_in(r, "start the scope %s", unit->scope);
}

int scope_settle(struct cgroup *cgroup) {
        if (cgroup->placeholder <= 0)
                return 0;
        drop(&cgroup->placeholder);
        const char *end = behind_scope(cgroup->path, cgroup->scope);
        if (!end || !*end) /* no sub-cgroup: it lived in the scope's own */
                return 0;
        const char *base = str_format("%.*s", (int)(end - cgroup->path), cgroup->path);
        return cgroup_remove(cgroup->probe, str_path(base, START_GROUP), cgroup->label);
}

/* A user's manager tells only of its own try, which the kernel refuses, not why the system's manager did not help. */
static int attach_failed(const struct cgroup *cgroup, int r) {
        char *controllers;
        struct err_saved why;
        err_save(&why);
        if (cgroup_read(cgroup->fd, "cgroup.subtree_control", &controllers) == 0 && *controllers)
                return fail(EBUSY, "it has cgroups of its own for its processes");
        err_restore(&why);
        return r;
}

static int attach(struct bus *bus, const struct cgroup *cgroup, pid_t pid) {
        struct bus_message body = { 0 };
        struct bus_call call = manager("AttachProcessesToUnit", "ssau", &body);
        const char *subgroup = behind_scope(cgroup->path, cgroup->scope), *path;
        if (!subgroup)
                return fail_words(EXDEV, "%s is not below it", cgroup->path);
        bus_put_text(&body, cgroup->scope);
        bus_put_text(&body, subgroup);
        size_t pids = bus_begin_array(&body, 4);
        bus_put_u32(&body, (uint32_t)pid);
        bus_end_array(&body, pids, 4);
        int r = bus_call(bus, &call, NULL, NULL);
        if (r < 0)
                return attach_failed(cgroup, r);
        r = cgroup_of(pid, &path);
        return r == 0 && !str_eq(path, cgroup->path) ? fail_words(EXDEV, "it is in %s afterwards", path) : r;
}

int scope_attach(const struct cgroup *cgroup, pid_t pid) {
        autobus bus = BUS_NONE;
        int r = bus_open(cgroup->is_user_scope, &bus);
        if (r == 0)
                r = attach(&bus, cgroup, pid);
        return r < 0 ? fail_in(r, "ask systemd to move process %d to the cgroup %s", (int)pid, cgroup->path) : 0;
}

/* -- changing and ending -- */

int scope_update(const struct unit *unit) {
        autobus bus = BUS_NONE;
        struct bus_message body = { 0 };
        struct bus_call call = manager("SetUnitProperties", "sba(sv)", &body);
        if (unit->properties.n == 0)
                return 0;
        bus_put_text(&body, unit->scope);
        bus_put_u32(&body, true); /* until the next boot */
        size_t all = bus_begin_array(&body, 8);
        for (size_t i = 0; i < unit->properties.n; i++)
                bus_put_property(&body, &unit->properties.at[i]);
        bus_end_array(&body, all, 8);
        int r = bus_open(unit->is_user, &bus);
        if (r == 0)
                r = bus_call(&bus, &call, NULL, NULL);
        return r < 0 ? fail_in(r, "ask systemd to change the scope %s", unit->scope) : 0;
}

/* "" when the scope has no cgroup (any more); -ENOENT: systemd knows no such scope. */
static int control_group(struct bus *bus, const char *scope, const char **ret) {
        struct bus_message body = { 0 };
        struct bus_call get = { .interface = "org.freedesktop.DBus.Properties", "Get", "ss", &body };
        struct bus_reply reply;
        const char *type;
        int r = call_unit(bus, "GetUnit", scope, NULL, &reply);
        if (r < 0)
                return r;
        if (!str_eq(reply.signature, "o") || !bus_get_text(&reply.body, &get.path))
                return fail_words(EBADMSG, "%s: an answer without a unit", bus->address);
        bus_put_text(&body, "org.freedesktop.systemd1.Scope");
        bus_put_text(&body, "ControlGroup");
        r = bus_call(bus, &get, &reply, NULL);
        if (r < 0)
                return r;
        if (!str_eq(reply.signature, "v") || !bus_get_signature(&reply.body, &type) || !str_eq(type, "s") ||
            !bus_get_text(&reply.body, ret))
                return fail_words(EBADMSG, "%s: an answer without a cgroup", bus->address);
        return **ret ? check_path(*ret, scope) : 0;
}

int scope_path(const char *scope, bool is_user, const char **ret_path) {
        autobus bus = BUS_NONE;
        const char *path;
        int r = bus_open(is_user, &bus);
        if (r == 0)
                r = control_group(&bus, scope, &path);
        if (r == -ENOENT && bus.fd < 0) /* no systemd at all: that has words */
                return r;
        if (r == -ENOENT || (r == 0 && !*path)) {
                err_clear();
                return -ENOENT;
        }
        if (r < 0)
                return fail_in(r, "ask systemd for the cgroup of the scope %s", scope);
        *ret_path = path;
        return 0;
}

static int end_processes(const char *path) {
        autocgroup cgroup = CGROUP_NONE;
        int r = cgroup_open(probe_self(), path, &cgroup);
        if (r == 0)
                r = cgroup_kill(&cgroup);
        if (r == 0)
                r = cgroup_wait_empty(&cgroup, END_MS);
        return r == -ENOENT ? 0 : r;
}

static int stop(struct bus *bus, const char *scope) {
        struct bus_reply job;
        const char *path;
        int r = control_group(bus, scope, &path);
        if (r == 0 && *path)
                r = end_processes(path);
        if (r == 0)
                r = call_unit(bus, "StopUnit", scope, "replace", &job);
        if (r == 0)
                r = await_job(bus, &job);
        if (r == 0)
                r = call_unit(bus, "ResetFailedUnit", scope, NULL, NULL);
        if (r == -ENOENT) { /* gone, before or meanwhile */
                err_clear();
                return 0;
        }
        return r;
}

int scope_remove(const char *scope, bool is_user) {
        autobus bus = BUS_NONE;
        int r = open_manager(is_user, &bus);
        if (r == 0)
                r = stop(&bus, scope);
        return r < 0 ? fail_in(r, "ask systemd to stop the scope %s", scope) : 0;
}

int scope_undo(struct cgroup *cgroup) {
        drop(&cgroup->placeholder);
        return scope_remove(cgroup->scope, cgroup->is_user_scope);
}
