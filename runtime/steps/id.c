#include "runtime/steps/table.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#define AGENT_STATE_MAX 16384

struct caps {
        struct __user_cap_header_struct header;
        struct __user_cap_data_struct data[2];
};

int step_umask(const struct step *step, struct context *context) {
        (void)context;
        (void)sys_umask((mode_t)step->flags);
        return 0;
}

int step_rlimit(const struct step *step, struct context *context) {
        return (int)sys_prlimit64(context->pid, (unsigned)step->flags, step_text(context, step->b), NULL);
}

int step_sched(const struct step *step, struct context *context) {
        return (int)sys_sched_setattr(context->pid, (void *)step_text(context, step->b), 0);
}

int step_ioprio(const struct step *step, struct context *context) {
        return (int)sys_ioprio_set(IOPRIO_WHO_PROCESS, context->pid, (int)step->flags);
}

int step_affinity(const struct step *step, struct context *context) {
        return (int)sys_sched_setaffinity(context->pid, (size_t)step->flags, step_text(context, step->b));
}

int step_mempolicy(const struct step *step, struct context *context) {
        const void *nodes = step_text(context, step->b);
        /* The kernel takes one from the count before it uses it. */
        return (int)sys_set_mempolicy((int)step->flags, nodes, nodes ? (unsigned long)step->more + 1 : 0);
}

int step_personality(const struct step *step, struct context *context) {
        (void)context;
        long r = sys_personality((unsigned long)step->flags);
        return r < 0 ? (int)r : 0;
}

int step_groups(const struct step *step, struct context *context) {
        return (int)sys_setgroups((size_t)step->flags, (const void *)step_text(context, step->b));
}

static void caps_ask(struct caps *caps) {
        *caps = (struct caps){ .header = { .version = _LINUX_CAPABILITY_VERSION_3 } };
}

/* The effective set follows the user id; give it back what the permitted set still allows. */
static int raise_effective(void) {
        struct caps caps;
        caps_ask(&caps);
        long r = sys_capget(&caps.header, caps.data);
        if (r < 0)
                return (int)r;
        caps.data[0].effective = caps.data[0].permitted;
        caps.data[1].effective = caps.data[1].permitted;
        return (int)sys_capset(&caps.header, caps.data);
}

int step_ids(const struct step *step, struct context *context) {
        uint32_t uid = LOW32(step->flags), gid = HIGH32(step->flags);
        int guard = 0;
        (void)context;
        long r = sys_prctl(PR_GET_PDEATHSIG, (unsigned long)&guard, 0, 0, 0);
        if (r >= 0 && step->more)
                r = sys_prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
        if (r >= 0)
                r = sys_setresgid(gid, gid, gid);
        if (r >= 0)
                r = sys_setresuid(uid, uid, uid);
        /* A change of ids makes the kernel forget the signal of the parent's death. */
        if (r >= 0 && guard)
                r = sys_prctl(PR_SET_PDEATHSIG, (unsigned long)guard, 0, 0, 0);
        if (r < 0 || !step->more)
                return (int)r;
        r = sys_prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
        return r < 0 ? (int)r : raise_effective();
}

int step_bounds(const struct step *step, struct context *context) {
        (void)context;
        for (unsigned long cap = 0; cap < 64; cap++) {
                if (step->flags >> cap & 1)
                        continue;
                long r = sys_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
                if (r == -EPERM) { /* we may not, but is it there at all? */
                        long present = sys_prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
                        r = present > 0 ? r : present;
                }
                if (r < 0) /* EINVAL: past the kernel's last one */
                        return r == -EINVAL ? 0 : (int)r;
        }
        return 0;
}

int step_caps(const struct step *step, struct context *context) {
        const struct step_caps *want = (const void *)step_text(context, step->b);
        struct caps caps;
        if (!want)
                return -EINVAL;
        caps_ask(&caps);
        for (int i = 0; i < 2; i++) {
                caps.data[i].effective = (uint32_t)(want->effective >> 32 * i);
                caps.data[i].permitted = (uint32_t)(want->permitted >> 32 * i);
                caps.data[i].inheritable = (uint32_t)(want->inheritable >> 32 * i);
        }
        long r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (r >= 0)
                r = sys_capset(&caps.header, caps.data);
        for (unsigned long cap = 0; cap < 64 && r >= 0; cap++)
                if (want->ambient >> cap & 1)
                        r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
        return (int)r;
}

int step_nnp(const struct step *step, struct context *context) {
        (void)step;
        (void)context;
        return (int)sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Reads the container process state for the agent to its end; the size or -errno. */
static long read_agent_state(const struct context *context, char buffer[AGENT_STATE_MAX]) {
        int fd = slot_fd(context, SLOT_NOTIFY_STATE);
        long size = 0, n = fd < 0 ? fd : sys_lseek(fd, 0, SEEK_SET);
        if (n < 0)
                return n;
        while ((n = sys_read(fd, buffer + size, (size_t)(AGENT_STATE_MAX - size))) > 0)
                size += n;
        if (n < 0)
                return n;
        return size == AGENT_STATE_MAX ? -E2BIG : size;
}

int step_seccomp(const struct step *step, struct context *context) {
        static char state[AGENT_STATE_MAX];
        struct sock_fprog program = { .len = (unsigned short)step->flags,
                                      .filter = (struct sock_filter *)step_text(context, step->b) };
        bool has_listener = (step->more & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
        int agent = has_listener ? slot_fd(context, SLOT_NOTIFY) : 0;
        /* The filter may deny reading: all but the sending is done before it holds. */
        long size = has_listener ? read_agent_state(context, state) : 0;
        if (agent < 0 || size < 0)
                return agent < 0 ? agent : (int)size;
        sysfd listener = (int)sys_seccomp(SECCOMP_SET_MODE_FILTER, (unsigned)step->more, &program);
        if (!has_listener)
                return sys_take(&listener); /* 0 or -errno: no fd */
        if (listener < 0)
                return listener;
        int r = send_bytes(agent, state, (size_t)size, listener);
        return r < 0 ? r : slot_put(context, SLOT_NOTIFY, -1);
}
