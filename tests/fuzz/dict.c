/* Prints the libFuzzer dictionary of the config: the keys of the tables, the names of the name tables and texts that
 * rules look for.  Built by hand with all sources of specs and -lyajl; tests/fuzz/config.dict is its output through
 * `LC_ALL=C sort -u`, and the oci unit test says when that is stale. */
#include "specs/oci_config.h"
#include "specs/oci_linux.h"

#include <stdio.h>

static void print_word(const char *word) {
        printf("\"\\\"%s\\\"\"\n", word);
}

static void print_field(const char *path, const struct json_field *field, void *data) {
        (void)path;
        (void)data;
        print_word(field->name);
        for (const struct name *row = field->names ? field->names->rows : NULL; row && row->name; row++)
                print_word(row->name);
}

int main(void) {
        static const char *const words[] = {
                "monotonic",
                "boottime",
                "idmap",
                "rbind",
                "net.ipv4.ip_forward",
                "kernel/shmmax",
                "run.oci.seccomp.receiver",
                "SCMP_ARCH_X86_64",
                "L3:0=f",
                "MB:0=20",
                "2MB",
                "0-3,7",
                "eth%d",
                "rslave",
                "/..",
                "1.3.0",
        };
        static const char *const numbers[] = { "-1", "4294967295", "18446744073709551615", "9223372036854775807",
                                               "1e3" };
        json_walk(&oci_config_type, print_field, NULL);
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                print_word(words[i]);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                printf("\"%s\"\n", numbers[i]);
        return 0;
}
