/* Each rule of oci_check, broken once and kept once. */
#include "tests/unit/test.h"

#include "specs/oci_check.h"
#include "specs/oci_names.h"

#include <errno.h>

#define USER "\"user\":{\"uid\":0,\"gid\":0}"
#define ALL_NAMESPACES                                                                                                 \
        "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"uts\"},{\"type\":" \
        "\"ipc\"},{\"type\":\"user\"},{\"type\":\"cgroup\"},{\"type\":\"time\"}]"
#define ID_MAP(inside, outside, size) "{\"containerID\":" #inside ",\"hostID\":" #outside ",\"size\":" #size "}"
#define ONE_MAP                       "[" ID_MAP(0, 1000, 1) "]"
#define BOTH_MAPS                     "\"uidMappings\":" ONE_MAP ",\"gidMappings\":" ONE_MAP

/* A case changes a good config in one place: what it adds to the document, to process or to linux (which stands for
 * the whole section when it begins with an opening brace). */
struct check_case {
        const char *document, *process, *linux_;
        const char *error, *warning; /* NULL: there must be none */
};

static const char *text_of(const struct check_case *row) {
        const char *linux_ =
                str_format("{" ALL_NAMESPACES "%s%s}", row->linux_ ? "," : "", row->linux_ ? row->linux_ : "");
        const char *process = "{\"cwd\":\"/\",\"args\":[\"sh\"]," USER;
        if (row->linux_ && *row->linux_ == '{')
                linux_ = row->linux_;
        process = row->process && *row->process == '{'
                          ? row->process
                          : str_format("%s%s%s}", process, row->process ? "," : "", row->process ? row->process : "");
        if (row->document && *row->document == '{')
                return row->document;
        return str_format("{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"},\"process\":%s,\"linux\":%s%s%s}",
                          process, linux_, row->document ? "," : "", row->document ? row->document : "");
}

static void run_case(const struct check_case *row) {
        struct oci_config *config = NULL;
        struct strv errors = { 0 }, warnings = { 0 };
        const char *text = text_of(row), *what = row->error ? row->error : row->warning ? row->warning : text;
        int r = oci_config_read(text, strlen(text), NULL, &config);
        CHECK_ROW(r == 0, str_format("read for: %s", what));
        if (r < 0)
                return;
        err_clear();
        r = oci_check(config, &errors, &warnings);
        CHECK_ROW((r < 0) == (row->error != NULL) && errors.n == (row->error != NULL),
                  str_format("%s: %s", row->error ? "broken" : "kept", what));
        if (row->error)
                CHECK_STR(errors.n ? errors.at[0] : NULL, row->error);
        for (size_t i = row->error ? 1 : 0; i < errors.n; i++)
                printf("# also: %s\n", errors.at[i]);
        if (row->warning)
                CHECK_STR(warnings.n ? warnings.at[0] : NULL, row->warning);
        else
                CHECK_ROW(warnings.n == 0, str_format("no warning: %s", what));
        err_clear();
        CHECK_ROW(oci_check(config, NULL, NULL) == r, str_format("the same without lists: %s", what));
        CHECK_STR(err_message(), row->error ? row->error : "");
}

