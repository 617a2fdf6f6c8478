#include "netsetup/tag.h"

#include "specs/base/arena.h"
#include "specs/base/str.h"

#include <string.h>

static const char prefix[] = "rundlet:";
enum { CUT_ID = 180, ID_LENGTH = 6, PREFIX_LENGTH = 2 + ID_LENGTH };

/* FNV-1a over both words and the NUL between them, then mixed so that every bit of the input reaches every bit of the
 * result. */
static uint64_t hash(uint64_t seed, const char *id, const char *interface) {
        uint64_t h = 0xcbf29ce484222325 ^ seed;
        const char *words[] = { id, interface };
        for (size_t i = 0; i < 2; i++) {
                const char *c = words[i];
                do {
                        h = (h ^ (uint8_t)*c) * 0x100000001b3;
                } while (*c++);
        }
        h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
        h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53;
        return h ^ (h >> 33);
}

const char *tag_alias(const char *id, const char *interface) {
        if (sizeof(prefix) - 1 + strlen(id) + 1 + strlen(interface) <= LINK_ALIAS_MAX)
                return str_format("%s%s:%s", prefix, id, interface);
        return str_format("%s%.*s~%016llx%016llx:%s", prefix, CUT_ID, id, (unsigned long long)hash(1, id, ""),
                          (unsigned long long)hash(2, id, ""), interface);
}

static void spell(char *text, size_t length, uint64_t number) {
        static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
        for (size_t i = 0; i < length; i++, number >>= 5)
                text[i] = digits[number & 31];
}

const char *tag_link_prefix(const char *id) {
        char name[PREFIX_LENGTH + 1] = "rl";
        spell(name + 2, ID_LENGTH, hash(3, id, ""));
        return arena_strdup(name);
}

const char *tag_link_name(const char *id, const char *interface) {
        char rest[LINK_NAME_SIZE - PREFIX_LENGTH] = "";
        spell(rest, sizeof(rest) - 1, hash(0, id, interface));
        return str_format("%s%s", tag_link_prefix(id), rest);
}

void tag_mac(const char *place, const char *address, uint8_t mac[LINK_MAC_SIZE]) {
        const uint64_t number = hash(4, place, arena_strndup(address, strcspn(address, "/")));
        memcpy(mac, &number, LINK_MAC_SIZE);
}

bool tag_read(const char *alias, struct tag *ret) {
        if (!alias || !str_starts(alias, prefix))
                return false;
        const char *id = alias + sizeof(prefix) - 1;
        const char *colon = strchr(id, ':');
        if (!colon || colon == id || colon[1] == '\0' || strlen(colon + 1) >= LINK_NAME_SIZE || strchr(colon + 1, ':'))
                return false;
        *ret = (struct tag){ .id = arena_strndup(id, (size_t)(colon - id)), .interface = arena_strdup(colon + 1) };
        return true;
}

bool tag_is_of(const char *alias, const char *id, const char *interface) {
        struct tag tag;
        if (!tag_read(alias, &tag) || (interface && !str_eq(tag.interface, interface)))
                return false;
        return str_eq(alias, tag_alias(id, tag.interface));
}
