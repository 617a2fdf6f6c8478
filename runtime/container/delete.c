#include "runtime/container/inside.h"

#include "runtime/host/hooks.h"
#include "runtime/host/probe.h"
#include "runtime/host/rdt.h"
#include "runtime/host/scope.h"
#include "runtime/host/userns.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define PLACEHOLDER_MS 2000 /* how long the placeholder of a killed create may take to end */

/* Ends everything in the cgroup and removes it.  Only one that carries the container's label is touched. */
static int remove_cgroup(const char *path, const char *label, bool *ret_ours) {
        autocgroup cgroup = CGROUP_NONE;
        *ret_ours = false;
        int r = cgroup_open(probe_self(), path, &cgroup);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r == 0 && cgroup_is_ours(&cgroup, label)) {
                bool is_over = cgroup_is_empty(&cgroup); /* as a rule: with init ends its pid namespace */
                *ret_ours = true;
                r = is_over ? 0 : cgroup_kill(&cgroup);
                if (r == 0 && !is_over)
                        r = cgroup_wait_empty(&cgroup, END_MS);
                if (r < 0)
                        return r;
        }
        r = cgroup_remove(probe_self(), path, label);
        return r == -ENOENT ? 0 : r; /* systemd removes what is empty too, at the same time */
}

/* -- systemd's scope -- */

/* Nothing lives there, now or after the placeholder of a create that was killed has ended too. */
static bool is_empty(const char *path) {
        autocgroup cgroup = CGROUP_NONE;
        int r = cgroup_open(probe_self(), path, &cgroup);
        if (r == 0)
                r = cgroup_wait_empty(&cgroup, PLACEHOLDER_MS);
        err_clear();
        return r == 0 || r == -ENOENT;
}

/* One that was the container's by its label goes.  Otherwise its cgroup was removed behind our back, as systemd does
 * when all in it have ended, or never came to be labelled: a scope that is empty serves nobody, but one of that name in
 * which something lives is another's.  Without the bus it is left to systemd, which forgets empty scopes. */
static void remove_scope(const char *scope, bool is_user, bool is_ours) {
        const char *path;
        int r = 0;
        if (!is_ours) {
                r = scope_path(scope, is_user, &path);
                if (r == 0 && !is_empty(path))
                        return;
        }
        if (r == 0)
                r = scope_remove(scope, is_user);
        if (r < 0 && *err_message())
                log_warning("%s", err_message());
        err_clear();
}

/* No record says whether systemd made the cgroup; the name of what is above it does. */
static void remove_scope_of(const char *path) {
        struct strv parts = str_split(path, '/', true);
        for (size_t i = parts.n; i-- > 0 && i + 2 >= parts.n;)
                if (str_ends(parts.at[i], ".scope")) {
                        remove_scope(parts.at[i], !probe_self()->is_root, false);
                        return;
                }
}

/* By its label: the cgroup says by itself whose it is. */
static int remove_labelled(const char *label) {
        const char *path;
        bool is_ours;
        int r = cgroup_find(probe_self(), label, &path);
        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = remove_cgroup(path, label, &is_ours);
        if (r == 0)
                remove_scope_of(path);
        return r;
}

/* A record may name the wrong cgroup, by accident or not. */
static int remove_cgroup_of(const struct container *container) {
        const struct container_record *record = &container->record;
        bool is_ours;
        int r = remove_cgroup(record->cgroup_path, container->entry.path, &is_ours);
        /* A scope's cgroup goes by itself when all in it have ended, and then there is nothing to find; only a create
         * that was killed may have left one that the record does not name. */
        bool is_lost = record->cgroup_scope ? !*record->cgroup_path : !is_ours && *record->cgroup_path;
        if (r == 0 && is_lost)
                r = remove_labelled(container->entry.path);
        if (r < 0)
                return r;
        cgroup_remove_made(probe_self(), record->cgroup_path, record->cgroup_made);
        if (record->cgroup_scope)
                remove_scope(record->cgroup_scope, record->cgroup_user, is_ours);
        return 0;
}

/* The kernel forgets groups when resctrl is unmounted and when it ends. */
static int remove_rdt(const struct container_record *record) {
        autofd mount = -1;
        if (!record->rdt_monitor && !record->rdt_made)
                return 0;
        if (rdt_open(&mount) < 0) {
                err_clear();
                return 0;
        }
        return rdt_remove(mount, record->rdt_group, record->rdt_monitor, record->rdt_made);
}

