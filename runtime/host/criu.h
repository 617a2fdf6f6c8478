/* CRIU, the program that writes processes into files and brings them back.  `criu swrk FD` is spoken to in its own
 * protocol: protobuf messages of its rpc.proto, one a datagram.  Parent side only.  criu(8). */
#ifndef RUNTIME_HOST_CRIU_H
#define RUNTIME_HOST_CRIU_H

#include "runtime/host/cgroup.h"
#include "runtime/plan/plan.h"

/* A protobuf message being made, in the arena.  {0} is an empty one. */
struct criu_message {
        unsigned char *at;
        size_t n;
};
/* Fields by their number in rpc.proto.  Numbers are also truth values and enums; negative ones are not needed. */
void criu_put_number(struct criu_message *message, unsigned field, uint64_t value);
void criu_put_text(struct criu_message *message, unsigned field, const char *text);
void criu_put_inner(struct criu_message *message, unsigned field, const struct criu_message *inner);

enum criu_kind { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4 };

/* A CRIU that runs.  CRIU_NONE is valid to release. */
struct criu {
        pid_t pid;
        int pidfd, talk;
};
#define CRIU_NONE                                                                                                      \
        { 0, -1, -1 }

struct criu_start {
        const char *program;     /* --criu; NULL: criu along PATH */
        const struct plan *plan; /* open and child lane are carried out by CRIU's process in a mount namespace of its
                                  * own, the open lane before that; NULL: none */
        const struct cgroup *cgroup; /* CRIU's, and of whom it brings back; NULL or without an fd: ours */
        bool has_cgroup_namespace;   /* a new one, rooted in that cgroup: those that CRIU brings back inherit it */
        bool no_new_privileges;      /* for it and for those */
        unsigned umask;              /* of the files that it writes; 0: ours */
        const int *inherited;        /* fds that it gets under the same number, beside 0, 1 and 2 */
        size_t inherited_count;
};

/* Starts it; it dies with us.  Failures of a lane carry the step's words; an absent program says so. */
int criu_start(const struct criu_start *start, struct criu *ret);

/* What CRIU tells on the way: event is its name ("setup-namespaces", "post-restore", "orphan-pts-master"...), pid the
 * restored first process where it is known, else 0, fd what came with it, else -1, the listener's to close.  Anything
 * but 0 makes CRIU give up. */
typedef int criu_listener(const char *event, pid_t pid, int fd, void *data);

/* One request with its options (message criu_opts), answered to the end.  CRIU's own words stay in its log: criu_fail
 * reads them.  A listener's failure is returned with its words. */
int criu_ask(struct criu *criu, enum criu_kind kind, const struct criu_message *options, criu_listener *listener,
             void *data);

/* Makes the last error of the log in folder (an fd of the path) the words of failure r; words that are there stay. */
int criu_fail(int r, int folder, const char *path, const char *log);

/* Ends and reaps it. */
void criu_release(struct criu *criu);
#define autocriu __attribute__((cleanup(criu_release))) struct criu

#endif
