/* Between the files of oci_check: what a rule sees, how it speaks, the groups of rules.  Nobody else includes it. */
#ifndef SPECS_OCI_CHECK_RULES_H
#define SPECS_OCI_CHECK_RULES_H

#include "specs/oci_config.h"
#include "specs/oci_linux.h"

struct check {
        const struct oci_config *config;       /* NULL when only a process or resources are checked */
        const struct oci_process *process;     /* never NULL in rules of the process */
        const struct oci_linux *linux_;        /* never NULL in rules of linux */
        const struct oci_resources *resources; /* never NULL in rules of the resources */
        struct strv *errors, *warnings;
        int r;
};

struct check_rule {
        const char *sentence; /* document and property of the spec */
        const char *what;     /* what must hold */
        void (*check)(struct check *c);
};

struct check_rules {
        const struct check_rule *at;
        size_t n;
};

extern const struct check_rules check_config_rules, check_process_rules, check_linux_rules, check_seccomp_rules,
        check_resources_rules;

/* A broken rule, as "place: what is wrong". */
void check_error(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Something deprecated, ignored or not granted. */
void check_warning(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An error at place when why is not NULL: takes the answer of a shape. */
void check_shape(struct check *c, const char *place, const char *why);

/* The first text that is there twice, or NULL. */
const char *check_twice(const struct strv *texts);

/* The rules of a list of id mappings, in the words of place. */
void check_idmaps(struct check *c, const char *place, const struct oci_idmap *maps, size_t n);

#endif
