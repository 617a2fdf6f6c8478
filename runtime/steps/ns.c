#include "runtime/steps/table.h"

#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define EXIT_UNTOLD 127

int step_setns(const struct step *step, struct context *context) {
        int fd = slot_fd(context, step->slot);
        return fd < 0 ? fd : (int)sys_setns(fd, (int)step->flags);
}

int step_unshare(const struct step *step, struct context *context) {
        (void)context;
        return (int)sys_unshare((int)step->flags);
}

int step_hostname(const struct step *step, struct context *context) {
        const char *name = step_text(context, step->a);
        return name ? (int)sys_sethostname(name, sys_strlen(name)) : -EINVAL;
}

int step_domainname(const struct step *step, struct context *context) {
        const char *name = step_text(context, step->a);
        return name ? (int)sys_setdomainname(name, sys_strlen(name)) : -EINVAL;
}

int step_loopback(const struct step *step, struct context *context) {
        struct ifreq request = { .ifr_name = "lo" };
        (void)step;
        (void)context;
        sysfd fd = (int)sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        long r = fd < 0 ? fd : sys_ioctl(fd, SIOCGIFFLAGS, &request);
        if (r < 0)
                return (int)r;
        request.ifr_flags |= IFF_UP;
        return (int)sys_ioctl(fd, SIOCSIFFLAGS, &request);
}

/* The pid is told by the old process, because only it sees it in the namespace of the parent. */
static int tell_pid(const struct context *context, pid_t pid) {
        struct step_message message = { .type = MESSAGE_PID, .value = pid };
        int sync = slot_fd(context, SLOT_SYNC);
        return sync < 0 ? sync : send_bytes(sync, &message, sizeof(message), -1);
}

/* The new process goes on only after its pid was told: nothing that it says may come before that. */
int step_fork(const struct step *step, struct context *context) {
        int guard = 0, ends[2];
        char told = 0;
        (void)step;
        long r = sys_prctl(PR_GET_PDEATHSIG, (unsigned long)&guard, 0, 0, 0);
        if (r >= 0)
                r = sys_pipe2(ends, O_CLOEXEC);
        if (r < 0)
                return (int)r;
        sysfd hear = ends[0], tell = ends[1];
        r = sys_fork(CLONE_PARENT | SIGCHLD, NULL);
        if (r < 0)
                return (int)r;
        if (r > 0)
                sys_exit(tell_pid(context, (pid_t)r) < 0 || sys_write(tell, &told, 1) != 1 ? EXIT_UNTOLD : 0);
        sys_closep(&tell);
        tell = -1;
        if (sys_read(hear, &told, 1) != 1)
                sys_exit(EXIT_UNTOLD);
        /* The kernel does not hand this on to children. */
        return guard ? (int)sys_prctl(PR_SET_PDEATHSIG, (unsigned long)guard, 0, 0, 0) : 0;
}

int step_guard(const struct step *step, struct context *context) {
        (void)context;
        long r = sys_prctl(PR_SET_PDEATHSIG, step->flags ? SIGKILL : 0, 0, 0, 0);
        if (r >= 0 && step->flags)
                r = sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        return (int)r;
}

int step_keyring(const struct step *step, struct context *context) {
        long r = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, (unsigned long)step_text(context, step->a), 0, 0, 0);
        return r < 0 ? (int)r : 0;
}

int step_session(const struct step *step, struct context *context) {
        int terminal = step->slot == SLOT_NONE ? -1 : slot_fd(context, step->slot);
        if (step->slot != SLOT_NONE && terminal < 0)
                return terminal;
        long r = sys_setsid();
        if (r >= 0 && terminal >= 0)
                r = sys_ioctl(terminal, TIOCSCTTY, NULL);
        return r < 0 ? (int)r : 0;
}
