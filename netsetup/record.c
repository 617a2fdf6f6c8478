#include "netsetup/record.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORD_MAX = 1 << 20, BOOT_LENGTH = 36 };
static const char suffix[] = ".json", begun_suffix[] = ".begun";

static const struct json_field net_identity_fields[] = {
        FIELD(net_identity, "device", device),
        FIELD(net_identity, "inode", inode),
        FIELD(net_identity, "cookie", cookie),
};
static TYPE(net_identity);

static const struct json_field net_owner_fields[] = {
        FIELD(net_owner, "container", container), FIELD(net_owner, "hosts", hosts),
        FIELD(net_owner, "servers", servers),     FIELD(net_owner, "made", made),
        FIELD(net_owner, "emptied", emptied),     FIELD(net_owner, "hostname", hostname),
        FIELD(net_owner, "aliases", aliases),
};
static TYPE(net_owner);

static const struct json_field net_record_fields[] = {
        FIELD(net_record, "boot", boot, .flags = J_REQUIRED),
        FIELD(net_record, "network", network),
        FIELD(net_record, "face", face, .flags = J_REQUIRED),
        FIELD(net_record, "netns", netns, .flags = J_REQUIRED),
        FIELD(net_record, "number", number),
        OBJECT(net_record, "identity", identity, net_identity, .flags = J_REQUIRED),
        OBJECT(net_record, "owner", owner, net_owner),
        FIELD(net_record, "gateways", gateways),
        OBJECT(net_record, "policy", policy, net_policy, .flags = J_REQUIRED),
};
TYPE(net_record);

static const struct json_field net_records_fields[] = {
        LIST(net_records, "records", records, net_record, .flags = J_KEEP_EMPTY),
};
TYPE(net_records);

int record_root(const char *root, int *ret_dir) {
        struct stat st;
        if (mkdir(root, 0700) < 0 && errno != EEXIST)
                return fail(errno, "make folder %s", root);
        autofd dir = open(root, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0)
                return fail(errno, "open folder %s", root);
        if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
                return fail_words(EACCES, "open folder %s: others can write to it", root);
        *ret_dir = fd_take(&dir);
        return 0;
}

