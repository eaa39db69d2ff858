/* What can be known of a job before it costs any compute: every file's every row, every model.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_CHECK_H
#define RLHF_CHECK_H

#include "rlhf/job.h"

/* Refuses with the file's line or the model's fault in err and the field's name in param[64]. */
ENG_MUST_CHECK job_code job_check(const job *job, char *param, eng_error *err);

#endif
