#include "netsetup/face_hook.h"
#include "netsetup/names.h"
#include "netsetup/net.h"
#include "netsetup/networks.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/file.h"
#include "specs/base/log.h"

#include <errno.h>
#include <string.h>

#define PREFIX_OF_ALL   "org.rundlet.net."
#define DEFAULT_NETWORK "default"

/* --- annotations ---------------------------------------------------------------------------------------------------
 */
typedef int taker(struct net_request *request, const char *word);

enum hook_scope {
        OF_EACH,   /* a list with commas: one for each network, in the same order; an empty place says nothing */
        OF_SPACED, /* the same, each with spaces between its parts */
        OF_FIRST,  /* a list with commas, for the first network */
        OF_ALL,    /* a list with commas, the whole of it for every network */
        OF_OWNER,  /* one text */
};

static int take_flag(const char *word, bool *ret) {
        if (!str_eq(word, "true") && !str_eq(word, "false"))
                return fail_words(EINVAL, "%s: neither true nor false", word);
        *ret = str_eq(word, "true");
        return 0;
}

static int take_isolate(struct net_request *request, const char *word) {
        return take_flag(word, &request->port.isolated);
}

static int take_hairpin(struct net_request *request, const char *word) {
        return take_flag(word, &request->port.hairpin);
}

static int take_spoofing(struct net_request *request, const char *word) {
        return take_flag(word, &request->policy.allow_spoofing);
}

static int take_block_host(struct net_request *request, const char *word) {
        return take_flag(word, &request->policy.host_blocked);
}

static int take_block_egress(struct net_request *request, const char *word) {
        return take_flag(word, &request->policy.egress_blocked);
}

static int take_path(const char *word, const char **ret) {
        *ret = word;
        return word[0] == '/' ? 0 : fail_words(EINVAL, "%s: not an absolute path", word);
}

static int take_files(struct net_request *request, const char *word) {
        const char *folder = NULL;
        int r = take_path(word, &folder);
        if (r == 0) {
                request->owner.hosts = str_path(folder, "hosts");
                request->owner.servers = str_path(folder, "resolv.conf");
        }
        return r;
}

static int take_container(struct net_request *request, const char *word) {
        return take_path(word, &request->owner.container);
}

static const struct hook_word {
        const char *key; /* after the prefix */
        enum hook_scope scope;
        taker *take;
} words[] = {
        { "name", OF_EACH, request_take_network },
        { "interface", OF_EACH, request_take_interface },
        { "address", OF_SPACED, request_take_address },
        { "mac", OF_EACH, request_take_mac },
        { "mtu", OF_EACH, request_take_mtu },
        { "ingress", OF_EACH, request_take_ingress },
        { "egress", OF_EACH, request_take_egress },
        { "publish", OF_FIRST, request_take_publish },
        { "host-access", OF_ALL, request_take_host_access },
        { "allow", OF_ALL, request_take_allow },
        { "isolate", OF_ALL, take_isolate },
        { "hairpin", OF_ALL, take_hairpin },
        { "allow-spoofing", OF_ALL, take_spoofing },
        { "block-host", OF_ALL, take_block_host },
        { "block-egress", OF_ALL, take_block_egress },
        { "alias", OF_ALL, request_take_alias },
        { "files", OF_OWNER, take_files },
        { "container", OF_OWNER, take_container },
        { "hostname", OF_OWNER, request_take_hostname },
};

static const struct hook_word *find_word(const char *key) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (str_eq(words[i].key, key))
                        return &words[i];
        return NULL;
}

