/* The tables of the OCI model against the official schema, real configs and themselves.  Runs from the root of the
 * source tree. */
#include "tests/unit/test.h"

#include "specs/base/arena.h"
#include "specs/base/file.h"
#include "specs/oci_check.h"
#include "specs/oci_features.h"
#include "specs/oci_names.h"
#include "specs/oci_shape.h"
#include "specs/oci_state.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>

static const char *file_text(const char *path) {
        char *text = NULL;
        int r = read_file_at(AT_FDCWD, path, JSON_MAX_SIZE, &text, NULL);
        CHECK_ROW(r == 0, str_format("read %s", path));
        return text ? text : "";
}

/* --- schema: every member once, of the right type, and none besides --- */

/* One line of a table of the schema folder: sign is 0 for fields.txt. */
struct property {
        char sign;
        const char *document, *path, *type;
        bool is_required, is_seen;
};

struct properties {
        struct property *at;
        size_t n;
};

static struct property *find_property(const struct properties *list, const char *document, const char *path) {
        for (size_t i = 0; i < list->n; i++)
                if (str_eq(list->at[i].document, document) && str_eq(list->at[i].path, path))
                        return &list->at[i];
        return NULL;
}

static struct properties read_properties(const char *path, bool has_sign) {
        struct strv lines = str_split(file_text(path), '\n', true);
        struct properties list = { .at = arena_array(lines.n + 1, sizeof(struct property)) };
        for (size_t i = 0; i < lines.n; i++) {
                struct strv words = str_split(lines.at[i], ' ', true);
                if (*lines.at[i] == '#')
                        continue;
                CHECK_ROW(words.n >= 4, str_format("%s is a line of four words: %s", path, lines.at[i]));
                if (words.n < 4)
                        continue;
                if (has_sign)
                        list.at[list.n++] = (struct property){ *words.at[0], words.at[1], words.at[2], NULL };
                else
                        list.at[list.n++] = (struct property){ 0, words.at[0], words.at[1], words.at[2],
                                                               .is_required = str_eq(words.at[3], "required") };
        }
        return list;
}

static const char *json_type_of(enum json_kind kind) {
        static const char *const types[] = {
                [J_STRING] = "string",
                [J_STRV] = "list:string",
                [J_STRMAP] = "map:string",
                [J_BOOL] = "boolean",
                [J_OPT_BOOL] = "boolean",
                [J_U32] = "integer",
                [J_U64] = "integer",
                [J_I64] = "integer",
                [J_I32] = "integer",
                [J_OPT_U16] = "integer",
                [J_OPT_U32] = "integer",
                [J_OPT_I32] = "integer",
                [J_OPT_U64] = "integer",
                [J_OPT_I64] = "integer",
                [J_U32V] = "list:integer",
                [J_NAMED] = "string",
                [J_NAMED_SET] = "list:string",
                [J_NAMED_LIST] = "list:string",
                [J_OBJECT] = "object",
                [J_OPT_OBJECT] = "object",
                [J_LIST] = "list:object",
                [J_KEYED] = "map:object",
                [J_RAW] = "any",
        };
        return types[kind];
}

struct comparison {
        const char *document;
        struct properties *fields, *extras;
};

static void compare_field(const char *path, const struct json_field *field, void *data) {
        struct comparison *c = data;
        struct property *want = find_property(c->fields, c->document, path);
        struct property *extra = find_property(c->extras, c->document, path);
        bool is_required = field->flags & J_REQUIRED;
        if (extra)
                extra->is_seen = true;
        if (!want) {
                CHECK_ROW(extra && extra->sign == '+',
                          str_format("%s %s is in the schema or the extras", c->document, path));
                return;
        }
        want->is_seen = true;
        CHECK_ROW(!extra || extra->sign == '!', str_format("%s %s needs no extra", c->document, path));
        if (!str_eq(want->type, json_type_of(field->kind)))
                CHECK_STR(json_type_of(field->kind), want->type);
        CHECK_ROW((is_required == want->is_required) == !extra,
                  str_format("%s %s is %s", c->document, path, is_required ? "required" : "optional"));
}

