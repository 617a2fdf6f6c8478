#include "netsetup/reload.h"
#include "netsetup/filter.h"
#include "netsetup/record.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <signal.h>

/* A record of an earlier boot, or that nobody kept, or whose link is gone, is gc's.  One that is being attached adds
 * its rules itself, in two halves, so that each can be taken back. */
static bool is_living(const struct reload *reload, const struct net_record *record, const char *boot) {
        struct link_info link;
        if (!str_eq(record->boot, boot) || record->is_begun)
                return false;
        if (link_get(reload->host, record->policy.link, &link) < 0) {
                err_clear();
                return false;
        }
        return tag_is_of(link.alias, record->policy.id, record->policy.interface);
}

static int living_policies(const struct reload *reload, struct filter_policies *ret) {
        struct net_records all;
        const char *boot = NULL;
        int r = record_boot(&boot);
        if (r < 0 || (r = record_list(reload->attached, &all)) < 0)
                return r;
        ret->list.at = arena_array(all.records.n + 1, sizeof(*ret->list.at));
        for (size_t i = 0; i < all.records.n; i++)
                if (is_living(reload, &all.records.at[i], boot))
                        ret->list.at[ret->list.n++] = all.records.at[i].policy;
        return 0;
}

int reload_tables(const struct reload *reload, size_t *ret) {
        struct filter_policies policies = { 0 };
        int r = living_policies(reload, &policies);
        if (r < 0 || (r = filter_rebuild(reload->filter, &policies)) < 0)
                return r;
        *ret = policies.list.n;
        return 0;
}

int reload_if_gone(const struct reload *reload) {
        bool is_there = false;
        size_t n = 0;
        int r = filter_is_there(reload->filter, &is_there);
        if (r < 0 || is_there)
                return r;
        r = reload_tables(reload, &n);
        if (r == 0 && n)
                log_warning("the tables of netsetup were gone or changed: built anew for %zu attachments", n);
        return r;
}

/* Everything that is needed, with the lock. */
struct open_reload {
        int root, lock, attached;
        struct nl filter, host;
        struct reload reload;
};

static void close_reload(struct open_reload *open) {
        nl_closep(&open->filter);
        nl_closep(&open->host);
        open->attached = fd_close(open->attached);
        open->lock = fd_close(open->lock);
        open->root = fd_close(open->root);
}

#define autoreload __attribute__((cleanup(close_reload))) struct open_reload

static int open_reload(const struct net_request *request, struct open_reload *ret) {
        int r = net_lock(request->root, &ret->root, &ret->lock);
        if (r < 0 || (r = record_folder(ret->root, "attached", &ret->attached)) < 0 || (r = nl_open(&ret->host)) < 0)
                return r;
        ret->reload = (struct reload){ .filter = &ret->filter, .host = &ret->host, .attached = ret->attached };
        return nft_open(&ret->filter);
}

int reload_run(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autoreload open = { .root = -1, .lock = -1, .attached = -1 };
        struct filter_policies policies = { 0 };
        size_t n = 0;
        int r = open_reload(request, &open);
        if (r < 0 || (r = living_policies(&open.reload, &policies)) < 0)
                return r;
        if (dry) {
                fprintf(dry, "host     build tables inet netsetup and bridge netsetup for %zu attachments\n",
                        policies.list.n);
                return 0;
        }
        if ((r = reload_tables(&open.reload, &n)) < 0)
                return r;
        for (size_t i = 0; i < policies.list.n; i++) {
                struct link_info link;
                if (link_get(&open.host, policies.list.at[i].link, &link) == 0)
                        net_describe(&open.host, &link, policies.list.at[i].id, ret);
        }
        err_clear();
        return 0;
}

/* --- watch -------------------------------------------------------------------------------------------------------
 */
static volatile sig_atomic_t is_over;

static void on_signal(int number) {
        (void)number;
        is_over = 1;
}

/* Both signals come only while we wait, so none is lost and none comes between. */
static void take_signals(sigset_t *ret_waiting) {
        struct sigaction action = { .sa_handler = on_signal };
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigaddset(&blocked, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &blocked, ret_waiting);
        sigdelset(ret_waiting, SIGTERM);
        sigdelset(ret_waiting, SIGINT);
        (void)sigaction(SIGTERM, &action, NULL);
        (void)sigaction(SIGINT, &action, NULL);
}

static int look_once(const struct net_request *request) {
        autoreload open = { .root = -1, .lock = -1, .attached = -1 };
        int r = open_reload(request, &open);
        return r < 0 ? r : reload_if_gone(&open.reload);
}

int watch_run(const struct net_request *request) {
        autonl notices = { 0 };
        sigset_t waiting;
        bool has_worked = false;
        take_signals(&waiting);
        int r = nft_open(&notices);
        if (r < 0 || (r = nl_join(&notices, NFNLGRP_NFTABLES)) < 0)
                return r;
        while (r == 0 && !is_over) {
                struct arena_mark mark = arena_mark();
                r = look_once(request);
                /* What worked once may work again; what never did is said and over. */
                if (r < 0 && has_worked) {
                        log_error_record();
                        r = 0;
                }
                arena_rewind(&mark);
                has_worked = r == 0;
                if (r == 0)
                        r = nl_wait(&notices, &waiting);
        }
        return is_over ? 0 : r;
}
