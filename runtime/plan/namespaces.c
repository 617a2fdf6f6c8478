/* Which namespaces the container gets: new ones by clone, existing ones by setns, and its id maps.  Parent side; pure.
 */
#include "runtime/plan/plan.h"
#include "specs/base/err.h"
#include "specs/oci_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define CRUN_OFFSET "run.oci.timens_offset"

struct join {
        size_t index; /* in linux.namespaces */
        int64_t kind;
        int slot;
};

/* At most one a kind: oci_check refuses a second entry. */
struct joins {
        struct join at[8];
        size_t n;
};

static const char *kind_name(int64_t kind) {
        return names_of(&oci_namespace_names, kind);
}

static void set_place(struct build *b, const struct join *join) {
        b->plan->place = str_format("linux.namespaces[%zu].path", join->index);
}

static void add_guard(struct build *b) {
        plan_add(b->plan, LANE_CHILD, STEP_GUARD, .flags = 1);
}

/* Before anything is joined.  What is not dumpable is root's in /proc: an ordinary user's parent could then write
 * neither maps nor oom_score_adj, so its child waits until both are done.  Nobody is dumpable in the midst of execve
 * either: the child says when that is over. */
static void add_first_guard(struct build *b) {
        b->plan->place = NULL;
        if (b->probe->is_root)
                add_guard(b);
        b->plan->place = b->plan->has_new_userns ? "linux.uidMappings" : NULL;
        if (!b->probe->is_root)
                plan_add(b->plan, LANE_CHILD, STEP_SEND, .flags = MESSAGE_HERE);
        if (!b->probe->is_root || b->plan->has_new_userns)
                plan_add(b->plan, LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_MAPPED);
        b->plan->place = NULL;
        if (!b->probe->is_root)
                add_guard(b);
}

/* Root of the user namespace, with every capability in it.  The change of ids undoes the guard. */
static void become_root(struct build *b) {
        plan_add(b->plan, LANE_CHILD, STEP_IDS, .flags = IDS(0, 0), .more = 1);
        add_guard(b);
}

static bool maps_root(const struct oci_linux *linux_) {
        bool uid = false, gid = false;
        for (size_t i = 0; i < linux_->uid_mappings.n; i++)
                uid |= linux_->uid_mappings.at[i].container_id == 0 && linux_->uid_mappings.at[i].size > 0;
        for (size_t i = 0; i < linux_->gid_mappings.n; i++)
                gid |= linux_->gid_mappings.at[i].container_id == 0 && linux_->gid_mappings.at[i].size > 0;
        return uid && gid;
}

/* crun's way to say it, as the lines of the kernel's file: "monotonic 60 0", or the number of the clock. */
static int add_offset_of_crun(struct build *b) {
        const char *text = oci_annotation(b->config, CRUN_OFFSET);
        struct strv lines = str_split(text ? text : "", '\n', true);
        for (size_t i = 0; i < lines.n; i++) {
                struct strv words = str_split(lines.at[i], ' ', true);
                uint64_t nanoseconds;
                int64_t seconds;
                const char *clock = words.n == 3 ? words.at[0] : "";
                if (str_eq(clock, "1"))
                        clock = "monotonic";
                if (str_eq(clock, "7"))
                        clock = "boottime";
                if ((!str_eq(clock, "monotonic") && !str_eq(clock, "boottime")) ||
                    parse_i64(words.at[1], INT64_MIN, INT64_MAX, &seconds) < 0 ||
                    parse_u64(words.at[2], 0, 999999999, &nanoseconds) < 0)
                        return fail_words(EINVAL,
                                          "annotations[\"" CRUN_OFFSET
                                          "\"]: %s: a clock (monotonic, boottime), seconds "
                                          "and nanoseconds expected",
                                          str_printable(lines.at[i]));
                strv_add(&b->plan->time_offsets,
                         str_format("%s %lld %u", clock, (long long)seconds, (unsigned)nanoseconds));
        }
        return 0;
}

/* Unsharing time moves only children, so the parent does it around clone; who has no right to that lets the child do it
 * and enter at execve. */
