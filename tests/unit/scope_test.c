/* Scopes with a manager of our own in systemd's place: it speaks the same protocol and does with cgroups on the
 * machine's own cgroup2 mount what systemd does.  Without rights to make one nothing is tested: the systemd suite has
 * the real one.
 */
#include "runtime/host/probe.h"
#include "runtime/host/scope.h"
#include "specs/base/file.h"
#include "tests/unit/bus_case.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MANAGER_PATH "/org/freedesktop/systemd1"

static const struct probe *probe;
static const char *name; /* of the manager's abstract socket */
static const char *top;  /* "/rundlet-scope-test-PID": the slice */

/* What goes wrong, chosen before the manager is started. */
static struct fault {
        const char *job_result;  /* of the start */
        const char *start_error; /* StartTransientUnit is refused */
        bool goes_elsewhere;     /* the process is not moved */
        bool is_closed;          /* hangs up instead of the start's answer */
} fault;

static const char *on_disk(const char *path) {
        return str_format("%s%s", probe->cgroup_root, path);
}

static bool exists(const char *path) {
        return access(on_disk(path), F_OK) == 0;
}

static const char *scope_folder(const char *scope) {
        return str_path(top, scope);
}

/* -- the manager -- */

/* PIDs of the property list, which is first. */
static uint32_t first_pid(struct bus_message *body, const char **ret_scope) {
        const char *mode, *property, *type;
        uint32_t n, size, pid;
        bool good = bus_get_text(body, ret_scope) && bus_get_text(body, &mode) && bus_get_u32(body, &n);
        body->position = (body->position + 7) / 8 * 8;
        good = good && bus_get_text(body, &property) && bus_get_signature(body, &type) && bus_get_u32(body, &size) &&
               bus_get_u32(body, &pid);
        return good && str_eq(mode, "fail") && str_eq(property, "PIDs") && str_eq(type, "au") && size == 4 ? pid : 0;
}

static void start_unit(int fd, struct incoming *call) {
        const char *scope, *type = call->header.signature;
        struct bus_message all = call->header.body;
        uint32_t pid = first_pid(&call->header.body, &scope);
        while (*type)
                if (!bus_skip(&all, &type))
                        _exit(1);
        if (!pid || all.position != all.n || !str_eq(call->header.signature, "ssa(sv)a(sa(sv))"))
                _exit(1);
        if (fault.is_closed)
                _exit(0);
        if (fault.start_error) {
                refuse(fd, call, "org.freedesktop.systemd1.BadUnitSetting", fault.start_error);
                return;
        }
        const char *number = str_format("%u", pid), *folder = on_disk(scope_folder(scope));
        if (mkdir(folder, 0755) < 0) {
                refuse(fd, call, "org.freedesktop.systemd1.UnitExists", "Unit was already loaded");
                return;
        }
        if (!fault.goes_elsewhere && write_file_at(AT_FDCWD, str_path(folder, "cgroup.procs"), number, strlen(number)))
                _exit(1);
        reply(fd, call, "o", "/job/7");
        job_removed(fd, "/job/6", "failed", ":1.1");
        job_removed(fd, "/job/7", "failed", ":1.99"); /* anybody may say so */
        job_removed(fd, "/job/7", fault.job_result, ":1.1");
}

static void stop_unit(int fd, const struct incoming *call, const char *scope) {
        struct cgroup cgroup = CGROUP_NONE;
        if (cgroup_open(probe, scope_folder(scope), &cgroup) < 0) {
                refuse(fd, call, "org.freedesktop.systemd1.NoSuchUnit", "Unit not loaded.");
                return;
        }
        if (cgroup_kill(&cgroup) < 0 || cgroup_wait_empty(&cgroup, 5000) < 0)
                _exit(1);
        autofd dir = open(on_disk(top), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)unlinkat(dir, str_path(scope, "rundlet-start"), AT_REMOVEDIR);
        (void)unlinkat(dir, str_path(scope, "container"), AT_REMOVEDIR);
        if (unlinkat(dir, scope, AT_REMOVEDIR) < 0)
                _exit(1);
        reply(fd, call, "o", "/job/8");
        job_removed(fd, "/job/8", "done", ":1.1");
}

