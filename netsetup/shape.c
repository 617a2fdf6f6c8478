#include "netsetup/shape.h"
#include "netsetup/link.h"
#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

/* --- words and numbers ---------------------------------------------------------------------------------------------
 */
static const struct {
        const char *name;
        uint64_t bits;
} units[] = {
        { "tbit", 1000000000000 }, { "gbit", 1000000000 }, { "mbit", 1000000 }, { "kbit", 1000 }, { "bit", 1 },
};
static const uint64_t rate_min = 8000, rate_max = 1000000000000;

static const char *parse(const char *word, uint64_t min, uint64_t max, uint64_t *ret) {
        size_t digits = strspn(word, "0123456789");
        for (size_t i = 0; digits && i < sizeof(units) / sizeof(units[0]); i++) {
                uint64_t number = 0;
                if (!str_eq(word + digits, units[i].name))
                        continue;
                if (parse_u64(arena_strndup(word, digits), 0, UINT64_MAX / units[i].bits, &number) < 0 ||
                    number * units[i].bits < min || number * units[i].bits > max)
                        return str_format("not in %s..%s", shape_rate_words(min), shape_rate_words(max));
                *ret = number * units[i].bits;
                return NULL;
        }
        return "not a number with bit, kbit, mbit, gbit or tbit behind it (10mbit)";
}

const char *shape_parse_rate(const char *word, uint64_t *ret) {
        return parse(word, rate_min, rate_max, ret);
}

const char *shape_parse_burst(const char *word, uint64_t *ret) {
        return parse(word, 1, rate_max, ret);
}

const char *shape_rate_words(uint64_t rate) {
        size_t i = 0;
        while (rate && rate % units[i].bits)
                i++;
        return rate ? str_format("%llu%s", (unsigned long long)(rate / units[i].bits), units[i].name) : "none";
}

const char *shape_words(const struct net_bandwidth *bandwidth) {
        const char *in = shape_rate_words(bandwidth->ingress.v), *out = shape_rate_words(bandwidth->egress.v);
        if (bandwidth->ingress.v && bandwidth->egress.v)
                return str_format("%s in, %s out", in, out);
        if (!bandwidth->ingress.v && !bandwidth->egress.v)
                return NULL;
        return bandwidth->ingress.v ? str_format("%s in", in) : str_format("%s out", out);
}

static int check(const char *what, uint64_t rate, uint64_t burst) {
        if (rate && (rate < rate_min || rate > rate_max))
                return fail_words(EINVAL, "%s %s: not in %s..%s", what, shape_rate_words(rate),
                                  shape_rate_words(rate_min), shape_rate_words(rate_max));
        return burst && !rate ? fail_words(EINVAL, "%s: a burst without a rate", what) : 0;
}

int shape_check(const struct net_bandwidth *bandwidth) {
        int r = check("ingress", bandwidth->ingress.v, bandwidth->ingress_burst.v);
        return r < 0 ? r : check("egress", bandwidth->egress.v, bandwidth->egress_burst.v);
}

static void merge(struct opt_u64 *rate, struct opt_u64 *burst, struct opt_u64 over, struct opt_u64 over_burst) {
        if (over.set)
                *rate = over;
        if (over.set || over_burst.set)
                *burst = over_burst;
        rate->set = rate->v != 0;
        burst->set = burst->v != 0;
}

struct net_bandwidth shape_merge(const struct net_bandwidth *base, const struct net_bandwidth *over) {
        struct net_bandwidth now = *base;
        merge(&now.ingress, &now.ingress_burst, over->ingress, over->ingress_burst);
        merge(&now.egress, &now.egress_burst, over->egress, over->egress_burst);
        return now;
}

static uint64_t at_least(uint64_t least, uint64_t value) {
        return value < least ? least : value;
}

