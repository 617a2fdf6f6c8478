/* An overlay as the root: layers named by annotations, mounted by rundlet itself.  Parent side; pure.
 *
 *   org.rundlet.overlay.lower    JSON list of folders, topmost first; relative ones are below the bundle
 *   org.rundlet.overlay.upper    folder that keeps what is written (its "upper" and "work"), or "tmpfs", "tmpfs:SIZE";
 *                                absent: private to the container and gone with it, none when the root is read-only
 *   org.rundlet.overlay.options  "volatile,metacopy=on": see allowed[]
 *
 * Overlayfs takes a layer only from the mount namespace of the caller, so layers are opened in the lane that mounts. */
#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>

#define LAYERS_MAX 500 /* OVL_MAX_STACK of the kernel's fs/overlayfs */

struct lower_list {
        struct strv lower;
};

static const struct json_field lower_list_fields[] = { FIELD(lower_list, "lower", lower) };
TYPE(lower_list);

struct layers {
        struct strv lower, options; /* paths, topmost first; options of overlayfs itself */
        const char *upper;          /* folder below which "upper" and "work" are made, NULL */
        const char *below;          /* in between: "overlay/" in the container's own folder, else "" */
        const char *tmpfs_size;     /* "" is the kernel's default, NULL: no tmpfs */
        enum plan_lane lane;
        int base, upper_slot, work_slot;
        int *lower_slots;
};

static const struct {
        const char *name;
        bool has_value;
} allowed[] = {
        { "volatile", false }, { "userxattr", false }, { "metacopy", true },   { "redirect_dir", true },
        { "index", true },     { "xino", true },       { "nfs_export", true },
};

static bool is_allowed(const char *option) {
        const char *equals = strchr(option, '=');
        size_t size = equals ? (size_t)(equals - option) : strlen(option);
        const char *value = equals ? equals + 1 : "";
        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
                if (strlen(allowed[i].name) == size && strncmp(allowed[i].name, option, size) == 0)
                        return allowed[i].has_value
                                       ? *value && strspn(value, "abcdefghijklmnopqrstuvwxyz") == strlen(value)
                                       : !equals;
        return false;
}

static int read_options(struct build *b, struct layers *layers) {
        const char *text = oci_annotation(b->config, "org.rundlet.overlay.options");
        struct strv options = str_split(text ? text : "", ',', true);
        for (size_t i = 0; i < options.n; i++) {
                if (!is_allowed(options.at[i]))
                        return fail_words(EINVAL,
                                          "annotations[\"org.rundlet.overlay.options\"]: overlay option %s: unknown",
                                          options.at[i]);
                strv_add(&layers->options, options.at[i]);
        }
        if (layers->lane == LANE_CHILD && plan_has_own(b, CLONE_NEWUSER) && !strv_has(&layers->options, "userxattr"))
                strv_add(&layers->options, "userxattr");
        return 0;
}

static int read_lower(struct build *b, const char *text, struct layers *layers) {
        struct lower_list list;
        const struct json_read_options strict = { .strict = true };
        if (text[strspn(text, " \t\r\n")] != '[')
                return fail_words(EINVAL,
                                  "annotations[\"org.rundlet.overlay.lower\"]: a JSON list of folders expected");
        const char *document = str_format("{\"lower\": %s}", text);
        int r = json_read(document, strlen(document), &lower_list_type, &strict, &list);
        if (r < 0)
                return fail_in(r, "annotations[\"org.rundlet.overlay.lower\"]");
        if (!list.lower.n)
                return fail_words(EINVAL, "annotations[\"org.rundlet.overlay.lower\"]: no layer is named");
        if (list.lower.n > LAYERS_MAX)
                return fail_words(
                        E2BIG,
                        "annotations[\"org.rundlet.overlay.lower\"]: %zu layers: overlayfs takes no more than %d",
                        list.lower.n, LAYERS_MAX);
        for (size_t i = 0; i < list.lower.n; i++) {
                const char *path = list.lower.at[i];
                if (!*path)
                        return fail_words(EINVAL, "annotations[\"org.rundlet.overlay.lower\"]: layer %zu: empty path",
                                          i);
                strv_add(&layers->lower, *path == '/' ? path : str_path(b->options->bundle, path));
        }
        return 0;
}

bool plan_overlay_is_private(const struct oci_config *config) {
        const char *upper = oci_annotation(config, "org.rundlet.overlay.upper");
        return oci_annotation(config, "org.rundlet.overlay.lower") && (!upper || !*upper) && !config->root->readonly;
}

