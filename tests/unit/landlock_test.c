/* The annotation org.rundlet.landlock: values that are refused, and what older kernels leave of the others. */
#include "tests/unit/plan_case.h"

#include "runtime/steps/landlock.h"

#define NNP "\"noNewPrivileges\":true"

static struct build *built(const char *value, const char *process, int abi) {
        struct build *b = plan_case_build(&(struct plan_case){
                .process = process,
                .rest = str_format("\"annotations\":{\"org.rundlet.landlock\":%s}", str_json_quote(value)) });
        struct probe *probe = arena_alloc(sizeof(*probe));
        *probe = *b->probe;
        probe->landlock_abi = abi;
        b->probe = probe;
        return b;
}

static void test_refused(void) {
        static const struct {
                const char *value, *words;
        } rows[] = {
                { "", "JSON" },
                { "[]", "list not expected" },
                { "{\"ro\":\"/\"}", "ro" },
                { "{\"ro\":[1]}", "ro[0]" },
                { "{\"ro\":[\"/\"],\"ro\":[\"/\"]}", "ro" },
                { "{\"wx\":[]}", "wx" },
                { "{\"ro\":[\"\"]}", "ro[0]: : an absolute path" },
                { "{\"rx\":[\"/\",\"bin\"]}", "rx[1]: bin: an absolute path" },
                { "{\"rw\":[\"/a/../b\"]}", "rw[0]: /a/../b: an absolute path without \"..\"" },
                { "{\"ro\":[\"/..\"]}", "ro[0]" },
                { "{\"rw\":[\"/data\"],\"rx\":[\"/data//bin/.\"]}", "rx[0]: /data/bin can be exchanged" },
                { "{\"rw\":[\"/\"],\"rx\":[\"/bin\"]}", "who may write to /" },
                { "{\"bind\":[65536]}", "bind[0]" },
                { "{\"bind\":[-1]}", "bind[0]" },
                { "{\"connect\":[\"80\"]}", "connect" },
                { "{\"scope\":[\"signals\"]}", "scope[0]: signals: signal or abstract-unix-socket expected" },
                { "{\"mode\":\"lax\"}", "mode: lax: strict or best-effort expected" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b = built(rows[i].value, NNP, 7);
                CHECK_ROW(plan_landlock(b) < 0, rows[i].value);
                CHECK_ROW(strstr(err_message(), "annotations[\"org.rundlet.landlock\"]") != NULL, rows[i].value);
                CHECK_ROW(strstr(err_message(), rows[i].words) != NULL, err_message());
                CHECK(b->plan->count[LANE_CHILD] == 0);
        }
        CHECK_FAIL(plan_landlock(built("{}", "\"noNewPrivileges\":false", 7)), "needs process.noNewPrivileges");
}

static void test_many(void) {
        for (int n = 1024; n <= 10000; n += 8976) {
                struct strv paths = { 0 };
                for (int i = 0; i < n; i++)
                        strv_add(&paths, str_format("\"/%d\"", i));
                struct build *b = built(str_format("{\"ro\":[%s]}", str_join(&paths, ",")), NNP, 7);
                if (n > 1024)
                        CHECK_FAIL(plan_landlock(b), "more than 1024 paths and ports");
                else
                        CHECK(plan_landlock(b) == 0 && plan_case_step(b->plan, LANE_CHILD, STEP_RULE, 1023));
        }
}

static struct landlock_ruleset ruleset_of(const struct build *b) {
        struct landlock_ruleset ruleset = { 0 };
        const struct step *step = plan_case_step(b->plan, LANE_CHILD, STEP_RULESET, 0);
        if (step)
                memcpy(&ruleset, plan_case_data(b->plan, step->b), sizeof(ruleset));
        return ruleset;
}

/* A list that is empty is not one that is absent: it allows nothing. */
static void test_empty_lists(void) {
        struct build *b = built("{\"bind\":[]}", NNP, 7);
        CHECK(plan_landlock(b) == 0);
        CHECK(ruleset_of(b).ports == PORT_BIND && ruleset_of(b).files == 0 && ruleset_of(b).scopes == 0);
        b = built("{\"ro\":[]}", NNP, 7);
        CHECK(plan_landlock(b) == 0 && ruleset_of(b).files == 0xffff && ruleset_of(b).ports == 0);
        b = built("{}", NNP, 7);
        CHECK(plan_landlock(b) == 0 && !plan_case_step(b->plan, LANE_CHILD, STEP_RULESET, 0));
}

static void test_kernels(void) {
        static const struct {
                int abi;
                uint64_t files, ports, scopes;
                const char *strict;
        } rows[] = {
                { 0, 0, 0, 0, "no Landlock" },
                { 1, 0x1fff, 0, 0, "scopes: Landlock confines that from ABI 6 on, this kernel has ABI 1" },
                { 2, 0x3fff, 0, 0, "ABI 2" },
                { 3, 0x7fff, 0, 0, "ABI 3" },
                { 4, 0x7fff, 3, 0, "ABI 4" },
                { 5, 0xffff, 3, 0, "ABI 5" },
                { 6, 0xffff, 3, 3, NULL },
                { 9, 0xffff, 3, 3, NULL },
        };
        static const char lists[] = "\"rw\":[\"/tmp\"],\"bind\":[80],\"connect\":[],\"scope\":[\"signal\","
                                    "\"abstract-unix-socket\"]";
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct build *b = built(str_format("{%s,\"mode\":\"best-effort\"}", lists), NNP, rows[i].abi);
                CHECK(plan_landlock(b) == 0);
                plan_restrict(b);
                struct landlock_ruleset ruleset = ruleset_of(b);
                CHECK_INT(ruleset.files, rows[i].files);
                CHECK_INT(ruleset.ports, rows[i].ports);
                CHECK_INT(ruleset.scopes, rows[i].scopes);
                CHECK((b->plan->warnings.n == 1) == (rows[i].strict != NULL));
                CHECK(!plan_case_step(b->plan, LANE_CHILD, STEP_RESTRICT, 0) == (rows[i].abi == 0));
                const struct step *path = plan_case_step(b->plan, LANE_CHILD, STEP_RULE, rows[i].ports ? 1 : 0);
                CHECK(!path == (rows[i].abi == 0) && (!path || (path->flags & ~rows[i].files) == 0));
                b = built(str_format("{%s,\"mode\":\"strict\"}", lists), NNP, rows[i].abi);
                int r = plan_landlock(b);
                CHECK_ROW(rows[i].strict ? r < 0 && strstr(err_message(), rows[i].strict) : r == 0,
                          str_format("ABI %d", rows[i].abi));
        }
}

int main(void) {
        test_refused();
        test_many();
        test_empty_lists();
        test_kernels();
        return test_done();
}
