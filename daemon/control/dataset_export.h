/* A part of a data set as a file of some format: rows go through one at a time, to a draft that has
 * no name by the time it is sent. */
#ifndef DAEMON_CONTROL_DATASET_EXPORT_H
#define DAEMON_CONTROL_DATASET_EXPORT_H

#include "control/control.h"
#include "human/formats.h"

typedef struct dataset_export {
    const char *name; /* of the data set */
    const char *file; /* of the part; NULL: it has no rows */
    record_part part;
    record_format format;
} dataset_export;

/* Fills reply->file_fd and ->rows_left_out. */
bool dataset_export_run(const control *c, const dataset_export *what, control_reply *reply,
                        api_error *err);

#endif
