#include "netsetup/names.h"
#include "netsetup/net.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/base/path.h"
#include "specs/base/sys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Of systemd-resolved, whose own address in resolv.conf is one of the host's loopback: the servers that it asks. */
static const char *const servers_files[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };

/* --- files ---------------------------------------------------------------------------------------------------------
 */
enum { FILE_FOUND = 0, FILE_ABSENT = 1 };

/* The folder of a file, where nobody but us can have put anything, and the file's name in it.  No link leads there: who
 * can write to a rootfs would lead us elsewhere. */
static int open_folder(const char *path, int *ret, const char **ret_name) {
        const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
        const char *name = strrchr(path, '/') + 1, *folder = arena_strndup(path, (size_t)(name - path));
        struct stat st;
        long opened = sys_openat2(AT_FDCWD, folder, &how, sizeof(how));
        if (opened == -ELOOP)
                return fail_words(ELOOP, "open folder %s: a symbolic link on the way", folder);
        if (opened < 0)
                return fail((int)-opened, "open folder %s", folder);
        autofd dir = (int)opened;
        if (fstat(dir, &st) < 0)
                return fail(errno, "look at folder %s", folder);
        if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
                return fail_words(EACCES, "open folder %s: others can write to it", folder);
        *ret = fd_take(&dir);
        *ret_name = name;
        return 0;
}

/* Only looked at: opening a FIFO or a device could block or have effects. */
static int find_file(int dir, const char *name, const char *path, int *ret, off_t *ret_size) {
        struct stat st;
        autofd file = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (file < 0 && errno == ENOENT)
                return FILE_ABSENT;
        if (file < 0 || fstat(file, &st) < 0)
                return fail(errno, "open %s", path);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
                return fail_words(EACCES, "open %s: not a file of its own", path);
        *ret = fd_take(&file);
        *ret_size = st.st_size;
        return FILE_FOUND;
}

static int look_for(const char *path, int *ret_dir, int *ret_file, off_t *ret_size) {
        const char *name;
        int r = open_folder(path, ret_dir, &name);
        return r < 0 ? r : find_file(*ret_dir, name, path, ret_file, ret_size);
}

/* Shortened after it is written: whoever reads meanwhile finds names, not nothing. */
static int rewrite(const char *path, const char *text) {
        autofd dir = -1, place = -1;
        char link[FD_NAME_SIZE];
        off_t size = 0;
        int r = look_for(path, &dir, &place, &size);
        if (r != FILE_FOUND)
                return r < 0 ? r : fail(ENOENT, "open %s", path);
        autofd fd = open(fd_name(place, link), O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return fail(errno, "open %s", path);
        r = write_fd(fd, text, strlen(text));
        if (r < 0)
                return fail_in(r, "%s", path);
        return ftruncate(fd, (off_t)strlen(text)) < 0 ? fail(errno, "shorten %s", path) : 0;
}

/* Whatever has content is somebody else's. */
static int claim(const char *path, struct net_owner *owner) {
        autofd dir = -1, file = -1;
        off_t size = 0;
        int r = look_for(path, &dir, &file, &size);
        if (r < 0)
                return r;
        if (size)
                return fail_hint(fail_words(EEXIST, "%s: has something in it", path),
                                 "give one that is not there, or is empty");
        strv_add(r == FILE_ABSENT ? &owner->made : &owner->emptied, path);
        return 0;
}

int names_claim(struct net_owner *owner) {
        if (owner->hosts && owner->servers && str_eq(owner->hosts, owner->servers))
                return fail_words(EINVAL, "%s: one file for hosts and resolv.conf", owner->hosts);
        int r = owner->hosts ? claim(owner->hosts, owner) : 0;
        return r == 0 && owner->servers ? claim(owner->servers, owner) : r;
}

int names_make(const struct net_owner *owner) {
        for (size_t i = 0; i < owner->made.n; i++) {
                const char *path = owner->made.at[i], *name;
                autofd dir = -1;
                int r = open_folder(path, &dir, &name);
                if (r < 0)
                        return r;
                autofd fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0 || fchmod(fd, 0644) < 0)
                        return fail(errno, "make %s", path);
        }
        return 0;
}

static int remove_made(const char *path) {
        autofd dir = -1, file = -1;
        off_t size = 0;
        int r = look_for(path, &dir, &file, &size);
        if (r != FILE_FOUND)
                return r < 0 ? r : 0;
        return unlinkat(dir, strrchr(path, '/') + 1, 0) < 0 && errno != ENOENT ? fail(errno, "remove %s", path) : 0;
}

