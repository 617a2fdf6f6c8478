/* What the parser lets through in the bytes of a JSON document.  Pure; parent side of clone only. */
#ifndef SPECS_JSON_TEXT_H
#define SPECS_JSON_TEXT_H

#include <stddef.h>

/* The offset of the first overlong or invalid UTF-8 or lone surrogate (RFC 8259, sections 8.1 and 8.2), with words in
 * *ret_why; size when there is none. */
size_t json_bad_text(const char *text, size_t size, const char **ret_why);

#endif
