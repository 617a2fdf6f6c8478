/* Steps that confine the process, as text.  Parent side; pure. */
#include "runtime/plan/plan.h"

static const char *text_at(const struct plan *plan, uint32_t at) {
        return at ? plan->data + at : "";
}

static const char *slot_name(const struct plan *plan, int slot) {
        return slot >= 0 && slot < SLOT_MAX && plan->slot_names[slot] ? plan->slot_names[slot] : "?";
}

const char *plan_confine_words(const struct plan *plan, const struct step *step) {
        const char *quoted = str_json_quote(text_at(plan, step->kind == STEP_LABEL ? step->b : step->a));
        /* The whole path between back quotes: engines know by it that a label was refused. */
        if (step->kind == STEP_LABEL)
                return str_format(" %s to `/proc/%s`", quoted, text_at(plan, step->a));
        return str_format(" %s %s", slot_name(plan, step->slot), quoted);
}
