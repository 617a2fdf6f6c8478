/* CNI's standard input: whatever it is, it is understood or refused with words and a code; what was understood makes a
 * pool of addresses or none. */
#include "netsetup/face_cni.h"
#include "netsetup/ipam.h"
#include "specs/base/arena.h"
#include "specs/base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_good) {
        if (!is_good)
                abort();
}

static void check_pool(const struct ipam_pool *pool) {
        for (size_t i = 0; i < pool->n; i++)
                for (size_t j = 0; j < pool->sets[i].ranges.n; j++) {
                        const struct ipam_range *range = &pool->sets[i].ranges.at[j];
                        must(range->span.first <= range->span.last);
                        must(range->span.first >= address_first(&range->subnet));
                        must(range->span.last <= address_last(&range->subnet));
                }
}

/* The first byte chooses the command, the rest up to a newline is CNI_ARGS. */
static void fuzz(const uint8_t *data, size_t size) {
        static const char *const commands[] = { "ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION" };
        const char *text = size ? (const char *)data + 1 : "";
        size_t left = size ? size - 1 : 0;
        const char *newline = memchr(text, '\n', left);
        size_t arguments = newline ? (size_t)(newline - text) : 0;
        const struct cni_environment environment = {
                .command = commands[size ? data[0] % 6 : 0],
                .container = "a",
                .netns = "/n",
                .interface = "eth0",
                .arguments = arena_strndup(text, arguments),
        };
        struct cni cni;
        struct ipam_pool pool;
        err_clear();
        int r = cni_read(&environment, text + arguments, left - arguments, &cni);
        must(cni.version != NULL);
        must(r == 0 ? cni.code == 0 : cni.code != 0 && *err_message());
        if (r == 0 && (cni.command == CNI_ADD || cni.command == CNI_CHECK)) {
                must(ipam_pool(&cni.network, &pool) == 0);
                check_pool(&pool);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        fuzz(data, size);
        arena_reset();
        return 0;
}
