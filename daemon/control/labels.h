/* /v1/labels: tasks made and handed out, labels taken in, agreement. */
#ifndef DAEMON_CONTROL_LABELS_H
#define DAEMON_CONTROL_LABELS_H

#include "control/control.h"

control_fn control_tasks_create;         /* POST /v1/labels/tasks */
control_fn control_tasks_count;          /* GET /v1/labels/tasks */
control_fn control_task_next;            /* GET /v1/labels/tasks/next */
control_fn control_ranking_create;       /* POST /v1/labels/rankings */
control_fn control_demonstration_create; /* POST /v1/labels/demonstrations */
control_fn control_skip_create;          /* POST /v1/labels/skips */
control_fn control_own_labels;           /* GET /v1/labels */
control_fn control_agreement_get;        /* GET /v1/labels/agreement */
control_fn control_toxicity_get;         /* GET /v1/labels/toxicity */

#endif
