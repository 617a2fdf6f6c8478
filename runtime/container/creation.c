#include "runtime/container/creation.h"
#include "runtime/container/network.h"

#include "runtime/host/console.h"
#include "runtime/host/hooks.h"
#include "runtime/host/scope.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/timing.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define RECEIVER "run.oci.pidfd_receiver"

/* -- small facts for the record -- */

static const char *now_text(void) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return str_utc(now.tv_sec, now.tv_nsec);
}

/* The caller's name from the host's own file, or its number: no name service is asked. */
static const char *owner_name(uid_t uid) {
        char *text;
        const char *number = str_format("%u", (unsigned)uid);
        if (read_file_at(AT_FDCWD, "/etc/passwd", 1u << 20, &text, NULL) < 0) {
                err_clear();
                return number;
        }
        struct strv lines = str_split(text, '\n', true);
        for (size_t i = 0; i < lines.n; i++) {
                struct strv parts = str_split(lines.at[i], ':', false);
                if (parts.n > 2 && str_eq(parts.at[2], number))
                        return parts.at[0];
        }
        return number;
}

/* Before anything is made: what is there already is not ours to remove. */
static int find_rdt(struct creation *c) {
        const struct plan_rdt *rdt = c->prepared.plan->rdt;
        int r = rdt ? rdt_open(&c->resctrl) : 0;
        if (r < 0 || !rdt)
                return r;
        c->record.rdt_group = rdt->group;
        c->record.rdt_made = rdt->is_own && !rdt_exists(c->resctrl, rdt->group);
        if (rdt->monitor && !rdt_monitor_exists(c->resctrl, rdt->group, rdt->monitor))
                c->record.rdt_monitor = rdt->monitor;
        return 0;
}

static int fill_record(struct creation *c) {
        const struct prepared *p = &c->prepared;
        const char *cgroups_path = p->config->linux_ ? p->config->linux_->cgroups_path : NULL;
        const struct unit *unit = p->plan->unit;
        c->record = (struct container_record){
                .version = 1,
                .id = c->entry.id,
                .bundle = p->bundle,
                .rootfs = p->rootfs,
                .created = now_text(),
                .owner = owner_name(getuid()),
                .phase = "creating",
                .cgroup_path = "",
                .cgroup_driver = names_of(&cgroup_driver_names, c->options->driver),
                .cgroup_scope = unit ? unit->scope : NULL,
                .cgroup_user = unit && unit->is_user,
                .own_overlay = plan_overlay_is_private(p->config),
                .annotations = p->config->annotations,
        };
        int r = process_boot_id(&c->record.boot_id);
        if (r == 0)
                r = find_rdt(c);
        if (r < 0 || c->options->driver != DRIVER_CGROUPFS)
                return r;
        r = cgroup_path(p->probe, cgroups_path, c->entry.id, &c->record.cgroup_path);
        if (r == 0)
                c->record.cgroup_made = cgroup_missing(p->probe, c->record.cgroup_path);
        return r;
}

/* -- ids as the host sees them -- */

struct id_maps {
        const struct oci_idmap *at;
        size_t n;
};

static struct id_maps uid_maps(const struct oci_config *config) {
        const struct oci_linux *linux_ = config->linux_;
        return linux_ ? (struct id_maps){ linux_->uid_mappings.at, linux_->uid_mappings.n } : (struct id_maps){ 0 };
}

static struct id_maps gid_maps(const struct oci_config *config) {
        const struct oci_linux *linux_ = config->linux_;
        return linux_ ? (struct id_maps){ linux_->gid_mappings.at, linux_->gid_mappings.n } : (struct id_maps){ 0 };
}

/* -1 when the container's user namespace is not one that we map, or does not map the id. */
static int64_t mapped_id(const struct oci_config *config, struct id_maps maps, uint32_t id) {
        const struct oci_namespace *user = oci_namespace_find(config, CLONE_NEWUSER);
        if (!user)
                return id;
        for (size_t i = 0; !user->path && i < maps.n; i++)
                if (id >= maps.at[i].container_id && id - maps.at[i].container_id < maps.at[i].size)
                        return (int64_t)maps.at[i].host_id + (id - maps.at[i].container_id);
        return -1;
}

