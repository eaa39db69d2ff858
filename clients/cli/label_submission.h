/* A judgement that a script made: rankings, demonstrations and skips as JSON, the bodies that
 * POST /v1/labels/rankings, /demonstrations and /skips take. */
#ifndef CLI_LABEL_SUBMISSION_H
#define CLI_LABEL_SUBMISSION_H

#include "options.h"
#include "server.h"
#include "terminal.h"

/* Where the judgement belongs, by what it has (`groups`, `completion`, `reason`), or NULL. */
const char *label_submission_path(const cJSON *judgement);
/* Sends each judgement of a file ("-": standard input): one object, or one a line, in their order
 * up to the first that is refused. One without a submission_id is named by its content's digest, so
 * that the same file sent twice makes the same rows. Prints the id of each row. */
exit_code label_submission_send(server *s, const options *o, const char *path, terminal *out,
                                problem *p);

#endif