static const struct check_case config_cases[] = {
        { NULL },
        { "{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]," USER "}}",
          .error = "ociVersion: 2.0.0 is not supported, 1.x is" },
        { "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]," USER "}}",
          .error = "ociVersion: not a version of the form 1.2.3" },
        { "{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]," USER
          "}}" },
        { "{\"ociVersion\":\"1.40.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]," USER
          "}}",
          .warning = "ociVersion: 1.40.0 is newer than the known 1.3.0" },
        { "{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]," USER "}}",
          .error = "root: required" },
        { "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"}}", .error = "process: required" },
        { "{\"ociVersion\":\"1.0.0\",\"hostname\":\"a\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/"
          "\",\"args\":[\"sh\"]," USER "}}",
          .error = "hostname: needs a uts namespace" },
        { "\"domainname\":\"a.test\"", .linux_ = "{\"namespaces\":[{\"type\":\"mount\"}]}",
          .error = "domainname: needs a uts namespace" },
        { "\"hostname\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"" },
        { "\"hostname\":\"a\",\"domainname\":\"b\"" },
        { "\"hostname\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
          .error = "hostname: longer than 64 bytes" },
        { "\"mounts\":[{\"destination\":\"a\",\"type\":\"proc\"}]",
          .warning = "mounts[0].destination: a is relative, which is deprecated" },
        { "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"bind\"]}]",
          .error = "mounts[0].source: required for a bind mount" },
        { "\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\"}]",
          .error = "mounts[0].source: required for a bind mount" },
        { "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"rbind\"]}]" },
        { "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"rbind\",\"idmap\"]}]" },
        { "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"rbind\",\"ridmap\"]}]", .linux_ = "{}",
          .error = "mounts[0].options: idmap without mappings or a user namespace" },
        { "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"idmap\"],\"uidMappings\":[" ID_MAP(0, 1, 1) "]}]",
          .error = "mounts[0].gidMappings: required beside mounts[0].uidMappings" },
        { "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"idmap\"],\"gidMappings\":[" ID_MAP(0, 1, 1) "]}]",
          .error = "mounts[0].uidMappings: required beside mounts[0].gidMappings" },
        { "\"mounts\":[{\"destination\":\"/a\"," BOTH_MAPS "}]",
          .warning = "mounts[0].options: mappings without idmap or ridmap" },
        { "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"idmap\"],\"uidMappings\":[" ID_MAP(
                  0, 1, 0) "],"
                           "\"gidMappings\":[" ID_MAP(0, 1, 1) "]}]",
          .error = "mounts[0].uidMappings[0].size: 0" },
        { "\"annotations\":{\"\":\"x\"}", .error = "annotations: empty key" },
        { "\"annotations\":{\"x\":\"\"}" },
};

static const struct check_case process_cases[] = {
        { .process = "{\"cwd\":\"tmp\",\"args\":[\"sh\"]," USER "}", .error = "process.cwd: not an absolute path" },
        { .process = "{\"cwd\":\"\",\"args\":[\"sh\"]," USER "}", .error = "process.cwd: empty" },
        { .process = "{\"cwd\":\"/\",\"args\":[]," USER "}", .error = "process.args: at least one entry is required" },
        { .process = "{\"cwd\":\"/\"," USER "}", .error = "process.args: at least one entry is required" },
        { .process = "{\"cwd\":\"/\",\"args\":[\"\"]," USER "}", .error = "process.args[0]: empty" },
        { .process = "\"env\":[\"A=b\",\"B=\"]" },
        { .process = "\"env\":[\"A=b\",\"C\"]", .error = "process.env[1]: C: not of the form NAME=value" },
        { .process = "\"env\":[\"=b\"]", .error = "process.env[0]: =b: the name is empty" },
        { .process = "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_CPU\",\"soft\":1,"
                     "\"hard\":1}]",
          .error = "process.rlimits[1].type: RLIMIT_CPU is there twice" },
        { .process = "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]",
          .error = "process.rlimits[0].soft: above hard" },
        { .process = "\"capabilities\":{\"effective\":[\"CAP_KILL\"]}",
          .warning = "process.capabilities.effective: CAP_KILL: not granted without permitted" },
        { .process = "\"capabilities\":{\"permitted\":[\"CAP_CHOWN\",\"CAP_KILL\"],"
                     "\"ambient\":[\"CAP_KILL\",\"CAP_CHOWN\"]}",
          .warning =
                  "process.capabilities.ambient: CAP_CHOWN CAP_KILL: not granted without permitted and inheritable" },
        { .process = "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
                     "\"ambient\":[\"CAP_KILL\"]}" },
        { .process = "{\"cwd\":\"/\",\"args\":[\"x\"],\"user\":{\"uid\":5,\"gid\":5},"
                     "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
                     "\"ambient\":[\"CAP_KILL\"]}}",
          .warning = "process.capabilities.ambient: CAP_KILL: not granted without permitted and inheritable" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_FIFO\"}",
          .error = "process.scheduler.priority: SCHED_FIFO needs 1 to 99" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":99}" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":1}" },
        { .process =
                  "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000,\"deadline\":9223372036854775807}" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}",
          .error = "process.scheduler.priority: SCHED_OTHER has none" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":-20,\"runtime\":0}" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_IDLE\",\"nice\":1}",
          .warning = "process.scheduler.nice: SCHED_IDLE has none" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"deadline\":1}",
          .error = "process.scheduler: runtime, deadline and period are for SCHED_DEADLINE" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1000,\"deadline\":2000}",
          .error = "process.scheduler.runtime: below 1024" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000,\"deadline\":1999}",
          .error = "process.scheduler.deadline: below runtime" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000,\"deadline\":2000,\"period\":1999}",
          .error = "process.scheduler.period: below deadline" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000,\"deadline\":9223372036854775808}",
          .error = "process.scheduler.period: above 9223372036854775807" },
        { .process = "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1024,\"deadline\":1024}" },
};

