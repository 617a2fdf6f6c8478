#include "runtime/host/cgroup_change.h"

#include "runtime/host/cgroup_tree.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"

#include <errno.h>
#include <string.h>

#define FILE_MAX 65536

struct cgroup_earlier {
        struct cgroup_write write; /* value NULL: it could not be read */
        size_t of;                 /* the plan's write that changes it */
        const char *or_value;      /* where the kernel does not take the value back (-ENOSPC), NULL: none */
};

/* -- what is there now -- */

static int read_value(int fd, const char *file, char **ret) {
        int r = read_file_at(fd, file, FILE_MAX, ret, NULL);
        if (r < 0)
                return r;
        size_t size = strlen(*ret);
        if (size > 0 && (*ret)[size - 1] == '\n')
                (*ret)[size - 1] = '\0';
        return 0;
}

/* Files with a line a device: only the line of the device is changed.  A device without a line has these values. */
static const struct {
        const char *file, *absent;
} keyed_files[] = {
        { "io.max", "rbps=max wbps=max riops=max wiops=max" },
        { "io.weight", "default" },
        { "io.bfq.weight", "default" },
        { "io.latency", "target=max" },
        { "rdma.max", "hca_handle=max hca_object=max" },
        { "misc.max", "max" },
        { "dmem.max", "max" },
        { "dmem.low", "0" },
        { "dmem.min", "0" },
};

static const char *absent_values(const char *file) {
        for (size_t i = 0; i < sizeof(keyed_files) / sizeof(keyed_files[0]); i++)
                if (str_eq(keyed_files[i].file, file))
                        return keyed_files[i].absent;
        return NULL;
}

/* The line of the key that value begins with; a weight without one is the default. */
static const char *line_of(const char *text, const char *value, const char *absent) {
        struct strv lines = str_split(text, '\n', true);
        size_t length = strcspn(value, " ");
        const char *key = value[length] ? arena_strndup(value, length) : "default";
        const char *start = str_format("%s ", key);
        for (size_t i = 0; i < lines.n; i++)
                if (str_starts(lines.at[i], start))
                        return lines.at[i];
        return str_eq(key, "default") && lines.n ? lines.at[0] : str_format("%s %s", key, absent);
}

/* What has to be written to have the file as it is. */
static const char *way_back(const char *file, const char *text, const char *value) {
        const char *absent = absent_values(file);
        if (absent)
                return line_of(text, value, absent);
        if (str_eq(file, "cpuset.cpus.partition")) /* "root invalid (why)" */
                return arena_strndup(text, strcspn(text, " "));
        return *text ? text : "\n"; /* nothing at all would not reach the kernel */
}

/* The part of the file that a write of value changes, as it has to be written to be there again; NULL: unreadable. */
static int read_earlier(int fd, const char *file, const char *value, const char **ret) {
        char *text;
        int r = read_value(fd, file, &text);
        *ret = r < 0 ? NULL : way_back(file, text, value);
        return r == -ENOENT ? r : 0;
}

/* Processors and memory nodes that are inherited cannot be inherited again while processes live there, on some kernels:
 * then those that were in use are named. */
static const char *effective(int fd, const char *file) {
        char *text;
        if (!str_eq(file, "cpuset.cpus") && !str_eq(file, "cpuset.mems"))
                return NULL;
        return read_value(fd, str_format("%s.effective", file), &text) == 0 ? text : NULL;
}

/* A file that is not there has nothing to remember: the write will say so, or bear it. */
static void remember(struct cgroup_change *change, size_t of, const char *file, const char *value) {
        const struct cgroup_write *write = &change->plan.cgroup_writes.at[of];
        struct cgroup_earlier earlier = {
                .write = { .file = file, .controller = write->controller, .place = write->place },
                .of = of,
        };
        if (read_earlier(change->cgroup->fd, file, value, &earlier.write.value) < 0)
                return;
        if (earlier.write.value && str_eq(earlier.write.value, "\n"))
                earlier.or_value = effective(change->cgroup->fd, file);
        change->files[change->count++] = earlier;
}

