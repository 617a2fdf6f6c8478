/* rundlet: the command table, global options, exit codes. */
#include "runtime/cli/cli.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"
#include "specs/base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

const struct command *const commands[] = {
        &command_run,    &command_create, &command_start,  &command_exec,   &command_kill,
        &command_delete, &command_state,  &command_list,   &command_ps,     &command_pause,
        &command_resume, &command_spec,   &command_check,  &command_plan,   &command_features,
        &command_events, &command_stats,  &command_update, &command_mounts,
        &command_checkpoint, &command_restore, NULL,
};

struct main_options {
        struct globals globals;
        bool version, man, completion;
};

#define GLOBAL(name_, letter_, kind_, member, argument_, help_)                                                        \
        { name_, letter_, kind_, offsetof(struct main_options, member), argument_, help_ }
const struct opt global_options[] = {
        GLOBAL("root", 0, OPT_PATH, globals.root, "DIR",
               "state of containers (default: /run/rundlet, or $XDG_RUNTIME_DIR/rundlet when not root)"),
        GLOBAL("log", 0, OPT_STRING, globals.log_path, "[file:]FILE|journald:NAME|syslog:NAME",
               "append the log to FILE, or hand it over under NAME; errors also go to standard error"),
        GLOBAL("log-format", 0, OPT_STRING, globals.log_format, "text|json", "form of the log (default: text)"),
        GLOBAL("log-level", 0, OPT_STRING, globals.log_level, "LEVEL",
               "error, warning, info or debug (default: warning)"),
        GLOBAL("debug", 0, OPT_FLAG, globals.debug, NULL, "the same as --log-level debug"),
        GLOBAL("timing", 0, OPT_FLAG, globals.timing, NULL,
               "log how long each phase of the command took (level info, which is shown then)"),
        GLOBAL("cgroup-manager", 0, OPT_STRING, globals.cgroup_manager, "MANAGER",
               "who makes a new container's cgroup: cgroupfs (rundlet; default), systemd, or disabled (nobody)"),
        GLOBAL("systemd-cgroup", 0, OPT_FLAG, globals.systemd_cgroup, NULL, "the same as --cgroup-manager systemd"),
        GLOBAL("rootless", 0, OPT_STRING, globals.rootless, "BOOL|auto",
               "accepted and ignored: who may what is asked of the kernel"),
        GLOBAL("criu", 0, OPT_STRING, globals.criu, "PROGRAM", "the CRIU of checkpoint and restore (default: criu)"),
        GLOBAL("version", 'v', OPT_FLAG, version, NULL, "version of rundlet and of the spec it follows"),
        { "version", 'V', OPT_FLAG, offsetof(struct main_options, version), NULL, NULL },
        GLOBAL("man", 0, OPT_FLAG, man, NULL, NULL),
        GLOBAL("bash-completion", 0, OPT_FLAG, completion, NULL, NULL),
        { 0 },
};

/* A program started with a closed standard fd would get its first open file there and hand it to the container. */
static void open_standard_fds(void) {
        int fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= 2)
                fd = dup(fd);
        if (fd > 2)
                (void)close(fd);
}

static int parse_log_level(const struct globals *globals, enum log_level *ret) {
        static const char *const levels[] = { "error", "warning", "info", "debug" };
        *ret = globals->debug ? LOG_DEBUG : globals->timing ? LOG_INFO : LOG_WARNING;
        if (!globals->log_level)
                return 0;
        for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
                if (str_eq(globals->log_level, levels[i])) {
                        *ret = (enum log_level)i;
                        return 0;
                }
        return fail_words(EINVAL, "--log-level: %s: error, warning, info or debug expected", globals->log_level);
}

static int open_log(const struct globals *globals) {
        struct log_options options = { .path = globals->log_path };
        /* What runc calls its default is a link, and so no log file; nothing asked for is the same. */
        if (globals->log_path && (!*globals->log_path || str_eq(globals->log_path, "/dev/stderr")))
                options.path = NULL;
        if (globals->log_format && !str_eq(globals->log_format, "text") && !str_eq(globals->log_format, "json"))
                return fail_words(EINVAL, "--log-format: %s: text or json expected", globals->log_format);
        options.json = globals->log_format && str_eq(globals->log_format, "json");
        int r = parse_log_level(globals, &options.level);
        return r < 0 ? r : log_open(&options);
}

/* Nothing depends on the answer, but a wrong one is a mistake. */
static int check_rootless(const struct globals *globals) {
        bool ignored;
        if (!globals->rootless || !*globals->rootless || str_eq(globals->rootless, "auto") ||
            opt_bool(globals->rootless, &ignored) == 0)
                return 0;
        return fail_words(EINVAL, "--rootless: %s: true, false or auto expected", globals->rootless);
}

