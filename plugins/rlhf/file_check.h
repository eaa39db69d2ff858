/* What an uploaded file is, before any job uses it. */
#ifndef RLHF_FILE_CHECK_H
#define RLHF_FILE_CHECK_H

#include "rlhf/dataset.h"

/* Reads all of fd; *format, *rows and *bad_line (0: none) as in instructd_file_report. Returns
 * INSTRUCTD_OK also for a file with a bad row (err tells why, without its line),
 * INSTRUCTD_E_UNSUPPORTED when it is empty or its first row is of no known format. [any] */
job_code file_check(int fd, data_format *format, uint64_t *rows, uint64_t *bad_line,
                    eng_error *err);

#endif