static uint32_t at_most_u32(uint64_t value) {
        return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* The burst makes up for timers that are late: 10 ms, and at low rates half of the largest packet that the kernel cuts
 * up later.  A plain queue holds 20 ms, but such a packet with the headers of all its pieces must fit in.  A fair queue
 * lets packets wait for 5 ms, but at low rates one packet takes longer than that. */
struct shape_numbers shape_numbers(uint64_t rate, uint64_t burst) {
        enum { FRAME = 1514, BURST_MIN = 4096, BURST_FIT = 32768, QUEUE_MIN = 73728, TARGET = 5000 };
        struct shape_numbers n = { .rate = rate / 8 };
        n.burst = burst ? at_least(BURST_MIN, burst / 8) : at_least(BURST_FIT, n.rate / 100);
        /* Both bounds keep this below 64 bits: a burst is at most 2^61 bytes, a rate at least 1000. */
        n.buffer = at_most_u32((uint64_t)((unsigned __int128)n.burst * 1000000000 / n.rate / 64));
        n.queue = at_most_u32(at_least(QUEUE_MIN, n.rate / 50));
        n.target = at_most_u32(at_least(TARGET, (uint64_t)FRAME * 3 / 2 * 1000000 / n.rate));
        return n;
}

const char *shape_device(const char *link) {
        char *name = arena_strdup(link);
        name[1] = 'i';
        return name;
}

const char *shape_link(const char *device) {
        char *name = arena_strdup(device);
        name[1] = 'l';
        return name;
}

/* --- messages ------------------------------------------------------------------------------------------------------
 */
enum { ROOT = 0x10000, CLASS = ROOT | 1, LEAF = 0x20000, PRIORITY = 114 };

/* Messages with the words for a refusal: what it was about, the module it needs (or which two), and errors that are as
 * good as success. */
struct shaping {
        struct nl_batch batch;
        struct piece {
                const char *what, *module;
                int fine[2];
                const char *second;
        } pieces[NL_BATCH_MESSAGES];
};

static void begin(struct shaping *s, uint16_t type, uint16_t flags, struct tcmsg header, struct piece piece) {
        if (s->batch.count < NL_BATCH_MESSAGES)
                s->pieces[s->batch.count] = piece;
        nl_begin(&s->batch, type, flags, &header, sizeof(header));
}

static void put_limit(struct shaping *s, int link, const struct shape_numbers *n) {
        const struct piece queue = { "queue", "sch_htb", { EEXIST } }, class = { "rate", "sch_htb", { 0 } };
        const struct tc_htb_glob global = { .version = 3, .rate2quantum = 10, .defcls = TC_H_MIN(CLASS) };
        const struct tc_ratespec rate = { .rate = at_most_u32(n->rate), .linklayer = TC_LINKLAYER_ETHERNET };
        const struct tc_htb_opt parameters = {
                .rate = rate,
                .ceil = rate,
                .buffer = n->buffer,
                .cbuffer = n->buffer,
                .quantum = 65536,
        };
        begin(s, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL,
              (struct tcmsg){ .tcm_ifindex = link, .tcm_parent = TC_H_ROOT, .tcm_handle = ROOT }, queue);
        nl_put_text(&s->batch, TCA_KIND, "htb");
        size_t options = nl_nest(&s->batch, TCA_OPTIONS);
        nl_put(&s->batch, TCA_HTB_INIT, &global, sizeof(global));
        nl_nest_end(&s->batch, options);
        begin(s, RTM_NEWTCLASS, NLM_F_CREATE,
              (struct tcmsg){ .tcm_ifindex = link, .tcm_parent = ROOT, .tcm_handle = CLASS }, class);
        nl_put_text(&s->batch, TCA_KIND, "htb");
        options = nl_nest(&s->batch, TCA_OPTIONS);
        nl_put(&s->batch, TCA_HTB_PARMS, &parameters, sizeof(parameters));
        nl_put(&s->batch, TCA_HTB_RATE64, &n->rate, sizeof(n->rate));
        nl_put(&s->batch, TCA_HTB_CEIL64, &n->rate, sizeof(n->rate));
        nl_nest_end(&s->batch, options);
}

/* The queue behind the rate: a fair one, or where the kernel has none a short one. */
static void put_leaf(struct shaping *s, int link, const struct shape_numbers *n, bool is_fair) {
        const struct piece piece = { "queue", is_fair ? "sch_fq_codel" : "sch_bfifo", { 0 } };
        const struct tc_fifo_qopt fifo = { .limit = n->queue };
        begin(s, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE,
              (struct tcmsg){ .tcm_ifindex = link, .tcm_parent = CLASS, .tcm_handle = LEAF }, piece);
        nl_put_text(&s->batch, TCA_KIND, is_fair ? "fq_codel" : "bfifo");
        if (!is_fair) {
                nl_put(&s->batch, TCA_OPTIONS, &fifo, sizeof(fifo));
                return;
        }
        size_t options = nl_nest(&s->batch, TCA_OPTIONS);
        nl_put_u32(&s->batch, TCA_FQ_CODEL_TARGET, n->target);
        nl_put_u32(&s->batch, TCA_FQ_CODEL_INTERVAL, at_most_u32((uint64_t)n->target * 20));
        nl_nest_end(&s->batch, options);
}

static void put_no_limit(struct shaping *s, int link) {
        begin(s, RTM_DELQDISC, 0, (struct tcmsg){ .tcm_ifindex = link, .tcm_parent = TC_H_ROOT, .tcm_handle = ROOT },
              (struct piece){ "queue", NULL, { ENOENT, EINVAL } });
}

static struct tcmsg filter_of(int link) {
        return (struct tcmsg){
                .tcm_ifindex = link,
                .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                .tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL)),
        };
}

