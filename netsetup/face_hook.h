/* The OCI hook: the state on standard input -> requests, by annotations org.rundlet.net.*.  Called by main for `hook`,
 * which runtimes run as createRuntime (or prestart) and poststop.  Spec: runtime.md "State", config.md "POSIX-platform
 * Hooks".  Host side. */
#ifndef NETSETUP_FACE_HOOK_H
#define NETSETUP_FACE_HOOK_H

#include "netsetup/request.h"
#include "specs/oci_state.h"

enum { HOOK_NETWORKS = 16 };

struct hook {
        bool is_end;                                /* poststop: detach */
        struct net_request requests[HOOK_NETWORKS]; /* attach: one for each network, in the order of the names */
        size_t n;                                   /* 0: no network is asked for */
        struct net_owner owner;
};

/* What a state asks for; base says what is the same for all (root).  Unknown annotations of ours are errors.  Pure. */
int hook_read(const struct oci_state *state, const struct net_request *base, struct hook *ret);

/* The whole face, from standard input on.  All networks are attached or none; at the end what is gone is no error. */
int hook_run(const struct net_request *base);

#endif