/* --systemd-cgroup is runc's word for --cgroup-manager=systemd; engines give it more than once. */
static int find_driver(struct globals *globals) {
        const struct name *row =
                globals->cgroup_manager ? names_find(&cgroup_driver_names, globals->cgroup_manager) : NULL;
        if (globals->cgroup_manager && !row)
                return fail_words(EINVAL, "--cgroup-manager: %s: cgroupfs, systemd or disabled expected",
                                  globals->cgroup_manager);
        if (globals->systemd_cgroup && row && row->value != DRIVER_SYSTEMD)
                return fail_words(EINVAL, "--systemd-cgroup contradicts --cgroup-manager=%s", globals->cgroup_manager);
        globals->driver = globals->systemd_cgroup ? DRIVER_SYSTEMD
                          : row                   ? (enum cgroup_driver)row->value
                                                  : DRIVER_CGROUPFS;
        return 0;
}

static const struct command *find_command(const char *name) {
        for (size_t i = 0; commands[i]; i++)
                if (str_eq(commands[i]->name, name))
                        return commands[i];
        return NULL;
}

static int fail_unknown(const char *name) {
        return fail_hint(fail_words(EINVAL, "unknown command %s", name), "see rundlet --help");
}

static int run_command(const struct command *command, const struct globals *globals, const struct strv *arguments) {
        static const struct opt no_options[] = { { 0 } };
        const struct opt *table = command->options ? command->options : no_options;
        void *options = arena_alloc(command->size);
        struct opt_result parsed;
        size_t verbatim = command->verbatim_after ? command->verbatim_after : OPT_ANYWHERE;
        int r = opt_parse(table, arguments, verbatim, options, &parsed);
        if (r >= 0 && parsed.wants_help) {
                help_command(command);
                return 0;
        }
        if (r >= 0 && (parsed.positionals.n < command->min || parsed.positionals.n > command->max))
                r = fail_words(EINVAL, "usage: rundlet %s%s%s", command->name, *command->arguments ? " " : "",
                               command->arguments);
        if (r < 0)
                return fail_hint(r, "see rundlet %s --help", command->name);
        if (globals->timing)
                timing_start();
        r = command->run(globals, options, &parsed.positionals);
        timing_report(command->name);
        return r;
}

static void print_version(void) {
        (void)printf("rundlet version %s\ncommit: %s\nspec: %s\n", VERSION, COMMIT, OCI_VERSION);
}

/* Everything but commands that touch containers: *ret_done says that there is nothing left to do. */
static int run_globals(const struct main_options *options, const struct opt_result *parsed, bool *ret_done) {
        *ret_done = true;
        if (options->version)
                print_version();
        else if (options->man)
                help_man();
        else if (options->completion)
                help_completion();
        else if (parsed->wants_help || parsed->positionals.n == 0)
                help_all();
        else
                *ret_done = false;
        return !*ret_done || parsed->wants_help || options->version || options->man || options->completion ? 0 : 1;
}

static int run(int argc, const char **argv, int *ret_failure_status) {
        struct main_options options = { 0 };
        struct strv arguments = { 0 };
        struct opt_result parsed;
        bool is_done;
        for (int i = 1; i < argc; i++)
                strv_add(&arguments, argv[i]);
        int r = opt_parse(global_options, &arguments, 1, &options, &parsed);
        if (r < 0)
                return fail_hint(r, "see rundlet --help");
        r = run_globals(&options, &parsed, &is_done);
        if (is_done)
                return r;
        r = open_log(&options.globals);
        if (r == 0)
                r = check_rootless(&options.globals);
        if (r < 0)
                return r;
        const char *name = parsed.positionals.at[0];
        struct strv rest = { .at = parsed.positionals.at + 1, .n = parsed.positionals.n - 1 };
        if (str_eq(name, "help") && rest.n == 0) {
                help_all();
                return 0;
        }
        bool is_help = str_eq(name, "help");
        const struct command *command = find_command(is_help ? rest.at[0] : name);
        if (!command)
                return fail_unknown(is_help ? rest.at[0] : name);
        if (is_help) {
                help_command(command);
                return 0;
        }
        *ret_failure_status = command->failure_status ? command->failure_status : 1;
        r = find_driver(&options.globals);
        return r < 0 ? r : run_command(command, &options.globals, &rest);
}

int main(int argc, const char **argv) {
        int failure_status = 1;
        open_standard_fds();
        if (getauxval(AT_SECURE)) {
                (void)fputs("rundlet: error: refusing to run as a setuid or setgid program\n", stderr);
                return 1;
        }
        /* Containers that share the host's user namespace must not look into us.  An ordinary user's uid_map could not
         * be written to a process that is not dumpable, and nobody else may look into that one anyway. */
        if (geteuid() == 0)
                (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        int r = run(argc, argv, &failure_status);
        if (r < 0) {
                log_error_record();
                return failure_status;
        }
        /* What a full disk swallowed on the way only the stream remembers. */
        if (fflush(stdout) == 0 && !ferror(stdout))
                return r;
        (void)fail_words(EIO, "write to standard output: not everything could be written");
        log_error_record();
        return 1;
}
