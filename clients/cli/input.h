/* The text a command works on: its argument, a file, or standard input. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "options.h"
#include "text.h"

/* True when a person would have to type it: no argument, and stdin is a terminal. */
bool input_is_interactive(const options *o);
/* Appends the argument, or stdin to its end when the argument is absent or "-". The bytes are
 * checked to be UTF-8 without NUL, which is all that JSON can carry. */
exit_code input_read(const options *o, text *out, problem *p);
/* Appends the file's bytes, or stdin's when path is NULL or "-", checked likewise. EXIT_USAGE when
 * it cannot be read or is longer than out->max, beyond which nothing is read. */
exit_code input_read_file(const char *path, text *out, problem *p);
/* The same check for a text from elsewhere; `what` names it in the problem. */
exit_code input_check(const char *bytes, size_t n, const char *what, problem *p);

#endif