static int add_time(struct build *b) {
        struct plan *plan = b->plan;
        const struct oci_linux *linux_ = b->config->linux_;
        int r = add_offset_of_crun(b);
        if (r < 0)
                return r;
        for (size_t i = 0; i < linux_->time_offsets.n; i++) {
                const struct oci_time_offset *offset = &linux_->time_offsets.at[i];
                strv_add(&plan->time_offsets,
                         str_format("%s %lld %u", offset->key, (long long)offset->secs, offset->nanosecs));
        }
        plan->unshares_time = b->probe->is_root;
        return 0;
}

static int add_time_in_child(struct build *b) {
        struct plan *plan = b->plan;
        plan->place = "linux.timeOffsets";
        plan_add(plan, LANE_CHILD, STEP_UNSHARE, .flags = CLONE_NEWTIME);
        if (!plan->time_offsets.n)
                return 0;
        int proc = plan_slot(plan, "own proc");
        if (proc < 0)
                return proc;
        plan_add(plan, LANE_CHILD, STEP_OPEN, .into = proc, .a = plan_text(plan, "/proc"),
                 .flags = O_PATH | O_DIRECTORY, .more = OPEN_PROC);
        plan_add(plan, LANE_CHILD, STEP_WRITE, .slot = proc, .a = plan_text(plan, "self/timens_offsets"),
                 .b = plan_text(plan, str_format("%s\n", str_join(&plan->time_offsets, "\n"))));
        plan_add(plan, LANE_CHILD, STEP_CLOSE, .slot = proc);
        plan->time_offsets = (struct strv){ 0 };
        return 0;
}

/* clone makes the new namespaces, so that they belong to a new user namespace; of one that is joined the child makes
 * them itself once it is in.  A cgroup namespace is rooted at its maker's cgroup, so it is always the child's own work.
 */
static void add_new(struct build *b, uint64_t kinds) {
        bool joins_user = plan_has_own(b, CLONE_NEWUSER) && !plan_has_new(b, CLONE_NEWUSER);
        uint64_t own = kinds & (joins_user ? kinds : (uint64_t)CLONE_NEWCGROUP);
        b->plan->clone_flags = kinds & ~own;
        b->plan->place = "linux.namespaces";
        if (own)
                plan_add(b->plan, LANE_CHILD, STEP_UNSHARE, .flags = own);
        b->plan->joins_pidns |= (own & CLONE_NEWPID) != 0;
}

static int add_open(struct build *b, struct joins *joins, size_t index, int64_t kind) {
        struct plan *plan = b->plan;
        struct join join = { index, kind, SLOT_PIDNS };
        if (kind != CLONE_NEWPID)
                join.slot = plan_slot(plan, str_format("%s namespace", kind_name(kind)));
        if (join.slot < 0)
                return join.slot;
        set_place(b, &join);
        plan_add(plan, LANE_OPEN, STEP_OPEN, .into = join.slot,
                 .a = plan_text(plan, b->config->linux_->namespaces.at[index].path), .flags = O_RDONLY | O_CLOEXEC,
                 .more = OPEN_NAMESPACE | (uint64_t)kind << 32);
        joins->at[joins->n++] = join;
        if (kind == CLONE_NEWNS)
                b->mounts_of = join.slot;
        return 0;
}

/* Existing namespaces into joins, kinds of new ones into ret_kinds; a new time namespace is a story of its own. */
static int sort_out(struct build *b, struct joins *joins, uint64_t *ret_kinds) {
        const struct oci_linux *linux_ = b->config->linux_;
        for (size_t i = 0; i < linux_->namespaces.n; i++) {
                const struct oci_namespace *namespace = &linux_->namespaces.at[i];
                int64_t kind = namespace->type.v;
                if ((kind == CLONE_NEWTIME && !b->probe->has_time_namespace) ||
                    (kind == CLONE_NEWCGROUP && !b->probe->has_cgroup_namespace))
                        return fail_words(ENOTSUP, "linux.namespaces[%zu]: this kernel has no %s namespaces", i,
                                          kind_name(kind));
                int r = 0;
                if (namespace->path)
                        r = add_open(b, joins, i, kind);
                else if (kind == CLONE_NEWTIME)
                        r = add_time(b);
                else
                        *ret_kinds |= (uint64_t)kind;
                if (r < 0)
                        return r;
        }
        return 0;
}