void names_release(const struct net_owner *owner) {
        for (size_t i = 0; i < owner->made.n + owner->emptied.n; i++) {
                bool is_made = i < owner->made.n;
                int r = is_made ? remove_made(owner->made.at[i]) : rewrite(owner->emptied.at[i - owner->made.n], "");
                if (r < 0 && r != -ENOENT)
                        log_warning("end of names: %s", err_message());
                err_clear();
        }
}

/* --- resolv.conf ---------------------------------------------------------------------------------------------------
 */
/* The container's loopback is not the host's, and its interfaces have other numbers. */
static bool is_server(const char *word) {
        struct net_address address;
        if (address_parse_host(word, &address))
                return false;
        static const uint8_t loopback6[16] = { [15] = 1 };
        return address.family == AF_INET
                       ? address.bytes[0] != 127
                       : memcmp(address.bytes, loopback6, sizeof(loopback6)) != 0 && !address_is_link_local(&address);
}

void names_read(const char *text, struct net_dns *ret) {
        struct strv lines = str_split(text, '\n', true);
        for (size_t i = 0; i < lines.n; i++) {
                char *line = arena_strdup(lines.at[i]);
                for (char *c = line; *c; c++)
                        *c = isspace((unsigned char)*c) ? ' ' : *c;
                struct strv words = str_split(line, ' ', true);
                if (words.n < 2)
                        continue;
                if (str_eq(words.at[0], "nameserver"))
                        strv_add(&ret->nameservers, words.at[1]);
                if (str_eq(words.at[0], "domain"))
                        ret->domain = words.at[1];
                for (size_t j = 1; j < words.n; j++) {
                        if (str_eq(words.at[0], "search"))
                                strv_add(&ret->search, words.at[j]);
                        if (str_eq(words.at[0], "options"))
                                strv_add(&ret->options, words.at[j]);
                }
        }
}

const char *names_servers(const struct net_dns *dns, const char *of_host) {
        struct strv lines = { 0 };
        struct net_dns host = { 0 };
        names_read(of_host, &host);
        for (size_t i = 0; i < dns->nameservers.n; i++)
                strv_add(&lines, str_format("nameserver %s\n", dns->nameservers.at[i]));
        for (size_t i = 0; i < host.nameservers.n && !dns->nameservers.n; i++)
                if (is_server(host.nameservers.at[i]))
                        strv_add(&lines, str_format("nameserver %s\n", host.nameservers.at[i]));
        strv_add(&lines, str_format("search %s\n", dns->search.n ? str_join(&dns->search, " ") : "."));
        if (dns->options.n)
                strv_add(&lines, str_format("options %s\n", str_join(&dns->options, " ")));
        return str_join(&lines, "");
}

int names_write_servers(const struct net_owner *owner, const struct net_dns *dns) {
        const char *text = "";
        for (size_t i = 0; i < sizeof(servers_files) / sizeof(servers_files[0]); i++) {
                char *of_host = NULL;
                if (read_file_at(AT_FDCWD, servers_files[i], NAMES_SERVERS_MAX, &of_host, NULL) < 0)
                        err_clear();
                text = names_servers(dns, of_host ? of_host : "");
                if (str_starts(text, "nameserver"))
                        break;
        }
        return rewrite(owner->servers, text);
}

/* --- hosts ---------------------------------------------------------------------------------------------------------
 */
static bool is_owner(const struct net_record *record, const struct net_owner *owner) {
        return owner && record->owner.container && owner->container &&
               str_eq(record->owner.container, owner->container);
}

static struct strv networks_of(const struct net_records *all, const struct net_owner *owner) {
        struct strv networks = { 0 };
        for (size_t i = 0; i < all->records.n; i++)
                if (all->records.at[i].network && is_owner(&all->records.at[i], owner))
                        strv_add(&networks, all->records.at[i].network);
        return networks;
}

static const char *lines_of(const struct net_record *record, const char *names) {
        struct strv lines = { 0 };
        for (size_t i = 0; i < record->policy.addresses.n; i++) {
                const char *address = record->policy.addresses.at[i];
                strv_add(&lines, str_format("%.*s %s\n", (int)strcspn(address, "/"), address, names));
        }
        return str_join(&lines, "");
}

static bool is_id(const struct net_records *all, const char *name) {
        for (size_t i = 0; i < all->records.n; i++)
                if (str_eq(all->records.at[i].policy.id, name))
                        return true;
        return false;
}

/* Its id, and its aliases but for those that are somebody's id. */
static const char *called(const struct net_records *all, const struct net_record *record) {
        struct strv names = { 0 };
        strv_add(&names, record->policy.id);
        for (size_t i = 0; i < record->owner.aliases.n; i++)
                if (!is_id(all, record->owner.aliases.at[i]))
                        strv_add(&names, record->owner.aliases.at[i]);
        return str_join(&names, " ");
}

