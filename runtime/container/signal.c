/* kill, pause, resume, ps: what is done to the processes of a container that exists. */
#include "runtime/container/inside.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/oci_linux.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

int container_not_running(const char *id) {
        return fail_words(ESRCH, "container not running: %s", id);
}

/* Without a pid namespace of its own the container's processes survive their init. */
static bool shares_pids(const struct container *container) {
        struct oci_config *config;
        if (container_config(&container->entry, &config) < 0)
                return true; /* the careful answer: its whole cgroup is meant */
        const struct oci_namespace *namespace = oci_namespace_find(config, CLONE_NEWPID);
        return !namespace || namespace->path;
}

/* Killing works on frozen ones; left frozen, the next process put there would hang.  So whatever fails, it is thawed.
 */
static int kill_cgroup(const struct cgroup *cgroup) {
        int r = cgroup_kill(cgroup);
        cgroup_let_go(cgroup);
        return r;
}

static int kill_init(const struct container *container, int number) {
        if (syscall(SYS_pidfd_send_signal, container->pidfd, number, NULL, 0) == 0)
                return 0;
        return errno == ESRCH ? container_not_running(container->record.id) : fail(errno, "send signal %d", number);
}

/* What is left in the cgroup of a container whose init has ended. */
static int kill_rest(const struct container *container, int number) {
        autocgroup cgroup = CGROUP_NONE;
        int r = container_cgroup(container, &cgroup);
        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = number == SIGKILL ? kill_cgroup(&cgroup) : cgroup_signal(&cgroup, number);
        if (r == 0 && number == SIGKILL)
                r = cgroup_wait_empty(&cgroup, END_MS);
        return r;
}

static int kill_living(const struct container *container, int number, bool all) {
        autocgroup cgroup = CGROUP_NONE;
        bool everything = all || (number == SIGKILL && shares_pids(container));
        int r = everything || number == SIGKILL ? container_cgroup(container, &cgroup) : -ENOENT;
        if (r < 0 && r != -ENOENT)
                return r;
        if (everything && r == 0)
                return number == SIGKILL ? kill_cgroup(&cgroup) : cgroup_signal(&cgroup, number);
        if (all && r == -ENOENT)
                return fail_in(container_no_cgroup(container), "--all");
        int killed = kill_init(container, number);
        if (number == SIGKILL && r == 0 && container->status == CONTAINER_PAUSED)
                cgroup_let_go(&cgroup);
        return killed;
}

int container_kill(const char *root, const char *id, int number, bool all) {
        autocontainer container = CONTAINER_NONE;
        int r = container_open(root, id, LOCK_SH | LOCK_NB, &container);
        if (r < 0)
                return r;
        if (number < 0 || number >= NSIG)
                return fail_words(EINVAL, "kill %s: signal %d: unknown", id, number);
        if (container.status == CONTAINER_STOPPED)
                r = all ? kill_rest(&container, number) : container_not_running(id);
        else if (container.pidfd < 0)
                r = fail_words(EBUSY, "it is still being created");
        else
                r = kill_living(&container, number, all);
        return r < 0 ? fail_in(r, "kill %s", id) : 0;
}

static int change_frozen(const char *root, const char *id, bool frozen) {
        autocontainer container = CONTAINER_NONE;
        autocgroup cgroup = CGROUP_NONE;
        int r = container_open(root, id, LOCK_EX, &container);
        if (r < 0)
                return r;
        if (container.status == CONTAINER_STOPPED)
                return container_not_running(id);
        if (frozen && container.status == CONTAINER_PAUSED)
                return fail_words(EINVAL, "container already paused: %s", id);
        if (!frozen && container.status != CONTAINER_PAUSED)
                return fail_words(EINVAL, "container not paused: %s", id);
        r = container_cgroup(&container, &cgroup);
        if (r == -ENOENT)
                return fail_in(container_no_cgroup(&container), "%s", id);
        return r < 0 ? r : cgroup_freeze(&cgroup, frozen);
}

int container_pause(const char *root, const char *id) {
        int r = change_frozen(root, id, true);
        return r < 0 ? fail_in(r, "pause") : 0;
}

int container_resume(const char *root, const char *id) {
        int r = change_frozen(root, id, false);
        return r < 0 ? fail_in(r, "resume") : 0;
}

int container_pids(const char *root, const char *id, pid_t **ret_pids, size_t *ret_count) {
        autocontainer container = CONTAINER_NONE;
        autocgroup cgroup = CGROUP_NONE;
        int r = container_open(root, id, LOCK_SH | LOCK_NB, &container);
        if (r < 0)
                return r;
        r = container_cgroup(&container, &cgroup);
        if (r == 0)
                return cgroup_pids(&cgroup, ret_pids, ret_count);
        if (r != -ENOENT)
                return r;
        *ret_pids = arena_array(2, sizeof(pid_t)); /* no cgroup: init is all we can name */
        *ret_count = container.pidfd >= 0;
        if (container.pidfd >= 0)
                (*ret_pids)[0] = (pid_t)container.record.pid;
        return 0;
}
