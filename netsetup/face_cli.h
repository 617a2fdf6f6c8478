/* The command line: words -> request, result -> text or JSON.  Called by main; host side. */
#ifndef NETSETUP_FACE_CLI_H
#define NETSETUP_FACE_CLI_H

#include "netsetup/request.h"

#include <stdio.h>

struct cli {
        struct net_request request;
        bool is_json;
        bool is_plan;    /* print the operations only */
        const char *say; /* --help, --version: print this and do nothing else */
};

/* Reads the words of main's argv, program name included.  Pure. */
int cli_read(const char *const *argv, struct cli *ret);

/* Prints what the command has to say about its result. */
void cli_print(const struct cli *cli, const struct net_result *result, FILE *out);

#endif
