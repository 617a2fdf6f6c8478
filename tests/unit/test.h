/* Unit tests in TAP.  A test file is a program: main() calls its cases and returns test_done(). */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include "specs/base/err.h"

#include <stdio.h>
#include <string.h>

static int test_count, test_failures;

static inline void test_result(int good, const char *what, const char *file, int line) {
        test_count++;
        printf("%s %d - %s\n", good ? "ok" : "not ok", test_count, what);
        if (!good) {
                test_failures++;
                printf("# %s:%d: %s\n# error record: %s\n", file, line, what, err_message());
        }
}

static inline void test_str(const char *got, const char *want, const char *what, const char *file, int line) {
        int good = got && want ? strcmp(got, want) == 0 : got == want;
        test_result(good, what, file, line);
        if (!good)
                printf("# got  <%s>\n# want <%s>\n", got ? got : "(null)", want ? want : "(null)");
}

/* A condition holds. */
#define CHECK(condition) test_result(!!(condition), #condition, __FILE__, __LINE__)
/* The same with words for a row of a table. */
#define CHECK_ROW(condition, name) test_result(!!(condition), name, __FILE__, __LINE__)
#define CHECK_STR(got, want) test_str(got, want, #got " is " #want, __FILE__, __LINE__)
#define CHECK_INT(got, want) test_result((long long)(got) == (long long)(want), #got " == " #want, __FILE__, __LINE__)
/* The call fails and the record contains the words. */
#define CHECK_FAIL(call, words) \
        do { \
                err_clear(); \
                int r_ = (call); \
                test_result(r_ < 0 && strstr(err_message(), words), #call " fails: " words, __FILE__, __LINE__); \
                if (!strstr(err_message(), words)) \
                        printf("# returned %d, record <%s>\n", r_, err_message()); \
        } while (0)

static inline int test_done(void) {
        printf("1..%d\n", test_count);
        return test_failures != 0;
}

#endif