/* What each is called by others: in the order of the records, made once for all files. */
static const char *const *lines_of_all(const struct net_records *all) {
        const char **lines = arena_array(all->records.n + 1, sizeof(*lines));
        for (size_t i = 0; i < all->records.n; i++)
                lines[i] = lines_of(&all->records.at[i], called(all, &all->records.at[i]));
        return lines;
}

/* Nobody takes a name away from the container itself: what is its own, or localhost, is said by no other. */
static bool may_be_called(const struct net_record *whose, const char *name) {
        return !str_eq(name, "localhost") && !str_eq(name, whose->policy.id) &&
               !(whose->owner.hostname && str_eq(name, whose->owner.hostname));
}

static const char *hosts_of(const struct net_records *all, const char *const *lines_by_others,
                            const struct net_record *whose) {
        struct strv lines = { 0 }, networks = networks_of(all, &whose->owner);
        const char *id = whose->policy.id, *hostname = whose->owner.hostname;
        const char *names = called(all, whose);
        const char *own = hostname && !str_eq(hostname, id) ? str_format("%s %s", hostname, names) : names;
        strv_add(&lines, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
        for (size_t i = 0; i < all->records.n; i++)
                if (is_owner(&all->records.at[i], &whose->owner))
                        strv_add(&lines, lines_of(&all->records.at[i], own));
        for (size_t i = 0; i < all->records.n; i++) {
                const struct net_record *other = &all->records.at[i];
                if (other->network && strv_has(&networks, other->network) && may_be_called(whose, other->policy.id) &&
                    !is_owner(other, &whose->owner))
                        strv_add(&lines, hostname && strv_has(&other->owner.aliases, hostname)
                                                 ? lines_of(other, other->policy.id)
                                                 : lines_by_others[i]);
        }
        return str_join(&lines, "");
}

const char *names_hosts(const struct net_records *all, const struct net_record *whose) {
        return hosts_of(all, lines_of_all(all), whose);
}

/* Records of an earlier boot, or of attachments that were never finished, are of nobody. */
static void keep_living(struct net_records *all, const char *boot) {
        size_t n = 0;
        for (size_t i = 0; i < all->records.n; i++)
                if (str_eq(all->records.at[i].boot, boot) && !all->records.at[i].is_begun)
                        all->records.at[n++] = all->records.at[i];
        all->records.n = n;
}

/* A container with several interfaces has one file. */
static bool is_first(const struct net_records *all, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (all->records.at[i].owner.hosts &&
                    str_eq(all->records.at[i].owner.hosts, all->records.at[index].owner.hosts))
                        return false;
        return true;
}

static bool is_concerned(const struct net_records *all, const struct net_record *record, const struct strv *networks) {
        struct strv own = networks_of(all, &record->owner);
        if (!networks)
                return true;
        for (size_t i = 0; i < own.n; i++)
                if (strv_has(networks, own.at[i]))
                        return true;
        return false;
}

/* A file that is there as long as somebody has a file of ours. */
static const char mark[] = "hosts";

bool names_are_kept(const char *root) {
        return access(str_path(root, mark), F_OK) == 0;
}

static int write_mark(int root, const struct net_records *all) {
        bool is_kept = false;
        for (size_t i = 0; i < all->records.n; i++)
                is_kept |= all->records.at[i].owner.hosts != NULL;
        autofd fd = is_kept ? openat(root, mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
        if (is_kept ? fd < 0 : unlinkat(root, mark, 0) < 0 && errno != ENOENT)
                return fail(errno, "mark that names are kept");
        return 0;
}

int names_write_hosts(const char *root, const struct strv *networks, const struct net_owner *owner) {
        autofd dir = -1, lock = -1, attached = -1;
        struct net_records all = { 0 };
        const char *boot;
        int r = net_lock(root, &dir, &lock);
        if (r < 0 || (r = record_folder(dir, "attached", &attached)) < 0 || (r = record_boot(&boot)) < 0 ||
            (r = record_list(attached, &all)) < 0)
                return r;
        keep_living(&all, boot);
        if ((r = write_mark(dir, &all)) < 0)
                return r;
        const char *const *lines = lines_of_all(&all);
        for (size_t i = 0; i < all.records.n; i++) {
                const struct net_record *record = &all.records.at[i];
                if (!record->owner.hosts || !is_first(&all, i) || !is_concerned(&all, record, networks))
                        continue;
                r = rewrite(record->owner.hosts, hosts_of(&all, lines, record));
                if (r < 0 && is_owner(record, owner))
                        return r;
                if (r < 0 && r != -ENOENT)
                        log_warning("names of %s: %s", record->policy.id, err_message());
                err_clear();
        }
        return 0;
}
