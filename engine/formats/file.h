/* A regular file open for reading at given offsets. It is read, never mapped: a mapped file that
 * somebody truncates would kill the process. */
#ifndef ENG_FORMATS_FILE_H
#define ENG_FORMATS_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eng__file {
    int fd;        /* -1 = closed */
    uint64_t size; /* when it was opened */
} eng__file;

/* dir_fd: as for openat (AT_FDCWD = the working directory). */
ENG_MUST_CHECK eng_status eng__file_open(eng__file *file, int dir_fd, const char *path,
                                         eng_error *err);
/* Takes the descriptor over, also on failure. */
ENG_MUST_CHECK eng_status eng__file_adopt(eng__file *file, int fd, eng_error *err);
void eng__file_close(eng__file *file);
/* Exactly n bytes at offset. [any thread] */
ENG_MUST_CHECK eng_status eng__file_read(const eng__file *file, uint64_t offset, void *dst,
                                         size_t n, eng_error *err);
/* The whole file, NUL-terminated, for the caller to free; ENG_FORMAT when it is longer than max. */
ENG_MUST_CHECK eng_status eng__file_slurp(int dir_fd, const char *path, size_t max, char **out,
                                          size_t *len, eng_error *err);
/* SHA-256 of all bytes as 64 hex digits. [any thread] */
ENG_MUST_CHECK eng_status eng__file_digest(const eng__file *file, char hex[65], eng_error *err);

/* All n bytes to a descriptor; false with errno set when it cannot. [any thread] */
ENG_MUST_CHECK bool eng__write_all(int fd, const void *data, size_t n);
/* fsync; false with errno set when it fails. [any thread] */
ENG_MUST_CHECK bool eng__file_sync(int fd);

#endif
