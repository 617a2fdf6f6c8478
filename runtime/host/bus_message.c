/* How D-Bus writes values: "Marshaling (Wire Format)" and "Message Protocol" of its specification. */
#include "runtime/host/bus.h"

#include "specs/base/arena.h"

#include <byteswap.h>
#include <string.h>

#define NESTING_MAX   64 /* 32 arrays in 32 structs; variants count too */
#define SIGNATURE_MAX 255

/* -- writing -- */

static bool reserve(struct bus_message *m, size_t n) {
        if (m->has_overflowed || n > BUS_MESSAGE_MAX - m->n) {
                m->has_overflowed = true;
                return false;
        }
        if (m->n + n > m->room) {
                size_t room = m->n + n > 256 ? 2 * (m->n + n) : 512;
                m->at = arena_grow(m->at, m->n, room);
                m->room = room;
        }
        return true;
}

void bus_put_bytes(struct bus_message *m, const void *bytes, size_t n) {
        if (n == 0 || !reserve(m, n))
                return;
        memcpy(m->at + m->n, bytes, n);
        m->n += n;
}

void bus_align(struct bus_message *m, size_t align) {
        static const uint8_t zeros[8];
        bus_put_bytes(m, zeros, (align - m->n % align) % align);
}

void bus_put_u32(struct bus_message *m, uint32_t value) {
        bus_align(m, 4);
        bus_put_bytes(m, &value, sizeof(value));
}

void bus_put_u64(struct bus_message *m, uint64_t value) {
        bus_align(m, 8);
        bus_put_bytes(m, &value, sizeof(value));
}

void bus_put_text(struct bus_message *m, const char *text) {
        size_t n = strlen(text);
        if (n >= BUS_MESSAGE_MAX) {
                m->has_overflowed = true;
                return;
        }
        bus_put_u32(m, (uint32_t)n);
        bus_put_bytes(m, text, n + 1);
}

void bus_put_signature(struct bus_message *m, const char *signature) {
        size_t n = strlen(signature);
        uint8_t length = (uint8_t)n;
        if (n > SIGNATURE_MAX) {
                m->has_overflowed = true;
                return;
        }
        bus_put_bytes(m, &length, 1);
        bus_put_bytes(m, signature, n + 1);
}

static size_t aligned(size_t n, size_t align) {
        return (n + align - 1) / align * align;
}

size_t bus_begin_array(struct bus_message *m, size_t align) {
        bus_put_u32(m, 0);
        size_t begin = m->n - sizeof(uint32_t);
        bus_align(m, align);
        return begin;
}

void bus_end_array(struct bus_message *m, size_t begin, size_t align) {
        if (m->has_overflowed)
                return;
        uint32_t n = (uint32_t)(m->n - aligned(begin + sizeof(uint32_t), align));
        memcpy(m->at + begin, &n, sizeof(n));
}

static void put_number(struct bus_message *m, const struct unit_property *property) {
        if (strchr("tx", *property->signature))
                bus_put_u64(m, property->number);
        else
                bus_put_u32(m, (uint32_t)property->number);
}

static void put_real(struct bus_message *m, const struct unit_property *property) {
        bus_align(m, 8);
        bus_put_bytes(m, &property->real, sizeof(property->real));
}

static void put_text(struct bus_message *m, const struct unit_property *property) {
        bus_put_text(m, property->text);
}

static void put_signature(struct bus_message *m, const struct unit_property *property) {
        bus_put_signature(m, property->text);
}

static void put_strings(struct bus_message *m, const struct unit_property *property) {
        size_t begin = bus_begin_array(m, 4);
        for (size_t i = 0; i < property->strings.n; i++)
                bus_put_text(m, property->strings.at[i]);
        bus_end_array(m, begin, 4);
}

static void put_byte_array(struct bus_message *m, const struct unit_property *property) {
        size_t begin = bus_begin_array(m, 1);
        bus_put_bytes(m, property->bytes, property->bytes_count);
        bus_end_array(m, begin, 1);
}

static void put_pairs(struct bus_message *m, const struct unit_property *property) {
        size_t begin = bus_begin_array(m, 8);
        for (size_t i = 0; i < property->pairs_count; i++) {
                bus_align(m, 8);
                bus_put_text(m, property->pairs[i].text);
                bus_put_u64(m, property->pairs[i].number);
        }
        bus_end_array(m, begin, 8);
}

void bus_put_property(struct bus_message *m, const struct unit_property *property) {
        static const struct {
                const char *signature;
                void (*put)(struct bus_message *, const struct unit_property *);
        } kinds[] = {
                { "b", put_number },    { "u", put_number },   { "i", put_number },      { "t", put_number },
                { "x", put_number },    { "d", put_real },     { "s", put_text },        { "o", put_text },
                { "g", put_signature }, { "as", put_strings }, { "ay", put_byte_array }, { "a(st)", put_pairs },
        };
        bus_align(m, 8);
        bus_put_text(m, property->name);
        bus_put_signature(m, property->signature);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (str_eq(kinds[i].signature, property->signature)) {
                        kinds[i].put(m, property);
                        return;
                }
        m->has_overflowed = true; /* not of the kinds that unit.h promises */
}

