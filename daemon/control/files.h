/* /v1/files: what was uploaded, listed, given back, deleted. */
#ifndef DAEMON_CONTROL_FILES_H
#define DAEMON_CONTROL_FILES_H

#include "base/data_files.h"
#include "control/control.h"
#include "store/store.h"

control_fn control_files_list, control_file_get, control_file_content, control_file_delete;

/* Appends the file's object, {"id":"file-...","object":"file",...}. */
void file_object_write(buf *out, const store_file *f);
/* 503, and the reason in the log: the disk could not be written. */
bool control_disk_fail(api_error *err, const error_text *why);
/* Gives a draft its name and row, both or neither. The draft is still to be dropped. */
bool control_file_keep(const control *c, data_file_draft *draft, const store_file *f,
                       api_error *err);
/* At the start: removes files that have no row. [main thread] */
void control_files_sweep(const control *c);

#endif