static void test_schema(void) {
        struct properties fields = read_properties("tests/golden/schema/fields.txt", false);
        struct properties extras = read_properties("tests/golden/schema/extras.txt", true);
        const struct {
                const char *document;
                const struct json_type *type;
        } documents[] = {
                { "config", &oci_config_type },
                { "state", &oci_state_type },
                { "features", &oci_features_type },
        };
        for (size_t i = 0; i < 3; i++) {
                struct comparison c = { documents[i].document, &fields, &extras };
                json_walk(documents[i].type, compare_field, &c);
        }
        CHECK(fields.n > 250);
        for (size_t i = 0; i < fields.n; i++)
                CHECK_ROW(fields.at[i].is_seen,
                          str_format("table for %s %s", fields.at[i].document, fields.at[i].path));
        for (size_t i = 0; i < extras.n; i++)
                CHECK_ROW(extras.at[i].is_seen, str_format("use of extra %s", extras.at[i].path));
}

/* --- names --- */

static const struct names *const all_names[] = {
        &oci_namespace_names,        &oci_capability_names,     &oci_rlimit_names,       &oci_seccomp_action_names,
        &oci_seccomp_op_names,       &oci_seccomp_arch_names,   &oci_seccomp_flag_names, &oci_propagation_names,
        &oci_scheduler_policy_names, &oci_scheduler_flag_names, &oci_ioprio_class_names, &oci_mempolicy_mode_names,
        &oci_mempolicy_flag_names,   &oci_personality_names,
};

static void test_names(void) {
        for (size_t i = 0; i < sizeof(all_names) / sizeof(all_names[0]); i++) {
                const struct names *names = all_names[i];
                bool is_good = true;
                for (const struct name *row = names->rows; row->name; row++)
                        is_good = is_good && names_find(names, row->name) == row &&
                                  names_of(names, row->value) == row->name;
                CHECK_ROW(is_good, str_format("every %s has one name and one value", names->what));
        }
        for (int64_t cap = 0; cap <= CAP_LAST_CAP; cap++)
                CHECK_ROW(names_of(&oci_capability_names, cap) != NULL,
                          str_format("capability %d has a name", (int)cap));
        CHECK_INT(names_find(&oci_capability_names, "CAP_CHECKPOINT_RESTORE")->value, 40);
        CHECK_INT(names_find(&oci_seccomp_arch_names, "SCMP_ARCH_X86_64")->value, AUDIT_ARCH_X86_64);
        CHECK_INT(names_find(&oci_seccomp_arch_names, "SCMP_ARCH_X32")->value, 0x4000003e);
        CHECK_INT(names_find(&oci_seccomp_arch_names, "SCMP_ARCH_LOONGARCH64")->value, 0xc0000102);
        CHECK_INT(names_find(&oci_mempolicy_mode_names, "MPOL_WEIGHTED_INTERLEAVE")->value, 6);
}

/* --- reading and writing --- */

static struct oci_config *read_config(const char *text) {
        struct oci_config *config = NULL;
        struct strv warnings = { 0 };
        struct json_read_options options = { .strict = true, .warnings = &warnings };
        int r = oci_config_read(text, strlen(text), &options, &config);
        return r == 0 ? config : NULL;
}

/* The text without the white space between its words. */
static const char *squeeze(const char *text) {
        char *copy = arena_strdup(text), *to = copy;
        bool is_string = false;
        for (const char *from = text; *from; from++) {
                if (*from == '"' && from[-(from > text)] != '\\')
                        is_string = !is_string;
                if (is_string || !strchr(" \n", *from))
                        *to++ = *from;
        }
        *to = '\0';
        return copy;
}