static int read_upper(struct build *b, struct layers *layers) {
        const char *upper = oci_annotation(b->config, "org.rundlet.overlay.upper");
        if (!upper || !*upper) {
                layers->upper = plan_overlay_is_private(b->config) ? b->options->state_folder : NULL;
                layers->below = "overlay/";
                return 0;
        }
        if (str_eq(upper, "tmpfs") || str_starts(upper, "tmpfs:")) {
                int64_t bytes;
                layers->tmpfs_size = upper[5] ? upper + 6 : "";
                if (upper[5] && parse_size(layers->tmpfs_size, false, &bytes) < 0)
                        return fail_words(
                                EINVAL,
                                "annotations[\"org.rundlet.overlay.upper\"]: %s: size expected after tmpfs:", upper);
                return 0;
        }
        layers->upper = *upper == '/' ? upper : str_path(b->options->bundle, upper);
        return 0;
}

static int open_folder(struct build *b, enum plan_lane lane, const char *path, const char *name) {
        int slot = plan_slot(b->plan, name);
        if (slot >= 0)
                plan_add(b->plan, lane, STEP_OPEN, .into = slot, .a = plan_text(b->plan, path),
                         .flags = O_PATH | O_DIRECTORY, .more = OPEN_FOLDER);
        return slot;
}

static int add_lower(struct build *b, struct layers *layers) {
        b->plan->place = "annotations[\"org.rundlet.overlay.lower\"]";
        layers->lower_slots = arena_array(layers->lower.n, sizeof(int));
        for (size_t i = 0; i < layers->lower.n; i++) {
                layers->lower_slots[i] = open_folder(b, layers->lane, layers->lower.at[i], str_format("lower %zu", i));
                if (layers->lower_slots[i] < 0)
                        return layers->lower_slots[i];
        }
        return 0;
}

/* A tmpfs for what is written: attached below the overlay, because older kernels refuse a layer on a detached mount. */
static int add_tmpfs(struct build *b, struct layers *layers) {
        struct strv options = { 0 };
        strv_add(&options, "source=upper");
        strv_add(&options, "mode=0755");
        if (*layers->tmpfs_size)
                strv_add(&options, str_format("size=%s", layers->tmpfs_size));
        layers->base = plan_slot(b->plan, "overlay");
        if (layers->base < 0)
                return layers->base;
        plan_add(b->plan, LANE_CHILD, STEP_FS, .into = layers->base, .a = plan_text(b->plan, "tmpfs"),
                 .b = plan_option_list(b->plan, &options));
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = layers->base, .into = SLOT_ROOTFS);
        return 0;
}

/* The root of a new user namespace may not search the way to a private upper: a copy of the folder goes in by fd,
 * attached as the tmpfs is. */
static bool is_upper_copied(const struct build *b, const struct layers *layers) {
        return layers->lane == LANE_CHILD && plan_tree_lane(b) == LANE_OPEN && plan_has_own(b, CLONE_NEWUSER);
}

static int add_upper_copy(struct build *b, struct layers *layers) {
        layers->base = plan_slot(b->plan, "overlay");
        if (layers->base < 0)
                return layers->base;
        plan_tree(b, plan_tree_lane(b), *layers->below ? str_path(layers->upper, "overlay") : layers->upper, 0,
                  layers->base);
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = layers->base, .into = SLOT_ROOTFS);
        layers->below = "";
        return 0;
}

static int add_upper(struct build *b, struct layers *layers) {
        struct plan *plan = b->plan;
        plan->place = "annotations[\"org.rundlet.overlay.upper\"]";
        layers->upper_slot = plan_slot(plan, "upper");
        layers->work_slot = plan_slot(plan, "work");
        if (layers->upper_slot < 0 || layers->work_slot < 0)
                return -E2BIG;
        int r = 0;
        if (!layers->upper)
                r = add_tmpfs(b, layers);
        else if (is_upper_copied(b, layers))
                r = add_upper_copy(b, layers);
        else
                r = layers->base = open_folder(b, layers->lane, layers->upper, "overlay");
        if (r < 0)
                return r;
        plan_add(plan, layers->lane, STEP_TARGET, .slot = layers->base, .into = layers->upper_slot,
                 .a = plan_text(plan, str_format("%supper", layers->below)), .flags = TARGET_FOLDER, .more = 0755);
        plan_add(plan, layers->lane, STEP_TARGET, .slot = layers->base, .into = layers->work_slot,
                 .a = plan_text(plan, str_format("%swork", layers->below)), .flags = TARGET_FOLDER, .more = 0700);
        return 0;
}