/* -- reading -- */

static bool overflow(struct bus_message *m) {
        m->has_overflowed = true;
        return false;
}

static bool skip_bytes(struct bus_message *m, size_t n) {
        if (m->has_overflowed || n > m->n - m->position)
                return overflow(m);
        m->position += n;
        return true;
}

static bool skip_to(struct bus_message *m, size_t align) {
        return skip_bytes(m, (align - m->position % align) % align);
}

static bool get_byte(struct bus_message *m, uint8_t *ret) {
        if (!skip_bytes(m, 1))
                return false;
        *ret = m->at[m->position - 1];
        return true;
}

bool bus_get_u32(struct bus_message *m, uint32_t *ret) {
        uint32_t value;
        if (!skip_to(m, sizeof(value)) || !skip_bytes(m, sizeof(value)))
                return false;
        memcpy(&value, m->at + m->position - sizeof(value), sizeof(value));
        *ret = m->is_swapped ? bswap_32(value) : value;
        return true;
}

/* n bytes and a NUL, none of them NUL. */
static bool get_string(struct bus_message *m, size_t n, const char **ret) {
        const char *text = (const char *)m->at + m->position;
        if (!skip_bytes(m, n) || !skip_bytes(m, 1))
                return false;
        if (strnlen(text, n + 1) != n)
                return overflow(m);
        *ret = text;
        return true;
}

bool bus_get_text(struct bus_message *m, const char **ret) {
        uint32_t n;
        return bus_get_u32(m, &n) && get_string(m, n, ret);
}

bool bus_get_signature(struct bus_message *m, const char **ret) {
        uint8_t n;
        return get_byte(m, &n) && get_string(m, n, ret);
}

/* -- values of any type -- */

struct kind {
        uint8_t align, size; /* size 0: by what it contains */
};

static const struct kind *kind_of(char code) {
        static const struct kind kinds[128] = {
                ['y'] = { 1, 1 }, ['b'] = { 4, 4 }, ['n'] = { 2, 2 }, ['q'] = { 2, 2 }, ['i'] = { 4, 4 },
                ['u'] = { 4, 4 }, ['x'] = { 8, 8 }, ['t'] = { 8, 8 }, ['d'] = { 8, 8 }, ['h'] = { 4, 4 },
                ['s'] = { 4, 0 }, ['o'] = { 4, 0 }, ['g'] = { 1, 0 }, ['v'] = { 1, 0 }, ['a'] = { 4, 0 },
                ['('] = { 8, 0 }, ['{'] = { 8, 0 },
        };
        size_t i = (uint8_t)code;
        return i < sizeof(kinds) / sizeof(kinds[0]) && kinds[i].align ? &kinds[i] : NULL;
}

static const char *type_end(const char *type, int depth);

/* Behind the members of a struct, or the key and value of a dict entry, which begin at type; NULL: it is none. */
static const char *members_end(const char *type, bool is_entry, int depth) {
        char end = is_entry ? '}' : ')';
        int count = 0;
        for (; type && *type != end; count++) {
                if (is_entry && count == 0 && strchr("va({", *type)) /* a key is a basic type; "" is found by strchr */
                        return NULL;
                type = type_end(type, depth);
        }
        if (!type || count == 0 || (is_entry && count != 2)) /* "()" has no size: an array of it would have no end */
                return NULL;
        return type + 1;
}

/* Behind the one complete type that begins at type; NULL: there is none. */
static const char *type_end(const char *type, int depth) {
        if (!kind_of(*type) || depth > NESTING_MAX || *type == '{')
                return NULL;
        if (*type == '(')
                return members_end(type + 1, false, depth + 1);
        if (*type != 'a')
                return type + 1;
        if (type[1] == '{')
                return members_end(type + 2, true, depth + 1);
        return type_end(type + 1, depth + 1);
}

static bool skip_value(struct bus_message *m, const char **type, int depth);

/* *type: the element, of which there may be none to say where its type ends. */
static bool skip_array(struct bus_message *m, const char **type, int depth) {
        const char *element = *type;
        uint32_t n;
        if (!bus_get_u32(m, &n) || !skip_to(m, kind_of(*element)->align) || n > m->n - m->position)
                return overflow(m);
        size_t end = m->position + n;
        if (n == 0)
                *type = *element == '{' ? members_end(element + 1, true, 0) : type_end(element, 0);
        while (m->position < end) {
                *type = element;
                if (!skip_value(m, type, depth))
                        return false;
        }
        return m->position == end || overflow(m);
}

