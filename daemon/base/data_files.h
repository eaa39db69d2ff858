/* What users upload, as it lies in the data directory: files/<id>, 0600, complete and synced, or
 * not there. A name never comes from a client: an id is [A-Za-z0-9_-]{1,64}, and links are not
 * followed. All functions wait for the disk. [any thread that may] */
#ifndef DAEMON_BASE_DATA_FILES_H
#define DAEMON_BASE_DATA_FILES_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>

bool data_file_id_valid(const char *id);

/* A descriptor open for reading, the caller's; -1 with *err. */
int data_file_open(const char *data_dir, const char *id, error_text *err);
/* False with *err when it is there and cannot be removed. */
bool data_file_remove(const char *data_dir, const char *id, error_text *err);

/* A file in the making. */
typedef struct data_file_draft {
    int fd; /* open for reading and writing; -1: none */
    int dir_fd;
    char name[40];
} data_file_draft;

/* False with *err: nothing was made. */
bool data_file_begin(data_file_draft *d, const char *data_dir, error_text *err);
/* Appends all bytes. */
bool data_file_write(data_file_draft *d, const void *bytes, size_t len, error_text *err);
/* Syncs it and gives it its name, durably; fd stays open. On failure it can only be dropped. */
bool data_file_keep(data_file_draft *d, const char *id, error_text *err);
/* Removes it unless it was kept, and closes its descriptors. A zeroed or dropped one: nothing. */
void data_file_drop(data_file_draft *d);

/* Removes drafts that a crash left, and the files that `wanted` does not know. */
void data_files_sweep(const char *data_dir, bool (*wanted)(void *arg, const char *id), void *arg);

#endif