/* -- folders of an overlay -- */

/* The overlay's root has the upper folder's owner: the container's root, or it could not write to its own "/". */
static int own_layer_folder(const struct creation *c, int dir, const char *name) {
        const struct oci_config *config = c->prepared.config;
        int64_t uid = mapped_id(config, uid_maps(config), 0), gid = mapped_id(config, gid_maps(config), 0);
        if (!c->prepared.probe->is_root)
                return 0;
        if (uid <= 0 || gid < 0)
                return 0;
        return fchownat(dir, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0 ? fail(errno, "chown %s", name) : 0;
}

static int make_layer_folder(const struct creation *c, int dir, const char *name, bool *ret_made) {
        if (mkdirat(dir, name, 0755) < 0)
                return errno == EEXIST ? 0 : fail(errno, "make %s", name);
        *ret_made = true;
        if (fchmodat(dir, name, 0755, 0) < 0)
                return fail(errno, "chmod %s", name);
        return own_layer_folder(c, dir, name);
}

static int make_layer_folders(const struct creation *c, int dir, bool *ret_made) {
        int r = make_layer_folder(c, dir, "upper", ret_made);
        return r < 0 ? r : make_layer_folder(c, dir, "work", ret_made);
}

/* A private upper lives in the container's folder and goes with it; a named one stays, with what was written. */
static int make_overlay(struct creation *c) {
        const char *upper = oci_annotation(c->prepared.config, "org.rundlet.overlay.upper");
        bool made = false, is_private = c->record.own_overlay;
        int r = 0;
        if (!is_private && (!upper || !*upper || str_eq(upper, "tmpfs") || str_starts(upper, "tmpfs:")))
                return 0;
        if (is_private && mkdirat(c->entry.folder, "overlay", 0700) < 0)
                return fail(errno, "make %s/overlay", c->entry.path);
        if (is_private && (r = own_layer_folder(c, c->entry.folder, "overlay")) < 0)
                return r;
        const char *path = is_private      ? str_path(c->entry.path, "overlay")
                           : *upper == '/' ? upper
                                           : str_path(c->prepared.bundle, upper);
        autofd dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return fail(errno, "annotations[\"org.rundlet.overlay.upper\"]: open %s", path);
        r = make_layer_folders(c, dir, &made);
        if (made && !is_private)
                c->upper = fd_take(&dir);
        return r < 0 ? fail_in(r, "annotations[\"org.rundlet.overlay.upper\"]: %s", path) : 0;
}

/* -- the way up -- */

/* The claim on the id, and the intent: from here on whoever dies leaves something that names what it was about to make.
 */
static int claim(struct creation *c) {
        const struct container_options *options = c->options;
        int r = timing_phase(
                "plan", prepare_plan(options, str_path(c->store.path, options->id), c->waits_for_start, &c->prepared));
        if (r == 0)
                r = store_create(&c->store, options->id, &c->entry);
        if (r == 0)
                r = fill_record(c);
        if (r == 0)
                r = store_save(&c->entry, &c->record);
        if (r == 0)
                r = store_save_config(&c->entry, c->prepared.config_text, c->prepared.config_size);
        if (r == 0)
                r = network_make_files(&c->entry, c->prepared.config);
        return r < 0 ? r : make_overlay(c);
}

/* The host's id of the payload's user; -1 when its user namespace is not one that we map. */
static int64_t host_uid(const struct oci_config *config) {
        return mapped_id(config, uid_maps(config), config->process->user.uid);
}

/* Only with a cgroup namespace of its own and a cgroup file system that the container may write to. */
static bool wants_own_cgroup(const struct oci_config *config) {
        const struct oci_namespace *cgroup = oci_namespace_find(config, CLONE_NEWCGROUP);
        for (size_t i = 0; cgroup && !cgroup->path && i < config->mounts.n; i++) {
                const struct oci_mount *mount = &config->mounts.at[i];
                if (mount->type && str_starts(mount->type, "cgroup") && !strv_has(&mount->options, "ro"))
                        return true;
        }
        return false;
}

static int delegate(const struct creation *c) {
        int64_t uid = host_uid(c->prepared.config);
        if (c->cgroup.fd < 0 || uid < 0 || !c->prepared.probe->is_root || !wants_own_cgroup(c->prepared.config))
                return 0;
        return cgroup_delegate(&c->cgroup, (uint32_t)uid);
}

/* A user without a manager of their own loses nothing by it when no limit asks for one. */
static int make_scope(struct creation *c) {
        const struct plan *plan = c->prepared.plan;
        int r = scope_make(c->prepared.probe, plan, c->entry.path, &c->cgroup);
        if ((r != -ENOENT && r != -ECONNREFUSED) || !plan->unit->is_user || plan->cgroup_writes.n)
                return r;
        log_warning("%s: the container stays in the caller's cgroup", err_message());
        err_clear();
        c->record.cgroup_driver = names_of(&cgroup_driver_names, DRIVER_DISABLED);
        c->record.cgroup_scope = NULL;
        return 0;
}

static int make_cgroup(struct creation *c) {
        const struct prepared *p = &c->prepared;
        switch (c->options->driver) {
        case DRIVER_SYSTEMD:
                return make_scope(c);
        case DRIVER_CGROUPFS:
                return cgroup_make(p->probe, p->plan, c->record.cgroup_path, c->entry.path, &c->cgroup);
        case DRIVER_DISABLED:
        default:
                return 0;
        }
}

/* Somebody else may have made a group of the name meanwhile; then it is theirs. */
static int make_rdt(struct creation *c) {
        const struct plan_rdt *rdt = c->prepared.plan->rdt;
        int r = rdt ? rdt_make(c->resctrl, rdt, &c->rdt_made) : 0;
        c->record.rdt_made = c->record.rdt_made && c->rdt_made.group;
        return r;
}

/* As late as may be: only now its pid is sure, and children of its own it has none yet. */
static int enter_rdt(const struct creation *c) {
        const struct container_record *record = &c->record;
        return record->rdt_group ? rdt_enter(c->resctrl, record->rdt_group, record->rdt_monitor, c->child.pid) : 0;
}

static int enter_cgroup(struct creation *c) {
        int r = make_rdt(c);
        if (r == 0)
                r = make_cgroup(c);
        if (r == 0)
                c->record.cgroup_path = c->cgroup.fd >= 0 ? c->cgroup.path : "";
        if (r == 0)
                r = cgroup_apply(&c->cgroup, c->prepared.plan);
        if (r == 0)
                r = cgroup_attach_devices(&c->cgroup, c->prepared.plan);
        return r < 0 ? r : delegate(c);
}

/* The kernel's own word that init is where its limits are. */
static int verify_cgroup(const struct creation *c) {
        const char *path;
        if (c->cgroup.fd < 0)
                return 0;
        int r = cgroup_of(c->child.pid, &path);
        if (r == 0 && !str_eq(path, c->cgroup.path))
                return fail_words(EXDEV, "put the container into the cgroup %s: it is in %s", c->cgroup.path, path);
        return r;
}

static int spawn_init(struct creation *c) {
        struct spawn_input input = { .plan = c->prepared.plan, .slot = c->slot, .cgroup = &c->cgroup };
        /* The open lane binds it where a cgroup mount has no cgroup namespace of its own. */
        c->slot[SLOT_CGROUP] = c->cgroup.fd < 0 ? -1 : fcntl(c->cgroup.fd, F_DUPFD_CLOEXEC, 3);
        int r = timing_phase("spawn", spawn(&input, &c->child));
        return r < 0 ? r : creation_settle(c);
}

int creation_settle(struct creation *c) {
        int r = network_check_neighbour(c->prepared.neighbour);
        if (r == 0)
                r = verify_cgroup(c);
        return r < 0 ? r : scope_settle(&c->cgroup);
}

int creation_run_hooks(struct creation *c) {
        const struct oci_hooks *hooks = c->prepared.config->hooks;
        struct oci_state state = container_oci_state(&c->record, CONTAINER_CREATING);
        int r = 0;
        state.pid = c->child.pid;
        if (!hooks)
                return 0;
        c->hooks_ran = true;
        r = hooks_run("prestart", hooks->prestart.at, hooks->prestart.n, &state, c->prepared.bundle);
        if (r == 0)
                r = hooks_run("createRuntime", hooks->create_runtime.at, hooks->create_runtime.n, &state,
                              c->prepared.bundle);
        return r;
}

static int pass_hooks_barrier(struct creation *c) {
        if (!c->prepared.plan->has_hooks_barrier)
                return creation_tell_state(c, CONTAINER_CREATING);
        int r = timing_phase("child", spawn_await(&c->child, MESSAGE_HOOKS));
        if (r == 0)
                r = creation_tell_state(c, CONTAINER_CREATING); /* a joined pid namespace tells the pid only now */
        /* The hooks find them there. */
        if (r == 0)
                r = netdevs_move(c->prepared.plan, c->child.pid, &c->netdevs);
        if (r == 0)
                r = timing_phase("hooks", creation_run_hooks(c));
        return r < 0 ? r : spawn_go(&c->child);
}

/* --pidfd-socket, and crun's annotation for it. */
static int tell_pidfd(const struct creation *c) {
        const char *receiver = oci_annotation(c->prepared.config, RECEIVER);
        int r = c->options->pidfd_socket ? send_pidfd(c->options->pidfd_socket, "--pidfd-socket", c->child.pidfd) : 0;
        return r < 0 || !receiver ? r : send_pidfd(receiver, "annotations[\"" RECEIVER "\"]", c->child.pidfd);
}

int creation_record(struct creation *c) {
        const struct container_options *options = c->options;
        int r = process_remember(c->child.pid, c->child.pidfd, &c->record);
        if (r == 0)
                r = enter_rdt(c);
        c->record.phase = "created";
        if (r == 0)
                r = creation_tell_state(c, CONTAINER_CREATED);
        if (r == 0)
                r = timing_phase("record", store_save(&c->entry, &c->record));
        if (r == 0 && options->pid_file) {
                c->wrote_pid_file = true; /* a failure may come after the file was replaced */
                r = write_pid_file(options->pid_file, c->child.pid);
        }
        return r < 0 ? r : tell_pidfd(c);
}

/* Durable first, then the word to the child that it may live without us. */
static int commit(struct creation *c) {
        int r = creation_record(c);
        /* run: its startContainer hooks are next. */
        c->hooks_ran = c->hooks_ran || !c->waits_for_start;
        return r < 0 ? r : spawn_go(&c->child);
}

/* Where its pid is known at once and nobody else is told anything, the record is written while the child makes its
 * mounts, and the child need not wait for us.  It dies with us until it has heard that and all before went well; a
 * failure of its own is undone as ever. */
static bool may_go_early(const struct creation *c) {
        const struct plan *plan = c->prepared.plan;
        return !plan->has_hooks_barrier && !plan->joins_pidns && !plan->count[LANE_READY] && !plan->rdt &&
               !c->prepared.config->hooks && c->state < 0 && c->notify_state < 0 && !c->options->pid_file &&
               !c->options->pidfd_socket && !oci_annotation(c->prepared.config, RECEIVER);
}

static int check_terminal(const struct creation *c) {
        return prepare_terminal(c->prepared.config->process, c->options->console_socket,
                                !c->waits_for_start && !c->options->detach);
}

int creation_begin(struct creation *c) {
        int r = timing_phase("config", prepare_config(c->options, &c->prepared));
        if (r == 0)
                r = check_terminal(c);
        if (r == 0)
                r = store_open(c->options->root, true, &c->store);
        if (r == 0)
                r = timing_phase("record", claim(c));
        if (r == 0)
                r = creation_fill_slots(c);
        return r < 0 ? r : timing_phase("cgroup", enter_cgroup(c));
}

int creation_bring_up(struct creation *c) {
        int r = creation_begin(c);
        if (r == 0)
                r = spawn_init(c);
        if (r == 0)
                r = pass_hooks_barrier(c);
        if (r < 0)
                return r;
        bool is_early = may_go_early(c);
        r = timing_phase("child", spawn_await_ready(&c->child, is_early ? commit(c) : 0));
        if (r == 0 && !is_early)
                r = commit(c);
        /* create: init lets go of the socket once it no longer dies with us; run: execve closes it. */
        return r < 0 ? r : timing_phase("execve", spawn_await_exec(&c->child));
}

/* -- ownership -- */

void creation_init(struct creation *c, const struct container_options *options, bool waits_for_start) {
        *c = (struct creation){
                .options = options,
                .store = STORE_NONE,
                .entry = ENTRY_NONE,
                .cgroup = CGROUP_NONE,
                .child = CHILD_NONE,
                .netdevs = NETDEVS_NONE,
                .resctrl = -1,
                .state = -1,
                .notify_state = -1,
                .terminal = -1,
                .upper = -1,
                .waits_for_start = waits_for_start,
        };
        for (int i = 0; i < SLOT_MAX; i++)
                c->slot[i] = -1;
}

void creation_keep(struct creation *c) {
        child_keep(&c->child);
        cgroup_keep(&c->cgroup);
        c->kept = true;
}

static void poststop(const struct creation *c) {
        const struct oci_hooks *hooks = c->prepared.config ? c->prepared.config->hooks : NULL;
        struct oci_state state = container_oci_state(&c->record, CONTAINER_STOPPED);
        if (c->hooks_ran)
                (void)hooks_poststop(hooks, &state, c->prepared.bundle);
}

static void undo(struct creation *c) {
        const char *words = arena_strdup(err_message()), *hint = err_hint() ? arena_strdup(err_hint()) : NULL;
        int number = err_errno();
        netdevs_back(&c->netdevs);
        child_release(&c->child);
        cgroup_release(&c->cgroup);
        if (c->record.rdt_group &&
            rdt_remove(c->resctrl, c->record.rdt_group, c->rdt_made.monitor, c->rdt_made.group != NULL) < 0)
                log_warning("%s", err_message());
        if (c->record.cgroup_path)
                cgroup_remove_made(c->prepared.probe, c->record.cgroup_path, c->record.cgroup_made);
        if (c->wrote_pid_file)
                (void)unlink(c->options->pid_file);
        if (c->upper >= 0) {
                (void)unlinkat(c->upper, "upper", AT_REMOVEDIR); /* only when still empty */
                (void)unlinkat(c->upper, "work", AT_REMOVEDIR);
        }
        if (c->entry.folder >= 0 && store_remove(&c->store, &c->entry) < 0)
                log_warning("%s", err_message());
        poststop(c);
        if (!*words) {
                err_clear();
                return;
        }
        int r = fail_words(number, "%s", words);
        if (hint)
                (void)fail_hint(r, "%s", hint);
}

void creation_release(struct creation *c) {
        if (!c->kept)
                undo(c);
        netdevs_release(&c->netdevs);
        child_release(&c->child);
        cgroup_release(&c->cgroup);
        slots_close(c->slot);
        c->state = fd_close(c->state);
        c->notify_state = fd_close(c->notify_state);
        c->terminal = fd_close(c->terminal);
        c->resctrl = fd_close(c->resctrl);
        c->upper = fd_close(c->upper);
        entry_release(&c->entry);
        store_release(&c->store);
}
