/* The head of one part of a form: its Content-Disposition. Pure; multipart.c uses it. */
#ifndef DAEMON_API_MULTIPART_HEAD_H
#define DAEMON_API_MULTIPART_HEAD_H

#include "api/error.h"
#include "api/multipart.h"

typedef struct multipart_head {
    char name[MULTIPART_NAME_MAX + 1];
    char filename[MULTIPART_FILENAME_MAX + 1];
    bool has_name, has_filename;
} multipart_head;

/* text: the lines of the head, each with its CRLF, without the empty one. Changed on the way. False
 * with *err. */
bool multipart_head_parse(char *text, multipart_head *out, api_error *err);
/* Reads one parameter, `; name=token` or `; name="quoted"`, from *at on; false: it is malformed, or
 * too long for name (32 bytes) or value. */
bool multipart_parameter(const char **at, char name[32], char *value, size_t value_cap);

#endif
