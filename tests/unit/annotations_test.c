/* Annotations: the ones that are a write or a step, the ones that are refused, and names that nobody knows. */
#include "tests/unit/plan_case.h"

static struct build *built(const char *annotations, const char *linux_) {
        return plan_case_build(&(struct plan_case){
                .process = USER(0, 0), .linux_ = linux_, .rest = str_format("\"annotations\":{%s}", annotations) });
}

static void test_names(void) {
        static const char *const refused[] = {
                "run.oci.handler",
                "run.oci.seccomp.plugins",
                "run.oci.seccomp_bpf_data",
                "run.oci.systemd.force_cgroup_v1",
        };
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                struct build *b = built(str_format("\"%s\":\"x\"", refused[i]), NULL);
                CHECK_ROW(plan_annotations(b) < 0, refused[i]);
                CHECK_ROW(str_starts(err_message(), str_format("annotations[\"%s\"]: ", refused[i])), refused[i]);
                struct strv names = plan_annotation_names();
                CHECK_ROW(!strv_has(&names, refused[i]), refused[i]);
        }
        struct build *b = built("\"org.rundlet.landlok\":\"{}\",\"org.rundlet.net.name\":\"x\",\"run.oci.x\":\"\","
                                "\"org.rundlet.overlay.lowerx\":\"\",\"org.systemd.property.After\":\"[]\"",
                                NULL);
        CHECK_INT(plan_annotations(b), 0);
        CHECK_STR(plan_case_warnings(b->plan), "annotations[\"org.rundlet.landlok\"]: unknown, ignored; "
                                               "annotations[\"org.rundlet.overlay.lowerx\"]: unknown, ignored");
        struct strv names = plan_annotation_names();
        CHECK(strv_has(&names, "org.rundlet.landlock") && strv_has(&names, "org.rundlet.net."));
}

static void test_oom_group(void) {
        static const struct {
                const char *value, *linux_;
                size_t writes;
        } rows[] = {
                { "1", NULL, 1 },
                { "true", "\"resources\":{}", 1 },
                { "0", NULL, 0 },
                { "false", NULL, 0 },
                { "1", "\"resources\":{\"unified\":{\"memory.oom.group\":\"0\"}}", 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b =
                        built(str_format("\"org.rundlet.memory.oom.group\":\"%s\"", rows[i].value), rows[i].linux_);
                CHECK(plan_annotations(b) == 0 && plan_oom_group(b) == 0);
                CHECK_INT(b->plan->cgroup_writes.n, rows[i].writes);
                if (!rows[i].writes)
                        continue;
                CHECK_STR(b->plan->cgroup_writes.at[0].file, "memory.oom.group");
                CHECK_STR(b->plan->cgroup_writes.at[0].value, "1");
                CHECK(strv_has(&b->plan->controllers, "memory"));
        }
        CHECK_FAIL(plan_annotations(built("\"org.rundlet.memory.oom.group\":\"yes\"", NULL)),
                   "annotations[\"org.rundlet.memory.oom.group\"]: yes: 1 or 0 expected");
        CHECK_FAIL(plan_annotations(built("\"org.rundlet.core-scheduling\":\"\"", NULL)), ": 1 or 0 expected");
}

static void test_core_scheduling(void) {
        struct build *b = built("\"org.rundlet.core-scheduling\":\"1\"", NULL);
        CHECK_INT(plan_core_scheduling(b), 0);
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_CORE, 0);
        CHECK(step && step->flags == 0 && b->plan->count[LANE_OPEN] == 0);
        struct oci_process process = *b->process;
        struct plan_options options = *b->options;
        options.init_pid = 77;
        b->process = &process;
        b->options = &options;
        CHECK_INT(plan_core_scheduling(b), 0);
        step = plan_case_step(b->plan, LANE_OPEN, STEP_CORE, 0);
        CHECK(step && step->flags == 77);
        CHECK_STR(plan_step_words(b->plan, LANE_OPEN, 0), "core-scheduling of process 77");
        b = built("\"org.rundlet.core-scheduling\":\"0\"", NULL);
        CHECK(plan_core_scheduling(b) == 0 && b->plan->count[LANE_CHILD] == 0);
}

int main(void) {
        test_names();
        test_oom_group();
        test_core_scheduling();
        return test_done();
}
