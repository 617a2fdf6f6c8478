/* Resources put into others: what is given wins, the rest stays, lists by their keys. */
#include "specs/base/arena.h"
#include "specs/oci_linux.h"
#include "tests/unit/test.h"

static struct oci_resources *resources(const char *text) {
        struct oci_resources *parsed = arena_alloc(sizeof(*parsed));
        if (json_read(text, strlen(text), &oci_resources_type, NULL, parsed) < 0)
                printf("# %s: %s\n", text, err_message());
        return parsed;
}

static const struct {
        const char *base, *update, *merged;
} rows[] = {
        { "{}", "{}", "{}" },
        { "{\"pids\":{\"limit\":5}}", "{}", "{\"pids\":{\"limit\":5}}" },
        { "{}", "{\"pids\":{\"limit\":5}}", "{\"pids\":{\"limit\":5}}" },
        { "{\"pids\":{\"limit\":5}}", "{\"pids\":{\"limit\":0}}", "{\"pids\":{\"limit\":0}}" },
        { "{\"memory\":{\"limit\":5,\"swap\":9,\"checkBeforeUpdate\":true}}",
          "{\"memory\":{\"limit\":-1,\"checkBeforeUpdate\":false}}",
          "{\"memory\":{\"limit\":-1,\"swap\":9,\"checkBeforeUpdate\":false}}" },
        { "{\"cpu\":{\"shares\":5,\"cpus\":\"0\"}}", "{\"cpu\":{\"cpus\":\"1\",\"quota\":7}}",
          "{\"cpu\":{\"shares\":5,\"quota\":7,\"cpus\":\"1\"}}" },
        /* rules are an order, so they are taken as a whole */
        { "{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\",\"major\":1}]}",
          "{\"devices\":[{\"allow\":true}]}", "{\"devices\":[{\"allow\":true}]}" },
        { "{\"blockIO\":{\"weight\":10,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1},"
          "{\"major\":8,\"minor\":1,\"rate\":2}]}}",
          "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":2,\"rate\":3},"
          "{\"major\":8,\"minor\":1,\"rate\":0}],\"throttleWriteIOPSDevice\":[{\"major\":9,\"minor\":0,\"rate\":4}]}}",
          "{\"blockIO\":{\"weight\":10,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1},"
          "{\"major\":8,\"minor\":1,\"rate\":0},{\"major\":8,\"minor\":2,\"rate\":3}],"
          "\"throttleWriteIOPSDevice\":[{\"major\":9,\"minor\":0,\"rate\":4}]}}" },
        { "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":20,\"leafWeight\":30}]}}",
          "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":40}]}}",
          "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":40,\"leafWeight\":30}]}}" },
        { "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"1GB\",\"limit\":2}]}",
          "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":3},{\"pageSize\":\"64KB\",\"limit\":4}]}",
          "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"1GB\",\"limit\":3},"
          "{\"pageSize\":\"64KB\",\"limit\":4}]}" },
        { "{\"rdma\":{\"a\":{\"hcaHandles\":1,\"hcaObjects\":2},\"b\":{\"hcaHandles\":3}}}",
          "{\"rdma\":{\"b\":{\"hcaObjects\":4},\"c\":{\"hcaObjects\":5}}}",
          "{\"rdma\":{\"a\":{\"hcaHandles\":1,\"hcaObjects\":2},\"b\":{\"hcaHandles\":3,\"hcaObjects\":4},"
          "\"c\":{\"hcaObjects\":5}}}" },
        { "{\"unified\":{\"memory.high\":\"1\",\"pids.max\":\"2\"}}",
          "{\"unified\":{\"pids.max\":\"max\",\"io.weight\":\"3\"}}",
          "{\"unified\":{\"memory.high\":\"1\",\"pids.max\":\"max\",\"io.weight\":\"3\"}}" },
};

static void test_rows(void) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct oci_resources *base = resources(rows[i].base), *update = resources(rows[i].update);
                json_merge(base, update, &oci_resources_type);
                CHECK_STR(json_write(base, &oci_resources_type, false), rows[i].merged);
                /* The update itself is only read, and merging it again changes nothing more. */
                CHECK_STR(json_write(update, &oci_resources_type, false),
                          json_write(resources(rows[i].update), &oci_resources_type, false));
                json_merge(base, update, &oci_resources_type);
                CHECK_STR(json_write(base, &oci_resources_type, false), rows[i].merged);
        }
}

/* A document that is a part of another is named as one. */
static void test_place(void) {
        struct json_read_options options = { .in = "linux.resources" };
        struct oci_resources parsed;
        const char *wrong = "{\"memory\":{\"limit\":\"5\"}}";
        CHECK_FAIL(json_read(wrong, strlen(wrong), &oci_resources_type, &options, &parsed),
                   "linux.resources.memory.limit: string not expected");
        CHECK_FAIL(json_read("[]", 2, &oci_resources_type, &options, &parsed), "linux.resources: list not expected");
}

int main(void) {
        test_rows();
        test_place();
        return test_done();
}
