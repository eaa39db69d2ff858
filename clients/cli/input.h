/* The text a command works on: its argument, or standard input. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "options.h"
#include "text.h"

/* True when a person would have to type it: no argument, and stdin is a terminal. */
bool input_is_interactive(const options *o);
/* Appends the argument, or stdin to its end when the argument is absent or "-". The bytes are
 * checked to be UTF-8 without NUL, which is all that JSON can carry. */
exit_code input_read(const options *o, text *out, problem *p);
/* The same check for a text from elsewhere; `what` names it in the problem. */
exit_code input_check(const char *bytes, size_t n, const char *what, problem *p);

#endif
