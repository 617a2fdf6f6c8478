/* bytes -> config -> rules -> plan: every plan that comes of an accepted config keeps the promises that confinement
 * rests on, whatever the config says. */
#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/oci_check.h"
#include "specs/oci_names.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_good) {
        if (!is_good)
                abort();
}

/* The last step of the kind, or -1. */
static long last(const struct plan *plan, enum step_kind kind) {
        long found = -1;
        for (size_t i = 0; i < plan->count[LANE_CHILD]; i++)
                if (plan->steps[LANE_CHILD][i].kind == kind)
                        found = (long)i;
        return found;
}

static void check_numbers(const struct plan *plan) {
        for (int lane = 0; lane < LANES; lane++)
                for (size_t i = 0; i < plan->count[lane]; i++) {
                        const struct step *step = &plan->steps[lane][i];
                        must(step->kind > STEP_NONE && step->kind < STEP_KINDS);
                        must(step->slot < plan->slots && step->into < plan->slots);
                        must(step->a < plan->data_size && step->b < plan->data_size);
                        must(plan_step_words(plan, (enum plan_lane)lane, i) != NULL);
                }
}

/* What the payload may no longer see or do is settled before it runs, and in this order. */
static void check_order(const struct oci_config *config, const struct plan *plan) {
        const struct oci_linux *linux_ = config->linux_;
        long exec = last(plan, STEP_EXEC), caps = last(plan, STEP_CAPS), pivot = last(plan, STEP_PIVOT);
        must(exec == (long)plan->count[LANE_CHILD] - 1);
        must(last(plan, STEP_FDS) > last(plan, STEP_HOOK));
        must(last(plan, STEP_FDS) < last(plan, STEP_SECCOMP) || last(plan, STEP_SECCOMP) < 0);
        must(caps > last(plan, STEP_IDS) && last(plan, STEP_IDS) > last(plan, STEP_GROUPS));
        must(last(plan, STEP_BOUNDS) < caps);
        must(last(plan, STEP_MASK) < pivot || last(plan, STEP_MASK) < 0);
        must(last(plan, STEP_READONLY) < pivot || last(plan, STEP_READONLY) < 0);
        must(pivot < last(plan, STEP_IDS));
        must(!config->process->no_new_privileges || last(plan, STEP_NNP) > 0);
        must(!config->process->no_new_privileges || last(plan, STEP_NNP) < exec);
        if (linux_ && linux_->seccomp && linux_->seccomp->default_action.v != OCI_ACT_ALLOW)
                must(last(plan, STEP_SECCOMP) > last(plan, STEP_IDS));
}

/* Whatever annotations say, the scope stays one that rundlet owns. */
static void check_unit(const struct plan *plan) {
        static const char *const ours[] = { "PIDs", "Slice", "DevicePolicy", "DeviceAllow", "FailureAction" };
        const struct unit *unit = plan->unit;
        const char *path;
        unsigned delegations = 0;
        must(unit && str_ends(unit->scope, ".scope") && !strchr(unit->scope, '/'));
        must(!strchr(unit->subgroup, '/') && !str_eq(unit->subgroup, ".."));
        must(unit_slice_path(unit->slice, &path) == 0 && (!*path || *path == '/'));
        for (size_t i = 0; i < unit->properties.n; i++) {
                const struct unit_property *property = &unit->properties.at[i];
                for (size_t n = 0; n < sizeof(ours) / sizeof(ours[0]); n++)
                        must(!str_eq(property->name, ours[n]));
                must(*property->name && *property->signature);
                must(!strchr("sog", *property->signature) || property->text);
                if (str_eq(property->name, "Delegate"))
                        delegations += property->number == 1;
        }
        must(delegations == 1);
}

static void fuzz(const uint8_t *data, size_t size) {
        static const char *const probes[] = { "full", "old", "rootless" };
        struct oci_config *config = NULL;
        err_clear();
        if (oci_config_read((const char *)data, size, &(struct json_read_options){ 0 }, &config) < 0 ||
            oci_check(config, NULL, NULL) < 0)
                return;
        /* Each kernel once, and once more with the systemd driver. */
        for (size_t i = 0; i < 2 * sizeof(probes) / sizeof(probes[0]); i++) {
                struct plan_options options = { .bundle = "/bundle",
                                                .id = "fuzz",
                                                .state_folder = "/state/fuzz",
                                                .relative_paths = true,
                                                .driver = i % 2 ? DRIVER_SYSTEMD : DRIVER_CGROUPFS };
                struct plan *plan;
                err_clear();
                if (plan_build(config, probe_named(probes[i / 2]), &options, &plan) < 0) {
                        must(*err_message() != '\0');
                        continue;
                }
                check_numbers(plan);
                check_order(config, plan);
                must(!plan->unit == !(i % 2));
                if (plan->unit)
                        check_unit(plan);
                must(*plan_print(plan, &options) != '\0');
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz(data, size);
        arena_reset();
        return 0;
}
