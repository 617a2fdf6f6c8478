/* Memory that lives as long as one command.  Parent side of clone only.
 *
 * One arena a process: config, plan and state are all carved from it and die together, so nothing outside
 * specs/base ever frees.  Memory comes zeroed.  Running out of memory ends the program here with a message and
 * status 1: no caller has to check. */
#ifndef SPECS_BASE_ARENA_H
#define SPECS_BASE_ARENA_H

#include <stddef.h>

/* Zeroed memory aligned for any type; size 0 gives a valid unique pointer.  Never NULL. */
void *arena_alloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));

/* Like arena_alloc(count * size) but an overflow of the product ends the program as running out of memory does. */
void *arena_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));

/* A copy of the first used bytes of old in a new block of size bytes (size >= used), rest zero.  Growing the newest
 * block happens in place. */
void *arena_grow(void *old, size_t used, size_t size) __attribute__((returns_nonnull));

/* NUL-terminated copies; arena_strndup copies at most n bytes. */
char *arena_strdup(const char *text) __attribute__((returns_nonnull));
char *arena_strndup(const char *text, size_t n) __attribute__((returns_nonnull));
void *arena_memdup(const void *bytes, size_t n) __attribute__((returns_nonnull));

/* For commands that stay for days (stats, events): what a round allocates is given back before the next one.  Nothing
 * of the round may be kept by anybody, so whoever fills a cache on first use (probe_get) is called before the mark. */
struct arena_mark {
        void *chunk;
        char *position, *end;
        size_t chunk_size;
};
struct arena_mark arena_mark(void);
void arena_rewind(const struct arena_mark *mark);

/* For a copy of this process that works for it: what it allocates from now on lies in the zeroed memory at, which both
 * see at the same place, and the copy ends with status 1 when that is full. */
void arena_confine(void *at, size_t size);

/* Gives every block back to the system.  Only for tests and fuzzers, which run many commands in one process. */
void arena_reset(void);

#endif
