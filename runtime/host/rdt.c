#include "runtime/host/rdt.h"

#include "runtime/host/mountinfo.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEMATA_MAX  (1u << 20)
#define WORDS_MAX     4096

/* -- the mount -- */

static bool kernel_has_it(void) {
        char *text;
        if (read_file_at(AT_FDCWD, "/proc/filesystems", SCHEMATA_MAX, &text, NULL) == 0)
                return strstr(text, "\tresctrl\n") != NULL;
        err_clear();
        return false;
}

static int fail_absent(void) {
        if (kernel_has_it())
                return fail_hint(fail_words(ENOENT, "linux.intelRdt: resctrl is not mounted"),
                                 "mount -t resctrl resctrl /sys/fs/resctrl");
        return fail_words(EOPNOTSUPP,
                          "linux.intelRdt: this kernel has no resctrl (CONFIG_X86_CPU_RESCTRL and a CPU with "
                          "resource control)");
}

int rdt_open(int *ret_mount) {
        const char *path = NULL;
        struct mount_list mounts;
        int r = mountinfo_read("/proc/self/mountinfo", &mounts);
        if (r < 0)
                return fail_in(r, "linux.intelRdt");
        for (size_t i = 0; i < mounts.n && !path; i++)
                if (str_eq(mounts.at[i].type, "resctrl") && str_eq(mounts.at[i].root, "/"))
                        path = mounts.at[i].point;
        if (!path)
                return fail_absent();
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return fail(errno, "linux.intelRdt: open %s", path);
        *ret_mount = fd;
        return 0;
}

/* -- words -- */

/* The kernel keeps a line about the last thing that it refused. */
static int fail_rdt(int mount, int r, const char *words) {
        char *text;
        if (read_file_at(mount, "info/last_cmd_status", WORDS_MAX, &text, NULL) < 0)
                return fail(r, "%s", words);
        text[strcspn(text, "\n")] = '\0';
        if (!*text || str_eq(text, "ok"))
                return fail(r, "%s", words);
        return fail_words(r, "%s: %s (%s)", words, strerror(abs(r)), str_printable(text));
}

/* -- schemata -- */

static const char *skip_blanks(const char *at) {
        return at + strspn(at, " \t");
}

/* The list behind "RESOURCE:" in the schemata, and NULL when it has no such resource. */
static const char *find_resource(const char *schemata, const char *name, size_t size) {
        for (const char *line = schemata; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
                const char *at = skip_blanks(line);
                if (strncmp(at, name, size) == 0 && at[size] == ':')
                        return at + size + 1;
        }
        return NULL;
}

/* "0=7ff": bandwidth is decimal, masks of caches are hexadecimal.  Returns what follows, NULL when it is none. */
static const char *read_share(const char *at, int base, unsigned long *ret_domain, unsigned long long *ret_value) {
        char *end;
        at = skip_blanks(at);
        if (!isdigit((unsigned char)*at))
                return NULL;
        *ret_domain = strtoul(at, &end, 10);
        at = skip_blanks(end);
        if (*at != '=')
                return NULL;
        at = skip_blanks(at + 1);
        if (!isxdigit((unsigned char)*at))
                return NULL;
        *ret_value = strtoull(at, &end, base);
        return end == at ? NULL : skip_blanks(end);
}

static bool has_share(const char *list, int base, unsigned long domain, unsigned long long value) {
        unsigned long other;
        unsigned long long given;
        for (const char *at = list; at; at = *at == ';' ? at + 1 : NULL) {
                at = read_share(at, base, &other, &given);
                if (!at)
                        return false;
                if (other == domain)
                        return given == value;
        }
        return false;
}

bool rdt_matches(const char *schemata, const char *line) {
        const char *name = skip_blanks(line), *colon = strchr(name, ':');
        if (!colon)
                return false;
        const char *list = find_resource(schemata, name, (size_t)(colon - name));
        /* MB, and SMBA of AMD */
        int base = str_starts(name, "MB") || str_starts(name, "SMBA") ? 10 : 16;
        for (const char *at = colon + 1; list;) {
                unsigned long domain;
                unsigned long long value;
                at = read_share(at, base, &domain, &value);
                if (!at || !has_share(list, base, domain, value))
                        return false;
                if (*at != ';' || !*skip_blanks(at + 1))
                        return !*at || *at == ';';
                at++;
        }
        return false;
}

static const char *group_file(const char *group, const char *name) {
        return str_format("%s/%s", group, name);
}

static int read_schemata(int mount, const char *group, char **ret) {
        int r = read_file_at(mount, group_file(group, "schemata"), SCHEMATA_MAX, ret, NULL);
        return r < 0 ? fail_in(r, "linux.intelRdt: the group %s", group) : 0;
}

static int write_line(int mount, const char *group, const char *line) {
        const char *text = str_format("%s\n", line);
        return write_file_at(mount, group_file(group, "schemata"), text, strlen(text));
}

void rdt_restore(int mount, const char *group, const char *before) {
        struct strv lines = str_split(before, '\n', true);
        for (size_t i = 0; i < lines.n; i++)
                if (write_line(mount, group, skip_blanks(lines.at[i])) < 0)
                        log_warning("linux.intelRdt: %s", err_message());
}

