#include "runtime/container/update_rdt.h"

#include "runtime/host/rdt.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"

#include <string.h>

/* A copy of what is set with what is given instead; only the latter is written. */
static void merge(struct oci_intel_rdt *set, const struct oci_intel_rdt *given, struct plan_rdt *ret) {
        const struct oci_intel_rdt schemas = { .l3_cache_schema = given->l3_cache_schema,
                                               .mem_bw_schema = given->mem_bw_schema };
        if (given->l3_cache_schema)
                set->l3_cache_schema = given->l3_cache_schema;
        if (given->mem_bw_schema)
                set->mem_bw_schema = given->mem_bw_schema;
        plan_rdt_lines(&schemas, ret);
}

int rdt_change_make(const struct container *container, const struct oci_intel_rdt *given, struct rdt_change *ret) {
        struct plan_rdt schemas = { 0 };
        struct oci_config *config;
        char *text;
        int r = container_config(&container->entry, &config);
        if (r == 0)
                r = store_load_config(&container->entry, &text, &ret->config_size);
        if (r < 0)
                return r;
        if (!container->record.rdt_group || !config->linux_ || !config->linux_->intel_rdt)
                return fail_words(EINVAL, "linux.intelRdt: the container was made without it");
        merge(config->linux_->intel_rdt, given, &schemas);
        r = rdt_open(&ret->mount);
        if (r < 0)
                return r;
        ret->entry = &container->entry;
        ret->group = container->record.rdt_group;
        ret->config = text;
        r = rdt_set(ret->mount, ret->group, &schemas, &ret->before);
        if (r < 0)
                return r;
        const char *now = json_write(config, &oci_config_type, false);
        return store_save_config(&container->entry, now, strlen(now));
}

void rdt_change_keep(struct rdt_change *change) {
        change->before = NULL;
}

void rdt_change_release(struct rdt_change *change) {
        if (change->before) {
                struct err_saved why;
                err_save(&why);
                rdt_restore(change->mount, change->group, change->before);
                if (store_save_config(change->entry, change->config, change->config_size) < 0)
                        log_warning("%s", err_message());
                err_restore(&why);
        }
        change->before = NULL;
        change->mount = fd_close(change->mount);
}
