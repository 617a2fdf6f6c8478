/* Rules of config-linux.md "Control groups", for `create` and `update` alike. */
#include "specs/oci_check_rules.h"
#include "specs/oci_shape.h"

#include <ctype.h>

#define IN "linux.resources."

/* Limits of the kernel's CFS bandwidth control, in microseconds. */
#define MIN_CFS        1000
#define MAX_CFS_PERIOD 1000000

static void rule_memory(struct check *c) {
        const struct oci_memory *m = c->resources->memory;
        if (m && m->limit.set && m->limit.v > 0 && m->swap.set && m->swap.v > 0 && m->swap.v < m->limit.v)
                check_error(c, IN "memory.swap: memory and swap together, below limit");
}

static void rule_burst(struct check *c) {
        const struct oci_cpu *cpu = c->resources->cpu;
        if (cpu && cpu->burst.set && cpu->quota.set && cpu->quota.v > 0 && cpu->burst.v > (uint64_t)cpu->quota.v)
                check_error(c, IN "cpu.burst: above quota");
}

/* Engines write 0 for "not set" and -1 for "no limit". */
static void rule_cfs(struct check *c) {
        const struct oci_cpu *cpu = c->resources->cpu;
        if (!cpu)
                return;
        if (cpu->quota.v < -1 || (cpu->quota.v > 0 && cpu->quota.v < MIN_CFS))
                check_error(c, IN "cpu.quota: neither -1 nor %d or more", MIN_CFS);
        if (cpu->quota.set && cpu->quota.v == 0)
                check_warning(c, IN "cpu.quota: 0 is taken for no limit, which is -1");
        if (cpu->period.v != 0 && (cpu->period.v < MIN_CFS || cpu->period.v > MAX_CFS_PERIOD))
                check_error(c, IN "cpu.period: not in %d..%d", MIN_CFS, MAX_CFS_PERIOD);
}

static void check_weight(struct check *c, const char *place, const struct opt_u16 *weight) {
        if (weight->v > 0 && weight->v < 10)
                check_error(c, IN "%s: not in 10..1000", place);
}

static void rule_weights(struct check *c) {
        const struct oci_block_io *io = c->resources->block_io;
        if (!io)
                return;
        check_weight(c, "blockIO.weight", &io->weight);
        check_weight(c, "blockIO.leafWeight", &io->leaf_weight);
        for (size_t i = 0; i < io->weight_device.n; i++) {
                const struct oci_weight_device *d = &io->weight_device.at[i];
                check_weight(c, str_format("blockIO.weightDevice[%zu].weight", i), &d->weight);
                check_weight(c, str_format("blockIO.weightDevice[%zu].leafWeight", i), &d->leaf_weight);
                if (!d->weight.set && !d->leaf_weight.set)
                        check_error(c, IN "blockIO.weightDevice[%zu]: neither weight nor leafWeight", i);
        }
}

static void rule_hugepages(struct check *c) {
        struct strv sizes = { 0 };
        for (size_t i = 0; i < c->resources->hugepage_limits.n; i++)
                strv_add(&sizes, c->resources->hugepage_limits.at[i].page_size);
        const char *twice = check_twice(&sizes);
        if (twice)
                check_error(c, IN "hugepageLimits: %s is there twice", twice);
}

static void rule_rdma(struct check *c) {
        for (size_t i = 0; i < c->resources->rdma.n; i++) {
                const struct oci_rdma *rdma = &c->resources->rdma.at[i];
                const char *why = oci_shape_file_name(rdma->key);
                for (const char *at = rdma->key; *at && !why; at++)
                        if (isspace((unsigned char)*at) || *at == '=')
                                why = "not the name of a device";
                check_shape(c, str_format(IN "rdma.%s", rdma->key), why);
                if (!rdma->hca_handles.set && !rdma->hca_objects.set)
                        check_error(c, IN "rdma.%s: neither hcaHandles nor hcaObjects", rdma->key);
        }
}

static void rule_unified(struct check *c) {
        for (size_t i = 0; i < c->resources->unified.n; i++) {
                const char *key = c->resources->unified.at[i].key;
                check_shape(c, str_format(IN "unified.%s", key), oci_shape_file_name(key));
        }
}

static const struct check_rule rows[] = {
        { "config-linux.md resources.memory.swap", "memory and swap, so not below the limit", rule_memory },
        { "config-linux.md resources.cpu.burst", "no larger than a positive quota", rule_burst },
        { "config-linux.md resources.cpu.quota, period", "what the kernel takes", rule_cfs },
        { "config-linux.md resources.blockIO", "weights of the kernel, at least one a device", rule_weights },
        { "config-linux.md resources.hugepageLimits", "no size twice", rule_hugepages },
        { "config-linux.md resources.rdma", "at least one limit a device", rule_rdma },
        { "config-linux.md resources.unified", "keys are files of the cgroup", rule_unified },
};
const struct check_rules check_resources_rules = { rows, sizeof(rows) / sizeof(rows[0]) };
