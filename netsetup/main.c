/* netsetup: the netlink helper of rundlet.  Picks the face, prints the error record, sets the exit code: 0 done,
 * 1 failed, 2 the words make no sense. */
#include "netsetup/face_cli.h"
#include "netsetup/face_cni.h"
#include "netsetup/face_hook.h"
#include "netsetup/net.h"

#include "specs/base/err.h"
#include "specs/base/log.h"

#include <errno.h>
#include <stdlib.h>

static const char *command_name(enum net_command command) {
        switch (command) {
        case NET_ATTACH:
                return "attach";
        case NET_DETACH:
                return "detach";
        case NET_STATUS:
                return "status";
        case NET_LIST:
                return "list";
        case NET_LOOPBACK:
                return "loopback";
        case NET_NETWORK_CREATE:
                return "network create";
        case NET_NETWORK_DELETE:
                return "network delete";
        case NET_NETWORK_LIST:
                return "network list";
        case NET_NETWORK_SHOW:
                return "network show";
        case NET_GC:
                return "gc";
        case NET_PORT_ADD:
                return "port add";
        case NET_PORT_DEL:
                return "port del";
        case NET_PORT_LIST:
                return "port list";
        case NET_PEER_ADD:
                return "peer add";
        case NET_PEER_DEL:
                return "peer del";
        case NET_BANDWIDTH:
                return "bandwidth";
        case NET_RELOAD:
                return "reload";
        case NET_WATCH:
                return "watch";
        case NET_HOOK:
                return "hook";
        }
        return "";
}

static int run(const struct cli *cli) {
        const struct net_request *request = &cli->request;
        struct net_result result = { 0 };
        const char *whose = request->id ? request->id : request->network ? request->network : request->netns;
        int r = request->command == NET_HOOK ? hook_run(request)
                                             : net_run(request, cli->is_plan ? stdout : NULL, &result);
        if (r < 0)
                return fail_in(r, "%s%s%s", command_name(request->command), whose ? " " : "", whose ? whose : "");
        if (!cli->is_plan)
                cli_print(cli, &result, stdout);
        return 0;
}

int main(int argc, char **argv) {
        const struct log_options log = { .level = LOG_INFO };
        struct cli cli;
        if (log_open(&log) < 0)
                return 1;
        /* Whoever gives words means the command line, whatever the environment says. */
        if (argc == 1 && getenv("CNI_COMMAND"))
                return cni_main(stdout);
        if (cli_read((const char *const *)argv, &cli) < 0) {
                log_error_record();
                return 2;
        }
        int r = 0;
        if (cli.say)
                fputs(cli.say, stdout);
        else
                r = run(&cli);
        if (r == 0 && fflush(stdout) != 0)
                r = fail(errno, "write to standard output");
        if (r < 0)
                log_error_record();
        return r < 0;
}
