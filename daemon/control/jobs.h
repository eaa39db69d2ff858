/* /v1/fine_tuning: training jobs and the methods they can use (API.md 7). */
#ifndef DAEMON_CONTROL_JOBS_H
#define DAEMON_CONTROL_JOBS_H

#include "control/control.h"

control_fn control_methods_list; /* GET /v1/fine_tuning/methods */

#endif
