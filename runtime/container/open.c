/* A container as a command finds it: what the record says, and what the kernel says. */
#include "runtime/container/inside.h"

#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/timing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SOON_MS 100 /* most have ended by then */

const char *container_status_name(enum container_status status) {
        static const char *const names[] = {
                [CONTAINER_CREATING] = "creating", [CONTAINER_CREATED] = "created", [CONTAINER_RUNNING] = "running",
                [CONTAINER_PAUSED] = "paused",     [CONTAINER_STOPPED] = "stopped",
        };
        return names[status];
}

void container_release(struct container *container) {
        container->pidfd = fd_close(container->pidfd);
        store_release(&container->store);
        entry_release(&container->entry);
}

int container_cgroup(const struct container *container, struct cgroup *ret) {
        int r = cgroup_open(probe_self(), container->record.cgroup_path, ret);
        if (r < 0)
                return r;
        if (cgroup_is_ours(ret, container->entry.path))
                return 0;
        cgroup_keep(ret);
        return -ENOENT;
}

int container_no_cgroup(const struct container *container) {
        const char *path = container->record.cgroup_path;
        if (*path)
                return fail_words(ENOENT, "its cgroup %s is gone", path);
        return fail_words(ENOENT, "the container has no cgroup of its own");
}

/* Whose cgroup it is needs to be known only of a frozen one. */
static bool is_frozen(const struct container *container) {
        autocgroup cgroup = CGROUP_NONE;
        bool frozen = false;
        int r = cgroup_frozen_at(probe_self(), container->record.cgroup_path, &frozen);
        if (r == 0 && !frozen)
                return false;
        if (r == 0)
                r = container_cgroup(container, &cgroup);
        if (r < 0)
                err_clear();
        return r == 0;
}

static bool is_creating(const struct container *container) {
        return str_eq(container->record.phase, "creating");
}

/* is_busy: somebody holds the lock while we look. */
static int ask_status(struct container *c, bool is_busy) {
        /* Only the create that holds the lock can be at it still; without one it was killed on the way. */
        if (is_creating(c)) {
                c->status = is_busy ? CONTAINER_CREATING : CONTAINER_STOPPED;
                return 0;
        }
        c->status = CONTAINER_STOPPED;
        int r = process_find(&c->record, &c->pidfd);
        if (r < 0)
                return r == -ESRCH ? 0 : r;
        if (is_frozen(c))
                c->status = CONTAINER_PAUSED;
        else if (faccessat(c->store.root, str_path(c->entry.id, START_SOCKET), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                c->status = CONTAINER_CREATED;
        else
                c->status = CONTAINER_RUNNING;
        /* Asked last: as long as it lives nobody removes its folder and its cgroup, so both were its own. */
        if (process_is_gone(c->pidfd)) {
                c->status = CONTAINER_STOPPED;
                c->pidfd = fd_close(c->pidfd);
        }
        return 0;
}

/* Who only looks never waits behind a hook that hangs: records are replaced whole, so they can be read without the
 * lock. */
static int lock_or_look(struct container *c, const char *id, int operation, bool *ret_busy) {
        int r = store_lock(&c->store, id, operation, &c->entry);
        *ret_busy = r == -EWOULDBLOCK && (operation & LOCK_NB);
        return *ret_busy ? store_lock(&c->store, id, 0, &c->entry) : r;
}

int container_open(const char *root, const char *id, int operation, struct container *ret) {
        autocontainer c = CONTAINER_NONE;
        bool is_busy = false;
        int r = store_check_id(id);
        if (r == 0)
                r = store_open(root, false, &c.store);
        if (r == 0)
                r = lock_or_look(&c, id, operation, &is_busy);
        if (r == 0)
                r = store_load(&c.entry, &c.record);
        if (r == -EBADMSG && is_busy) /* claimed a moment ago, the record is not written yet */
                r = fail_words(EAGAIN, "container %s: it is just being created", id);
        if (r == 0)
                r = ask_status(&c, is_busy);
        if (r < 0)
                return r;
        err_clear();
        *ret = c;
        c = (struct container)CONTAINER_NONE;
        return timing_phase("open", 0);
}

struct oci_state container_oci_state(const struct container_record *record, enum container_status status) {
        bool lives = status != CONTAINER_STOPPED && status != CONTAINER_CREATING;
        return (struct oci_state){
                .oci_version = OCI_VERSION,
                .id = record->id,
                .status = container_status_name(status),
                .pid = lives ? record->pid : 0,
                .bundle = record->bundle,
                .rootfs = record->rootfs,
                .created = record->created,
                .owner = record->owner,
                .annotations = record->annotations,
        };
}

int container_config(const struct entry *entry, struct oci_config **ret) {
        char *text;
        size_t size;
        int r = store_load_config(entry, &text, &size);
        if (r == 0)
                r = oci_config_read(text, size, &(struct json_read_options){ 0 }, ret);
        return r < 0 ? fail_in(r, "container %s", entry->id) : 0;
}

/* Who only looks needs neither the lock nor the folder, unless there is something unusual. */
int container_look(const struct store *store, const char *id, struct oci_state *ret) {
        struct container seen = { *store, { -1, id, str_path(store->path, id) }, { 0 }, CONTAINER_STOPPED, -1 };
        autocontainer container = CONTAINER_NONE;
        int r = store_peek(store, id, &seen.record);
        if (r == 0 && !is_creating(&seen)) {
                r = ask_status(&seen, false);
                seen.pidfd = fd_close(seen.pidfd);
                if (r == 0)
                        *ret = container_oci_state(&seen.record, seen.status);
                return r;
        }
        r = container_open(store->path, id, LOCK_SH | LOCK_NB, &container);
        if (r == 0)
                *ret = container_oci_state(&container.record, container.status);
        return r;
}

int container_state(const char *root, const char *id, struct oci_state *ret) {
        autostore store = STORE_NONE;
        int r = store_check_id(id);
        if (r == 0)
                r = store_open(root, false, &store);
        return r < 0 ? r : timing_phase("open", container_look(&store, id, ret));
}

/* Everything that it may have started, at once: each of a fork bomb takes processor time from an init that is to end,
 * and makes others until it does. */
static int kill_rest(const struct container *container) {
        autocgroup cgroup = CGROUP_NONE;
        int r = container_cgroup(container, &cgroup);
        if (r == 0)
                r = cgroup_kill(&cgroup);
        if (r == 0)
                r = cgroup_wait_empty(&cgroup, END_MS);
        return r == -ENOENT ? 0 : r;
}

int container_kill_init(const struct container *container) {
        struct pollfd ended = { .fd = container->pidfd, .events = POLLIN };
        if (container->pidfd < 0)
                return 0;
        if (syscall(SYS_pidfd_send_signal, container->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
                return fail(errno, "kill process %d", (int)container->record.pid);
        if (poll(&ended, 1, SOON_MS) != 0)
                return 0;
        int r = kill_rest(container);
        if (r == 0 && poll(&ended, 1, END_MS) == 0)
                r = fail_words(ETIMEDOUT, "kill process %d: it has not ended after %d s", (int)container->record.pid,
                               END_MS / 1000);
        return r;
}
