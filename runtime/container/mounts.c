/* mounts: adds mounts to a running container, and takes them away again.  One process a mount, so that what was made
 * before a failure is known and undone. */
#include "runtime/container/creation.h"

#include "runtime/host/probe.h"
#include "runtime/host/userns.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"
#include "specs/oci_check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int container_enter(int pidfd, const struct plan *plan) {
        autochild child = CHILD_NONE;
        int slot[SLOT_MAX];
        for (int i = 0; i < SLOT_MAX; i++)
                slot[i] = -1;
        slot[SLOT_PIDFD] = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
        int r = slot[SLOT_PIDFD] < 0 ? fail(errno, "dup") : userns_fill(plan, probe_get(), slot);
        if (r == 0)
                r = spawn(&(struct spawn_input){ .plan = plan, .slot = slot }, &child);
        if (r == 0)
                r = spawn_await(&child, MESSAGE_READY);
        slots_close(slot);
        return r;
}

static int add_one(const struct container *container, const struct oci_config *config, size_t index) {
        struct plan_options options = { .bundle = container->record.bundle,
                                        .id = container->record.id,
                                        .state_folder = container->entry.path };
        struct plan *plan;
        int r = plan_build_mount(config, index, probe_get(), &options, &plan);
        for (size_t i = 0; r == 0 && i < plan->warnings.n; i++)
                log_warning("%s", plan->warnings.at[i]);
        return r < 0 ? r : container_enter(container->pidfd, plan);
}

static int remove_one(const struct container *container, const struct oci_config *config, size_t index) {
        struct plan *plan;
        int r = plan_build_detach(config, index, probe_get(), &plan);
        return r < 0 ? r : container_enter(container->pidfd, plan);
}

/* The last comes off first: it may lie on an earlier one. */
static int remove_all(const struct container *container, const struct oci_config *config, size_t n) {
        int r = 0;
        for (size_t i = n; i-- > 0 && r == 0;)
                r = remove_one(container, config, i);
        return r;
}

static int add_all(const struct container *container, const struct oci_config *config) {
        struct err_saved why;
        int r = 0;
        size_t done = 0;
        for (; done < config->mounts.n; done++) {
                r = add_one(container, config, done);
                if (r < 0)
                        break;
        }
        if (r == 0)
                return 0;
        err_save(&why);
        if (remove_all(container, config, done) < 0)
                log_warning("%s", err_message());
        err_restore(&why);
        return r;
}

static int change(const char *root, const char *id, const struct oci_mount *mounts, size_t n, bool is_added) {
        autocontainer container = CONTAINER_NONE;
        struct oci_config *config;
        struct strv warnings = { 0 };
        int r = container_open(root, id, LOCK_EX, &container);
        if (r < 0)
                return r;
        if (container.status == CONTAINER_STOPPED)
                return container_not_running(id);
        r = container_config(&container.entry, &config);
        if (r < 0)
                return r;
        config->mounts.at = (struct oci_mount *)(uintptr_t)mounts;
        config->mounts.n = n;
        if (!is_added)
                return remove_all(&container, config, n);
        r = oci_check(config, NULL, &warnings);
        return r < 0 ? r : add_all(&container, config);
}

int container_mounts_add(const char *root, const char *id, const struct oci_mount *mounts, size_t n) {
        int r = change(root, id, mounts, n, true);
        return r < 0 ? fail_in(r, "mounts add %s", id) : 0;
}

int container_mounts_remove(const char *root, const char *id, const struct oci_mount *mounts, size_t n) {
        int r = change(root, id, mounts, n, false);
        return r < 0 ? fail_in(r, "mounts remove %s", id) : 0;
}
