#include "runtime/container/creation.h"

#include "runtime/host/console.h"
#include "runtime/host/probe.h"
#include "runtime/host/rdt.h"
#include "runtime/host/userns.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"
#include "specs/base/timing.h"

#include <fcntl.h>
#include <sys/file.h>

/* A process on its way into a container that lives. */
struct entering {
        const struct exec_options *options; /* its paths are absolute */
        struct container container;
        struct oci_config *config;
        struct oci_process *process;
        struct plan *plan;
        struct cgroup cgroup;
        struct child child;
        int slot[SLOT_MAX];
        int notify_state, terminal;
};

static void entering_release(struct entering *e) {
        child_release(&e->child);
        cgroup_release(&e->cgroup);
        slots_close(e->slot);
        e->notify_state = fd_close(e->notify_state);
        e->terminal = fd_close(e->terminal);
        container_release(&e->container);
}

static void entering_init(struct entering *e, const struct exec_options *options) {
        *e = (struct entering){ .options = options,
                                .process = options->process,
                                .container = CONTAINER_NONE,
                                .cgroup = CGROUP_NONE,
                                .child = CHILD_NONE,
                                .notify_state = -1,
                                .terminal = -1 };
        for (int i = 0; i < SLOT_MAX; i++)
                e->slot[i] = -1;
}

static int choose_process(struct entering *e) {
        int r = container_config(&e->container.entry, &e->config);
        return r < 0 || e->process ? r : e->options->choose(e->config, e->options->data, &e->process);
}

static int check_status(const struct entering *e) {
        enum container_status status = e->container.status;
        if (status == CONTAINER_STOPPED || status == CONTAINER_CREATING)
                return fail_words(ESRCH, "cannot exec in a %s container", container_status_name(status));
        if (status == CONTAINER_PAUSED && !e->options->ignore_paused)
                return fail_words(EBUSY, "cannot exec in a paused container (use --ignore-paused)");
        return prepare_terminal(e->process, e->options->console_socket, !e->options->detach);
}

static int make_plan(struct entering *e) {
        struct plan_options options = {
                .bundle = e->container.record.bundle,
                .id = e->container.record.id,
                .state_folder = e->container.entry.path,
                .has_console_socket = e->process->terminal,
                .init_pid = (pid_t)e->container.record.pid,
        };
        int r = prepare_fds(e->options->preserve_fds, &options);
        if (r == 0)
                r = plan_build_exec(e->config, e->process, probe_get_for(e->config, e->process), &options, &e->plan);
        for (size_t i = 0; r == 0 && i < e->plan->warnings.n; i++)
                log_warning("%s", e->plan->warnings.at[i]);
        return r;
}

static int fill_slots(struct entering *e) {
        e->slot[SLOT_PIDFD] = fcntl(e->container.pidfd, F_DUPFD_CLOEXEC, 3);
        if (e->slot[SLOT_PIDFD] < 0)
                return fail(errno, "dup");
        if (e->process->terminal && e->options->console_socket) {
                e->slot[SLOT_CONSOLE] = console_connect(e->options->console_socket);
                if (e->slot[SLOT_CONSOLE] < 0)
                        return fail_in(e->slot[SLOT_CONSOLE], "--console-socket");
        } else if (e->process->terminal) {
                int r = console_pair(&e->terminal, &e->slot[SLOT_CONSOLE]);
                if (r < 0)
                        return r;
        }
        int r = slots_fill_notify(e->config, e->slot, &e->notify_state);
        return r < 0 ? r : userns_fill(e->plan, probe_get(), e->slot);
}

/* -- where the process goes -- */

/* --cgroup names one below the container's own; the kernel resolves it, so no way leads out. */
static int open_sub_cgroup(struct entering *e) {
        const char *name = str_printable(e->options->cgroup);
        autocgroup own = CGROUP_NONE;
        struct strv parts = str_split(e->options->cgroup, '/', true);
        int r = container_cgroup(&e->container, &own);
        if (r == -ENOENT)
                return fail_in(container_no_cgroup(&e->container), "--cgroup %s", name);
        for (size_t i = 0; r == 0 && i < parts.n; i++)
                if (str_eq(parts.at[i], "..") || str_eq(parts.at[i], "."))
                        r = fail_words(EINVAL, "--cgroup %s: it must be below the container's cgroup", name);
        if (r < 0)
                return r;
        r = cgroup_open(probe_get(), parts.n ? str_path(own.path, str_join(&parts, "/")) : own.path, &e->cgroup);
        return r == -ENOENT ? fail(ENOENT, "--cgroup %s: open %s/%s", name, own.path, name) : r;
}

static int open_cgroup(struct entering *e) {
        if (e->options->cgroup && *e->options->cgroup)
                return open_sub_cgroup(e);
        int r = container_cgroup(&e->container, &e->cgroup);
        if (r == -ENOENT && !*e->container.record.cgroup_path)
                return 0;                                             /* it has none of its own */
        return r == -ENOENT ? container_no_cgroup(&e->container) : r; /* nothing runs outside its limits */
}

