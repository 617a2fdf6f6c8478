#include "specs/oci_stats.h"

static const struct json_field oci_psi_data_fields[] = {
        FIELD(oci_psi_data, "avg10", avg10),
        FIELD(oci_psi_data, "avg60", avg60),
        FIELD(oci_psi_data, "avg300", avg300),
        FIELD(oci_psi_data, "total", total),
};
static TYPE(oci_psi_data);

static const struct json_field oci_psi_fields[] = {
        OBJECT(oci_psi, "some", some, oci_psi_data),
        OBJECT(oci_psi, "full", full, oci_psi_data),
};
static TYPE(oci_psi);

static const struct json_field oci_cpu_usage_fields[] = {
        FIELD(oci_cpu_usage, "total", total),
        FIELD(oci_cpu_usage, "kernel", kernel),
        FIELD(oci_cpu_usage, "user", user),
};
static TYPE(oci_cpu_usage);

static const struct json_field oci_throttling_fields[] = {
        FIELD(oci_throttling, "periods", periods),
        FIELD(oci_throttling, "throttledPeriods", throttled_periods),
        FIELD(oci_throttling, "throttledTime", throttled_time),
};
static TYPE(oci_throttling);

static const struct json_field oci_burst_fields[] = {
        FIELD(oci_burst, "bursts", bursts),
        FIELD(oci_burst, "burstTime", burst_time),
};
static TYPE(oci_burst);

static const struct json_field oci_cpu_stats_fields[] = {
        OBJECT(oci_cpu_stats, "usage", usage, oci_cpu_usage),
        OBJECT(oci_cpu_stats, "throttling", throttling, oci_throttling),
        OBJECT(oci_cpu_stats, "burst", burst, oci_burst),
        OBJECT(oci_cpu_stats, "psi", psi, oci_psi),
};
static TYPE(oci_cpu_stats);

static const struct json_field oci_memory_entry_fields[] = {
        FIELD(oci_memory_entry, "limit", limit),
        FIELD(oci_memory_entry, "usage", usage),
        FIELD(oci_memory_entry, "max", max),
        FIELD(oci_memory_entry, "failcnt", failcnt),
};
static TYPE(oci_memory_entry);

/* The kernel's own names. */
static const struct json_field oci_memory_events_fields[] = {
        FIELD(oci_memory_events, "low", low),           FIELD(oci_memory_events, "high", high),
        FIELD(oci_memory_events, "max", max),           FIELD(oci_memory_events, "oom", oom),
        FIELD(oci_memory_events, "oom_kill", oom_kill), FIELD(oci_memory_events, "oom_group_kill", oom_group_kill),
};
static TYPE(oci_memory_events);

static const struct json_field oci_swap_events_fields[] = {
        FIELD(oci_swap_events, "high", high),
        FIELD(oci_swap_events, "max", max),
        FIELD(oci_swap_events, "fail", fail),
};
static TYPE(oci_swap_events);

static const struct json_field oci_memory_stats_fields[] = {
        FIELD(oci_memory_stats, "cache", cache),
        OBJECT(oci_memory_stats, "usage", usage, oci_memory_entry),
        OBJECT(oci_memory_stats, "swap", swap, oci_memory_entry),
        OBJECT(oci_memory_stats, "swapOnly", swap_only, oci_memory_entry),
        OBJECT(oci_memory_stats, "events", events, oci_memory_events),
        OBJECT(oci_memory_stats, "swapEvents", swap_events, oci_swap_events),
        FIELD(oci_memory_stats, "raw", raw),
        OBJECT(oci_memory_stats, "psi", psi, oci_psi),
};
static TYPE(oci_memory_stats);

static const struct json_field oci_pids_events_fields[] = {
        FIELD(oci_pids_events, "max", max),
};
static TYPE(oci_pids_events);

static const struct json_field oci_pids_stats_fields[] = {
        FIELD(oci_pids_stats, "current", current),
        FIELD(oci_pids_stats, "limit", limit),
        FIELD(oci_pids_stats, "peak", peak),
        OBJECT(oci_pids_stats, "events", events, oci_pids_events),
};
static TYPE(oci_pids_stats);

static const struct json_field oci_blkio_entry_fields[] = {
        FIELD(oci_blkio_entry, "major", major),
        FIELD(oci_blkio_entry, "minor", minor),
        FIELD(oci_blkio_entry, "op", op),
        FIELD(oci_blkio_entry, "value", value),
};
static TYPE(oci_blkio_entry);

static const struct json_field oci_io_device_fields[] = {
        FIELD(oci_io_device, "major", major),   FIELD(oci_io_device, "minor", minor),
        FIELD(oci_io_device, "rbytes", rbytes), FIELD(oci_io_device, "wbytes", wbytes),
        FIELD(oci_io_device, "rios", rios),     FIELD(oci_io_device, "wios", wios),
        FIELD(oci_io_device, "dbytes", dbytes), FIELD(oci_io_device, "dios", dios),
};
static TYPE(oci_io_device);

static const struct json_field oci_blkio_stats_fields[] = {
        LIST(oci_blkio_stats, "ioServiceBytesRecursive", bytes, oci_blkio_entry),
        LIST(oci_blkio_stats, "ioServicedRecursive", operations, oci_blkio_entry),
        LIST(oci_blkio_stats, "devices", devices, oci_io_device),
        OBJECT(oci_blkio_stats, "psi", psi, oci_psi),
};
static TYPE(oci_blkio_stats);

static const struct json_field oci_hugetlb_stats_fields[] = {
        FIELD(oci_hugetlb_stats, "usage", usage),
        FIELD(oci_hugetlb_stats, "failcnt", failcnt),
};
static TYPE(oci_hugetlb_stats);

/* runc prints these five whatever there is to say. */
static const struct json_field oci_stats_fields[] = {
        OBJECT(oci_stats, "cpu", cpu, oci_cpu_stats, .flags = J_KEEP_EMPTY),
        OBJECT(oci_stats, "memory", memory, oci_memory_stats, .flags = J_KEEP_EMPTY),
        OBJECT(oci_stats, "pids", pids, oci_pids_stats, .flags = J_KEEP_EMPTY),
        OBJECT(oci_stats, "blkio", blkio, oci_blkio_stats, .flags = J_KEEP_EMPTY),
        KEYED(oci_stats, "hugetlb", hugetlb, oci_hugetlb_stats, .flags = J_KEEP_EMPTY),
};
TYPE(oci_stats);

static const struct json_field oci_event_fields[] = {
        FIELD(oci_event, "type", type, .flags = J_REQUIRED),
        FIELD(oci_event, "id", id, .flags = J_REQUIRED),
        OPT_OBJECT(oci_event, "data", data, oci_stats),
};
TYPE(oci_event);

static const struct json_field oci_container_stats_fields[] = {
        FIELD(oci_container_stats, "id", id, .flags = J_REQUIRED),
        OBJECT(oci_container_stats, "stats", stats, oci_stats, .flags = J_REQUIRED),
};
TYPE(oci_container_stats);
