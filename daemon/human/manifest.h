/* What a data set is and how it came about, as JSON: what it was made from, by which numbers, what
 * each stage took away, and the digests of its files. Without clock or names, so that the same rows
 * and parameters give the same bytes; a data set is called by their digest. Pure. */
#ifndef DAEMON_HUMAN_MANIFEST_H
#define DAEMON_HUMAN_MANIFEST_H

#include "base/buf.h"
#include "human/build.h"
#include "store/store_human.h"

typedef struct manifest_file {
    uint64_t bytes;
    char sha256[65]; /* "": the part has no rows and no file */
} manifest_file;

typedef struct manifest {
    const build_parameters *parameters;
    const build_counts *counts;
    store_withheld withheld;   /* by consent and tombstones, before the build; a file's: nothing */
    const char *source_sha256; /* of the file that was imported; NULL: the store's rows */
    const char *source_format; /* of that file */
    manifest_file files[N_PARTS];
} manifest;

enum { DATASET_ID_BYTES = 20 }; /* "ds_", 16 hex digits, NUL */

const char *record_part_text(record_part part); /* "train" */
void manifest_parameters_write(buf *out, const build_parameters *p);
void manifest_write(buf *out, const manifest *m);
/* "ds_" and the first 16 hex digits of the manifest's SHA-256. */
void manifest_id(char out[DATASET_ID_BYTES], const buf *written);

#endif
