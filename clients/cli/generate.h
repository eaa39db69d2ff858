/* Asks for a generation and prints it as it comes. */
#ifndef CLI_GENERATE_H
#define CLI_GENERATE_H

#include "reply.h"
#include "server.h"
#include "terminal.h"

typedef struct generation {
    const char *path; /* "/v1/completions" or "/v1/chat/completions" */
    const char *body; /* request.h */
    bool stream;      /* the body asks for a stream */
    bool json;        /* print the server's JSON instead of the text */
    bool headings;    /* several choices: display.h */
} generation;

/* Prints to out until the answer ended; r then holds what came, also when it broke off. EXIT_CUT:
 * the stream ended without its [DONE]. A failed write to out ends the request and returns EXIT_DONE
 * with out->error set. */
exit_code generate(server *s, const generation *g, terminal *out, reply *r, problem *p);
/* The log-probability tables of all choices, to err. Nothing where none came. */
void generate_print_logprobs(const reply *r, terminal *err);

#endif