static const struct check_case linux_cases[] = {
        { .linux_ = "{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\",\"path\":\"/p\"}]}",
          .error = "linux.namespaces[1].type: pid is there twice" },
        { .linux_ = "{\"namespaces\":[{\"type\":\"pid\",\"path\":\"p\"}]}",
          .error = "linux.namespaces[0].path: not an absolute path" },
        { .linux_ = BOTH_MAPS },
        { .linux_ = "{" BOTH_MAPS "}", .error = "linux.uidMappings: needs a user namespace" },
        { .linux_ = "{\"namespaces\":[{\"type\":\"user\",\"path\":\"/u\"}]," BOTH_MAPS "}",
          .warning = "linux.uidMappings: the user namespace is joined by path and has its own" },
        { .linux_ = "\"gidMappings\":[" ID_MAP(0, 0, 1) "]",
          .error = "linux.uidMappings: required beside gidMappings" },
        { .linux_ = "\"uidMappings\":[" ID_MAP(0, 0, 1) "]",
          .error = "linux.gidMappings: required beside uidMappings" },
        { .linux_ = "\"gidMappings\":[" ID_MAP(0, 0, 1) "],\"uidMappings\":[" ID_MAP(0, 0, 9) "," ID_MAP(8, 100, 1) "]",
          .error = "linux.uidMappings[1].containerID: overlaps entry 0" },
        { .linux_ = "\"uidMappings\":[" ID_MAP(0, 0, 1) "],\"gidMappings\":[" ID_MAP(0, 5, 5) "," ID_MAP(10, 9, 1) "]",
          .error = "linux.gidMappings[1].hostID: overlaps entry 0" },
        { .linux_ = "\"uidMappings\":[" ID_MAP(0, 0, 4294967295) "],\"gidMappings\":[" ID_MAP(0, 5, 5) "," ID_MAP(
                  5, 10, 5) "]" },
        { .linux_ = "\"gidMappings\":[" ID_MAP(0, 0, 1) "],\"uidMappings\":[" ID_MAP(0, 1, 4294967295) "]",
          .error = "linux.uidMappings[0]: goes beyond the last id 4294967294" },
        { .linux_ = "\"timeOffsets\":{\"boottime\":{\"secs\":1}}" },
        { .linux_ = "\"timeOffsets\":{\"realtime\":{\"secs\":1}}",
          .error = "linux.timeOffsets.realtime: unknown clock" },
        { .linux_ = "{\"timeOffsets\":{\"boottime\":{}}}", .error = "linux.timeOffsets: needs a new time namespace" },
        { .linux_ = "{\"namespaces\":[{\"type\":\"time\",\"path\":\"/t\"}],\"timeOffsets\":{\"boottime\":{}}}",
          .error = "linux.timeOffsets: needs a new time namespace" },
        { .linux_ = "\"devices\":[{\"path\":\"/d\",\"type\":\"c\",\"minor\":1}]",
          .error = "linux.devices[0].major: required for type c" },
        { .linux_ = "\"devices\":[{\"path\":\"/d\",\"type\":\"b\",\"major\":0}]",
          .error = "linux.devices[0].minor: required for type b" },
        { .linux_ = "\"devices\":[{\"path\":\"/d\",\"type\":\"p\"},{\"path\":\"/e\",\"type\":\"p\"}]" },
        { .linux_ = "\"devices\":[{\"path\":\"/d\",\"type\":\"p\"},{\"path\":\"/d\",\"type\":\"p\"}]",
          .warning = "linux.devices: /d is there twice" },
        { .linux_ = "\"devices\":[{\"path\":\"/d\",\"type\":\"p\"},{\"path\":\"/e\",\"type\":\"p\"},{\"path\":\"/d\","
                    "\"type\":\"c\",\"major\":1,\"minor\":3}]",
          .error = "linux.devices: two devices are to be at /d" },
        { .process = "{\"cwd\":\"/\",\"args\":[\"sh\"],\"user\":{\"uid\":1,\"gid\":0}}",
          .linux_ = BOTH_MAPS,
          .error = "process.user.uid: 1 is not in linux.uidMappings" },
        { .process = "{\"cwd\":\"/\",\"args\":[\"sh\"],\"user\":{\"uid\":0,\"gid\":1}}",
          .linux_ = BOTH_MAPS,
          .error = "process.user.gid: 1 is not in linux.gidMappings" },
        { .linux_ = "\"netDevices\":{\"eth0\":{},\"eth1\":{\"name\":\"e%d\"},\"eth2\":{\"name\":\"e%d\"}}" },
        { .linux_ = "\"netDevices\":{\"eth0\":{},\"eth1\":{\"name\":\"eth0\"}}",
          .error = "linux.netDevices: two devices are to be named eth0" },
        { .linux_ = "\"netDevices\":{\"eth0\":{\"name\":\"a/b\"}}",
          .error = "linux.netDevices.eth0.name: contains a slash" },
        { .linux_ = "\"netDevices\":{\"abcdefghijklmnop\":{\"name\":\"a\"}}",
          .error = "linux.netDevices.abcdefghijklmnop: longer than 15 bytes" },
        { .linux_ = "{\"netDevices\":{\"eth0\":{}}}", .error = "linux.netDevices: needs a network namespace" },
        { .linux_ = "\"sysctl\":{\"net.core.somaxconn\":\"1\",\"kernel/msgmax\":\"1\",\"fs.mqueue.msg_max\":\"1\"}" },
        { .linux_ = "{\"sysctl\":{\"net.core.somaxconn\":\"1\"}}",
          .error = "linux.sysctl.net.core.somaxconn: needs a namespace of type network" },
        { .linux_ = "{\"sysctl\":{\"kernel.shmmax\":\"1\"}}",
          .error = "linux.sysctl.kernel.shmmax: needs a namespace of type ipc" },
        { .linux_ = "{\"sysctl\":{\"kernel.domainname\":\"a\"}}",
          .error = "linux.sysctl.kernel.domainname: needs a namespace of type uts" },
        { .linux_ = "\"sysctl\":{\"kernel.domainname\":\"a\"}" },
        { "\"domainname\":\"b\"", .linux_ = "\"sysctl\":{\"kernel.domainname\":\"a\"}",
          .error = "linux.sysctl.kernel.domainname: domainname is set too" },
        { .linux_ = "\"sysctl\":{\"kernel.hostname\":\"a\"}",
          .error = "linux.sysctl.kernel.hostname: use hostname instead" },
        { .linux_ = "\"sysctl\":{\"kernel.core_pattern\":\"|/x\"}",
          .error = "linux.sysctl.kernel.core_pattern: belongs to the host, not to a namespace" },
        { .linux_ = "\"sysctl\":{\"net/../kernel/core_pattern\":\"|/x\"}",
          .error = "linux.sysctl.net/../kernel/core_pattern: not the name of a kernel parameter" },
        { .linux_ = "\"sysctl\":{\"net.a=b\":\"x\"}",
          .error = "linux.sysctl.net.a=b: not the name of a kernel parameter" },
        { .linux_ = "\"sysctl\":{\"vm.overcommit_memory\":\"1\"}",
          .error = "linux.sysctl.vm.overcommit_memory: belongs to the host, not to a namespace" },
        { .linux_ = "{\"maskedPaths\":[\"/a\"],\"readonlyPaths\":[\"/b\"],\"rootfsPropagation\":\"rprivate\"}" },
        { .linux_ = "{\"rootfsPropagation\":\"shared\"}",
          .error = "linux.rootfsPropagation: shared: needs a mount namespace of its own" },
        { .linux_ = "{\"rootfsPropagation\":\"rslave\",\"namespaces\":[{\"type\":\"mount\",\"path\":\"/a\"}]}",
          .error = "linux.rootfsPropagation: rslave: needs a mount namespace of its own" },
        { .linux_ = "\"intelRdt\":{\"l3CacheSchema\":\"0=f\"}",
          .warning = "linux.intelRdt.l3CacheSchema: does not begin with L3:" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\"}",
          .error = "linux.memoryPolicy.nodes: MPOL_BIND needs one or more" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"0\"}",
          .error = "linux.memoryPolicy.nodes: MPOL_LOCAL takes none" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_DEFAULT\"}" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\"}" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_NUMA_BALANCING\"]}" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_NUMA_"
                    "BALANCING\"]}",
          .error = "linux.memoryPolicy.flags: MPOL_INTERLEAVE does not take MPOL_F_NUMA_BALANCING" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_STATIC_NODES\","
                    "\"MPOL_F_RELATIVE_NODES\"]}",
          .error = "linux.memoryPolicy.flags: nodes cannot be both static and relative" },
        { .linux_ = "\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\",\"flags\":[\"MPOL_F_STATIC_NODES\"]}",
          .error = "linux.memoryPolicy.flags: say how nodes are meant, and there are none" },
        { .linux_ = "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"X\"]}",
          .error = "linux.personality.flags[0]: X: no flag is supported" },
        { .linux_ = "\"personality\":{\"domain\":\"LINUX\",\"flags\":[]}" },
};

