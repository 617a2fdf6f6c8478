#include "runtime/host/store.h"

#include "runtime/host/probe.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RECORD_MAX (1u << 20)
#define PEEK_SIZE  16384
#define CONFIG_MAX JSON_MAX_SIZE
#define LIFT_DEPTH 16
#define ID_MAX     255

static const struct json_field container_record_fields[] = {
        FIELD(container_record, "version", version, .flags = J_REQUIRED, .min = 1, .max = 1),
        FIELD(container_record, "id", id, .flags = J_REQUIRED),
        FIELD(container_record, "bundle", bundle, .flags = J_REQUIRED),
        FIELD(container_record, "rootfs", rootfs),
        FIELD(container_record, "created", created, .flags = J_REQUIRED),
        FIELD(container_record, "owner", owner),
        FIELD(container_record, "phase", phase, .flags = J_REQUIRED),
        FIELD(container_record, "bootId", boot_id, .flags = J_REQUIRED),
        FIELD(container_record, "pid", pid, .flags = J_REQUIRED | J_KEEP_EMPTY, .min = 0, .max = INT32_MAX),
        FIELD(container_record, "startTime", start_time, .flags = J_KEEP_EMPTY),
        FIELD(container_record, "pidInode", pid_inode),
        FIELD(container_record, "cgroupPath", cgroup_path, .flags = J_KEEP_EMPTY),
        FIELD(container_record, "cgroupMade", cgroup_made),
        FIELD(container_record, "cgroupDriver", cgroup_driver),
        FIELD(container_record, "cgroupScope", cgroup_scope),
        FIELD(container_record, "cgroupUser", cgroup_user),
        FIELD(container_record, "rdtGroup", rdt_group),
        FIELD(container_record, "rdtMonitor", rdt_monitor),
        FIELD(container_record, "rdtMade", rdt_made),
        FIELD(container_record, "ownOverlay", own_overlay),
        FIELD(container_record, "annotations", annotations),
};
TYPE(container_record);

/* -- the state root -- */

/* The folder of a user's own runtime files is only taken when it is really theirs. */
static int check_runtime_dir(const char *path) {
        struct stat status;
        if (*path != '/')
                return fail_words(EINVAL, "XDG_RUNTIME_DIR %s: not an absolute path", path);
        if (stat(path, &status) < 0)
                return fail(errno, "XDG_RUNTIME_DIR %s", path);
        if (!S_ISDIR(status.st_mode))
                return fail(ENOTDIR, "XDG_RUNTIME_DIR %s", path);
        if (status.st_uid != geteuid() || (status.st_mode & 022))
                return fail_words(EPERM, "XDG_RUNTIME_DIR %s: others can write to it, or it is not yours", path);
        return 0;
}

static int default_root(const char **ret_path, bool *ret_sticky) {
        const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
        bool has_dir = runtime_dir && *runtime_dir;
        /* Root of a user namespace only, in a container maybe, has a /run of its own or was told of a better place. */
        if (probe_self()->is_root || (probe_self()->uid == 0 && !has_dir)) {
                *ret_path = "/run/rundlet";
                return 0;
        }
        if (!has_dir)
                return fail_hint(fail_words(ENOENT, "find a place for the state: XDG_RUNTIME_DIR is not set"),
                                 "set it, or name a folder with --root");
        int r = check_runtime_dir(runtime_dir);
        if (r < 0)
                return r;
        *ret_path = str_path(runtime_dir, "rundlet");
        *ret_sticky = true; /* systemd cleans XDG_RUNTIME_DIR of old files that have no sticky bit */
        return 0;
}

/* One name for one place, however it was spelled: cgroups carry it, and each command must find them by it.  What does
 * not exist yet keeps its name below the folder that does. */
static const char *canonical(const char *path) {
        char real[PATH_MAX];
        if (realpath(path, real))
                return arena_strdup(real);
        char *parent = arena_strdup(path), *slash = strrchr(parent, '/');
        if (errno != ENOENT || (slash && !slash[1]) || str_eq(slash ? slash + 1 : path, ".."))
                return path;
        if (!slash)
                return realpath(".", real) ? str_path(arena_strdup(real), path) : path;
        *slash = '\0';
        return str_path(*parent ? canonical(parent) : "/", slash + 1);
}

