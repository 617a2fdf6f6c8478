/* Steps that confine the process, as text.  Parent side; pure. */
#include "runtime/plan/plan.h"
#include "runtime/steps/landlock.h"

#include <string.h>

static const struct name file_rights[] = {
        { "execute", RIGHT_EXECUTE },
        { "write", RIGHT_WRITE_FILE },
        { "read", RIGHT_READ_FILE },
        { "list", RIGHT_READ_FOLDER },
        { "remove-folder", RIGHT_REMOVE_FOLDER },
        { "remove-file", RIGHT_REMOVE_FILE },
        { "make-char", RIGHT_MAKE_CHAR },
        { "make-folder", RIGHT_MAKE_FOLDER },
        { "make-file", RIGHT_MAKE_FILE },
        { "make-socket", RIGHT_MAKE_SOCKET },
        { "make-fifo", RIGHT_MAKE_FIFO },
        { "make-block", RIGHT_MAKE_BLOCK },
        { "make-link", RIGHT_MAKE_LINK },
        { "refer", RIGHT_REFER },
        { "truncate", RIGHT_TRUNCATE },
        { "ioctl", RIGHT_IOCTL },
        { 0 },
};
static const struct name port_rights[] = { { "bind", PORT_BIND }, { "connect", PORT_CONNECT }, { 0 } };
static const struct name scopes[] = { { "abstract-unix-socket", SCOPE_ABSTRACT_SOCKET },
                                      { "signal", SCOPE_SIGNAL },
                                      { 0 } };

static const char *text_at(const struct plan *plan, uint32_t at) {
        return at ? plan->data + at : "";
}

static const char *slot_name(const struct plan *plan, int slot) {
        return slot >= 0 && slot < SLOT_MAX && plan->slot_names[slot] ? plan->slot_names[slot] : "?";
}

static const char *bits_text(const struct name *rows, uint64_t bits) {
        struct strv list = { 0 };
        for (; rows->name; rows++)
                if (bits & (uint64_t)rows->value)
                        strv_add(&list, rows->name);
        return list.n ? str_join(&list, ",") : "none";
}

static const char *ruleset_words(const struct plan *plan, const struct step *step) {
        struct landlock_ruleset ruleset;
        memcpy(&ruleset, plan->data + step->b, sizeof(ruleset));
        return str_format(" files %s; ports %s; scopes %s", bits_text(file_rights, ruleset.files),
                          bits_text(port_rights, ruleset.ports), bits_text(scopes, ruleset.scopes));
}

static const char *rule_words(const struct plan *plan, const struct step *step) {
        if (!step->a)
                return str_format(" port %llu: %s", (unsigned long long)step->more,
                                  bits_text(port_rights, step->flags));
        return str_format(" %s: %s", str_printable(text_at(plan, step->a)), bits_text(file_rights, step->flags));
}

const char *plan_confine_words(const struct plan *plan, const struct step *step) {
        if (step->kind == STEP_RULESET)
                return ruleset_words(plan, step);
        if (step->kind == STEP_CORE)
                return step->flags ? str_format(" of process %llu", (unsigned long long)step->flags) : " new";
        if (step->kind == STEP_RULE)
                return rule_words(plan, step);
        const char *quoted = str_json_quote(text_at(plan, step->kind == STEP_LABEL ? step->b : step->a));
        /* The whole path between back quotes: engines know by it that a label was refused. */
        if (step->kind == STEP_LABEL)
                return str_format(" %s to `/proc/%s`", quoted, text_at(plan, step->a));
        return str_format(" %s %s", slot_name(plan, step->slot), quoted);
}
