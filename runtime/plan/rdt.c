/* linux.intelRdt: the group of resctrl for the container's processes.  Parent side; pure.  Spec: config-linux.md
 * "IntelRdt". */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/oci_shape.h"

#include <errno.h>

#define PLACE "linux.intelRdt."

static void add_line(struct plan_rdt *rdt, const char *text, const char *place, bool must_match) {
        if (text && *text)
                rdt->lines.at[rdt->lines.n++] = (struct plan_rdt_line){ text, place, must_match };
}

/* The order is the spec's: caches, then bandwidth, and what may say either last. */
void plan_rdt_lines(const struct oci_intel_rdt *config, struct plan_rdt *rdt) {
        rdt->lines.n = 0;
        rdt->lines.at = arena_array(config->schemata.n + 2, sizeof(*rdt->lines.at));
        add_line(rdt, config->l3_cache_schema, PLACE "l3CacheSchema", true);
        add_line(rdt, config->mem_bw_schema, PLACE "memBwSchema", true);
        for (size_t i = 0; i < config->schemata.n; i++)
                add_line(rdt, config->schemata.at[i], str_format(PLACE "schemata[%zu]", i), false);
}

const char *plan_rdt_group(const struct oci_intel_rdt *config, const char *id, bool *ret_is_own) {
        const char *clos = config->clos_id && *config->clos_id ? config->clos_id : NULL;
        *ret_is_own = !clos;
        return !clos ? id : str_eq(clos, "/") ? "." : clos;
}

int plan_rdt(struct build *b) {
        const struct oci_intel_rdt *config = b->config->linux_ ? b->config->linux_->intel_rdt : NULL;
        if (!config)
                return 0;
        struct plan_rdt *rdt = b->plan->rdt = arena_alloc(sizeof(*rdt));
        rdt->group = plan_rdt_group(config, b->options->id, &rdt->is_own);
        const char *why = rdt->is_own ? oci_shape_clos_id(b->options->id) : NULL;
        if (why)
                return fail_words(EINVAL, "linux.intelRdt: a group with the container's name: %s: %s", b->options->id,
                                  why);
        plan_rdt_lines(config, rdt);
        rdt->may_make = rdt->is_own || rdt->lines.n > 0;
        rdt->monitor = config->enable_monitoring.v ? b->options->id : NULL;
        return 0;
}
