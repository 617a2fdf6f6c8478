/* Every container of a state root: one look each, shared with copies of this process when there are many. */
#include "runtime/container/inside.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPERS_MAX 3
#define SHARE       128   /* containers for each process: for fewer a copy costs more than it saves */
#define ROOM        16384 /* address space for what a helper says of each; only what is used becomes memory */

struct answer {
        bool is_given;
        struct oci_state state;
};

/* In memory that all see.  Whoever is free takes the next number. */
struct board {
        size_t next;
        struct answer answers[];
};

static void *share(size_t size) {
        void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return at == MAP_FAILED ? NULL : at;
}

static void take_turns(const struct store *store, const struct strv *ids, struct board *board) {
        for (size_t i; (i = __atomic_fetch_add(&board->next, 1, __ATOMIC_RELAXED)) < ids->n;) {
                struct answer *answer = &board->answers[i];
                bool is_given = container_look(store, ids->at[i], &answer->state) == 0;
                __atomic_store_n(&answer->is_given, is_given, __ATOMIC_RELEASE);
        }
}

/* The words of an answer lie where the helper allocates, which we see at the same place. */
static pid_t start_helper(const struct store *store, const struct strv *ids, struct board *board) {
        size_t size = ids->n * ROOM;
        void *room = share(size);
        pid_t pid = room ? fork() : -1;
        if (pid == 0) {
                arena_confine(room, size);
                take_turns(store, ids, board);
                _exit(0);
        }
        if (pid < 0 && room)
                (void)munmap(room, size);
        return pid;
}

static size_t helpers_for(size_t containers) {
        cpu_set_t cpus;
        size_t most = containers / SHARE < HELPERS_MAX ? containers / SHARE : HELPERS_MAX;
        if (most == 0 || sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
                return 0;
        size_t others = (size_t)CPU_COUNT(&cpus) - 1;
        return others < most ? others : most;
}

/* Who did not come to answer, because it was killed or its room was full, only leaves more to ask. */
static struct board *ask_together(const struct store *store, const struct strv *ids) {
        pid_t pids[HELPERS_MAX];
        size_t n = helpers_for(ids->n);
        struct board *board = n ? share(sizeof(*board) + ids->n * sizeof(board->answers[0])) : NULL;
        if (!board)
                return NULL;
        for (size_t i = 0; i < n; i++)
                pids[i] = start_helper(store, ids, board);
        take_turns(store, ids, board);
        for (size_t i = 0; i < n; i++)
                while (pids[i] > 0 && waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
                        ;
        return board;
}

int container_ids(const char *root, struct strv *ret) {
        autostore store = STORE_NONE;
        int r = store_open(root, false, &store);
        return r < 0 ? r : store_list(&store, ret);
}

int container_list(const char *root, struct oci_states *ret) {
        autostore store = STORE_NONE;
        struct strv ids;
        int r = store_open(root, false, &store);
        if (r == 0)
                r = store_list(&store, &ids);
        if (r < 0)
                return r;
        struct oci_states states = { .at = arena_array(ids.n, sizeof(states.at[0])) };
        const struct board *board = ask_together(&store, &ids);
        for (size_t i = 0; i < ids.n; i++) {
                bool is_given = board && board->answers[i].is_given;
                if (is_given)
                        states.at[states.n] = board->answers[i].state;
                r = is_given ? 0 : container_look(&store, ids.at[i], &states.at[states.n]);
                if (r == 0)
                        states.n++;
                else if (r != -ENOENT && r != -EAGAIN) /* deleted meanwhile, not made yet */
                        log_warning("%s", err_message());
        }
        err_clear();
        *ret = states;
        return 0;
}
