/* stats, events: what a container uses, read once or watched. */
#include "runtime/container/inside.h"
#include "runtime/host/cgroup_stats.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>
#include <sys/file.h>

/* The cgroup of a container that lives. */
static int open_living(const char *root, const char *id, struct container *ret, struct cgroup *ret_cgroup) {
        int r = container_open(root, id, LOCK_SH | LOCK_NB, ret);
        if (r < 0)
                return r;
        if (ret->status == CONTAINER_STOPPED)
                return fail_words(ESRCH, "container with id %s is not running", id);
        if (ret->status == CONTAINER_CREATING)
                return fail_words(EAGAIN, "container %s: it is still being created", id);
        r = container_cgroup(ret, ret_cgroup);
        return r == -ENOENT ? fail_words(ENODATA, "the container %s has no cgroup of its own: nothing is counted", id)
                            : r;
}

int container_stats(const char *root, const char *id, struct oci_stats *ret) {
        autocontainer container = CONTAINER_NONE;
        autocgroup cgroup = CGROUP_NONE;
        int r = open_living(root, id, &container, &cgroup);
        if (r < 0)
                return r;
        r = cgroup_stats(cgroup.fd, ret);
        if (r == -ENOENT)
                return fail_words(ESRCH, "container with id %s is not running", id);
        return r < 0 ? fail_in(r, "container %s", id) : 0;
}

/* -- all of them -- */

static int list_ids(const char *root, struct strv *ret) {
        autostore store = STORE_NONE;
        int r = store_open(root, false, &store);
        return r < 0 ? r : store_list(&store, ret);
}

int container_stats_all(const char *root, const struct strv *ids, struct container_readings *ret) {
        struct container_readings readings = { 0 };
        struct strv every = { 0 };
        bool is_asked = ids->n > 0;
        int r = is_asked ? 0 : list_ids(root, &every);
        if (r < 0)
                return r;
        const struct strv *list = is_asked ? ids : &every;
        readings.at = arena_array(list->n, sizeof(readings.at[0]));
        for (size_t i = 0; i < list->n; i++) {
                struct oci_container_stats *reading = &readings.at[readings.n];
                reading->id = list->at[i];
                r = container_stats(root, reading->id, &reading->stats);
                bool is_over = r == -ESRCH || (!is_asked && (r == -ENOENT || r == -EAGAIN || r == -ENODATA));
                if (r < 0 && is_asked && !is_over)
                        return r;
                if (r < 0 && !is_over)
                        strv_add(&readings.unreadable, arena_strdup(err_message()));
                readings.n += r == 0;
        }
        err_clear();
        *ret = readings;
        return 0;
}

/* -- watching -- */

struct watching {
        int cgroup;
        struct arena_mark mark;
        container_watcher *watcher;
        void *data;
};

static int on_notice(enum cgroup_notice notice, void *data) {
        struct watching *watching = data;
        struct oci_stats stats;
        if (notice == CGROUP_OOM)
                return watching->watcher(NULL, watching->data);
        int r = cgroup_stats(watching->cgroup, &stats);
        if (r == 0)
                r = watching->watcher(&stats, watching->data);
        arena_rewind(&watching->mark); /* it may go on for days */
        return r;
}

int container_watch(const char *root, const char *id, uint64_t interval_ns, container_watcher *watcher, void *data) {
        struct container container = CONTAINER_NONE;
        autocgroup cgroup = CGROUP_NONE;
        int r = open_living(root, id, &container, &cgroup);
        autofd pidfd = fd_take(&container.pidfd);
        container_release(&container); /* nobody waits for its lock because it is watched */
        if (r < 0)
                return r;
        struct watching watching = { .cgroup = cgroup.fd, .mark = arena_mark(), .watcher = watcher, .data = data };
        r = cgroup_watch(cgroup.fd, pidfd, interval_ns, on_notice, &watching);
        return r < 0 ? fail_in(r, "container %s", id) : r;
}
