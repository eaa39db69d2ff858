/* The data files of one call: each path is uploaded once, messages name it as the person did, and
 * what no job came of is taken back. */
#ifndef CLI_SENT_FILES_H
#define CLI_SENT_FILES_H

#include "server.h"
#include "terminal.h"

enum { SENT_FILES_MAX = 5 };

typedef struct sent_file {
    const char *path, *option; /* borrowed from the options; the first that named it: "--file" */
    char *id;                  /* owned */
} sent_file;

typedef struct sent_files {
    server *server;      /* borrowed, as are the two below */
    terminal *out, *err; /* what was uploaded; a progress line */
    bool json;           /* out gets the server's objects */
    sent_file list[SENT_FILES_MAX];
    int len;
} sent_files;

/* The id behind the value of a file option: of a file of the server, or of one here that is
 * uploaded unless an option before it did that. *id is the caller's to free; a value of NULL leaves
 * it as it is. At most SENT_FILES_MAX values a call. */
exit_code sent_files_add(sent_files *f, const char *option, const char *value, char **id,
                         problem *p);
/* Puts "PATH (OPTION)" where the problem's text has the id of an uploaded file. */
void sent_files_name(const sent_files *f, problem *p);
/* Deletes the uploads from the server, as far as it lets go of them, and says so in the hint of a
 * problem that has none. */
void sent_files_take_back(const sent_files *f, problem *p);
void sent_files_free(sent_files *f);

#endif