static void test_everything(void) {
        const char *text = file_text("tests/golden/configs/everything.json");
        struct oci_config *config = read_config(text);
        CHECK(config != NULL);
        if (!config)
                return;
        CHECK_STR(squeeze(json_write(config, &oci_config_type, true)), squeeze(text));
        CHECK_INT(oci_check(config, NULL, NULL), 0);
        CHECK_INT(config->process->rlimits.at[0].hard, UINT64_MAX);
        CHECK_INT(config->process->capabilities->bounding.bits, 1ULL << 40 | 1);
        CHECK(config->process->capabilities->ambient.set && config->process->capabilities->ambient.bits == 0);
        CHECK_INT(config->process->oom_score_adj.v, -500);
        CHECK_INT(config->linux_->time_offsets.at[0].secs, -120);
        CHECK_STR(config->linux_->time_offsets.at[1].key, "boottime");
        CHECK(config->linux_->resources->pids->limit.set && config->linux_->resources->pids->limit.v == 0);
        CHECK(!config->linux_->devices.at[1].major.set && config->linux_->devices.at[2].minor.set);
        CHECK_STR(oci_annotation(config, "com.example.team"), "web");
        CHECK_STR(oci_annotation(config, "com.example.none"), NULL);
        CHECK_STR(oci_namespace_find(config, CLONE_NEWNET)->path, "/run/netns/web");
        CHECK(oci_namespace_find(config, CLONE_NEWUSER)->path == NULL);
}

static void test_configs_of_others(void) {
        static const char *const names[] = { "runc", "runc-rootless", "crun", "crun-rootless", "podman", "minimal" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct oci_config *config =
                        read_config(file_text(str_format("tests/golden/configs/%s.json", names[i])));
                CHECK_ROW(config != NULL, str_format("%s is read", names[i]));
                if (!config)
                        continue;
                CHECK_ROW(oci_check(config, NULL, NULL) == 0, str_format("%s passes the rules", names[i]));
                const char *once = json_write(config, &oci_config_type, true);
                struct oci_config *again = read_config(once);
                CHECK_ROW(again != NULL, str_format("%s is read again", names[i]));
                if (again)
                        CHECK_STR(json_write(again, &oci_config_type, true), once);
        }
}

static const struct {
        const char *text, *words;
} bad_texts[] = {
        { "{}", "ociVersion: required but missing" },
        { "{\"ociVersion\":\"1.0.0\",\"root\":{}}", "root.path: required but missing" },
        { "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"\"}}", "root.path: empty" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{}}", "process.cwd: required but missing" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":0}}}", "process.user.gid: required" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{\"uid\":4294967295}}}", "process.user.uid: 4294967295" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{\"uid\":-1}}}", "process.user.uid: -1" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{\"umask\":512}}}", "process.user.umask: 512" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{\"additionalGids\":[4294967295]}}}",
          "additionalGids[0]: 4294967295" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_FOO\"]}}}",
          "process.capabilities.bounding[1]: CAP_FOO: unknown capability" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"oomScoreAdj\":-1001}}", "process.oomScoreAdj: -1001" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"consoleSize\":{\"height\":65536,\"width\":1}}}", "height: 65536" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_FOO\"}]}}",
          "RLIMIT_FOO: unknown rlimit" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}}}",
          "process.ioPriority.priority: 8" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"scheduler\":{\"nice\":-21}}}", "process.scheduler.nice: -21" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"execCPUAffinity\":{\"initial\":\"1-\"}}}", "initial: not a list" },
        { "{\"ociVersion\":\"1.0.0\",\"hooks\":{\"poststop\":[{\"path\":\"bin/x\"}]}}",
          "hooks.poststop[0].path: not an absolute" },
        { "{\"ociVersion\":\"1.0.0\",\"hooks\":{\"poststart\":[{\"path\":\"/x\",\"timeout\":0}]}}", "timeout: 0" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"net\"}]}}", "net: unknown namespace" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"maskedPaths\":[\"/a\",\"proc\"]}}",
          "linux.maskedPaths[1]: not an absolute" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"cgroupsPath\":\"/a/../b\"}}", "linux.cgroupsPath: contains .." },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"rootfsPropagation\":\"most\"}}", "linux.rootfsPropagation: unknown" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"devices\":[{\"path\":\"/d\",\"type\":\"x\"}]}}", "type: not one of" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"devices\":[{\"path\":\"d\",\"type\":\"c\"}]}}",
          "path: not an absolute" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"devices\":[{\"fileMode\":65536}]}}", "fileMode: 65536" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}}}",
          "access: has a" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"devices\":[{\"type\":\"c\"}]}}}", "allow: required" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"64kB\"}]}}}",
          "pageSize: not" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"memory\":{\"limit\":-2}}}}", "limit: -2" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"memory\":{\"limit\":\"1\"}}}}",
          "limit: string not expected" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"memory\":{\"swappiness\":101}}}}", "swappiness: 101" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"rdma\":{\"mlx\":{\"hcaHandles\":\"3\"}}}}}",
          "rdma.mlx.hcaHandles" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"netDevices\":{\"eth0\":{\"name\":23}}}}",
          "linux.netDevices.eth0.name: number" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}}}",
          "nanosecs: 1000000000" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"architectures\":[\"SCMP_ARCH_VAX\"]}}}",
          "architectures[0]: unknown" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"flags\":[\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}}}",
          "flags[0]" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"syscalls\":[{\"names\":[\"\"]}]}}}", "names[0]: empty" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"seccomp\":{\"syscalls\":[{\"args\":[{\"index\":6}]}]}}}",
          "index: 6" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"intelRdt\":{\"memBwSchema\":\"0=20\"}}}",
          "memBwSchema: does not begin" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"intelRdt\":{\"schemata\":[\"L3:0=f\\nMB:0=1\"]}}}",
          "schemata[0]: contains" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"intelRdt\":{\"closID\":\"../x\"}}}", "closID: contains a slash" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"memoryPolicy\":{\"nodes\":\"0\"}}}", "memoryPolicy.mode: required" },
        { "{\"ociVersion\":\"1.0.0\",\"linux\":{\"personality\":{\"domain\":\"UNIX\"}}}",
          "UNIX: unknown execution domain" },
};

