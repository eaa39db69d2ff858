/* The private directories of jobs, <data-dir>/jobs/<id>/ (0700): a plugin keeps its checkpoints
 * there until the job has ended. Ids are the host's own. [any thread that may wait] */
#ifndef DAEMON_HOST_JOB_DIRS_H
#define DAEMON_HOST_JOB_DIRS_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>

/* The directory's path; false with *err if it does not fit cap bytes or cannot be made. */
bool job_dir_make(const char *data_dir, const char *id, char *path, size_t cap, error_text *err);
/* Removes it with all it holds; what cannot be removed is logged. Nothing there: nothing. */
void job_dir_remove(const char *data_dir, const char *id);
/* Removes the directories of jobs that `wanted` does not know. */
void job_dirs_sweep(const char *data_dir, bool (*wanted)(void *arg, const char *id), void *arg);

#endif
