/* A plan as text: the dry run, the golden files, and the words of failures.  Parent side; pure.
 *
 * One printer a kind of step; names for numbers wherever there are any, so that a difference between two plans can be
 * read.  Whatever decides what a step does is printed: two plans that print the same do the same. */
#include "runtime/plan/plan.h"

#include "specs/base/arena.h"
#include "specs/oci_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/mount.h>
#include <linux/sched/types.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct out {
        char *text;
        size_t n, room;
        const struct plan *plan;
        const char *bundle; /* printed as "."; NULL: paths stay as they are */
};

static const char *const lanes[LANES] = {
        [LANE_OPEN] = "open", [LANE_CHILD] = "child", [LANE_HOST] = "host", [LANE_READY] = "ready"
};

/* -- text -- */

static void put(struct out *out, const char *text) {
        size_t size = strlen(text);
        if (out->n + size + 1 > out->room) {
                size_t room = (out->n + size + 1) * 2;
                out->text = arena_grow(out->text, out->n, room);
                out->room = room;
        }
        memcpy(out->text + out->n, text, size + 1);
        out->n += size;
}

__attribute__((format(printf, 2, 3))) static void say(struct out *out, const char *format, ...) {
        char small[512];
        va_list args, again;
        va_start(args, format);
        va_copy(again, args);
        int size = vsnprintf(small, sizeof(small), format, args);
        va_end(args);
        if (size >= 0 && (size_t)size < sizeof(small)) {
                put(out, small);
        } else if (size >= 0) {
                char *large = arena_alloc((size_t)size + 1);
                (void)vsnprintf(large, (size_t)size + 1, format, again);
                put(out, large);
        }
        va_end(again);
}

static const char *slot_name(const struct out *out, int slot) {
        const char *name = slot >= 0 && slot < SLOT_MAX ? out->plan->slot_names[slot] : NULL;
        return slot == SLOT_NONE ? "host" : name ? name : "?";
}

static const char *text_at(const struct out *out, uint32_t at) {
        return at ? out->plan->data + at : "";
}

/* Text with slot references as <name>, the bundle as "." and control characters escaped. */
static const char *readable(const struct out *out, const char *text) {
        const char *plain = "";
        size_t bundle = out->bundle ? strlen(out->bundle) : 0;
        for (size_t i = 0, from = 0;; i++) {
                bool is_reference = text[i] == '\001';
                bool is_bundle = bundle && strncmp(text + i, out->bundle, bundle) == 0 &&
                                 (text[i + bundle] == '/' || !text[i + bundle]);
                if (!is_reference && !is_bundle && text[i])
                        continue;
                plain = str_format("%s%.*s", plain, (int)(i - from), text + from);
                if (!text[i])
                        return str_printable(plain);
                unsigned slot = 0;
                if (is_reference && sscanf(text + i + 1, "%4x", &slot) == 1)
                        plain = str_format("%s<%s>", plain, slot_name(out, (int)slot));
                else
                        plain = str_format("%s.", plain);
                i += is_reference ? 4 : bundle - 1;
                from = i + 1;
        }
}

static const char *path_at(const struct out *out, uint32_t at) {
        return readable(out, text_at(out, at));
}

/* The names of the bits that are set, between commas; each row's value is one bit or several. */
static void say_bits(struct out *out, const struct name *rows, uint64_t bits) {
        const char *before = "";
        for (; rows->name; rows++) {
                uint64_t value = (uint64_t)rows->value;
                if (!value || (bits & value) != value)
                        continue;
                say(out, "%s%s", before, rows->name);
                before = ",";
                bits &= ~value;
        }
        if (bits)
                say(out, "%s+%llu", before, (unsigned long long)bits);
}

/* The same for tables whose values are bit numbers. */
static void say_numbered_bits(struct out *out, const struct names *names, uint64_t bits) {
        const char *before = "";
        for (int i = 0; i < 64; i++) {
                if (!(bits >> i & 1))
                        continue;
                const char *name = names_of(names, i);
                say(out, "%s%s", before, name ? name : str_format("%d", i));
                before = ",";
        }
        if (!bits)
                put(out, "none");
}

