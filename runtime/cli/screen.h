/* A terminal taken for a picture that is drawn again and again, and given back as it was.  Parent side only;
 * termios(3), console_codes(4). */
#ifndef RUNTIME_CLI_SCREEN_H
#define RUNTIME_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

struct screen {
        int signals, timer;
        bool is_taken, has_keys; /* keys: standard input is the terminal too */
        struct termios before;
};
#define SCREEN_NONE                                                                                                    \
        { .signals = -1, .timer = -1 }

enum screen_event {
        SCREEN_TIME,   /* the interval is over: read again */
        SCREEN_REDRAW, /* the terminal has another size, or is ours again after ^Z */
        SCREEN_END,    /* q, ^C, or nobody is there any more */
};

/* Takes the terminal of standard output: another page of it without a cursor, keys without echo, signals as events. */
int screen_open(uint64_t interval_ns, struct screen *ret);
/* Waits; *ret_signal is the signal that ended it, 0: none that is an answer to give (q, ^C). */
int screen_wait(struct screen *screen, enum screen_event *ret_event, int *ret_signal);
int screen_draw(const char *text);
void screen_size(size_t *ret_width, size_t *ret_height);
/* Gives the terminal back. */
void screen_release(struct screen *screen);
#define autoscreen __attribute__((cleanup(screen_release))) struct screen

#endif
