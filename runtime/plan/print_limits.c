/* What a plan does beside its lanes, as text: network devices, resctrl, the unit, limits, device filter; and its
 * warnings. Parent side; pure. */
#include "runtime/plan/plan.h"

#include <string.h>

static const char *quoted_list(const struct strv *strings) {
        struct strv quoted = { 0 };
        for (size_t i = 0; i < strings->n; i++)
                strv_add(&quoted, str_json_quote(strings->at[i]));
        return quoted.n ? str_join(&quoted, " ") : "";
}

static const char *hex_bytes(const struct unit_property *property) {
        const char *text = "";
        for (size_t i = 0; i < property->bytes_count; i++)
                text = str_format("%s%s%02x", text, i ? " " : "", property->bytes[i]);
        return text;
}

static const char *pair_list(const struct unit_property *property) {
        struct strv pairs = { 0 };
        for (size_t i = 0; i < property->pairs_count; i++)
                strv_add(&pairs, str_format("%s %llu", str_json_quote(property->pairs[i].text),
                                            (unsigned long long)property->pairs[i].number));
        return pairs.n ? str_join(&pairs, ", ") : "";
}

static const char *value_of(const struct unit_property *property) {
        switch (*property->signature) {
        case 'b':
                return property->number ? "true" : "false";
        case 'i':
        case 'x':
                return str_format("%lld", (long long)property->number);
        case 'u':
        case 't':
                return property->number == UINT64_MAX ? "infinity"
                                                      : str_format("%llu", (unsigned long long)property->number);
        case 'd':
                return str_format("%.17g", property->real);
        case 'a':
                return str_format("[%s]", property->signature[1] == 's'   ? quoted_list(&property->strings)
                                          : property->signature[1] == 'y' ? hex_bytes(property)
                                                                          : pair_list(property));
        default:
                return str_json_quote(property->text);
        }
}

static void add_unit(struct strv *lines, const struct unit *unit) {
        const char *path;
        strv_add(lines, str_format("unit   %s in %s%s", unit->scope, unit->slice,
                                   unit->is_user ? " of the user's manager" : ""));
        if (unit->slice && unit_slice_path(unit->slice, &path) == 0)
                strv_add(lines, str_format("unit   cgroup %s/%s%s%s", path, unit->scope, *unit->subgroup ? "/" : "",
                                           unit->subgroup));
        for (size_t i = 0; i < unit->properties.n; i++) {
                const struct unit_property *property = &unit->properties.at[i];
                const char *place = property->place ? str_format(" (%s)", property->place) : "";
                strv_add(lines, str_format("unit   %s %s %s%s", property->name, property->signature, value_of(property),
                                           place));
        }
}

static void add_limit(struct strv *lines, const struct cgroup_write *write) {
        const char *line = str_format("limit  %s %s", write->file, str_printable(write->value));
        if (write->or_file)
                line = str_format("%s or %s %s", line, write->or_file, str_printable(write->or_value));
        if (write->tolerate)
                line = str_format("%s unless: %s", line, strerror(write->tolerate));
        strv_add(lines, write->place ? str_format("%s (%s)", line, write->place) : line);
}

static void add_net_device(struct strv *lines, const struct plan_net_device *device) {
        strv_add(lines, str_format("netdev %s%s%s (%s)", device->name, device->as ? " as " : "",
                                   device->as ? device->as : "", device->place));
}

static void add_rdt(struct strv *lines, const struct plan_rdt *rdt) {
        const char *made = rdt->may_make ? ", made when missing" : "";
        strv_add(lines, str_format("rdt    group %s%s%s (linux.intelRdt)", rdt->group, made,
                                   rdt->is_own ? ", then removed with the container" : ""));
        if (rdt->monitor)
                strv_add(lines,
                         str_format("rdt    monitoring group %s (linux.intelRdt.enableMonitoring)", rdt->monitor));
        for (size_t i = 0; i < rdt->lines.n; i++)
                strv_add(lines, str_format("rdt    schemata %s%s (%s)", str_printable(rdt->lines.at[i].text),
                                           rdt->lines.at[i].must_match ? ", and of one that exists it must be so" : "",
                                           rdt->lines.at[i].place));
}

char *plan_print_limits(const struct plan *plan) {
        struct strv lines = { 0 };
        for (size_t i = 0; i < plan->net_devices.n; i++)
                add_net_device(&lines, &plan->net_devices.at[i]);
        if (plan->rdt)
                add_rdt(&lines, plan->rdt);
        if (plan->unit)
                add_unit(&lines, plan->unit);
        for (size_t i = 0; i < plan->controllers.n; i++)
                strv_add(&lines, str_format("cgroup controller    %s", plan->controllers.at[i]));
        for (size_t i = 0; i < plan->cgroup_writes.n; i++)
                add_limit(&lines, &plan->cgroup_writes.at[i]);
        if (plan->device_filter)
                strv_add(&lines, str_format("device filter        %zu instructions", plan->device_filter_count));
        for (size_t i = 0; i < plan->warnings.n; i++)
                strv_add(&lines, str_format("warn   %s", str_printable(plan->warnings.at[i])));
        strv_add(&lines, "");
        return str_join(&lines, "\n");
}
