#include "runtime/container/creation.h"

#include "runtime/host/console.h"
#include "runtime/host/hooks.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/timing.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

int write_pid_file(const char *path, pid_t pid) {
        const char *slash = strrchr(path, '/'), *text = str_format("%d", (int)pid);
        const char *folder = !slash ? "." : slash == path ? "/" : arena_strndup(path, (size_t)(slash - path));
        autofd dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return fail(errno, "--pid-file: open %s", folder);
        int r = replace_file_at(dir, slash ? slash + 1 : path, 0644, text, strlen(text));
        return r < 0 ? fail_in(r, "--pid-file %s", path) : 0;
}

int send_pidfd(const char *path, const char *place, int pidfd) {
        autofd fd = console_connect(path);
        int r = fd < 0 ? fd : console_send_fd(fd, "pidfd", sizeof("pidfd") - 1, pidfd);
        return r < 0 ? fail_in(r, "%s", place) : 0;
}

struct container_options container_absolute(const struct container_options *given) {
        struct container_options options = *given;
        options.root = path_absolute(given->root);
        options.bundle = path_absolute(given->bundle ? given->bundle : ".");
        options.config = path_absolute(given->config);
        options.pid_file = path_absolute(given->pid_file);
        options.console_socket = path_absolute(given->console_socket);
        options.pidfd_socket = path_absolute(given->pidfd_socket);
        return options;
}

int container_create(const struct container_options *given) {
        struct container_options options = container_absolute(given);
        autocreation creation;
        creation_init(&creation, &options, true);
        int r = store_check_id(options.id);
        if (r == 0)
                r = creation_bring_up(&creation);
        if (r == 0)
                creation_keep(&creation);
        return r < 0 ? fail_in(r, "create %s", options.id) : 0;
}

/* -- run -- */

/* What run knows, as the other commands see a container. */
static struct container as_container(struct creation *c) {
        struct container container = {
                .store = c->store, .entry = c->entry, .record = c->record, .status = CONTAINER_RUNNING, .pidfd = -1
        };
        container.pidfd = fcntl(c->child.pidfd, F_DUPFD_CLOEXEC, 3);
        c->store.root = -1;
        c->entry.folder = -1;
        return container;
}

int container_poststart(struct container *container, const struct oci_config *config) {
        const struct oci_hooks *hooks = config->hooks;
        struct oci_state state = container_oci_state(&container->record, CONTAINER_RUNNING);
        if (!hooks || hooks->poststart.n == 0)
                return 0;
        /* A hook may ask `state`, and its end may be long: nobody waits for it at the lock. */
        (void)lock_fd(container->entry.folder, LOCK_UN);
        int r = timing_phase("hooks", hooks_run("poststart", hooks->poststart.at, hooks->poststart.n, &state,
                                                container->record.bundle));
        if (r == 0)
                return 0;
        const char *words = arena_strdup(err_message());
        if (lock_fd(container->entry.folder, LOCK_EX) < 0 || container_destroy_known(container, config) < 0)
                log_warning("%s", err_message());
        return fail_words(r, "%s", words);
}

/* Nobody looks after the container any more. */
static int give_up(const struct container_options *options, int r) {
        const char *words = arena_strdup(err_message());
        if (container_delete(options->root, options->id, true) < 0)
                log_warning("%s", err_message());
        return fail_words(r, "%s", words);
}

/* Nothing is read again: the record is ours, and of the config only what never changes counts here.  Who deleted it
 * meanwhile left nothing, and the id may be somebody else's by now. */
static int delete_ended(struct creation *c, struct container *container) {
        int r = store_lock_again(&container->store, &container->entry);
        if (r < 0)
                return r == -ENOENT ? 0 : fail_in(r, "delete %s", container->record.id);
        container->status = CONTAINER_STOPPED;
        container->pidfd = fd_close(container->pidfd);
        return container_destroy_known(container, c->prepared.config);
}

static int in_foreground(struct creation *c, struct container *container, int *ret_status) {
        autofd master = -1;
        int r = c->terminal >= 0 ? console_receive(c->terminal, &master) : 0;
        if (r == 0)
                r = lock_fd(container->entry.folder, LOCK_UN); /* exec, kill and state find it unlocked */
        if (r == 0)
                r = timing_phase("container", console_foreground(&c->child, master));
        if (r < 0) {
                entry_release(&container->entry);
                return give_up(c->options, r);
        }
        *ret_status = r;
        return c->options->keep ? 0 : delete_ended(c, container);
}

int creation_serve(struct creation *c, int *ret_status) {
        const struct container_options *options = c->options;
        creation_keep(c);
        autocontainer container = as_container(c);
        int r = container_poststart(&container, c->prepared.config);
        if (r < 0 || options->detach)
                return r;
        return in_foreground(c, &container, ret_status);
}

int container_run(const struct container_options *given, int *ret_status) {
        struct container_options options = container_absolute(given);
        autocreation creation;
        creation_init(&creation, &options, false);
        *ret_status = 0;
        if (!options.detach)
                console_block_signals();
        int r = store_check_id(options.id);
        if (r == 0)
                r = creation_bring_up(&creation);
        if (r == 0)
                r = creation_serve(&creation, ret_status);
        return r < 0 ? fail_in(r, "run %s", options.id) : 0;
}
