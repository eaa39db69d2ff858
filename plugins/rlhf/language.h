/* The language-model loss as a course: pretrain and supervised.
 *
 *   L = -(1/N) sum over the batch's learnt tokens of log pi(token | before)
 *
 * A batch holds examples of the main set and, for supervised with a mix, pretraining windows; N
 * counts the learnt tokens of both.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_LANGUAGE_H
#define RLHF_LANGUAGE_H

#include "rlhf/course.h"
#include "rlhf/scorer.h"

typedef struct language_item {
    const example *example;
    uint64_t key; /* for dropout */
} language_item;

typedef struct language {
    course course;
    /* The method's data, loaded between language_open and language_run; valid and mix may stay
     * empty. */
    example_set train, valid, mix;
    double mix_fraction; /* of a batch's sequences */
    scorer *scorer;      /* judges trial completions; NULL: the validation loss judges */

    uint32_t n_mix; /* windows in each batch */
    order mix_order;
    language_item *batch; /* [batch_size] */
    float *logprobs;      /* [micro.max_tokens] */
} language;

/* Freed with language_free, also after a refusal. */
ENG_MUST_CHECK job_code language_open(language *out, const job *j, eng_error *err);
void language_free(language *l);
ENG_MUST_CHECK job_code language_run(language *l, eng_error *err);

#endif