static void close_layers(struct build *b, const struct layers *layers) {
        for (size_t i = 0; i < layers->lower.n; i++)
                plan_add(b->plan, layers->lane, STEP_CLOSE, .slot = layers->lower_slots[i]);
        if (layers->base == SLOT_NONE)
                return;
        plan_add(b->plan, layers->lane, STEP_CLOSE, .slot = layers->upper_slot);
        plan_add(b->plan, layers->lane, STEP_CLOSE, .slot = layers->work_slot);
        plan_add(b->plan, layers->lane, STEP_CLOSE, .slot = layers->base);
}

static void add_mount(struct build *b, const struct layers *layers) {
        struct strv options = { 0 };
        strv_add(&options, "source=overlay");
        for (size_t i = 0; i < layers->lower.n; i++)
                strv_add(&options, str_format("lowerdir+=%s", plan_slot_reference(layers->lower_slots[i])));
        if (layers->base != SLOT_NONE) {
                strv_add(&options, str_format("upperdir=%s", plan_slot_reference(layers->upper_slot)));
                strv_add(&options, str_format("workdir=%s", plan_slot_reference(layers->work_slot)));
        }
        for (size_t i = 0; i < layers->options.n; i++)
                strv_add(&options, layers->options.at[i]);
        if (plan_mount_context(b))
                strv_add(&options, plan_mount_context(b));
        plan_add(b->plan, layers->lane, STEP_FS, .into = SLOT_ROOT, .a = plan_text(b->plan, "overlay"),
                 .b = plan_option_list(b->plan, &options));
        plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = SLOT_ROOT, .into = SLOT_ROOTFS);
}

/* One option string of at most a page, with the shortest names there are: "lowerdir=21:22:23".  The numbers of
 * LAYERS_MAX fds fit it. */
static void add_mount_old(struct build *b, const struct layers *layers) {
        const char *tail = layers->base == SLOT_NONE
                                   ? ""
                                   : str_format(",upperdir=%s,workdir=%s", plan_slot_reference(layers->upper_slot),
                                                plan_slot_reference(layers->work_slot));
        for (size_t i = 0; i < layers->options.n; i++)
                tail = str_format("%s,%s", tail, layers->options.at[i]);
        if (plan_mount_context(b))
                tail = str_format("%s,%s", tail, plan_mount_context_quoted(b));
        struct strv lower = { 0 };
        for (size_t i = 0; i < layers->lower.n; i++)
                strv_add(&lower, plan_slot_reference(layers->lower_slots[i]));
        plan_add(b->plan, LANE_CHILD, STEP_OVERLAY_OLD, .slot = SLOT_ROOTFS, .into = SLOT_ROOT,
                 .a = plan_text(b->plan, str_format("lowerdir=%s%s", str_join(&lower, ":"), tail)));
}

int plan_overlay(struct build *b, int *ret_slot) {
        struct layers layers = { .base = SLOT_NONE, .below = "" };
        const char *lower = oci_annotation(b->config, "org.rundlet.overlay.lower");
        if (!lower && oci_annotation(b->config, "org.rundlet.overlay.upper"))
                return fail_words(EINVAL,
                                  "annotations[\"org.rundlet.overlay.upper\"]: needs org.rundlet.overlay.lower");
        if (!lower)
                return 0;
        int r = read_lower(b, lower, &layers);
        if (r == 0)
                r = read_upper(b, &layers);
        if (r < 0)
                return r;
        bool has_upper = layers.upper || layers.tmpfs_size;
        layers.lane = b->probe->has_overlay_layers && !layers.tmpfs_size ? plan_tree_lane(b) : LANE_CHILD;
        r = read_options(b, &layers);
        if (r < 0)
                return r;
        *ret_slot = SLOT_ROOT;
        if (!has_upper && layers.lower.n == 1) { /* overlayfs wants two layers */
                b->plan->place = "annotations[\"org.rundlet.overlay.lower\"]";
                plan_tree(b, plan_tree_lane(b), layers.lower.at[0], TREE_RECURSIVE, SLOT_ROOT);
                r = plan_below_root(b);
                b->plan->place = "annotations[\"org.rundlet.overlay.lower\"]";
                plan_add(b->plan, LANE_CHILD, STEP_ATTACH, .slot = SLOT_ROOT, .into = SLOT_ROOTFS);
                return r;
        }
        r = add_lower(b, &layers);
        if (r == 0)
                r = plan_below_root(b); /* root.path, which it lies over, may be a layer */
        if (r == 0 && has_upper)
                r = add_upper(b, &layers);
        if (r < 0)
                return r;
        b->plan->place = "annotations[\"org.rundlet.overlay.lower\"]";
        if (!b->probe->has_overlay_layers)
                add_mount_old(b, &layers);
        else
                add_mount(b, &layers);
        close_layers(b, &layers);
        return 0;
}
