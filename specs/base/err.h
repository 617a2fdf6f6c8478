/* The error record: one per process, as errno is.  Parent side of clone only.
 *
 * A function that can fail returns int: 0 or -errno.  The words are written once, where the fault is seen, with
 * fail(); callers may put a place in front with fail_in().  Only main prints the record.  Message grammar:
 * "what was tried, on what: why", lower case, no full stop. */
#ifndef SPECS_BASE_ERR_H
#define SPECS_BASE_ERR_H

#include <stdbool.h>

/* Records "words: strerror(errnum)" (only "words" when errnum is 0, which then counts as EINVAL) and returns -errnum.
 * errnum may be given negative too.  A second fail() replaces the record. */
int fail(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Records words that already say why; strerror is not appended.  Returns -errnum. */
int fail_words(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* As fail(), with the reason in lower case: of a program that cannot be executed.  Clients of engines compare the words
 * of Go, letter by letter, to find out whether the status is 126 or 127. */
int fail_program(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Puts "words: " in front of what is recorded and returns r unchanged (r < 0). */
int fail_in(int r, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* A hint for a person, shown after the message ("hint: ..."); cleared by the next fail(). Returns r unchanged. */
int fail_hint(int r, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The recorded message ("" when none), hint (NULL when none) and positive errno of the last fail().  Valid until the
 * next call of this file. */
const char *err_message(void);
const char *err_hint(void);
int err_errno(void);

/* The record put aside while something is undone, and put back as it was. */
#define ERR_SIZE 4096
struct err_saved {
        char message[ERR_SIZE], hint[ERR_SIZE];
        int number;
};
void err_save(struct err_saved *ret);
void err_restore(const struct err_saved *saved);

/* Forgets the record: for callers that tolerate a failure, and tests. */
void err_clear(void);

#endif
