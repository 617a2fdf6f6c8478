#include "netsetup/inet.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

void route_put_default(struct nl_batch *batch, int link, const struct net_address *gateway) {
        struct rtmsg header = {
                .rtm_family = (uint8_t)gateway->family,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = RTPROT_STATIC,
                .rtm_scope = RT_SCOPE_UNIVERSE,
                .rtm_type = RTN_UNICAST,
        };
        nl_begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
        nl_put(batch, RTA_GATEWAY, gateway->bytes, gateway->family == AF_INET6 ? 16 : 4);
        nl_put_u32(batch, RTA_OIF, (uint32_t)link);
}
