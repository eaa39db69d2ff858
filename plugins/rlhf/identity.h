/* What makes a job the job it is: a checkpoint of any other is refused.
 *
 * Threads: any. */
#ifndef RLHF_IDENTITY_H
#define RLHF_IDENTITY_H

#include "rlhf/examples.h"
#include "rlhf/job.h"

/* SHA-256 over method, model, seed, numbers and the tokens of every data set (NULL ones count as
 * absent). hex has 65 bytes. */
void identity_of(char hex[65], const job *j, const example_set *const *sets, size_t n);

#endif
