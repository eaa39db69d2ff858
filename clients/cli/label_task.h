/* A label task as the server hands it out, and as a person reads it. */
#ifndef CLI_LABEL_TASK_H
#define CLI_LABEL_TASK_H

#include "label_ranking.h"
#include "problem.h"
#include "server.h"
#include "terminal.h"

#include <cjson/cJSON.h>

typedef struct label_task {
    cJSON *json; /* owned; the strings below are its */
    const char *id, *kind, *prompt, *criterion;
    int n; /* outputs; 0 for a demonstration */
    const char *output_ids[LABEL_OUTPUTS_MAX], *texts[LABEL_OUTPUTS_MAX];
} label_task;

/* Asks for the labeler's next task, or the one in hand: "rank", "eval" or "demo". With nothing to
 * do task->json is NULL, and that is EXIT_DONE. *raw, unless NULL, is the reply's text, to free. */
exit_code label_task_next(server *s, const char *kind, label_task *task, char **raw, problem *p);
/* Reads a task's JSON; takes it over in any case. EXIT_SERVER: it is no task that can be done. */
exit_code label_task_read(label_task *task, cJSON *json, problem *p);
void label_task_free(label_task *task);

/* A text of the task, each line behind a bar: what a model wrote cannot pass for our own words. */
void label_text_show(const char *s, terminal *to);
void label_prompt_show(const label_task *task, terminal *to);
void label_output_show(const label_task *task, int i, terminal *to);
/* Appends the beginning of a text on one harmless line, at most n bytes, and " ..." where there is
 * more. */
void label_excerpt(const char *s, size_t n, text *out);

#endif
