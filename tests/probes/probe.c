/* What the tests run inside containers, static so that any root will do:
 *
 *   probe fp [CHECK...]      prints the fingerprint of its own confinement, one fact a line
 *   probe stay [CHECK...]    the same, then waits to be killed
 *   probe swap A B           exchanges two names until it is killed
 *   probe overwrite          tries to change every program that runs in sight, prints what came of it
 *   probe chroot NAME        tries to leave its root by a second chroot, prints whether NAME is found there
 *   probe writable FOLDER... prints every file below that can be opened for writing, folders of processes left out
 *   probe watch              looks at the files of every other process until it is killed, prints each new one
 *   probe xattr FILE NAME HEX  sets an extended attribute
 *
 * A CHECK is "read:PATH" (how many bytes can be read) or "write:PATH" (why it cannot be opened for writing). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RENAME_BOTH (1u << 1) /* RENAME_EXCHANGE of linux/fs.h */

/* -- the fingerprint -- */

static void print_lines(const char *key, const char *path, bool (*is_wanted)(const char *line)) {
        char line[4096];
        FILE *file = fopen(path, "re");
        if (!file) {
                printf("%s %s\n", key, strerrorname_np(errno));
                return;
        }
        while (fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                if (!is_wanted || is_wanted(line))
                        printf("%s %s\n", key, line);
        }
        (void)fclose(file);
}

