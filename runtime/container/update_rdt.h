/* update's part of linux.intelRdt: new schemas for the container's group of resctrl, kept in the saved config.  Parent
 * side only. */
#ifndef RUNTIME_CONTAINER_UPDATE_RDT_H
#define RUNTIME_CONTAINER_UPDATE_RDT_H

#include "runtime/container/inside.h"

/* What was changed, undone unless kept. */
struct rdt_change {
        const struct entry *entry;
        int mount;                  /* of resctrl, -1: nothing was changed */
        const char *group, *before; /* its schemata */
        const char *config;         /* as it was saved */
        size_t config_size;
};
#define RDT_CHANGE_NONE                                                                                                \
        { NULL, -1, NULL, NULL, NULL, 0 }

/* Writes the schemas that are given (the two that update can change) to the container's group. */
int rdt_change_make(const struct container *container, const struct oci_intel_rdt *given, struct rdt_change *ret);

/* Success said aloud. */
void rdt_change_keep(struct rdt_change *change);

/* Undoes what was not kept, with the error record as it was. */
void rdt_change_release(struct rdt_change *change);
#define autordt __attribute__((cleanup(rdt_change_release))) struct rdt_change

#endif
