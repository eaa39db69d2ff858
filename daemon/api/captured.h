/* What a completion's or chat's body asks, as text that may be kept. Pure functions. */
#ifndef DAEMON_API_CAPTURED_H
#define DAEMON_API_CAPTURED_H

#include "bridge/gen_request.h"

#include <stdbool.h>
#include <stddef.h>

/* One text a prompt, in their order. */
typedef struct captured_prompts {
    const char *form; /* "text", or "messages": a JSON array of {role, content}, content a string */
    char **texts;     /* [n], malloc'd */
    size_t n;
} captured_prompts;

/* body: one that api_generate_parse has taken. Prompts of token ids are nobody's typing: n is 0
 * then, as it is when memory is out. */
void captured_prompts_read(captured_prompts *out, gen_family family, const char *body, size_t len);
void captured_prompts_free(captured_prompts *p);

#endif
