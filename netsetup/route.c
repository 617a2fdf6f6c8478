#include "netsetup/inet.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static size_t bytes_of(int family) {
        return family == AF_INET6 ? 16 : 4;
}

/* A route of that family; destination and gateway may be NULL. */
static void put(struct nl_batch *batch, int link, int family, const struct net_address *destination,
                const struct net_address *gateway) {
        struct rtmsg header = {
                .rtm_family = (uint8_t)family,
                .rtm_dst_len = destination ? destination->prefix : 0,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = RTPROT_STATIC,
                .rtm_scope = gateway || family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                .rtm_type = RTN_UNICAST,
        };
        nl_begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
        if (gateway)
                nl_put(batch, RTA_GATEWAY, gateway->bytes, bytes_of(family));
        nl_put_u32(batch, RTA_OIF, (uint32_t)link);
        if (destination && destination->prefix)
                nl_put(batch, RTA_DST, destination->bytes, bytes_of(family));
}

void route_put_default(struct nl_batch *batch, int link, const struct net_address *gateway) {
        put(batch, link, gateway->family, NULL, gateway);
}

void route_put(struct nl_batch *batch, int link, const struct net_address *destination,
               const struct net_address *gateway) {
        put(batch, link, gateway->family, destination, gateway);
}

void route_put_link(struct nl_batch *batch, int link, int family, const struct net_address *destination) {
        put(batch, link, family, destination, NULL);
}

void route_put_delete(struct nl_batch *batch, int link, const struct net_address *destination) {
        const struct rtmsg header = {
                .rtm_family = (uint8_t)destination->family,
                .rtm_dst_len = destination->prefix,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_scope = RT_SCOPE_NOWHERE,
        };
        nl_begin(batch, RTM_DELROUTE, 0, &header, sizeof(header));
        nl_put_u32(batch, RTA_OIF, (uint32_t)link);
        nl_put(batch, RTA_DST, destination->bytes, bytes_of(destination->family));
}

void route_put_dump(struct nl_batch *batch, int family) {
        struct rtmsg header = { .rtm_family = (uint8_t)family, .rtm_table = RT_TABLE_MAIN };
        nl_begin(batch, RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));
        nl_put_u32(batch, RTA_TABLE, RT_TABLE_MAIN);
}

void route_put_get(struct nl_batch *batch, const struct net_address *host) {
        struct rtmsg header = {
                .rtm_family = (uint8_t)host->family,
                .rtm_dst_len = (uint8_t)(8 * bytes_of(host->family)),
        };
        nl_begin(batch, RTM_GETROUTE, 0, &header, sizeof(header));
        nl_put(batch, RTA_DST, host->bytes, bytes_of(host->family));
}

bool route_read(const struct nlmsghdr *message, struct net_found_route *ret) {
        const struct rtmsg *header = nl_header(message, sizeof(*header));
        if (message->nlmsg_type != RTM_NEWROUTE || !header ||
            (header->rtm_family != AF_INET && header->rtm_family != AF_INET6))
                return false;
        struct net_found_route route = {
                .destination = { .family = header->rtm_family, .prefix = header->rtm_dst_len },
                .link = nl_u32(nl_find(message, sizeof(*header), RTA_OIF), 0),
                .is_unicast = header->rtm_type == RTN_UNICAST,
        };
        size_t size = bytes_of(header->rtm_family);
        const void *bytes = nl_bytes(nl_find(message, sizeof(*header), RTA_DST), size);
        if (bytes)
                memcpy(route.destination.bytes, bytes, size);
        if (header->rtm_dst_len > 8 * size || (header->rtm_dst_len && !bytes))
                return false;
        *ret = route;
        return true;
}
