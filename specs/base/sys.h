/* System calls without libc: inline instructions that return -errno and touch no global state.
 *
 * The steps are linked twice: into rundlet, and into the init image that has no libc, no errno and no thread-local
 * storage.  Only these may be used there.  Names and arguments are those of section 2 of the manual. */
#ifndef SPECS_BASE_SYS_H
#define SPECS_BASE_SYS_H

#include <linux/mount.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

/* <linux/mount.h> above cannot be mixed with glibc's <sys/mount.h>: what only the latter has. */
#ifndef MNT_DETACH
#define MNT_DETACH      2
#define UMOUNT_NOFOLLOW 8
#endif

#if defined(__x86_64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f) {
        long r;
        register long r10 __asm__("r10") = d;
        register long r8 __asm__("r8") = e;
        register long r9 __asm__("r9") = f;
        __asm__ volatile("syscall"
                         : "=a"(r)
                         : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        return r;
}
#elif defined(__aarch64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f) {
        register long x8 __asm__("x8") = n;
        register long x0 __asm__("x0") = a;
        register long x1 __asm__("x1") = b;
        register long x2 __asm__("x2") = c;
        register long x3 __asm__("x3") = d;
        register long x4 __asm__("x4") = e;
        register long x5 __asm__("x5") = f;
        __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
        return x0;
}
#elif defined(__riscv) && __riscv_xlen == 64
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f) {
        register long a7 __asm__("a7") = n;
        register long a0 __asm__("a0") = a;
        register long a1 __asm__("a1") = b;
        register long a2 __asm__("a2") = c;
        register long a3 __asm__("a3") = d;
        register long a4 __asm__("a4") = e;
        register long a5 __asm__("a5") = f;
        __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
        return a0;
}
#else
#error "rundlet knows the system call instruction of x86_64, aarch64 and riscv64 only: add yours here"
#endif

#define sys_call0(n)                sys_call6(n, 0, 0, 0, 0, 0, 0)
#define sys_call1(n, a)             sys_call6(n, a, 0, 0, 0, 0, 0)
#define sys_call2(n, a, b)          sys_call6(n, a, b, 0, 0, 0, 0)
#define sys_call3(n, a, b, c)       sys_call6(n, a, b, c, 0, 0, 0)
#define sys_call4(n, a, b, c, d)    sys_call6(n, a, b, c, d, 0, 0)
#define sys_call5(n, a, b, c, d, e) sys_call6(n, a, b, c, d, e, 0)

static inline long sys_read(int fd, void *buffer, size_t size) {
        return sys_call3(SYS_read, (long)fd, (long)buffer, (long)size);
}

static inline long sys_write(int fd, const void *bytes, size_t size) {
        return sys_call3(SYS_write, (long)fd, (long)bytes, (long)size);
}

static inline long sys_close(int fd) {
        return sys_call1(SYS_close, (long)fd);
}

static inline long sys_lseek(int fd, off_t offset, int whence) {
        return sys_call3(SYS_lseek, (long)fd, (long)offset, (long)whence);
}

static inline long sys_openat(int dir, const char *path, int flags, mode_t mode) {
        return sys_call4(SYS_openat, (long)dir, (long)path, (long)flags, (long)mode);
}

static inline long sys_openat2(int dir, const char *path, const struct open_how *how, size_t size) {
        return sys_call4(SYS_openat2, (long)dir, (long)path, (long)how, (long)size);
}

static inline long sys_mkdirat(int dir, const char *path, mode_t mode) {
        return sys_call3(SYS_mkdirat, (long)dir, (long)path, (long)mode);
}

static inline long sys_mknodat(int dir, const char *path, mode_t mode, unsigned long dev) {
        return sys_call4(SYS_mknodat, (long)dir, (long)path, (long)mode, (long)dev);
}

static inline long sys_symlinkat(const char *target, int dir, const char *path) {
        return sys_call3(SYS_symlinkat, (long)target, (long)dir, (long)path);
}