static void tell_path(int fd, const struct incoming *call) {
        struct bus_message body = { 0 };
        struct outgoing out = { BUS_REPLY, call->serial, .sender = ":1.1", .signature = "v", .body = &body };
        /* The unit's path ends with the scope's name here: it is opaque to the client. */
        const char *scope = strrchr(call->header.path, '/') + 1;
        bus_put_signature(&body, "s");
        bus_put_text(&body, scope_folder(str_format("%s.scope", scope)));
        give(fd, &out);
}

static void manage(int fd) {
        struct incoming call;
        const char *scope;
        welcome(fd);
        while (take(fd, &call)) {
                const char *member = call.header.member;
                if (str_eq(member, "StartTransientUnit")) {
                        start_unit(fd, &call);
                        continue;
                }
                if (str_eq(member, "Get")) {
                        tell_path(fd, &call);
                        continue;
                }
                if (str_eq(member, "AddMatch") || str_eq(member, "Subscribe")) {
                        reply(fd, &call, NULL, NULL);
                        continue;
                }
                if (!bus_get_text(&call.header.body, &scope))
                        _exit(1);
                if (str_eq(member, "StopUnit"))
                        stop_unit(fd, &call, scope);
                else if (str_eq(member, "GetUnit") && exists(scope_folder(scope)))
                        reply(fd, &call, "o", str_format(MANAGER_PATH "/unit/%.*s", (int)strlen(scope) - 6, scope));
                else if (str_eq(call.header.signature, "sba(sv)") && exists(scope_folder(scope)))
                        reply(fd, &call, NULL, NULL);
                else
                        refuse(fd, &call, "org.freedesktop.systemd1.NoSuchUnit",
                               str_format("Unit %s not loaded.", scope));
        }
}

/* -- what is tested -- */

static struct unit unit = { .scope = "web.scope", .subgroup = "container", .is_user = true };
static struct plan plan = { .unit = &unit };

static int make(struct cgroup *ret) {
        return scope_make(probe, &plan, "/state/web", ret);
}

static bool has_children(void) {
        return waitpid(-1, NULL, WNOHANG | __WNOTHREAD) >= 0;
}

/* A start to an end: the container's cgroup is there, the placeholder is beside it until it is not needed. */
static void test_life(void) {
        struct unit_property limit = { .name = "TasksMax", .signature = "t", .number = 5 };
        autocgroup cgroup = CGROUP_NONE;
        struct cgroup again = CGROUP_NONE;
        const char *path, *container = str_path(scope_folder("web.scope"), "container");
        pid_t manager = serve(name, manage);
        unit.properties.at = &limit;
        unit.properties.n = 1;
        CHECK_INT(make(&cgroup), 0);
        CHECK_STR(cgroup.path, container);
        CHECK(cgroup.fd >= 0 && cgroup.placeholder > 0 && cgroup.is_user_scope && exists(container));
        CHECK(cgroup_is_ours(&cgroup, "/state/web"));
        CHECK_INT(cgroup_of(cgroup.placeholder, &path), 0);
        CHECK_STR(path, str_path(scope_folder("web.scope"), "rundlet-start"));
        CHECK_FAIL(make(&again), "ask systemd to start the scope web.scope: it exists already");
        CHECK(exists(container) && again.fd == -1); /* it is not ours to undo */
        CHECK_INT(scope_path("web.scope", true, &path), 0);
        CHECK_STR(path, scope_folder("web.scope"));
        CHECK_INT(scope_path("other.scope", true, &path), -ENOENT);
        CHECK_INT(scope_update(&unit), 0);
        pid_t placeholder = cgroup.placeholder;
        CHECK_INT(scope_settle(&cgroup), 0);
        CHECK(kill(placeholder, 0) < 0 && cgroup.placeholder == 0);
        CHECK(exists(container) && !exists(str_path(scope_folder("web.scope"), "rundlet-start")));
        CHECK_INT(scope_settle(&cgroup), 0);
        cgroup_keep(&cgroup);
        CHECK_INT(scope_remove("web.scope", true), 0);
        CHECK(!exists(scope_folder("web.scope")));
        CHECK_INT(scope_remove("web.scope", true), 0);
        unit.properties.n = 0;
        end(manager);
}

