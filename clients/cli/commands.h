/* The sub-commands. Each does its whole work and returns the exit code; where that is not
 * EXIT_DONE, p holds what main prints. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"
#include "terminal.h"

typedef exit_code command_fn(const options *o, terminal *out, terminal *err, problem *p);

command_fn cmd_complete, cmd_chat, cmd_models, cmd_tokenize;
command_fn cmd_train, cmd_jobs, cmd_files, cmd_methods;
command_fn cmd_policies, cmd_aliases, cmd_publish, cmd_rollback, cmd_rewards;
command_fn cmd_export, cmd_data, cmd_label;
command_fn cmd_model, cmd_eval; /* work on files here and speak to no server */

#endif
