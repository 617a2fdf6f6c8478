#include "netsetup/words.h"

#include "specs/base/err.h"

#include <errno.h>
#include <string.h>

enum { HELP_COLUMN = 28 };

const struct words_command *words_command(const struct words_table *table, const char *const *argv, int *ret_used) {
        for (const struct words_command *command = table->commands; command->name; command++) {
                size_t length = strlen(argv[0]);
                *ret_used = strchr(command->name, ' ') ? 2 : 1;
                if (strncmp(command->name, argv[0], length) != 0)
                        continue;
                if (*ret_used == 1
                            ? command->name[length] == '\0'
                            : command->name[length] == ' ' && argv[1] && str_eq(command->name + length + 1, argv[1]))
                        return command;
        }
        return NULL;
}

/* The option of a command that the word names, --name or --name=value or -letter; NULL when there is none. */
static const struct words_option *find(const struct words_table *table, const struct words_command *command,
                                       const char *word) {
        size_t length = strcspn(word, "=");
        for (const struct words_option *option = table->options; option->name; option++) {
                if (!(option->commands & command->bit))
                        continue;
                if (word[1] == '-' && strlen(option->name) == length - 2 &&
                    strncmp(option->name, word + 2, length - 2) == 0)
                        return option;
                if (option->letter && word[1] == option->letter && word[2] == '\0')
                        return option;
        }
        return NULL;
}

/* One option at argv[0]; the number of words used is returned. */
static int read_option(const struct words_option *option, const char *const *argv, struct net_request *request,
                       unsigned *flags) {
        const char *value = argv[0][1] == '-' ? strchr(argv[0], '=') : NULL;
        int used = 1;
        if (!option->value) {
                if (value)
                        return fail_words(EINVAL, "--%s: takes no value", option->name);
                *flags |= option->flag;
                return used;
        }
        if (value)
                value++;
        else if (argv[1])
                value = argv[used++];
        else
                return fail_words(EINVAL, "--%s: %s is missing", option->name, option->value);
        int r = option->take(request, value);
        return r < 0 ? r : used;
}

int words_read(const struct words_table *table, const struct words_command *command, const char *const *argv,
               struct net_request *ret_request, unsigned *ret_flags) {
        uint64_t seen = 0;
        bool is_over = false;
        const char *operand = NULL;
        while (*argv) {
                const char *word = *argv;
                if (is_over || word[0] != '-' || word[1] == '\0') {
                        if (!command->operand)
                                return fail_words(EINVAL, "%s: not expected", word);
                        if (operand)
                                return fail_words(EINVAL, "%s: not expected after the %s %s", word,
                                                  command->take ? "name" : "id", operand);
                        operand = word;
                        int r = command->take ? command->take(ret_request, word) : request_take_id(ret_request, word);
                        if (r < 0)
                                return r;
                        argv++;
                        continue;
                }
                if (str_eq(word, "--")) {
                        is_over = true;
                        argv++;
                        continue;
                }
                const struct words_option *option = find(table, command, word);
                if (!option)
                        return fail_words(EINVAL, "%s: %s has no such option", word, command->name);
                uint64_t bit = UINT64_C(1) << (option - table->options);
                if (seen & bit && option->value && !option->is_many)
                        return fail_words(EINVAL, "--%s: given twice", option->name);
                seen |= bit;
                int used = read_option(option, argv, ret_request, ret_flags);
                if (used < 0)
                        return used;
                argv += used;
        }
        return 0;
}

static const char *padded(const char *text) {
        return str_format("  %-*s %s", HELP_COLUMN - 3, text, strlen(text) > HELP_COLUMN - 3 ? "\n" : "");
}

static const char *row(const char *left, const char *right) {
        const char *start = padded(left);
        return str_format("%s%*s%s\n", start, str_ends(start, "\n") ? HELP_COLUMN : 0, "", right);
}

const char *words_help(const struct words_table *table, const struct words_command *command) {
        struct strv text = { 0 };
        if (command) {
                strv_add(&text, str_format("usage: %s %s%s%s [options]\n\n%s.\n\n", table->program, command->name,
                                           command->operand ? " " : "", command->operand ? command->operand : "",
                                           command->help));
                for (const struct words_option *option = table->options; option->name; option++)
                        if (option->commands & command->bit)
                                strv_add(&text,
                                         row(str_format("%s--%s%s%s",
                                                        option->letter ? str_format("-%c, ", option->letter) : "",
                                                        option->name, option->value ? " " : "",
                                                        option->value ? option->value : ""),
                                             option->help));
        } else {
                strv_add(&text, str_format("usage: %s [plan] COMMAND [ID] [options]\n\n", table->program));
                for (command = table->commands; command->name; command++)
                        strv_add(&text, row(str_format("%s%s%s", command->name, command->operand ? " " : "",
                                                       command->operand ? command->operand : ""),
                                            command->help));
                strv_add(&text,
                         str_format("\n  plan COMMAND              Print what the command would do and do nothing\n"
                                    "  --version                 Print the version\n"
                                    "  --bash-completion         Print the completion for bash\n"
                                    "  COMMAND --help            Options of a command\n"));
        }
        return str_join(&text, "");
}

