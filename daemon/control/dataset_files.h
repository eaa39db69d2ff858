/* The files of a data set in the making: one a part, in our own format, which training jobs take.
 */
#ifndef DAEMON_CONTROL_DATASET_FILES_H
#define DAEMON_CONTROL_DATASET_FILES_H

#include "base/data_files.h"
#include "control/control.h"
#include "human/manifest.h"

typedef struct dataset_files {
    data_file_draft drafts[N_PARTS];
    manifest_file facts[N_PARTS];
    char ids[N_PARTS][40]; /* "file-...", "" until kept, or where a part has no rows */
} dataset_files;

/* Writes the rows that were kept to drafts. False with *err; drop them in any case. */
bool dataset_files_write(dataset_files *f, const control *c, const record_list *rows,
                         const build_counts *counts, api_error *err);
/* Gives those with rows their names and rows in the store: all or none. */
bool dataset_files_keep(dataset_files *f, const control *c, const char *name, dataset_kind kind,
                        const build_counts *counts, api_error *err);
/* Takes back what was kept: the data set could not be stored. */
void dataset_files_unkeep(dataset_files *f, const control *c);
void dataset_files_drop(dataset_files *f);

#endif