/* The container moved its processes into leaves of its own (systemd does): ours joins init in the one it chose. */
static int open_cgroup_of_init(struct entering *e) {
        const char *path;
        int r = cgroup_of((pid_t)e->container.record.pid, &path);
        if (r < 0)
                return r;
        if (process_is_gone(e->container.pidfd)) /* only now is what was read surely about init */
                return fail_words(ESRCH, "cannot exec in a stopped container");
        if (!cgroup_is_below(path, e->container.record.cgroup_path))
                return fail_words(EXDEV, "its init is in the cgroup %s, which is not below its own", path);
        cgroup_release(&e->cgroup);
        r = cgroup_open(probe_get(), path, &e->cgroup);
        return r == -ENOENT ? fail(ENOENT, "open the cgroup %s", path) : r;
}

/* For spawn, which may have to ask systemd. */
static void name_scope(struct entering *e) {
        e->cgroup.scope = e->container.record.cgroup_scope;
        e->cgroup.is_user_scope = e->container.record.cgroup_user;
}

static int spawn_into_cgroup(struct entering *e) {
        struct spawn_input input = { .plan = e->plan,
                                     .slot = e->slot,
                                     .cgroup = &e->cgroup,
                                     .is_frozen = e->container.status == CONTAINER_PAUSED };
        name_scope(e);
        int r = spawn(&input, &e->child);
        if (r != -EBUSY || e->cgroup.fd < 0 || e->options->cgroup)
                return r;
        r = open_cgroup_of_init(e);
        if (r < 0)
                return r;
        name_scope(e);
        return spawn(&input, &e->child);
}

/* -- the way in -- */

static int tell_agent(const struct entering *e) {
        struct oci_state state = container_oci_state(&e->container.record, e->container.status);
        return slots_tell_agent(e->config, e->notify_state, &state, e->child.pid);
}

static int enter_rdt(const struct entering *e) {
        const struct container_record *record = &e->container.record;
        autofd mount = -1;
        int r = record->rdt_group ? rdt_open(&mount) : 0;
        return r < 0 || !record->rdt_group ? r : rdt_enter(mount, record->rdt_group, record->rdt_monitor, e->child.pid);
}

/* Nobody asked for anything that wants its pid: then it need not wait for us once it is ready. */
static bool may_go_early(const struct entering *e) {
        return !e->plan->count[LANE_READY] && !e->container.record.rdt_group && e->notify_state < 0 &&
               !e->options->pid_file && !e->options->pidfd_socket;
}

static int commit(struct entering *e) {
        int r = enter_rdt(e);
        if (r == 0)
                r = tell_agent(e); /* once more: by now a joined pid namespace has told the pid */
        if (r == 0 && e->options->pid_file)
                r = write_pid_file(e->options->pid_file, e->child.pid);
        if (r == 0 && e->options->pidfd_socket)
                r = send_pidfd(e->options->pidfd_socket, "--pidfd-socket", e->child.pidfd);
        return r < 0 ? r : spawn_go(&e->child);
}

static int enter(struct entering *e) {
        int r = container_open(e->options->root, e->options->id, LOCK_SH, &e->container);
        if (r == 0)
                r = timing_phase("config", choose_process(e));
        if (r == 0)
                r = check_status(e);
        if (r == 0)
                r = timing_phase("plan", make_plan(e));
        if (r == 0)
                r = fill_slots(e);
        if (r == 0)
                r = timing_phase("cgroup", open_cgroup(e));
        if (r == 0)
                r = timing_phase("spawn", spawn_into_cgroup(e));
        /* What is frozen says nothing before `resume`, which needs the lock; our child has it too until execve. */
        if (r == 0 && e->container.status == CONTAINER_PAUSED && flock(e->container.entry.folder, LOCK_UN) < 0)
                r = fail(errno, "unlock the container");
        if (r == 0)
                r = tell_agent(e);
        if (r < 0)
                return r;
        bool is_early = may_go_early(e);
        r = timing_phase("child", spawn_await_ready(&e->child, is_early ? spawn_go(&e->child) : 0));
        if (r == 0 && !is_early)
                r = commit(e);
        return r < 0 ? r : timing_phase("execve", spawn_await_exec(&e->child));
}

static int foreground(struct entering *e, int *ret_status) {
        autofd master = -1;
        int r = e->terminal >= 0 ? console_receive(e->terminal, &master) : 0;
        container_release(&e->container); /* the lock: delete and pause must not wait for the process */
        if (r == 0)
                r = timing_phase("program", console_foreground(&e->child, master));
        if (r < 0)
                return r; /* and the child is killed */
        *ret_status = r;
        return 0;
}

int container_exec(const struct exec_options *given, int *ret_status) {
        struct exec_options options = *given;
        __attribute__((cleanup(entering_release))) struct entering entering;
        entering_init(&entering, &options);
        options.root = path_absolute(given->root);
        options.pid_file = path_absolute(given->pid_file);
        options.console_socket = path_absolute(given->console_socket);
        options.pidfd_socket = path_absolute(given->pidfd_socket);
        *ret_status = 0;
        if (!options.detach)
                console_block_signals();
        int r = enter(&entering);
        if (r == 0 && options.detach)
                child_keep(&entering.child);
        else if (r == 0)
                r = foreground(&entering, ret_status);
        return r < 0 ? fail_in(r, "exec in %s", options.id) : 0;
}
