/* The value of an annotation org.systemd.property.NAME, as runc and crun take it, for unit.c only.  Parent side; pure.
 *
 * GVariant text (docs.gtk.org/glib/gvariant-text-format.html) of what properties of a scope can be: booleans, numbers,
 * strings, lists of strings, bytes, and pairs of a path and a number.  A type may stand in front, "uint64 5" or
 * "@as []".  Numbers without one get the type that systemd expects where the name says it, else int32. */
#ifndef RUNTIME_PLAN_UNIT_VALUE_H
#define RUNTIME_PLAN_UNIT_VALUE_H

#include "runtime/plan/unit.h"

/* Reads text for the property name; place begins the words of a failure, which say the column.  NAMESec becomes
 * NAMEUSec in microseconds. */
int unit_value_read(const char *place, const char *name, const char *text, struct unit_property *ret);

#endif
