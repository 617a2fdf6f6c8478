/* restore: a container whose processes come from an image of checkpoint.  The way is that of create; where create
 * clones a process, CRIU brings back those of the image, as children of ours. */
#include "runtime/container/creation.h"
#include "runtime/container/image.h"

#include "runtime/host/console.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/str.h"
#include "specs/base/timing.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RESTORE_LOG "restore.log"
#define FDS_MAX     8 /* namespaces by path */

struct restore {
        struct creation *creation;
        const struct image_options *options;
        struct image image;
        struct criu_message request;
        int fds[FDS_MAX];
        size_t fds_count;
};

/* -- what comes from outside -- */

static void put_fd(struct restore *restore, const char *key, int fd) {
        struct criu_message pair = { 0 };
        criu_put_text(&pair, 1, key);
        criu_put_number(&pair, 2, (uint64_t)fd);
        criu_put_inner(&restore->request, CRIU_INHERIT_FD, &pair);
}

/* CRIU goes on in a file where it was, and what is shorter than it was is another file to it. */
static int check_file(int fd) {
        static const char *const names[] = { "input", "output", "error" };
        struct stat status;
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
                return 0;
        return fail_hint(
                fail_words(EINVAL, "standard %s of the container was a file of the host, ours is none", names[fd]),
                "append to the same file: >>FILE");
}

/* Our own standard streams take the place of those that led outside. */
static int put_streams(struct restore *restore) {
        struct strv streams = { 0 };
        int r = image_load_streams(&restore->image, &streams);
        for (size_t i = 0; r == 0 && i < streams.n && i < 3; i++) {
                bool is_file = str_starts(streams.at[i], "file[");
                r = is_file ? check_file((int)i) : 0;
                if (r == 0 && (is_file || str_starts(streams.at[i], "pipe:")))
                        put_fd(restore, streams.at[i], (int)i);
        }
        return r;
}

