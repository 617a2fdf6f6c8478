#include "runtime/container/network.h"

#include "runtime/container/prepare.h"
#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES         NETWORK_ANNOTATIONS "files"
#define NEIGHBOUR     "container:"

enum { HOOK_SECONDS = 120 }; /* it takes milliseconds, but one after the other when many start at once */

static const char *const files[] = { "hosts", "resolv.conf" };

/* -- the namespace -- */

static void remove_namespace(struct oci_linux *linux_) {
        size_t n = 0;
        for (size_t i = 0; i < linux_->namespaces.n; i++)
                if (linux_->namespaces.at[i].type.v != CLONE_NEWNET)
                        linux_->namespaces.at[n++] = linux_->namespaces.at[i];
        linux_->namespaces.n = n;
}

/* path NULL: a new one. */
static void set_namespace(struct oci_linux *linux_, const char *path) {
        size_t n;
        remove_namespace(linux_);
        n = linux_->namespaces.n;
        linux_->namespaces.at = arena_grow(linux_->namespaces.at, n * sizeof(*linux_->namespaces.at),
                                           (n + 1) * sizeof(*linux_->namespaces.at));
        linux_->namespaces.at[n] = (struct oci_namespace){ { true, CLONE_NEWNET }, path };
        linux_->namespaces.n++;
}

/* -- mounts -- */

static bool has_mount(const struct oci_config *config, const char *destination) {
        for (size_t i = 0; i < config->mounts.n; i++) {
                const char *other = config->mounts.at[i].destination;
                if (other && (str_eq(other, destination) || str_eq(other, "/etc")))
                        return true;
        }
        return false;
}

/* What the config mounts there itself is the user's own choice. */
static void mount_files(struct oci_config *config, const char *folder) {
        static const char *const options[] = { "bind", "ro", "nosuid", "nodev", "noexec" };
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                struct oci_mount mount = { .destination = str_path("/etc", files[i]), .type = "bind" };
                size_t n = config->mounts.n;
                if (has_mount(config, mount.destination))
                        continue;
                mount.source = str_path(folder, files[i]);
                for (size_t j = 0; j < sizeof(options) / sizeof(options[0]); j++)
                        strv_add(&mount.options, options[j]);
                config->mounts.at = arena_grow(config->mounts.at, n * sizeof(mount), (n + 1) * sizeof(mount));
                config->mounts.at[n] = mount;
                config->mounts.n++;
        }
}

