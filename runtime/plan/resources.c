/* linux.resources -> writes to the files of a cgroup v2, in the order they are to be made.  Parent side; pure.
 * Spec: config-linux.md "Control groups"; kernel: cgroup-v2.rst.
 *
 * Fields that only cgroup v1 has: converted where the meaning is the same (shares, weight), a warning where leaving
 * them out loses nothing that v2 could give (kernel memory, OOM killer), otherwise an error.  A limit of 0 where 0
 * makes no container (memory, swap, shares, quota, period) is how engines say "unset". */
#include "runtime/plan/resources.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLACE   "linux.resources."
#define V1_ONLY "cgroup v2 has no such limit"

void resource_write(struct build *b, const struct cgroup_write *write) {
        struct plan *plan = b->plan;
        size_t n = plan->cgroup_writes.n;
        /* Powers of two from 8: the list is grown when it is full. */
        if (n == 0)
                plan->cgroup_writes.at = arena_array(8, sizeof(*write));
        else if (n >= 8 && (n & (n - 1)) == 0)
                plan->cgroup_writes.at = arena_grow(plan->cgroup_writes.at, n * sizeof(*write), 2 * n * sizeof(*write));
        plan->cgroup_writes.at[plan->cgroup_writes.n++] = *write;
        if (write->controller && !strv_has(&plan->controllers, write->controller))
                strv_add(&plan->controllers, write->controller);
}

static const char *limit_text(int64_t limit) {
        return limit < 0 ? "max" : str_format("%lld", (long long)limit);
}

#define WRITE(b, c, f, v, p)                                                                                           \
        resource_write(b, &(struct cgroup_write){ .controller = c, .file = f, .value = v, .place = PLACE p })

/* v1 counts memory and swap together, v2 swap alone. */
static int swap_text(const struct oci_memory *m, const char **ret) {
        if (m->swap.v < 0) {
                *ret = "max";
                return 0;
        }
        if (!m->limit.set || m->limit.v == 0)
                return fail_words(EINVAL, PLACE "memory.swap: memory and swap together need a memory.limit");
        if (m->limit.v < 0)
                return fail_words(EINVAL,
                                  PLACE "memory.swap: a limit for memory and swap together, but none for memory");
        if (m->swap.v < m->limit.v)
                return fail_words(EINVAL, PLACE "memory.swap: %lld is less than memory.limit %lld",
                                  (long long)m->swap.v, (long long)m->limit.v);
        *ret = limit_text(m->swap.v - m->limit.v);
        return 0;
}

static int add_memory(struct build *b, const struct oci_memory *m) {
        if (!m)
                return 0;
        if (m->swappiness.set)
                return fail_words(ENOTSUP, PLACE "memory.swappiness: " V1_ONLY);
        if (m->kernel.set && m->kernel.v)
                plan_warn(b->plan, PLACE "memory.kernel: " V1_ONLY ", left out");
        if (m->kernel_tcp.set && m->kernel_tcp.v)
                plan_warn(b->plan, PLACE "memory.kernelTCP: " V1_ONLY ", left out");
        if (m->disable_oom_killer.set && m->disable_oom_killer.v)
                plan_warn(b->plan, PLACE "memory.disableOOMKiller: cgroup v2 cannot do without it, left out");
        if (m->use_hierarchy.set && !m->use_hierarchy.v)
                plan_warn(b->plan, PLACE "memory.useHierarchy: cgroup v2 always does, left out");
        if (m->limit.set && m->limit.v)
                WRITE(b, "memory", "memory.max", limit_text(m->limit.v), "memory.limit");
        if (m->swap.set && m->swap.v) {
                const char *text = NULL;
                int r = swap_text(m, &text);
                if (r < 0)
                        return r;
                WRITE(b, "memory", "memory.swap.max", text, "memory.swap");
        }
        if (m->reservation.set && m->reservation.v)
                WRITE(b, "memory", "memory.low", limit_text(m->reservation.v), "memory.reservation");
        return 0;
}

#define DIGITS     40 /* binary digits after the point: products of two logarithms below 18 still fit into 128 bits */
#define LOG2_OF_10 UINT64_C(3652498566964) /* log2(10) = 3.32192809488736 */

/* log2 of value, which is not 0: each squaring of the fraction gives one more digit. */
static uint64_t log2_fixed(uint64_t value) {
        unsigned whole = 63 - (unsigned)__builtin_clzll(value);
        uint64_t result = (uint64_t)whole << DIGITS;
        uint64_t fraction = value << (63 - whole); /* 1 <= fraction < 2, 63 digits */
        for (unsigned digit = DIGITS; digit-- > 0;) {
                unsigned __int128 square = (unsigned __int128)fraction * fraction;
                bool is_two = square >> 127;
                fraction = (uint64_t)(square >> (is_two ? 64 : 63));
                result |= (uint64_t)is_two << digit;
        }
        return result;
}