static void join_in_child(struct build *b, const struct joins *joins, bool is_user) {
        for (size_t i = 0; i < joins->n; i++) {
                const struct join *join = &joins->at[i];
                if ((join->kind == CLONE_NEWUSER) != is_user)
                        continue;
                set_place(b, join);
                plan_add(b->plan, LANE_CHILD, STEP_SETNS, .slot = join->slot, .flags = (uint64_t)join->kind);
                if (join->kind == CLONE_NEWUSER)
                        become_root(b);
                b->plan->joins_pidns |= join->kind == CLONE_NEWPID;
        }
}

/* A child born in a new user namespace has no right to enter namespaces of the host, so the parent enters them before
 * clone, and goes home at once after it. */
static int join_in_parent(struct build *b, const struct joins *joins) {
        struct plan *plan = b->plan;
        for (size_t i = 0; i < joins->n; i++) {
                const struct join *join = &joins->at[i];
                set_place(b, join);
                if (join->kind == CLONE_NEWNS)
                        return fail_words(EINVAL, "%s: a new user namespace cannot use an existing mount namespace",
                                          plan->place);
                int home = plan_slot(plan, str_format("own %s namespace", kind_name(join->kind)));
                if (home < 0)
                        return home;
                const char *file = join->kind == CLONE_NEWNET ? "net" : kind_name(join->kind);
                plan_add(plan, LANE_OPEN, STEP_OPEN, .into = home,
                         .a = plan_text(plan, str_format("/proc/self/ns/%s", file)), .flags = O_RDONLY | O_CLOEXEC,
                         .more = OPEN_NAMESPACE | (uint64_t)join->kind << 32);
                plan_add(plan, LANE_HOST, STEP_SETNS, .slot = home, .flags = (uint64_t)join->kind);
        }
        /* After every path is opened: a joined network or pid namespace would change what they lead to. */
        for (size_t i = 0; i < joins->n; i++) {
                set_place(b, &joins->at[i]);
                plan_add(plan, LANE_OPEN, STEP_SETNS, .slot = joins->at[i].slot, .flags = (uint64_t)joins->at[i].kind);
        }
        return 0;
}

static int add_joins(struct build *b, const struct joins *joins) {
        if (b->plan->has_new_userns && b->probe->is_root)
                return join_in_parent(b, joins);
        /* root still has its rights over the host's namespaces before it enters a user namespace; others get rights
         * only by entering it. */
        join_in_child(b, joins, !b->probe->is_root);
        join_in_child(b, joins, b->probe->is_root);
        return 0;
}

static int add_userns(struct build *b) {
        struct plan *plan = b->plan;
        const struct oci_linux *linux_ = b->config->linux_;
        /* root of a user namespace of its own, as rootless engines are, has it too */
        bool may_make_others = b->probe->is_root || (b->probe->capabilities >> CAP_SYS_ADMIN & 1) != 0;
        plan->has_new_userns = plan_has_new(b, CLONE_NEWUSER);
        if (!plan_has_own(b, CLONE_NEWUSER) && !may_make_others)
                return fail_hint(fail_words(EPERM, "linux.namespaces: an ordinary user needs a user namespace"),
                                 "`rundlet spec --rootless` writes a config that has one");
        add_first_guard(b);
        if (!plan->has_new_userns)
                return 0;
        plan->uid_maps = linux_->uid_mappings.at;
        plan->uid_maps_count = linux_->uid_mappings.n;
        plan->gid_maps = linux_->gid_mappings.at;
        plan->gid_maps_count = linux_->gid_mappings.n;
        plan->place = "linux.uidMappings";
        if (maps_root(linux_))
                become_root(b);
        return 0;
}

