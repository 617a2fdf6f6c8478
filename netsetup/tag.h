/* What marks a link as ours: its alias "rundlet:ID:INTERFACE", and the name that follows from both.  Pure.
 *
 * The alias is the truth; the name is only where to look.  A name has 15 bytes: "rl", six that are a hash of the id, so
 * that all of one id are found without looking into any other, and seven that are a hash of id and interface; an id too
 * long for an alias (255 bytes) is cut there and followed by '~', which no id contains, and a hash. */
#ifndef NETSETUP_TAG_H
#define NETSETUP_TAG_H

#include "netsetup/link.h"

struct tag {
        const char *id, *interface;
};

/* The alias and the link name of an id's interface, in the arena. */
const char *tag_alias(const char *id, const char *interface);
const char *tag_link_name(const char *id, const char *interface);
/* What the link names of an id begin with; those of few others do too. */
const char *tag_link_prefix(const char *id);

/* The hardware address that goes with an address in some place: whoever has the address next has it too, so that those
 * who remember where to find the last one find this one.  Both kinds of bits are left for the caller to set. */
void tag_mac(const char *place, const char *address, uint8_t mac[LINK_MAC_SIZE]);

/* Takes an alias (may be NULL) apart; false when it is not one of ours. */
bool tag_read(const char *alias, struct tag *ret);

/* True when the alias is that of the id, and of the interface unless that is NULL. */
bool tag_is_of(const char *alias, const char *id, const char *interface);

#endif
