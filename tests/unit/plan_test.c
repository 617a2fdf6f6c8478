/* The plan itself: texts, lists, slots, steps, and the plan as text. */
#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "specs/base/str.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>

static void texts_are_shared(void) {
        struct plan *plan = plan_new();
        uint32_t proc = plan_text(plan, "/proc"), sys = plan_text(plan, "/sys");
        CHECK(proc != 0 && sys != 0);
        CHECK_STR(plan->data + proc, "/proc");
        CHECK_STR(plan->data + sys, "/sys");
        CHECK(plan_text(plan, "/proc") == proc);
        CHECK_STR(plan->data + plan_text(plan, "proc"), "proc");
        CHECK_STR(plan->data + plan_text(plan, "/pro"), "/pro");
        CHECK_STR(plan->data + plan_text(plan, ""), "");
}

static void data_grows(void) {
        struct plan *plan = plan_new();
        uint32_t at[2000];
        bool good = true;
        for (int i = 0; i < 2000; i++)
                at[i] = plan_text(plan, str_format("a text with the number %d in it", i));
        for (int i = 0; i < 2000; i++)
                good &= strcmp(plan->data + at[i], str_format("a text with the number %d in it", i)) == 0;
        CHECK(good);
        CHECK(plan->data_size <= plan->data_room);
}

static void bytes_are_aligned(void) {
        struct plan *plan = plan_new();
        (void)plan_text(plan, "x");
        uint64_t value = 0x1122334455667788;
        uint32_t at = plan_bytes(plan, &value, sizeof(value), 8);
        CHECK_INT(at % 8, 0);
        CHECK(memcmp(plan->data + at, &value, sizeof(value)) == 0);
        CHECK_INT(plan_bytes(plan, &value, 4, 4) % 4, 0);
}

static void lists_have_their_form(void) {
        struct plan *plan = plan_new();
        struct strv list = { 0 }, none = { 0 };
        strv_add(&list, "one");
        strv_add(&list, "two=2");
        uint32_t at = plan_strings(plan, &list), words[3];
        memcpy(words, plan->data + at, sizeof(words));
        CHECK_INT(at % 4, 0);
        CHECK_INT(words[0], 2);
        CHECK_STR(plan->data + words[1], "one");
        CHECK_STR(plan->data + words[2], "two=2");
        at = plan_option_list(plan, &list);
        CHECK(memcmp(plan->data + at, "one\0two=2\0\0", 11) == 0);
        CHECK_INT(plan_option_list(plan, &none), 0);
        memcpy(words, plan->data + plan_strings(plan, &none), sizeof(words[0]));
        CHECK_INT(words[0], 0);
}

static void slots_are_numbered(void) {
        struct plan *plan = plan_new();
        CHECK_INT(plan_slot(plan, "first"), SLOT_FREE);
        CHECK_INT(plan_slot(plan, "second"), SLOT_FREE + 1);
        CHECK_STR(plan->slot_names[SLOT_FREE + 1], "second");
        CHECK_STR(plan_slot_reference(SLOT_FREE), "\001"
                                                  "0014");
        CHECK_STR(plan_slot_reference(1023), "\001"
                                             "03ff");
        int slot = 0;
        while (slot >= 0 && slot < SLOT_MAX)
                slot = plan_slot(plan, "more");
        CHECK_INT(slot, -E2BIG);
        CHECK_INT(plan->slots, SLOT_MAX);
}

static void steps_remember_their_place(void) {
        struct plan *plan = plan_new();
        bool good = true;
        for (int i = 0; i < 500; i++) {
                plan->place = str_format("mounts[%d]", i);
                plan_add(plan, LANE_CHILD, STEP_UMASK, .flags = (uint64_t)i);
        }
        plan_add(plan, LANE_OPEN, STEP_CLOSE, .slot = SLOT_ROOT);
        struct lane child = plan_lane(plan, LANE_CHILD), open = plan_lane(plan, LANE_OPEN);
        CHECK_INT(child.count, 500);
        CHECK_INT(open.count, 1);
        for (int i = 0; i < 500; i++)
                good &= child.at[i].flags == (uint64_t)i &&
                        strcmp(plan->places[LANE_CHILD][i], str_format("mounts[%d]", i)) == 0;
        CHECK(good);
        CHECK_INT(child.at[0].slot, SLOT_NONE);
        CHECK_INT(child.at[0].into, SLOT_NONE);
        CHECK_INT(open.at[0].slot, SLOT_ROOT);
        CHECK_INT(open.at[0].into, SLOT_NONE);
}

