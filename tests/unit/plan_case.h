/* What the tests of the plan builders share: a config from a few pieces of JSON, and looking steps up in the plan. */
#ifndef TESTS_UNIT_PLAN_CASE_H
#define TESTS_UNIT_PLAN_CASE_H

#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <stdlib.h>

struct plan_case {
        const char *process, *linux_, *rest; /* members to add to these objects, NULL: none */
        const char *probe;                   /* NULL: "full" */
        bool has_no_keyring;
        unsigned preserve_fds, listen_fds;
};

static inline const char *plan_case_members(const char *first, const char *members) {
        return members ? str_format("%s,%s", first, members) : first;
}

/* The builder's input for a case.  A case that cannot be read is a fault of the test. */
static inline struct build *plan_case_build(const struct plan_case *row) {
        const char *text = str_format(
                "{%s}",
                plan_case_members(str_format("\"ociVersion\":\"1.3.0\",\"process\":{%s},\"linux\":{%s}",
                                             plan_case_members("\"cwd\":\"/\",\"args\":[\"sh\",\"-c\"]", row->process),
                                             row->linux_ ? row->linux_ : ""),
                                  row->rest));
        struct json_read_options read_options = { .strict = true };
        struct oci_config *config;
        if (oci_config_read(text, strlen(text), &read_options, &config) < 0) {
                printf("Bail out! %s: %s\n", err_message(), text);
                exit(1);
        }
        struct plan_options *options = arena_alloc(sizeof(*options));
        *options = (struct plan_options){ .bundle = "/bundle",
                                          .id = "web",
                                          .no_keyring = row->has_no_keyring,
                                          .preserve_fds = row->preserve_fds,
                                          .listen_fds = row->listen_fds };
        struct build *b = arena_alloc(sizeof(*b));
        *b = (struct build){ .plan = plan_new(),
                             .config = config,
                             .process = config->process,
                             .options = options,
                             .probe = probe_named(row->probe ? row->probe : "full") };
        return b;
}

#define USER(uid, gid) "\"user\":{\"uid\":" #uid ",\"gid\":" #gid "}"

/* The kinds of a lane as words: "bounding groups ids". */
static inline const char *plan_case_words(const struct plan *plan, enum plan_lane lane) {
        struct strv words = { 0 };
        for (size_t i = 0; i < plan->count[lane]; i++)
                strv_add(&words, step_name(plan->steps[lane][i].kind));
        return str_join(&words, " ");
}

/* The n-th step of a kind in a lane, or NULL. */
static inline const struct step *plan_case_step(const struct plan *plan, enum plan_lane lane, enum step_kind kind,
                                                size_t n) {
        for (size_t i = 0; i < plan->count[lane]; i++)
                if (plan->steps[lane][i].kind == kind && n-- == 0)
                        return &plan->steps[lane][i];
        return NULL;
}

static inline const void *plan_case_data(const struct plan *plan, uint32_t at) {
        return at ? plan->data + at : NULL;
}

static inline const char *plan_case_warnings(const struct plan *plan) {
        return plan->warnings.n ? str_join(&plan->warnings, "; ") : "";
}

#endif
