#include "runtime/host/probe.h"

#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The first user namespace has this inode in every kernel (PROC_USER_INIT_INO). */
#define FIRST_USER_NAMESPACE 0xEFFFFFFDu
#define CAPABILITIES_MAX     64
#define HAS_CAP(set, cap)    (((set) >> (cap)&1) != 0)

static uint64_t effective_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { 0 } };
        return sys_capget(&header, data) < 0 ? 0 : data[0].effective | (uint64_t)data[1].effective << 32;
}

static bool is_in_first_user_namespace(void) {
        struct stat status;
        return stat("/proc/self/ns/user", &status) < 0 || status.st_ino == FIRST_USER_NAMESPACE;
}

static bool is_release(int version, int patch) {
        struct utsname name;
        if (uname(&name) < 0)
                return false;
        char *end;
        long major = strtol(name.release, &end, 10), minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
        return major > version || (major == version && minor >= patch);
}

/* Arguments that cannot work: the answer only tells whether the kernel knows the call. */
static bool has_mount_api(void) {
        long r = sys_mount_setattr(-1, "", 0, NULL, 0);
        return r != -ENOSYS && r != -EPERM;
}

/* Known flags get as far as the missing program. */
static bool has_seccomp_wait_killable(void) {
        unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL) == -EFAULT;
}

static const char *find_cgroup_root(void) {
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        struct statfs fs;
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
                if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return places[i];
        return NULL;
}

/* The first that the kernel does not know ends them: they have no gaps. */
static int last_capability(void) {
        int known = 0, unknown = CAPABILITIES_MAX;
        while (unknown - known > 1) {
                int middle = (known + unknown) / 2;
                if (sys_prctl(PR_CAPBSET_READ, (unsigned long)middle, 0, 0, 0) >= 0)
                        known = middle;
                else
                        unknown = middle;
        }
        return known;
}

/* Is name in the comma-separated list? */
static bool is_listed(const char *list, const char *name) {
        size_t size = strlen(name);
        for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
                if (strncmp(at, name, size) == 0 && (at[size] == '\0' || at[size] == ','))
                        return true;
        return false;
}

static void take_away(struct probe *probe, const char *list) {
        const struct {
                const char *name;
                bool *has;
        } features[] = {
                { "overlay_layers", &probe->has_overlay_layers },
                { "mount_api", &probe->has_mount_api },
                { "time_namespace", &probe->has_time_namespace },
                { "cgroup_namespace", &probe->has_cgroup_namespace },
                { "seccomp_wait_killable", &probe->has_seccomp_wait_killable },
                { "rlimits", &probe->can_set_rlimits },
                { "oom", &probe->can_lower_oom },
        };
        for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
                if (is_listed(list, features[i].name))
                        *features[i].has = false;
        if (is_listed(list, "cgroup"))
                probe->cgroup_root = NULL;
}

static struct probe *ask_self(void) {
        static struct probe probe;
        static bool is_asked;
        if (is_asked)
                return &probe;
        uint64_t caps = effective_capabilities();
        bool is_first = is_in_first_user_namespace();
        probe = (struct probe){
                .is_root = geteuid() == 0 && HAS_CAP(caps, CAP_SYS_ADMIN) && is_first,
                .uid = geteuid(),
                .gid = getegid(),
                .capabilities = caps,
                .cgroup_root = find_cgroup_root(),
                .can_set_rlimits = is_first && HAS_CAP(caps, CAP_SYS_RESOURCE),
                .can_lower_oom = is_first && HAS_CAP(caps, CAP_SYS_RESOURCE),
        };
        take_away(&probe, getenv("RUNDLET_PROBE_WITHOUT"));
        is_asked = true;
        return &probe;
}

static struct probe *ask_once(void) {
        struct probe *probe = ask_self();
        static bool is_asked;
        if (is_asked)
                return probe;
        probe->has_overlay_layers = is_release(6, 8);
        probe->has_mount_api = has_mount_api();
        probe->has_time_namespace = access("/proc/self/ns/time", F_OK) == 0;
        probe->has_cgroup_namespace = access("/proc/self/ns/cgroup", F_OK) == 0;
        probe->has_seccomp_wait_killable = has_seccomp_wait_killable();
        probe->last_capability = last_capability();
        take_away(probe, getenv("RUNDLET_PROBE_WITHOUT"));
        is_asked = true;
        return probe;
}

const struct probe *probe_self(void) {
        return ask_self();
}

const struct probe *probe_get(void) {
        return ask_once();
}

/* 1: confined, 0: not, -ENOSYS: no AppArmor.  Reading fails where it is compiled in and disabled. */
static int apparmor_confines(void) {
        char *label;
        if (read_file_at(AT_FDCWD, "/proc/self/attr/apparmor/current", 4096, &label, NULL) < 0) {
                err_clear();
                return -ENOSYS;
        }
        return strcmp(label, "unconfined\n") != 0 && strcmp(label, "unconfined") != 0;
}

/* It is enabled when its file system is mounted and a policy is loaded: before that everything is "kernel". */
static bool is_selinux_enabled(void) {
        struct statfs fs;
        char *label;
        if (statfs("/sys/fs/selinux", &fs) < 0 || fs.f_type != SELINUX_MAGIC)
                return false;
        if (read_file_at(AT_FDCWD, "/proc/self/attr/current", 4096, &label, NULL) < 0) {
                err_clear();
                return false;
        }
        return strcmp(label, "kernel") != 0;
}

static void ask_modules(struct probe *probe) {
        const char *without = getenv("RUNDLET_PROBE_WITHOUT");
        int confines = apparmor_confines();
        probe->has_apparmor = confines >= 0 && !is_listed(without, "apparmor");
        probe->is_apparmor_confined = confines > 0;
        probe->has_selinux = is_selinux_enabled() && !is_listed(without, "selinux");
}

#define LANDLOCK_VERSION 1 /* flag: only ask */

static int landlock_abi(void) {
        long abi = sys_landlock_create_ruleset(NULL, 0, LANDLOCK_VERSION);
        return abi < 0 || is_listed(getenv("RUNDLET_PROBE_WITHOUT"), "landlock") ? 0 : (int)abi;
}

static bool is_given(const char *text) {
        return text && *text;
}

const struct probe *probe_get_for(const struct oci_config *config, const struct oci_process *process) {
        struct probe *probe = ask_once();
        const struct oci_linux *linux_ = config->linux_;
        const struct oci_resources *resources = linux_ ? linux_->resources : NULL;
        if (resources && resources->cpu && resources->cpu->quota.v > 0) {
                long cpus = sysconf(_SC_NPROCESSORS_ONLN);
                probe->cpus = cpus > 0 ? (unsigned)cpus : 0;
        }
        if ((linux_ && is_given(linux_->mount_label)) ||
            (process && (is_given(process->apparmor_profile) || is_given(process->selinux_label))))
                ask_modules(probe);
        if (oci_annotation(config, "org.rundlet.landlock"))
                probe->landlock_abi = landlock_abi();
        return probe;
}