int record_folder(int root, const char *name, int *ret_dir) {
        if (mkdirat(root, name, 0700) < 0 && errno != EEXIST)
                return fail(errno, "make folder %s", name);
        autofd dir = openat(root, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
                return fail(errno, "open folder %s", name);
        *ret_dir = fd_take(&dir);
        return 0;
}

int record_open(const char *root, int *ret_dir) {
        autofd dir = -1;
        int r = record_root(root, &dir);
        return r < 0 ? r : record_folder(dir, "attached", ret_dir);
}

int record_look(const char *root, int *ret_dir) {
        const char *path = str_path(root, "attached");
        int dir = open(path, O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return errno == ENOENT ? RECORD_ABSENT : fail(errno, "open folder %s", path);
        *ret_dir = dir;
        return RECORD_FOUND;
}

static const char *file_of(const char *link) {
        return str_format("%s%s", link, suffix);
}

static int remove_file(int dir, const char *file) {
        if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
                return fail(errno, "remove record %s", file);
        return 0;
}

static const char *begun_of(const char *link) {
        return str_format("%s%s", link, begun_suffix);
}

/* Not synced: no record outlives a boot. */
int record_begin(int dir, const struct net_record *record) {
        const char *text = json_write(record, &net_record_type, true), *file = begun_of(record->policy.link);
        autofd fd = openat(dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return fail(errno, "make record %s", file);
        int r = write_fd(fd, text, strlen(text));
        return r < 0 ? fail_in(r, "record %s", file) : remove_file(dir, file_of(record->policy.link));
}

int record_keep(int dir, const char *link) {
        const char *from = begun_of(link);
        return renameat(dir, from, dir, file_of(link)) < 0 ? fail(errno, "keep record %s", from) : 0;
}

int record_write(int dir, const struct net_record *record) {
        const char *text = json_write(record, &net_record_type, true);
        int r = replace_file_at(dir, file_of(record->policy.link), 0600, text, strlen(text));
        return r < 0 ? fail_in(r, "record of %s %s", record->policy.id, record->policy.interface) : 0;
}

bool record_is_begun(int dir, const char *link) {
        return faccessat(dir, begun_of(link), F_OK, 0) == 0;
}

int record_give_up(int dir, const char *link, int *ret_file) {
        const char *file = begun_of(link);
        if (renameat(dir, file_of(link), dir, file) < 0 && errno != ENOENT)
                return fail(errno, "give up record %s", file);
        int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return fail(errno, "open record %s", file);
        *ret_file = fd;
        return 0;
}

bool record_is_given_up(int dir, const char *link, int file) {
        struct stat ours, there;
        return file >= 0 && fstat(file, &ours) == 0 && fstatat(dir, begun_of(link), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int read_file(int dir, const char *file, const char *link, struct net_record *ret) {
        char *text = NULL;
        size_t size = 0;
        int r = read_file_at(dir, file, RECORD_MAX, &text, &size);
        if (r == -ENOENT) {
                err_clear();
                return RECORD_ABSENT;
        }
        if (r < 0 || (r = json_read(text, size, &net_record_type, NULL, ret)) < 0)
                return fail_in(r, "record %s", file);
        /* The name is the key: what it says of itself must fit. */
        const struct net_policy *policy = &ret->policy;
        if (!str_eq(policy->link, link) || !str_eq(tag_link_name(policy->id, policy->interface), link))
                return fail_words(EINVAL, "record %s: it is of another link", file);
        return RECORD_FOUND;
}

/* One that was begun but not even written has had no effect. */
int record_read_link(int dir, const char *link, struct net_record *ret) {
        int r = read_file(dir, begun_of(link), link, ret);
        if (r == RECORD_FOUND)
                ret->is_begun = true;
        else if (r != RECORD_ABSENT)
                err_clear();
        return r == RECORD_FOUND ? r : read_file(dir, file_of(link), link, ret);
}

int record_read(int dir, const char *id, const char *interface, struct net_record *ret) {
        int r = record_read_link(dir, tag_link_name(id, interface), ret);
        if (r == RECORD_FOUND && (!str_eq(ret->policy.id, id) || !str_eq(ret->policy.interface, interface)))
                return fail_words(EEXIST, "link name %s is taken by %s of %s", ret->policy.link, ret->policy.interface,
                                  ret->policy.id);
        return r;
}

static int compare(const void *a, const void *b) {
        const struct net_record *x = a, *y = b;
        int order = strcmp(x->policy.id, y->policy.id);
        return order ? order : strcmp(x->policy.interface, y->policy.interface);
}

static void dir_closep(DIR **dir) {
        if (*dir)
                (void)closedir(*dir);
}

/* A reading position of its own: dir may be listed again. */
static DIR *open_list(int dir) {
        autofd fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        if (list)
                (void)fd_take(&fd);
        return list;
}

/* With an id: only of that. */
static int list_records(int dir, const char *id, struct net_records *ret) {
        struct net_records out = { 0 };
        const char *prefix = id ? tag_link_prefix(id) : "";
        size_t room = 0;
        __attribute__((cleanup(dir_closep))) DIR *list = open_list(dir);
        if (!list)
                return fail(errno, "list records");
        for (const struct dirent *entry; (entry = readdir(list));) {
                const char *dot = strrchr(entry->d_name, '.');
                if (entry->d_name[0] == '.' || !str_starts(entry->d_name, prefix) || !dot ||
                    (!str_eq(dot, suffix) && !str_eq(dot, begun_suffix)))
                        continue;
                const char *link = arena_strndup(entry->d_name, (size_t)(dot - entry->d_name));
                struct net_record record = { 0 };
                int r = record_read_link(dir, link, &record);
                if (r < 0) {
                        log_warning("%s: left out", err_message());
                        err_clear();
                }
                if (r != RECORD_FOUND || (id && !str_eq(record.policy.id, id)))
                        continue;
                size_t n = out.records.n;
                if (n == room) {
                        room = room ? 2 * room : 16;
                        out.records.at = arena_grow(out.records.at, n * sizeof(record), room * sizeof(record));
                }
                out.records.at[out.records.n++] = record;
        }
        if (out.records.n)
                qsort(out.records.at, out.records.n, sizeof(*out.records.at), compare);
        *ret = out;
        return 0;
}

int record_list(int dir, struct net_records *ret) {
        return list_records(dir, NULL, ret);
}

int record_list_of(int dir, const char *id, struct net_records *ret) {
        return list_records(dir, id, ret);
}

int record_remove(int dir, const char *link) {
        int r = remove_file(dir, begun_of(link));
        return r < 0 ? r : remove_file(dir, file_of(link));
}

int record_boot(const char **ret_boot) {
        static const char path[] = "/proc/sys/kernel/random/boot_id";
        char *text = NULL;
        int r = read_file_at(AT_FDCWD, path, 128, &text, NULL);
        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = '\0';
        if (strlen(text) != BOOT_LENGTH)
                return fail_words(EPROTO, "read %s: not a boot id", path);
        *ret_boot = text;
        return 0;
}

int record_identity(int netns, const struct nl *inside, struct net_identity *ret) {
        struct stat st;
        if (fstat(netns, &st) < 0)
                return fail(errno, "look at network namespace");
        *ret = (struct net_identity){ st.st_dev, st.st_ino, nl_cookie(inside) };
        return 0;
}

bool record_is_same_netns(const struct net_identity *a, const struct net_identity *b) {
        if (a->cookie && b->cookie)
                return a->cookie == b->cookie;
        return a->device == b->device && a->inode == b->inode;
}
