/* Commands of the form `instruct jobs ACTION [NAME...]`. */
#ifndef CLI_ACTIONS_H
#define CLI_ACTIONS_H

#include "options.h"
#include "server.h"
#include "terminal.h"

/* What an action works with. */
typedef struct action_context {
    server *server;
    const options *o;
    const char *name; /* NULL where the action takes none */
    terminal *out, *err;
} action_context;

typedef enum action_name {
    ACTION_ALONE, /* takes no name */
    ACTION_ID,    /* one id, checked to be one before anything is done */
    ACTION_IDS,   /* one or more, one after the other up to the first failure */
    ACTION_PATHS  /* likewise, files of this machine */
} action_name;

typedef struct action {
    const char *word; /* "cancel" */
    action_name takes;
    exit_code (*run)(const action_context *a, problem *p);
} action;

/* Runs the action that the first argument names, or without arguments the first of the list, over
 * a server opened for it; `what` is a name in words, "a job". EXIT_USAGE, with the nearest word,
 * for what is not in the list. */
exit_code actions_run(const action *actions, size_t n, const char *what, const options *o,
                      terminal *out, terminal *err, problem *p);

#endif
