/* The metrics of a job, {"columns":{"step":[…],"loss":[…]}}, as rows. */
#ifndef CLI_METRICS_TABLE_H
#define CLI_METRICS_TABLE_H

#include "problem.h"
#include "terminal.h"

#include <cjson/cJSON.h>

/* One row a step; columns without a single number are left out, a null is "-". The headings are
 * printed for a pipe too. */
exit_code metrics_table_print(const cJSON *metrics, terminal *out, problem *p);

#endif
