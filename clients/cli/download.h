/* A file of the server's into a directory of ours. */
#ifndef CLI_DOWNLOAD_H
#define CLI_DOWNLOAD_H

#include "progress.h"
#include "server.h"

typedef struct download {
    const char *path;   /* "/v1/policies/pol_…/files/config.json" */
    const char *name;   /* the file to make; must not exist */
    uint64_t bytes;     /* as the server listed it */
    const char *sha256; /* 64 hex digits, likewise */
} download;

/* Writes the file as it arrives and compares size and digest; a file that differs is EXIT_CUT and
 * removed, one that cannot be written EXIT_SERVER. Draws `bar`. */
exit_code download_file(server *s, const download *d, int dir_fd, progress_line *bar, problem *p);

#endif
