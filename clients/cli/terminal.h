/* One output (stdout or stderr) as the commands see it: whether a person looks at it, and the two
 * ways to write: our own words, and text from outside that a terminal must not obey. Not
 * thread-safe; lives as long as the command. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "sanitize.h"

#include <stdbool.h>
#include <stdio.h>

typedef enum terminal_style { STYLE_PLAIN, STYLE_DIM, STYLE_BOLD } terminal_style;

typedef struct terminal {
    FILE *file; /* borrowed */
    bool is_tty;
    bool color;
    bool redraws;   /* lines can be drawn over: a terminal that is not dumb */
    bool line_open; /* the last byte of outside text was not \n */
    int error;      /* errno of the first write that failed, 0 = none */
    sanitizer outside;
    text scratch;
} terminal;

/* color = colours are wanted; used only on a terminal, and neither with NO_COLOR nor TERM=dumb. */
void terminal_init(terminal *t, FILE *file, bool color);
void terminal_free(terminal *t);
/* Our own words, as they are. */
void terminal_printf(terminal *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void terminal_set_style(terminal *t, terminal_style style); /* nothing without colour */
/* The next bytes of a text from outside, flushed: sanitised on a terminal, unchanged elsewhere. */
void terminal_write(terminal *t, const char *bytes, size_t n);
/* The text from outside ended: flushes a held tail and closes its line. */
void terminal_end(terminal *t);
/* A whole line from outside, without its end. */
void terminal_line(terminal *t, const char *line);
/* Columns that `s` takes on a terminal, by the locale; its bytes when they cannot be told. */
size_t terminal_width(const char *s);

#endif