/* Which of two files is written only the write will find out. */
static void remember_write(struct cgroup_change *change, size_t of) {
        const struct cgroup_write *write = &change->plan.cgroup_writes.at[of];
        const char *weight = NULL;
        /* An idle group has no weight of its own, and gets the default one when it is idle no more. */
        if (str_eq(write->file, "cpu.idle") && read_earlier(change->cgroup->fd, "cpu.weight", "", &weight) == 0 &&
            weight && !str_eq(weight, "0"))
                remember(change, of, "cpu.weight", "");
        remember(change, of, write->file, write->value);
        if (write->or_file)
                remember(change, of, write->or_file, write->or_value ? write->or_value : write->value);
        err_clear();
}

/* -- the order -- */

static size_t find_write(const struct plan *plan, const char *file) {
        size_t i = 0;
        while (i < plan->cgroup_writes.n && !str_eq(plan->cgroup_writes.at[i].file, file))
                i++;
        return i;
}

/* Puts the write to first in front of the one to second, when there are both. */
static void put_before(struct plan *plan, const char *first, const char *second) {
        size_t from = find_write(plan, first), to = find_write(plan, second), n = plan->cgroup_writes.n;
        if (from == n || to == n || from < to)
                return;
        struct cgroup_write moved = plan->cgroup_writes.at[from];
        memmove(&plan->cgroup_writes.at[to + 1], &plan->cgroup_writes.at[to], (from - to) * sizeof(moved));
        plan->cgroup_writes.at[to] = moved;
}

/* A burst fits into the quota at every moment: what becomes smaller goes first. */
static bool is_burst_lowered(const struct cgroup *cgroup, const struct plan *plan) {
        size_t i = find_write(plan, "cpu.max.burst");
        uint64_t now, wanted;
        char *text;
        if (i == plan->cgroup_writes.n || read_value(cgroup->fd, "cpu.max.burst", &text) < 0)
                return false;
        return parse_u64(text, 0, UINT64_MAX, &now) == 0 &&
               parse_u64(plan->cgroup_writes.at[i].value, 0, UINT64_MAX, &wanted) == 0 && wanted < now;
}

static struct plan in_order(const struct cgroup *cgroup, const struct plan *plan) {
        struct plan sorted = *plan;
        size_t idle = find_write(plan, "cpu.idle"), n = plan->cgroup_writes.n;
        if (n == 0)
                return sorted;
        sorted.cgroup_writes.at = arena_memdup(plan->cgroup_writes.at, n * sizeof(plan->cgroup_writes.at[0]));
        if (is_burst_lowered(cgroup, plan))
                put_before(&sorted, "cpu.max.burst", "cpu.max");
        else
                put_before(&sorted, "cpu.max", "cpu.max.burst");
        /* While it is idle it takes no weight, and what it had is gone with the end of that. */
        if (idle < n && str_eq(plan->cgroup_writes.at[idle].value, "0"))
                put_before(&sorted, "cpu.idle", "cpu.weight");
        err_clear();
        return sorted;
}

/* -- there -- */

int cgroup_change_prepare(const struct cgroup *cgroup, const struct plan *plan, bool has_devices,
                          struct cgroup_change *ret) {
        struct cgroup_change change = { .cgroup = cgroup, .old_filter = -1, .has_devices = has_devices };
        int r = cgroup_enable(cgroup, plan);
        if (r < 0)
                return r;
        change.plan = in_order(cgroup, plan);
        change.files = arena_array(2 * plan->cgroup_writes.n, sizeof(change.files[0])); /* two a write at most */
        for (size_t i = 0; i < plan->cgroup_writes.n; i++)
                remember_write(&change, i);
        *ret = change;
        return 0;
}

int cgroup_change_make(struct cgroup_change *change) {
        for (; change->made < change->plan.cgroup_writes.n; change->made++) {
                int r = cgroup_apply_one(change->cgroup, &change->plan.cgroup_writes.at[change->made]);
                if (r < 0)
                        return r;
        }
        if (!change->has_devices)
                return 0;
        int r = cgroup_replace_devices(change->cgroup, &change->plan, &change->old_filter);
        change->replaced_devices = r == 0;
        return r;
}