/* mkdir -p; what is made belongs to us alone, whatever the umask. */
static int make_folders(const char *path, mode_t mode) {
        char *copy = arena_strdup(path);
        for (char *slash = copy + 1;; slash++) {
                slash += strcspn(slash, "/");
                bool last = *slash == '\0';
                *slash = '\0';
                if (mkdir(copy, 0700) == 0) {
                        if (chmod(copy, last ? mode : 0700) < 0)
                                return fail(errno, "chmod %s", copy);
                } else if (errno != EEXIST) {
                        return fail(errno, "make the state root %s", copy);
                }
                if (last)
                        return 0;
                *slash = '/';
        }
}

static int check_root(int fd, const char *path) {
        struct stat status;
        if (fstat(fd, &status) < 0)
                return fail(errno, "stat %s", path);
        if (status.st_uid != geteuid())
                return fail_words(EPERM, "state root %s: belongs to uid %u, not to us", path, (unsigned)status.st_uid);
        if (status.st_mode & 022)
                return fail_hint(fail_words(EPERM, "state root %s: others can write to it (mode %04o)", path,
                                            (unsigned)status.st_mode & 07777),
                                 "chmod 0700 %s", path);
        return 0;
}

int store_open(const char *path, bool make, struct store *ret) {
        bool sticky = false;
        int r = path ? 0 : default_root(&path, &sticky);
        if (r < 0)
                return r;
        r = make ? make_folders(path, sticky ? 01700 : 0700) : 0;
        if (r < 0)
                return r;
        path = canonical(path);
        autofd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && !make) {
                *ret = (struct store){ -1, path };
                return 0;
        }
        if (fd < 0)
                return fail(errno, "open the state root %s", path);
        r = check_root(fd, path);
        if (r < 0)
                return r;
        *ret = (struct store){ fd_take(&fd), path };
        return 0;
}

void store_release(struct store *store) {
        store->root = fd_close(store->root);
}

/* -- entries -- */

int store_check_id(const char *id) {
        static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-";
        size_t size = strlen(id);
        if (size == 0)
                return fail_words(EINVAL, "container id: empty");
        if (size > ID_MAX)
                return fail_words(EINVAL, "container id: longer than %d bytes", ID_MAX);
        if (!strchr(first, id[0]))
                return fail_words(EINVAL, "container id %s: must begin with a letter, a digit, \"_\", \"+\" or \"-\"",
                                  id);
        for (const char *c = id; *c; c++)
                if (!strchr(first, *c) && *c != '.')
                        return fail_words(EINVAL, "container id %s: only letters, digits and \"_+-.\" are allowed", id);
        return 0;
}

