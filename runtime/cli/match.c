/* --regex of kill and delete, as crun has it: one command for every container whose id matches. */
#include "runtime/cli/cli.h"

#include "specs/base/arena.h"
#include "specs/base/err.h"
#include "specs/base/log.h"

#include <errno.h>
#include <regex.h>

static int compile(const char *pattern, regex_t *ret) {
        char why[128];
        int r = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);
        if (r == 0)
                return 0;
        (void)regerror(r, ret, why, sizeof why);
        return fail_words(EINVAL, "--regex: %s: %s", pattern, why);
}

int cli_for_matching(const char *root, const char *pattern, cli_action *act, const void *data) {
        regex_t regex;
        struct strv ids;
        size_t matching = 0, failed = 0;
        int r = compile(pattern, &regex);
        if (r < 0)
                return r;
        r = container_ids(root, &ids);
        for (size_t i = 0; r == 0 && i < ids.n; i++) {
                if (regexec(&regex, ids.at[i], 0, NULL, 0) != 0)
                        continue;
                matching++;
                if (act(root, ids.at[i], data) == 0)
                        continue;
                failed++;
                log_warning("%s", err_message());
        }
        regfree(&regex);
        if (r < 0 || !failed)
                return r;
        return fail_words(EIO, "--regex: %s: it failed for %zu of %zu containers", pattern, failed, matching);
}
