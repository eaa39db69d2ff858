/* What is said to a reward endpoint and what it answers: {"prompt":"...","completions":["..."]} ->
 * {"scores":[...]}. Pure functions. */
#ifndef DAEMON_API_SCORE_EXCHANGE_H
#define DAEMON_API_SCORE_EXCHANGE_H

#include "base/buf.h"
#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>

void score_request_write(buf *out, const char *prompt, const char *const *completions, size_t n);
/* n finite scores, in order; members beside "scores" are left alone. False with expected and found.
 * body[len] is a NUL. */
bool score_reply_read(const char *body, size_t len, size_t n, double *scores, error_text *err);

#endif
