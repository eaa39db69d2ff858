/* The bodies of the requests. Each returns JSON text for the caller to free, NULL without memory.
 */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include "options.h"

char *request_completion(const options *o, const char *prompt, bool stream);
/* messages: array of {role,content}; borrowed. */
char *request_chat(const options *o, const cJSON *messages, bool stream);
char *request_tokenize(const options *o, const char *prompt);
char *request_detokenize(const options *o, long long token);

#endif
