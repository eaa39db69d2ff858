/* The body of POST /v1/fine_tuning/jobs, from the options of `instruct train`. */
#ifndef CLI_TRAIN_REQUEST_H
#define CLI_TRAIN_REQUEST_H

#include "method.h"
#include "options.h"

/* The data files of a job: what the option names, and after the uploads the ids. */
typedef struct train_files {
    char *training, *validation, *prompts, *pretrain, *center; /* ids; owned, NULL = none */
} train_files;

void train_files_free(train_files *files);

/* What needs no server: that options are there and fit together. EXIT_USAGE says what is wrong. */
exit_code train_check_options(const options *o, problem *p);
/* What needs no upload: each --set, --preset and --gate against the method. */
exit_code train_check(const options *o, const method *m, problem *p);
/* The JSON text for the caller to free. o must have passed both checks. */
char *train_request(const options *o, const method *m, const train_files *files);

#endif
