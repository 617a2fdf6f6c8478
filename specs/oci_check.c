#include "specs/oci_check.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/oci_check_rules.h"
#include "specs/oci_shape.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* UID_GID_MAP_MAX_EXTENTS of the kernel. */
#define MAX_IDMAPS 340

/* The text of a variadic message in the arena. */
__attribute__((format(printf, 1, 0), nonnull(1))) static char *vtext(const char *format, va_list list) {
        va_list again;
        va_copy(again, list);
        int size = vsnprintf(NULL, 0, format, again);
        va_end(again);
        assert(size >= 0); /* the formats are ours */
        char *text = arena_alloc((size_t)size + 1);
        (void)vsnprintf(text, (size_t)size + 1, format, list);
        return text;
}

void check_error(struct check *c, const char *format, ...) {
        va_list list;
        va_start(list, format);
        char *text = vtext(format, list);
        va_end(list);
        if (c->r == 0)
                c->r = fail_words(EINVAL, "%s", text);
        if (c->errors)
                strv_add(c->errors, text);
}

void check_warning(struct check *c, const char *format, ...) {
        if (!c->warnings)
                return;
        va_list list;
        va_start(list, format);
        strv_add(c->warnings, vtext(format, list));
        va_end(list);
}

void check_shape(struct check *c, const char *place, const char *why) {
        if (why)
                check_error(c, "%s: %s", place, why);
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *check_twice(const struct strv *texts) {
        struct strv sorted = { 0 };
        for (size_t i = 0; i < texts->n; i++)
                strv_add(&sorted, texts->at[i]);
        if (sorted.n < 2)
                return NULL;
        qsort(sorted.at, sorted.n, sizeof(*sorted.at), compare_texts);
        for (size_t i = 1; i < sorted.n; i++)
                if (str_eq(sorted.at[i - 1], sorted.at[i]))
                        return sorted.at[i];
        return NULL;
}

static bool ranges_meet(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
        return a < (uint64_t)b + b_size && b < (uint64_t)a + a_size;
}

void check_idmaps(struct check *c, const char *place, const struct oci_idmap *maps, size_t n) {
        if (n > MAX_IDMAPS) {
                check_error(c, "%s: %zu entries, the kernel takes %d", place, n, MAX_IDMAPS);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                const struct oci_idmap *map = &maps[i];
                if (map->size == 0)
                        check_error(c, "%s[%zu].size: 0", place, i);
                else if (map->size > UINT32_MAX - map->container_id || map->size > UINT32_MAX - map->host_id)
                        check_error(c, "%s[%zu]: goes beyond the last id 4294967294", place, i);
                for (size_t k = 0; k < i; k++) {
                        if (ranges_meet(map->container_id, map->size, maps[k].container_id, maps[k].size))
                                check_error(c, "%s[%zu].containerID: overlaps entry %zu", place, i, k);
                        if (ranges_meet(map->host_id, map->size, maps[k].host_id, maps[k].size))
                                check_error(c, "%s[%zu].hostID: overlaps entry %zu", place, i, k);
                }
        }
}

static void rule_version(struct check *c) {
        const char *version = c->config->oci_version, *why = oci_shape_version(version);
        if (why) {
                check_error(c, "ociVersion: %s", why);
                return;
        }
        unsigned long minor = strtoul(strchr(version, '.') + 1, NULL, 10);
        if (!str_starts(version, "1."))
                check_error(c, "ociVersion: %s is not supported, 1.x is", version);
        else if (minor > 3)
                check_warning(c, "ociVersion: %s is newer than the known " OCI_VERSION, version);
}

static void rule_root(struct check *c) {
        if (!c->config->root)
                check_error(c, "root: required");
}

static void rule_process(struct check *c) {
        if (!c->config->process)
                check_error(c, "process: required");
}

static bool has_namespace(const struct check *c, int64_t kind) {
        return oci_namespace_find(c->config, kind) != NULL;
}

static void rule_uts(struct check *c) {
        bool has_uts = has_namespace(c, CLONE_NEWUTS);
        const struct {
                const char *key, *value;
        } names[] = {
                { "hostname", c->config->hostname },
                { "domainname", c->config->domainname },
        };
        for (size_t i = 0; i < COUNT(names); i++) {
                if (!names[i].value || !*names[i].value)
                        continue;
                if (!has_uts)
                        check_error(c, "%s: needs a uts namespace", names[i].key);
                if (strlen(names[i].value) > 64)
                        check_error(c, "%s: longer than 64 bytes", names[i].key);
        }
}

static bool has_option(const struct oci_mount *mount, const char *a, const char *b) {
        return strv_has(&mount->options, a) || strv_has(&mount->options, b);
}

static void rule_mount_destination(struct check *c) {
        for (size_t i = 0; i < c->config->mounts.n; i++)
                if (c->config->mounts.at[i].destination[0] != '/')
                        check_warning(c, "mounts[%zu].destination: %s is relative, which is deprecated", i,
                                      c->config->mounts.at[i].destination);
}

static void rule_bind_source(struct check *c) {
        for (size_t i = 0; i < c->config->mounts.n; i++) {
                const struct oci_mount *mount = &c->config->mounts.at[i];
                if (oci_mount_is_bind(mount) && !strv_has(&mount->options, "remount") &&
                    (!mount->source || !*mount->source))
                        check_error(c, "mounts[%zu].source: required for a bind mount", i);
        }
}

static void rule_mount_idmap(struct check *c) {
        for (size_t i = 0; i < c->config->mounts.n; i++) {
                const struct oci_mount *mount = &c->config->mounts.at[i];
                bool has_uids = mount->uid_mappings.n > 0, has_gids = mount->gid_mappings.n > 0;
                const char *uids = str_format("mounts[%zu].uidMappings", i);
                const char *gids = str_format("mounts[%zu].gidMappings", i);
                if (has_uids != has_gids)
                        check_error(c, "%s: required beside %s", has_uids ? gids : uids, has_uids ? uids : gids);
                if (has_option(mount, "idmap", "ridmap")) {
                        if (!has_uids && !has_gids && !has_namespace(c, CLONE_NEWUSER))
                                check_error(c, "mounts[%zu].options: idmap without mappings or a user namespace", i);
                } else if (has_uids || has_gids) {
                        check_warning(c, "mounts[%zu].options: mappings without idmap or ridmap", i);
                }
                check_idmaps(c, uids, mount->uid_mappings.at, mount->uid_mappings.n);
                check_idmaps(c, gids, mount->gid_mappings.at, mount->gid_mappings.n);
        }
}

static void rule_annotations(struct check *c) {
        for (size_t i = 0; i < c->config->annotations.n; i++)
                if (!*c->config->annotations.at[i].key)
                        check_error(c, "annotations: empty key");
}

static const struct check_rule config_rows[] = {
        { "config.md ociVersion", "a SemVer 2.0.0 version of the known major version", rule_version },
        { "config.md root", "the root filesystem is named", rule_root },
        { "config.md process", "a process is configured", rule_process },
        { "config.md hostname, domainname", "set only in a uts namespace", rule_uts },
        { "config.md mounts.destination", "relative destinations are deprecated", rule_mount_destination },
        { "config.md mounts.source", "a bind mount has a source", rule_bind_source },
        { "config.md mounts.uidMappings", "uid and gid mappings together; idmap has some", rule_mount_idmap },
        { "config.md annotations", "keys are not empty", rule_annotations },
};
const struct check_rules check_config_rules = { config_rows, COUNT(config_rows) };

static const struct check_rules *const groups[] = {
        &check_config_rules, &check_process_rules, &check_linux_rules, &check_seccomp_rules, &check_resources_rules,
};

static void run(struct check *c, const struct check_rules *rules) {
        for (size_t i = 0; i < rules->n && (c->r == 0 || c->errors); i++)
                rules->at[i].check(c);
}

/* -- groups of rules -- */

static bool is_below(const char *error, const char *part) {
        return str_starts(error, part) && error[strlen(part)] && strchr(".[:", error[strlen(part)]);
}

/* Sections whose inside only their own rules look at. */
static bool is_inner(const char *error) {
        return is_below(error, "process") || is_below(error, "linux.resources") || is_below(error, "linux.seccomp");
}

/* Whether reading found an error below part; "" is all that is not the inside of a section. */
static bool is_broken(const struct strv *errors, size_t n, const char *part) {
        for (size_t i = 0; i < n; i++) {
                const char *error = errors->at[i];
                bool is_there = *part ? is_below(error, part) : true;
                if (is_there && (!is_inner(error) || is_inner(str_format("%s.", part))))
                        return true;
        }
        return false;
}

int oci_check(const struct oci_config *config, struct strv *errors, struct strv *warnings) {
        struct check c = {
                .config = config,
                .process = config->process,
                .linux_ = config->linux_,
                .resources = config->linux_ ? config->linux_->resources : NULL,
                .errors = errors,
                .warnings = warnings,
        };
        /* A rule about what could not be read cannot be judged. */
        size_t n = errors ? errors->n : 0;
        if (!is_broken(errors, n, ""))
                run(&c, &check_config_rules);
        if (c.process && !is_broken(errors, n, "process"))
                run(&c, &check_process_rules);
        if (c.linux_ && !is_broken(errors, n, "linux"))
                run(&c, &check_linux_rules);
        if (c.linux_ && c.linux_->seccomp && !is_broken(errors, n, "linux.seccomp"))
                run(&c, &check_seccomp_rules);
        if (c.resources && !is_broken(errors, n, "linux.resources"))
                run(&c, &check_resources_rules);
        return c.r;
}

int oci_check_process(const struct oci_process *process, struct strv *errors, struct strv *warnings) {
        struct check c = { .process = process, .errors = errors, .warnings = warnings };
        run(&c, &check_process_rules);
        return c.r;
}

int oci_check_resources(const struct oci_resources *resources, struct strv *errors, struct strv *warnings) {
        struct check c = { .resources = resources, .errors = errors, .warnings = warnings };
        run(&c, &check_resources_rules);
        return c.r;
}

const char *oci_check_rule(size_t i) {
        for (size_t group = 0; group < COUNT(groups); group++) {
                if (i < groups[group]->n)
                        return str_format("%s: %s", groups[group]->at[i].sentence, groups[group]->at[i].what);
                i -= groups[group]->n;
        }
        return NULL;
}
