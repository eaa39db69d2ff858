/* The names that aliases may have. Pure. */
#ifndef DAEMON_BASE_ALIAS_NAME_H
#define DAEMON_BASE_ALIAS_NAME_H

#include <stdbool.h>

#define ALIAS_NAME_RULE "1 to 64 of a-z 0-9 -, not starting with -" /* for messages */

/* The name under which clients ask for scores. */
#define ALIAS_NAME_REWARD "reward"

bool alias_name_valid(const char *name);

#endif