/* All filters of our priority: those of others stay. */
static void put_no_redirect(struct shaping *s, int link) {
        begin(s, RTM_DELTFILTER, 0, filter_of(link), (struct piece){ "redirection", NULL, { ENOENT, EINVAL } });
}

/* Every packet that comes from the container goes out of the device, and from there on as if it had come just now.
 * u32, because every kernel that has a classifier has this one. */
static void put_redirect(struct shaping *s, int link, int device) {
        const struct piece clsact = { "redirection", "sch_ingress", { EEXIST } };
        const struct piece redirect = { "redirection", "cls_u32", .second = "act_mirred" };
        const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
                                          .eaction = TCA_EGRESS_REDIR,
                                          .ifindex = (uint32_t)device };
        /* One key behind it, which is all zero: everything matches. */
        const struct tc_u32_sel match = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
        char bytes[sizeof(match) + sizeof(struct tc_u32_key)] = { 0 };
        memcpy(bytes, &match, sizeof(match));
        begin(s, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL,
              (struct tcmsg){ .tcm_ifindex = link, .tcm_parent = TC_H_CLSACT, .tcm_handle = TC_H_CLSACT & ~0xFFFFU },
              clsact);
        nl_put_text(&s->batch, TCA_KIND, "clsact");
        put_no_redirect(s, link);
        begin(s, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, filter_of(link), redirect);
        nl_put_text(&s->batch, TCA_KIND, "u32");
        size_t options = nl_nest(&s->batch, TCA_OPTIONS);
        nl_put(&s->batch, TCA_U32_SEL, bytes, sizeof(bytes));
        size_t actions = nl_nest(&s->batch, TCA_U32_ACT), action = nl_nest(&s->batch, 1);
        nl_put_text(&s->batch, TCA_ACT_KIND, "mirred");
        size_t parameters = nl_nest(&s->batch, TCA_ACT_OPTIONS);
        nl_put(&s->batch, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
        nl_nest_end(&s->batch, parameters);
        nl_nest_end(&s->batch, action);
        nl_nest_end(&s->batch, actions);
        nl_nest_end(&s->batch, options);
}

static bool is_fine(const struct piece *piece, int error) {
        return error == 0 || error == piece->fine[0] || error == piece->fine[1];
}

/* A kernel without a part of it has these two ways to say so. */
static int refused(const struct piece *piece, const struct nl_answer *answer) {
        const char *second = piece->second ? piece->second : "";
        if (piece->module && (answer->error == ENOENT || answer->error == EOPNOTSUPP))
                return fail_hint(fail_words(ENOTSUP, "%s: kernel without %s%s%s%s%s%s", piece->what, piece->module,
                                            *second ? " or " : "", second, answer->words ? " (" : "",
                                            answer->words ? answer->words : "", answer->words ? ")" : ""),
                                 "modprobe %s%s%s%s says more", *second ? "-a " : "", piece->module, *second ? " " : "",
                                 second);
        if (answer->words)
                return fail_words(answer->error, "%s: %s (%s)", piece->what, strerror(answer->error), answer->words);
        return fail(answer->error, "%s", piece->what);
}

static int send_all(struct nl *nl, const struct shaping *s, struct nl_reply *ret) {
        int r = s->batch.count ? nl_run(nl, &s->batch, ret) : 0;
        for (size_t i = 0; r == 0 && i < s->batch.count; i++)
                if (!is_fine(&s->pieces[i], ret->answers[i].error))
                        r = refused(&s->pieces[i], &ret->answers[i]);
        return r;
}

/* --- the device ----------------------------------------------------------------------------------------------------
 */
enum { DEVICE_ABSENT = 1 };

