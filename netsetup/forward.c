#include "netsetup/forward.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ipv6_route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool forward_is_needed(const struct net_policy *policy, int family) {
        struct net_address address;
        if (!policy_address(&policy->addresses, family, &address))
                return false;
        if (policy->masquerade || policy->tunnel)
                return true;
        for (size_t i = 0; i < policy->publish.n; i++)
                if (policy_is_published(policy, &policy->publish.at[i], family))
                        return true;
        return false;
}

/* A link may have a dot in its name, so names keep their slashes. */
static const char *path_of(const char *name) {
        return str_format("/proc/sys/%s", name);
}

static int read_switch(const char *name, char **ret) {
        int r = read_file_at(AT_FDCWD, path_of(name), 32, ret, NULL);
        if (r == 0)
                (*ret)[strcspn(*ret, "\n")] = '\0';
        return r;
}

/* Turns a switch from one value to another; any other value stays.  A kernel without it has nothing to turn. */
static int turn(const char *name, const char *from, const char *to, struct forward_changes *changes) {
        char *now = NULL;
        int r = read_switch(name, &now);
        if (r == -ENOENT || (r == 0 && !str_eq(now, from)))
                return 0;
        if (r == 0)
                r = write_file_at(AT_FDCWD, path_of(name), to, strlen(to));
        if (r < 0)
                return fail(r, "set %s to %s", name, to);
        struct forward_change change = { name, now };
        size_t size = changes->list.n * sizeof(change);
        changes->list.at = arena_grow(changes->list.at, size, size + sizeof(change));
        changes->list.at[changes->list.n++] = change;
        log_info("set %s to %s, which was %s", name, to, now);
        return 0;
}

/* The links by which a router advertised itself or a prefix: /proc/net/ipv6_route ends each line with the flags and the
 * name. */
static int keep_advertisements(struct forward_changes *changes) {
        char *text = NULL;
        int r = read_file_at(AT_FDCWD, "/proc/net/ipv6_route", 64 << 20, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : fail(r, "read /proc/net/ipv6_route");
        struct strv lines = str_split(text, '\n', true);
        for (size_t i = 0; i < lines.n && r == 0; i++) {
                struct strv words = str_split(lines.at[i], ' ', true);
                if (words.n == 10 && strtoul(words.at[8], NULL, 16) & (RTF_DEFAULT | RTF_PREFIX_RT))
                        r = turn(str_format("net/ipv6/conf/%s/accept_ra", words.at[9]), "1", "2", changes);
        }
        return r;
}

static int enable_ipv6(struct forward_changes *changes) {
        char *now = NULL;
        int r = read_switch("net/ipv6/conf/all/forwarding", &now);
        if (r == -ENOENT || (r == 0 && !str_eq(now, "0")))
                return 0;
        if (r < 0)
                return fail(r, "read net/ipv6/conf/all/forwarding");
        r = keep_advertisements(changes);
        return r < 0 ? r : turn("net/ipv6/conf/all/forwarding", "0", "1", changes);
}

int forward_enable(const struct net_policy *policy, struct forward_changes *ret) {
        struct forward_changes changes = { 0 };
        int r = 0;
        if (forward_is_needed(policy, AF_INET))
                r = turn("net/ipv4/ip_forward", "0", "1", &changes);
        if (r == 0 && forward_is_needed(policy, AF_INET6))
                r = enable_ipv6(&changes);
        if (r < 0)
                forward_undo(&changes);
        else
                *ret = changes;
        return r;
}

static bool is_on(const char *name) {
        char *now = NULL;
        return read_switch(name, &now) == 0 && str_eq(now, "1");
}

int forward_hairpin(struct nl *host, const struct net_policy *policy) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        if (!policy->publish.n ||
            (!is_on("net/bridge/bridge-nf-call-iptables") && !is_on("net/bridge/bridge-nf-call-ip6tables")))
                return 0;
        link_put_hairpin(&batch, policy->link);
        int r = nl_run(host, &batch, &reply);
        if (r == 0 && reply.answers[0].error)
                r = -reply.answers[0].error;
        return r < 0 ? fail(r, "let %s send frames back", policy->link) : 0;
}

void forward_undo(const struct forward_changes *changes) {
        for (size_t i = changes->list.n; i-- > 0;) {
                const struct forward_change *change = &changes->list.at[i];
                if (write_file_at(AT_FDCWD, path_of(change->name), change->before, strlen(change->before)) < 0)
                        log_warning("set %s back to %s: failed", change->name, change->before);
        }
}
