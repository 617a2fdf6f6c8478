/* linux.resources.blockIO -> io.* files.  Parent side; pure. */
#include "runtime/plan/resources.h"

#include "specs/base/err.h"

#include <errno.h>

#define PLACE "linux.resources.blockIO."

/* BFQ counts 1..1000 like cgroup v1 does, io.weight 1..10000 with the same default of 100 at another place of the
 * range: 10..1000 is spread over 1..10000. */
static unsigned io_weight(unsigned weight) {
        return weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

static void add_weight(struct build *b, const char *place, const char *device, unsigned weight) {
        resource_write(b, &(struct cgroup_write){
                                  .controller = "io",
                                  .file = "io.bfq.weight",
                                  .value = str_format("%s%u", device, weight),
                                  .or_file = "io.weight",
                                  .or_value = str_format("%s%u", *device ? device : "default ", io_weight(weight)),
                                  .place = place });
}

struct throttle {
        const char *field, *key;
        const struct oci_throttle_device *at;
        size_t n;
};

int resource_block_io(struct build *b, const struct oci_block_io *io) {
        if (!io)
                return 0;
        if (io->leaf_weight.set && io->leaf_weight.v)
                return fail_words(ENOTSUP, PLACE "leafWeight: cgroup v2 has no such limit");
        if (io->weight.set && io->weight.v)
                add_weight(b, PLACE "weight", "", io->weight.v);
        for (size_t i = 0; i < io->weight_device.n; i++) {
                const struct oci_weight_device *d = &io->weight_device.at[i];
                const char *place = str_format(PLACE "weightDevice[%zu]", i);
                if (d->leaf_weight.set && d->leaf_weight.v)
                        return fail_words(ENOTSUP, "%s.leafWeight: cgroup v2 has no such limit", place);
                if (d->weight.set && d->weight.v)
                        add_weight(b, place, str_format("%lld:%lld ", (long long)d->major, (long long)d->minor),
                                   d->weight.v);
        }
        const struct throttle throttles[] = {
                { "throttleReadBpsDevice", "rbps", io->throttle_read_bps.at, io->throttle_read_bps.n },
                { "throttleWriteBpsDevice", "wbps", io->throttle_write_bps.at, io->throttle_write_bps.n },
                { "throttleReadIOPSDevice", "riops", io->throttle_read_iops.at, io->throttle_read_iops.n },
                { "throttleWriteIOPSDevice", "wiops", io->throttle_write_iops.at, io->throttle_write_iops.n },
        };
        for (size_t t = 0; t < sizeof(throttles) / sizeof(throttles[0]); t++)
                for (size_t i = 0; i < throttles[t].n; i++) {
                        const struct oci_throttle_device *d = &throttles[t].at[i];
                        const char *rate = d->rate ? str_format("%llu", (unsigned long long)d->rate) : "max";
                        resource_write(b, &(struct cgroup_write){
                                                  .controller = "io",
                                                  .file = "io.max",
                                                  .value = str_format("%lld:%lld %s=%s", (long long)d->major,
                                                                      (long long)d->minor, throttles[t].key, rate),
                                                  .place = str_format(PLACE "%s[%zu]", throttles[t].field, i) });
                }
        return 0;
}
