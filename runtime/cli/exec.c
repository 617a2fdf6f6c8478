/* exec: the process comes whole from a file, or from the container's own process changed by options. */
#include "runtime/cli/cli.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/file.h"
#include "specs/base/log.h"
#include "specs/oci_check.h"
#include "specs/oci_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct exec_command_options {
        struct exec_options exec;
        const char *cwd, *user, *process, *label, *apparmor;
        struct strv env, caps, gids;
        bool terminal, no_new_privileges;
};

static int read_process(const char *path, struct oci_process **ret) {
        char *text;
        size_t size;
        int r = read_file_at(AT_FDCWD, path, JSON_MAX_SIZE, &text, &size);
        if (r < 0)
                return fail_in(r, "--process");
        struct strv warnings = { 0 };
        struct oci_process *process = arena_alloc(sizeof *process);
        r = json_read(text, size, &oci_process_type, &(struct json_read_options){ .warnings = &warnings }, process);
        if (r >= 0)
                r = oci_check_process(process, NULL, &warnings);
        if (r < 0)
                return fail_in(r, "--process %s", path);
        for (size_t i = 0; i < warnings.n; i++)
                log_warning("%s", warnings.at[i]);
        *ret = process;
        return 0;
}

/* Digits only: a number is never looked up as a name. */
static int parse_id(const char *option, const char *text, uint32_t *ret) {
        uint64_t number;
        if (parse_u64(text, 0, UINT32_MAX - 1, &number) < 0)
                return fail_words(EINVAL, "--%s: %s: a number from 0 to 4294967294 is expected", option, text);
        *ret = (uint32_t)number;
        return 0;
}

static int set_user(const char *text, struct oci_user *user) {
        struct strv parts = str_split(text, ':', false);
        if (parts.n > 2)
                return fail_words(EINVAL, "--user: %s: UID or UID:GID is expected", text);
        int r = parse_id("user", parts.at[0], &user->uid);
        if (r >= 0 && parts.n == 2)
                r = parse_id("user", parts.at[1], &user->gid);
        return r;
}

static int add_groups(const struct strv *gids, struct oci_user *user) {
        if (gids->n == 0)
                return 0;
        uint32_t *all = arena_array(user->additional_gids.n + gids->n, sizeof *all);
        if (user->additional_gids.n > 0)
                memcpy(all, user->additional_gids.at, user->additional_gids.n * sizeof *all);
        for (size_t i = 0; i < gids->n; i++) {
                int r = parse_id("additional-gids", gids->at[i], &all[user->additional_gids.n + i]);
                if (r < 0)
                        return r;
        }
        user->additional_gids.at = all;
        user->additional_gids.n += gids->n;
        return 0;
}

/* To bounding, effective and permitted; never to inheritable, which would reach files of the image (CVE-2022-29162). */
static int add_caps(const struct strv *caps, struct oci_process *process) {
        if (caps->n == 0)
                return 0;
        struct oci_capabilities *own = arena_alloc(sizeof *own);
        if (process->capabilities)
                *own = *process->capabilities;
        for (size_t i = 0; i < caps->n; i++) {
                const struct name *row = names_find(&oci_capability_names, caps->at[i]);
                if (!row)
                        return fail_words(EINVAL, "--cap: %s: unknown capability", caps->at[i]);
                struct named_set *sets[] = { &own->bounding, &own->effective, &own->permitted };
                for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
                        sets[s]->set = true;
                        sets[s]->bits |= 1ULL << row->value;
                }
        }
        process->capabilities = own;
        return 0;
}

static int apply_options(const struct exec_command_options *options, const struct strv *arguments,
                         struct oci_process *process) {
        process->args = (struct strv){ arguments->at + 1, arguments->n - 1 };
        process->terminal = options->terminal;
        process->no_new_privileges = process->no_new_privileges || options->no_new_privileges;
        process->console_size = NULL;
        if (options->cwd)
                process->cwd = options->cwd;
        if (options->label)
                process->selinux_label = options->label;
        if (options->apparmor)
                process->apparmor_profile = options->apparmor;
        struct strv env = { 0 };
        for (size_t i = 0; i < process->env.n; i++)
                strv_add(&env, process->env.at[i]);
        for (size_t i = 0; i < options->env.n; i++)
                strv_add(&env, options->env.at[i]);
        process->env = env;
        int r = options->user ? set_user(options->user, &process->user) : 0;
        if (r >= 0)
                r = add_groups(&options->gids, &process->user);
        if (r >= 0)
                r = add_caps(&options->caps, process);
        return r < 0 ? r : oci_check_process(process, NULL, NULL);
}

