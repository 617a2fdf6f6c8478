#include "runtime/steps/table.h"

#include <linux/close_range.h>

#define EXECUTABLE 1 /* X_OK */

int step_stdio(const struct step *step, struct context *context) {
        int fd = slot_fd(context, step->slot);
        if (fd < 0)
                return fd;
        for (int i = 0; i < 3; i++) {
                long r = fd == i ? sys_fcntl(fd, F_SETFD, 0) : sys_dup3(fd, i, 0);
                if (r < 0)
                        return (int)r;
        }
        return 0;
}

/* No link of proc leads to it: an fd of ours may name what is covered by a mount.  A missing one may be made, by the
 * user that will be in it. */
static int open_cwd(const char *path, bool is_made) {
        sysfd root = (int)sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        if (root < 0)
                return root;
        int fd = open_in(root, path, O_PATH | O_DIRECTORY);
        return fd == -ENOENT && is_made ? mkdirs_in(root, path, 0755) : fd;
}

int step_cwd(const struct step *step, struct context *context) {
        char where[4096];
        const char *path = step_text(context, step->a);
        sysfd fd = path ? open_cwd(path, step->flags) : -EINVAL;
        if (fd < 0)
                return fd;
        long r = sys_fchdir(fd);
        if (r >= 0)
                r = sys_getcwd(where, sizeof(where));
        if (r < 0)
                return (int)r;
        /* "(unreachable)/...": an open fd or a link of proc led to a folder of the host (CVE-2024-21626). */
        return where[0] == '/' ? 0 : -EXDEV;
}

static int check_program(const char *path) {
        struct statx status;
        long r = sys_statx(AT_FDCWD, path, 0, STATX_TYPE, &status);
        if (r >= 0 && !is_mode(&status, S_IFREG))
                return -EACCES;
        return r < 0 ? (int)r : (int)sys_faccessat2(AT_FDCWD, path, EXECUTABLE, AT_EACCESS);
}

static bool has_slash(const char *text) {
        while (*text && *text != '/')
                text++;
        return *text == '/';
}

/* folder (n bytes; none: the working directory) / program into the buffer. */
static int join(struct context *context, const char *folder, size_t n, const char *program) {
        char *buffer = context->program_buffer;
        size_t size = sys_strlen(program);
        if (n == 0) {
                folder = ".";
                n = 1;
        }
        if (n + 1 + size >= sizeof(context->program_buffer))
                return -ENAMETOOLONG;
        sys_copy(buffer, folder, n);
        buffer[n] = '/';
        sys_copy(buffer + n + 1, program, size + 1);
        return 0;
}

static void remember_home(uint32_t uid, struct context *context) {
        static const char name[] = "HOME=";
        const size_t n = sizeof(name) - 1;
        if (find_home(uid, context->home + n, sizeof(context->home) - n))
                sys_copy(context->home, name, n);
        else
                context->home[0] = '\0';
}

int step_find(const struct step *step, struct context *context) {
        const char *program = step_text(context, step->a), *path = step_text(context, step->b);
        int why = -ENOENT;
        if (step->flags)
                remember_home((uint32_t)step->more, context);
        if (!program)
                return -EINVAL;
        if (has_slash(program)) {
                context->program = program;
                return check_program(program);
        }
        while (path && *program) {
                size_t n = 0;
                while (path[n] && path[n] != ':')
                        n++;
                int r = join(context, path, n, program);
                if (r >= 0)
                        r = check_program(context->program_buffer);
                if (r >= 0) {
                        context->program = context->program_buffer;
                        return 0;
                }
                /* That something was there but may not be run says more than that another folder lacks it. */
                if (r == -EACCES)
                        why = r;
                path = path[n] ? path + n + 1 : NULL;
        }
        return why;
}

int open_inside(const char *path, int flags) {
        sysfd root = (int)sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        return root < 0 ? root : open_in(root, path, flags);
}

static bool is_null(int fd) {
        struct statx status;
        return sys_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) >= 0 && is_mode(&status, S_IFCHR) &&
               status.stx_rdev_major == 1 && status.stx_rdev_minor == 3;
}

/* An engine without input gives the host's /dev/null, whose mode and owner root could change by /proc/self/fd for all:
 * the container's own takes its place.  It is the container that says what lies there, so it is opened as what it may
 * be (no waiting, no terminal) and looked at; where there is none, the engine's stays. */
static void replace_null(void) {
        sysfd fd = open_inside("/dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || !is_null(fd) || sys_fcntl(fd, F_SETFL, 0) < 0)
                return;
        for (int i = 0; i < 3; i++)
                if (i != fd && is_null(i))
                        (void)sys_dup3(fd, i, 0);
}

int step_fds(const struct step *step, struct context *context) {
        static const int later[] = { SLOT_SYNC, SLOT_START, SLOT_STATE, SLOT_NOTIFY, SLOT_NOTIFY_STATE, SLOT_TTY };
        unsigned first = (unsigned)step->flags;
        replace_null();
        for (;;) {
                /* Close up to the next one that is needed, keep that until execve, and go on behind it. */
                unsigned next =
                        context->start >= 0 && (unsigned)context->start >= first ? (unsigned)context->start : ~0u;
                for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
                        int fd = context->slot[later[i]];
                        if (fd >= 0 && (unsigned)fd >= first && (unsigned)fd < next)
                                next = (unsigned)fd;
                }
                long r = next > first ? sys_close_range(first, next == ~0u ? next : next - 1, 0) : 0;
                if (r < 0 || next == ~0u)
                        return (int)r;
                r = sys_close_range(next, next, CLOSE_RANGE_CLOEXEC);
                if (r < 0)
                        return (int)r;
                first = next + 1;
        }
}

int step_exec(const struct step *step, struct context *context) {
        const char *const *args = step_strings(context, step->a);
        const char **env = (const char **)step_strings(context, step->b);
        if (!context->program)
                return -ENOENT;
        if (env && step->flags && context->home[0])
                env[step->flags - 1] = context->home;
        return args && env ? (int)sys_execve(context->program, args, env) : -ENOMEM;
}