static inline long sys_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
        return sys_call5(SYS_linkat, (long)from_dir, (long)from, (long)to_dir, (long)to, (long)flags);
}

static inline long sys_unlinkat(int dir, const char *path, int flags) {
        return sys_call3(SYS_unlinkat, (long)dir, (long)path, (long)flags);
}

static inline long sys_readlinkat(int dir, const char *path, char *buffer, size_t size) {
        return sys_call4(SYS_readlinkat, (long)dir, (long)path, (long)buffer, (long)size);
}

static inline long sys_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret) {
        return sys_call5(SYS_statx, (long)dir, (long)path, (long)flags, (long)mask, (long)ret);
}

static inline long sys_fstatfs(int fd, struct statfs *ret) {
        return sys_call2(SYS_fstatfs, (long)fd, (long)ret);
}

static inline long sys_fchmod(int fd, mode_t mode) {
        return sys_call2(SYS_fchmod, (long)fd, (long)mode);
}

static inline long sys_fchmodat(int dir, const char *path, mode_t mode) {
        return sys_call3(SYS_fchmodat, (long)dir, (long)path, (long)mode);
}

static inline long sys_fchownat(int dir, const char *path, uid_t uid, gid_t gid, int flags) {
        return sys_call5(SYS_fchownat, (long)dir, (long)path, (long)uid, (long)gid, (long)flags);
}

static inline long sys_faccessat2(int dir, const char *path, int mode, int flags) {
        return sys_call4(SYS_faccessat2, (long)dir, (long)path, (long)mode, (long)flags);
}

static inline long sys_utimensat(int dir, const char *path, const struct timespec *times, int flags) {
        return sys_call4(SYS_utimensat, (long)dir, (long)path, (long)times, (long)flags);
}

static inline long sys_getdents64(int fd, void *buffer, size_t size) {
        return sys_call3(SYS_getdents64, (long)fd, (long)buffer, (long)size);
}

static inline long sys_ftruncate(int fd, off_t size) {
        return sys_call2(SYS_ftruncate, (long)fd, (long)size);
}

static inline long sys_flistxattr(int fd, char *list, size_t size) {
        return sys_call3(SYS_flistxattr, (long)fd, (long)list, (long)size);
}

static inline long sys_fgetxattr(int fd, const char *name, void *value, size_t size) {
        return sys_call4(SYS_fgetxattr, (long)fd, (long)name, (long)value, (long)size);
}

static inline long sys_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags) {
        return sys_call5(SYS_fsetxattr, (long)fd, (long)name, (long)value, (long)size, (long)flags);
}

static inline long sys_dup3(int from, int to, int flags) {
        return sys_call3(SYS_dup3, (long)from, (long)to, (long)flags);
}

static inline long sys_pipe2(int ret_fds[2], int flags) {
        return sys_call2(SYS_pipe2, (long)ret_fds, (long)flags);
}

static inline long sys_fcntl(int fd, int command, long argument) {
        return sys_call3(SYS_fcntl, (long)fd, (long)command, (long)argument);
}

static inline long sys_ioctl(int fd, unsigned long request, void *argument) {
        return sys_call3(SYS_ioctl, (long)fd, (long)request, (long)argument);
}

static inline long sys_close_range(unsigned first, unsigned last, unsigned flags) {
        return sys_call3(SYS_close_range, (long)first, (long)last, (long)flags);
}

static inline long sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
                             const void *data) {
        return sys_call5(SYS_mount, (long)source, (long)target, (long)type, (long)flags, (long)data);
}

static inline long sys_umount2(const char *target, int flags) {
        return sys_call2(SYS_umount2, (long)target, (long)flags);
}

static inline long sys_open_tree(int dir, const char *path, unsigned flags) {
        return sys_call3(SYS_open_tree, (long)dir, (long)path, (long)flags);
}

static inline long sys_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
        return sys_call5(SYS_move_mount, (long)from_dir, (long)from, (long)to_dir, (long)to, (long)flags);
}

