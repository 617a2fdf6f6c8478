/* From the caller's options to a checked config and its plan: what create, run, plan and check share.  Nothing here
 * changes anything on the machine.  Parent side only. */
#ifndef RUNTIME_CONTAINER_PREPARE_H
#define RUNTIME_CONTAINER_PREPARE_H

#include "runtime/container/container.h"

struct prepared {
        const char *bundle; /* absolute */
        const char *rootfs; /* absolute */
        char *config_text;  /* as read, or with what --net and --layer add: what is kept for exec, checkpoint and delete
                             */
        size_t config_size;
        const struct container_record *neighbour; /* --net container:ID; NULL: none */
        struct oci_config *config;
        const struct probe *probe;
        struct plan_options plan_options;
        struct plan *plan;
};

/* Relative paths are relative to where the caller stands: made absolute before anything else. "-" and NULL stay. */
const char *path_absolute(const char *path);

/* Sets an annotation; value NULL removes it. */
void prepare_annotate(struct oci_config *config, const char *key, const char *value);

/* Reads and checks the config; strict makes every warning an error. */
int prepare_config(const struct container_options *options, struct prepared *ret);

/* Builds the plan; state_folder is where the container's own folder is or would be. */
int prepare_plan(const struct container_options *options, const char *state_folder, bool waits_for_start,
                 struct prepared *prepared);

/* The fds that the caller hands to the payload, --preserve-fds and LISTEN_FDS: all must be open and inherited. */
int prepare_fds(unsigned preserve_fds, struct plan_options *plan_options);

/* A terminal needs somebody who takes it, and the other way around.  In the foreground it begins with the size of ours:
 * set only later, it would be a signal in the middle of the payload's start.  process may be NULL. */
int prepare_terminal(struct oci_process *process, const char *console_socket, bool in_foreground);

#endif