/* A mask of bytes as "0-3,7". */
static void say_mask(struct out *out, uint32_t at, size_t bytes) {
        const unsigned char *mask = (const void *)(out->plan->data + at);
        const char *before = " ";
        for (size_t i = 0; i < bytes * 8; i++) {
                size_t last = i;
                if (!(mask[i / 8] >> i % 8 & 1))
                        continue;
                while (last + 1 < bytes * 8 && mask[(last + 1) / 8] >> (last + 1) % 8 & 1)
                        last++;
                say(out, last > i ? "%s%zu-%zu" : "%s%zu", before, i, last);
                before = ",";
                i = last;
        }
}

static void say_strings(struct out *out, uint32_t at) {
        uint32_t count, offset;
        memcpy(&count, out->plan->data + at, sizeof(count));
        put(out, "[");
        for (uint32_t i = 0; i < count; i++) {
                memcpy(&offset, out->plan->data + at + (i + 1) * sizeof(offset), sizeof(offset));
                say(out, "%s%s", i ? " " : "", str_json_quote(readable(out, text_at(out, offset))));
        }
        put(out, "]");
}

/* -- names of numbers -- */

static const struct name attr_rows[] = {
        { "ro", MOUNT_ATTR_RDONLY },
        { "nosuid", MOUNT_ATTR_NOSUID },
        { "nodev", MOUNT_ATTR_NODEV },
        { "noexec", MOUNT_ATTR_NOEXEC },
        { "atime", MOUNT_ATTR__ATIME },
        { "noatime", MOUNT_ATTR_NOATIME },
        { "strictatime", MOUNT_ATTR_STRICTATIME },
        { "nodiratime", MOUNT_ATTR_NODIRATIME },
        { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
        { 0 },
};
static const struct name open_rows[] = {
        { "path", O_PATH },         { "folder", O_DIRECTORY },
        { "nofollow", O_NOFOLLOW }, { "nonblock", O_NONBLOCK },
        { "cloexec", O_CLOEXEC },   { "write", O_WRONLY },
        { "read-write", O_RDWR },   { "append", O_APPEND },
        { "truncate", O_TRUNC },    { 0 },
};
static const struct name target_rows[] = {
        { "folder", TARGET_FOLDER },
        { "file", TARGET_FILE },
        { "plain", TARGET_PLAIN },
        { 0 },
};
static const char *const expectations[] = {
        [OPEN_ANY] = NULL,
        [OPEN_NULL] = "the null device",
        [OPEN_FOLDER] = "a folder",
        [OPEN_PROC] = "procfs",
};

static const char *message_name(uint64_t type) {
        static const struct name rows[] = {
                { "failed", MESSAGE_FAILED },
                { "here", MESSAGE_HERE },
                { "mapped", MESSAGE_MAPPED },
                { "hooks", MESSAGE_HOOKS },
                { "pid", MESSAGE_PID },
                { "ready", MESSAGE_READY },
                { "go", MESSAGE_GO },
                { 0 },
        };
        const struct names names = { "message", rows };
        const char *name = names_of(&names, (int64_t)type);
        return name ? name : "?";
}

static void say_limit(struct out *out, uint64_t value) {
        if (value == UINT64_MAX)
                put(out, " unlimited");
        else
                say(out, " %llu", (unsigned long long)value);
}

static void say_propagation(struct out *out, uint64_t more) {
        const char *name = names_of(&oci_propagation_names, HIGH32(more));
        if (HIGH32(more))
                say(out, " %s%s", more & AT_RECURSIVE ? "r" : "", name ? name : "?");
        else if (more & AT_RECURSIVE)
                put(out, " recursive");
}

/* -- one printer a shape; a kind that is all said by its name has none -- */

static void print_slot(struct out *out, const struct step *step) {
        if (step->slot != SLOT_NONE)
                say(out, " %s", slot_name(out, step->slot));
}

static void print_text(struct out *out, const struct step *step) {
        say(out, " %s", path_at(out, step->a));
}

static void print_number(struct out *out, const struct step *step) {
        say(out, " %llu", (unsigned long long)step->flags);
}

static void print_mode(struct out *out, const struct step *step) {
        say(out, " %04llo", (unsigned long long)step->flags);
}

static void print_open(struct out *out, const struct step *step) {
        uint32_t expect = LOW32(step->more);
        say(out, " %s", path_at(out, step->a));
        if (step->slot != SLOT_NONE)
                say(out, " in %s", slot_name(out, step->slot));
        say(out, " -> %s (", slot_name(out, step->into));
        say_bits(out, open_rows, step->flags);
        put(out, ")");
        if (expect == OPEN_NAMESPACE)
                say(out, " expect a %s namespace", names_of(&oci_namespace_names, HIGH32(step->more)));
        else if (expect != OPEN_ANY && expect < OPEN_NAMESPACE)
                say(out, " expect %s", expectations[expect]);
}

static void print_tree(struct out *out, const struct step *step) {
        if (step->a)
                say(out, " %s", path_at(out, step->a));
        else
                say(out, " of %s", slot_name(out, step->slot));
        say(out, " -> %s%s", slot_name(out, step->into), step->flags & AT_RECURSIVE ? " recursive" : "");
}

static void print_fs(struct out *out, const struct step *step) {
        const char *option = text_at(out, step->b);
        say(out, " %s -> %s (", text_at(out, step->a), slot_name(out, step->into));
        say_bits(out, attr_rows, step->flags);
        put(out, ")");
        for (; *option; option += strlen(option) + 1)
                say(out, " %s", readable(out, option));
}

static void print_overlay_old(struct out *out, const struct step *step) {
        say(out, " %s on %s -> %s", path_at(out, step->a), slot_name(out, step->slot), slot_name(out, step->into));
}

static void print_attr(struct out *out, const struct step *step) {
        say(out, " %s", step->slot == SLOT_NONE ? "/" : slot_name(out, step->slot));
        if (HIGH32(step->flags)) {
                put(out, " clear ");
                say_bits(out, attr_rows, HIGH32(step->flags));
        }
        if (LOW32(step->flags)) {
                put(out, " set ");
                say_bits(out, attr_rows, LOW32(step->flags));
        }
        say_propagation(out, step->more);
}

static void print_idmap(struct out *out, const struct step *step) {
        say(out, " %s by %s", slot_name(out, step->slot), slot_name(out, step->into));
        say_propagation(out, step->more);
}

static void print_target(struct out *out, const struct step *step) {
        say(out, " %s in %s -> %s (", path_at(out, step->a), slot_name(out, step->slot), slot_name(out, step->into));
        say_bits(out, target_rows, LOW32(step->flags) & ~(uint64_t)TARGET_LIKE);
        if (step->flags & TARGET_LIKE)
                say(out, "%slike %s", step->flags & TARGET_PLAIN ? "," : "", slot_name(out, (int)HIGH32(step->flags)));
        say(out, " %04llo)", (unsigned long long)step->more);
}

/* What the step before `until` put in the slot: the path or type it came from. */
static const char *origin(const struct out *out, int slot, const struct step *until) {
        const char *found = NULL;
        for (int lane = LANE_OPEN; lane <= LANE_CHILD; lane++)
                for (size_t i = 0; i < out->plan->count[lane]; i++) {
                        const struct step *step = &out->plan->steps[lane][i];
                        if (step == until)
                                return found ? found : slot_name(out, slot);
                        if (step->into == slot && step->a)
                                found = path_at(out, step->a);
                }
        return found ? found : slot_name(out, slot);
}

static void print_attach(struct out *out, const struct step *step) {
        say(out, " %s on %s%s", origin(out, step->slot, step), origin(out, step->into, step),
            step->flags ? ", with its mode" : "");
}

static void print_move(struct out *out, const struct step *step) {
        say(out, " %s -> %s", slot_name(out, step->slot), slot_name(out, step->into));
}

static void print_readonly(struct out *out, const struct step *step) {
        say(out, " %s (", path_at(out, step->a));
        say_bits(out, attr_rows, step->flags);
        put(out, ")");
}

static void print_node(struct out *out, const struct step *step) {
        uint32_t mode = LOW32(step->flags), dev = HIGH32(step->flags);
        const char *kind = S_ISBLK(mode) ? "b" : S_ISFIFO(mode) ? "p" : "c";
        say(out, " %s %s %u:%u", path_at(out, step->a), kind, major(dev), minor(dev));
        if (step->into == SLOT_NONE)
                say(out, " %04o owner %u:%u", mode & 07777, LOW32(step->more), HIGH32(step->more));
        else
                put(out, " as the host's");
}

static void print_link(struct out *out, const struct step *step) {
        say(out, " %s -> %s", path_at(out, step->a), path_at(out, step->b));
}

static void print_write(struct out *out, const struct step *step) {
        say(out, " %s in %s: %s", path_at(out, step->a), slot_name(out, step->slot),
            str_json_quote(text_at(out, step->b)));
}

static void print_confined(struct out *out, const struct step *step) {
        put(out, plan_confine_words(out->plan, step));
}

static void print_setns(struct out *out, const struct step *step) {
        say(out, " %s (", slot_name(out, step->slot));
        say_bits(out, oci_namespace_names.rows, step->flags);
        put(out, ")");
}

static void print_unshare(struct out *out, const struct step *step) {
        put(out, " ");
        say_bits(out, oci_namespace_names.rows, step->flags);
}

static void print_message(struct out *out, const struct step *step) {
        say(out, " %s", message_name(step->flags));
}

static void print_hook(struct out *out, const struct step *step) {
        struct hook_data data;
        memcpy(&data, out->plan->data + step->b, sizeof(data));
        say(out, " %s ", path_at(out, step->a));
        say_strings(out, data.args);
        put(out, " env ");
        say_strings(out, data.env);
        if (step->more)
                say(out, " timeout %llu ms", (unsigned long long)step->more);
}

static void print_guard(struct out *out, const struct step *step) {
        put(out, step->flags ? " die with the parent" : " live on");
}

static void print_pty(struct out *out, const struct step *step) {
        say(out, " %s in %s -> %s %llux%llu owner %llu", path_at(out, step->a), slot_name(out, step->slot),
            slot_name(out, step->into), (unsigned long long)(step->flags & 0xffff),
            (unsigned long long)(step->flags >> 16), (unsigned long long)step->more);
}

static void print_rlimit(struct out *out, const struct step *step) {
        const char *name = names_of(&oci_rlimit_names, (int64_t)step->flags);
        struct rlimit64 limit;
        memcpy(&limit, out->plan->data + step->b, sizeof(limit));
        say(out, " %s", name ? name : "?");
        say_limit(out, limit.rlim_cur);
        say_limit(out, limit.rlim_max);
}

static void print_sched(struct out *out, const struct step *step) {
        struct sched_attr attr;
        memcpy(&attr, out->plan->data + step->b, sizeof(attr));
        const char *policy = names_of(&oci_scheduler_policy_names, attr.sched_policy);
        say(out, " %s nice %d priority %u flags %llu runtime %llu deadline %llu period %llu", policy ? policy : "?",
            attr.sched_nice, attr.sched_priority, (unsigned long long)attr.sched_flags,
            (unsigned long long)attr.sched_runtime, (unsigned long long)attr.sched_deadline,
            (unsigned long long)attr.sched_period);
}

static void print_ioprio(struct out *out, const struct step *step) {
        const char *name = names_of(&oci_ioprio_class_names, (int64_t)(step->flags >> IOPRIO_CLASS_SHIFT));
        say(out, " %s %llu", name ? name : "?", (unsigned long long)(step->flags & ((1u << IOPRIO_CLASS_SHIFT) - 1)));
}

static void print_affinity(struct out *out, const struct step *step) {
        say_mask(out, step->b, (size_t)step->flags);
}

static void print_mempolicy(struct out *out, const struct step *step) {
        say(out, " mode %llu nodes", (unsigned long long)step->flags);
        say_mask(out, step->b, (size_t)(step->more + 7) / 8);
}

static void print_personality(struct out *out, const struct step *step) {
        const char *name = names_of(&oci_personality_names, (int64_t)step->flags);
        say(out, " %s", name ? name : "?");
}

static void print_groups(struct out *out, const struct step *step) {
        for (uint64_t i = 0; i < step->flags; i++) {
                uint32_t gid;
                memcpy(&gid, out->plan->data + step->b + i * sizeof(gid), sizeof(gid));
                say(out, " %u", gid);
        }
        if (!step->flags)
                put(out, " none");
}

static void print_ids(struct out *out, const struct step *step) {
        say(out, " uid %u gid %u%s", LOW32(step->flags), HIGH32(step->flags),
            step->more ? " keeping capabilities" : "");
}

static void print_bounds(struct out *out, const struct step *step) {
        put(out, " ");
        say_numbered_bits(out, &oci_capability_names, step->flags);
}

static void print_caps(struct out *out, const struct step *step) {
        struct step_caps caps;
        memcpy(&caps, out->plan->data + step->b, sizeof(caps));
        static const char *const names[] = { " effective ", "; permitted ", "; inheritable ", "; ambient " };
        const uint64_t sets[] = { caps.effective, caps.permitted, caps.inheritable, caps.ambient };
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
                put(out, names[i]);
                say_numbered_bits(out, &oci_capability_names, sets[i]);
        }
}

