/* /v1/fine_tuning: training jobs and the methods they can use. */
#ifndef DAEMON_CONTROL_JOBS_H
#define DAEMON_CONTROL_JOBS_H

#include "control/control.h"

control_fn control_job_create;      /* POST /v1/fine_tuning/jobs */
control_fn control_jobs_list;       /* GET  /v1/fine_tuning/jobs */
control_fn control_job_get;         /* GET  /v1/fine_tuning/jobs/{id} */
control_fn control_job_cancel;      /* POST .../cancel */
control_fn control_job_pause;       /* POST .../pause */
control_fn control_job_resume;      /* POST .../resume */
control_fn control_job_checkpoints; /* GET  .../checkpoints */
control_fn control_job_metrics;     /* GET  .../metrics?since= */
control_fn control_methods_list;    /* GET  /v1/fine_tuning/methods */

#endif
