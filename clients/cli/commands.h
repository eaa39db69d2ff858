/* The sub-commands. Each does its whole work and returns the exit code; where that is not
 * EXIT_DONE, p holds what main prints. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"
#include "terminal.h"

exit_code cmd_complete(const options *o, terminal *out, terminal *err, problem *p);
exit_code cmd_chat(const options *o, terminal *out, terminal *err, problem *p);
exit_code cmd_models(const options *o, terminal *out, terminal *err, problem *p);
exit_code cmd_tokenize(const options *o, terminal *out, terminal *err, problem *p);

#endif