static void print_seccomp(struct out *out, const struct step *step) {
        say(out, " %llu instructions", (unsigned long long)step->flags);
        if (step->more) {
                put(out, " flags ");
                for (int i = 0; i < 64; i++)
                        if (step->more >> i & 1)
                                say(out, "%d ", i);
        }
}

static void print_find(struct out *out, const struct step *step) {
        say(out, " %s", path_at(out, step->a));
        if (step->b)
                say(out, " along %s", path_at(out, step->b));
}

static void print_exec(struct out *out, const struct step *step) {
        put(out, " ");
        say_strings(out, step->a);
        put(out, " env ");
        say_strings(out, step->b);
}

typedef void printer(struct out *out, const struct step *step);

static printer *const printers[STEP_KINDS] = {
        [STEP_OPEN] = print_open,
        [STEP_CLOSE] = print_slot,
        [STEP_TREE] = print_tree,
        [STEP_FS] = print_fs,
        [STEP_OVERLAY_OLD] = print_overlay_old,
        [STEP_ATTR] = print_attr,
        [STEP_IDMAP] = print_idmap,
        [STEP_TARGET] = print_target,
        [STEP_ATTACH] = print_attach,
        [STEP_DETACH] = print_text,
        [STEP_COPYUP] = print_move,
        [STEP_MASK] = print_text,
        [STEP_READONLY] = print_readonly,
        [STEP_NODE] = print_node,
        [STEP_LINK] = print_link,
        [STEP_WRITE] = print_write,
        [STEP_PIVOT] = print_slot,
        [STEP_MOVE_ROOT] = print_slot,
        [STEP_CHROOT] = print_slot,
        [STEP_SETNS] = print_setns,
        [STEP_UNSHARE] = print_unshare,
        [STEP_HOSTNAME] = print_text,
        [STEP_DOMAINNAME] = print_text,
        [STEP_SEND] = print_message,
        [STEP_AWAIT] = print_message,
        [STEP_HOOK] = print_hook,
        [STEP_GUARD] = print_guard,
        [STEP_KEYRING] = print_text,
        [STEP_SESSION] = print_slot,
        [STEP_PTY] = print_pty,
        [STEP_CONSOLE] = print_text,
        [STEP_STDIO] = print_slot,
        [STEP_UMASK] = print_mode,
        [STEP_RLIMIT] = print_rlimit,
        [STEP_SCHED] = print_sched,
        [STEP_IOPRIO] = print_ioprio,
        [STEP_AFFINITY] = print_affinity,
        [STEP_MEMPOLICY] = print_mempolicy,
        [STEP_PERSONALITY] = print_personality,
        [STEP_LABEL] = print_confined,
        [STEP_RELABEL] = print_confined,
        [STEP_RULESET] = print_confined,
        [STEP_RULE] = print_confined,
        [STEP_CORE] = print_confined,
        [STEP_GROUPS] = print_groups,
        [STEP_IDS] = print_ids,
        [STEP_BOUNDS] = print_bounds,
        [STEP_CAPS] = print_caps,
        [STEP_SECCOMP] = print_seccomp,
        [STEP_CWD] = print_text,
        [STEP_FIND] = print_find,
        [STEP_FDS] = print_number,
        [STEP_EXEC] = print_exec,
};

