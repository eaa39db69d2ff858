/* One generation as it arrives: chunks of a stream, or a whole reply, of /v1/completions and of
 * /v1/chat/completions -> the text of each choice, how it ended, what it cost. Prints nothing. */
#ifndef CLI_REPLY_H
#define CLI_REPLY_H

#include "problem.h"
#include "text.h"

enum { REPLY_CHOICES_MAX = 256 };

typedef struct reply_choice {
    text text;       /* so far */
    text logprobs;   /* so far: a line per token for people; empty unless asked for */
    char finish[24]; /* finish_reason, "" = still open */
} reply_choice;

typedef struct reply {
    reply_choice *choices; /* [choices_len], by index */
    int choices_len;
    long long prompt_tokens, completion_tokens; /* -1 until the usage came */
    long long pieces;                           /* chunks that carried text */
    double sent_s;          /* clock_s when it was asked for, set by the sender */
    double first_s, last_s; /* clock_s of the first and last text; 0 = none */
    char policy[96];        /* "" = not told */
} reply;

void reply_init(reply *r);
void reply_free(reply *r);
/* Takes one JSON object. EXIT_SERVER for an {"error":...} in the stream, or for an object that is
 * none of the two shapes. now_s: when it arrived. */
exit_code reply_take(reply *r, const char *json, size_t len, double now_s, problem *p);

#endif
