/* Rules of config-linux.md "Seccomp". */
#include "specs/oci_check_rules.h"
#include "specs/oci_names.h"

/* The largest errno that the kernel returns; SCMP_ACT_TRACE hands the tracer any 16 bits. */
#define MAX_ERRNO 4095

static void check_errno(struct check *c, const char *place, int64_t action, const struct opt_u32 *errno_ret) {
        if (!errno_ret->set)
                return;
        if (action != OCI_ACT_ERRNO && action != OCI_ACT_TRACE)
                check_error(c, "%s: %s takes none", place, names_of(&oci_seccomp_action_names, action));
        else if (errno_ret->v > (action == OCI_ACT_ERRNO ? MAX_ERRNO : UINT16_MAX))
                check_error(c, "%s: %u is too large", place, errno_ret->v);
}

static void rule_errno(struct check *c) {
        const struct oci_seccomp *s = c->linux_->seccomp;
        check_errno(c, "linux.seccomp.defaultErrnoRet", s->default_action.v, &s->default_errno_ret);
        for (size_t i = 0; i < s->syscalls.n; i++)
                check_errno(c, str_format("linux.seccomp.syscalls[%zu].errnoRet", i), s->syscalls.at[i].action.v,
                            &s->syscalls.at[i].errno_ret);
}

static void rule_names(struct check *c) {
        const struct oci_seccomp *s = c->linux_->seccomp;
        for (size_t i = 0; i < s->syscalls.n; i++)
                if (s->syscalls.at[i].names.n == 0)
                        check_error(c, "linux.seccomp.syscalls[%zu].names: at least one entry is required", i);
}

static void rule_architectures(struct check *c) {
        const char *twice = check_twice(&c->linux_->seccomp->architectures);
        if (twice)
                check_warning(c, "linux.seccomp.architectures: %s is there twice", twice);
}

static bool is_given(const char *text) {
        return text && *text;
}

static void rule_metadata(struct check *c) {
        const struct oci_seccomp *s = c->linux_->seccomp;
        if (is_given(s->listener_metadata) && !is_given(oci_seccomp_listener(c->config)))
                check_error(c, "linux.seccomp.listenerMetadata: needs listenerPath");
}

static void rule_receiver(struct check *c) {
        const char *receiver = oci_annotation(c->config, OCI_RECEIVER);
        if (receiver && *receiver != '/')
                check_error(c, "annotations[\"" OCI_RECEIVER "\"]: an absolute path expected");
}

static void rule_notify(struct check *c) {
        const struct oci_seccomp *s = c->linux_->seccomp;
        /* crun takes the socket from this annotation, and engines configured for it write no listenerPath. */
        bool has_listener = is_given(oci_seccomp_listener(c->config));
        if (s->default_action.v == OCI_ACT_NOTIFY)
                /* The call that hands the listener over would itself wait for an answer. */
                check_error(c, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default");
        for (size_t i = 0; i < s->syscalls.n; i++)
                if (s->syscalls.at[i].action.v == OCI_ACT_NOTIFY && !has_listener)
                        check_error(c, "linux.seccomp.syscalls[%zu].action: SCMP_ACT_NOTIFY needs listenerPath", i);
}

static const struct check_rule rows[] = {
        { "config-linux.md seccomp.errnoRet, defaultErrnoRet", "only with an action that takes one", rule_errno },
        { "config-linux.md seccomp.syscalls.names", "at least one entry", rule_names },
        { "config-linux.md seccomp.architectures", "none twice", rule_architectures },
        { "config-linux.md seccomp.listenerMetadata", "not without listenerPath", rule_metadata },
        { "config-linux.md seccomp.listenerPath (crun's annotation)", "an absolute path", rule_receiver },
        { "config-linux.md seccomp.listenerPath", "SCMP_ACT_NOTIFY has someone to ask", rule_notify },
};
const struct check_rules check_seccomp_rules = { rows, sizeof(rows) / sizeof(rows[0]) };
