/* Small files of a person's own: nobody else may read them. */
#ifndef CLI_PRIVATE_FILE_H
#define CLI_PRIVATE_FILE_H

#include <stdbool.h>

/* Writes `content` to `path`, 0600, in place of what is there; a link is not followed. False: errno
 * says why, and the file may be cut short. */
bool private_file_write(const char *path, const char *content);

#endif
