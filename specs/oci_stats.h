/* What a container uses, as `events` prints it: the JSON of runc, which engines and scripts read, and beside its keys
 * what only cgroup v2 counts.  Every number is absent where the kernel or the machine does not count it: nothing is
 * made up.  Times are nanoseconds, sizes bytes; a limit of "max" is 18446744073709551615 as in runc. */
#ifndef SPECS_OCI_STATS_H
#define SPECS_OCI_STATS_H

#include "specs/json.h"

/* Pressure stall information: percent of the last 10, 60 and 300 s as the kernel writes it ("1.25"), and all the time
 * stalled in microseconds. */
struct oci_psi_data {
        struct json_raw avg10, avg60, avg300;
        struct opt_u64 total;
};
struct oci_psi {
        struct oci_psi_data some, full;
};

struct oci_cpu_usage {
        struct opt_u64 total, kernel, user;
};
struct oci_throttling {
        struct opt_u64 periods, throttled_periods, throttled_time;
};
struct oci_burst {
        struct opt_u64 bursts, burst_time;
};
struct oci_cpu_stats {
        struct oci_cpu_usage usage;
        struct oci_throttling throttling;
        struct oci_burst burst;
        struct oci_psi psi;
};

struct oci_memory_entry {
        struct opt_u64 limit, usage, max,
                failcnt; /* max: the highest usage there was; failcnt: how often at the limit */
};
struct oci_memory_events {
        struct opt_u64 low, high, max, oom, oom_kill, oom_group_kill;
};
struct oci_swap_events {
        struct opt_u64 high, max, fail;
};
struct oci_memory_stats {
        struct opt_u64 cache;
        struct oci_memory_entry usage;
        struct oci_memory_entry swap; /* memory and swap together, which is what runc's key means */
        struct oci_memory_entry swap_only;
        struct oci_memory_events events;
        struct oci_swap_events swap_events;
        struct json_raw raw; /* memory.stat as an object of numbers */
        struct oci_psi psi;
};

struct oci_pids_events {
        struct opt_u64 max;
};
struct oci_pids_stats {
        struct opt_u64 current, limit, peak; /* limit: absent when there is none, as in runc */
        struct oci_pids_events events;
};

struct oci_blkio_entry {
        uint64_t major, minor;
        const char *op;
        uint64_t value;
};
struct oci_io_device {
        uint64_t major, minor;
        struct opt_u64 rbytes, wbytes, rios, wios, dbytes, dios;
};
struct oci_blkio_stats {
        LIST_OF(oci_blkio_entry) bytes, operations;
        LIST_OF(oci_io_device) devices;
        bool is_counted; /* not written: there may have been no input or output yet */
        struct oci_psi psi;
};

struct oci_hugetlb_stats {
        const char *key; /* "2MB" */
        struct opt_u64 usage, failcnt;
};

struct oci_stats {
        struct oci_cpu_stats cpu;
        struct oci_memory_stats memory;
        struct oci_pids_stats pids;
        struct oci_blkio_stats blkio;
        KEYED_OF(oci_hugetlb_stats) hugetlb;
};

/* A line of `events`: type is "stats" with data, or "oom" without. */
struct oci_event {
        const char *type, *id;
        struct oci_stats *data;
};

/* An element of `stats --format json`. */
struct oci_container_stats {
        const char *id;
        struct oci_stats stats;
};

extern const struct json_type oci_stats_type, oci_event_type, oci_container_stats_type;

#endif
