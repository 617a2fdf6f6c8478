#include "runtime/container/prepare.h"

#include "runtime/container/network.h"
#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/oci_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LOWER        "org.rundlet.overlay.lower"
#define UPPER        "org.rundlet.overlay.upper"
#define DEFAULT_ROOT "/run/rundlet"
#define FDS_MAX      1000

const char *path_absolute(const char *path) {
        char here[4096];
        if (!path || *path == '/' || str_eq(path, "-") || !getcwd(here, sizeof(here)))
                return path;
        while (str_starts(path, "./"))
                path += 2;
        return str_eq(path, ".") || !*path ? arena_strdup(here) : str_path(here, path);
}

/* -- the config -- */

static const char *config_name(const struct container_options *options) {
        return options->config ? options->config : "config.json";
}

static int read_config(const struct container_options *options, struct prepared *p) {
        const char *path = options->config ? path_absolute(options->config) : str_path(p->bundle, "config.json");
        int r = read_file_at(AT_FDCWD, path, JSON_MAX_SIZE, &p->config_text, &p->config_size);
        return r < 0 ? fail_in(r, "read the bundle's configuration") : 0;
}

void prepare_annotate(struct oci_config *config, const char *key, const char *value) {
        struct strmap *map = &config->annotations;
        size_t n = 0;
        for (size_t i = 0; i < map->n; i++)
                if (!str_eq(map->at[i].key, key))
                        map->at[n++] = map->at[i];
        map->n = n;
        if (!value)
                return;
        map->at = arena_grow(map->at, map->n * sizeof(map->at[0]), (map->n + 1) * sizeof(map->at[0]));
        map->at[map->n++] = (struct str_pair){ key, value };
}

/* --layer and --upper are the annotations in other words. */
static void add_layers(const struct container_options *options, struct oci_config *config) {
        struct strv quoted = { 0 };
        for (size_t i = 0; i < options->layers.n; i++)
                /* An empty one is no folder, and surely not the caller's. */
                strv_add(&quoted, json_quote(*options->layers.at[i] ? path_absolute(options->layers.at[i]) : ""));
        if (quoted.n > 0)
                prepare_annotate(config, LOWER, str_format("[%s]", str_join(&quoted, ",")));
        if (options->upper)
                prepare_annotate(config, UPPER,
                                 str_starts(options->upper, "tmpfs") ? options->upper : path_absolute(options->upper));
}

static int refuse_warnings(const struct strv *warnings) {
        return warnings->n ? fail_words(EINVAL, "%s (refused by --strict)", warnings->at[0]) : 0;
}

static void log_warnings(const struct strv *warnings) {
        for (size_t i = 0; i < warnings->n; i++)
                log_warning("%s", warnings->at[i]);
}

static void find_paths(struct prepared *p) {
        const char *root = p->config->root && p->config->root->path ? p->config->root->path : "rootfs";
        p->rootfs = *root == '/' ? root : str_path(p->bundle, root);
}

static const struct probe *ask(const struct container_options *options, const struct oci_config *config) {
        return options->probe ? options->probe : probe_get_for(config, config->process);
}

static const char *would_be_folder(const struct container_options *options) {
        return str_path(options->root ? path_absolute(options->root) : DEFAULT_ROOT, options->id ? options->id : "ID");
}

/* The saved config must say it too: what create's hooks have done, delete's undo. */
static void keep_changes(const struct container_options *options, struct prepared *p) {
        if (!options->nets.n && !options->publish.n && !options->layers.n && !options->upper)
                return;
        p->config_text = json_write(p->config, &oci_config_type, false);
        p->config_size = strlen(p->config_text);
}

int prepare_config(const struct container_options *options, struct prepared *ret) {
        struct strv warnings = { 0 };
        struct json_read_options reading = { .strict = options->strict,
                                             .warnings = &warnings,
                                             .file = config_name(options) };
        struct prepared p = { .bundle = path_absolute(options->bundle ? options->bundle : ".") };
        int r = read_config(options, &p);
        if (r == 0)
                r = oci_config_read(p.config_text, p.config_size, &reading, &p.config);
        if (r == 0) {
                add_layers(options, p.config);
                r = network_add(options, would_be_folder(options), p.config, &p.neighbour);
        }
        if (r == 0)
                r = oci_check(p.config, NULL, &warnings);
        if (r == 0 && options->strict)
                r = refuse_warnings(&warnings);
        if (r < 0)
                return r;
        log_warnings(&warnings);
        find_paths(&p);
        keep_changes(options, &p);
        p.probe = ask(options, p.config);
        *ret = p;
        return 0;
}

/* -- the plan -- */

/* An fd that the caller left to us has lost close-on-exec; every fd of our own has it. */
static bool is_inherited(int fd) {
        int flags = fcntl(fd, F_GETFD);
        return flags >= 0 && !(flags & FD_CLOEXEC);
}