/* What is asked for, of the container's own process. */
struct asked {
        const struct exec_command_options *options;
        const struct strv *arguments;
};

static int choose(const struct oci_config *config, const void *data, struct oci_process **ret) {
        const struct asked *asked = data;
        struct oci_process *process = arena_alloc(sizeof *process);
        *process = *config->process;
        int r = apply_options(asked->options, asked->arguments, process);
        if (r >= 0)
                *ret = process;
        return r;
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        const struct exec_command_options *command = options;
        const struct asked asked = { command, arguments };
        struct exec_options exec = command->exec;
        exec.root = globals->root;
        exec.id = arguments->at[0];
        exec.choose = choose;
        exec.data = &asked;
        if (command->process && arguments->n > 1)
                return fail_words(EINVAL, "exec: a command and --process exclude each other");
        if (!command->process && arguments->n < 2)
                return fail_words(EINVAL,
                                  "exec: what to execute is missing: rundlet exec %s COMMAND, or --process FILE",
                                  arguments->at[0]);
        int status = 0, r = command->process ? read_process(command->process, &exec.process) : 0;
        if (r >= 0 && command->process && command->terminal)
                exec.process->terminal = true;
        if (r >= 0)
                r = container_exec(&exec, &status);
        return r < 0 ? r : status;
}

#define EXEC(name_, letter_, kind_, member, argument_, help_)                                                          \
        { name_, letter_, kind_, offsetof(struct exec_command_options, member), argument_, help_ }
static const struct opt options_table[] = {
        EXEC("process", 'p', OPT_PATH, process, "FILE",
             "process.json: the whole process, instead of a command and options"),
        EXEC("user", 'u', OPT_STRING, user, "UID[:GID]", "run as these numbers"),
        EXEC("additional-gids", 'g', OPT_LIST, gids, "GID", "a supplementary group (repeatable)"),
        EXEC("cwd", 0, OPT_STRING, cwd, "DIR", "working directory inside the container"),
        EXEC("env", 'e', OPT_LIST, env, "NAME=VALUE", "environment variable (repeatable)"),
        EXEC("tty", 't', OPT_FLAG, terminal, NULL, "give it a terminal"),
        EXEC("detach", 'd', OPT_FLAG, exec.detach, NULL, "do not wait for its end"),
        EXEC("pid-file", 0, OPT_PATH, exec.pid_file, "FILE", "write the process id there"),
        EXEC("console-socket", 0, OPT_PATH, exec.console_socket, "PATH",
             "unix socket that gets the terminal's master side"),
        EXEC("pidfd-socket", 0, OPT_PATH, exec.pidfd_socket, "PATH", "unix socket that gets a pidfd of the process"),
        EXEC("cap", 'c', OPT_LIST, caps, "CAP_NAME", "a capability more (repeatable)"),
        EXEC("no-new-privs", 0, OPT_FLAG, no_new_privileges, NULL, "no gain of privileges by execve"),
        EXEC("process-label", 0, OPT_STRING, label, "LABEL", "SELinux label"),
        EXEC("apparmor", 0, OPT_STRING, apparmor, "PROFILE", "AppArmor profile"),
        EXEC("preserve-fds", 0, OPT_COUNT, exec.preserve_fds, "N",
             "pass fds 3 to N+2 (after those of LISTEN_FDS) to the process"),
        EXEC("cgroup", 0, OPT_STRING, exec.cgroup, "PATH", "run in this sub-cgroup of the container's cgroup"),
        EXEC("ignore-paused", 0, OPT_FLAG, exec.ignore_paused, NULL,
             "allow it in a paused container (it runs after resume)"),
        EXEC("no-subreaper", 0, OPT_FLAG, exec.no_subreaper, NULL, "accepted and ignored: none is ever made"),
        { 0 },
};

const struct command command_exec = {
        .name = "exec",
        .arguments = "ID [COMMAND [ARGUMENT]...]",
        .summary = "run one more process in a container",
        .description = "Joins all namespaces and the cgroup of a running container and runs COMMAND with the "
                       "container's own user,\n"
                       "capabilities, limits and seccomp profile. The exit status is that of the command; 255 when "
                       "rundlet failed.\n"
                       "\n"
                       "  rundlet exec --tty web sh\n"
                       "  rundlet exec --user 1000:1000 --env A=b web env",
        .options = options_table,
        .verbatim_after = 2,
        .min = 1,
        .max = 65536,
        .size = sizeof(struct exec_command_options),
        .run = run,
        .failure_status = 255,
};
