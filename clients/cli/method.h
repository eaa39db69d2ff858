/* A training method as GET /v1/fine_tuning/methods describes it: what may stand in its object, and
 * the check of what a person typed, so that a typo is found before anything is uploaded. */
#ifndef CLI_METHOD_H
#define CLI_METHOD_H

#include "server.h"

typedef struct method {
    cJSON *list;             /* the server's answer; owned */
    const char *type;        /* "supervised" */
    const cJSON *entry;      /* {type,plugin,schema} */
    const cJSON *properties; /* of the method's object; NULL = the schema lists none */
    const cJSON *numbers;    /* properties of its hyperparameters; NULL likewise */
    const cJSON *presets;    /* {"NAME":{...}} or NULL */
} method;

/* Asks the server. EXIT_USAGE with the names that there are, and a near one, when no plugin has
 * such a method. The caller frees with method_free in every case. */
exit_code method_fetch(method *m, server *s, const char *type, problem *p);
void method_free(method *m);

/* Checks "NAME=VALUE" (name, type, range, choice; "auto" is any number's default) and puts the
 * value into the method's object: under "hyperparameters", or beside them where the schema has it
 * there. EXIT_USAGE says what would be right. */
exit_code method_set(const method *m, const char *pair, cJSON *object, problem *p);
/* EXIT_USAGE unless the method's object may have this member; `option` is how it was asked for. */
exit_code method_takes(const method *m, const char *property, const char *option, problem *p);
/* Must the method's object have this member? */
bool method_needs(const method *m, const char *property);
/* Does it need a training file? */
bool method_reads_files(const method *m);
exit_code method_check_preset(const method *m, const char *preset, problem *p);

#endif