#define SECCOMP(action, more) "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_" action "\"" more "}"

static const struct check_case seccomp_cases[] = {
        { .linux_ = SECCOMP("ERRNO", ",\"defaultErrnoRet\":38") },
        { .linux_ = SECCOMP("TRACE", ",\"defaultErrnoRet\":65535") },
        { .linux_ = SECCOMP("ALLOW", ",\"defaultErrnoRet\":1"),
          .error = "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes none" },
        { .linux_ = SECCOMP("ERRNO", ",\"defaultErrnoRet\":4096"),
          .error = "linux.seccomp.defaultErrnoRet: 4096 is too large" },
        { .linux_ = SECCOMP("ALLOW", ",\"syscalls\":[{\"names\":[\"x\"],\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":1}]"),
          .error = "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL takes none" },
        { .linux_ = SECCOMP("ALLOW", ",\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_KILL\"}]"),
          .error = "linux.seccomp.syscalls[0].names: at least one entry is required" },
        { .linux_ = SECCOMP("ALLOW", ",\"architectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X86\"]"),
          .warning = "linux.seccomp.architectures: SCMP_ARCH_X86 is there twice" },
        { .linux_ = SECCOMP("ALLOW", ",\"listenerMetadata\":\"m\""),
          .error = "linux.seccomp.listenerMetadata: needs listenerPath" },
        { .linux_ = SECCOMP("ALLOW", ",\"listenerMetadata\":\"m\",\"listenerPath\":\"/l\"") },
        { .linux_ = SECCOMP("NOTIFY", ",\"listenerPath\":\"/l\""),
          .error = "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default" },
        { .linux_ = SECCOMP("ALLOW", ",\"syscalls\":[{\"names\":[\"x\"],\"action\":\"SCMP_ACT_NOTIFY\"}]"),
          .error = "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY needs listenerPath" },
        { "\"annotations\":{\"run.oci.seccomp.receiver\":\"/l\"}",
          .linux_ = SECCOMP("ALLOW", ",\"syscalls\":[{\"names\":[\"x\"],\"action\":\"SCMP_ACT_NOTIFY\"}]") },
};