int rdt_set(int mount, const char *group, const struct plan_rdt *rdt, const char **ret_before) {
        char *before = NULL;
        int r = rdt->lines.n ? read_schemata(mount, group, &before) : 0;
        for (size_t i = 0; i < rdt->lines.n && r == 0; i++) {
                const struct plan_rdt_line *line = &rdt->lines.at[i];
                r = write_line(mount, group, line->text);
                if (r == 0)
                        continue;
                r = fail_rdt(mount, r, str_format("%s: write %s", line->place, str_printable(line->text)));
                struct err_saved why;
                err_save(&why);
                if (i > 0)
                        rdt_restore(mount, group, before);
                err_restore(&why);
        }
        if (r == 0 && ret_before)
                *ret_before = before;
        return r;
}

/* -- groups -- */

static const char *monitor_path(const char *group, const char *monitor) {
        return str_format("%s/mon_groups/%s", group, monitor);
}

bool rdt_exists(int mount, const char *group) {
        return faccessat(mount, group, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool rdt_monitor_exists(int mount, const char *group, const char *monitor) {
        return rdt_exists(mount, monitor_path(group, monitor));
}

static int compare(int mount, const struct plan_rdt *rdt) {
        char *schemata = NULL;
        for (size_t i = 0; i < rdt->lines.n; i++) {
                const struct plan_rdt_line *line = &rdt->lines.at[i];
                if (!line->must_match)
                        continue;
                int r = schemata ? 0 : read_schemata(mount, rdt->group, &schemata);
                if (r < 0)
                        return r;
                if (!rdt_matches(schemata, line->text))
                        return fail_words(EEXIST, "%s: the group %s exists and has other schemata", line->place,
                                          rdt->group);
        }
        return 0;
}

static int make_folder(int mount, const char *path, const char *place) {
        int error = mkdirat(mount, path, 0755) < 0 ? errno : 0;
        return error ? fail_rdt(mount, error, str_format("%s: make the group %s", place, path)) : 0;
}

static int make_group(int mount, const struct plan_rdt *rdt, struct rdt_made *ret) {
        if (rdt_exists(mount, rdt->group))
                return compare(mount, rdt);
        if (!rdt->may_make)
                return fail_words(ENOENT, "linux.intelRdt.closID: there is no group %s, and no schema to make it with",
                                  rdt->group);
        int r = make_folder(mount, rdt->group, "linux.intelRdt");
        if (r < 0)
                return r;
        ret->group = rdt->group;
        return 0;
}

static int make_monitor(int mount, const struct plan_rdt *rdt, struct rdt_made *ret) {
        int r = make_folder(mount, monitor_path(rdt->group, rdt->monitor), "linux.intelRdt.enableMonitoring");
        if (r == 0)
                ret->monitor = rdt->monitor;
        return r;
}

int rdt_make(int mount, const struct plan_rdt *rdt, struct rdt_made *ret) {
        *ret = (struct rdt_made){ 0 };
        int r = make_group(mount, rdt, ret);
        if (r == 0 && rdt->monitor)
                r = make_monitor(mount, rdt, ret);
        return r < 0 ? r : rdt_set(mount, rdt->group, rdt, NULL);
}

static int add_task(int mount, const char *folder, pid_t pid) {
        const char *text = str_format("%d\n", (int)pid);
        int r = write_file_at(mount, group_file(folder, "tasks"), text, strlen(text));
        return r < 0 ? fail_rdt(mount, r, str_format("linux.intelRdt: put process %d into %s", (int)pid, folder)) : 0;
}

/* A monitoring group takes only who is in the group above it. */
int rdt_enter(int mount, const char *group, const char *monitor, pid_t pid) {
        int r = add_task(mount, group, pid);
        return r < 0 || !monitor ? r : add_task(mount, monitor_path(group, monitor), pid);
}

static int remove_folder(int mount, const char *path) {
        int error = unlinkat(mount, path, AT_REMOVEDIR) < 0 ? errno : 0;
        return error && error != ENOENT ? fail_rdt(mount, error, str_format("linux.intelRdt: remove %s", path)) : 0;
}

int rdt_remove(int mount, const char *group, const char *monitor, bool is_own) {
        int r = monitor ? remove_folder(mount, monitor_path(group, monitor)) : 0;
        return r < 0 || !is_own ? r : remove_folder(mount, group);
}

static bool has_tasks(int mount, const char *group) {
        char *tasks;
        int r = read_file_at(mount, group_file(group, "tasks"), SCHEMATA_MAX, &tasks, NULL);
        if (r < 0)
                err_clear();
        return r == 0 ? *tasks : r != -ENOENT;
}

/* A monitoring group of that name is always the container's: to make one that is there already is an error. */
int rdt_remove_unrecorded(int mount, const struct oci_intel_rdt *config, const char *id) {
        bool is_own;
        const char *group = plan_rdt_group(config, id, &is_own);
        return rdt_remove(mount, group, config->enable_monitoring.v ? id : NULL, is_own && !has_tasks(mount, group));
}