static int remove_unrecorded_rdt(const struct oci_config *config, const char *id) {
        autofd mount = -1;
        if (!config || !config->linux_ || !config->linux_->intel_rdt)
                return 0;
        if (rdt_open(&mount) < 0) {
                err_clear();
                return 0;
        }
        return rdt_remove_unrecorded(mount, config->linux_->intel_rdt, id);
}

static void run_poststop(const struct oci_config *config, const struct oci_state *state) {
        if (config)
                (void)timing_phase("hooks", hooks_poststop(config->hooks, state, state->bundle));
}

/* The hooks to run at the end; a config that cannot be read any more only costs them. */
static const struct oci_config *config_for_hooks(const struct entry *entry) {
        struct oci_config *config = NULL;
        int r = container_config(entry, &config);
        if (r < 0 && r != -ENOENT) /* a create that was killed before it kept the config has run no hook */
                log_warning("%s: no poststop hooks are run", err_message());
        if (r < 0)
                err_clear();
        return config;
}

static int remove_overlay(int folder) {
        return remove_tree_at(folder, "overlay");
}

/* What the container's other users own in a private overlay an ordinary user removes only with rights over their ids.
 * What is left after a failure here, store_remove() names. */
static void remove_as_owners(const struct entry *entry, const struct oci_config *config) {
        const struct oci_linux *linux_ = config ? config->linux_ : NULL;
        if (probe_self()->is_root || !linux_ || !linux_->uid_mappings.n || !linux_->gid_mappings.n ||
            faccessat(entry->folder, "overlay", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        const struct plan maps = {
                .has_new_userns = true,
                .uid_maps = linux_->uid_mappings.at,
                .uid_maps_count = linux_->uid_mappings.n,
                .gid_maps = linux_->gid_mappings.at,
                .gid_maps_count = linux_->gid_mappings.n,
        };
        if (userns_run(&maps, probe_self(), remove_overlay, entry->folder) < 0)
                err_clear();
}

int container_destroy_known(struct container *container, const struct oci_config *config) {
        struct oci_state state = container_oci_state(&container->record, CONTAINER_STOPPED);
        int r = timing_phase("end of init", container_kill_init(container));
        if (r == 0)
                r = timing_phase("cgroup", remove_cgroup_of(container));
        if (r == 0)
                r = remove_rdt(&container->record);
        if (r == 0)
                remove_as_owners(&container->entry, config);
        if (r == 0)
                r = timing_phase("record", store_remove(&container->store, &container->entry));
        if (r < 0)
                return fail_in(r, "delete %s", container->record.id);
        run_poststop(config, &state);
        return 0;
}

int container_destroy(struct container *container) {
        return container_destroy_known(container, config_for_hooks(&container->entry));
}

/* -- what is left when there is no usable record -- */

static int remove_remains(struct store *store, const char *id) {
        autoentry entry = ENTRY_NONE;
        int r = store_lock(store, id, LOCK_EX, &entry);
        if (r == -ENOENT) {
                err_clear();
                return store->path ? remove_labelled(str_path(store->path, id)) : 0;
        }
        if (r < 0)
                return r;
        const struct oci_config *config = config_for_hooks(&entry);
        struct oci_state state = { .oci_version = OCI_VERSION,
                                   .id = entry.id,
                                   .status = container_status_name(CONTAINER_STOPPED),
                                   .bundle = "/" };
        if (config)
                state.annotations = config->annotations;
        r = remove_labelled(entry.path);
        if (r == 0)
                r = remove_unrecorded_rdt(config, entry.id);
        if (r == 0)
                remove_as_owners(&entry, config);
        if (r == 0)
                r = store_remove(store, &entry);
        if (r == 0)
                run_poststop(config, &state);
        return r;
}

static int force(const char *root, const char *id) {
        autostore store = STORE_NONE;
        int r = store_open(root, false, &store);
        if (r == 0)
                r = remove_remains(&store, id);
        return r < 0 ? fail_in(r, "delete %s", id) : 0;
}

int container_delete(const char *root, const char *id, bool is_forced) {
        autocontainer container = CONTAINER_NONE;
        int r = container_open(root, id, LOCK_EX, &container);
        if (is_forced && (r == -ENOENT || r == -EBADMSG))
                return force(root, id);
        if (r < 0)
                return r;
        if (!is_forced && (container.status == CONTAINER_RUNNING || container.status == CONTAINER_PAUSED))
                return fail_words(EBUSY, "cannot delete container %s that is not stopped: %s", id,
                                  container_status_name(container.status));
        return container_destroy(&container);
}
