/* update: what is given is completed by what is set already, written to the cgroup, and kept.
 *
 * Only what is given is written, so that nothing is lost that somebody else has set meanwhile.  The saved config comes
 * last and whole: whoever is killed before leaves the older one, and the same update can be made again. */
#include "runtime/container/inside.h"
#include "runtime/container/update_rdt.h"

#include "runtime/host/cgroup_change.h"
#include "runtime/host/probe.h"
#include "runtime/host/scope.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"
#include "specs/oci_check.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#define PLACE "linux.resources."

/* -- what is given needs of what is set -- */

/* Engines write 0 for "not set". */
static bool is_set(struct opt_i64 limit) {
        return limit.set && limit.v != 0;
}

/* The config counts memory and swap together, the kernel swap alone: without a new sum the earlier one stays.  No limit
 * for memory leaves none for the sum either. */
static void complete_memory(struct oci_memory *given, const struct oci_memory *set, struct strv *needless) {
        bool gives_limit = is_set(given->limit), gives_swap = is_set(given->swap);
        if (gives_swap && !gives_limit) {
                given->limit = set->limit;
                strv_add(needless, PLACE "memory.limit");
        }
        if (gives_limit && !gives_swap && set->swap.set && set->swap.v > 0)
                given->swap = given->limit.v < 0 ? given->limit : set->swap;
}

/* Quota and period are one file; an idle group takes no weight, and begins with the default one when it ends to be
 * idle.
 */
static void complete_cpu(struct oci_cpu *given, const struct oci_cpu *set, struct strv *needless) {
        bool gives_quota = is_set(given->quota), gives_period = given->period.set && given->period.v;
        if (gives_quota && !gives_period)
                given->period = set->period;
        if (gives_period && !gives_quota)
                given->quota = set->quota;
        bool gives_shares = given->shares.set && given->shares.v, is_idle = set->idle.set && set->idle.v;
        if (gives_shares && !given->idle.set && is_idle) {
                given->idle = set->idle;
                strv_add(needless, PLACE "cpu.idle");
        }
        if (!gives_shares && given->idle.set && !given->idle.v && is_idle)
                given->shares = set->shares.set && set->shares.v ? set->shares : (struct opt_u64){ true, 1024 };
}

/* A copy of what is given with what its conversion needs; needless: places whose writes are not wanted for all that. */
static struct oci_resources *complete(const struct oci_resources *given, const struct oci_resources *set,
                                      struct strv *needless) {
        struct oci_resources *full = arena_memdup(given, sizeof(*given));
        if (given->memory)
                full->memory = arena_memdup(given->memory, sizeof(*given->memory));
        if (given->cpu)
                full->cpu = arena_memdup(given->cpu, sizeof(*given->cpu));
        if (full->memory && set->memory)
                complete_memory(full->memory, set->memory, needless);
        if (full->cpu && set->cpu)
                complete_cpu(full->cpu, set->cpu, needless);
        return full;
}

/* -- the plan -- */

static void leave_out(struct plan *plan, const struct strv *places) {
        size_t n = 0;
        for (size_t i = 0; i < plan->cgroup_writes.n; i++)
                if (!strv_has(places, plan->cgroup_writes.at[i].place))
                        plan->cgroup_writes.at[n++] = plan->cgroup_writes.at[i];
        plan->cgroup_writes.n = n;
}

/* The same builders as create's, for a config that has these resources only. */
static int build(const struct oci_config *config, struct oci_resources *resources, struct plan **ret) {
        struct oci_linux linux_ = *config->linux_;
        struct oci_config with_resources = *config;
        struct plan_options options = { 0 };
        struct build b = { .plan = plan_new(),
                           .config = &with_resources,
                           .process = config->process,
                           .probe = probe_get(),
                           .options = &options };
        linux_.resources = resources;
        with_resources.linux_ = &linux_;
        int r = plan_resources(&b);
        if (r == 0)
                r = plan_devfilter(&b);
        if (r < 0)
                return r;
        for (size_t i = 0; i < b.plan->warnings.n; i++)
                log_warning("%s", b.plan->warnings.at[i]);
        *ret = b.plan;
        return 0;
}

