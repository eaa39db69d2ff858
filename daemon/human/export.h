/* How export.c reaches the writer of trees. */
#ifndef DAEMON_HUMAN_EXPORT_H
#define DAEMON_HUMAN_EXPORT_H

#include "human/formats.h"

/* The index of the first output of least rank; the row has one at least. */
uint32_t export_best(const record *r);

/* A tree of one branch, the prompt, that ends in the ranked replies. 0: the prompt is no
 * conversation of users and assistants in turn. */
uint64_t export_oasst(buf *out, const record *r);

#endif