static inline long sys_fsopen(const char *type, unsigned flags) {
        return sys_call2(SYS_fsopen, (long)type, (long)flags);
}

static inline long sys_fsconfig(int fd, unsigned command, const char *key, const void *value, int aux) {
        return sys_call5(SYS_fsconfig, (long)fd, (long)command, (long)key, (long)value, (long)aux);
}

static inline long sys_fsmount(int fd, unsigned flags, unsigned attributes) {
        return sys_call3(SYS_fsmount, (long)fd, (long)flags, (long)attributes);
}

static inline long sys_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attr, size_t size) {
        return sys_call5(SYS_mount_setattr, (long)dir, (long)path, (long)flags, (long)attr, (long)size);
}

static inline long sys_pivot_root(const char *new_root, const char *put_old) {
        return sys_call2(SYS_pivot_root, (long)new_root, (long)put_old);
}

static inline long sys_chroot(const char *path) {
        return sys_call1(SYS_chroot, (long)path);
}

static inline long sys_fchdir(int fd) {
        return sys_call1(SYS_fchdir, (long)fd);
}

static inline long sys_chdir(const char *path) {
        return sys_call1(SYS_chdir, (long)path);
}

static inline long sys_getcwd(char *buffer, size_t size) {
        return sys_call2(SYS_getcwd, (long)buffer, (long)size);
}

static inline long sys_setns(int fd, int flags) {
        return sys_call2(SYS_setns, (long)fd, (long)flags);
}

static inline long sys_unshare(int flags) {
        return sys_call1(SYS_unshare, (long)flags);
}

static inline long sys_execveat(int dir, const char *path, const char *const *argv, const char *const *envp,
                                int flags) {
        return sys_call5(SYS_execveat, (long)dir, (long)path, (long)argv, (long)envp, (long)flags);
}

static inline long sys_execve(const char *path, const char *const *argv, const char *const *envp) {
        return sys_call3(SYS_execve, (long)path, (long)argv, (long)envp);
}

static inline long sys_wait4(pid_t pid, int *status, int options, void *usage) {
        return sys_call4(SYS_wait4, (long)pid, (long)status, (long)options, (long)usage);
}

static inline long sys_kill(pid_t pid, int number) {
        return sys_call2(SYS_kill, (long)pid, (long)number);
}

static inline long sys_getpid(void) {
        return sys_call0(SYS_getpid);
}

static inline long sys_getppid(void) {
        return sys_call0(SYS_getppid);
}

static inline long sys_getuid(void) {
        return sys_call0(SYS_getuid);
}

static inline long sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
        return sys_call5(SYS_prctl, (long)option, (long)a, (long)b, (long)c, (long)d);
}

static inline long sys_capset(void *header, const void *data) {
        return sys_call2(SYS_capset, (long)header, (long)data);
}

static inline long sys_capget(void *header, void *data) {
        return sys_call2(SYS_capget, (long)header, (long)data);
}

static inline long sys_setgroups(size_t count, const uint32_t *groups) {
        return sys_call2(SYS_setgroups, (long)count, (long)groups);
}

static inline long sys_setresuid(uid_t real, uid_t effective, uid_t saved) {
        return sys_call3(SYS_setresuid, (long)real, (long)effective, (long)saved);
}

static inline long sys_setresgid(gid_t real, gid_t effective, gid_t saved) {
        return sys_call3(SYS_setresgid, (long)real, (long)effective, (long)saved);
}

static inline long sys_seccomp(unsigned operation, unsigned flags, void *argument) {
        return sys_call3(SYS_seccomp, (long)operation, (long)flags, (long)argument);
}

static inline long sys_landlock_create_ruleset(const void *attributes, size_t size, unsigned flags) {
        return sys_call3(SYS_landlock_create_ruleset, (long)attributes, (long)size, (long)flags);
}

static inline long sys_landlock_add_rule(int ruleset, int type, const void *rule, unsigned flags) {
        return sys_call4(SYS_landlock_add_rule, (long)ruleset, (long)type, (long)rule, (long)flags);
}