static bool is_confinement(const char *line) {
        static const char *const names[] = { "Umask:",
                                             "Uid:",
                                             "Gid:",
                                             "Groups:",
                                             "Cap",
                                             "NoNewPrivs:",
                                             "Seccomp",
                                             "Speculation",
                                             "Sig",
                                             "Shd",
                                             "Cpus_allowed_list:",
                                             "Mems_allowed_list:",
                                             "TracerPid:" };
        /* What is pending changes from moment to moment. */
        if (strncmp(line, "SigPnd", 6) == 0 || strncmp(line, "SigQ", 4) == 0 || strncmp(line, "ShdPnd", 6) == 0)
                return false;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strncmp(line, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

static void print_links(const char *key, const char *folder) {
        struct dirent *entry;
        DIR *dir = opendir(folder);
        while (dir && (entry = readdir(dir))) {
                char target[4096];
                ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
                if (size < 0 || atoi(entry->d_name) == dirfd(dir))
                        continue;
                target[size] = '\0';
                printf("%s %s %s\n", key, entry->d_name, target);
        }
        if (dir)
                (void)closedir(dir);
}

/* Everything but the two numbers of the mount and those of its peer groups. */
static void print_mounts(void) {
        char line[4096];
        FILE *file = fopen("/proc/self/mountinfo", "re");
        while (file && fgets(line, sizeof(line), file)) {
                char *save, *word = strtok_r(line, " \n", &save);
                for (int i = 0; word; i++, word = strtok_r(NULL, " \n", &save)) {
                        char *peer = strncmp(word, "shared:", 7) == 0 || strncmp(word, "master:", 7) == 0
                                             ? strchr(word, ':')
                                             : NULL;
                        if (peer)
                                *peer = '\0';
                        if (i > 2)
                                printf("%s%s", i == 3 ? "mount " : " ", word);
                }
                printf("\n");
        }
        if (file)
                (void)fclose(file);
}

static void print_keyring(void) {
        char text[256] = "";
        long key = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
        long size = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof(text) - 1);
        const char *name = strrchr(text, ';');
        printf("keyring %s\n", size < 0 ? strerrorname_np(errno) : name ? name + 1 : text);
}

static void print_check(const char *check) {
        const char *path = strchr(check, ':') + 1;
        bool writes = check[0] == 'w';
        char buffer[65536];
        int fd = open(path, (writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 && errno == EISDIR) { /* of a folder: whether something can be made in it */
                char name[4096];
                (void)snprintf(name, sizeof(name), "%s/probe", path);
                fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        }
        if (fd < 0) {
                printf("%s %s\n", check, strerrorname_np(errno));
                return;
        }
        ssize_t n = writes ? 0 : read(fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EISDIR) {
                DIR *dir = fdopendir(dup(fd));
                for (n = -2; dir && readdir(dir); n++)
                        ;
                if (dir)
                        (void)closedir(dir);
        }
        printf("%s %s %zd\n", check, writes ? "open" : "read", n);
        (void)close(fd);
}

static int fingerprint(int argc, char **argv) {
        char cwd[4096];
        int signal = -1;
        print_lines("status", "/proc/self/status", is_confinement);
        printf("securebits %d\n", prctl(PR_GET_SECUREBITS));
        printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
        (void)prctl(PR_GET_PDEATHSIG, &signal);
        printf("pdeathsig %d\n", signal);
        printf("subreaper %d\n", prctl(PR_GET_CHILD_SUBREAPER, &signal) < 0 ? -1 : signal);
        printf("timerslack %d\n", prctl(PR_GET_TIMERSLACK));
        printf("personality %d\n", personality(0xffffffff));
        printf("session %s\n", getsid(0) == getpid() && getpgrp() == getpid() ? "own" : "shared");
        int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        printf("tty %s\n", tty < 0 ? strerrorname_np(errno) : "yes");
        if (tty >= 0)
                (void)close(tty);
        printf("cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : strerrorname_np(errno));
        print_keyring();
        print_links("fd", "/proc/self/fd");
        print_links("ns", "/proc/self/ns");
        print_mounts();
        print_lines("limit", "/proc/self/limits", NULL);
        print_lines("oom", "/proc/self/oom_score_adj", NULL);
        print_lines("cgroup", "/proc/self/cgroup", NULL);
        print_lines("label", "/proc/self/attr/current", NULL);
        for (char **entry = environ; *entry; entry++)
                printf("env %s\n", *entry);
        for (int i = 0; i < argc; i++)
                print_check(argv[i]);
        (void)fflush(stdout);
        return 0;
}

static int stay(int argc, char **argv) {
        (void)fingerprint(argc, argv);
        printf("end\n");
        (void)fflush(stdout);
        return pause();
}

/* -- attempts -- */

static int swap(int argc, char **argv) {
        if (argc != 2)
                return 2;
        for (;;)
                if (syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1], RENAME_BOTH) < 0 && errno != ENOENT)
                        return 1;
}

/* Every way to change the program behind path; 0 when all were refused. */
static int change_program(const char *path) {
        static const int flags[] = { O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_APPEND };
        int changed = 0;
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
                int fd = open(path, flags[i] | O_CLOEXEC);
                if (fd < 0) {
                        printf("%s open %s\n", path, strerrorname_np(errno));
                        continue;
                }
                if (pwrite(fd, "#!changed\n", 10, 0) >= 0 || ftruncate(fd, 0) == 0 ||
                    fallocate(fd, 0, 0, 1 << 20) == 0 ||
                    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED) {
                        printf("%s CHANGED\n", path);
                        changed = 1;
                }
                (void)close(fd);
        }
        return changed;
}

static int overwrite(int argc, char **argv) {
        int changed = 0;
        struct dirent *entry;
        DIR *dir = opendir("/proc");
        (void)argc;
        (void)argv;
        while (dir && (entry = readdir(dir))) {
                char path[300], target[4096] = "";
                if (atoi(entry->d_name) <= 0 || atoi(entry->d_name) == getpid())
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
                if (readlink(path, target, sizeof(target) - 1) >= 0)
                        printf("%s is %s\n", path, target);
                changed |= change_program(path);
        }
        if (dir)
                (void)closedir(dir);
        printf("%s\n", changed ? "something was changed" : "nothing was changed");
        return changed;
}

