/* Namespaces: what clone makes, what the child makes, who enters existing ones and in which order. */
#include "runtime/plan/plan.h"
#include "specs/base/arena.h"
#include "tests/unit/test.h"

#include <sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define MAPS                                                                                                           \
        "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],\"gidMappings\":[{\"containerID\":0,"        \
        "\"hostID\":1000,\"size\":1}]"

static struct oci_config *config_of(const char *namespaces, const char *more) {
        struct oci_config *config;
        const struct json_read_options options = { 0 };
        const char *text = str_format("{\"ociVersion\":\"1.3.0\",\"linux\":{\"namespaces\":[%s]%s}}", namespaces, more);
        if (oci_config_read(text, strlen(text), &options, &config) < 0)
                printf("# %s\n", err_message());
        return config;
}

static int build(const char *probe, const char *namespaces, const char *more, struct plan **ret) {
        struct oci_config *config = config_of(namespaces, more);
        struct build b = { .plan = plan_new(), .config = config, .probe = probe_named(probe) };
        *ret = b.plan;
        return plan_namespaces(&b);
}

/* The steps of a lane as words, between "; ". */
static const char *lane_words(const struct plan *plan, enum plan_lane lane) {
        struct strv words = { 0 };
        for (size_t i = 0; i < plan->count[lane]; i++)
                strv_add(&words, plan_step_words(plan, lane, i));
        return str_join(&words, "; ");
}

static void new_namespaces_are_cloned(void) {
        struct plan *plan;
        CHECK_INT(build("full", "{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"cgroup\"},{\"type\":\"network\"}",
                        "", &plan),
                  0);
        CHECK_INT(plan->clone_flags, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET);
        CHECK_STR(lane_words(plan, LANE_CHILD), "guard die with the parent; unshare cgroup");
        CHECK(!plan->joins_pidns && !plan->has_new_userns);
}

static void new_user_namespace_is_mapped(void) {
        struct plan *plan;
        CHECK_INT(build("rootless", "{\"type\":\"user\"},{\"type\":\"mount\"}", "," MAPS, &plan), 0);
        CHECK_INT(plan->clone_flags, CLONE_NEWNS | CLONE_NEWUSER);
        CHECK(plan->has_new_userns && plan->uid_maps_count == 1 && plan->gid_maps_count == 1);
        CHECK_STR(lane_words(plan, LANE_CHILD),
                  "send here; await mapped; guard die with the parent; ids uid 0 gid 0 keeping capabilities; "
                  "guard die with the parent");
}

static void root_that_is_not_mapped_is_not_become(void) {
        struct plan *plan;
        CHECK_INT(build("rootless", "{\"type\":\"user\"},{\"type\":\"mount\"}",
                        ",\"uidMappings\":[{\"containerID\":5,\"hostID\":1000,\"size\":1}],"
                        "\"gidMappings\":[{\"containerID\":5,\"hostID\":1000,\"size\":1}]",
                        &plan),
                  0);
        CHECK_STR(lane_words(plan, LANE_CHILD), "send here; await mapped; guard die with the parent");
}

static void root_enters_the_user_namespace_last(void) {
        struct plan *plan;
        const char *namespaces =
                "{\"type\":\"user\",\"path\":\"/u\"},{\"type\":\"network\",\"path\":\"/n\"},{\"type\":\"mount\"}";
        CHECK_INT(build("full", namespaces, "", &plan), 0);
        CHECK_STR(lane_words(plan, LANE_OPEN), "open /u -> user namespace (cloexec) expect a user namespace; "
                                               "open /n -> network namespace (cloexec) expect a network namespace");
        CHECK_STR(lane_words(plan, LANE_CHILD),
                  "guard die with the parent; setns network namespace (network); setns user namespace (user); "
                  "ids uid 0 gid 0 keeping capabilities; guard die with the parent; unshare mount");
        CHECK_INT(plan->clone_flags, 0);
        CHECK_INT(build("rootless", namespaces, "", &plan), 0);
        CHECK_STR(lane_words(plan, LANE_CHILD),
                  "send here; await mapped; guard die with the parent; setns user namespace (user); "
                  "ids uid 0 gid 0 keeping capabilities; "
                  "guard die with the parent; setns network namespace (network); unshare mount");
}