/* --- completion ----------------------------------------------------------------------------------------------------
 */
/* The first word of a command of two; NULL of one. */
static const char *group_of(const struct words_command *command) {
        const char *space = strchr(command->name, ' ');
        return space ? str_format("%.*s", (int)(space - command->name), command->name) : NULL;
}

/* "network) words='create delete'": of each group what may follow, and with NULL what may stand first. */
static const char *complete_commands(const struct words_table *table, const char *group) {
        struct strv words = { 0 };
        for (const struct words_command *command = table->commands; command->name; command++) {
                const char *own = group_of(command), *first = own ? own : command->name;
                if (!group && !strv_has(&words, first))
                        strv_add(&words, first);
                else if (group && own && str_eq(own, group))
                        strv_add(&words, command->name + strlen(group) + 1);
        }
        return str_join(&words, " ");
}

static const char *complete_options(const struct words_table *table, const struct words_command *command) {
        struct strv words = { 0 };
        for (const struct words_option *option = table->options; option->name; option++)
                if (option->commands & command->bit)
                        strv_add(&words, str_format("--%s", option->name));
        /* What is to be made is not there. */
        if (command->operand && command->bit != NET_NETWORK_CREATE)
                strv_add(&words, command->take ? "$(_netsetup_names network list)" : "$(_netsetup_names list)");
        return str_join(&words, " ");
}

/* What may follow an option: words that its help lists, names of networks, or files. */
static const char *complete_values(const struct words_table *table) {
        struct strv lines = { 0 }, others = { 0 };
        for (const struct words_option *option = table->options; option->name; option++) {
                const char *name = str_format("--%s", option->name);
                if (!option->value || strv_has(&others, name))
                        continue;
                if (strspn(option->value, "abcdefghijklmnopqrstuvwxyz|") == strlen(option->value)) {
                        struct strv words = str_split(option->value, '|', true);
                        strv_add(&lines, str_format("    %s) words='%s' ;;\n", name, str_join(&words, " ")));
                } else if (option->take == request_take_network) {
                        strv_add(&lines, str_format("    %s) words=$(_netsetup_names network list) ;;\n", name));
                } else {
                        strv_add(&others, name);
                }
        }
        return str_format("%s    %s) return ;;\n", str_join(&lines, ""), str_join(&others, " | "));
}

/* A row a command, no parsing in the shell. */
const char *words_completion(const struct words_table *table) {
        struct strv text = { 0 }, groups = { 0 };
        for (const struct words_command *command = table->commands; command->name; command++)
                if (group_of(command) && !strv_has(&groups, group_of(command)))
                        strv_add(&groups, group_of(command));
        strv_add(&text,
                 str_format("# bash completion of netsetup, made by: netsetup --bash-completion\n"
                            "_netsetup_names() { netsetup \"$@\" 2>/dev/null | sed '1d; s/ .*//'; }\n"
                            "_netsetup() {\n"
                            "  local word=${COMP_WORDS[COMP_CWORD]} words= command= first=1\n"
                            "  [ \"${COMP_WORDS[1]}\" != plan ] || [ \"$COMP_CWORD\" = 1 ] || first=2\n"
                            "  [ \"$COMP_CWORD\" -le \"$first\" ] || command=${COMP_WORDS[first]}\n"
                            "  case $command in %s)\n"
                            "    [ \"$COMP_CWORD\" -le $((first + 1)) ] || command+=\" ${COMP_WORDS[first + 1]}\" ;;\n"
                            "  esac\n"
                            "  case $command in\n"
                            "    '') words='%s plan --help --version' ;;\n",
                            str_join(&groups, " | "), complete_commands(table, NULL)));
        for (size_t i = 0; i < groups.n; i++)
                strv_add(&text,
                         str_format("    %s) words='%s' ;;\n", groups.at[i], complete_commands(table, groups.at[i])));
        for (const struct words_command *command = table->commands; command->name; command++)
                strv_add(&text,
                         str_format("    '%s') words=\"%s\" ;;\n", command->name, complete_options(table, command)));
        strv_add(&text, str_format("  esac\n"
                                   "  case ${COMP_WORDS[COMP_CWORD - 1]} in\n%s  esac\n"
                                   "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                                   "}\n"
                                   "complete -o default -F _netsetup netsetup\n",
                                   complete_values(table)));
        return str_join(&text, "");
}
