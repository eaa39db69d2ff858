/* What the server says that an alias stands for. */
#ifndef CLI_ALIAS_H
#define CLI_ALIAS_H

#include "server.h"

enum { ALIAS_POLICY_ROOM = 65 };

/* Fetches the alias. On EXIT_DONE *alias is the caller's to delete; etag (unless NULL) is its
 * version as a condition wants it. One that does not exist leaves p->status at 404 and a hint at
 * what makes it. */
exit_code alias_fetch(server *s, const char *name, cJSON **alias, char etag[64], problem *p);
/* The policy of that id, pol_…, which is not asked for, or the one that an alias stands for. */
exit_code alias_resolve(server *s, const char *name, char policy[ALIAS_POLICY_ROOM], problem *p);

#endif
