/* One network in training: its parameters, gradient, moments, and the end of each optimizer step.
 *
 *   trainer_clear -> micro-batches add to grads -> trainer_step
 *
 * Policy and value network have one each; each has its own guard and clips its own gradient.
 *
 * Threads: the job's one thread, unless marked [any]. */
#ifndef RLHF_TRAINER_H
#define RLHF_TRAINER_H

#include "rlhf/guard.h"
#include "rlhf/job.h"
#include "rlhf/micro.h"
#include "train/net.h"
#include "train/optimizer.h"
#include "train/train.h"

typedef struct trainer {
    eng_net *net;         /* owned */
    size_t n;             /* floats of each block */
    float *grads, *m, *v; /* [n] */
    const eng_parallel *parallel;
    eng_adamw adam;
    double max_grad_norm;
    uint64_t t; /* Adam steps taken */
    guard guard;
} trainer;

/* Takes the network over, also on failure. Freed with trainer_free, also after a refusal. */
ENG_MUST_CHECK job_code trainer_init(trainer *out, eng_net *net, const job *j, eng_error *err);
void trainer_free(trainer *t); /* a zeroed trainer is allowed */

void trainer_clear(trainer *t); /* gradient to zero */

/* Language modelling: the micro-batch's forward has just run on the tape. Adds slope times the
 * gradient of its rows' log-probs to the trainer's block and returns the sum of the log-probs,
 * which are left in logprobs [m->n_rows]. */
double trainer_add_text(trainer *t, eng_tape *tape, const micro *m, float slope, float *logprobs);

typedef struct trainer_outcome {
    bool taken;       /* else the step was skipped and the parameters are as before */
    double grad_norm; /* before clipping */
    char why[128];    /* not taken: what was bad, with its bound */
} trainer_outcome;

/* One step of AdamW on the gradient, clipped to max_grad_norm, if the guard lets it pass.
 * INSTRUCTD_E_NOT_FINITE when it gives up; `what` names the network in err; `batch`: see guard. */
ENG_MUST_CHECK job_code trainer_step(trainer *t, const char *what, uint64_t batch, double loss,
                                     double lr, trainer_outcome *out, eng_error *err);

/* A tape for nets of this shape, of the job's threads: one that keeps activations, or layer inputs
 * alone where those would need more than TAPE_BYTES. */
#define TAPE_BYTES ((size_t)3 << 30)
/* May nets of these configs share a tape? The layout of rotary positions counts too. [any] */
bool tape_suits(const eng_config *a, const eng_config *b);
ENG_MUST_CHECK job_code tape_open(eng_tape **out, const eng_config *shape, uint32_t max_tokens,
                                  bool gradients, eng_compute compute, const eng_parallel *parallel,
                                  eng_error *err);
/* What every tape of the job computes with: equal weights must give equal bits in all its passes.
 */
static inline eng_compute job_compute(const job *j)
{
    return j->numbers.bf16 ? ENG_COMPUTE_BF16 : ENG_COMPUTE_F32;
}

#endif
