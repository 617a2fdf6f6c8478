#include "netsetup/netns.h"

#include "specs/base/err.h"
#include "specs/base/fd.h"
#include "specs/base/path.h"
#include "specs/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/net_namespace.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static const char own[] = "/proc/self/ns/net";

int netns_open(const char *word, int *ret) {
        uint64_t pid = 0;
        char name[FD_NAME_SIZE];
        struct statfs fs;
        bool is_pid = parse_u64(word, 1, INT32_MAX, &pid) == 0;
        const char *path = is_pid ? str_format("/proc/%s/ns/net", word) : word;
        /* Only looked at first: opening what is not a namespace (a FIFO, a device) could block or have effects. */
        autofd place = open(path, O_PATH | O_CLOEXEC);
        if (place < 0)
                return is_pid && errno == ENOENT ? fail(ESRCH, "open network namespace of process %s", word)
                                                 : fail(errno, "open network namespace %s", path);
        if (fstatfs(place, &fs) < 0)
                return fail(errno, "open network namespace %s", path);
        if (fs.f_type != NSFS_MAGIC)
                return fail_words(EINVAL, "open network namespace %s: not a namespace", path);
        autofd netns = open(fd_name(place, name), O_RDONLY | O_CLOEXEC);
        if (netns < 0)
                return fail(errno, "open network namespace %s", path);
        if (ioctl(netns, NS_GET_NSTYPE) != CLONE_NEWNET)
                return fail_words(EINVAL, "open network namespace %s: a namespace of another kind", path);
        *ret = fd_take(&netns);
        return 0;
}

/* There is no other way back than by an fd of home. */
static int come_back(int home, int r) {
        return setns(home, CLONE_NEWNET) < 0 ? fail(errno, "come back from network namespace") : r;
}

int netns_socket(int netns, struct nl *ret) {
        autofd home = open(own, O_RDONLY | O_CLOEXEC);
        if (home < 0)
                return fail(errno, "open %s", own);
        if (setns(netns, CLONE_NEWNET) < 0)
                return fail(errno, "enter network namespace");
        int opened = nl_open(ret), r = come_back(home, opened);
        if (r < 0 && opened == 0)
                nl_closep(ret);
        return r;
}

int netns_try(int (*work)(void *data), void *data) {
        autofd home = open(own, O_RDONLY | O_CLOEXEC);
        if (home < 0)
                return fail(errno, "open %s", own);
        if (unshare(CLONE_NEWNET) < 0)
                return fail(errno, "make network namespace");
        return come_back(home, work(data));
}

bool netns_is_own(int netns) {
        struct stat a, b;
        return fstat(netns, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int netns_number(struct nl *nl, int netns, int *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
        nl_begin(&batch, RTM_GETNSID, 0, &header, sizeof(header));
        nl_put_u32(&batch, NETNSA_FD, (uint32_t)netns);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return r;
        if (reply.answers[0].error || reply.n != 1)
                return fail(reply.answers[0].error ? reply.answers[0].error : EPROTO,
                            "ask for number of network namespace");
        *ret = (int)nl_u32(nl_find(reply.messages[0], sizeof(header), NETNSA_NSID), UINT32_MAX);
        return 0;
}

int netns_give_number(struct nl *nl, int netns, int *ret) {
        struct nl_batch batch = { 0 };
        struct nl_reply reply;
        struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
        nl_begin(&batch, RTM_NEWNSID, 0, &header, sizeof(header));
        nl_put_u32(&batch, NETNSA_FD, (uint32_t)netns);
        nl_put_u32(&batch, NETNSA_NSID, UINT32_MAX);
        int r = nl_run(nl, &batch, &reply);
        if (r < 0)
                return r;
        if (reply.answers[0].error && reply.answers[0].error != EEXIST)
                return fail(reply.answers[0].error, "give network namespace a number");
        r = netns_number(nl, netns, ret);
        return r == 0 && *ret < 0 ? fail(EPROTO, "give network namespace a number") : r;
}