/* One row a shape of step: the words that a failure is told with. */
static void steps_have_words(void) {
        struct plan *plan = plan_new();
        struct strv list = { 0 };
        strv_add(&list, "size=64k");
        strv_add(&list, str_format("upperdir=%s", plan_slot_reference(SLOT_TARGET)));
        struct {
                struct step step;
                const char *words;
        } rows[] = {
                { { STEP_OPEN, SLOT_NONE, SLOT_NULL, 0, plan_text(plan, "/dev/null"), 0, O_PATH, OPEN_NULL },
                  "open /dev/null -> null (path) expect the null device" },
                { { STEP_OPEN, SLOT_NONE, SLOT_PIDNS, 0, plan_text(plan, "/x"), 0, O_CLOEXEC,
                    OPEN_NAMESPACE | (uint64_t)CLONE_NEWPID << 32 },
                  "open /x -> pidns (cloexec) expect a pid namespace" },
                { { STEP_FS, SLOT_NONE, SLOT_MOUNT, 0, plan_text(plan, "tmpfs"), plan_option_list(plan, &list),
                    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME, 0 },
                  "mount tmpfs -> mount (nosuid,noatime) size=64k upperdir=<target>" },
                { { STEP_ATTR, SLOT_ROOT, SLOT_NONE, 0, 0, 0, ATTR(MOUNT_ATTR_RDONLY, MOUNT_ATTR_NODEV), AT_RECURSIVE },
                  "attributes root clear nodev set ro recursive" },
                { { STEP_NODE, SLOT_ROOT, SLOT_NONE, 0, plan_text(plan, "/dev/zero"), 0, NODE(020666, 0x105),
                    IDS(1, 2) },
                  "node /dev/zero c 1:5 0666 owner 1:2" },
                { { STEP_TARGET, SLOT_ROOT, SLOT_TARGET, 0, plan_text(plan, "/proc"), 0, TARGET_FOLDER | TARGET_PLAIN,
                    0755 },
                  "target /proc in root -> target (folder,plain 0755)" },
                { { STEP_KEYRING, SLOT_NONE, SLOT_NONE, ENOSYS, plan_text(plan, "k"), 0, 0, 0 },
                  "keyring k unless: Function not implemented" },
                { { STEP_SETNS, SLOT_PIDFD, SLOT_NONE, 0, 0, 0, CLONE_NEWNET | CLONE_NEWNS, 0 },
                  "setns pidfd (mount,network)" },
                { { STEP_SEND, SLOT_NONE, SLOT_NONE, 0, 0, 0, MESSAGE_READY, 0 }, "send ready" },
                { { STEP_IDS, SLOT_NONE, SLOT_NONE, 0, 0, 0, IDS(1000, 100), 1 },
                  "ids uid 1000 gid 100 keeping capabilities" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                (void)plan_add_step(plan, LANE_CHILD, rows[i].step);
                CHECK_STR(plan_step_words(plan, LANE_CHILD, i), rows[i].words);
        }
        CHECK_STR(plan_step_words(plan, LANE_CHILD, 1000), "unknown step");
}

static void paths_of_the_bundle_are_relative(void) {
        struct plan *plan = plan_new();
        struct plan_options options = { .bundle = "/srv/box", .relative_paths = true };
        plan->place = "root.path";
        plan_add(plan, LANE_OPEN, STEP_TREE, .into = SLOT_ROOT, .a = plan_text(plan, "/srv/box/rootfs"));
        plan_add(plan, LANE_OPEN, STEP_TREE, .into = SLOT_ROOT, .a = plan_text(plan, "/srv/boxes\n"));
        CHECK(strstr(plan_print(plan, &options), "open   tree          ./rootfs -> root (root.path)\n"));
        CHECK(strstr(plan_print(plan, &options), "open   tree          /srv/boxes\\n -> root (root.path)\n"));
        options.relative_paths = false;
        CHECK(strstr(plan_print(plan, &options), "/srv/box/rootfs -> root"));
}

static void limits_are_printed(void) {
        struct plan *plan = plan_new();
        struct plan_options options = { .bundle = "/" };
        struct cgroup_write write = { .file = "memory.max",
                                      .value = "536870912",
                                      .place = "linux.resources.memory.limit" };
        plan->cgroup_writes.at = &write;
        plan->cgroup_writes.n = 1;
        plan->device_filter = "";
        plan->device_filter_count = 7;
        plan_warn(plan, "option %s: left out", "gid=5");
        const char *text = plan_print(plan, &options);
        CHECK(strstr(text, "limit  memory.max 536870912 (linux.resources.memory.limit)\n"));
        CHECK(strstr(text, "device filter        7 instructions\n"));
        CHECK(strstr(text, "warn   option gid=5: left out\n"));
}

/* The first step of the kind in the child lane, or -1. */
static int first(const struct plan *plan, enum step_kind kind) {
        for (size_t i = 0; i < plan->count[LANE_CHILD]; i++)
                if (plan->steps[LANE_CHILD][i].kind == kind)
                        return (int)i;
        return -1;
}

/* The process of exec enters the container's pid namespace late, and never with a right that is only there to load its
 * filter. */
static void exec_forks_when_it_is_safe(void) {
        static const char text[] =
                "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},"
                "\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},"
                "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"}],"
                "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],"
                "\"action\":\"SCMP_ACT_ERRNO\"}]}}}";
        const struct json_read_options reading = { 0 };
        const struct plan_options options = { .bundle = "/b", .id = "ID", .state_folder = "/s" };
        struct oci_config *config;
        struct plan *plan;
        CHECK_INT(oci_config_read(text, sizeof(text) - 1, &reading, &config), 0);
        struct oci_process process = *config->process;
        CHECK_INT(plan_build_exec(config, &process, probe_named("full"), &options, &plan), 0);
        CHECK(first(plan, STEP_SETNS) >= 0 && first(plan, STEP_SETNS) < first(plan, STEP_BOUNDS));
        CHECK(first(plan, STEP_SECCOMP) >= 0 && first(plan, STEP_SECCOMP) < first(plan, STEP_FORK));
        CHECK(first(plan, STEP_FORK) < first(plan, STEP_SEND));
        CHECK_INT(first(plan, STEP_START), -1);
        CHECK_INT(first(plan, STEP_PIVOT), -1);
        process.no_new_privileges = true;
        CHECK_INT(plan_build_exec(config, &process, probe_named("full"), &options, &plan), 0);
        CHECK(first(plan, STEP_FORK) < first(plan, STEP_NNP) && first(plan, STEP_NNP) < first(plan, STEP_SECCOMP));
        CHECK_INT(first(plan, STEP_EXEC), (int)plan->count[LANE_CHILD] - 1);
}

static void probes_have_names(void) {
        CHECK(probe_named("full")->is_root && probe_named("full")->has_overlay_layers);
        CHECK(probe_named("old")->is_root && !probe_named("old")->has_overlay_layers);
        CHECK(!probe_named("rootless")->is_root);
        CHECK(!probe_named("other"));
}

int main(void) {
        texts_are_shared();
        data_grows();
        bytes_are_aligned();
        lists_have_their_form();
        slots_are_numbered();
        steps_remember_their_place();
        steps_have_words();
        paths_of_the_bundle_are_relative();
        limits_are_printed();
        exec_forks_when_it_is_safe();
        probes_have_names();
        return test_done();
}