static inline long sys_landlock_restrict_self(int ruleset, unsigned flags) {
        return sys_call2(SYS_landlock_restrict_self, (long)ruleset, (long)flags);
}

static inline long sys_keyctl(int operation, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
        return sys_call5(SYS_keyctl, (long)operation, (long)a, (long)b, (long)c, (long)d);
}

static inline long sys_personality(unsigned long persona) {
        return sys_call1(SYS_personality, (long)persona);
}

static inline long sys_umask(mode_t mask) {
        return sys_call1(SYS_umask, (long)mask);
}

static inline long sys_setsid(void) {
        return sys_call0(SYS_setsid);
}

static inline long sys_setpgid(pid_t pid, pid_t group) {
        return sys_call2(SYS_setpgid, (long)pid, (long)group);
}

static inline long sys_sethostname(const char *name, size_t size) {
        return sys_call2(SYS_sethostname, (long)name, (long)size);
}

static inline long sys_setdomainname(const char *name, size_t size) {
        return sys_call2(SYS_setdomainname, (long)name, (long)size);
}

static inline long sys_prlimit64(pid_t pid, unsigned resource, const void *limit, void *old) {
        return sys_call4(SYS_prlimit64, (long)pid, (long)resource, (long)limit, (long)old);
}

static inline long sys_sched_setattr(pid_t pid, void *attr, unsigned flags) {
        return sys_call3(SYS_sched_setattr, (long)pid, (long)attr, (long)flags);
}

static inline long sys_sched_setaffinity(pid_t pid, size_t size, const void *mask) {
        return sys_call3(SYS_sched_setaffinity, (long)pid, (long)size, (long)mask);
}

static inline long sys_ioprio_set(int which, int who, int priority) {
        return sys_call3(SYS_ioprio_set, (long)which, (long)who, (long)priority);
}

static inline long sys_set_mempolicy(int mode, const unsigned long *nodes, unsigned long bits) {
        return sys_call3(SYS_set_mempolicy, (long)mode, (long)nodes, (long)bits);
}

static inline long sys_socket(int family, int type, int protocol) {
        return sys_call3(SYS_socket, (long)family, (long)type, (long)protocol);
}

static inline long sys_connect(int fd, const void *address, unsigned size) {
        return sys_call3(SYS_connect, (long)fd, (long)address, (long)size);
}

static inline long sys_accept4(int fd, void *address, unsigned *size, int flags) {
        return sys_call4(SYS_accept4, (long)fd, (long)address, (long)size, (long)flags);
}

static inline long sys_sendmsg(int fd, const struct msghdr *message, int flags) {
        return sys_call3(SYS_sendmsg, (long)fd, (long)message, (long)flags);
}

static inline long sys_recvmsg(int fd, struct msghdr *message, int flags) {
        return sys_call3(SYS_recvmsg, (long)fd, (long)message, (long)flags);
}

static inline long sys_ppoll(void *fds, unsigned count, const struct timespec *timeout, const void *mask,
                             size_t mask_size) {
        return sys_call5(SYS_ppoll, (long)fds, (long)count, (long)timeout, (long)mask, (long)mask_size);
}

static inline long sys_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        return sys_call6(SYS_mmap, (long)address, (long)size, (long)protection, (long)flags, (long)fd, (long)offset);
}

static inline long sys_munmap(void *address, size_t size) {
        return sys_call2(SYS_munmap, (long)address, (long)size);
}

static inline long sys_rt_sigprocmask(int how, const void *set, void *old, size_t size) {
        return sys_call4(SYS_rt_sigprocmask, (long)how, (long)set, (long)old, (long)size);
}

static inline long sys_rt_sigaction(int number, const void *action, void *old, size_t size) {
        return sys_call4(SYS_rt_sigaction, (long)number, (long)action, (long)old, (long)size);
}

static inline long sys_pidfd_open(pid_t pid, unsigned flags) {
        return sys_call2(SYS_pidfd_open, (long)pid, (long)flags);
}

