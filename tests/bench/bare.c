/* The floor: a program that makes by hand, with nothing decided at run time, what the config of `rundlet spec` asks for
 * (namespaces, cgroup, mounts, nodes, masks, capabilities), runs /bin/true in it and cleans up.  No runtime can be
 * faster than this by much.  Usage: bare ROOTFS CGROUP (a folder to make on the cgroup2 mount).  Static. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(long r, const char *what) {
        if (r < 0) {
                perror(what);
                _exit(1);
        }
}

struct bare_mount {
        const char *type, *at, *data;
        unsigned long flags;
};

static const struct bare_mount mounts[] = {
        { "proc", "proc", NULL, 0 },
        { "tmpfs", "dev", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME },
        { "devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC },
        { "tmpfs", "dev/shm", "mode=1777,size=65536k", MS_NOSUID | MS_NODEV | MS_NOEXEC },
        { "mqueue", "dev/mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
        { "sysfs", "sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY },
        { "cgroup2", "sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY },
};

static void make_mounts(void) {
        for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++) {
                (void)mkdir(mounts[i].at, 0755);
                check(mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags, mounts[i].data),
                      mounts[i].at);
        }
}

static void make_nodes(void) {
        static const struct {
                const char *path;
                unsigned major, minor;
        } nodes[] = { { "dev/null", 1, 3 },   { "dev/zero", 1, 5 },    { "dev/full", 1, 7 },
                      { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };
        for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
                check(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].path);
        static const char *const links[][2] = { { "/proc/self/fd", "dev/fd" },
                                                { "/proc/self/fd/0", "dev/stdin" },
                                                { "/proc/self/fd/1", "dev/stdout" },
                                                { "/proc/self/fd/2", "dev/stderr" },
                                                { "pts/ptmx", "dev/ptmx" } };
        for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
                check(symlink(links[i][0], links[i][1]), links[i][1]);
}

/* What is not there needs none.  One empty file system serves all folders. */
static void mask(const char *path) {
        static const char *empty;
        struct stat status;
        if (stat(path, &status) < 0)
                return;
        if (!S_ISDIR(status.st_mode)) {
                check(mount("dev/null", path, NULL, MS_BIND, NULL), path);
        } else if (empty) {
                check(mount(empty, path, NULL, MS_BIND, NULL), path);
        } else {
                check(mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "nr_inodes=2,size=0"),
                      path);
                empty = path;
        }
}

static void make_masks(void) {
        static const char *const masked[] = {
                "proc/acpi",          "proc/asound",     "proc/dynamic_debug", "proc/interrupts",
                "proc/kcore",         "proc/keys",       "proc/kmsg",          "proc/kpagecgroup",
                "proc/kpagecount",    "proc/kpageflags", "proc/latency_stats", "proc/sched_debug",
                "proc/scsi",          "proc/slabinfo",   "proc/timer_list",    "proc/timer_stats",
                "proc/vmallocinfo",   "sys/firmware",    "sys/fs/bpf",         "sys/devices/virtual/powercap",
                "sys/fs/pstore",      "sys/fs/selinux",  "sys/kernel/debug",   "sys/kernel/security",
                "sys/kernel/tracing", "sys/power",
        };
        static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
        for (size_t i = 0; i < sizeof readonly / sizeof readonly[0]; i++)
                if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
                        check(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), readonly[i]);
        for (size_t i = 0; i < sizeof masked / sizeof masked[0]; i++)
                mask(masked[i]);
        check(mount(NULL, ".", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "root");
}

static void drop_rights(void) {
        const uint32_t keep = 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE | 1u << CAP_AUDIT_WRITE;
        for (int i = 0; i <= 40; i++)
                if (i > 31 || !(keep & 1u << i))
                        (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
        struct __user_cap_data_struct data[2] = { { keep, keep, 0 }, { 0, 0, 0 } };
        check(syscall(SYS_setgroups, 0, NULL), "setgroups");
        check(syscall(SYS_capset, &header, data), "capset");
        check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

static void be_the_container(const char *rootfs) {
        check(prctl(PR_SET_PDEATHSIG, SIGKILL), "pdeathsig");
        check(unshare(CLONE_NEWCGROUP), "unshare");
        check(sethostname("bare", 4), "hostname");
        check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "propagation");
        check(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "rootfs");
        check(chdir(rootfs), "rootfs");
        umask(0);
        make_mounts();
        make_nodes();
        make_masks();
        check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
        check(umount2(".", MNT_DETACH), "old root");
        check(chdir("/"), "chdir");
        umask(022);
        (void)setsid();
        drop_rights();
        char *const arguments[] = { (char *)"/bin/true", NULL };
        char *const environment[] = { (char *)"PATH=/bin", NULL };
        (void)execve(arguments[0], arguments, environment);
        perror("execve");
        _exit(127);
}

int main(int argc, char **argv) {
        if (argc != 3) {
                (void)fprintf(stderr, "usage: bare ROOTFS CGROUP\n");
                return 1;
        }
        check(mkdir(argv[2], 0755), argv[2]);
        int cgroup = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        check(cgroup, argv[2]);
        struct clone_args args = {
                .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_INTO_CGROUP,
                .exit_signal = SIGCHLD,
                .cgroup = (uint64_t)cgroup,
        };
        long pid = syscall(SYS_clone3, &args, sizeof args);
        check(pid, "clone3");
        if (pid == 0)
                be_the_container(argv[1]);
        int status = 0;
        check(waitpid((pid_t)pid, &status, 0), "wait");
        check(rmdir(argv[2]), "rmdir");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
