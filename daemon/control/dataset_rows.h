/* Where the rows of a data set come from: the store, page by page, or a file of somebody's. */
#ifndef DAEMON_CONTROL_DATASET_ROWS_H
#define DAEMON_CONTROL_DATASET_ROWS_H

#include "control/control.h"
#include "human/formats.h"
#include "human/kind.h"
#include "store/store_human.h"

/* All rows of the store that may serve this kind, oldest first. The store gives none without
 * consent, none that were erased (*withheld counts both), and for training none of held-out
 * labelers. */
bool dataset_rows_of_store(const control *c, dataset_kind kind, record_list *rows, eng_arena *arena,
                           store_withheld *withheld, api_error *err);

/* Where a file's rows came from. */
typedef struct dataset_file_source {
    char sha256[65];
    record_format format; /* FORMAT_GUESS on the way in, what it was on the way out */
} dataset_file_source;

/* All rows of an uploaded file. 400 naming the first line that is wrong. */
bool dataset_rows_of_file(const control *c, const char *id, dataset_file_source *source,
                          record_list *rows, eng_arena *arena, api_error *err);

/* Is this a file of a format that jobs do not take, yet data sets are made from? fd is read from
 * its start. On true *format and *rows say what is in it. */
bool dataset_file_recognise(int fd, record_format *format, uint64_t *rows);

#endif
