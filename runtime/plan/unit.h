/* The systemd side of a container's cgroup: which scope in which slice, and its properties as the bus wants them typed.
 * Parent side only; pure.
 *
 * systemd owns the scope's own cgroup, rundlet owns the sub-cgroup "container" below it (Delegate=yes): each file has
 * one writer.  Every limit is written to the sub-cgroup; what counts only between neighbours (weights), what systemd
 * would otherwise set to a default of its own (tasks), and what people look for with `systemctl show` is a property of
 * the scope as well.  Device rules never are: systemd has no program to take away on daemon-reload.
 * systemd.resource-control(5), systemd.scope(5), org.freedesktop.systemd1(5). */
#ifndef RUNTIME_PLAN_UNIT_H
#define RUNTIME_PLAN_UNIT_H

#include "specs/json.h"

#include <stdbool.h>
#include <stdint.h>

struct build;
struct plan;

/* Who makes the container's cgroup.  Names for --cgroup-manager and the record: cgroup_driver_names. */
enum cgroup_driver {
        DRIVER_CGROUPFS, /* rundlet, with mkdir */
        DRIVER_SYSTEMD,  /* systemd a scope, rundlet a sub-cgroup in it */
        DRIVER_DISABLED, /* nobody: the container stays where its creator is */
};
extern const struct names cgroup_driver_names;

struct unit_pair {
        const char *text;
        uint64_t number;
};

/* One property; signature says which member holds the value. */
struct unit_property {
        const char *name;      /* "MemoryMax" */
        const char *signature; /* D-Bus: b u i t x (number, two's complement), d (real), s o g (text), as (strings),
                                * ay (bytes), a(st) (pairs) */
        uint64_t number;
        double real;
        const char *text;
        struct strv strings;
        const uint8_t *bytes;
        size_t bytes_count;
        const struct unit_pair *pairs;
        size_t pairs_count;
        const char *place; /* in the config, for messages */
};

struct unit {
        const char *slice;       /* "user-1000.slice"; NULL: the manager's default ("system.slice") */
        const char *scope;       /* "crio-ID.scope" */
        const char *description; /* for `systemctl status` */
        const char *subgroup; /* "container": ours below the scope; annotation run.oci.systemd.subgroup, "": none, the
                               * limits go to the scope's own cgroup */
        bool is_user;         /* the caller's own manager, not the system's */
        LIST_OF(unit_property) properties;
};

/* cgroups_path in the form slice:prefix:name ("user-1000.slice:libpod:ID"; NULL, "": ":rundlet:ID"; a bare name is a
 * name in the default slice) to slice and scope names, as runc and crun read it.  A name that ends with ".slice" is
 * refused, it would be no scope.  -EINVAL names linux.cgroupsPath. */
int unit_names(const char *cgroups_path, const char *id, struct unit *ret);

/* The path of a slice below its manager: "user-1000.slice" is "/user.slice/user-1000.slice", "-.slice" is "". */
int unit_slice_path(const char *slice, const char **ret);

/* The properties that say the same as the cgroup writes of a plan; what systemd has no property for is left out. */
void unit_limits(const struct plan *writes, struct unit *unit);

/* Builder: plan->unit, when options->driver is DRIVER_SYSTEMD; after plan_resources.  The properties of annotations
 * org.systemd.property.NAME (GVariant text as runc and crun take it: 'true', "'text'", uint32 5, [..]; NAMESec is
 * microseconds of NAMEUSec) come last and win over ours, but for Delegate, PIDs, Slice and DevicePolicy. */
int plan_unit(struct build *b);

#endif
