/* The help texts, made from the table of options. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "options.h"

#include <stdio.h>

/* The help of one command, or with 0 of the program: usage, options, exit codes. */
void help_print(FILE *out, command_id command);

#endif