static int take_each(struct hook *hook, const struct hook_word *word, const struct strv *items) {
        if (items->n > hook->n)
                return fail_words(EINVAL, "%zu of them for %zu networks", items->n, hook->n);
        for (size_t i = 0; i < items->n; i++) {
                struct strv parts = str_split(items->at[i], word->scope == OF_SPACED ? ' ' : ',', true);
                for (size_t j = 0; j < parts.n; j++) {
                        int r = word->take(&hook->requests[i], parts.at[j]);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int take_word(struct hook *hook, const struct hook_word *word, const char *value) {
        bool is_each = word->scope == OF_EACH || word->scope == OF_SPACED;
        struct strv items = str_split(value, ',', !is_each);
        if (is_each)
                return take_each(hook, word, &items);
        if (word->scope == OF_OWNER) {
                items = (struct strv){ 0 };
                strv_add(&items, value);
        }
        for (size_t i = 0; i < items.n; i++)
                for (size_t j = 0; j < (word->scope == OF_FIRST ? 1 : hook->n); j++) {
                        int r = word->take(&hook->requests[j], items.at[i]);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* --- the state -----------------------------------------------------------------------------------------------------
 */
static const char *key_of(const struct str_pair *pair) {
        return str_starts(pair->key, PREFIX_OF_ALL) ? pair->key + strlen(PREFIX_OF_ALL) : NULL;
}

/* The names say how many requests there are, so they are looked for first. */
static int count_networks(const struct oci_state *state, const struct net_request *base, struct hook *hook) {
        const char *names = NULL, *other = NULL;
        for (size_t i = 0; i < state->annotations.n; i++) {
                const char *key = key_of(&state->annotations.at[i]);
                if (!key)
                        continue;
                if (!find_word(key))
                        return fail_words(EINVAL, "annotation " PREFIX_OF_ALL "%s: unknown", key);
                other = key;
                if (str_eq(key, "name"))
                        names = state->annotations.at[i].value;
        }
        if (!names)
                return other ? fail_words(EINVAL,
                                          "annotation " PREFIX_OF_ALL "name is missing beside " PREFIX_OF_ALL "%s",
                                          other)
                             : 0;
        hook->n = str_split(names, ',', false).n;
        if (hook->n > HOOK_NETWORKS)
                return fail_words(EINVAL, "annotation " PREFIX_OF_ALL "name: more than %d networks", HOOK_NETWORKS);
        for (size_t i = 0; i < hook->n; i++) {
                hook->requests[i] = *base;
                hook->requests[i].command = NET_ATTACH;
                hook->requests[i].face = "hook";
                hook->requests[i].interface = str_format("eth%zu", i);
                hook->requests[i].owner.container = state->bundle;
                /* One default route is enough: that of the first. */
                hook->requests[i].has_no_default = i > 0;
        }
        return 0;
}

static int check_requests(struct hook *hook, const struct oci_state *state) {
        for (size_t i = 0; i < hook->n; i++) {
                struct net_request *request = &hook->requests[i];
                int r = request_take_id(request, state->id);
                if (r < 0)
                        return r;
                if (!request->network)
                        return fail_words(EINVAL, "annotation " PREFIX_OF_ALL "name: an empty name");
                request->netns = hook->is_end ? NULL : str_format("%lld", (long long)state->pid);
                for (size_t j = 0; j < i; j++)
                        if (str_eq(hook->requests[j].interface, request->interface))
                                return fail_words(EINVAL, "annotation " PREFIX_OF_ALL "interface: %s twice",
                                                  request->interface);
                if (!hook->is_end && (r = request_check(request)) < 0)
                        return r;
        }
        return 0;
}

static int read_status(const struct oci_state *state, struct hook *hook) {
        hook->is_end = str_eq(state->status, "stopped");
        if (!hook->is_end && !str_eq(state->status, "creating") && !str_eq(state->status, "created"))
                return fail_words(EINVAL, "status %s: a hook of createRuntime, prestart or poststop is expected",
                                  state->status);
        if (!hook->is_end && state->pid <= 0)
                return fail_words(EINVAL, "pid is missing");
        return 0;
}

int hook_read(const struct oci_state *state, const struct net_request *base, struct hook *ret) {
        struct hook hook = { 0 };
        int r = read_status(state, &hook);
        if (r == 0)
                r = count_networks(state, base, &hook);
        for (size_t i = 0; r == 0 && hook.n > 0 && i < state->annotations.n; i++) {
                const char *key = key_of(&state->annotations.at[i]);
                if (key && (r = take_word(&hook, find_word(key), state->annotations.at[i].value)) < 0)
                        return fail_in(r, "annotation " PREFIX_OF_ALL "%s", key);
        }
        if (r == 0)
                r = check_requests(&hook, state);
        if (r < 0)
                return r;
        hook.owner = hook.requests[0].owner;
        *ret = hook;
        return 0;
}

/* --- the end -------------------------------------------------------------------------------------------------------
 */
/* Those that this face has made for this container: another one of the same id, below another root of its runtime,
 * keeps what it has. */
static int detach_all(const struct hook *hook, const char *root, struct strv *networks) {
        autofd attached = -1;
        struct net_records all = { 0 };
        int first = 0, r = record_look(root, &attached);
        if (r == RECORD_FOUND)
                r = record_list_of(attached, hook->requests[0].id, &all);
        for (size_t i = 0; r == 0 && i < all.records.n; i++) {
                const struct net_record *record = &all.records.at[i];
                struct net_request request = hook->requests[0];
                struct net_result gone = { 0 };
                if (!str_eq(record->face, "hook") || !record->owner.container ||
                    !str_eq(record->owner.container, hook->owner.container))
                        continue;
                request = (struct net_request){ .command = NET_DETACH,
                                                .face = "hook",
                                                .id = request.id,
                                                .interface = record->policy.interface,
                                                .root = root,
                                                .is_quiet = true };
                int one = request_check(&request);
                if (one == 0)
                        one = net_run(&request, NULL, &gone);
                if (one == 0 && record->network)
                        strv_add(networks, record->network);
                /* The others go all the same. */
                if (one < 0 && first == 0)
                        first = one;
        }
        return r < 0 ? r : first;
}

static int end(const struct hook *hook, const char *root) {
        struct strv networks = { 0 };
        int r = detach_all(hook, root, &networks);
        if (r == 0 && networks.n > 0)
                r = names_write_hosts(root, &networks, &hook->owner);
        return r;
}

/* --- the beginning -------------------------------------------------------------------------------------------------
 */
/* So that a host on which nobody has set up anything has a network too.  Whoever makes it at the same time makes the
 * same one. */
static int make_default(const struct net_request *request) {
        struct net_network network;
        struct net_result result = { 0 };
        int r = network_load(request->networks, request->network, &network);
        if (r != -ENOENT || !str_eq(request->network, DEFAULT_NETWORK))
                return r;
        const struct net_request create = {
                .command = NET_NETWORK_CREATE,
                .network = request->network,
                .root = request->root,
                .networks = request->networks,
                .face = request->face,
        };
        r = net_run(&create, NULL, &result);
        if (r == 0 && result.networks.networks.n && result.networks.networks.at[0].subnets.n)
                log_info("made network %s: %s", create.network, result.networks.networks.at[0].subnets.at[0].subnet);
        return r == -EEXIST ? 0 : r;
}

static int write_names(const struct hook *hook) {
        const struct net_request *first = &hook->requests[0];
        struct net_network network;
        struct strv networks = { 0 };
        int r = 0;
        for (size_t i = 0; i < hook->n; i++)
                strv_add(&networks, hook->requests[i].network);
        if (hook->owner.servers && (r = network_load(first->networks, first->network, &network)) == 0)
                r = names_write_servers(&hook->owner, &network.dns);
        return r < 0 ? r : names_write_hosts(first->root, &networks, &hook->owner);
}

static int begin(const struct hook *hook) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < hook->n; i++)
                r = make_default(&hook->requests[i]);
        for (size_t i = 0; r == 0 && i < hook->n; i++) {
                struct net_result made = { 0 };
                r = net_run(&hook->requests[i], NULL, &made);
                if (r < 0)
                        r = fail_in(r, "attach %s to %s", hook->requests[i].id, hook->requests[i].network);
        }
        if (r == 0)
                r = write_names(hook);
        if (r < 0) {
                struct err_saved saved;
                err_save(&saved);
                if (end(hook, hook->requests[0].root) < 0)
                        log_warning("%s", err_message());
                err_restore(&saved);
        }
        return r;
}

int hook_run(const struct net_request *base) {
        struct oci_state state;
        struct hook hook = { 0 };
        char *text = NULL;
        size_t size = 0;
        int r = read_fd(0, JSON_MAX_SIZE, &text, &size);
        if (r == 0)
                r = json_read(text, size, &oci_state_type, NULL, &state);
        if (r < 0)
                return fail_in(r, "state on standard input");
        if ((r = hook_read(&state, base, &hook)) < 0 || hook.n == 0)
                return r;
        return hook.is_end ? end(&hook, base->root) : begin(&hook);
}
