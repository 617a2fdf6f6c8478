/* The device filter: what cgroup2 has instead of a list of devices.  bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE. */
#include "runtime/host/cgroup.h"

#include "runtime/host/probe.h"
#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/log.h"

#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PROGRAMS_MAX 64

/* Large and zeroed: some kernels write past what an older header calls the whole of it. */
union request {
        union bpf_attr attr;
        char room[1024];
};

static int bpf_call(int command, union request *request) {
        long r = syscall(SYS_bpf, command, request, sizeof(request->attr));
        return r < 0 ? -errno : (int)r;
}

static int load(const struct plan *plan) {
        union request request;
        memset(&request, 0, sizeof(request));
        request.attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        request.attr.insns = (uintptr_t)plan->device_filter;
        request.attr.insn_cnt = (uint32_t)plan->device_filter_count;
        request.attr.license = (uintptr_t) "Apache-2.0";
        memcpy(request.attr.prog_name, "rundlet_devices", sizeof("rundlet_devices"));
        return bpf_call(BPF_PROG_LOAD, &request);
}

/* Before 5.11 programs count against RLIMIT_MEMLOCK: it is lifted for the moment only, the container inherits it. */
static int load_without_limit(const struct plan *plan) {
        struct rlimit old, unlimited = { RLIM_INFINITY, RLIM_INFINITY };
        int fd = load(plan);
        if (fd != -EPERM || getrlimit(RLIMIT_MEMLOCK, &old) < 0 || setrlimit(RLIMIT_MEMLOCK, &unlimited) < 0)
                return fd;
        fd = load(plan);
        (void)setrlimit(RLIMIT_MEMLOCK, &old);
        return fd;
}

/* The ids of the programs that are attached to the cgroup itself. */
static int attached(int cgroup, uint32_t ids[PROGRAMS_MAX], uint32_t *ret_count) {
        union request request;
        memset(&request, 0, sizeof(request));
        request.attr.query.target_fd = (uint32_t)cgroup;
        request.attr.query.attach_type = BPF_CGROUP_DEVICE;
        request.attr.query.prog_ids = (uintptr_t)ids;
        request.attr.query.prog_cnt = PROGRAMS_MAX;
        int r = bpf_call(BPF_PROG_QUERY, &request);
        if (r < 0)
                return fail(r, "ask for the device filters of the cgroup");
        *ret_count = request.attr.query.prog_cnt;
        return 0;
}

static int open_program(uint32_t id) {
        union request request;
        memset(&request, 0, sizeof(request));
        request.attr.prog_id = id;
        int fd = bpf_call(BPF_PROG_GET_FD_BY_ID, &request);
        return fd < 0 ? fail(fd, "open the device filter %u", id) : fd;
}

/* old: the program whose place is taken, -1: none. */
static int attach(int cgroup, int program, int old) {
        union request request;
        memset(&request, 0, sizeof(request));
        request.attr.target_fd = (uint32_t)cgroup;
        request.attr.attach_bpf_fd = (uint32_t)program;
        request.attr.attach_type = BPF_CGROUP_DEVICE;
        request.attr.attach_flags = BPF_F_ALLOW_MULTI | (old >= 0 ? BPF_F_REPLACE : 0);
        request.attr.replace_bpf_fd = old >= 0 ? (uint32_t)old : 0;
        int r = bpf_call(BPF_PROG_ATTACH, &request);
        return r < 0 ? fail(r, "attach the device filter") : 0;
}

/* The last one, or what stands beside it: filters are replaced in one call, so there is none of ours too many. */
static int detach(int cgroup, uint32_t id) {
        union request request;
        autofd program = open_program(id);
        if (program < 0)
                return program;
        memset(&request, 0, sizeof(request));
        request.attr.target_fd = (uint32_t)cgroup;
        request.attr.attach_bpf_fd = (uint32_t)program;
        request.attr.attach_type = BPF_CGROUP_DEVICE;
        int r = bpf_call(BPF_PROG_DETACH, &request);
        return r < 0 ? fail(r, "detach an old device filter") : 0;
}

/* program -1: no filter any more.  *ret_old: whose place was taken, -1: none. */
static int replace(int cgroup, int program, int *ret_old) {
        uint32_t ids[PROGRAMS_MAX] = { 0 }, count = 0;
        int r = attached(cgroup, ids, &count);
        if (r < 0)
                return r;
        autofd old = count > 0 ? open_program(ids[0]) : -1;
        if (count > 0 && old < 0)
                return old;
        for (uint32_t i = 1; r == 0 && i < count; i++)
                r = detach(cgroup, ids[i]);
        if (r == 0 && program >= 0)
                r = attach(cgroup, program, old);
        else if (r == 0 && count > 0)
                r = detach(cgroup, ids[0]);
        if (r == 0)
                *ret_old = fd_take(&old);
        return r;
}

static int fail_load(int r, const struct plan *plan) {
        /* The verifier has more than one word for too much. */
        if (r == -E2BIG || r == -EFAULT || r == -ENOSPC)
                return fail_words(E2BIG,
                                  "load the device filter: this kernel takes no program of %zu instructions: say it "
                                  "with fewer rules",
                                  plan->device_filter_count);
        return fail(r, "load the device filter");
}

int cgroup_replace_devices(const struct cgroup *cgroup, const struct plan *plan, int *ret_old) {
        int old = -1;
        autofd program = plan->device_filter ? load_without_limit(plan) : -1;
        int r = 0;
        if (plan->device_filter && program < 0)
                r = fail_load(program, plan);
        if (r == 0)
                r = replace(cgroup->fd, program, &old);
        if (r == -EPERM && !probe_self()->is_root) {
                log_warning("linux.resources.devices: %s: the device rules are not enforced by a filter",
                            err_message());
                err_clear();
                r = 0;
        }
        if (r < 0)
                return fail_in(r, "linux.resources.devices");
        *ret_old = old;
        return 0;
}

int cgroup_attach_devices(const struct cgroup *cgroup, const struct plan *plan) {
        autofd old = -1;
        if (!plan->device_filter || cgroup->fd < 0)
                return 0;
        return cgroup_replace_devices(cgroup, plan, &old);
}

int cgroup_return_devices(const struct cgroup *cgroup, int old) {
        autofd rejected = -1;
        int r = replace(cgroup->fd, old, &rejected);
        return r < 0 ? fail_in(r, "linux.resources.devices") : 0;
}