int network_make_files(const struct entry *entry, const struct oci_config *config) {
        const char *folder = oci_annotation(config, FILES);
        if (!folder)
                return 0;
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                autofd fd = openat(entry->folder, files[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
                if (fd < 0 || fchmod(fd, 0644) < 0)
                        return fail(errno, "make %s/%s", entry->path, files[i]);
        }
        return 0;
}

/* -- netsetup -- */

static bool is_program(const char *path) {
        struct stat st;
        return *path == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Beside rundlet, where both are built and installed; or where the caller's programs are. */
static int find_netsetup(const char **ret) {
        char own[PATH_MAX];
        const char *path = getenv("PATH");
        ssize_t size = readlink("/proc/self/exe", own, sizeof(own) - 1);
        struct strv folders = { 0 };
        if (size > 0) {
                own[size] = '\0';
                char *slash = strrchr(own, '/');
                if (slash) {
                        *slash = '\0';
                        strv_add(&folders, arena_strdup(own));
                }
        }
        struct strv more = str_split(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin", ':', true);
        for (size_t i = 0; i < more.n; i++)
                strv_add(&folders, more.at[i]);
        strv_add(&folders, PREFIX "/bin");
        for (size_t i = 0; i < folders.n; i++) {
                const char *program = str_path(folders.at[i], "netsetup");
                if (is_program(program)) {
                        *ret = program;
                        return 0;
                }
        }
        return fail_hint(fail_words(ENOENT, "--net: netsetup is neither beside rundlet nor in PATH"),
                         "`make install` puts both in place; --net none and --net host need none");
}

struct hook_list {
        struct oci_hook *at;
        size_t n;
};

static struct hook_list with_hook(const struct oci_hook *at, size_t n, const char *program, bool is_first) {
        struct hook_list list = { arena_array(n + 1, sizeof(*at)), n + 1 };
        struct oci_hook hook = { .path = program, .timeout = { true, HOOK_SECONDS } };
        strv_add(&hook.args, "netsetup");
        strv_add(&hook.args, "hook");
        for (size_t i = 0; i < n; i++)
                list.at[i + is_first] = at[i];
        list.at[is_first ? 0 : n] = hook;
        return list;
}

/* The config's own hooks find the network there. */
static void add_hooks(struct oci_config *config, const char *program) {
        if (!config->hooks)
                config->hooks = arena_alloc(sizeof(*config->hooks));
        struct oci_hooks *hooks = config->hooks;
        struct hook_list first = with_hook(hooks->create_runtime.at, hooks->create_runtime.n, program, true);
        struct hook_list last = with_hook(hooks->poststop.at, hooks->poststop.n, program, false);
        hooks->create_runtime.at = first.at;
        hooks->create_runtime.n = first.n;
        hooks->poststop.at = last.at;
        hooks->poststop.n = last.n;
}

/* -- what --net can be -- */

/* Refused here in one line; what else a name must be, netsetup knows. */
static int check_network_name(const char *name) {
        if (*name && strlen(name) <= NAME_MAX && !strpbrk(name, "/, \t\n"))
                return 0;
        return fail_words(EINVAL, "--net %s: a network's name, none, host or " NEIGHBOUR "ID is expected", name);
}

static int add_networks(const struct container_options *options, const struct strv *names, const char *folder,
                        struct oci_config *config) {
        const char *program = "/netsetup"; /* of another machine */
        const struct probe *probe = options->probe ? options->probe : probe_get();
        if (!probe->is_root)
                return fail_hint(fail_words(EPERM, "--net %s: only root can connect a container", names->at[0]),
                                 "--net none and --net host need no rights");
        int r = options->probe ? 0 : find_netsetup(&program);
        if (r < 0)
                return r;
        set_namespace(config->linux_, NULL);
        add_hooks(config, program);
        prepare_annotate(config, NETWORK_ANNOTATIONS "name", str_join(names, ","));
        prepare_annotate(config, NETWORK_ANNOTATIONS "container", folder);
        prepare_annotate(config, NETWORK_ANNOTATIONS "hostname", options->no_hosts ? NULL : config->hostname);
        prepare_annotate(config, FILES, options->no_hosts ? NULL : folder);
        if (options->publish.n)
                prepare_annotate(config, NETWORK_ANNOTATIONS "publish", str_join(&options->publish, ","));
        if (!options->no_hosts)
                mount_files(config, folder);
        return 0;
}

/* Its names are ours too, when it has files of them. */
static int join_neighbour(const struct container_options *options, const char *id, struct oci_config *config,
                          const struct container_record **ret) {
        autocontainer container = CONTAINER_NONE;
        int r = container_open(options->root, id, LOCK_SH | LOCK_NB, &container);
        if (r < 0)
                return fail_in(r, "--net " NEIGHBOUR "%s", id);
        if (container.status == CONTAINER_STOPPED || container.status == CONTAINER_CREATING)
                return fail_words(ESRCH, "--net " NEIGHBOUR "%s: it is not running", id);
        struct container_record *record = arena_memdup(&container.record, sizeof(container.record));
        set_namespace(config->linux_, str_format("/proc/%lld/ns/net", (long long)record->pid));
        if (!options->no_hosts && faccessat(container.entry.folder, files[0], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                mount_files(config, container.entry.path);
        *ret = record;
        return 0;
}

int network_check_neighbour(const struct container_record *neighbour) {
        autofd pidfd = -1;
        int r = neighbour ? process_open(neighbour, &pidfd) : 0;
        return r == -ESRCH ? fail_words(ESRCH, "--net " NEIGHBOUR "%s: it has ended meanwhile", neighbour->id) : r;
}

int network_add(const struct container_options *options, const char *folder, struct oci_config *config,
                const struct container_record **ret_neighbour) {
        struct strv names = { 0 };
        if (strv_has(&options->publish, ""))
                return fail_words(EINVAL, "--publish: a port is expected, not an empty string");
        for (size_t i = 0; i < options->nets.n; i++)
                strv_add(&names, options->nets.at[i]);
        if (!names.n && options->publish.n)
                strv_add(&names, "default");
        if (!names.n || !config->linux_)
                return 0;
        for (size_t i = 0; i < names.n; i++) {
                const char *name = names.at[i];
                bool is_named = !str_eq(name, "none") && !str_eq(name, "host") && !str_starts(name, NEIGHBOUR);
                if (!is_named && names.n > 1)
                        return fail_words(EINVAL, "--net %s: not together with another one", name);
                int r = is_named ? check_network_name(name) : 0;
                if (r < 0)
                        return r;
                if (!is_named && options->publish.n)
                        return fail_words(EINVAL, "--publish: not together with --net %s", name);
                if (is_named)
                        continue;
                if (str_eq(name, "none"))
                        set_namespace(config->linux_, NULL);
                else if (str_eq(name, "host"))
                        remove_namespace(config->linux_);
                else
                        return join_neighbour(options, name + strlen(NEIGHBOUR), config, ret_neighbour);
                return 0;
        }
        return add_networks(options, &names, folder, config);
}