static int check_one(const struct cgroup *cgroup, const struct cgroup_write *write, const char *usage) {
        uint64_t limit, used;
        char *text;
        if (parse_u64(write->value, 0, UINT64_MAX, &limit) < 0)
                return 0; /* "max" */
        int r = read_value(cgroup->fd, usage, &text);
        if (r == -ENOENT) {
                err_clear();
                return 0; /* not counted so far */
        }
        if (r < 0)
                return fail_in(r, "%s: what is in use", write->place);
        if (parse_u64(text, 0, UINT64_MAX, &used) == 0 && limit < used)
                return fail_words(EBUSY, "%s: %llu is less than the %llu in use, and memory.checkBeforeUpdate is set",
                                  write->place, (unsigned long long)limit, (unsigned long long)used);
        return 0;
}

int cgroup_check_usage(const struct cgroup *cgroup, const struct plan *plan) {
        static const struct {
                const char *limit, *usage;
        } pairs[] = { { "memory.max", "memory.current" }, { "memory.swap.max", "memory.swap.current" } };
        for (size_t i = 0; i < plan->cgroup_writes.n; i++)
                for (size_t pair = 0; pair < sizeof(pairs) / sizeof(pairs[0]); pair++) {
                        const struct cgroup_write *write = &plan->cgroup_writes.at[i];
                        int r = str_eq(write->file, pairs[pair].limit) ? check_one(cgroup, write, pairs[pair].usage)
                                                                       : 0;
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* -- and back -- */

const struct plan *cgroup_change_back(const struct cgroup_change *change) {
        struct plan *plan = arena_alloc(sizeof(*plan));
        plan->cgroup_writes.at = arena_array(change->count + 1, sizeof(plan->cgroup_writes.at[0]));
        for (size_t i = change->count; i-- > 0;)
                if (change->files[i].write.value)
                        plan->cgroup_writes.at[plan->cgroup_writes.n++] = change->files[i].write;
        return plan;
}

/* What is as it was, because another file was written instead, is left alone. */
static void return_file(const struct cgroup *cgroup, const struct cgroup_earlier *earlier, struct strv *lost) {
        const struct cgroup_write *write = &earlier->write;
        const char *now;
        if (!write->value) {
                strv_add(lost, str_format("%s (it could not be read)", write->file));
                return;
        }
        if (read_earlier(cgroup->fd, write->file, write->value, &now) == 0 && now && str_eq(now, write->value))
                return;
        int r = write_file_at(cgroup->fd, write->file, write->value, strlen(write->value));
        if (r == -ENOSPC && earlier->or_value)
                r = write_file_at(cgroup->fd, write->file, earlier->or_value, strlen(earlier->or_value));
        if (r < 0)
                strv_add(lost, str_format("%s %s (%s)", write->file, str_printable(write->value), strerror(-r)));
}

void cgroup_change_keep(struct cgroup_change *change) {
        change->old_filter = fd_close(change->old_filter);
        change->cgroup = NULL;
}

void cgroup_change_release(struct cgroup_change *change) {
        struct err_saved why;
        if (!change->cgroup)
                return;
        err_save(&why);
        if (change->replaced_devices && cgroup_return_devices(change->cgroup, change->old_filter) < 0)
                strv_add(&change->lost, str_format("the device filter (%s)", arena_strdup(err_message())));
        for (size_t i = change->count; i-- > 0;)
                if (change->files[i].of < change->made) /* what was refused has changed nothing */
                        return_file(change->cgroup, &change->files[i], &change->lost);
        err_restore(&why);
        if (change->lost.n) {
                int r = fail_words(why.number, "%s; not brought back: %s", why.message, str_join(&change->lost, ", "));
                if (*why.hint)
                        (void)fail_hint(r, "%s", why.hint);
        }
        cgroup_change_keep(change);
}
