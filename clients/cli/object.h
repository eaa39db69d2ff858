/* A JSON object as a person reads it: one line a value, nested names with dots, times as dates. */
#ifndef CLI_OBJECT_H
#define CLI_OBJECT_H

#include "server.h"
#include "terminal.h"

/* GETs an object and prints it: its JSON with o->json, else its lines. */
exit_code object_show(server *s, const options *o, const char *path, terminal *out, problem *p);
/* DELETEs what stands at path and says that `name` is gone: the reply's JSON with o->json. */
exit_code object_delete(server *s, const options *o, const char *path, const char *name,
                        terminal *out, problem *p);
void object_print(const cJSON *object, terminal *out);

#endif