#define RESOURCES(text) "\"resources\":{" text "}"

static const struct check_case resource_cases[] = {
        { .linux_ = RESOURCES("\"memory\":{\"limit\":10,\"swap\":9}"),
          .error = "linux.resources.memory.swap: memory and swap together, below limit" },
        { .linux_ = RESOURCES("\"memory\":{\"limit\":10,\"swap\":-1,\"reservation\":20}") },
        { .linux_ = RESOURCES("\"memory\":{\"limit\":10,\"swap\":0}") },
        { .linux_ = RESOURCES("\"memory\":{\"limit\":10,\"swap\":10}") },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":0,\"burst\":5,\"period\":1000}"),
          .warning = "linux.resources.cpu.quota: 0 is taken for no limit, which is -1" },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":1000,\"burst\":1000}") },
        { .linux_ = RESOURCES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":10}]}") },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":1000,\"burst\":1001}"),
          .error = "linux.resources.cpu.burst: above quota" },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":-1,\"burst\":1001,\"period\":1000000}") },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":999}"),
          .error = "linux.resources.cpu.quota: neither -1 nor 1000 or more" },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":-2}"),
          .error = "linux.resources.cpu.quota: neither -1 nor 1000 or more" },
        { .linux_ = RESOURCES("\"cpu\":{\"quota\":0,\"period\":0}"),
          .warning = "linux.resources.cpu.quota: 0 is taken for no limit, which is -1" },
        { .linux_ = RESOURCES("\"cpu\":{\"period\":1000001}"),
          .error = "linux.resources.cpu.period: not in 1000..1000000" },
        { .linux_ = RESOURCES("\"blockIO\":{\"weight\":0,\"leafWeight\":10}") },
        { .linux_ = RESOURCES("\"blockIO\":{\"weight\":9}"),
          .error = "linux.resources.blockIO.weight: not in 10..1000" },
        { .linux_ = RESOURCES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}"),
          .error = "linux.resources.blockIO.weightDevice[0]: neither weight nor leafWeight" },
        { .linux_ = RESOURCES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"leafWeight\":1}]}"),
          .error = "linux.resources.blockIO.weightDevice[0].leafWeight: not in 10..1000" },
        { .linux_ = RESOURCES(
                  "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"2MB\",\"limit\":2}]"),
          .error = "linux.resources.hugepageLimits: 2MB is there twice" },
        { .linux_ = RESOURCES("\"rdma\":{\"mlx5_0\":{\"hcaHandles\":0}}") },
        { .linux_ = RESOURCES("\"rdma\":{\"mlx5_0\":{}}"),
          .error = "linux.resources.rdma.mlx5_0: neither hcaHandles nor hcaObjects" },
        { .linux_ = RESOURCES("\"rdma\":{\"a b\":{\"hcaHandles\":1}}"),
          .error = "linux.resources.rdma.a b: not the name of a device" },
        { .linux_ = RESOURCES("\"unified\":{\"memory.max\":\"1\"}") },
        { .linux_ = RESOURCES("\"unified\":{\"../memory.max\":\"1\"}"),
          .error = "linux.resources.unified.../memory.max: contains a slash" },
        { .linux_ = RESOURCES("\"unified\":{\"..\":\"1\"}"), .error = "linux.resources.unified...: not a file name" },
};

