/* The methods, each from a checked job to its result.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_METHODS_H
#define RLHF_METHODS_H

#include "rlhf/job.h"

/* Language modelling on text: a small model from scratch, or more of the same for a larger one. */
ENG_MUST_CHECK job_code pretrain_run(const job *j, eng_error *err);
/* Demonstrations; the loss is on answers alone. Preset rl_init: the start and reference of PPO. */
ENG_MUST_CHECK job_code supervised_run(const job *j, eng_error *err);
/* Rankings; the head is a score. */
ENG_MUST_CHECK job_code reward_model_run(const job *j, eng_error *err);
/* Rewards: Ouyang et al. 2022, eq. 2, with ptx_coef 0 or not. */
ENG_MUST_CHECK job_code ppo_run(const job *j, eng_error *err);

#endif
