/* A mount more in a container that runs, and one less: who copies the host's tree, and when. */
#include "tests/unit/plan_case.h"

static const struct plan_case one = {
        .linux_ = "\"namespaces\":[{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"pid\"}],"
                  "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
                  "\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}]",
        .rest = "\"mounts\":[{\"destination\":\"/before\",\"type\":\"tmpfs\"},"
                "{\"destination\":\"/a/../data\",\"type\":\"bind\",\"source\":\"data\",\"options\":[\"rbind\",\"ro\"]},"
                "{\"destination\":\"/x\",\"type\":\"proc\"},"
                "{\"destination\":\"/x\",\"type\":\"cgroup2\"},"
                "{\"destination\":\"/proc\",\"options\":[\"remount\"]},"
                "{\"destination\":\"/x/..\",\"type\":\"tmpfs\"}]",
};

static int build(const char *probe, size_t index, struct plan **ret) {
        struct build *b = plan_case_build(&one);
        return plan_build_mount(b->config, index, probe_named(probe), b->options, ret);
}

static void root_copies_before_it_enters(void) {
        struct plan *plan;
        CHECK_INT(build("full", 1, &plan), 0);
        CHECK_STR(plan_case_words(plan, LANE_OPEN), "tree attributes attributes");
        CHECK_STR(plan_case_words(plan, LANE_CHILD), "guard setns setns ids guard open target attach send");
        CHECK_STR(plan->data + plan->steps[LANE_OPEN][0].a, "/bundle/data");
        CHECK_STR(plan->places[LANE_OPEN][0], "mounts[1]");
        CHECK_STR(plan_step_words(plan, LANE_CHILD, 6), "target /data in root -> target (like mount 1 0755)");
        CHECK_INT(build("full", 0, &plan), 0);
        CHECK_INT(plan->count[LANE_OPEN], 0);
        CHECK_STR(plan_case_words(plan, LANE_CHILD), "guard setns setns ids guard open mount target attach send");
}

/* In a mount namespace that belongs to the container's user namespace, and is still the caller's copy. */
static void others_copy_on_the_way(void) {
        struct plan *plan;
        CHECK_INT(build("rootless", 1, &plan), 0);
        CHECK_INT(plan->count[LANE_OPEN], 0);
        CHECK_STR(plan_case_words(plan, LANE_CHILD), "send await guard setns unshare tree attributes attributes setns "
                                                     "ids guard open target attach send");
        CHECK_STR(plan->places[LANE_CHILD][5], "mounts[1]");
        CHECK_STR(plan->places[LANE_CHILD][8], "linux.namespaces");
        CHECK_STR(plan->places[LANE_CHILD][12], "mounts[1]");
}

static void what_cannot_be_added_is_named(void) {
        struct plan *plan;
        CHECK_FAIL(build("full", 2, &plan), "mounts[2].type: proc cannot be mounted in a running container");
        CHECK_FAIL(build("full", 3, &plan), "mounts[3].type: cgroup2 cannot be mounted");
        CHECK_FAIL(build("full", 4, &plan), "mounts[4].options: remount");
        CHECK_FAIL(build("full", 5, &plan), "mounts[5].destination");
}

static void a_mount_is_taken_away_by_our_own_procfs(void) {
        struct build *b = plan_case_build(&one);
        struct plan *plan;
        CHECK_INT(plan_build_detach(b->config, 1, b->probe, &plan), 0);
        CHECK_STR(plan_case_words(plan, LANE_OPEN), "open");
        CHECK_STR(plan_case_words(plan, LANE_CHILD), "guard setns setns ids guard open detach send");
        CHECK_STR(plan_step_words(plan, LANE_CHILD, 6), "detach /data");
        CHECK_FAIL(plan_build_detach(b->config, 5, b->probe, &plan), "the root stays");
}

int main(void) {
        root_copies_before_it_enters();
        others_copy_on_the_way();
        what_cannot_be_added_is_named();
        a_mount_is_taken_away_by_our_own_procfs();
        return test_done();
}
