/* bytes -> config -> rules -> text: what was read can be written, and what was written reads as the same. */
#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/oci_check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_good) {
        if (!is_good)
                abort();
}

/* A failure has words, and the first broken rule is the same with and without a list. */
static void check(const struct oci_config *config) {
        struct strv errors = { 0 }, warnings = { 0 };
        int all = oci_check(config, &errors, &warnings);
        must((all < 0) == (errors.n > 0));
        err_clear();
        int first = oci_check(config, NULL, NULL);
        must(first == all);
        must(first == 0 || str_eq(err_message(), errors.at[0]));
}

static void fuzz(const uint8_t *data, size_t size) {
        struct oci_config *config = NULL, *again = NULL;
        struct strv warnings = { 0 }, errors = { 0 };
        struct json_read_options options = { .warnings = &warnings };
        struct json_read_options all = { .strict = true, .warnings = &warnings, .errors = &errors };

        err_clear();
        int r = oci_config_read((const char *)data, size, &options, &config);
        if (r < 0)
                must(*err_message() != '\0');
        if (oci_config_read((const char *)data, size, &all, &again) == 0)
                must(r == 0 && errors.n == 0);
        if (r < 0 && again)
                (void)oci_check(again, &errors, &warnings); /* what is half read is no reason to fall over */
        if (r < 0)
                return;
        check(config);
        const char *once = json_write(config, &oci_config_type, false);
        must(oci_config_read(once, strlen(once), &(struct json_read_options){ .strict = true }, &again) == 0);
        must(str_eq(json_write(again, &oci_config_type, false), once));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz(data, size);
        arena_reset();
        return 0;
}
