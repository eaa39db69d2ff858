/* Files to the server, POST /v1/files. */
#ifndef CLI_UPLOAD_H
#define CLI_UPLOAD_H

#include "server.h"
#include "terminal.h"

/* Sends a regular file, with a progress line on a terminal `err`. *file is the server's
 * object of it, the caller's to delete, or NULL; there is one on EXIT_DONE, and where the server
 * keeps a file that it found faulty, which is EXIT_SERVER with its reason. raw_out (unless NULL)
 * gets the object as JSON. */
exit_code upload_file(server *s, const char *path, terminal *raw_out, terminal *err, cJSON **file,
                      problem *p);
/* "demos.jsonl: file-abc, supervised, 120 rows". */
void upload_print(const cJSON *file, terminal *out);

#endif
