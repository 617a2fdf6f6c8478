#include "netsetup/bandwidth.h"
#include "netsetup/living.h"
#include "netsetup/shape.h"

#include "specs/base/err.h"
#include "specs/base/log.h"

#define autoliving __attribute__((cleanup(living_close))) struct living

/* Until the kernel has taken a device away, the record says that there is one. */
static int put(struct living *living, const struct net_bandwidth *now) {
        const struct net_bandwidth before = living->record.policy.bandwidth;
        struct net_bandwidth *recorded = &living->record.policy.bandwidth;
        struct err_saved saved;
        if (now->egress.v || !before.egress.v) {
                *recorded = *now;
                int r = record_write(living->attached, &living->record);
                if (r < 0)
                        return r;
        }
        *recorded = *now;
        int r = shape_put(&living->host, &before, &living->record.policy);
        if (r == 0)
                return record_write(living->attached, &living->record);
        err_save(&saved);
        *recorded = before;
        int back = shape_put(&living->host, now, &living->record.policy);
        if (back < 0 || record_write(living->attached, &living->record) < 0)
                log_warning("put the old bandwidth back: %s", err_message());
        err_restore(&saved);
        return r;
}

int bandwidth_change(const struct net_request *request, FILE *dry, struct net_result *ret) {
        autoliving living = LIVING_NONE;
        int r = living_open(request, &living);
        if (r < 0)
                return r;
        const struct net_bandwidth now = shape_merge(&living.record.policy.bandwidth, &request->policy.bandwidth);
        if ((r = shape_check(&now)) < 0)
                return r;
        const char *words = shape_words(&now);
        if (dry)
                fprintf(dry, "host     limit bandwidth of %s to %s\n", living.record.policy.link,
                        words ? words : "none");
        else if ((r = put(&living, &now)) == 0)
                living_say(&living, ret);
        return r;
}