static inline long sys_pidfd_send_signal(int pidfd, int number, void *info, unsigned flags) {
        return sys_call4(SYS_pidfd_send_signal, (long)pidfd, (long)number, (long)info, (long)flags);
}

static inline long sys_clock_gettime(int clock, struct timespec *ret) {
        return sys_call2(SYS_clock_gettime, (long)clock, (long)ret);
}

static inline long sys_copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags) {
        return sys_call6(SYS_copy_file_range, (long)from, (long)from_at, (long)to, (long)to_at, (long)size,
                         (long)flags);
}

/* The new process continues after the call as after fork(2); flags as of clone(2), the low byte is the exit signal. */
static inline long sys_fork(unsigned long flags, int *ret_pidfd) {
        return sys_call5(SYS_clone, (long)flags, 0, (long)ret_pidfd, 0, 0);
}

__attribute__((noreturn)) static inline void sys_exit(int status) {
        for (;;)
                (void)sys_call1(SYS_exit_group, status);
}

/* arguments is a struct clone_args of size bytes with a stack: there the new process calls run(data), which never
 * returns.  So it may share our memory (CLONE_VM). */
#if defined(__x86_64__)
static inline long sys_clone3(void *arguments, size_t size, void (*run)(const void *), const void *data) {
        long r;
        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "mov %[data], %%rdi\n\t"
                         "mov %[run], %%rax\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "call *%%rax\n\t"
                         "ud2\n"
                         "1:"
                         : "=a"(r)
                         : "a"((long)SYS_clone3), "D"(arguments), "S"(size), [run] "r"(run), [data] "r"(data)
                         : "rcx", "r11", "memory");
        return r;
}
#elif defined(__aarch64__)
static inline long sys_clone3(void *arguments, size_t size, void (*run)(const void *), const void *data) {
        register long x8 __asm__("x8") = SYS_clone3;
        register long x0 __asm__("x0") = (long)arguments;
        register long x1 __asm__("x1") = (long)size;
        __asm__ volatile("svc 0\n\t"
                         "cbnz x0, 1f\n\t"
                         "mov x0, %[data]\n\t"
                         "mov x16, %[run]\n\t"
                         "mov x29, #0\n\t"
                         "blr x16\n\t"
                         "brk #0\n"
                         "1:"
                         : "+r"(x0)
                         : "r"(x8), "r"(x1), [run] "r"(run), [data] "r"(data)
                         : "x16", "memory");
        return x0;
}
#else
static inline long sys_clone3(void *arguments, size_t size, void (*run)(const void *), const void *data) {
        register long a7 __asm__("a7") = SYS_clone3;
        register long a0 __asm__("a0") = (long)arguments;
        register long a1 __asm__("a1") = (long)size;
        __asm__ volatile("ecall\n\t"
                         "bnez a0, 1f\n\t"
                         "mv a0, %[data]\n\t"
                         "jalr %[run]\n\t"
                         "ebreak\n"
                         "1:"
                         : "+r"(a0)
                         : "r"(a7), "r"(a1), [run] "r"(run), [data] "r"(data)
                         : "memory");
        return a0;
}
#endif

static inline size_t sys_strlen(const char *text) {
        size_t n = 0;
        while (text[n])
                n++;
        return n;
}

static inline int sys_strcmp(const char *a, const char *b) {
        while (*a && *a == *b) {
                a++;
                b++;
        }
        return (unsigned char)*a - (unsigned char)*b;
}

/* An fd that closes itself when it leaves its scope: autofd of fd.h for code that has no errno to keep. */
static inline void sys_closep(const int *fd) {
        if (*fd >= 0)
                (void)sys_close(*fd);
}
#define sysfd __attribute__((cleanup(sys_closep))) int

static inline int sys_take(int *fd) {
        int taken = *fd;
        *fd = -1;
        return taken;
}

static inline void sys_copy(void *to, const void *from, size_t size) {
        unsigned char *t = to;
        const unsigned char *f = from;
        while (size--)
                *t++ = *f++;
}

#endif