static bool skip_members(struct bus_message *m, const char **type, int depth) {
        if (!skip_to(m, 8))
                return false;
        while (**type != ')' && **type != '}')
                if (!skip_value(m, type, depth))
                        return false;
        (*type)++;
        return true;
}

static bool skip_variant(struct bus_message *m, int depth) {
        const char *type, *end;
        if (!bus_get_signature(m, &type))
                return false;
        end = type_end(type, depth);
        return end && !*end ? skip_value(m, &type, depth) : overflow(m);
}

/* What type_end found good; moves *type behind it. */
static bool skip_value(struct bus_message *m, const char **type, int depth) {
        const char code = *(*type)++, *text;
        const struct kind *kind = kind_of(code);
        if (kind->size)
                return skip_to(m, kind->align) && skip_bytes(m, kind->size);
        switch (code) {
        case 's':
        case 'o':
                return bus_get_text(m, &text);
        case 'g':
                return bus_get_signature(m, &text);
        case 'v':
                return skip_variant(m, depth + 1);
        case 'a':
                return skip_array(m, type, depth + 1);
        default:
                return skip_members(m, type, depth + 1);
        }
}

bool bus_skip(struct bus_message *m, const char **signature) {
        const char *type = *signature;
        if (!type_end(type, 0) || !skip_value(m, &type, 0))
                return overflow(m);
        *signature = type;
        return true;
}

/* -- whole messages -- */

#define IS_BIG (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

size_t bus_size(const uint8_t fixed[BUS_FIXED_SIZE], bool *ret_too_large) {
        uint32_t body, fields;
        bool is_swapped = fixed[0] == (IS_BIG ? 'l' : 'B');
        *ret_too_large = false;
        memcpy(&body, fixed + 4, sizeof(body));
        memcpy(&fields, fixed + 12, sizeof(fields));
        body = is_swapped ? bswap_32(body) : body;
        fields = is_swapped ? bswap_32(fields) : fields;
        if ((fixed[0] != 'l' && fixed[0] != 'B') || fixed[1] == 0 || fixed[3] != 1)
                return 0;
        if (body > BUS_MESSAGE_MAX || fields > BUS_MESSAGE_MAX) {
                *ret_too_large = true;
                return 0;
        }
        size_t size = aligned(BUS_FIXED_SIZE + (size_t)fields, 8) + body;
        *ret_too_large = size > BUS_MESSAGE_MAX;
        return *ret_too_large ? 0 : size;
}

/* One field of the header; those of other numbers are for other readers. */
static bool parse_field(struct bus_message *m, struct bus_header *ret) {
        uint8_t code;
        const char *type;
        struct {
                const char *type;
                const char **text;
        } fields[] = {
                [1] = { "o", &ret->path },  [2] = { "s", &ret->interface }, [3] = { "s", &ret->member },
                [4] = { "s", &ret->error }, [7] = { "s", &ret->sender },    [8] = { "g", &ret->signature },
        };
        if (!skip_to(m, 8) || !get_byte(m, &code) || !bus_get_signature(m, &type) || code == 0)
                return false;
        if (code == 5)
                return str_eq(type, "u") && bus_get_u32(m, &ret->reply_serial);
        if (code < sizeof(fields) / sizeof(fields[0]) && fields[code].type) {
                if (!str_eq(type, fields[code].type))
                        return false;
                return *type == 'g' ? bus_get_signature(m, fields[code].text) : bus_get_text(m, fields[code].text);
        }
        const char *end = type_end(type, 0);
        return end && !*end && bus_skip(m, &type);
}

/* What each type of message must say. */
static bool is_complete(const struct bus_header *header) {
        switch (header->type) {
        case BUS_CALL:
                return header->path && header->member;
        case BUS_REPLY:
                return header->reply_serial != 0;
        case BUS_ERROR:
                return header->reply_serial != 0 && header->error;
        case BUS_SIGNAL:
                return header->path && header->interface && header->member;
        default:
                return true;
        }
}

bool bus_parse(uint8_t *at, size_t n, struct bus_header *ret) {
        bool is_too_large;
        uint32_t fields;
        if (n < BUS_FIXED_SIZE || bus_size(at, &is_too_large) != n)
                return false;
        struct bus_message m = { .at = at, .n = n, .position = 12, .is_swapped = at[0] == (IS_BIG ? 'l' : 'B') };
        *ret = (struct bus_header){ .type = at[1], .signature = "" };
        if (!bus_get_u32(&m, &fields))
                return false;
        size_t end = BUS_FIXED_SIZE + (size_t)fields;
        m.n = end; /* a field does not reach into the body */
        while (m.position < end)
                if (!parse_field(&m, ret))
                        return false;
        end = aligned(end, 8);
        ret->body = (struct bus_message){ .at = at + end, .n = n - end, .is_swapped = m.is_swapped };
        return is_complete(ret);
}