static void print_step(struct out *out, const struct step *step) {
        if (step->kind < STEP_KINDS && printers[step->kind])
                printers[step->kind](out, step);
        if (step->tolerate)
                say(out, " unless: %s", strerror(step->tolerate));
}

/* -- the rest of a plan -- */

static void print_lane(struct out *out, enum plan_lane lane) {
        for (size_t i = 0; i < out->plan->count[lane]; i++) {
                const struct step *step = &out->plan->steps[lane][i];
                const char *place = out->plan->places[lane][i];
                say(out, "%-6s %-13s", lanes[lane], step_name((enum step_kind)step->kind));
                print_step(out, step);
                say(out, place ? " (%s)\n" : "\n", place);
        }
}

static void print_maps(struct out *out, const char *word, const struct oci_idmap *maps, size_t count) {
        for (size_t i = 0; i < count; i++)
                say(out, "%-20s %u %u %u\n", word, maps[i].container_id, maps[i].host_id, maps[i].size);
}

static void print_clone(struct out *out) {
        const struct plan *plan = out->plan;
        for (size_t i = 0; i < plan->userns_wanted.n; i++) {
                const struct plan_userns *wanted = &plan->userns_wanted.at[i];
                say(out, "userns %s\n", slot_name(out, wanted->slot));
                print_maps(out, "userns uid", wanted->uid_maps, wanted->uid_maps_count);
                print_maps(out, "userns gid", wanted->gid_maps, wanted->gid_maps_count);
        }
        put(out, "clone  ");
        say_bits(out, oci_namespace_names.rows, plan->clone_flags);
        put(out, plan->unshares_time ? " and time\n" : "\n");
        for (size_t i = 0; i < plan->time_offsets.n; i++)
                say(out, "clone  time offset   %s\n", plan->time_offsets.at[i]);
        print_maps(out, "clone  uid map", plan->uid_maps, plan->uid_maps_count);
        print_maps(out, "clone  gid map", plan->gid_maps, plan->gid_maps_count);
}

char *plan_print(const struct plan *plan, const struct plan_options *options) {
        struct out out = { .plan = plan, .bundle = options->relative_paths ? options->bundle : NULL };
        print_lane(&out, LANE_OPEN);
        print_clone(&out);
        print_lane(&out, LANE_CHILD);
        print_lane(&out, LANE_HOST);
        print_lane(&out, LANE_READY);
        put(&out, plan_print_limits(plan));
        return out.text;
}

char *plan_step_words(const struct plan *plan, enum plan_lane lane, size_t step) {
        struct out out = { .plan = plan };
        if (step >= plan->count[lane])
                return arena_strdup("unknown step");
        put(&out, step_name((enum step_kind)plan->steps[lane][step].kind));
        print_step(&out, &plan->steps[lane][step]);
        return out.text;
}
