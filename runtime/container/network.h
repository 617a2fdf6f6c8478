/* --net and --publish: what the command line says of the network, said in the config.  netsetup does the work, as a
 * process of its own: hooks call it, annotations (org.rundlet.net.*, netsetup(8)) tell it what to do.  Called by
 * prepare.c and creation.c; parent side only. */
#ifndef RUNTIME_CONTAINER_NETWORK_H
#define RUNTIME_CONTAINER_NETWORK_H

#include "runtime/container/container.h"

/* What the keys of netsetup's annotations begin with. */
#define NETWORK_ANNOTATIONS "org.rundlet.net."

/* Changes namespaces, mounts, annotations and hooks of the config; nothing else happens yet.  folder is the container's
 * own, as it will be.  *ret_neighbour is the container whose network is joined, NULL: none. */
int network_add(const struct container_options *options, const char *folder, struct oci_config *config,
                const struct container_record **ret_neighbour);

/* The files that the plan mounts and netsetup fills, in the container's folder; when the config has none of them,
 * nothing. */
int network_make_files(const struct entry *entry, const struct oci_config *config);

/* After its namespace was opened by process id: that was still it. */
int network_check_neighbour(const struct container_record *neighbour);

#endif