static void joined_pid_namespace_needs_a_fork(void) {
        struct plan *plan;
        CHECK_INT(build("full", "{\"type\":\"mount\"},{\"type\":\"pid\",\"path\":\"/p\"}", "", &plan), 0);
        CHECK(plan->joins_pidns);
        CHECK_INT(plan->clone_flags, CLONE_NEWNS);
        CHECK_STR(lane_words(plan, LANE_CHILD),
                  "guard die with the parent; setns pidns (pid); await mapped; fork; guard die with the parent");
}

static void parent_joins_for_a_new_user_namespace(void) {
        struct plan *plan;
        CHECK_INT(build("full", "{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/n\"}",
                        "," MAPS, &plan),
                  0);
        CHECK_STR(lane_words(plan, LANE_OPEN),
                  "open /n -> network namespace (cloexec) expect a network namespace; "
                  "open /proc/self/ns/net -> own network namespace (cloexec) expect a network namespace; "
                  "setns network namespace (network)");
        CHECK_STR(lane_words(plan, LANE_HOST), "setns own network namespace (network)");
        CHECK_FAIL(build("full", "{\"type\":\"user\"},{\"type\":\"mount\",\"path\":\"/m\"}", "," MAPS, &plan),
                   "linux.namespaces[1].path: a new user namespace cannot use an existing mount namespace");
}

static void time_is_unshared_by_who_may(void) {
        struct plan *plan;
        const char *offsets = ",\"timeOffsets\":{\"boottime\":{\"secs\":-5,\"nanosecs\":7}}";
        CHECK_INT(build("full", "{\"type\":\"mount\"},{\"type\":\"time\"}", offsets, &plan), 0);
        CHECK(plan->unshares_time && plan->time_offsets.n == 1);
        CHECK_STR(plan->time_offsets.at[0], "boottime -5 7");
        CHECK_INT(build("rootless", "{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"time\"}",
                        str_format("," MAPS "%s", offsets), &plan),
                  0);
        CHECK(!plan->unshares_time && plan->time_offsets.n == 0);
        CHECK(strstr(lane_words(plan, LANE_CHILD), "write self/timens_offsets in own proc: \"boottime -5 7\\n\""));
}

static void what_cannot_be_is_refused(void) {
        struct plan *plan;
        struct probe bare = { .is_root = true };
        struct build b = { .plan = plan_new(), .config = config_of("{\"type\":\"time\"}", ""), .probe = &bare };
        CHECK_FAIL(plan_namespaces(&b), "linux.namespaces[0]: this kernel has no time namespaces");
        CHECK_FAIL(build("rootless", "{\"type\":\"mount\"}", "", &plan), "an ordinary user needs a user namespace");
}

static void exec_joins_in_one_call(void) {
        struct plan *plan = plan_new();
        struct oci_config *config = config_of("{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"}", "," MAPS);
        struct build b = { .plan = plan, .config = config, .probe = probe_named("full") };
        CHECK_INT(plan_join(&b), 0);
        CHECK_STR(lane_words(plan, LANE_CHILD),
                  "guard die with the parent; setns pidfd (mount,pid); setns pidfd (user); "
                  "ids uid 0 gid 0 keeping capabilities; guard die with the parent");
        CHECK(plan->joins_pidns);
}

int main(void) {
        new_namespaces_are_cloned();
        new_user_namespace_is_mapped();
        root_that_is_not_mapped_is_not_become();
        root_enters_the_user_namespace_last();
        joined_pid_namespace_needs_a_fork();
        parent_joins_for_a_new_user_namespace();
        time_is_unshared_by_who_may();
        what_cannot_be_is_refused();
        exec_joins_in_one_call();
        return test_done();
}
