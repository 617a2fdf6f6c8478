#include "runtime/container/creation.h"

#include "runtime/host/console.h"
#include "runtime/host/hooks.h"
#include "runtime/host/userns.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/oci_names.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

void slots_close(int slot[SLOT_MAX]) {
        for (int i = 0; i < SLOT_MAX; i++)
                slot[i] = fd_close(slot[i]);
}

/* -- the seccomp agent -- */

static bool has_listener(const struct oci_config *config) {
        const struct oci_seccomp *seccomp = config->linux_ ? config->linux_->seccomp : NULL;
        if (!seccomp || !oci_seccomp_listener(config))
                return false;
        for (size_t i = 0; i < seccomp->syscalls.n; i++)
                if (seccomp->syscalls.at[i].action.v == OCI_ACT_NOTIFY)
                        return true;
        return false;
}

int slots_fill_notify(const struct oci_config *config, int slot[SLOT_MAX], int *ret_state) {
        if (!has_listener(config))
                return 0;
        int fd = console_connect(oci_seccomp_listener(config));
        if (fd < 0)
                return fail_in(fd, "linux.seccomp.listenerPath");
        slot[SLOT_NOTIFY] = fd;
        slot[SLOT_NOTIFY_STATE] = memfd_create("container-process-state", MFD_CLOEXEC);
        if (slot[SLOT_NOTIFY_STATE] < 0)
                return fail(errno, "make a memfd for the seccomp agent");
        *ret_state = fcntl(slot[SLOT_NOTIFY_STATE], F_DUPFD_CLOEXEC, 3);
        return *ret_state < 0 ? fail(errno, "dup") : 0;
}

int slots_tell_agent(const struct oci_config *config, int state_fd, const struct oci_state *state, pid_t pid) {
        struct oci_process_state told = { .oci_version = OCI_VERSION, .pid = pid, .state = *state };
        if (state_fd < 0)
                return 0;
        told.metadata = config->linux_->seccomp->listener_metadata;
        strv_add(&told.fds, "seccompFd");
        char *text = json_write(&told, &oci_process_state_type, false);
        if (ftruncate(state_fd, 0) < 0 || lseek(state_fd, 0, SEEK_SET) < 0)
                return fail(errno, "rewrite the state for the seccomp agent");
        int r = write_fd(state_fd, text, strlen(text));
        return r < 0 ? fail_in(r, "rewrite the state for the seccomp agent") : 0;
}

/* -- a container of its own -- */

/* Reached through the folder's fd: sun_path is short, state roots may be long. */
static int listen_for_start(struct creation *c) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", c->entry.folder,
                       START_SOCKET);
        autofd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return fail(errno, "make the start socket");
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return fail(errno, "bind %s/%s", c->entry.path, START_SOCKET);
        if (fchmodat(c->entry.folder, START_SOCKET, 0600, 0) < 0 || listen(fd, 4) < 0)
                return fail(errno, "listen on %s/%s", c->entry.path, START_SOCKET);
        c->slot[SLOT_START] = fd_take(&fd);
        return 0;
}

static int fill_console(struct creation *c) {
        const struct container_options *options = c->options;
        if (!c->prepared.config->process || !c->prepared.config->process->terminal)
                return 0;
        if (!options->console_socket)
                return console_pair(&c->terminal, &c->slot[SLOT_CONSOLE]);
        int fd = console_connect(options->console_socket);
        if (fd < 0)
                return fail_in(fd, "--console-socket");
        c->slot[SLOT_CONSOLE] = fd;
        return 0;
}

static int fill_state(struct creation *c) {
        struct oci_state state = container_oci_state(&c->record, CONTAINER_CREATING);
        const struct oci_hooks *hooks = c->prepared.config->hooks;
        if (!hooks || hooks->create_container.n + hooks->start_container.n == 0)
                return 0;
        int r = hooks_output(&state.annotations, "stdout", c->record.bundle, &c->slot[SLOT_HOOK_STDOUT]);
        if (r == 0)
                r = hooks_output(&state.annotations, "stderr", c->record.bundle, &c->slot[SLOT_HOOK_STDERR]);
        if (r < 0)
                return r;
        c->slot[SLOT_STATE] = hooks_state_fd(&state);
        if (c->slot[SLOT_STATE] < 0)
                return c->slot[SLOT_STATE];
        c->state = fcntl(c->slot[SLOT_STATE], F_DUPFD_CLOEXEC, 3);
        return c->state < 0 ? fail(errno, "dup") : 0;
}

int creation_fill_slots(struct creation *c) {
        int r = fill_console(c);
        if (r == 0 && c->waits_for_start)
                r = listen_for_start(c);
        if (r == 0)
                r = fill_state(c);
        if (r == 0)
                r = slots_fill_notify(c->prepared.config, c->slot, &c->notify_state);
        if (r == 0)
                r = userns_fill(c->prepared.plan, c->prepared.probe, c->slot);
        return r;
}

int creation_tell_state(struct creation *c, enum container_status status) {
        struct oci_state state = container_oci_state(&c->record, status);
        state.pid = c->child.pid;
        int r = c->state >= 0 ? hooks_state_update(c->state, &state) : 0;
        return r < 0 ? r : slots_tell_agent(c->prepared.config, c->notify_state, &state, c->child.pid);
}
