/* One upload: the pieces of a form's body -> a file of the data directory and its row. Used by one
 * thread at a time, which may wait for the disk; net/upload hands it to a worker piece by piece. */
#ifndef DAEMON_CONTROL_FILE_UPLOAD_H
#define DAEMON_CONTROL_FILE_UPLOAD_H

#include "control/control.h"

typedef struct file_upload file_upload;

/* content_type: the request's. NULL with *err: 415, 400 or 503. Touches no disk. [any thread] */
file_upload *file_upload_begin(const control *c, const char *content_type, api_error *err);
/* The next bytes of the body. False with *err: 400, 413 or 503; only file_upload_free may follow.
 */
bool file_upload_feed(file_upload *u, const char *bytes, size_t len, api_error *err);
/* The body is complete: syncs the file, has the plugins look at it, writes its row, and the file's
 * object to the reply. False with *err, likewise. */
bool file_upload_finish(file_upload *u, control_reply *reply, api_error *err);
/* Removes what was written, unless it was finished. NULL allowed. */
void file_upload_free(file_upload *u);

#endif
