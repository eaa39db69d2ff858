/* Epochs of optimizer steps on the language-model loss: what pretrain and supervised share.
 *
 *   L = -(1/N) sum over the batch's learnt tokens of log pi(token | before)
 *
 * A batch holds examples of the main set and, for supervised with a mix, pretraining windows. After
 * each epoch the weights are judged, if there is a validation file; the best epoch's are the result
 * (and the last one's where nothing judges). */
#ifndef RLHF_COURSE_H
#define RLHF_COURSE_H

#include "rlhf/examples.h"
#include "rlhf/micro.h"
#include "rlhf/order.h"
#include "rlhf/pass.h"
#include "rlhf/scorer.h"
#include "rlhf/trainer.h"

#include <limits.h>

typedef struct course_item {
    const example *example;
    uint64_t key; /* for dropout */
} course_item;

typedef struct course {
    const job *job;
    /* set by course_open */
    token_limits limits;
    trainer trainer;
    eng_tape *tape;
    micro micro;
    char dir[PATH_MAX]; /* of checkpoints */
    /* set by the method in between */
    example_set train, valid, mix; /* valid and mix may be empty */
    double mix_fraction;
    scorer *scorer; /* judges trial completions; NULL: the validation loss judges */
    /* set by course_run */
    order order, mix_order;
    uint32_t n_main, n_mix; /* of a full batch */
    uint64_t per_epoch, steps;
    course_item *batch; /* [n_main + n_mix] */
    float *logprobs;    /* [micro.max_tokens] */
    struct {
        uint64_t step, judged /* epochs */, tokens, has_best, best_step;
        double best; /* larger is better */
    } state;
    uint64_t saved;  /* step of the newest checkpoint */
    double saved_at; /* monotonic seconds */
} course;

/* Opens the job's model for training. Freed with course_free, also after a refusal. */
ENG_MUST_CHECK job_code course_open(course *out, const job *j, eng_error *err);
void course_free(course *c);

/* Loads the job's file of this id into `set`, for this model; reports what was left out. */
ENG_MUST_CHECK job_code course_load(course *c, example_set *set, const char *field,
                                    const char *file, data_format format, eng_error *err);

/* Runs all epochs, from the newest checkpoint on if there is one; afterwards the network holds the
 * result. INSTRUCTD_E_STOPPED when it left because asked to. */
ENG_MUST_CHECK job_code course_run(course *c, eng_error *err);

#endif
