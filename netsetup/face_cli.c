#include "netsetup/face_cli.h"
#include "netsetup/words.h"

#include "specs/base/err.h"

#include <errno.h>
#include <string.h>

enum { FLAG_JSON = 1, FLAG_HELP = 2, FLAG_ISOLATE = 4, FLAG_HAIRPIN = 8 };
enum { EVERY = NET_ATTACH | NET_DETACH | NET_STATUS | NET_LIST | NET_LOOPBACK };

static const struct words_command commands[] = {
        { "attach", NET_ATTACH, "ID", "Connect a network namespace to a bridge, which is made when it is absent" },
        { "detach", NET_DETACH, "ID", "Remove the links of an id; nothing to remove is success" },
        { "status", NET_STATUS, "ID", "Show the links of an id" },
        { "list", NET_LIST, NULL, "Show all links made by netsetup on this host" },
        { "loopback", NET_LOOPBACK, NULL, "Set the loopback interface of a network namespace up" },
        { 0 },
};

static const struct words_option options[] = {
        { "netns", 0, NET_ATTACH | NET_LOOPBACK, "PATH|PID", "The network namespace, or a process in it",
          .take = request_take_netns },
        { "netns", 0, NET_DETACH, "PATH|PID", "Only if the links lead to this namespace, unless it is gone",
          .take = request_take_netns },
        { "bridge", 0, NET_ATTACH, "NAME", "The bridge", .take = request_take_bridge },
        { "ifname", 0, NET_ATTACH, "NAME", "The interface in the namespace (eth0)", .take = request_take_interface },
        { "ifname", 0, NET_DETACH | NET_STATUS, "NAME", "Only this interface", .take = request_take_interface },
        { "address", 0, NET_ATTACH, "CIDR", "An address for the interface, with its prefix length; again for more",
          .is_many = true, .take = request_take_address },
        { "gateway", 0, NET_ATTACH, "IP", "The default route; once for IPv4, once for IPv6", .is_many = true,
          .take = request_take_gateway },
        { "bridge-address", 0, NET_ATTACH, "CIDR", "An address that the bridge must have; again for more",
          .is_many = true, .take = request_take_bridge_address },
        { "mac", 0, NET_ATTACH, "MAC", "Hardware address of the interface (random)", .take = request_take_mac },
        { "mtu", 0, NET_ATTACH, "N", "Largest packet in bytes", .take = request_take_mtu },
        { "isolate", 0, NET_ATTACH, NULL, "Let it reach the bridge, but no other isolated port", .flag = FLAG_ISOLATE },
        { "hairpin", 0, NET_ATTACH, NULL, "Let the bridge send frames back out of the port they came from",
          .flag = FLAG_HAIRPIN },
        { "root", 0, NET_ATTACH, "PATH", "Folder of the lock (/run/netsetup)", .take = request_take_root },
        { "json", 'j', EVERY & ~NET_LOOPBACK, NULL, "Print the result as JSON", .flag = FLAG_JSON },
        { "help", 'h', EVERY, NULL, "Print this", .flag = FLAG_HELP },
        { 0 },
};

static const struct words_table table = { "netsetup", commands, options };

int cli_read(const char *const *argv, struct cli *ret) {
        struct cli cli = { 0 };
        unsigned flags = 0;
        const char *const *word = argv + (argv[0] != NULL);
        if (*word && str_eq(*word, "plan")) {
                cli.is_plan = true;
                word++;
        }
        if (!*word)
                return fail_hint(fail_words(EINVAL, "a command is missing"), "netsetup --help lists them");
        if (str_eq(*word, "--help") || str_eq(*word, "-h") || str_eq(*word, "--version")) {
                cli.say = (*word)[2] == 'v' ? "netsetup " VERSION " (" COMMIT ")\n" : words_help(&table, NULL);
                *ret = cli;
                return 0;
        }
        const struct words_command *command = words_command(&table, *word);
        if (!command)
                return fail_hint(fail_words(EINVAL, "%s: no such command", *word), "netsetup --help lists them");
        cli.request.command = (enum net_command)command->bit;
        int r = words_read(&table, command, word + 1, &cli.request, &flags);
        cli.is_json = flags & FLAG_JSON;
        cli.request.port = (struct link_port){ .isolated = flags & FLAG_ISOLATE, .hairpin = flags & FLAG_HAIRPIN };
        if (r == 0 && flags & FLAG_HELP)
                cli.say = words_help(&table, command);
        else if (r == 0 && cli.is_plan && cli.request.command & (NET_STATUS | NET_LIST))
                r = fail_words(EINVAL, "plan: %s changes nothing", command->name);
        else if (r == 0)
                r = request_check(&cli.request);
        if (r < 0)
                return fail_hint(fail_in(r, "%s", command->name), "netsetup %s --help", command->name);
        *ret = cli;
        return 0;
}

static const char *or_dash(const char *text) {
        return text && *text ? text : "-";
}

static void print_table(const struct net_result *result, FILE *out) {
        enum { COLUMNS = 6 };
        const char *cells[COLUMNS] = { "ID", "INTERFACE", "LINK", "BRIDGE", "STATE", "ADDRESSES" };
        int width[COLUMNS] = { 0 };
        /* Twice over the rows: the first time only to measure. */
        for (int is_printing = 0; is_printing < 2; is_printing++) {
                for (size_t i = 0; i <= result->links.n; i++) {
                        const struct net_link *link = i ? &result->links.at[i - 1] : NULL;
                        const char *const row[COLUMNS] = {
                                link ? link->id : cells[0],
                                link ? link->interface : cells[1],
                                link ? link->link : cells[2],
                                link ? or_dash(link->bridge) : cells[3],
                                link ? link->state : cells[4],
                                link ? or_dash(str_join(&link->addresses, ",")) : cells[5],
                        };
                        for (int c = 0; c < COLUMNS; c++) {
                                int length = (int)strlen(row[c]);
                                if (!is_printing)
                                        width[c] = length > width[c] ? length : width[c];
                                else if (c + 1 < COLUMNS)
                                        fprintf(out, "%-*s  ", width[c], row[c]);
                                else
                                        fprintf(out, "%s\n", row[c]);
                        }
                }
        }
}

static void print_link(const struct net_link *link, FILE *out) {
        fprintf(out, "%s %s\n  link       %s, %s\n  bridge     %s%s%s\n", link->id, link->interface, link->link,
                link->state, or_dash(link->bridge), link->isolated ? ", isolated" : "",
                link->hairpin ? ", hairpin" : "");
        fprintf(out, "  mac        %s\n  mtu        %u\n", or_dash(link->mac), link->mtu);
        for (size_t i = 0; i < link->addresses.n; i++)
                fprintf(out, "  address    %s\n", link->addresses.at[i]);
}

void cli_print(const struct cli *cli, const struct net_result *result, FILE *out) {
        if (cli->is_json)
                fputs(json_write(result, &net_result_type, true), out);
        else if (cli->request.command == NET_LIST)
                print_table(result, out);
        else if (cli->request.command == NET_STATUS)
                for (size_t i = 0; i < result->links.n; i++)
                        print_link(&result->links.at[i], out);
}
