/* What a job's names of models stand for. An alias may move while a job runs, by the job's own
 * publishes to begin with: reference and reward model are what the names meant when the job began,
 * however often it is stopped and resumed.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_MODELS_H
#define RLHF_MODELS_H

#include "rlhf/job.h"

/* Puts policy ids in place of the job's reference and reward model (an endpoint stays as it is):
 * those noted in the job's directory when the job is resumed, else what the host says now, which is
 * noted there. The ids live as long as the job. */
ENG_MUST_CHECK job_code models_fix(job *j, eng_error *err);

#endif
