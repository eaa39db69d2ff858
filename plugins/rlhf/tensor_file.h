/* Flat blocks of parameters as safetensors files, and a list of digests beside them.
 *
 * Threads: the job's one thread. */
#ifndef RLHF_TENSOR_FILE_H
#define RLHF_TENSOR_FILE_H

#include "base/sha256.h"
#include "rlhf/checkpoint.h"

/* Writes the parts, all of one file, below dir_fd and syncs; hex gets the file's SHA-256. */
ENG_MUST_CHECK job_code tensor_file_write(int dir_fd, const checkpoint_part *parts, size_t n,
                                          char hex[ENG_SHA256_HEX], eng_error *err);
/* Likewise bytes of any kind. */
ENG_MUST_CHECK job_code bytes_file_write(int dir_fd, const char *name, const void *bytes, size_t n,
                                         char hex[ENG_SHA256_HEX], eng_error *err);
/* Fills the parts, all of one file; names the tensor that is missing or of another size. */
ENG_MUST_CHECK job_code tensor_file_read(int dir_fd, const checkpoint_part *parts, size_t n,
                                         eng_error *err);

/* How many of parts[0..n) share the first one's file. */
size_t tensor_file_parts(const checkpoint_part *parts, size_t n);

#endif
