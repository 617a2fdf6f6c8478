/* The state root: one folder per container.  Parent side only.
 *
 * ROOT (0700, owner-checked)
 *   ID/             mkdir is the claim on the id; flock on the folder is the lock, released by the kernel
 *     state.json    struct container_record, replaced atomically; written before the first side effect ("creating")
 *     config.json   the config as it was at create: later changes of the bundle have no effect
 *     start.sock    the created container listens here; its absence means started
 *     overlay/      private upper and work folders */
#ifndef RUNTIME_HOST_STORE_H
#define RUNTIME_HOST_STORE_H

#include "specs/json.h"

#include <stdbool.h>
#include <sys/types.h>

/* What we remember.  pid is only trusted together with boot_id and pid_inode, or start_time (field 22 of
 * /proc/PID/stat) where there is none. */
struct container_record {
        int64_t version; /* of this format: 1 */
        const char *id, *bundle, *rootfs, *created, *owner;
        const char *phase; /* "creating", "created": how far create came; the living status is asked of the kernel */
        const char *boot_id;
        int64_t pid;
        uint64_t start_time;       /* clock ticks after boot */
        uint64_t pid_inode;        /* of its pidfd, unique in a boot (6.9); 0: this kernel has none */
        const char *cgroup_path;   /* "" when none was made */
        const char *cgroup_made;   /* the topmost of its cgroups that create was about to make; NULL: none */
        const char *cgroup_driver; /* of cgroup_driver_names: later commands never need the flag again */
        const char *cgroup_scope;  /* systemd's unit, NULL: none */
        bool cgroup_user;          /* ... of the user's manager */
        const char *rdt_group;     /* of resctrl, "." for the default one; NULL: linux.intelRdt is not set */
        const char *rdt_monitor;   /* the monitoring group in it that was made for the container, NULL: none */
        bool rdt_made;             /* the group was made for the container and goes with it */
        bool own_overlay;          /* overlay/ exists and goes with the container */
        struct strmap annotations;
};
extern const struct json_type container_record_type;

struct store {
        int root;         /* fd of the state root */
        const char *path; /* absolute */
};

struct entry {
        int folder; /* fd of ID/, also the lock */
        const char *id;
        const char *path; /* absolute path of the folder */
};
#define ENTRY_NONE                                                                                                     \
        { -1, NULL, NULL }

/* Opens the state root, making it 0700 (plus sticky when below XDG_RUNTIME_DIR) when make is set; refuses one owned by
 * somebody else or open to others' writes.  path NULL: /run/rundlet, or $XDG_RUNTIME_DIR/rundlet when not root.  An
 * absent root without make is an empty store (root = -1). */
int store_open(const char *path, bool make, struct store *ret);

void store_release(struct store *store);
#define autostore __attribute__((cleanup(store_release))) struct store
#define STORE_NONE                                                                                                     \
        { -1, NULL }

/* runc's rule for ids ([A-Za-z0-9_+-][A-Za-z0-9_+.-]*), at most 255 bytes, not "." or "..".  Words say what is wrong.
 */
int store_check_id(const char *id);

/* Claims a new id: mkdir 0700 + lock.  An existing one: -EEXIST "container with given ID already exists: ID". */
int store_create(const struct store *store, const char *id, struct entry *ret);

/* Opens and locks an existing one, waiting for the lock; absent: -ENOENT "container \"ID\" does not exist".  operation
 * as of lock_fd: LOCK_SH for readers, LOCK_EX for changes, | LOCK_NB (-EWOULDBLOCK), 0 for none; a folder that was
 * deleted while we waited is absent. */
int store_lock(const struct store *store, const char *id, int operation, struct entry *ret);

/* Waits for the lock of one that we let go of but kept open (lock_fd).  -ENOENT without words: deleted meanwhile. */
int store_lock_again(const struct store *store, const struct entry *entry);

int store_save(const struct entry *entry, const struct container_record *record);
/* Corrupt or missing records are -EBADMSG with words; the lock still holds. */
int store_load(const struct entry *entry, struct container_record *ret);
/* The record that an id has at this moment, by one look from the state root: no lock, no folder, no words.  -EAGAIN:
 * there is none, or not in an ordinary way; whoever wants to know more takes the lock and loads. */
int store_peek(const struct store *store, const char *id, struct container_record *ret);
int store_save_config(const struct entry *entry, const char *text, size_t size);
int store_load_config(const struct entry *entry, char **ret_text, size_t *ret_size);

/* Removes the folder with everything of ours in it. */
int store_remove(const struct store *store, struct entry *entry);

/* The ids, sorted, without looking inside. */
int store_list(const struct store *store, struct strv *ret_ids);

void entry_release(struct entry *entry);
#define autoentry __attribute__((cleanup(entry_release))) struct entry

/* When a process began, for where pidfds have no inodes of their own.  -ESRCH without words when it is gone. */
int process_start_time(pid_t pid, uint64_t *ret);
/* The kernel's boot id, in the arena. */
int process_boot_id(const char **ret);
bool process_is_gone(int pidfd);
/* Puts who the process is into the record: pid, boot id, start time, inode. */
int process_remember(pid_t pid, int pidfd, struct container_record *record);
/* A pidfd of the recorded process, verified by boot id and inode (or start time) after it was opened; -ESRCH without
 * words when it is no longer there. */
int process_open(const struct container_record *record, int *ret_pidfd);
/* The same, of whoever asks more and then, last of all, process_is_gone(): only if it is not gone, all of it was about
 * the recorded process. */
int process_find(const struct container_record *record, int *ret_pidfd);

#endif
