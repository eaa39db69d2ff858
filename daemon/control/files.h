/* /v1/files: what was uploaded, listed, given back, deleted. */
#ifndef DAEMON_CONTROL_FILES_H
#define DAEMON_CONTROL_FILES_H

#include "control/control.h"
#include "store/store.h"

control_fn control_files_list, control_file_get, control_file_content, control_file_delete;

/* Appends the file's object, {"id":"file-...","object":"file",...}. */
void file_object_write(const store_file *f, buf *out);
/* At the start: removes files that have no row. [main thread] */
void control_files_sweep(const control *c);

#endif
