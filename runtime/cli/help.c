/* Help, the man page's command section and bash completion, all from the same tables. */
#include "runtime/cli/cli.h"

#include "specs/base/arena.h"

#include <stdio.h>
#include <string.h>

void help_all(void) {
        (void)printf("rundlet runs OCI containers.\n\nUsage: rundlet [GLOBAL OPTION]... COMMAND [OPTION]... "
                     "[ARGUMENT]...\n\nCommands:\n");
        for (size_t i = 0; commands[i]; i++)
                if (!commands[i]->is_hidden)
                        (void)printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
        (void)printf("\nGlobal options:\n");
        opt_help(global_options);
        (void)printf("\nA first container:\n"
                     "  mkdir -p box/rootfs/bin && cp /bin/busybox box/rootfs/bin/ && ln -s busybox box/rootfs/bin/sh\n"
                     "  rundlet spec --bundle box\n"
                     "  rundlet run --bundle box first\n"
                     "\nrundlet COMMAND --help says more about a command; man rundlet says everything.\n");
}

void help_command(const struct command *command) {
        (void)printf("Usage: rundlet %s%s%s%s\n\n%s\n", command->name, command->options ? " [OPTION]..." : "",
                     *command->arguments ? " " : "", command->arguments, command->description);
        if (command->options) {
                (void)printf("\nOptions:\n");
                opt_help(command->options);
        }
}

void help_man(void) {
        (void)printf(".SH GLOBAL OPTIONS\n");
        opt_man(global_options);
        (void)printf(".SH COMMANDS\n");
        for (size_t i = 0; commands[i]; i++) {
                if (commands[i]->is_hidden)
                        continue;
                (void)printf(".SS \"%s %s%s\"\n", commands[i]->name, commands[i]->options ? "[OPTION]... " : "",
                             commands[i]->arguments);
                /* Indented lines of a description are examples: shown as they stand. */
                struct strv lines = str_split(commands[i]->description, '\n', false);
                for (size_t l = 0; l < lines.n; l++) {
                        const char *line = lines.at[l];
                        if (!*line)
                                (void)printf(".PP\n");
                        else if (*line == ' ')
                                (void)printf(".nf\n\\&%s\n.fi\n", line);
                        else
                                (void)printf("\\&%s\n", line);
                }
                if (commands[i]->options)
                        opt_man(commands[i]->options);
        }
}

static void put_words(const struct opt *table) {
        for (; table->name; table++)
                if (table->help)
                        (void)printf(" --%s", table->name);
}

/* Ids are completed from `list --quiet`; a row a command, no parsing in the shell. */
void help_completion(void) {
        (void)printf("# bash completion of rundlet, made by: rundlet --bash-completion\n"
                     "_rundlet() {\n"
                     "  local word=${COMP_WORDS[COMP_CWORD]} command= i\n"
                     "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
                     "    case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac\n"
                     "  done\n"
                     "  case $command in\n");
        for (size_t i = 0; commands[i]; i++) {
                (void)printf("    %s) COMPREPLY=($(compgen -W \"", commands[i]->name);
                if (commands[i]->options)
                        put_words(commands[i]->options);
                (void)printf(" --help%s\" -- \"$word\")) ;;\n",
                             strstr(commands[i]->arguments, "ID") ? " $(rundlet list --quiet 2>/dev/null)" : "");
        }
        (void)printf("    *) COMPREPLY=($(compgen -W \"");
        for (size_t i = 0; commands[i]; i++)
                (void)printf("%s ", commands[i]->name);
        put_words(global_options);
        (void)printf("\" -- \"$word\")) ;;\n  esac\n}\ncomplete -o default -F _rundlet rundlet\n");
}

static size_t printable(const char *text, FILE *out) {
        size_t n = 0;
        for (; *text; text++, n++)
                if (out)
                        (void)fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
        return n;
}

void cli_table(const struct strv *rows, size_t columns) {
        size_t *width = arena_array(columns, sizeof *width);
        for (size_t i = 0; i < rows->n; i++) {
                size_t n = printable(rows->at[i], NULL);
                if (n > width[i % columns])
                        width[i % columns] = n;
        }
        for (size_t i = 0; i < rows->n; i++) {
                bool is_last = i % columns == columns - 1;
                size_t n = printable(rows->at[i], stdout);
                if (is_last)
                        (void)putchar('\n');
                else
                        (void)printf("%*s", (int)(width[i % columns] - n + 2), "");
        }
}
