#include "runtime/plan/id_list.h"

#include "specs/base/err.h"
#include "specs/base/str.h"

#include <errno.h>

int id_list_read(const char *place, const char *text, struct id_mask *ret) {
        struct strv ranges = str_split(text, ',', true);
        struct id_mask *mask = ret;
        for (size_t i = 0; i < ranges.n; i++) {
                struct strv ends = str_split(ranges.at[i], '-', false);
                uint64_t first, last;
                if (ends.n < 1 || ends.n > 2 || parse_u64(ends.at[0], 0, ID_LIST_MAX - 1, &first) < 0 ||
                    parse_u64(ends.at[ends.n - 1], 0, ID_LIST_MAX - 1, &last) < 0 || first > last)
                        return fail_words(EINVAL, "%s: \"%s\" is no list of numbers and ranges below %d", place,
                                          str_printable(text), ID_LIST_MAX);
                for (uint64_t id = first; id <= last; id++)
                        mask->words[id / 64] |= UINT64_C(1) << id % 64;
                if (last / 64 + 1 > mask->used)
                        mask->used = last / 64 + 1;
        }
        return 0;
}
