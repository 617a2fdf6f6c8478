/* One file a command: cmd_x in runtime/cli/x.c; the table is in runtime/main.c.  Parent side only. */
#ifndef RUNTIME_CLI_CLI_H
#define RUNTIME_CLI_CLI_H

#include "runtime/cli/opt.h"
#include "runtime/container/container.h"

#include <stddef.h>

/* Global options, parsed before the command (repeats are legal, the last wins). */
struct globals {
        const char *root; /* absolute or NULL */
        const char *log_path, *log_format, *log_level;
        bool debug, timing, systemd_cgroup;
        const char *cgroup_manager;
        enum cgroup_driver driver; /* what these two say */
        const char *rootless;      /* accepted for engines */
        const char *criu;          /* the program, NULL: along PATH */
};

struct command {
        const char *name;
        const char *arguments;     /* "ID [ARG]..." for the synopsis */
        const char *summary;       /* one line for --help */
        const char *description;   /* a paragraph or more: teaches, with an example */
        const struct opt *options; /* ends with an empty row */
        size_t verbatim_after;     /* positionals after which the rest is not looked at; 0: OPT_ANYWHERE */
        unsigned min, max;         /* how many positionals */
        size_t size;               /* of the structure that the options fill; zeroed, handed to run */
        /* Exit status >= 0, or -errno with words (exit status: failure_status, or 1). */
        int (*run)(const struct globals *globals, const void *options, const struct strv *arguments);
        int failure_status;
        bool is_hidden;
};

extern const struct command command_create, command_start, command_run, command_state, command_kill, command_delete,
        command_exec, command_list, command_ps, command_pause, command_resume, command_spec, command_features,
        command_plan, command_check, command_events, command_stats, command_update, command_mounts, command_checkpoint,
        command_restore;

/* The table of main.c, ended by NULL: for help, the man page and completion. */
extern const struct command *const commands[];
extern const struct opt global_options[];

/* The rows that create, run and restore share; all fill a struct container_options. */
#define CONTAINER_OPTION(name_, letter_, kind_, member, argument_, help_)                                              \
        { name_, letter_, kind_, offsetof(struct container_options, member), argument_, help_ }
#define BUNDLE_OPTIONS                                                                                                 \
        CONTAINER_OPTION("bundle", 'b', OPT_PATH, bundle, "DIR",                                                       \
                         "the bundle: a folder with config.json (default: the working directory)"),                    \
                CONTAINER_OPTION("config", 'f', OPT_PATH, config, "FILE", "another config than DIR/config.json"),      \
                CONTAINER_OPTION("console-socket", 0, OPT_PATH, console_socket, "PATH",                                \
                                 "unix socket that gets the terminal's master side"),                                  \
                CONTAINER_OPTION("pidfd-socket", 0, OPT_PATH, pidfd_socket, "PATH",                                    \
                                 "unix socket that gets a pidfd of the container's process"),                          \
                CONTAINER_OPTION("pid-file", 0, OPT_PATH, pid_file, "FILE", "write the process id there"),             \
                CONTAINER_OPTION("layer", 'l', OPT_LIST, layers, "DIR",                                                \
                                 "a layer of an overlay rootfs, topmost first (repeatable)"),                          \
                CONTAINER_OPTION(                                                                                      \
                        "upper", 'u', OPT_STRING, upper, "DIR|tmpfs[:SIZE]",                                           \
                        "where the overlay's writes go (default: a private folder, gone with the container)"),         \
                CONTAINER_OPTION("net", 0, OPT_LIST, nets, "NAME|none|host|container:ID",                              \
                                 "connect to a network of netsetup (repeatable; \"default\" is made when absent)"),    \
                CONTAINER_OPTION("publish", 'p', OPT_LIST, publish, "[IP:]PORT:PORT[/PROTO]",                          \
                                 "a port of the host is one of the container (repeatable; --net default)"),            \
                CONTAINER_OPTION("no-hosts", 0, OPT_FLAG, no_hosts, NULL,                                              \
                                 "with --net: keep the rootfs's own /etc/hosts and /etc/resolv.conf"),                 \
                CONTAINER_OPTION("strict", 0, OPT_FLAG, strict, NULL, "refuse unknown keys in config.json")