/* 2..262144 to 1..10000 so that 1024, the default of one, becomes 100, the default of the other: the smallest weight
 * that is not below 10^(l * (l + 125) / 612 - 7 / 34) where l = log2(shares), as the other runtimes have it since 2025.
 * Without floating point: the weight is found by comparing logarithms.  What rounding loses must not lift 1024 above
 * 100. */
uint64_t resource_cpu_weight(uint64_t shares) {
        if (shares <= 2)
                return 1;
        if (shares >= 262144)
                return 10000;
        unsigned __int128 l = log2_fixed(shares);
        unsigned __int128 decades = ((l * l >> DIGITS) + l * 125) / 612 - ((unsigned __int128)7 << DIGITS) / 34;
        uint64_t exponent = (uint64_t)(decades * LOG2_OF_10 >> DIGITS), low = 1, high = 10000;
        while (low < high) {
                uint64_t middle = (low + high) / 2;
                if (log2_fixed(middle) + 8 < exponent)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* Kubernetes hands on limits of nodes larger than this one. */
static void warn_of_quota(struct build *b, uint64_t quota, uint64_t period) {
        unsigned cpus = b->probe->cpus;
        if (cpus && quota / cpus >= period && quota > period * cpus)
                plan_warn(b->plan, PLACE "cpu.quota: %llu in each %llu is more than the %u processor%s here can give",
                          (unsigned long long)quota, (unsigned long long)period, cpus, cpus == 1 ? "" : "s");
}

static int add_cpu_limit(struct build *b, const struct oci_cpu *cpu) {
        bool has_quota = cpu->quota.set && cpu->quota.v != 0, has_period = cpu->period.set && cpu->period.v != 0;
        if (has_quota || has_period) {
                const char *quota = has_quota ? limit_text(cpu->quota.v) : "max";
                unsigned long long period = has_period ? cpu->period.v : 100000; /* the kernel's default */
                if (has_quota && cpu->quota.v > 0)
                        warn_of_quota(b, (uint64_t)cpu->quota.v, period);
                resource_write(b,
                               &(struct cgroup_write){ .controller = "cpu",
                                                       .file = "cpu.max",
                                                       .value = str_format("%s %llu", quota, period),
                                                       .place = has_quota ? PLACE "cpu.quota" : PLACE "cpu.period" });
        }
        /* A burst must fit into the quota, so it comes second. */
        if (cpu->burst.set)
                WRITE(b, "cpu", "cpu.max.burst", str_format("%llu", (unsigned long long)cpu->burst.v), "cpu.burst");
        return 0;
}

static int add_cpu(struct build *b, const struct oci_cpu *cpu) {
        if (!cpu)
                return 0;
        if (cpu->realtime_runtime.set && cpu->realtime_runtime.v)
                return fail_words(ENOTSUP, PLACE "cpu.realtimeRuntime: " V1_ONLY);
        if (cpu->realtime_period.set && cpu->realtime_period.v)
                return fail_words(ENOTSUP, PLACE "cpu.realtimePeriod: " V1_ONLY);
        bool is_idle = cpu->idle.set && cpu->idle.v != 0;
        /* The kernel refuses a weight for an idle group; engines send both. */
        if (cpu->shares.set && cpu->shares.v && is_idle)
                plan_warn(b->plan, PLACE "cpu.shares: an idle group has no weight, left out");
        else if (cpu->shares.set && cpu->shares.v)
                WRITE(b, "cpu", "cpu.weight",
                      str_format("%llu", (unsigned long long)resource_cpu_weight(cpu->shares.v)), "cpu.shares");
        if (cpu->idle.set)
                WRITE(b, "cpu", "cpu.idle", str_format("%lld", (long long)cpu->idle.v), "cpu.idle");
        int r = add_cpu_limit(b, cpu);
        if (r < 0)
                return r;
        if (cpu->cpus && *cpu->cpus)
                WRITE(b, "cpuset", "cpuset.cpus", cpu->cpus, "cpu.cpus");
        if (cpu->mems && *cpu->mems)
                WRITE(b, "cpuset", "cpuset.mems", cpu->mems, "cpu.mems");
        return 0;
}

/* A limit of 0 is one since 1.3; before, engines wrote it for "unset".  The kernel clones nothing into a cgroup of 0:
 * with 1, as other runtimes write it, the first process is alone in the same way. */
static void add_pids(struct build *b, const struct oci_pids *pids) {
        const char *version = b->config->oci_version;
        if (!pids || !pids->limit.set)
                return;
        if (pids->limit.v == 0 && version && str_starts(version, "1.") && strtol(version + 2, NULL, 10) < 3)
                return;
        WRITE(b, "pids", "pids.max", limit_text(pids->limit.v ? pids->limit.v : 1), "pids.limit");
}

static void add_hugepages(struct build *b, const struct oci_resources *res) {
        for (size_t i = 0; i < res->hugepage_limits.n; i++) {
                const struct oci_hugepage_limit *h = &res->hugepage_limits.at[i];
                const char *limit = str_format("%llu", (unsigned long long)h->limit);
                /* Reservations are counted where the kernel can (5.7), so that a program fails at mmap and not by
                 * SIGBUS. */
                resource_write(b, &(struct cgroup_write){ .controller = "hugetlb",
                                                          .file = str_format("hugetlb.%s.rsvd.max", h->page_size),
                                                          .value = limit,
                                                          .or_file = str_format("hugetlb.%s.max", h->page_size),
                                                          .or_value = limit,
                                                          .place = str_format(PLACE "hugepageLimits[%zu]", i) });
        }
}

static void add_rdma(struct build *b, const struct oci_resources *res) {
        for (size_t i = 0; i < res->rdma.n; i++) {
                const struct oci_rdma *r = &res->rdma.at[i];
                char *value = str_format("%s", r->key);
                if (r->hca_handles.set)
                        value = str_format("%s hca_handle=%u", value, r->hca_handles.v);
                if (r->hca_objects.set)
                        value = str_format("%s hca_object=%u", value, r->hca_objects.v);
                if (r->hca_handles.set || r->hca_objects.set)
                        resource_write(b, &(struct cgroup_write){ .controller = "rdma",
                                                                  .file = "rdma.max",
                                                                  .value = value,
                                                                  .place = str_format(PLACE "rdma.%s", r->key) });
        }
}

/* Files of the core that are no limits: written before the container lives, they keep it from living, or they take
 * from the runtime what it must know. */
static const char *const not_limits[][2] = {
        { "cgroup.procs", "the runtime alone puts processes there" },
        { "cgroup.threads", "the runtime alone puts processes there" },
        { "cgroup.kill", "the runtime has the command kill for it" },
        { "cgroup.freeze", "the runtime has the command pause for it" },
        { "cgroup.type", "a container needs a domain" },
        { "cgroup.subtree_control", "no process could be put there any more" },
};

static int check_unified(const char *place, const char *key) {
        const char *dot = strchr(key, '.');
        if (strchr(key, '/'))
                return fail_words(EINVAL, "%s: a file name, no path", place);
        if (!dot || dot == key)
                return fail_words(EINVAL, "%s: a file name begins with its controller and a dot", place);
        for (size_t i = 0; i < sizeof(not_limits) / sizeof(not_limits[0]); i++)
                if (str_eq(key, not_limits[i][0]))
                        return fail_words(EINVAL, "%s: refused: %s", place, not_limits[i][1]);
        return 0;
}

/* Every key is a file, known to us or not; what stands before its first dot is the controller.  The kernel takes one
 * line (one device of io.max) a write; no line at all empties a list (cpuset.cpus). */
static int add_unified(struct build *b, const struct oci_resources *res) {
        for (size_t i = 0; i < res->unified.n; i++) {
                const char *key = res->unified.at[i].key;
                struct cgroup_write write = { .file = key,
                                              .place = str_format(PLACE "unified.%s", str_printable(key)) };
                int r = check_unified(write.place, key);
                if (r < 0)
                        return r;
                if (!str_starts(key, "cgroup."))
                        write.controller = arena_strndup(key, strcspn(key, "."));
                struct strv lines = str_split(res->unified.at[i].value, '\n', true);
                if (lines.n == 0)
                        strv_add(&lines, "");
                for (size_t line = 0; line < lines.n; line++) {
                        write.value = lines.at[line];
                        resource_write(b, &write);
                }
        }
        return 0;
}

int plan_resources(struct build *b) {
        const struct oci_resources *res = b->config->linux_ ? b->config->linux_->resources : NULL;
        if (!res)
                return 0;
        if (res->network && res->network->class_id.set)
                return fail_words(ENOTSUP, PLACE "network.classID: " V1_ONLY);
        if (res->network && res->network->priorities.n)
                return fail_words(ENOTSUP, PLACE "network.priorities: " V1_ONLY);
        int r = add_memory(b, res->memory);
        if (r < 0)
                return r;
        r = add_cpu(b, res->cpu);
        if (r < 0)
                return r;
        add_pids(b, res->pids);
        r = resource_block_io(b, res->block_io);
        if (r < 0)
                return r;
        add_hugepages(b, res);
        add_rdma(b, res);
        return add_unified(b, res);
}