static int find_device(struct nl *nl, const char *link, const char *alias, struct link_info *ret) {
        const char *name = shape_device(link);
        int r = link_get(nl, name, ret);
        if (r == -ENODEV)
                return DEVICE_ABSENT;
        if (r == 0 && !(ret->kind && str_eq(ret->kind, "ifb") && ret->alias && str_eq(ret->alias, alias)))
                return fail_words(EEXIST, "link %s exists and carries no tag of ours", name);
        return r;
}

/* Made and tagged in one send, so that no signal can leave one without a tag: nobody had the name. */
static int make_device(struct nl *nl, const char *link, const char *alias, struct link_info *ret) {
        const struct ifinfomsg none = { 0 }, up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
        const char *name = shape_device(link);
        struct shaping s = { .pieces = { { "device", "ifb", { 0 } }, { "device", NULL, { 0 } } } };
        struct nl_reply reply;
        nl_begin(&s.batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none, sizeof(none));
        nl_put_text(&s.batch, IFLA_IFNAME, name);
        size_t info = nl_nest(&s.batch, IFLA_LINKINFO);
        nl_put_text(&s.batch, IFLA_INFO_KIND, "ifb");
        nl_nest_end(&s.batch, info);
        nl_begin(&s.batch, RTM_NEWLINK, 0, &up, sizeof(up));
        nl_put_text(&s.batch, IFLA_IFNAME, name);
        nl_put(&s.batch, IFLA_IFALIAS, alias, strlen(alias));
        int r = send_all(nl, &s, &reply);
        return r < 0 ? r : link_get(nl, name, ret);
}

static int delete_device(struct nl *nl, int index) {
        struct shaping s = { .pieces = { { "device", NULL, { ENODEV } } } };
        struct nl_reply reply;
        link_put_delete(&s.batch, index);
        return send_all(nl, &s, &reply);
}

int shape_remove(struct nl *nl, const char *link, const char *alias) {
        struct link_info device;
        int r = find_device(nl, link, alias, &device);
        if (r == -EEXIST) {
                err_clear();
                return 0;
        }
        if (r == 0)
                r = delete_device(nl, device.index);
        return r < 0 ? fail_in(r, "remove %s", shape_device(link)) : 0;
}

/* --- all of it -----------------------------------------------------------------------------------------------------
 */
/* The rate, then the queue behind it: the kernel is asked for a fair one first. */
static int limit(struct nl *nl, int link, uint64_t rate, uint64_t burst) {
        const struct shape_numbers n = shape_numbers(rate, burst);
        struct shaping s = { 0 };
        struct nl_reply reply;
        put_limit(&s, link, &n);
        put_leaf(&s, link, &n, true);
        s.pieces[s.batch.count - 1].fine[0] = ENOENT; /* there is none, and when another one stands there: */
        s.pieces[s.batch.count - 1].fine[1] = EINVAL;
        int r = send_all(nl, &s, &reply);
        if (r < 0 || reply.answers[s.batch.count - 1].error == 0)
                return r;
        s = (struct shaping){ 0 };
        put_leaf(&s, link, &n, false);
        return send_all(nl, &s, &reply);
}

static int put_ingress(struct nl *nl, const struct net_bandwidth *before, const struct net_policy *policy, int link) {
        struct shaping s = { 0 };
        struct nl_reply reply;
        if (policy->bandwidth.ingress.v)
                return limit(nl, link, policy->bandwidth.ingress.v, policy->bandwidth.ingress_burst.v);
        if (before->ingress.v)
                put_no_limit(&s, link);
        return send_all(nl, &s, &reply);
}

/* The redirection comes last: until then packets go the old way.  It lives as long as its device. */
static int put_egress(struct nl *nl, const struct net_bandwidth *before, const struct net_policy *policy, int link) {
        const struct net_bandwidth *now = &policy->bandwidth;
        const char *alias = tag_alias(policy->id, policy->interface);
        struct shaping s = { 0 };
        struct nl_reply reply;
        struct link_info device;
        if (!now->egress.v && !before->egress.v)
                return 0;
        int found = find_device(nl, policy->link, alias, &device);
        if (found == -EEXIST && !now->egress.v) {
                err_clear(); /* it was not ours to limit with */
                found = DEVICE_ABSENT;
        }
        int r = found < 0 ? found : 0;
        if (r == 0 && !now->egress.v) {
                put_no_redirect(&s, link);
                r = send_all(nl, &s, &reply);
                return r < 0 || found == DEVICE_ABSENT ? r : delete_device(nl, device.index);
        }
        if (r == 0 && found == DEVICE_ABSENT)
                r = make_device(nl, policy->link, alias, &device);
        if (r == 0)
                r = limit(nl, device.index, now->egress.v, now->egress_burst.v);
        if (r == 0 && (found == DEVICE_ABSENT || !before->egress.v)) {
                put_redirect(&s, link, device.index);
                r = send_all(nl, &s, &reply);
        }
        return r;
}

