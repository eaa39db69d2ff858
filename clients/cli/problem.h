/* What went wrong, in the words for the person at the terminal, and the exit code it leads to.
 * Functions that can fail return the exit_code and fill the problem where the facts are; only a
 * command prints it. */
#ifndef CLI_PROBLEM_H
#define CLI_PROBLEM_H

#include <stdbool.h>

typedef enum exit_code {
    EXIT_DONE = 0,
    EXIT_SERVER = 1,    /* the server answered with an error, or with something else than asked */
    EXIT_USAGE = 2,     /* the command line, or an input that cannot be sent */
    EXIT_NO_SERVER = 3, /* no connection */
    EXIT_UNAUTHORISED = 4, /* 401 or 403 */
    EXIT_CUT = 5,          /* the answer broke off or stalled */
    EXIT_FRUITLESS = 6, /* what was asked for was done and nothing came of it: a job that failed or
                           was cancelled, a data set without a row */
    EXIT_INTERRUPTED = 130 /* SIGINT; other ending signals are 128 + number */
} exit_code;

typedef struct problem {
    exit_code code;
    int status;     /* of HTTP, where the server refused; else 0 */
    char text[640]; /* one line, without "instruct: " */
    char hint[320]; /* what to do next; "" = nothing to add */
} problem;

/* Fills p (text cut to its room, no hint, no status) and returns code. */
exit_code problem_set(problem *p, exit_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void problem_hint(problem *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes `instruct: text` and, on a second line, the hint to stderr, both made harmless. Nothing
 * when the text is empty. */
void problem_print(const problem *p);

#endif
