/* Labels of Linux security modules: AppArmor's profile, SELinux' contexts of the process, its keyring and its mounts.
 * Parent side; pure.  Spec: config.md "apparmorProfile", "selinuxLabel"; config-linux.md "Mount Label".
 *
 * A label is never left out in silence: where the module that would enforce it is not there, that is an error for a
 * process, which would not be confined, and a warning for mounts, which nobody would look at. */
#include "runtime/plan/plan.h"

#include "specs/base/err.h"

#include <errno.h>

#define CONTEXT_TYPE "run.oci.mount_context_type"

static bool is_given(const char *text) {
        return text && *text;
}

static const char *asked_mount_label(const struct build *b) {
        const char *label = b->config->linux_ ? b->config->linux_->mount_label : NULL;
        return is_given(label) ? label : NULL;
}

static const char *mount_label(const struct build *b) {
        return b->probe->has_selinux ? asked_mount_label(b) : NULL;
}

bool plan_writes_labels(const struct build *b) {
        return b->process && (is_given(b->process->apparmor_profile) || is_given(b->process->selinux_label));
}

/* Nobody is confined where there is no AppArmor either. */
static bool needs_apparmor(const struct build *b) {
        return b->process && is_given(b->process->apparmor_profile) &&
               !str_eq(b->process->apparmor_profile, "unconfined");
}

static int check_context_type(const struct build *b) {
        static const char *const types[] = { "context", "fscontext", "defcontext", "rootcontext" };
        const char *type = oci_annotation(b->config, CONTEXT_TYPE);
        for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
                if (str_eq(type, types[i]))
                        return 0;
        return type ? fail_words(EINVAL,
                                 "annotations[\"" CONTEXT_TYPE "\"]: %s: context, fscontext, defcontext or rootcontext "
                                 "expected",
                                 str_printable(type))
                    : 0;
}

int plan_label_modules(struct build *b) {
        bool is_exec = b->process != b->config->process;
        if (needs_apparmor(b) && !b->probe->has_apparmor)
                return fail_words(EOPNOTSUPP, "process.apparmorProfile: AppArmor is not enabled in this kernel");
        if (b->process && is_given(b->process->selinux_label) && !b->probe->has_selinux)
                return fail_words(EOPNOTSUPP, "process.selinuxLabel: SELinux is not enabled on this host");
        if (!is_exec && asked_mount_label(b) && !b->probe->has_selinux)
                plan_warn(b->plan, "linux.mountLabel: left out, SELinux is not enabled on this host");
        return check_context_type(b);
}

const char *plan_mount_context(const struct build *b) {
        const char *type = oci_annotation(b->config, CONTEXT_TYPE);
        return mount_label(b) ? str_format("%s=%s", type ? type : "context", mount_label(b)) : NULL;
}

const char *plan_mount_context_quoted(const struct build *b) {
        const char *context = plan_mount_context(b);
        if (!context)
                return NULL;
        struct strv parts = str_split(context, '=', false);
        return str_format("%s=\"%s\"", parts.at[0], parts.at[1]);
}

/* A file system that keeps labels of its own instead of taking one for all of it. */
void plan_relabel(struct build *b, int slot) {
        if (mount_label(b))
                plan_add(b->plan, LANE_CHILD, STEP_RELABEL, .slot = (int16_t)slot,
                         .a = plan_text(b->plan, mount_label(b)), .tolerate = EOPNOTSUPP);
}

static void add_label(struct build *b, const char *file, const char *text) {
        plan_add(b->plan, LANE_CHILD, STEP_LABEL, .slot = SLOT_PROC, .a = plan_text(b->plan, file),
                 .b = plan_text(b->plan, text));
}

/* execve forgets it again. */
void plan_keyring_label(struct build *b) {
        if (!is_given(b->process->selinux_label))
                return;
        b->plan->place = "process.selinuxLabel";
        add_label(b, "self/attr/keycreate", b->process->selinux_label);
}

/* With no_new_privs who is confined may only become more so: then the profile is put on top of the present one. */
void plan_labels(struct build *b) {
        const char *profile = b->process->apparmor_profile;
        bool is_stacked = b->probe->is_apparmor_confined && b->process->no_new_privileges;
        if (is_given(profile) && b->probe->has_apparmor) {
                b->plan->place = "process.apparmorProfile";
                add_label(b, "self/attr/apparmor/exec", str_format("%s %s", is_stacked ? "stack" : "exec", profile));
        }
        if (is_given(b->process->selinux_label)) {
                b->plan->place = "process.selinuxLabel";
                add_label(b, "self/attr/exec", b->process->selinux_label);
        }
}
