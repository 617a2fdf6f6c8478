#include "runtime/host/netdev.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#ifndef IFLA_NEW_IFINDEX
#define IFLA_NEW_IFINDEX 49
#endif
#ifndef IFA_PROTO
#define IFA_PROTO 11
#endif
#define INDEX_TRIES 4096 /* indexes that may be taken before one is free */

struct device {
        uint32_t index;
        const char *name;
        bool is_up;
};

/* -- questions -- */

/* The device of that name, or of that index when name is NULL.  -ENODEV, like every refusal, without words. */
static int find_device(struct rtnl *rtnl, const char *name, uint32_t index, struct device *ret) {
        const struct ifinfomsg header = { .ifi_index = (int)index };
        struct rtnl_request request;
        struct rtnl_answer answer;
        rtnl_begin(&request, RTM_GETLINK, 0, &header, sizeof(header));
        if (name)
                rtnl_put_text(&request, IFLA_IFNAME, name);
        rtnl_put_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        int r = rtnl_ask(rtnl, &request, &answer);
        if (r < 0)
                return r;
        for (size_t i = 0; i < answer.n; i++) {
                const struct ifinfomsg *info = rtnl_header(answer.messages[i], sizeof(*info));
                const char *found = rtnl_text(rtnl_find(answer.messages[i], sizeof(*info), IFLA_IFNAME));
                if (answer.messages[i]->nlmsg_type != RTM_NEWLINK || !info || !found || info->ifi_index <= 0)
                        continue;
                *ret = (struct device){ (uint32_t)info->ifi_index, found, (info->ifi_flags & IFF_UP) != 0 };
                return 0;
        }
        return -EPROTO;
}

static uint32_t address_flags(const struct nlmsghdr *message) {
        const struct ifaddrmsg *address = rtnl_header(message, sizeof(*address));
        return rtnl_u32(rtnl_find(message, sizeof(*address), IFA_FLAGS), address->ifa_flags);
}

/* What config-linux.md wants kept: permanent, of global scope, of any family. */
static bool is_kept(const struct nlmsghdr *message, uint32_t index) {
        const struct ifaddrmsg *address = rtnl_header(message, sizeof(*address));
        return message->nlmsg_type == RTM_NEWADDR && address && address->ifa_index == index &&
               address->ifa_scope == RT_SCOPE_UNIVERSE && (address_flags(message) & IFA_F_PERMANENT);
}