#define RUN(cases)                                                                                                     \
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)                                                  \
        run_case(&cases[i])

/* Every broken rule is told, not only the first. */
static void test_all_errors(void) {
        static const char text[] = "{\"ociVersion\":\"3.0.0\",\"hostname\":\"a\",\"process\":{\"cwd\":\"x\"," USER "}}";
        struct oci_config *config = NULL;
        struct strv errors = { 0 };
        CHECK_INT(oci_config_read(text, strlen(text), NULL, &config), 0);
        CHECK_FAIL(oci_check(config, &errors, NULL), "ociVersion: 3.0.0 is not supported");
        CHECK_STR(str_join(&errors, "; "),
                  "ociVersion: 3.0.0 is not supported, 1.x is; root: required; hostname: needs a uts namespace; "
                  "process.cwd: not an absolute path; process.args: at least one entry is required");
}

static void test_many_mappings(void) {
        struct oci_idmap maps[341] = { 0 };
        struct oci_config *config = oci_config_default(true, 1000, 1000);
        for (uint32_t i = 0; i < 341; i++)
                maps[i] = (struct oci_idmap){ i, i, 1 };
        config->linux_->uid_mappings.at = maps;
        config->linux_->uid_mappings.n = 341;
        CHECK_FAIL(oci_check(config, NULL, NULL), "linux.uidMappings: 341 entries, the kernel takes 340");
        config->linux_->uid_mappings.n = 340;
        CHECK_INT(oci_check(config, NULL, NULL), 0);
}