/* Merges what is given into the config, and plans the writes. */
static int prepare(struct oci_config *config, const struct oci_resources *given, struct plan **ret) {
        struct strv needless = { 0 };
        if (!config->linux_)
                config->linux_ = arena_alloc(sizeof(*config->linux_));
        if (!config->linux_->resources)
                config->linux_->resources = arena_alloc(sizeof(*config->linux_->resources));
        struct oci_resources *set = config->linux_->resources, *full = complete(given, set, &needless);
        json_merge(set, full, &oci_resources_type);
        int r = oci_check_resources(set, NULL, NULL);
        if (r < 0)
                return fail_in(r, "together with what is set already");
        r = build(config, full, ret);
        if (r == 0)
                leave_out(*ret, &needless);
        return r;
}

/* -- acting -- */

/* What of the writes systemd shows and weighs between scopes. */
static int tell_systemd(const struct container_record *record, const struct plan *plan) {
        struct unit unit = { .scope = record->cgroup_scope, .is_user = record->cgroup_user };
        if (!unit.scope)
                return 0;
        unit_limits(plan, &unit);
        return unit.properties.n ? scope_update(&unit) : 0;
}

/* The saved config, last of all: a save may fail when the new file is in its place already. */
static int save(const struct entry *entry, const struct oci_config *config, struct strv *lost) {
        const char *text = json_write(config, &oci_config_type, false);
        char *earlier, *now;
        size_t size, now_size;
        struct err_saved why;
        int r = store_load_config(entry, &earlier, &size);
        if (r < 0)
                return r;
        r = store_save_config(entry, text, strlen(text));
        if (r == 0)
                return 0;
        err_save(&why);
        int back = store_load_config(entry, &now, &now_size);
        if (back == 0 && !str_eq(now, earlier))
                back = store_save_config(entry, earlier, size);
        if (back < 0)
                strv_add(lost, str_format("the saved configuration (%s)", arena_strdup(err_message())));
        err_restore(&why);
        return r;
}

/* The scope holds the cgroup, so it grows first. */
static int make(const struct container *container, const struct oci_config *config, struct cgroup_change *change) {
        struct err_saved why;
        int r = tell_systemd(&container->record, &change->plan);
        if (r < 0)
                return r;
        r = cgroup_change_make(change);
        if (r == 0)
                r = save(&container->entry, config, &change->lost);
        if (r == 0)
                return 0;
        err_save(&why);
        if (tell_systemd(&container->record, cgroup_change_back(change)) < 0)
                strv_add(&change->lost,
                         str_format("%s (%s)", container->record.cgroup_scope, arena_strdup(err_message())));
        err_restore(&why);
        return r;
}

static int apply(const struct container *container, const struct cgroup *cgroup, const struct oci_resources *given) {
        autochange change = CGROUP_CHANGE_NONE;
        struct oci_config *config;
        struct plan *plan = NULL;
        int r = container_config(&container->entry, &config);
        if (r == 0)
                r = prepare(config, given, &plan);
        if (r < 0)
                return r;
        const struct oci_memory *memory = config->linux_->resources->memory;
        if (memory && memory->check_before_update.v)
                r = cgroup_check_usage(cgroup, plan);
        if (r == 0)
                r = cgroup_change_prepare(cgroup, plan, given->devices.n > 0, &change);
        if (r == 0)
                r = make(container, config, &change);
        if (r == 0)
                cgroup_change_keep(&change);
        return r;
}

static int change_resources(const struct container *container, const struct oci_resources *resources) {
        autocgroup cgroup = CGROUP_NONE;
        int r = container_cgroup(container, &cgroup);
        if (r == -ENOENT)
                return container_no_cgroup(container);
        return r < 0 ? r : apply(container, &cgroup, resources);
}

static int update(const char *root, const char *id, const struct oci_resources *resources,
                  const struct oci_intel_rdt *rdt) {
        autocontainer container = CONTAINER_NONE;
        autordt change = RDT_CHANGE_NONE;
        int r = resources ? oci_check_resources(resources, NULL, NULL) : 0;
        if (r == 0)
                r = container_open(root, id, LOCK_EX, &container);
        if (r < 0)
                return r;
        if (container.status == CONTAINER_STOPPED)
                return container_not_running(id);
        if (rdt)
                r = rdt_change_make(&container, rdt, &change);
        if (r == 0 && resources)
                r = change_resources(&container, resources);
        if (r == 0)
                rdt_change_keep(&change);
        return r;
}

int container_update(const char *root, const char *id, const struct oci_resources *resources,
                     const struct oci_intel_rdt *rdt) {
        int r = update(root, id, resources, rdt);
        return r < 0 ? fail_in(r, "update %s", id) : 0;
}