int shape_put(struct nl *nl, const struct net_bandwidth *before, const struct net_policy *policy) {
        const struct net_bandwidth *now = &policy->bandwidth;
        struct link_info link;
        if (!shape_words(before) && !shape_words(now))
                return 0;
        int r = link_get(nl, policy->link, &link);
        if (r == -ENODEV)
                return fail(ENODEV, "limit bandwidth of %s", policy->link);
        if (r == 0)
                r = put_ingress(nl, before, policy, link.index);
        if (r < 0)
                return fail_in(r, "limit bandwidth into %s", policy->interface);
        r = put_egress(nl, before, policy, link.index);
        return r < 0 ? fail_in(r, "limit bandwidth out of %s", policy->interface) : 0;
}

/* --- what is there -------------------------------------------------------------------------------------------------
 */
static uint64_t rate_of(const struct nlmsghdr *message) {
        const struct nlattr *options = nl_find(message, sizeof(struct tcmsg), TCA_OPTIONS);
        const struct tc_htb_opt *parameters = nl_bytes(nl_find_in(options, TCA_HTB_PARMS), sizeof(*parameters));
        const void *large = nl_bytes(nl_find_in(options, TCA_HTB_RATE64), sizeof(uint64_t));
        uint64_t rate = parameters ? parameters->rate.rate : 0;
        if (large)
                memcpy(&rate, large, sizeof(rate));
        return rate;
}

/* The rate of our class, 0 when there is none. */
static int look_at_rate(struct nl *nl, int link, uint64_t *ret) {
        const struct tcmsg header = { .tcm_ifindex = link, .tcm_parent = ROOT };
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        nl_begin(&batch, RTM_GETTCLASS, NLM_F_DUMP, &header, sizeof(header));
        int r = nl_run(nl, &batch, &reply);
        *ret = 0;
        for (size_t i = 0; r == 0 && i < reply.n; i++) {
                const struct tcmsg *class = nl_header(reply.messages[i], sizeof(*class));
                if (class && class->tcm_handle == CLASS)
                        *ret = rate_of(reply.messages[i]);
        }
        return r;
}

static int look_at_redirect(struct nl *nl, int link, bool *ret) {
        const struct tcmsg header = { .tcm_ifindex = link, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) };
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        nl_begin(&batch, RTM_GETTFILTER, NLM_F_DUMP, &header, sizeof(header));
        int r = nl_run(nl, &batch, &reply);
        *ret = false;
        for (size_t i = 0; r == 0 && i < reply.n; i++) {
                const struct tcmsg *filter = nl_header(reply.messages[i], sizeof(*filter));
                *ret |= filter && TC_H_MAJ(filter->tcm_info) == PRIORITY << 16;
        }
        return r;
}

static int check_rate(struct nl *nl, int link, uint64_t wanted, const char *way) {
        uint64_t rate = 0;
        int r = look_at_rate(nl, link, &rate);
        if (r < 0 || rate == (wanted ? shape_numbers(wanted, 0).rate : 0))
                return r;
        return fail_words(ENODEV, "bandwidth: %s %s, not %s", shape_rate_words(rate * 8), way,
                          shape_rate_words(wanted));
}

int shape_look(struct nl *nl, const struct net_policy *policy) {
        const char *alias = tag_alias(policy->id, policy->interface);
        struct link_info link, device;
        bool is_redirected = false;
        int r = link_get(nl, policy->link, &link);
        if (r < 0)
                return r == -ENODEV ? fail(ENODEV, "find %s", policy->link) : r;
        if ((r = check_rate(nl, link.index, policy->bandwidth.ingress.v, "in")) < 0 ||
            (r = look_at_redirect(nl, link.index, &is_redirected)) < 0 ||
            (r = find_device(nl, policy->link, alias, &device)) < 0)
                return r;
        if (!policy->bandwidth.egress.v)
                return 0;
        if (r == DEVICE_ABSENT || !is_redirected)
                return fail_words(ENODEV, "bandwidth: none out, not %s", shape_rate_words(policy->bandwidth.egress.v));
        return check_rate(nl, device.index, policy->bandwidth.egress.v, "out");
}