static int put_namespaces(struct restore *restore) {
        const struct oci_linux *linux_ = restore->creation->prepared.config->linux_;
        for (size_t i = 0; linux_ && i < linux_->namespaces.n && restore->fds_count < FDS_MAX; i++) {
                const struct oci_namespace *namespace = &linux_->namespaces.at[i];
                const char *name = image_namespace_name(namespace->type.v);
                if (!namespace->path || !name)
                        continue;
                int fd = open(namespace->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (fd < 0)
                        return fail(errno, "linux.namespaces[%zu].path: open %s", i, namespace->path);
                restore->fds[restore->fds_count++] = fd;
                put_fd(restore, name, fd);
        }
        return 0;
}

/* A bound tree, and what the host has mounted below it. */
static void put_bind(struct restore *restore, const struct mount_list *host, const struct oci_mount *mount) {
        const char *destination = plan_destination(mount), *bundle = restore->creation->prepared.bundle;
        const char *source = mount->source && *mount->source == '/' ? mount->source : str_path(bundle, mount->source);
        char *real = realpath(source, NULL);
        size_t size = real && real[1] ? strlen(real) : 0; /* "/": what is below begins with its slash */
        image_put_mount(&restore->request, destination, source);
        for (size_t i = 0; real && i < host->n; i++) {
                const char *point = host->at[i].point;
                if (str_is_below(point, real))
                        image_put_mount(&restore->request, str_format("%s%s", destination, point + size), point);
        }
        free(real);
}

/* Nodes of the host that a container with a user namespace has bound, by the plan of its creation. */
static void put_nodes(struct restore *restore) {
        const struct plan *plan = restore->creation->prepared.plan;
        for (size_t i = 0; i < plan->count[LANE_OPEN]; i++) {
                const struct step *step = &plan->steps[LANE_OPEN][i];
                const char *path = step->kind == STEP_TREE && step->a ? plan->data + step->a : "";
                if (str_starts(path, "/dev/"))
                        image_put_mount(&restore->request, path, path);
        }
}

/* Where a container without a cgroup namespace has its folder bound. */
static void put_cgroup(struct restore *restore) {
        const struct creation *c = restore->creation;
        const struct oci_config *config = c->prepared.config;
        for (size_t i = 0; i < config->mounts.n && c->cgroup.fd >= 0; i++) {
                const struct oci_mount *mount = &config->mounts.at[i];
                if (mount->type && str_starts(mount->type, "cgroup") && image_binds_cgroup(config))
                        image_put_mount(&restore->request, plan_destination(mount),
                                        str_path(c->prepared.probe->cgroup_root, c->cgroup.path));
        }
}

static int put_mounts(struct restore *restore) {
        const struct oci_config *config = restore->creation->prepared.config;
        const struct oci_linux *linux_ = config->linux_;
        struct mount_list host;
        int r = mountinfo_read("/proc/self/mountinfo", &host);
        if (r < 0)
                return r;
        for (size_t i = 0; i < config->mounts.n; i++)
                if (oci_mount_is_bind(&config->mounts.at[i]) && config->mounts.at[i].source)
                        put_bind(restore, &host, &config->mounts.at[i]);
        for (size_t i = 0; linux_ && i < linux_->masked_paths.n; i++)
                image_put_mount(&restore->request, linux_->masked_paths.at[i], "/dev/null");
        put_nodes(restore);
        put_cgroup(restore);
        return 0;
}

static int make_request(struct restore *restore) {
        const struct prepared *p = &restore->creation->prepared;
        struct criu_message *request = &restore->request;
        int r = image_request(&restore->image, restore->options, p->config, RESTORE_LOG, request);
        criu_put_text(request, CRIU_ROOT, p->rootfs);
        criu_put_number(request, CRIU_RST_SIBLING, true);
        if (restore->options->lsm_profile)
                criu_put_text(request, CRIU_LSM_PROFILE, restore->options->lsm_profile);
        if (restore->options->lsm_mount_context)
                criu_put_text(request, CRIU_LSM_MOUNT_CONTEXT, restore->options->lsm_mount_context);
        if (r == 0)
                r = put_mounts(restore);
        if (r == 0)
                r = put_namespaces(restore);
        return r < 0 ? r : put_streams(restore);
}

/* -- what CRIU tells -- */

static int take_terminal(struct creation *c, int fd) {
        static const char words[] = "/dev/pts/0";
        autofd master = fd;
        if (master < 0 || c->slot[SLOT_CONSOLE] < 0)
                return fail_words(EPROTO, "CRIU brings a terminal, and process.terminal is false");
        return console_send_fd(c->slot[SLOT_CONSOLE], words, sizeof(words) - 1, master);
}

/* By clone's CLONE_PARENT it is a child of ours, and stays one after CRIU has gone. */
static int adopt(struct creation *c, pid_t pid) {
        siginfo_t info;
        autofd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return fail(errno, "open process %d", (int)pid);
        if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
                return fail(errno, "process %d is not the container's", (int)pid);
        c->child.pid = pid;
        c->child.pidfd = fd_take(&pidfd);
        return 0;
}

/* Each of the attributes, there or not, as mountinfo has them. */
static struct strv all_attributes(const struct strv *options) {
        static const char *const pairs[][2] = {
                { "ro", "rw" }, { "nosuid", "suid" }, { "nodev", "dev" }, { "noexec", "exec" }
        };
        struct strv all = { 0 };
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
                strv_add(&all, pairs[i][strv_has(options, pairs[i][0]) ? 0 : 1]);
        return all;
}

/* Of what lies one over the other only the topmost can be seen, the last in the list. */
static bool is_covered(const struct image_mounts *mounts, size_t index) {
        for (size_t i = index + 1; i < mounts->mounts.n; i++)
                if (str_eq(mounts->mounts.at[i].destination, mounts->mounts.at[index].destination))
                        return true;
        return false;
}

static bool is_as_before(const struct mount_list *now, const char *point, const char *attributes) {
        bool is_same = false;
        for (size_t i = 0; i < now->n; i++) {
                if (!str_eq(now->at[i].point, point))
                        continue;
                struct strv options = str_split(now->at[i].options, ',', true), all = all_attributes(&options);
                is_same = str_eq(str_join(&all, ","), attributes);
        }
        return is_same;
}

/* CRIU forgets attributes of mounts that come from outside: of what covers a file, that it is read-only. */
static int mend_mounts(const struct restore *restore) {
        const struct creation *c = restore->creation;
        struct oci_config wanted = *c->prepared.config;
        struct image_mounts before;
        struct mount_list now;
        struct plan *plan;
        int r = image_load_mounts(&restore->image, &before);
        if (r == 0)
                r = mountinfo_read(str_format("/proc/%d/mountinfo", (int)c->child.pid), &now);
        if (r < 0)
                return r;
        wanted.mounts.at = arena_array(before.mounts.n, sizeof(*wanted.mounts.at));
        wanted.mounts.n = 0;
        for (size_t i = 0; i < before.mounts.n; i++) {
                struct oci_mount mount = before.mounts.at[i];
                mount.options = all_attributes(&mount.options);
                if (is_covered(&before, i) || is_as_before(&now, mount.destination, str_join(&mount.options, ",")))
                        continue;
                strv_add(&mount.options, "remount");
                wanted.mounts.at[wanted.mounts.n++] = mount;
        }
        if (!wanted.mounts.n)
                return 0;
        r = plan_build_remounts(&wanted, c->prepared.probe, &c->prepared.plan_options, &plan);
        return r < 0 ? r : container_enter(c->child.pidfd, plan);
}

/* The last moment at which the processes still stand still: durable first. */
static int commit(struct restore *restore, pid_t pid) {
        struct creation *c = restore->creation;
        int r = adopt(c, pid);
        if (r == 0)
                r = creation_settle(c);
        if (r == 0)
                r = mend_mounts(restore);
        return r < 0 ? r : timing_phase("record", creation_record(c));
}

static int listen_to_criu(const char *event, pid_t pid, int fd, void *data) {
        struct restore *restore = data;
        struct creation *c = restore->creation;
        if (str_eq(event, "orphan-pts-master"))
                return take_terminal(c, fd);
        (void)fd_close(fd);
        if (str_eq(event, "setup-namespaces")) {
                c->child.pid = pid; /* told to hooks; not ours to kill yet */
                int r = timing_phase("hooks", creation_run_hooks(c));
                c->child.pid = 0;
                return r;
        }
        return str_eq(event, "post-restore") ? commit(restore, pid) : 0;
}

static bool has_own_cgroup_namespace(const struct oci_config *config) {
        const struct oci_namespace *cgroup = oci_namespace_find(config, CLONE_NEWCGROUP);
        return cgroup && !cgroup->path;
}

static int bring_back(struct restore *restore) {
        struct creation *c = restore->creation;
        autocriu criu = CRIU_NONE;
        struct plan *plan;
        int r = plan_build_restore(c->prepared.config, c->prepared.probe, &c->prepared.plan_options, &plan);
        if (r < 0)
                return r;
        const struct criu_start start = { .program = restore->options->criu,
                                          .plan = plan,
                                          .cgroup = &c->cgroup,
                                          .no_new_privileges = c->prepared.config->process->no_new_privileges,
                                          .has_cgroup_namespace = has_own_cgroup_namespace(c->prepared.config),
                                          .inherited = restore->fds,
                                          .inherited_count = restore->fds_count };
        r = criu_start(&start, &criu);
        if (r < 0)
                return r;
        r = criu_ask(&criu, CRIU_RESTORE, &restore->request, listen_to_criu, restore);
        if (r < 0)
                return criu_fail(r, restore->image.work, restore->image.work_path, RESTORE_LOG);
        return c->child.pid > 0 ? 0 : fail_words(EPROTO, "CRIU did not say which process it brought back");
}

static int restore(struct restore *restore, int *ret_status) {
        struct creation *c = restore->creation;
        int r = store_check_id(c->options->id);
        if (r == 0)
                r = image_check(restore->options);
        if (r == 0)
                r = image_open(restore->options, false, &restore->image);
        if (r == 0)
                r = creation_begin(c);
        if (r == 0 && !c->prepared.probe->is_root)
                r = fail_words(EPERM, "CRIU needs root");
        if (r == 0)
                r = image_allows(c->prepared.config);
        if (r == 0)
                r = image_admit(&restore->image, c->prepared.config);
        if (r == 0)
                r = make_request(restore);
        if (r == 0)
                r = timing_phase("criu", bring_back(restore));
        if (r < 0) {
                /* What CRIU had brought back when it was killed. */
                struct err_saved why;
                err_save(&why);
                if (c->cgroup.fd >= 0)
                        (void)cgroup_kill(&c->cgroup);
                err_restore(&why);
                return r;
        }
        return creation_serve(c, ret_status);
}

int container_restore(const struct container_options *given, const struct image_options *image, int *ret_status) {
        struct container_options options = container_absolute(given);
        autocreation creation;
        struct restore all = { .creation = &creation, .options = image, .image = IMAGE_NONE };
        creation_init(&creation, &options, false);
        *ret_status = 0;
        if (!options.detach)
                console_block_signals();
        int r = restore(&all, ret_status);
        for (size_t i = 0; i < all.fds_count; i++)
                (void)fd_close(all.fds[i]);
        image_release(&all.image);
        return r < 0 ? fail_in(r, "restore %s", options.id) : 0;
}
