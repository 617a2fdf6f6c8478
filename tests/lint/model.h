/* What clang-tidy is told of the error record, included before every file: a failure is negative.  Otherwise the
 * analyzer follows paths on which fail() returned 0. */
#include "specs/base/err.h"

#define fail(...)       ((void)fail(__VA_ARGS__), -1)
#define fail_words(...) ((void)fail_words(__VA_ARGS__), -1)
#define fail_in(...)    ((void)fail_in(__VA_ARGS__), -1)
#define fail_hint(...)  ((void)fail_hint(__VA_ARGS__), -1)