static void test_release(void) {
        struct cgroup cgroup = CGROUP_NONE;
        pid_t manager = serve(name, manage);
        CHECK_INT(make(&cgroup), 0);
        (void)fail_words(EIO, "the reason");
        cgroup_release(&cgroup);
        CHECK_STR(err_message(), "the reason");
        CHECK(!exists(scope_folder("web.scope")));
        end(manager);
        CHECK(!has_children());
}

static void test_no_subgroup(void) {
        autocgroup cgroup = CGROUP_NONE;
        pid_t manager = serve(name, manage);
        unit.subgroup = "";
        CHECK_INT(make(&cgroup), 0);
        CHECK_STR(cgroup.path, scope_folder("web.scope"));
        CHECK(cgroup_is_ours(&cgroup, "/state/web"));
        CHECK_INT(scope_settle(&cgroup), 0);
        cgroup_keep(&cgroup);
        CHECK_INT(scope_remove("web.scope", true), 0);
        CHECK(!exists(scope_folder("web.scope")));
        unit.subgroup = "container";
        end(manager);
}

static void fails(const char *words) {
        struct cgroup cgroup = CGROUP_NONE;
        pid_t manager = serve(name, manage);
        err_clear();
        CHECK_ROW(make(&cgroup) < 0 && strstr(err_message(), words), words);
        CHECK(cgroup.fd == -1 && !exists(scope_folder("web.scope")));
        end(manager);
        CHECK(!has_children());
        fault = (struct fault){ .job_result = "done" };
}

static void test_faults(void) {
        fault.job_result = "failed";
        fails("start the scope web.scope: the job failed");
        fault.job_result = "timeout";
        fails("start the scope web.scope: the job took longer than systemd allows");
        fault.job_result = "unheard-of";
        fails("start the scope web.scope: the job ended as \"unheard-of\"");
        fault.start_error = "Cannot set property X";
        fails("ask systemd to start the scope web.scope: Cannot set property X");
        fault.goes_elsewhere = true;
        fails("start the scope web.scope: find its cgroup: systemd names /");
        fault.is_closed = true;
        fails("ask systemd to start the scope web.scope: unix:abstract=");
        plan.controllers = str_split("nonsense", ',', true);
        plan.cgroup_writes.at = &(struct cgroup_write){ "nonsense.max", "5", "nonsense", "linux.resources.nonsense" };
        plan.cgroup_writes.n = 1;
        fails("linux.resources.nonsense: the nonsense controller is not available at ");
        plan.controllers.n = plan.cgroup_writes.n = 0;
        pid_t manager = serve(name, manage);
        unit.properties.at = &(struct unit_property){ .name = "TasksMax", .signature = "t", .number = 5 };
        unit.properties.n = 1;
        CHECK_FAIL(scope_update(&unit), "ask systemd to change the scope web.scope: Unit web.scope not loaded.");
        unit.properties.n = 0;
        end(manager);
        CHECK_FAIL(scope_remove("web.scope", true),
                   "ask systemd to stop the scope web.scope: reach systemd of the user");
}

int main(void) {
        probe = probe_get();
        name = str_format("rundlet-scope-test-%d", (int)getpid());
        top = str_format("/%s", name);
        fault.job_result = "done";
        (void)setenv("DBUS_SESSION_BUS_ADDRESS", str_format("unix:abstract=%s", name), 1);
        (void)setenv("XDG_RUNTIME_DIR", "/no/such/folder", 1);
        if (!probe->cgroup_root || mkdir(on_disk(top), 0755) < 0) {
                CHECK_FAIL(scope_remove("web.scope", true), "ask systemd to stop the scope web.scope: reach systemd");
                return test_done();
        }
        test_life();
        test_release();
        test_no_subgroup();
        test_faults();
        CHECK_INT(rmdir(on_disk(top)), 0);
        return test_done();
}
