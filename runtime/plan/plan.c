/* Appending to a plan: steps, their texts, slots.  Parent side; pure. */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const fixed_slots[SLOT_FREE] = {
        [SLOT_SYNC] = "sync",
        [SLOT_ROOTFS] = "rootfs",
        [SLOT_ROOT] = "root",
        [SLOT_PROC] = "proc",
        [SLOT_NULL] = "null",
        [SLOT_EMPTY] = "empty",
        [SLOT_TTY] = "tty",
        [SLOT_CONSOLE] = "console",
        [SLOT_START] = "start",
        [SLOT_STATE] = "state",
        [SLOT_NOTIFY] = "notify",
        [SLOT_NOTIFY_STATE] = "notify-state",
        [SLOT_TARGET] = "target",
        [SLOT_MOUNT] = "mount",
        [SLOT_PIDNS] = "pidns",
        [SLOT_PIDFD] = "pidfd",
        [SLOT_CGROUP] = "cgroup",
        [SLOT_RULESET] = "ruleset",
        [SLOT_HOOK_STDOUT] = "hook-stdout",
        [SLOT_HOOK_STDERR] = "hook-stderr",
};

struct plan *plan_new(void) {
        struct plan *plan = arena_alloc(sizeof(*plan));
        memcpy(plan->slot_names, fixed_slots, sizeof(fixed_slots));
        plan->slots = SLOT_FREE;
        plan->data_room = 4096;
        plan->data = arena_alloc(plan->data_room);
        plan->data_size = 1; /* offset 0 means "none" */
        return plan;
}

/* Room for size more bytes at a multiple of align; the offset where they go. */
static uint32_t reserve(struct plan *plan, size_t size, size_t align) {
        assert(align && (align & (align - 1)) == 0);
        size_t at = (plan->data_size + align - 1) & ~(align - 1);
        assert(size < UINT32_MAX - at);
        if (at + size > plan->data_room) {
                size_t room = plan->data_room;
                while (room < at + size)
                        room *= 2;
                plan->data = arena_grow(plan->data, plan->data_size, room);
                plan->data_room = room;
        }
        plan->data_size = at + size;
        return (uint32_t)at;
}

/* Equal text is shared, but for the few that another of the same hash came between. */
uint32_t plan_text(struct plan *plan, const char *text) {
        uint32_t hash = 0;
        size_t size = 0;
        while (text[size])
                hash = hash * 31 + (unsigned char)text[size++];
        uint32_t *known = &plan->texts[hash % (sizeof(plan->texts) / sizeof(plan->texts[0]))];
        if (*known && strcmp(plan->data + *known, text) == 0)
                return *known;
        *known = reserve(plan, size + 1, 1);
        memcpy(plan->data + *known, text, size + 1);
        return *known;
}

uint32_t plan_bytes(struct plan *plan, const void *bytes, size_t size, size_t align) {
        uint32_t at = reserve(plan, size, align);
        if (size)
                memcpy(plan->data + at, bytes, size);
        return at;
}

uint32_t plan_strings(struct plan *plan, const struct strv *list) {
        uint32_t *offsets = arena_array(list->n + 1, sizeof(*offsets));
        offsets[0] = (uint32_t)list->n;
        for (size_t i = 0; i < list->n; i++)
                offsets[i + 1] = plan_text(plan, list->at[i]);
        return plan_bytes(plan, offsets, (list->n + 1) * sizeof(*offsets), sizeof(*offsets));
}

uint32_t plan_option_list(struct plan *plan, const struct strv *list) {
        size_t size = 1;
        for (size_t i = 0; i < list->n; i++)
                size += strlen(list->at[i]) + 1;
        if (size == 1)
                return 0;
        uint32_t at = reserve(plan, size, 1), next = at;
        for (size_t i = 0; i < list->n; i++) {
                memcpy(plan->data + next, list->at[i], strlen(list->at[i]) + 1);
                next += (uint32_t)strlen(list->at[i]) + 1;
        }
        plan->data[next] = '\0';
        return at;
}

int plan_slot(struct plan *plan, const char *name) {
        if (plan->slots >= SLOT_MAX)
                return fail_words(E2BIG, "the plan has no more than %d slots for files", SLOT_MAX);
        plan->slot_names[plan->slots] = name;
        return plan->slots++;
}

struct step *plan_add_step(struct plan *plan, enum plan_lane lane, struct step step) {
        size_t n = plan->count[lane];
        if (n == plan->room[lane]) {
                size_t room = n ? n * 2 : 64;
                plan->steps[lane] = arena_grow(plan->steps[lane], n * sizeof(step), room * sizeof(step));
                plan->places[lane] = arena_grow(plan->places[lane], n * sizeof(char *), room * sizeof(char *));
                plan->room[lane] = room;
        }
        if (step.slot == SLOT_SYNC)
                step.slot = SLOT_NONE;
        if (step.into == SLOT_SYNC)
                step.into = SLOT_NONE;
        plan->steps[lane][n] = step;
        plan->places[lane][n] = plan->place;
        plan->count[lane]++;
        return &plan->steps[lane][n];
}

const char *plan_slot_reference(int slot) {
        return str_format("\001%04x", (unsigned)slot);
}

struct lane plan_lane(const struct plan *plan, enum plan_lane lane) {
        return (struct lane){ plan->steps[lane], plan->count[lane], plan->data };
}

void plan_warn(struct plan *plan, const char *format, ...) {
        char text[1024];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        strv_add(&plan->warnings, arena_strdup(text));
}

bool plan_has_own(const struct build *b, int64_t kind) {
        return oci_namespace_find(b->config, kind) != NULL;
}

bool plan_has_new(const struct build *b, int64_t kind) {
        const struct oci_namespace *namespace = oci_namespace_find(b->config, kind);
        return namespace && !namespace->path;
}

bool plan_shares_mounts(const struct build *b) {
        return !plan_has_new(b, CLONE_NEWNS);
}

bool plan_joins_mounts(const struct build *b) {
        return plan_has_own(b, CLONE_NEWNS) && plan_shares_mounts(b);
}
