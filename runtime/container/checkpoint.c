/* checkpoint: CRIU writes the processes of a container into a folder. */
#include "runtime/container/image.h"
#include "runtime/container/inside.h"

#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/path.h"
#include "specs/base/sys.h"
#include "specs/base/timing.h"
#include "specs/oci_names.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define DUMP_LOG "dump.log"

struct checkpoint {
        const struct image_options *options;
        struct container container;
        const struct oci_config *config;
        struct image image;
        struct criu_message request;
        struct strv streams;
        int status_fd; /* -1: none */
};

/* -- mounts from outside -- */

/* What is where, in the container and on the host; names[i]: of inside.at[i] in the image, NULL: none yet. */
struct outside {
        struct mount_list inside, host;
        const char **names;
};

static const char *proc_path(const struct checkpoint *c, const char *name) {
        return str_format("/proc/%d/%s", (int)c->container.record.pid, name);
}

/* The mount that the container has at a destination of its config: links on the way are its own. */
static int64_t mount_at(int root, const char *destination) {
        struct statx status;
        autofd fd = open_in(root, destination, O_PATH);
        if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0 || !(status.stx_mask & STATX_MNT_ID))
                return -1;
        return (int64_t)status.stx_mnt_id;
}

static int name_binds(const struct checkpoint *c, struct outside *outside) {
        autofd root = open(proc_path(c, "root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return fail(errno, "open %s", proc_path(c, "root"));
        for (size_t i = 0; i < c->config->mounts.n; i++) {
                const struct oci_mount *mount = &c->config->mounts.at[i];
                int64_t id = oci_mount_is_bind(mount) ? mount_at(root, mount->destination) : -1;
                for (size_t j = 0; id >= 0 && j < outside->inside.n; j++)
                        if (outside->inside.at[j].id == id)
                                outside->names[j] = plan_destination(mount);
        }
        return 0;
}

/* File systems that a container has mounts of its own of, whoever else has some. */
static bool is_kernels(const char *type) {
        static const char *const kinds[] = { "proc", "sysfs", "mqueue", "cgroup2", "devpts" };
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (str_eq(type, kinds[i]))
                        return true;
        return false;
}

static bool is_of_host(const struct outside *outside, const struct mount_entry *mount) {
        for (size_t i = 0; i < outside->host.n; i++)
                if (str_eq(outside->host.at[i].device, mount->device))
                        return !is_kernels(mount->type);
        return false;
}

/* What came along with a bound tree, and what covers files or stands for devices: "/dev/null" and the like, which are
 * on the restoring host too. */
static const char *name_of(const struct outside *outside, size_t index) {
        const char *point = outside->inside.at[index].point, *name = point;
        size_t longest = 0;
        for (size_t i = 0; i < outside->inside.n; i++) {
                const char *above = outside->inside.at[i].point;
                if (!outside->names[i] || !str_is_below(point, above) || strlen(above) < longest)
                        continue;
                longest = strlen(above);
                name = str_format("%s%s", outside->names[i], point + longest);
        }
        return name;
}

/* By its destination in the config, which says where on the other side too. */
static bool is_cgroup_bound(const struct checkpoint *c, const struct mount_entry *mount) {
        return str_eq(mount->type, "cgroup2") && image_binds_cgroup(c->config);
}

static int put_mounts(struct checkpoint *c) {
        struct outside outside;
        int r = mountinfo_read(proc_path(c, "mountinfo"), &outside.inside);
        if (r == 0)
                r = mountinfo_read("/proc/self/mountinfo", &outside.host);
        if (r < 0)
                return r;
        outside.names = arena_array(outside.inside.n, sizeof(*outside.names));
        r = name_binds(c, &outside);
        for (size_t i = 0; r == 0 && i < outside.inside.n; i++) {
                const struct mount_entry *mount = &outside.inside.at[i];
                if (str_eq(mount->point, "/"))
                        continue;
                if (outside.names[i] || is_of_host(&outside, mount) || is_cgroup_bound(c, mount))
                        image_put_mount(&c->request, mount->point,
                                        outside.names[i] ? outside.names[i] : name_of(&outside, i));
        }
        return r < 0 ? r : image_save_mounts(&c->image, &outside.inside);
}

/* -- namespaces and standard streams from outside -- */

static void put_external(struct checkpoint *c, const char *kind, const struct stat *status, const char *name) {
        criu_put_text(&c->request, CRIU_EXTERNAL,
                      str_format("%s[%llu]:%s", kind, (unsigned long long)status->st_ino, name));
}

static int put_namespaces(struct checkpoint *c) {
        const struct oci_linux *linux_ = c->config->linux_;
        for (size_t i = 0; linux_ && i < linux_->namespaces.n; i++) {
                const struct oci_namespace *namespace = &linux_->namespaces.at[i];
                const char *name = image_namespace_name(namespace->type.v);
                const char *kind = name ? namespace->type.v == CLONE_NEWNET ? "net" : "pid" : NULL;
                struct stat status;
                if (!namespace->path)
                        continue;
                if (!name) {
                        log_warning("linux.namespaces[%zu]: CRIU cannot join a namespace of type %s again: it is a new "
                                    "one after restore",
                                    i, names_of(&oci_namespace_names, namespace->type.v));
                        continue;
                }
                if (stat(proc_path(c, str_format("ns/%s", kind)), &status) < 0)
                        return fail(errno, "look at %s", proc_path(c, str_format("ns/%s", kind)));
                put_external(c, kind, &status, name);
        }
        return 0;
}

static bool is_inside(const struct mount_list *inside, int64_t id) {
        for (size_t i = 0; i < inside->n; i++)
                if (inside->at[i].id == id)
                        return true;
        return false;
}

static int64_t mount_of_fd(const struct checkpoint *c, int fd) {
        char *text;
        int64_t id = -1;
        if (read_file_at(AT_FDCWD, proc_path(c, str_format("fdinfo/%d", fd)), 65536, &text, NULL) < 0)
                return -1;
        const char *found = strstr(text, "mnt_id:\t");
        if (found)
                (void)parse_i64(arena_strndup(found + 8, strcspn(found + 8, "\n")), 0, INT32_MAX, &id);
        return id;
}

/* A file of the host's, as a shell's redirection leaves it, is handed over at restore as a pipe is. */
static int put_stream(struct checkpoint *c, const struct mount_list *inside, int fd) {
        char target[4096];
        struct stat status;
        const char *path = proc_path(c, str_format("fd/%d", fd));
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        int64_t mount = target[0] == '/' ? mount_of_fd(c, fd) : -1;
        if (mount < 0 || is_inside(inside, mount) || stat(path, &status) < 0) {
                err_clear();
                strv_add(&c->streams, arena_strdup(target));
                return 0;
        }
        const char *name = str_format("file[%llx:%llx]", (unsigned long long)mount, (unsigned long long)status.st_ino);
        criu_put_text(&c->request, CRIU_EXTERNAL, name);
        strv_add(&c->streams, name);
        return 0;
}

static int put_streams(struct checkpoint *c) {
        struct mount_list inside;
        int r = mountinfo_read(proc_path(c, "mountinfo"), &inside);
        for (int fd = 0; r == 0 && fd < 3; fd++)
                r = put_stream(c, &inside, fd);
        return r < 0 ? r : image_save_streams(&c->image, &c->streams);
}

/* -- the request -- */

static int put_page_server(struct checkpoint *c) {
        const char *given = c->options->page_server, *colon = given ? strrchr(given, ':') : NULL;
        struct criu_message server = { 0 };
        uint64_t port;
        if (!given)
                return 0;
        if (!colon || colon == given || parse_u64(colon + 1, 1, 65535, &port) < 0)
                return fail_words(EINVAL, "--page-server: %s: ADDRESS:PORT expected", str_printable(given));
        criu_put_text(&server, 1, arena_strndup(given, (size_t)(colon - given)));
        criu_put_number(&server, 2, port);
        criu_put_inner(&c->request, CRIU_PAGE_SERVER, &server);
        return 0;
}

static int put_status_fd(struct checkpoint *c) {
        uint64_t fd;
        if (!c->options->status_fd)
                return 0;
        if (parse_u64(c->options->status_fd, 0, 65535, &fd) < 0 || fcntl((int)fd, F_GETFD) < 0)
                return fail_words(EBADF, "--status-fd: %s: not an open file descriptor",
                                  str_printable(c->options->status_fd));
        c->status_fd = (int)fd;
        criu_put_number(&c->request, CRIU_STATUS_FD, fd);
        return 0;
}

static int put_parent(struct checkpoint *c) {
        const char *parent = c->options->parent_path;
        struct stat status;
        if (c->options->pre_dump || parent)
                criu_put_number(&c->request, CRIU_TRACK_MEM, true);
        if (!parent)
                return 0;
        if (parent[0] == '/')
                return fail_words(EINVAL, "--parent-path: %s: it is relative to --image-path", parent);
        if (fstatat(c->image.folder, parent, &status, 0) < 0)
                return fail(errno, "--parent-path: %s", str_path(c->image.path, parent));
        criu_put_text(&c->request, CRIU_PARENT_IMG, parent);
        return 0;
}

/* CRIU stops all of it at once by the cgroup, instead of running after each new process. */
static void put_cgroup(struct checkpoint *c) {
        autocgroup cgroup = CGROUP_NONE;
        const struct probe *probe = probe_get();
        if (container_cgroup(&c->container, &cgroup) == 0)
                criu_put_text(&c->request, CRIU_FREEZE_CGROUP, str_path(probe->cgroup_root, cgroup.path));
        err_clear();
        cgroup_keep(&cgroup);
}

static int make_request(struct checkpoint *c) {
        int r = image_request(&c->image, c->options, c->config, DUMP_LOG, &c->request);
        criu_put_number(&c->request, CRIU_PID, (uint64_t)c->container.record.pid);
        put_cgroup(c);
        if (r == 0)
                r = put_page_server(c);
        if (r == 0)
                r = put_status_fd(c);
        if (r == 0)
                r = put_parent(c);
        if (r == 0)
                r = put_mounts(c);
        if (r == 0)
                r = put_namespaces(c);
        return r < 0 ? r : put_streams(c);
}

static int ignore_event(const char *event, pid_t pid, int fd, void *data) {
        (void)event;
        (void)pid;
        (void)data;
        (void)fd_close(fd);
        return 0;
}

static int dump(struct checkpoint *c) {
        autocriu criu = CRIU_NONE;
        const struct criu_start start = { .program = c->options->criu,
                                          .umask = image_umask(c->config),
                                          .inherited = &c->status_fd,
                                          .inherited_count = c->status_fd >= 0 };
        int r = criu_start(&start, &criu);
        if (r < 0)
                return r;
        r = criu_ask(&criu, c->options->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, &c->request, ignore_event, NULL);
        return r < 0 ? criu_fail(r, c->image.work, c->image.work_path, DUMP_LOG) : 0;
}

/* -- who may be written -- */

/* What is written to an overlay that goes with the container would be lost. */
static int check_overlay(const struct checkpoint *c) {
        const char *upper = oci_annotation(c->config, "org.rundlet.overlay.upper");
        bool is_lost =
                c->container.record.own_overlay || (upper && (str_eq(upper, "tmpfs") || str_starts(upper, "tmpfs:")));
        if (!is_lost || c->options->leave_running || c->options->pre_dump)
                return 0;
        return fail_hint(fail_words(EINVAL, "what was written to its overlay would go with it"),
                         "run it with --upper DIR, or use --leave-running");
}

static int check(const struct checkpoint *c) {
        if (!probe_get()->is_root)
                return fail_words(EPERM, "CRIU needs root");
        if (c->container.status != CONTAINER_RUNNING && c->container.status != CONTAINER_PAUSED)
                return fail_words(EINVAL, "cannot checkpoint a container in the %s state",
                                  container_status_name(c->container.status));
        int r = image_allows(c->config);
        return r < 0 ? r : check_overlay(c);
}

static int checkpoint(struct checkpoint *c, const char *root, const char *id) {
        struct oci_config *config;
        int r = image_check(c->options);
        if (r == 0)
                r = container_open(root, id, LOCK_EX, &c->container);
        if (r == 0)
                r = container_config(&c->container.entry, &config);
        if (r < 0)
                return r;
        c->config = config;
        r = check(c);
        if (r == 0)
                r = image_open(c->options, true, &c->image);
        if (r == 0)
                r = image_admit(&c->image, config);
        if (r == 0)
                r = make_request(c);
        if (r == 0)
                r = timing_phase("dump", dump(c));
        if (r < 0 || c->options->leave_running || c->options->pre_dump)
                return r;
        return container_destroy(&c->container);
}

int container_checkpoint(const char *root, const char *id, const struct image_options *options) {
        struct checkpoint c = { .options = options, .container = CONTAINER_NONE, .image = IMAGE_NONE, .status_fd = -1 };
        int r = checkpoint(&c, root, id);
        container_release(&c.container);
        image_release(&c.image);
        return r < 0 ? fail_in(r, "checkpoint %s", id) : 0;
}
