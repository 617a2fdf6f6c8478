/* One file a command: cmd_x in runtime/cli/x.c; the table is in runtime/main.c.  Parent side only. */
#ifndef RUNTIME_CLI_CLI_H
#define RUNTIME_CLI_CLI_H

#include "runtime/cli/opt.h"
#include "runtime/container/container.h"

/* Global options, parsed before the command (repeats are legal, the last wins). */
struct globals {
        const char *root;          /* absolute or NULL */
        const char *log_path, *log_format, *log_level;
        bool debug, systemd_cgroup;
        const char *rootless, *criu, *cgroup_manager; /* accepted for engines */
};

struct command {
        const char *name;
        const char *arguments;         /* "ID [ARG]..." for the synopsis */
        const char *summary;           /* one line for --help */
        const char *description;       /* a paragraph or more: teaches, with an example */
        const struct opt *options;     /* ends with an empty row */
        int (*run)(const struct globals *globals, int argc, const char **argv); /* exit status >= 0, or -errno with words (exit status 1) */
        bool is_hidden;
};

extern const struct command commands[]; /* ends with an empty row; runtime/main.c */

int cmd_create(const struct globals *, int, const char **);
int cmd_start(const struct globals *, int, const char **);
int cmd_run(const struct globals *, int, const char **);
int cmd_state(const struct globals *, int, const char **);
int cmd_kill(const struct globals *, int, const char **);
int cmd_delete(const struct globals *, int, const char **);
int cmd_exec(const struct globals *, int, const char **);
int cmd_list(const struct globals *, int, const char **);
int cmd_ps(const struct globals *, int, const char **);
int cmd_pause(const struct globals *, int, const char **);
int cmd_resume(const struct globals *, int, const char **);
int cmd_spec(const struct globals *, int, const char **);
int cmd_features(const struct globals *, int, const char **);
int cmd_plan(const struct globals *, int, const char **);
int cmd_check(const struct globals *, int, const char **);

#endif