int prepare_fds(unsigned preserve_fds, struct plan_options *plan_options) {
        const char *listen = getenv("LISTEN_FDS");
        uint64_t listen_fds = 0;
        if (listen && *listen && parse_u64(listen, 0, FDS_MAX, &listen_fds) < 0)
                return fail_words(EINVAL, "LISTEN_FDS=%s: a number up to %d expected", listen, FDS_MAX);
        if (preserve_fds > FDS_MAX)
                return fail_words(EINVAL, "--preserve-fds %u: more than %d", preserve_fds, FDS_MAX);
        unsigned all = preserve_fds + (unsigned)listen_fds;
        for (unsigned i = 0; i < all; i++)
                if (!is_inherited(3 + (int)i))
                        return fail_words(EBADF, "preserve file descriptor %u: it is not open", 3 + i);
        plan_options->preserve_fds = all;
        plan_options->listen_fds = (unsigned)listen_fds;
        return 0;
}

static void take_own_size(struct oci_process *process) {
        struct winsize size;
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
                return;
        process->console_size = arena_alloc(sizeof(*process->console_size));
        process->console_size->height = size.ws_row;
        process->console_size->width = size.ws_col;
}

int prepare_terminal(struct oci_process *process, const char *console_socket, bool in_foreground) {
        bool terminal = process && process->terminal;
        if (terminal && !console_socket && !in_foreground)
                return fail_hint(fail_words(EINVAL, "process.terminal: nobody is there to take the terminal"),
                                 "give --console-socket, or run in the foreground");
        if (!terminal && console_socket)
                return fail_words(EINVAL, "--console-socket: process.terminal is false, no terminal will be made");
        if (terminal && !console_socket)
                take_own_size(process);
        return 0;
}

int prepare_plan(const struct container_options *options, const char *state_folder, bool waits_for_start,
                 struct prepared *p) {
        p->plan_options = (struct plan_options){
                .bundle = p->bundle,
                .id = options->id,
                .state_folder = state_folder,
                .no_pivot = options->no_pivot,
                .no_keyring = options->no_keyring,
                .preserve_fds = options->preserve_fds,
                .has_console_socket = p->config->process && p->config->process->terminal,
                .waits_for_start = waits_for_start,
                .relative_paths = options->relative_paths,
                .driver = options->driver,
        };
        int r = options->probe ? 0 : prepare_fds(options->preserve_fds, &p->plan_options);
        if (r == 0)
                r = plan_build(p->config, p->probe, &p->plan_options, &p->plan);
        if (r == 0 && options->strict)
                r = refuse_warnings(&p->plan->warnings);
        if (r == 0)
                log_warnings(&p->plan->warnings);
        return r;
}

/* -- the dry runs -- */

int container_plan(const struct container_options *options, struct plan **ret) {
        struct prepared prepared = { 0 };
        int r = prepare_config(options, &prepared);
        if (r == 0)
                r = prepare_plan(options, would_be_folder(options), true, &prepared);
        if (r == 0)
                *ret = prepared.plan;
        return r;
}

static int check_all(const struct container_options *options, struct prepared *p, struct strv *errors,
                     struct strv *warnings) {
        struct json_read_options reading = {
                .strict = options->strict, .warnings = warnings, .errors = errors, .file = config_name(options)
        };
        int r = read_config(options, p);
        if (r == 0)
                r = oci_config_read(p->config_text, p->config_size, &reading, &p->config);
        if (!p->config)
                return r;
        add_layers(options, p->config);
        int net = network_add(options, would_be_folder(options), p->config, &p->neighbour);
        if (net < 0)
                strv_add(errors, arena_strdup(err_message()));
        int rules = oci_check(p->config, errors, warnings);
        rules = rules < 0 ? rules : net;
        if (r < 0 || rules < 0)
                return r < 0 ? r : rules;
        find_paths(p);
        p->plan_options = (struct plan_options){
                .bundle = p->bundle,
                .id = options->id,
                .state_folder = would_be_folder(options),
                .has_console_socket = p->config->process && p->config->process->terminal,
                .waits_for_start = true,
                .driver = options->driver,
        };
        return plan_build(p->config, ask(options, p->config), &p->plan_options, &p->plan);
}

int container_check(const struct container_options *options, struct strv *errors, struct strv *warnings) {
        struct prepared p = { .bundle = path_absolute(options->bundle ? options->bundle : ".") };
        int r = check_all(options, &p, errors, warnings);
        if (r < 0 && errors->n == 0)
                strv_add(errors, arena_strdup(err_message()));
        for (size_t i = 0; p.plan && i < p.plan->warnings.n; i++)
                strv_add(warnings, p.plan->warnings.at[i]);
        return r;
}
