/* The conversation at a terminal. */
#ifndef CLI_TALK_H
#define CLI_TALK_H

#include "options.h"
#include "server.h"
#include "terminal.h"

/* Reads messages and slash commands until the person leaves. Failures of single turns are printed
 * and survived; the result is EXIT_DONE, or 128 + the signal that ended it. */
exit_code talk(server *s, const options *o, terminal *out, terminal *err, problem *p);

#endif
