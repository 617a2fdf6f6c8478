/* linux.netDevices: which devices of the host the container gets.  Parent side; pure.  Spec: config-linux.md "Network
 * Devices". */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <linux/capability.h>

/* Whose they are decides: an ordinary user has no rights over devices outside of a user namespace of their own. */
static bool may_move(const struct probe *probe) {
        return probe->is_root || (probe->capabilities >> CAP_NET_ADMIN & 1) != 0;
}

int plan_net_devices(struct build *b) {
        const struct oci_linux *linux_ = b->config->linux_;
        struct plan *plan = b->plan;
        if (!linux_ || !linux_->net_devices.n)
                return 0;
        if (!may_move(b->probe))
                return fail_words(EPERM, "linux.netDevices: only root (CAP_NET_ADMIN) can move network devices");
        size_t n = linux_->net_devices.n;
        plan->net_devices.at = arena_array(n, sizeof(*plan->net_devices.at));
        plan->net_devices.n = n;
        for (size_t i = 0; i < n; i++) {
                const struct oci_net_device *device = &linux_->net_devices.at[i];
                plan->net_devices.at[i] = (struct plan_net_device){
                        .name = device->key,
                        .as = device->name && *device->name ? device->name : NULL,
                        .place = str_format("linux.netDevices.%s", device->key),
                };
        }
        return 0;
}
