/* bytes -> D-Bus message -> values: whatever a bus sends is read within its bounds, or refused. */
#include "runtime/host/bus.h"
#include "specs/base/arena.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_good) {
        if (!is_good)
                abort();
}

/* Every byte, so that the sanitizers see each. */
static void read_text(const char *text) {
        volatile size_t n = text ? strlen(text) : 0;
        (void)n;
}

/* All values of the signature: each moves on, or says that it does not. */
static void walk(struct bus_message m, const char *signature) {
        while (*signature) {
                const char *before = signature;
                size_t position = m.position;
                bool fits = bus_skip(&m, &signature);
                must(fits != m.has_overflowed && m.position <= m.n && m.position >= position);
                must(fits == (signature > before));
                if (!fits)
                        return;
        }
}

static void read_one_by_one(struct bus_message m) {
        const char *text;
        uint32_t number;
        for (;;) {
                text = NULL;
                bool fits = m.position % 3 == 0   ? bus_get_text(&m, &text)
                            : m.position % 3 == 1 ? bus_get_signature(&m, &text)
                                                  : bus_get_u32(&m, &number);
                must(fits != m.has_overflowed && m.position <= m.n);
                if (!fits)
                        return;
                read_text(text);
        }
}

/* The length of the body is made right: else hardly any input were a message. */
static void message(uint8_t *at, size_t n) {
        struct bus_header header;
        uint32_t fields, body;
        if (n < BUS_FIXED_SIZE)
                return;
        if (at[0] == 'l') {
                memcpy(&fields, at + 12, sizeof(fields));
                size_t start = (BUS_FIXED_SIZE + (size_t)fields + 7) / 8 * 8;
                body = start <= n ? (uint32_t)(n - start) : 0;
                memcpy(at + 4, &body, sizeof(body));
        }
        if (!bus_parse(at, n, &header))
                return;
        const char *texts[] = { header.path, header.interface, header.member, header.error, header.sender };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                read_text(texts[i]);
        must(header.type != BUS_SIGNAL || (header.interface && header.member));
        must(header.type != BUS_ERROR || header.error);
        must(header.body.at + header.body.n == at + n);
        walk(header.body, header.signature);
        read_one_by_one(header.body);
}

/* The first bytes up to a NUL are a signature, what follows are its values. */
static void values(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, 0, size);
        if (!end)
                return;
        size_t n = size - (size_t)(end + 1 - data);
        struct bus_message m = { .at = arena_memdup(end + 1, n), .n = n };
        walk(m, (const char *)data);
        m.is_swapped = true;
        walk(m, (const char *)data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* Exactly as large as the bytes, for the sanitizers. */
        uint8_t *copy = malloc(size ? size : 1);
        must(copy != NULL);
        memcpy(copy, data, size);
        message(copy, size);
        values(data, size);
        free(copy);
        arena_reset();
        return 0;
}
