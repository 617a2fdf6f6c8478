#include "specs/base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ARENA_ASAN 1
#endif

/* Under AddressSanitizer what is not handed out is poisoned, and a gap follows each block. */
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define GAP 16
#else
#define GAP 0
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define ALIGNMENT 16
#define FIRST_SIZE (64u << 10)
#define CHUNK_SIZE (256u << 10)

/* One mapping of the system; the blocks follow this header. */
struct chunk {
        struct chunk *next;
        size_t size;
};

/* The first blocks come from .bss: a small command never maps anything, and only touched pages cost. */
static alignas(4096) char first[FIRST_SIZE];
static struct chunk *chunks;
static size_t chunk_size = CHUNK_SIZE;

static char *position, *end; /* the free part of the newest chunk; NULL before the first use */
static char *newest;         /* the newest block: it can grow in place */
static bool is_confined;

static void die(void) __attribute__((noreturn, cold));
static void die(void) {
        static const char words[] = ": error: out of memory\n";
        ssize_t n = write(STDERR_FILENO, program_invocation_short_name, strlen(program_invocation_short_name));
        n = write(STDERR_FILENO, words, sizeof(words) - 1);
        (void)n; /* nowhere is left to complain */
        _exit(1);
}

static void use(char *start, size_t size) {
        position = start;
        end = start + size;
        ASAN_POISON_MEMORY_REGION(start, size);
}

static void add_chunk(size_t need) {
        if (is_confined)
                _exit(1);
        size_t size = chunk_size;
        while (size < need + sizeof(struct chunk) + ALIGNMENT)
                size *= 2;
        struct chunk *chunk = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED)
                die();
        chunk->next = chunks;
        chunk->size = size;
        chunks = chunk;
        if (chunk_size < (16u << 20))
                chunk_size *= 2;
        use((char *)chunk + ALIGNMENT, size - ALIGNMENT);
}

void arena_confine(void *at, size_t size) {
        use(at, size);
        newest = NULL;
        is_confined = true;
}

_Static_assert(sizeof(struct chunk) <= ALIGNMENT, "the header of a chunk keeps its blocks aligned");

/* What a block of size bytes takes away; never 0, so that every block is unique. */
static size_t footprint(size_t size) {
        if (size > SIZE_MAX / 4)
                die();
        size_t n = size ? size : 1;
        return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
}

void *arena_alloc(size_t size) {
        size_t n = footprint(size);
        if (!position)
                use(first, sizeof(first));
        if (n > (size_t)(end - position))
                add_chunk(n);
        newest = position;
        position += n;
        ASAN_UNPOISON_MEMORY_REGION(newest, size);
        return newest;
}

void *arena_array(size_t count, size_t size) {
        size_t n;
        if (__builtin_mul_overflow(count, size, &n))
                die();
        return arena_alloc(n);
}

void *arena_grow(void *old, size_t used, size_t size) {
        size_t n = footprint(size);
        if (old && old == newest && n <= (size_t)(end - newest)) {
                ASAN_UNPOISON_MEMORY_REGION(newest, size);
                /* The tail of the block may hold what its owner wrote beyond the used bytes. */
                size_t dirty = (size_t)(position - newest) < size ? (size_t)(position - newest) : size;
                if (dirty > used)
                        memset(newest + used, 0, dirty - used);
                if (newest + n > position)
                        position = newest + n;
                return old;
        }
        void *block = arena_alloc(size);
        if (used)
                memcpy(block, old, used);
        return block;
}

void *arena_memdup(const void *bytes, size_t n) {
        void *copy = arena_alloc(n);
        if (n)
                memcpy(copy, bytes, n);
        return copy;
}

char *arena_strndup(const char *text, size_t n) {
        size_t length = strnlen(text, n);
        char *copy = arena_alloc(length + 1);
        memcpy(copy, text, length);
        return copy;
}

char *arena_strdup(const char *text) {
        return arena_memdup(text, strlen(text) + 1);
}

static void unmap_chunks(const struct chunk *until) {
        while (chunks != until) {
                struct chunk *chunk = chunks;
                chunks = chunk->next;
                ASAN_UNPOISON_MEMORY_REGION((char *)chunk, chunk->size);
                (void)munmap(chunk, chunk->size);
        }
}

struct arena_mark arena_mark(void) {
        if (!position)
                use(first, sizeof(first));
        return (struct arena_mark){ chunks, position, end, chunk_size };
}

void arena_rewind(const struct arena_mark *mark) {
        /* In an older chunk how far it was used is forgotten. */
        size_t dirty = (size_t)((mark->chunk == chunks ? position : mark->end) - mark->position);
        unmap_chunks(mark->chunk);
        ASAN_UNPOISON_MEMORY_REGION(mark->position, dirty);
        memset(mark->position, 0, dirty);
        chunk_size = mark->chunk_size;
        use(mark->position, (size_t)(mark->end - mark->position));
        newest = NULL;
}

void arena_reset(void) {
        unmap_chunks(NULL);
        if (position) {
                ASAN_UNPOISON_MEMORY_REGION(first, sizeof(first));
                memset(first, 0, sizeof(first));
        }
        chunk_size = CHUNK_SIZE;
        position = end = newest = NULL;
}