static void test_bad_texts(void) {
        for (size_t i = 0; i < sizeof(bad_texts) / sizeof(bad_texts[0]); i++) {
                struct oci_config *config;
                err_clear();
                int r = oci_config_read(bad_texts[i].text, strlen(bad_texts[i].text), NULL, &config);
                CHECK_ROW(r < 0 && strstr(err_message(), bad_texts[i].words), bad_texts[i].text);
        }
}

static void test_shapes(void) {
        static const char *const versions[] = { "1.0.0", "1.0.2-dev", "1.3.0+build.7", "1.2.0-rc.1+x", "1.0.0-0" };
        static const char *const not_versions[] = { "",       "1",      "1.0",      "1.0.0.0", "01.0.0",
                                                    "1.0.0-", "v1.0.0", "1.0.0-01", "1.0.0+",  "1.0.0+a+b" };
        for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
                CHECK_ROW(!oci_shape_version(versions[i]), versions[i]);
        for (size_t i = 0; i < sizeof(not_versions) / sizeof(not_versions[0]); i++)
                CHECK_ROW(oci_shape_version(not_versions[i]) != NULL,
                          str_format("not a version: <%s>", not_versions[i]));
        CHECK(!oci_shape_id_list("") && !oci_shape_id_list("0-3,7") && !oci_shape_id_list(" 0, 2-4 "));
        CHECK(oci_shape_id_list("3-1") && oci_shape_id_list("a") && oci_shape_id_list("1,") &&
              oci_shape_id_list("1 2"));
        CHECK(oci_shape_id_list("99999999999999999999") && oci_shape_id_list("-1") && oci_shape_id_list("1--2"));
        CHECK(!oci_shape_interface("eth0.100") && !oci_shape_interface("abcdefghijklmno"));
        CHECK(oci_shape_interface("abcdefghijklmnop") && oci_shape_interface("a/b") && oci_shape_interface(".."));
        CHECK(oci_shape_interface("a b") && oci_shape_interface("a:1") && oci_shape_interface("") &&
              oci_shape_interface("e%d"));
        CHECK(!oci_shape_interface_template("eth%d") && !oci_shape_interface_template("eth0"));
        CHECK(oci_shape_interface_template("e%s") && oci_shape_interface_template("%d%d"));
        CHECK(oci_shape_interface_template("abcdefghijklmn%d") && oci_shape_interface_template("a/%d"));
        CHECK(!oci_shape_rule_access("mwr") && oci_shape_rule_access("rr") && oci_shape_rule_access("x"));
        CHECK(oci_shape_id_list(" ") == NULL && oci_shape_id_list("1 ,2") == NULL && oci_shape_id_list("1 ") == NULL);
        CHECK(!oci_shape_mem_bw("") && !oci_shape_mem_bw("MB:0=1") && !oci_shape_id_list("1-1"));
        CHECK(!oci_shape_page_size("64KB") && oci_shape_page_size("KB") && oci_shape_page_size("0MB") &&
              oci_shape_page_size("2MiB"));
        CHECK(!oci_shape_cgroups_path("system.slice:web:1") && !oci_shape_cgroups_path("/a/..b") &&
              oci_shape_cgroups_path(".."));
        CHECK(oci_shape_cgroups_path("a\nb") && oci_shape_cgroups_path("/a/.."));
}