/* ... and those of create and run alone. */
#define CREATE_OPTIONS                                                                                                 \
        BUNDLE_OPTIONS,                                                                                                \
                CONTAINER_OPTION("no-pivot", 0, OPT_FLAG, no_pivot, NULL,                                              \
                                 "move the root mount instead of pivot_root (for initramfs hosts; weaker)"),           \
                CONTAINER_OPTION("no-new-keyring", 0, OPT_FLAG, no_keyring, NULL,                                      \
                                 "keep the caller's session keyring"),                                                 \
                CONTAINER_OPTION("preserve-fds", 0, OPT_COUNT, preserve_fds, "N",                                      \
                                 "pass fds 3 to N+2 (after those of LISTEN_FDS) to the container")

/* The rows that checkpoint and restore share; the structure of either has a struct image_options called image. */
#define IMAGE_OPTION(of_, name_, kind_, member, argument_, help_)                                                      \
        { name_, 0, kind_, offsetof(struct of_, image.member), argument_, help_ }
#define IMAGE_OPTIONS(of_)                                                                                             \
        IMAGE_OPTION(of_, "image-path", OPT_PATH, image_path, "DIR", "the folder of the image (default: checkpoint)"), \
                IMAGE_OPTION(of_, "work-path", OPT_PATH, work_path, "DIR",                                             \
                             "where CRIU's log goes (default: the folder of the image)"),                              \
                IMAGE_OPTION(of_, "tcp-established", OPT_FLAG, tcp_established, NULL, "with open TCP connections"),    \
                IMAGE_OPTION(of_, "tcp-close", OPT_FLAG, tcp_close, NULL, "open TCP connections come back closed"),    \
                IMAGE_OPTION(of_, "ext-unix-sk", OPT_FLAG, ext_unix_sk, NULL,                                          \
                             "with unix sockets whose other end is outside"),                                          \
                IMAGE_OPTION(of_, "shell-job", OPT_FLAG, shell_job, NULL, "with a terminal that is outside"),          \
                IMAGE_OPTION(of_, "file-locks", OPT_FLAG, file_locks, NULL, "with locks on files"),                    \
                IMAGE_OPTION(of_, "link-remap", OPT_FLAG, link_remap, NULL,                                            \
                             "with open files that have lost their name"),                                             \
                IMAGE_OPTION(of_, "lazy-pages", OPT_FLAG, lazy_pages, NULL, "memory is fetched when it is touched"),   \
                IMAGE_OPTION(of_, "auto-dedup", OPT_FLAG, auto_dedup, NULL, "drop memory from the image of a parent"), \
                IMAGE_OPTION(of_, "manage-cgroups-mode", OPT_STRING, manage_cgroups, "soft|full|strict|ignore",        \
                             "what CRIU does with cgroups (default: ignore, they are rundlet's)"),                     \
                IMAGE_OPTION(of_, "network-lock", OPT_STRING, network_lock, "iptables|nftables",                       \
                             "how packets are held back meanwhile (default: iptables)"),                               \
                IMAGE_OPTION(of_, "empty-ns", OPT_LIST, empty_ns, "network",                                           \
                             "leave the network namespace empty; hooks fill it again")

/* What runs before a command touches a container: the options of the command line completed by the globals. */
struct container_options cli_container_options(const struct globals *globals, const void *options,
                                               const struct strv *arguments);

/* Rows of text in columns as wide as their widest cell, header first; control characters are shown as '?'. */
void cli_table(const struct strv *rows, size_t columns);

/* A duration as Go writes them ("500ms", "1.5s", "1m30s") in nanoseconds, a millisecond or more; option names it in the
 * words of an error. */
int cli_duration(const char *option, const char *text, uint64_t *ret_ns);

/* --regex: calls act for every container whose id matches the extended regular expression, in the order of ids.  One
 * that fails is a warning and the others are served; the end is an error then. */
typedef int cli_action(const char *root, const char *id, const void *data);
int cli_for_matching(const char *root, const char *pattern, cli_action *act, const void *data);

/* runtime/cli/help.c */
void help_all(void);
void help_command(const struct command *command);
void help_man(void);
void help_completion(void);

#endif
