/* Capability lists -> masks that the kernel will take.  The only file that knows libcap.  Parent side; pure. */
#include "runtime/plan/plan.h"

#include "specs/base/str.h"

#include <sched.h>
#include <sys/capability.h>

/* "CAP_CHOWN" of a number, in the arena. */
static const char *capability_name(int number) {
        char *name = cap_to_name((cap_value_t)number);
        char *copy = str_format("%s", name ? name : "?");
        (void)cap_free(name);
        for (char *c = copy; *c; c++)
                if (*c >= 'a' && *c <= 'z')
                        *c = (char)(*c - 'a' + 'A');
        return copy;
}

/* The bits of wanted that are in possible; a warning for each other one when there is a why.  Nothing is ever added. */
static uint64_t limit_set(struct build *b, const char *set, uint64_t wanted, uint64_t possible, const char *why) {
        for (int i = 0; why && i < 64; i++)
                if (wanted & ~possible & UINT64_C(1) << i)
                        plan_warn(b->plan, "process.capabilities.%s: %s: %s, left out", set, capability_name(i), why);
        return wanted & possible;
}

static uint64_t known_mask(const struct probe *probe) {
        return probe->last_capability >= 63 ? UINT64_MAX : (UINT64_C(1) << (probe->last_capability + 1)) - 1;
}

/* What this kernel has and this caller can hand on.  Who enters a user namespace has every capability in it. */
static uint64_t grantable_set(struct build *b, const char *set, uint64_t wanted) {
        wanted = limit_set(b, set, wanted, known_mask(b->probe), "not available on this kernel");
        if (plan_has_own(b, CLONE_NEWUSER))
                return wanted;
        return limit_set(b, set, wanted, b->probe->capabilities, "not held by the caller");
}

int plan_caps(struct build *b, struct step_caps *ret_caps, uint64_t *ret_bounding) {
        static const struct oci_capabilities none;
        const struct oci_capabilities *c = b->process->capabilities ? b->process->capabilities : &none;
        uint64_t bounding = grantable_set(b, "bounding", c->bounding.bits);
        struct step_caps caps = {
                .permitted = grantable_set(b, "permitted", c->permitted.bits),
                .effective = grantable_set(b, "effective", c->effective.bits),
                .inheritable = grantable_set(b, "inheritable", c->inheritable.bits),
                .ambient = grantable_set(b, "ambient", c->ambient.bits),
        };
        /* Relations that capset(2) and PR_CAP_AMBIENT insist on; oci_check has warned about two of them. */
        caps.effective = limit_set(b, "effective", caps.effective, caps.permitted, NULL);
        caps.inheritable = limit_set(b, "inheritable", caps.inheritable, bounding, "not in bounding");
        caps.ambient = limit_set(b, "ambient", caps.ambient, caps.permitted & caps.inheritable, NULL);
        *ret_caps = caps;
        *ret_bounding = bounding;
        return 0;
}
