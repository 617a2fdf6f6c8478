/* Who the payload is: groups, ids, capabilities, then where it stands and what it runs; and the last confinement before
 * execve.  Parent side; pure.
 *
 * The order is that of what each step still needs: bounding (CAP_SETPCAP), groups and gid (CAP_SETGID), uid, exact
 * capabilities; the working folder and the program are looked up as the final user with the final effective set. */
#include "runtime/plan/plan.h"

#include "specs/base/err.h"

#include <errno.h>
#include <string.h>
#include <linux/capability.h>
#include <sched.h>

#define SYS_ADMIN_BIT (UINT64_C(1) << CAP_SYS_ADMIN)
#define DEFAULT_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct oci_seccomp *seccomp_of(const struct build *b) {
        return b->config->linux_ ? b->config->linux_->seccomp : NULL;
}

/* Without no_new_privs a filter may only be loaded with CAP_SYS_ADMIN, which then stays permitted until that is done.
 */
static bool keeps_admin(const struct build *b) {
        return seccomp_of(b) && !b->process->no_new_privileges;
}

static void add_caps(struct build *b, const struct step_caps *caps) {
        b->plan->place = "process.capabilities";
        plan_add(b->plan, LANE_CHILD, STEP_CAPS,
                 .b = plan_bytes(b->plan, caps, sizeof(*caps), _Alignof(struct step_caps)));
}

/* A user namespace that an ordinary user gave a single group: the kernel asks for setgroups to be denied in it. */
static bool is_setgroups_denied(const struct build *b) {
        const struct oci_namespace *user = oci_namespace_find(b->config, CLONE_NEWUSER);
        const struct oci_linux *l = b->config->linux_;
        return !b->probe->is_root && user && !user->path && l->gid_mappings.n == 1 && l->gid_mappings.at[0].size == 1;
}

static int add_groups(struct build *b) {
        const struct u32v *gids = &b->process->user.additional_gids;
        const char *keep = oci_annotation(b->config, "run.oci.keep_original_groups");
        b->plan->place = "process.user.additionalGids";
        if (keep && str_eq(keep, "1"))
                return 0;
        if (is_setgroups_denied(b)) {
                if (!gids->n)
                        return 0;
                return fail_words(EPERM, "%s: this user namespace maps one group only and may not set others",
                                  b->plan->place);
        }
        /* An ordinary user may be in a namespace where setgroups is denied; only an empty list is then no loss of what
         * was asked.  For root a failure is never tolerated. */
        plan_add(b->plan, LANE_CHILD, STEP_GROUPS, .flags = gids->n,
                 .b = gids->n ? plan_bytes(b->plan, gids->at, gids->n * sizeof(gids->at[0]), sizeof(gids->at[0])) : 0,
                 .tolerate = !b->probe->is_root && !gids->n ? EPERM : 0);
        return 0;
}

static void add_find(struct build *b) {
        const struct strv *env = &b->process->env;
        const char *path = DEFAULT_PATH;
        bool has_home = false;
        for (size_t i = 0; i < env->n; i++) {
                has_home = has_home || str_starts(env->at[i], "HOME=");
                if (str_starts(env->at[i], "PATH="))
                        path = env->at[i] + sizeof("PATH=") - 1;
        }
        b->plan->place = "process.cwd";
        /* exec changes nothing in a container that is there. */
        plan_add(b->plan, LANE_CHILD, STEP_CWD, .a = plan_text(b->plan, b->process->cwd),
                 .flags = b->process == b->config->process);
        b->plan->place = "process.args[0]";
        const char *program = b->process->args.at[0];
        plan_add(b->plan, LANE_CHILD, STEP_FIND, .a = plan_text(b->plan, program),
                 .b = strchr(program, '/') ? 0 : plan_text(b->plan, path), .flags = !has_home,
                 .more = b->process->user.uid);
}

int plan_identity(struct build *b) {
        struct step_caps caps;
        uint64_t bounding;
        if (!b->process || !b->process->args.n)
                return fail_words(EINVAL, "process.args: missing");
        int r = plan_caps(b, &caps, &bounding);
        if (r < 0)
                return r;
        b->plan->place = "process.capabilities.bounding";
        plan_add(b->plan, LANE_CHILD, STEP_BOUNDS, .flags = bounding);
        r = add_groups(b);
        if (r < 0)
                return r;
        b->plan->place = "process.user";
        plan_add(b->plan, LANE_CHILD, STEP_IDS, .flags = IDS(b->process->user.uid, b->process->user.gid), .more = 1);
        /* A change of ids makes the kernel forget the parent-death signal and that we are not dumpable. */
        plan_add(b->plan, LANE_CHILD, STEP_GUARD, .flags = 1);
        if (keeps_admin(b))
                caps.permitted |= SYS_ADMIN_BIT;
        add_caps(b, &caps);
        add_find(b);
        return 0;
}

/* Without a filter that needs CAP_SYS_ADMIN the capabilities are final since plan_identity. */
int plan_confine(struct build *b) {
        struct step_caps caps, raised;
        uint64_t bounding;
        size_t warned = b->plan->warnings.n;
        if (!keeps_admin(b)) {
                b->plan->place = "process.noNewPrivileges";
                if (b->process->no_new_privileges)
                        plan_add(b->plan, LANE_CHILD, STEP_NNP);
                plan_restrict(b);
                plan_fds(b);
                return plan_seccomp(b);
        }
        int r = plan_caps(b, &caps, &bounding);
        if (r < 0)
                return r;
        b->plan->warnings.n = warned; /* said by plan_identity */
        raised = caps;
        raised.permitted |= SYS_ADMIN_BIT;
        raised.effective |= SYS_ADMIN_BIT;
        add_caps(b, &raised);
        plan_fds(b);
        r = plan_seccomp(b);
        if (r < 0)
                return r;
        add_caps(b, &caps);
        return 0;
}