int plan_namespaces(struct build *b) {
        struct joins joins = { .n = 0 };
        uint64_t kinds = 0;
        if (!b->config->linux_)
                return fail_words(EINVAL, "linux: missing");
        int r = add_userns(b);
        if (r < 0)
                return r;
        r = sort_out(b, &joins, &kinds);
        if (r < 0)
                return r;
        r = add_joins(b, &joins);
        if (r < 0)
                return r;
        add_new(b, kinds);
        if (plan_has_new(b, CLONE_NEWTIME) && !b->plan->unshares_time) {
                r = add_time_in_child(b);
                if (r < 0)
                        return r;
        }
        if (b->plan->joins_pidns)
                plan_fork(b);
        return 0;
}

/* Before any mount: a procfs shows the pid namespace of the process that makes it. */
void plan_fork(struct build *b) {
        b->plan->place = "linux.namespaces";
        plan_add(b->plan, LANE_CHILD, STEP_AWAIT, .flags = MESSAGE_MAPPED);
        plan_add(b->plan, LANE_CHILD, STEP_FORK);
        add_guard(b);
}

int plan_namespaces_late(struct build *b) {
        struct plan *plan = b->plan;
        if (b->config->hostname) {
                plan->place = "hostname";
                plan_add(plan, LANE_CHILD, STEP_HOSTNAME, .a = plan_text(plan, b->config->hostname));
        }
        if (b->config->domainname) {
                plan->place = "domainname";
                plan_add(plan, LANE_CHILD, STEP_DOMAINNAME, .a = plan_text(plan, b->config->domainname));
        }
        plan->place = "linux.namespaces";
        if (plan_has_new(b, CLONE_NEWNET))
                plan_add(plan, LANE_CHILD, STEP_LOOPBACK);
        return 0;
}

/* A mount namespace that is shared has another root than the container, whose first process is the one to ask.  That
 * the pidfd can be entered afterwards says that it was that process. */
static int join_by_pidfd(struct build *b, uint64_t kinds) {
        struct plan *plan = b->plan;
        bool takes_root = plan_shares_mounts(b) && kinds & CLONE_NEWNS;
        int root = takes_root ? plan_slot(plan, "root of the container") : SLOT_NONE;
        if (takes_root && root < 0)
                return root;
        if (takes_root)
                plan_add(plan, LANE_CHILD, STEP_OPEN, .into = root,
                         .a = plan_text(plan, str_format("/proc/%d/root", (int)b->options->init_pid)),
                         .flags = O_PATH | O_DIRECTORY, .more = OPEN_FOLDER);
        if (kinds)
                plan_add(plan, LANE_CHILD, STEP_SETNS, .slot = SLOT_PIDFD, .flags = kinds);
        if (takes_root)
                plan_add(plan, LANE_CHILD, STEP_CHROOT, .slot = root);
        return 0;
}

int plan_join(struct build *b) {
        const struct oci_linux *linux_ = b->config->linux_;
        uint64_t kinds = 0;
        for (size_t i = 0; linux_ && i < linux_->namespaces.n; i++)
                kinds |= (uint64_t)linux_->namespaces.at[i].type.v;
        uint64_t user = kinds & CLONE_NEWUSER, others = (kinds & ~user) | CLONE_NEWNS;
        uint64_t first = b->probe->is_root ? others : user, second = b->probe->is_root ? user : others;
        add_first_guard(b);
        b->plan->place = "linux.namespaces";
        int r = join_by_pidfd(b, first);
        if (r < 0)
                return r;
        /* Others have the right to copy host trees only in a mount namespace that their user namespace owns. */
        if (b->is_entering && !b->probe->is_root)
                plan_add(b->plan, LANE_CHILD, STEP_UNSHARE, .flags = CLONE_NEWNS);
        b->copies_at = b->plan->count[LANE_CHILD];
        r = join_by_pidfd(b, second);
        if (r < 0)
                return r;
        if (user && (maps_root(linux_) || !plan_has_new(b, CLONE_NEWUSER)))
                become_root(b);
        b->plan->joins_pidns = (kinds & CLONE_NEWPID) != 0;
        return 0;
}
