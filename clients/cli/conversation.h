/* The messages of a chat, as they are sent with each turn. A system message, if any, is first. */
#ifndef CLI_CONVERSATION_H
#define CLI_CONVERSATION_H

#include "problem.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

typedef struct conversation {
    cJSON *messages; /* array of {role,content}; owned */
} conversation;

/* system: NULL or "" = none. */
void conversation_init(conversation *c, const char *system);
void conversation_free(conversation *c);
void conversation_add(conversation *c, const char *role, const char *content);
void conversation_drop_last(conversation *c);
/* Puts, replaces or (with "") removes the system message. */
void conversation_set_system(conversation *c, const char *system);
/* Forgets everything but the system message. */
void conversation_reset(conversation *c);
/* Number of messages, the system message included. */
int conversation_len(const conversation *c);
/* Writes {"messages":[...]} on one line: a row of a `messages` data set. A new file, unless
 * may_replace; EXIT_USAGE says why it could not be written. */
exit_code conversation_save(const conversation *c, const char *path, bool may_replace, problem *p);

#endif