static int find_addresses(struct rtnl *rtnl, struct netdev_moved *device) {
        const struct ifaddrmsg header = { .ifa_family = AF_UNSPEC };
        struct rtnl_request request;
        struct rtnl_answer answer;
        rtnl_begin(&request, RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
        int r = rtnl_ask(rtnl, &request, &answer);
        if (r < 0)
                return r;
        device->addresses.at = arena_array(answer.n, sizeof(*device->addresses.at));
        for (size_t i = 0; i < answer.n; i++)
                if (is_kept(answer.messages[i], device->home_index))
                        device->addresses.at[device->addresses.n++].message = answer.messages[i];
        return 0;
}

/* An index that nobody has there, by preference its own: a name may be the kernel's choice, the index is ours. */
static int find_index(struct rtnl *rtnl, uint32_t own, uint32_t *ret) {
        struct device other;
        for (uint32_t index = own; index < own + INDEX_TRIES && index <= INT32_MAX; index++) {
                int r = find_device(rtnl, NULL, index, &other);
                if (r == -ENODEV)
                        *ret = index;
                if (r < 0)
                        return r == -ENODEV ? 0 : r;
        }
        return -ENOSPC;
}

/* -- requests -- */

/* Namespace, name and index in one request.  The kernel gives up a name of its own accord only when it is a template.
 */
static int send_away(struct rtnl *from, int to, uint32_t index, uint32_t new_index, const char *name) {
        const struct ifinfomsg header = { .ifi_index = (int)index };
        struct rtnl_request request;
        struct rtnl_answer answer;
        rtnl_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
        rtnl_put_u32(&request, IFLA_NET_NS_FD, (uint32_t)to);
        rtnl_put_u32(&request, IFLA_NEW_IFINDEX, new_index);
        rtnl_put_text(&request, IFLA_IFNAME, name);
        return rtnl_ask(from, &request, &answer);
}

static int set_up(struct rtnl *rtnl, uint32_t index) {
        const struct ifinfomsg header = { .ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
        struct rtnl_request request;
        struct rtnl_answer answer;
        rtnl_begin(&request, RTM_NEWLINK, 0, &header, sizeof(header));
        return rtnl_ask(rtnl, &request, &answer);
}

/* A label is the name of the device, perhaps with more behind a colon. */
static void put_label(struct rtnl_request *request, const char *label, const char *old, const char *name) {
        size_t size = strlen(old);
        const char *rest = label && str_starts(label, old) ? label + size : NULL;
        if (rest && (*rest == '\0' || *rest == ':') && strlen(name) + strlen(rest) < IFNAMSIZ)
                rtnl_put_text(request, IFA_LABEL, str_format("%s%s", name, rest));
        else if (label && !rest)
                rtnl_put_text(request, IFA_LABEL, label);
}

/* An address that was found to be unique on its link need not wait there a second time. */
static uint32_t flags_to_set(const struct nlmsghdr *message, unsigned char family) {
        const uint32_t given = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE |
                               IFA_F_MCAUTOJOIN | IFA_F_OPTIMISTIC;
        uint32_t flags = address_flags(message);
        bool is_unique = family == AF_INET6 && !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
        return (flags & given) | (is_unique ? IFA_F_NODAD : 0);
}

static int add_address(struct rtnl *rtnl, const struct nlmsghdr *message, uint32_t index, const char *old,
                       const char *name) {
        static const uint16_t kept[] = { IFA_LOCAL,     IFA_ADDRESS,     IFA_BROADCAST,
                                         IFA_CACHEINFO, IFA_RT_PRIORITY, IFA_PROTO };
        const struct ifaddrmsg *address = rtnl_header(message, sizeof(*address));
        struct ifaddrmsg header = { .ifa_family = address->ifa_family,
                                    .ifa_prefixlen = address->ifa_prefixlen,
                                    .ifa_scope = address->ifa_scope,
                                    .ifa_index = index };
        struct rtnl_request request;
        struct rtnl_answer answer;
        rtnl_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
                const struct nlattr *attribute = rtnl_find(message, sizeof(*address), kept[i]);
                if (attribute)
                        rtnl_put(&request, kept[i], rtnl_data(attribute), rtnl_size(attribute));
        }
        rtnl_put_u32(&request, IFA_FLAGS, flags_to_set(message, address->ifa_family));
        put_label(&request, rtnl_text(rtnl_find(message, sizeof(*address), IFA_LABEL)), old, name);
        return rtnl_ask(rtnl, &request, &answer);
}

static int add_addresses(struct rtnl *rtnl, const struct netdev_moved *device, uint32_t index, const char *name) {
        int r = 0;
        for (size_t i = 0; i < device->addresses.n && r == 0; i++)
                r = add_address(rtnl, device->addresses.at[i].message, index, device->name, name);
        return r;
}

/* -- there -- */

static int fail_device(const struct rtnl *rtnl, const char *place, int r, const char *what) {
        if (rtnl->words)
                return fail_words(r, "%s: %s: %s (%s)", place, what, strerror(-r), rtnl->words);
        return fail(r, "%s: %s", place, what);
}

/* Namespace and index are one step for the kernel and the name is the next: a refusal may come in between. */
static int move(struct netdevs *devices, struct netdev_moved *device, const char *name) {
        struct device here;
        int r = send_away(&devices->at_home, devices->there, device->home_index, device->index, name);
        const char *words = devices->at_home.words;
        device->is_away = r == 0 || find_device(&devices->at_home, NULL, device->home_index, &here) == -ENODEV;
        if (r == 0)
                return 0;
        devices->at_home.words = words;
        if (r == -EINVAL && !words)
                return fail_words(EINVAL, "%s: the kernel lets no such device leave its network namespace",
                                  device->place);
        return fail_device(&devices->at_home, device->place, r, "move it into the container's network namespace");
}

static int settle(struct netdevs *devices, const struct netdev_moved *device) {
        struct rtnl *there = &devices->at_there;
        struct device arrived;
        int r = find_device(there, NULL, device->index, &arrived);
        if (r < 0)
                return fail_device(there, device->place, r, "find it in the container's network namespace");
        r = add_addresses(there, device, device->index, arrived.name);
        if (r < 0)
                return fail_device(there, device->place, r, "give it its addresses in the container");
        r = set_up(there, device->index);
        return r < 0 ? fail_device(there, device->place, r, "set it up in the container") : 0;
}

/* What the spec asks to be looked at before anything is changed. */
static int check_name(struct netdevs *devices, const struct plan_net_device *wanted, const char *name) {
        struct device other;
        if (strchr(name, '%'))
                return 0;
        int r = find_device(&devices->at_there, name, 0, &other);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return fail_device(&devices->at_there, wanted->place, r, "look for its name in the container");
        return fail_words(EEXIST, "%s: the container's network namespace has a device of the name %s already",
                          wanted->place, name);
}

static int move_one(struct netdevs *devices, const struct plan_net_device *wanted, struct netdev_moved *device) {
        struct device found;
        int r = find_device(&devices->at_home, wanted->name, 0, &found);
        if (r == -ENODEV)
                return fail_words(ENODEV, "%s: there is no such network device", wanted->place);
        if (r < 0)
                return fail_device(&devices->at_home, wanted->place, r, "find it");
        const char *name = wanted->as ? wanted->as : found.name;
        *device = (struct netdev_moved){
                .place = wanted->place, .name = found.name, .home_index = found.index, .was_up = found.is_up
        };
        r = check_name(devices, wanted, name);
        if (r < 0)
                return r;
        r = find_addresses(&devices->at_home, device);
        if (r < 0)
                return fail_device(&devices->at_home, wanted->place, r, "read its addresses");
        r = find_index(&devices->at_there, found.index, &device->index);
        if (r < 0)
                return fail_device(&devices->at_there, wanted->place, r, "find a free index in the container");
        devices->moved.n++;
        r = move(devices, device, name);
        return r < 0 ? r : settle(devices, device);
}

/* -- the two namespaces -- */

static int open_there(struct netdevs *devices, pid_t pid) {
        const char *path = str_format("/proc/%d/ns/net", (int)pid);
        struct stat home, there;
        devices->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (devices->home < 0)
                return fail(errno, "open /proc/self/ns/net");
        devices->there = open(path, O_RDONLY | O_CLOEXEC);
        if (devices->there < 0)
                return fail(errno, "open %s", path);
        if (fstat(devices->home, &home) < 0 || fstat(devices->there, &there) < 0)
                return fail(errno, "look at %s", path);
        if (home.st_dev == there.st_dev && home.st_ino == there.st_ino)
                return fail_words(EINVAL, "the container's network namespace is that of the host");
        int r = rtnl_open(&devices->at_home);
        if (r < 0)
                return r;
        if (setns(devices->there, CLONE_NEWNET) < 0)
                return fail(errno, "enter the container's network namespace");
        r = rtnl_open(&devices->at_there);
        return setns(devices->home, CLONE_NEWNET) < 0 ? fail(errno, "go back to our network namespace") : r;
}

int netdevs_move(const struct plan *plan, pid_t pid, struct netdevs *ret) {
        if (!plan->net_devices.n)
                return 0;
        int r = open_there(ret, pid);
        if (r < 0)
                return fail_in(r, "linux.netDevices");
        ret->moved.at = arena_array(plan->net_devices.n, sizeof(*ret->moved.at));
        for (size_t i = 0; i < plan->net_devices.n && r == 0; i++)
                r = move_one(ret, &plan->net_devices.at[i], &ret->moved.at[ret->moved.n]);
        return r;
}

/* -- back -- */

static int bring_back(struct netdevs *devices, const struct netdev_moved *device) {
        struct rtnl *home = &devices->at_home;
        int r = send_away(&devices->at_there, devices->home, device->index, device->home_index, device->name);
        if (r < 0)
                return fail_device(&devices->at_there, device->place, r, "move it back");
        r = add_addresses(home, device, device->home_index, device->name);
        if (r == 0 && device->was_up)
                r = set_up(home, device->home_index);
        return r < 0 ? fail_device(home, device->place, r, "give it back what it had") : 0;
}

void netdevs_back(struct netdevs *devices) {
        while (devices->moved.n > 0) {
                const struct netdev_moved *device = &devices->moved.at[--devices->moved.n];
                if (device->is_away && bring_back(devices, device) < 0)
                        log_warning("%s", err_message());
        }
        err_clear();
}

void netdevs_release(struct netdevs *devices) {
        rtnl_close(&devices->at_home);
        rtnl_close(&devices->at_there);
        devices->home = fd_close(devices->home);
        devices->there = fd_close(devices->there);
}