static void test_sysctl_path(void) {
        CHECK_STR(oci_sysctl_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        CHECK_STR(oci_sysctl_path("net/ipv4/conf/eth0.100/rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
        CHECK_STR(oci_sysctl_path("net.ipv4.conf.eth0/100.rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
        static const char *const bad[] = { "",     "/",   "a..b", "net/../kernel/x", ".a",      "a.", "a=b",
                                           "a\nb", "a b", "a+b",  "net./.kernel",    "net////x" };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                CHECK_ROW(oci_sysctl_path(bad[i]) == NULL, str_format("no kernel parameter: %s", json_quote(bad[i])));
}

/* --- what we print --- */

static void test_default(bool is_rootless) {
        struct oci_config *config = oci_config_default(is_rootless, 1000, 1001);
        const char *text = json_write(config, &oci_config_type, true);
        struct oci_config *again = read_config(text);
        struct strv warnings = { 0 };
        CHECK(again != NULL);
        if (!again)
                return;
        CHECK_STR(json_write(again, &oci_config_type, true), text);
        CHECK_INT(oci_check(again, NULL, &warnings), 0);
        CHECK_INT(warnings.n, 0);
        CHECK(again->process->no_new_privileges && again->root->readonly && again->process->terminal);
        CHECK_STR(again->process->args.at[0], "sh");
        CHECK(!again->process->capabilities->inheritable.set && !again->process->capabilities->ambient.set);
        CHECK_INT(oci_namespace_find(again, CLONE_NEWUSER) != NULL, is_rootless);
        CHECK_INT(oci_namespace_find(again, CLONE_NEWNET) == NULL, is_rootless);
        CHECK_INT(again->linux_->resources == NULL, is_rootless);
        CHECK_INT(strv_has(&again->mounts.at[2].options, "gid=5"), !is_rootless);
        CHECK_STR(again->mounts.at[5].source, is_rootless ? "/sys" : "sysfs");
        if (is_rootless) {
                CHECK_INT(again->linux_->uid_mappings.at[0].host_id, 1000);
                CHECK_INT(again->linux_->gid_mappings.at[0].host_id, 1001);
        }
}

static void test_default_system(void) {
        struct oci_config *config = oci_config_default(false, 0, 0);
        size_t n = config->mounts.n;
        oci_config_to_system(config);
        struct oci_config *again = read_config(json_write(config, &oci_config_type, true));
        struct strv warnings = { 0 };
        CHECK(again != NULL);
        if (!again)
                return;
        CHECK_INT(oci_check(again, NULL, &warnings), 0);
        CHECK_INT(warnings.n, 0);
        CHECK(!again->process->no_new_privileges && !again->root->readonly && !again->process->terminal);
        CHECK_STR(again->process->args.at[0], "/sbin/init");
        CHECK_STR(again->mounts.at[n - 1].type, "cgroup");
        CHECK(!strv_has(&again->mounts.at[n - 1].options, "ro"));
        CHECK_INT(again->mounts.n, n + 3);
        CHECK_STR(again->mounts.at[n].destination, "/run");
        CHECK((again->process->capabilities->bounding.bits & (1ULL << CAP_SYS_ADMIN)) == 0);
}

static void test_state(void) {
        struct oci_state state = { .oci_version = OCI_VERSION, .id = "web", .status = "stopped", .bundle = "/b" };
        CHECK_STR(json_write(&state, &oci_state_type, false),
                  "{\"ociVersion\":\"1.3.0\",\"id\":\"web\",\"pid\":0,\"status\":\"stopped\",\"bundle\":\"/b\"}");
        struct oci_process_state seccomp = { .oci_version = OCI_VERSION, .pid = 7, .metadata = "m", .state = state };
        strv_add(&seccomp.fds, "seccompFd");
        CHECK_STR(json_write(&seccomp, &oci_process_state_type, false),
                  "{\"ociVersion\":\"1.3.0\",\"fds\":[\"seccompFd\"],\"pid\":7,\"metadata\":\"m\",\"state\":{"
                  "\"ociVersion\":"
                  "\"1.3.0\",\"id\":\"web\",\"pid\":0,\"status\":\"stopped\",\"bundle\":\"/b\"}}");
}

static void test_features(void) {
        struct oci_features_input input = { 0 };
        struct oci_features features;
        strv_add(&input.mount_options, "rw");
        strv_add(&input.mount_options, "ro");
        strv_add(&input.seccomp_archs, "SCMP_ARCH_X86_64");
        oci_features_fill(&input, &features);
        CHECK_STR(str_join(&features.hooks, " "),
                  "prestart createRuntime createContainer startContainer poststart poststop");
        CHECK_STR(str_join(&features.mount_options, " "), "ro rw");
        CHECK_STR(str_join(&features.linux_.namespaces, " "), "cgroup ipc mount network pid time user uts");
        CHECK_INT(features.linux_.capabilities.n, 41);
        CHECK_INT(features.linux_.seccomp.actions.n, 9);
        CHECK_STR(str_join(&features.linux_.seccomp.archs, " "), "SCMP_ARCH_X86_64");
        /* Every property that the config has a row for, which the comparison with the schema proves, and no other. */
        const struct oci_features_linux *l = &features.linux_;
        const struct opt_bool *known[] = { &l->cgroup.rdma,          &l->seccomp.enabled,
                                           &l->apparmor.enabled,     &l->selinux.enabled,
                                           &l->intel_rdt.enabled,    &l->intel_rdt.schemata,
                                           &l->intel_rdt.monitoring, &l->mount_extensions.idmap.enabled,
                                           &l->net_devices.enabled };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                CHECK_ROW(known[i]->set && known[i]->v, str_format("features of the tables: row %zu", i));
        CHECK_STR(str_join(&l->memory_policy->modes, " "),
                  "MPOL_DEFAULT MPOL_BIND MPOL_INTERLEAVE MPOL_WEIGHTED_INTERLEAVE MPOL_PREFERRED MPOL_PREFERRED_MANY "
                  "MPOL_LOCAL");
        CHECK_INT(l->memory_policy->flags.n, 3);
        CHECK(l->cgroup.systemd.set && !l->cgroup.systemd.v && !l->cgroup.v1.v && l->cgroup.v2.v);
        const char *text = json_write(&features, &oci_features_type, true);
        struct oci_features again;
        struct json_read_options strict = { .strict = true };
        CHECK_INT(json_read(text, strlen(text), &oci_features_type, &strict, &again), 0);
        CHECK_STR(json_write(&again, &oci_features_type, true), text);
}

/* --- the dictionary of the fuzzer --- */

static void find_in_dictionary(const char *path, const struct json_field *field, void *data) {
        (void)path;
        if (!strstr(data, str_format("\"\\\"%s\\\"\"", field->name)))
                CHECK_ROW(false, str_format("tests/fuzz/config.dict has %s (make it anew with tests/fuzz/dict.c)",
                                            field->name));
}

static void test_dictionary(void) {
        const char *text = file_text("tests/fuzz/config.dict");
        CHECK(strlen(text) > 1000);
        json_walk(&oci_config_type, find_in_dictionary, (void *)(uintptr_t)text);
}

int main(void) {
        test_schema();
        test_names();
        test_everything();
        test_configs_of_others();
        test_bad_texts();
        test_shapes();
        test_sysctl_path();
        test_default(false);
        test_default(true);
        test_default_system();
        test_state();
        test_features();
        test_dictionary();
        return test_done();
}