static int leave_root(int argc, char **argv) {
        struct stat status;
        if (argc != 1 || (mkdir("/inner", 0700) < 0 && errno != EEXIST))
                return 2;
        if (chroot("/inner") < 0) {
                printf("chroot %s\n", strerrorname_np(errno));
                return 1;
        }
        for (int i = 0; i < 64; i++)
                if (chdir("..") < 0)
                        break;
        if (chroot(".") < 0)
                return 1;
        printf("%s %s\n", argv[0], stat(argv[0], &status) == 0 ? "FOUND" : strerrorname_np(errno));
        return 0;
}

static bool is_new(const char *line) {
        static char *seen[4096];
        static size_t count;
        for (size_t i = 0; i < count; i++)
                if (strcmp(seen[i], line) == 0)
                        return false;
        if (count < sizeof(seen) / sizeof(seen[0]))
                seen[count++] = strdup(line);
        return true;
}

/* A folder that is called "/" by its link is the root of the container, or one of the host. */
static bool is_own_root(const char *path) {
        struct stat own, found;
        return stat("/", &own) == 0 && (stat(path, &found) < 0 || /* closed meanwhile: it is met again */
                                        (own.st_dev == found.st_dev && own.st_ino == found.st_ino));
}

static void watch_link(int pid, const char *name) {
        char path[300], target[4096], line[4400];
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        if (size < 0)
                return;
        target[size] = '\0';
        if (strncmp(name, "fd/", 3) == 0 && strcmp(target, "/") == 0 && is_own_root(path))
                return;
        (void)snprintf(line, sizeof(line), "%s %s", name, target);
        if (is_new(line))
                printf("%s\n", line);
}

static int watch(int argc, char **argv) {
        (void)argc;
        (void)argv;
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        printf("watching\n");
        while (!ferror(stdout)) {
                struct dirent *entry;
                DIR *dir = opendir("/proc");
                while (dir && (entry = readdir(dir))) {
                        int pid = atoi(entry->d_name);
                        if (pid <= 0 || pid == getpid())
                                continue;
                        watch_link(pid, "exe");
                        watch_link(pid, "cwd");
                        watch_link(pid, "root");
                        for (int fd = 0; fd < 64; fd++) {
                                char name[32];
                                (void)snprintf(name, sizeof(name), "fd/%d", fd);
                                watch_link(pid, name);
                        }
                }
                if (dir)
                        (void)closedir(dir);
        }
        return 1;
}

static int print_writable(const char *path, const struct stat *status, int kind, struct FTW *at) {
        if (at->level == 1 && atoi(path + at->base) > 0)
                return FTW_SKIP_SUBTREE;
        if (kind != FTW_F || !S_ISREG(status->st_mode))
                return FTW_CONTINUE;
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0) {
                printf("%s\n", path);
                (void)close(fd);
        }
        return FTW_CONTINUE;
}

static int writable(int argc, char **argv) {
        int r = 0;
        for (int i = 0; i < argc; i++)
                if (nftw(argv[i], print_writable, 32, FTW_PHYS | FTW_ACTIONRETVAL) != 0)
                        r = 1;
        return r;
}

static int set_xattr(int argc, char **argv) {
        char value[256];
        size_t size = 0;
        unsigned byte;
        if (argc != 3)
                return 2;
        for (const char *at = argv[2]; size < sizeof(value) && sscanf(at, "%2x", &byte) == 1; at += 2)
                value[size++] = (char)byte;
        if (setxattr(argv[0], argv[1], value, size, 0) == 0)
                return 0;
        perror(argv[0]);
        return 1;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int (*run)(int argc, char **argv);
        } commands[] = {
                { "fp", fingerprint },    { "stay", stay },   { "swap", swap },       { "overwrite", overwrite },
                { "chroot", leave_root }, { "watch", watch }, { "xattr", set_xattr }, { "writable", writable },
        };
        for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
                if (strcmp(commands[i].name, argv[1]) == 0)
                        return commands[i].run(argc - 2, argv + 2);
        fprintf(stderr, "usage: probe fp|stay|swap|overwrite|chroot|watch|writable|xattr [ARGUMENT]...\n");
        return 2;
}
