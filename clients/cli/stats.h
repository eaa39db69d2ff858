/* What answers cost, as a person reads it. */
#ifndef CLI_STATS_H
#define CLI_STATS_H

#include "reply.h"
#include "terminal.h"

/* Sums over a conversation; zeroed = none yet. */
typedef struct stats {
    int answers;
    long long prompt_tokens, completion_tokens;
    double decode_s;         /* between first and last text */
    long long decode_tokens; /* tokens of that time */
    double first_s;          /* sum of the times to the first text */
    char policy[96];         /* of the last answer */
} stats;

void stats_add(stats *s, const reply *r);
/* One dim line about one answer: tokens, tokens/s, time to the first token, policy. An answer that
 * was stopped has no usage; its pieces of text are counted and marked with ~. */
void stats_print_answer(const reply *r, terminal *err);
/* The sums, as /stats shows them. */
void stats_print_sums(const stats *s, terminal *err);

#endif
