#include "netsetup/names.h"
#include "netsetup/net.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { SERVERS_MAX = 1 << 16 };

/* Of systemd-resolved, whose own address in resolv.conf is one of the host's loopback: the servers that it asks. */
static const char *const servers_files[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };

/* --- files ---------------------------------------------------------------------------------------------------------
 */
/* Nobody but us can have put anything there, and nothing else than what the runtime made is written to. */
static int open_file(const char *folder, const char *name, int *ret) {
        struct stat st;
        autofd dir = open(folder, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0)
                return fail(errno, "open folder %s", folder);
        if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
                return fail_words(EACCES, "open folder %s: others can write to it", folder);
        autofd fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return fail(errno, "open %s in %s", name, folder);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
                return fail_words(EACCES, "open %s in %s: not a file of its own", name, folder);
        *ret = fd_take(&fd);
        return 0;
}

/* Shortened after it is written: whoever reads meanwhile finds names, not nothing. */
static int rewrite(const char *folder, const char *name, const char *text) {
        autofd fd = -1;
        int r = open_file(folder, name, &fd);
        if (r == 0)
                r = write_fd(fd, text, strlen(text));
        if (r == 0 && ftruncate(fd, (off_t)strlen(text)) < 0)
                r = fail(errno, "shorten %s in %s", name, folder);
        return r;
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

const char *names_servers(const struct net_dns *dns, const char *of_host) {
        struct strv lines = { 0 }, text = str_split(of_host, '\n', true);
        for (size_t i = 0; i < dns->nameservers.n; i++)
                strv_add(&lines, str_format("nameserver %s\n", dns->nameservers.at[i]));
        for (size_t i = 0; i < text.n && !dns->nameservers.n; i++) {
                char *line = arena_strdup(text.at[i]);
                for (char *c = line; *c; c++)
                        *c = isspace((unsigned char)*c) ? ' ' : *c;
                struct strv words = str_split(line, ' ', true);
                if (words.n >= 2 && str_eq(words.at[0], "nameserver") && is_server(words.at[1]))
                        strv_add(&lines, str_format("nameserver %s\n", words.at[1]));
        }
        strv_add(&lines, str_format("search %s\n", dns->search.n ? str_join(&dns->search, " ") : "."));
        if (dns->options.n)
                strv_add(&lines, str_format("options %s\n", str_join(&dns->options, " ")));
        return str_join(&lines, "");
}

int names_write_servers(const struct net_owner *owner, const struct net_dns *dns) {
        const char *text = "";
        for (size_t i = 0; i < sizeof(servers_files) / sizeof(servers_files[0]); i++) {
                char *of_host = NULL;
                if (read_file_at(AT_FDCWD, servers_files[i], SERVERS_MAX, &of_host, NULL) < 0)
                        err_clear();
                text = names_servers(dns, of_host ? of_host : "");
                if (str_starts(text, "nameserver"))
                        break;
        }
        return rewrite(owner->files, "resolv.conf", text);
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
                if (is_owner(&all->records.at[i], &all->records.at[index].owner))
                        return false;
        return true;
}

static bool is_concerned(const struct net_records *all, const struct net_record *record, const struct strv *networks) {
        struct strv own = networks_of(all, &record->owner);
        for (size_t i = 0; i < own.n; i++)
                if (!networks || strv_has(networks, own.at[i]))
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
                is_kept |= all->records.at[i].owner.files != NULL;
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
                if (!record->owner.files || !is_first(&all, i) || !is_concerned(&all, record, networks))
                        continue;
                r = rewrite(record->owner.files, "hosts", hosts_of(&all, lines, record));
                if (r < 0 && is_owner(record, owner))
                        return r;
                if (r < 0 && r != -ENOENT)
                        log_warning("names of %s: %s", record->policy.id, err_message());
                err_clear();
        }
        return 0;
}
