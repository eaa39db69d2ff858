/* What may stand in a path: ids and aliases as the server spells them, and names of files. */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include "problem.h"

/* 1 to 64 of A-Z a-z 0-9 _ - */
bool name_is_id(const char *s);
/* EXIT_USAGE naming `what` ("a job") unless it is an id. NULL = none was given. */
exit_code name_check(const char *s, const char *what, problem *p);
/* A plain file name that a server may choose: no path, not hidden, nothing a shell would mind. */
bool name_is_file(const char *s);

#endif
