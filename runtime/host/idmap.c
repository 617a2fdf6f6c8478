#include "runtime/host/idmap.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/str.h"
#include "specs/base/sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HAS_CAP(set, cap) (((set) >> (cap)&1) != 0)
#define EXIT_UNABLE       127

/* One of the two maps and how it gets written. */
struct map {
        const char *file, *program, *place;
        const struct oci_idmap *at;
        size_t count;
        uint32_t own; /* our own id of this kind */
        int cap;      /* that allows any map */
};

static const char *map_text(const struct map *map) {
        const char *text = "";
        for (size_t i = 0; i < map->count; i++)
                text = str_format("%s%u %u %u\n", text, map->at[i].container_id, map->at[i].host_id, map->at[i].size);
        return text;
}

/* What an administrator may have forbidden, in one place to look. */
static int hint_of(int r) {
        static const struct {
                const char *path, *forbids;
        } sysctls[] = {
                { "/proc/sys/kernel/unprivileged_userns_clone", "0\n" },
                { "/proc/sys/user/max_user_namespaces", "0\n" },
                { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n" },
        };
        const char *message = arena_strdup(err_message());
        for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++) {
                char *text;
                int read = read_file_at(AT_FDCWD, sysctls[i].path, 64, &text, NULL);
                (void)fail_words(r, "%s", message);
                if (read >= 0 && str_eq(text, sysctls[i].forbids))
                        return fail_hint(r, "%s forbids user namespaces", sysctls[i].path);
        }
        return r;
}

static int write_proc(pid_t pid, const char *file, const char *text) {
        const char *path = str_format("/proc/%d/%s", pid, file);
        return write_file_at(AT_FDCWD, path, text, sys_strlen(text));
}

static int write_directly(const struct map *map, pid_t pid) {
        int r = write_proc(pid, map->file, map_text(map));
        if (r >= 0)
                return 0;
        r = fail_in(r, "%s", map->place);
        return r == -EPERM ? hint_of(r) : r;
}

/* A program that root would run must be root's and nobody else's to change. */
static const char *find_program(const char *name, const struct probe *probe) {
        static const char *const folders[] = { "/usr/bin", "/bin", "/usr/local/bin" };
        for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
                struct stat status;
                const char *path = str_path(folders[i], name);
                if (stat(path, &status) < 0 || !S_ISREG(status.st_mode) || access(path, X_OK) < 0)
                        continue;
                if (probe->uid != 0 || (status.st_uid == 0 && !(status.st_mode & (S_IWGRP | S_IWOTH))))
                        return path;
        }
        return NULL;
}

/* Runs the program with an empty environment and only our standard streams; its own words go to standard error. */
static int run_program(const char *path, const struct strv *args) {
        static const char *const nothing[] = { NULL };
        int status = 0;
        pid_t pid = fork();
        if (pid < 0)
                return fail(errno, "fork for %s", path);
        if (pid == 0) {
                (void)sys_close_range(3, ~0u, 0);
                (void)sys_execve(path, args->at, nothing);
                _exit(EXIT_UNABLE);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return fail(errno, "wait for %s", path);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        const char *how = WIFEXITED(status) ? "exit status" : "killed by signal";
        return fail_words(EPERM, "run %s: %s %d", str_join(args, " "), how,
                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static int write_by_program(const struct map *map, const struct probe *probe, pid_t pid) {
        const char *path = find_program(map->program, probe);
        struct strv args = { 0 };
        if (!path)
                return fail_hint(fail_words(ENOENT, "%s: more ids than our own need %s, which is not installed",
                                            map->place, map->program),
                                 "on Debian it is in the package uidmap");
        strv_add(&args, path);
        strv_add(&args, str_format("%d", pid));
        for (size_t i = 0; i < map->count; i++) {
                strv_add(&args, str_format("%u", map->at[i].container_id));
                strv_add(&args, str_format("%u", map->at[i].host_id));
                strv_add(&args, str_format("%u", map->at[i].size));
        }
        int r = run_program(path, &args);
        if (r >= 0)
                return 0;
        r = fail_in(r, "%s", map->place);
        return fail_hint(r, "/etc/sub%.3s must give us these ids", map->file);
}

static bool is_own_id(const struct map *map) {
        return map->count == 1 && map->at[0].size == 1 && map->at[0].host_id == map->own;
}

int idmap_write(const struct plan *plan, const struct probe *probe, pid_t pid) {
        const struct map maps[2] = {
                { "uid_map", "newuidmap", "linux.uidMappings", plan->uid_maps, plan->uid_maps_count, probe->uid,
                  CAP_SETUID },
                { "gid_map", "newgidmap", "linux.gidMappings", plan->gid_maps, plan->gid_maps_count, probe->gid,
                  CAP_SETGID },
        };
        for (int i = 0; i < 2; i++) {
                const struct map *map = &maps[i];
                int r = 0;
                if (!map->count)
                        continue;
                bool is_allowed = HAS_CAP(probe->capabilities, map->cap);
                /* The kernel lets an ordinary user map its own group only once groups can no longer be dropped. */
                if (!is_allowed && is_own_id(map) && map->cap == CAP_SETGID)
                        r = write_proc(pid, "setgroups", "deny");
                if (r < 0)
                        return fail_in(r, "%s", map->place);
                r = is_allowed || is_own_id(map) ? write_directly(map, pid) : write_by_program(map, probe, pid);
                if (r < 0)
                        return r;
        }
        return 0;
}