static void test_exec_and_update(void) {
        struct oci_process process = { .cwd = NULL };
        strv_add(&process.args, "sh");
        CHECK_FAIL(oci_check_process(&process, NULL, NULL), "process.cwd: required");
        process.cwd = "/";
        process.user.additional_gids.n = 65537;
        CHECK_FAIL(oci_check_process(&process, NULL, NULL), "process.user.additionalGids: more than 65536");
        process.user.additional_gids.n = 65536;
        CHECK_INT(oci_check_process(&process, NULL, NULL), 0);
        struct oci_cpu cpu = { .quota = { true, 5000 }, .burst = { true, 5001 } };
        struct oci_resources resources = { .cpu = &cpu };
        CHECK_FAIL(oci_check_resources(&resources, NULL, NULL), "linux.resources.cpu.burst: above quota");
        CHECK_STR(err_message(), "linux.resources.cpu.burst: above quota");
        cpu.burst.v = 5000;
        CHECK_INT(oci_check_resources(&resources, NULL, NULL), 0);
}

static void test_rules(void) {
        size_t n = 0;
        for (const char *rule; (rule = oci_check_rule(n)); n++)
                CHECK_ROW(str_starts(rule, "config") && strstr(rule, ".md "), str_format("the place of: %s", rule));
        CHECK(n >= 38);
}

/* Errors of reading and of rules come in one go, but for rules about what could not be read. */
static void test_half_read(void) {
        static const char text[] = "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":7},"
                                   "\"process\":{\"cwd\":\"/\",\"args\":[],\"user\":{\"uid\":0,\"gid\":0}},"
                                   "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"mount\"}],"
                                   "\"resources\":{\"pids\":{\"limit\":\"x\"},\"cpu\":{\"quota\":1}}}}";
        struct strv errors = { 0 };
        struct oci_config *config = NULL;
        CHECK(oci_config_read(text, strlen(text), &(struct json_read_options){ .errors = &errors }, &config) < 0);
        CHECK(config && errors.n == 2);
        CHECK(oci_check(config, &errors, NULL) < 0);
        CHECK_INT(errors.n, 4);
        CHECK(strstr(errors.at[2], "process.args"));
        CHECK(strstr(errors.at[3], "linux.namespaces"));
        CHECK_INT(oci_config_read("{", 1, &(struct json_read_options){ .errors = &errors }, &config), -EBADMSG);
}

int main(void) {
        test_half_read();
        RUN(config_cases);
        RUN(process_cases);
        RUN(linux_cases);
        RUN(seccomp_cases);
        RUN(resource_cases);
        test_all_errors();
        test_many_mappings();
        test_exec_and_update();
        test_rules();
        return test_done();
}