/* Is the folder still what the id names?  It may have been deleted while we waited for its lock. */
static bool is_current(const struct store *store, const char *id, int folder) {
        struct stat named, opened;
        return fstatat(store->root, id, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(folder, &opened) == 0 &&
               named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

static int open_entry(const struct store *store, const char *id) {
        int fd = openat(store->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void fill_entry(const struct store *store, const char *id, int folder, struct entry *ret) {
        *ret = (struct entry){ folder, arena_strdup(id), str_path(store->path, id) };
}

int store_create(const struct store *store, const char *id, struct entry *ret) {
        int r = store_check_id(id);
        if (r < 0)
                return r;
        if (mkdirat(store->root, id, 0700) < 0) {
                if (errno == EEXIST)
                        return fail_words(EEXIST, "container with given ID already exists: %s", id);
                return fail(errno, "make %s/%s", store->path, id);
        }
        autofd folder = open_entry(store, id);
        if (folder < 0 || fchmod(folder, 0700) < 0)
                r = fail(folder < 0 ? folder : errno, "open %s/%s", store->path, id);
        else
                r = lock_fd(folder, LOCK_EX);
        if (r == 0 && !is_current(store, id, folder)) /* a `delete --force` took it for the remains of a crash */
                return fail_words(EAGAIN, "container %s: deleted while it was created", id);
        if (r == 0 && fsync(store->root) < 0 && errno != EINVAL)
                r = fail(errno, "fsync %s", store->path);
        if (r < 0) {
                (void)unlinkat(store->root, id, AT_REMOVEDIR);
                return r;
        }
        fill_entry(store, id, fd_take(&folder), ret);
        return 0;
}

static int absent(const char *id) {
        return fail_words(ENOENT, "container \"%s\" does not exist", id);
}

int store_lock(const struct store *store, const char *id, int operation, struct entry *ret) {
        int r = store_check_id(id);
        if (r < 0)
                return r;
        if (store->root < 0)
                return absent(id);
        autofd folder = open_entry(store, id);
        if (folder == -ENOENT)
                return absent(id);
        if (folder < 0)
                return fail(folder, "open %s/%s", store->path, id);
        r = operation ? lock_fd(folder, operation) : 0;
        if (r < 0)
                return fail_in(r, "container %s", id);
        if (!is_current(store, id, folder))
                return absent(id);
        fill_entry(store, id, fd_take(&folder), ret);
        return 0;
}

int store_lock_again(const struct store *store, const struct entry *entry) {
        int r = lock_fd(entry->folder, LOCK_EX);
        return r < 0 || is_current(store, entry->id, entry->folder) ? r : -ENOENT;
}

void entry_release(struct entry *entry) {
        entry->folder = fd_close(entry->folder);
}

/* -- what is in an entry -- */

int store_save(const struct entry *entry, const struct container_record *record) {
        char *text = json_write(record, &container_record_type, true);
        int r = replace_file_at(entry->folder, "state.json", 0600, text, strlen(text));
        return r < 0 ? fail_in(r, "save the state of %s", entry->id) : 0;
}

/* A path below the cgroup2 mount that can be ours: never the mount itself, never upwards. */
static bool is_cgroup_path(const char *path) {
        if (!path || !*path)
                return true;
        struct strv parts = str_split(path + 1, '/', false);
        if (*path != '/')
                return false;
        for (size_t i = 0; i < parts.n; i++)
                if (!*parts.at[i] || str_eq(parts.at[i], ".") || str_eq(parts.at[i], ".."))
                        return false;
        return true;
}

static int check_record(const char *id, const struct container_record *record) {
        if (!str_eq(record->id, id))
                return fail_words(EBADMSG, "id: it is of container %s", record->id);
        if (!str_eq(record->phase, "creating") && !str_eq(record->phase, "created"))
                return fail_words(EBADMSG, "phase: unknown %s", record->phase);
        if (!is_cgroup_path(record->cgroup_path))
                return fail_words(EBADMSG, "cgroupPath: cannot be %s", record->cgroup_path);
        if (!is_cgroup_path(record->cgroup_made))
                return fail_words(EBADMSG, "cgroupMade: cannot be %s", record->cgroup_made);
        return 0;
}

static int read_record(const char *id, const char *text, size_t size, struct container_record *ret) {
        struct container_record record;
        int r = json_read(text, size, &container_record_type, &(struct json_read_options){ 0 }, &record);
        if (r == 0)
                r = check_record(id, &record);
        if (r < 0)
                return r;
        if (!record.cgroup_path)
                record.cgroup_path = "";
        *ret = record;
        return 0;
}

int store_load(const struct entry *entry, struct container_record *ret) {
        char *text;
        size_t size;
        int r = read_file_at(entry->folder, "state.json", RECORD_MAX, &text, &size);
        if (r == 0)
                r = read_record(entry->id, text, size, ret);
        if (r < 0) {
                (void)fail_in(r, "container %s: its record state.json is unusable", entry->id);
                return fail_hint(fail_words(EBADMSG, "%s", err_message()),
                                 "rundlet delete --force %s removes what is left", entry->id);
        }
        return 0;
}

int store_peek(const struct store *store, const char *id, struct container_record *ret) {
        static char text[PEEK_SIZE];
        const struct open_how how = {
                .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        autofd fd = (int)sys_openat2(store->root, str_path(id, "state.json"), &how, sizeof(how));
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        /* One read is all of it: a record is never written to, only replaced. */
        if (n <= 0 || (size_t)n == sizeof(text))
                return -EAGAIN;
        if (read_record(id, text, (size_t)n, ret) == 0)
                return 0;
        err_clear();
        return -EAGAIN;
}

int store_save_config(const struct entry *entry, const char *text, size_t size) {
        int r = replace_file_at(entry->folder, "config.json", 0600, text, size);
        return r < 0 ? fail_in(r, "save the configuration of %s", entry->id) : 0;
}

int store_load_config(const struct entry *entry, char **ret_text, size_t *ret_size) {
        int r = read_file_at(entry->folder, "config.json", CONFIG_MAX, ret_text, ret_size);
        return r < 0 ? fail_in(r, "the saved configuration of %s", entry->id) : 0;
}

static void closedirp(DIR **folder) {
        if (*folder)
                (void)closedir(*folder);
}

/* Moves one folder that lies LIFT_DEPTH below dir up into top: 1, or 0 when nothing lies that deep. */
static int lift_one(int dir, int top, int depth) {
        int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        __attribute__((cleanup(closedirp))) DIR *folder = copy < 0 ? NULL : fdopendir(copy);
        if (!folder) {
                (void)fd_close(copy);
                return fail(errno, "list a folder of the overlay");
        }
        for (struct dirent *found; (found = readdir(folder));) {
                if (found->d_type != DT_DIR || str_eq(found->d_name, ".") || str_eq(found->d_name, ".."))
                        continue;
                if (depth == LIFT_DEPTH) {
                        const char *name = str_format(".lifted-%llu", (unsigned long long)found->d_ino);
                        return renameat(dir, found->d_name, top, name) == 0
                                       ? 1
                                       : fail(errno, "lift a folder of the overlay");
                }
                autofd child = openat(dir, found->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                int r = child < 0 ? fail(errno, "open a folder of the overlay") : lift_one(child, top, depth + 1);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* What the container wrote may be nested deeper than remove_tree_at() goes down: then pieces are moved up first. */
static int remove_overlay(int folder) {
        for (;;) {
                int r = remove_tree_at(folder, "overlay");
                if (r != -ELOOP)
                        return r;
                autofd top = openat(folder, "overlay", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                int lifted = top < 0 ? fail(errno, "open the overlay") : lift_one(top, top, 0);
                if (lifted <= 0)
                        return lifted < 0 ? lifted : r;
        }
}

/* The folder and the record, which is all that is left in it unless somebody was killed while writing there. */
static int remove_folder(const struct store *store, const struct entry *entry) {
        if (unlinkat(entry->folder, "state.json", 0) == 0 && unlinkat(store->root, entry->id, AT_REMOVEDIR) == 0)
                return 0;
        return remove_tree_at(store->root, entry->id);
}

/* The record goes last: whoever is killed on the way leaves a container that can be deleted again. */
int store_remove(const struct store *store, struct entry *entry) {
        int r = remove_overlay(entry->folder);
        if (r == 0 && unlinkat(entry->folder, "start.sock", 0) < 0 && errno != ENOENT)
                r = fail(errno, "remove start.sock");
        if (r == 0 && unlinkat(entry->folder, "config.json", 0) < 0 && errno != ENOENT)
                r = fail(errno, "remove config.json");
        if (r == 0)
                r = remove_folder(store, entry);
        if (r < 0)
                return fail_in(r, "remove %s", entry->path);
        entry_release(entry);
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int store_list(const struct store *store, struct strv *ret_ids) {
        struct strv ids = { 0 };
        if (store->root < 0) {
                *ret_ids = ids;
                return 0;
        }
        autofd fd = openat(store->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fail(errno, "list %s", store->path);
        __attribute__((cleanup(closedirp))) DIR *folder = fdopendir(fd);
        if (!folder)
                return fail(errno, "list %s", store->path);
        (void)fd_take(&fd);
        for (;;) {
                errno = 0;
                struct dirent *found = readdir(folder);
                if (!found && errno)
                        return fail(errno, "list %s", store->path);
                if (!found)
                        break;
                if (found->d_name[0] != '.' && store_check_id(found->d_name) == 0)
                        strv_add(&ids, arena_strdup(found->d_name));
        }
        err_clear();
        if (ids.n > 1)
                qsort(ids.at, ids.n, sizeof(ids.at[0]), compare_names);
        *ret_ids = ids;
        return 0;
}
