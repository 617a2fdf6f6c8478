/* Lists of CPUs and memory nodes as the kernel writes them: "0-3,7".  Parent side; pure. */
#ifndef RUNTIME_PLAN_ID_LIST_H
#define RUNTIME_PLAN_ID_LIST_H

#include <stddef.h>
#include <stdint.h>

#define ID_LIST_MAX 65536 /* CPUs or memory nodes that a list may name */

struct id_mask {
        uint64_t words[ID_LIST_MAX / 64];
        size_t used; /* words up to the last bit that is set */
};

/* Adds the bits of text to *ret, which begins zeroed.  0, or -EINVAL with words that begin with place. */
int id_list_read(const char *place, const char *text, struct id_mask *ret);

#endif
