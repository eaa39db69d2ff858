/* Epochs of optimizer steps over a set of items: what pretrain, supervised and reward_model share.
 *
 *   order -> a batch of items -> the method's gradient -> trainer_step      (a step)
 *   after each epoch -> the method's judge -> the best weights so far stay  (where it has one)
 *   checkpoints, stop and pause, metrics, progress                          (throughout)
 *
 * The method owns its data and says what a batch's gradient is; the course owns the network.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_COURSE_H
#define RLHF_COURSE_H

#include "rlhf/examples.h"
#include "rlhf/micro.h"
#include "rlhf/order.h"
#include "rlhf/report.h"
#include "rlhf/trainer.h"

#include <limits.h>

typedef struct course course;

typedef struct course_method {
    void *self;
    size_t n_items; /* of an epoch: examples, or groups */
    uint32_t per_batch;
    const example_set *const *sets; /* [n_sets] all data, for the job's identity */
    size_t n_sets;
    /* Adds the gradient of the batch's mean loss to the trainer's cleared block; puts its figures
     * into the row. *loss is the mean, *tokens how many were read. Asks host_go_on before each
     * micro-batch. */
    job_code (*gradient)(void *self, course *c, const uint32_t *items, uint32_t n, double *loss,
                         uint64_t *tokens, eng_error *err);
    /* Figures of the weights at an epoch's end, and *value by which epochs are compared (larger is
     * better). NULL: the last epoch's weights are the result. */
    job_code (*judge)(void *self, course *c, double *value, eng_error *err);
} course_method;

struct course {
    const job *job;
    token_limits limits;
    trainer trainer;
    eng_tape *tape; /* keeps gradients */
    micro micro;
    char dir[PATH_MAX]; /* of checkpoints */

    course_method method;
    order order;
    uint32_t *items; /* [per_batch] */
    uint64_t per_epoch, steps;
    report row;          /* of the current step */
    eng_dropout dropout; /* of the micro-batch that runs, until its backward is done */
    struct {
        uint64_t step, judged /* epochs */, tokens, has_best, best_step;
        double best;
    } state;
    uint64_t saved;  /* step of the newest checkpoint */
    double saved_at; /* monotonic seconds */
};

/* Opens the job's model for training, with this head. Freed with course_free, also after a refusal.
 */
ENG_MUST_CHECK job_code course_open(course *out, const job *j, eng_head head, eng_error *err);
void course_free(course *c);

/* Loads the job's file of this id into `set`, for this model; tells what was left out. */
ENG_MUST_CHECK job_code course_load(course *c, example_set *set, const char *field,
                                    const char *file, data_format format, eng_error *err);
/* Makes micro-batches and tape, for sequences (or groups of them) of at most `longest` tokens. */
ENG_MUST_CHECK job_code course_make_room(course *c, uint32_t longest, eng_error *err);

/* Runs all epochs, from the newest checkpoint on if there is one; afterwards the network holds the
 * result. INSTRUCTD_E_STOPPED when it left because asked to. `method` is copied. */
ENG_MUST_CHECK job_code course_run(course *c, const course_method *method, eng_error *err);

/* For gradients: runs the micro-batch forward, with the job's dropout. */
void course_forward(course *c);

#endif
