/* Label tasks as JSON: making a batch of them, and handing one out. Pure functions. */
#ifndef DAEMON_API_LABEL_TASKS_H
#define DAEMON_API_LABEL_TASKS_H

#include "api/error.h"
#include "base/buf.h"
#include "base/limits.h"
#include "bridge/gen_request.h"
#include "store/store_human.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* POST /v1/labels/tasks. Strings are the tree's.
 *
 *   {"kind":"rank","source":"captured","policies":["instruct"],"k":4,"overlap":1,
 *    "overlap_sample":{"share":0.1,"n":3},"gold":false,"max_tokens":256,"limit":1000,
 *    "criterion_mode":"helpfulness_first"}
 *
 * criterion_mode: of demo and rank tasks helpfulness_first, of eval tasks truthful_harmless_first
 * or toxicity; the first of these where it is left out. */
typedef struct api_task_batch {
    cJSON *tree;
    const char *kind;      /* "demo", "rank", "eval" */
    const char *criterion; /* "general", "toxicity" */
    const char *source;    /* "captured", or a file's id */
    const char *policies[LIMIT_LABEL_POLICIES];
    size_t n_policies;
    int64_t k;           /* outputs of a task; 0 for demo */
    int64_t overlap;     /* labelers of a task */
    double sample_share; /* of the tasks get sample_n labelers instead */
    int64_t sample_n;
    bool gold;
    int64_t max_tokens; /* of an output that is drawn */
    int64_t limit;      /* tasks made at most */
} api_task_batch;

bool api_task_batch_read(api_task_batch *out, const char *body, size_t len, api_error *err);
void api_task_batch_free(api_task_batch *b);

/* One line of a file as a task's prompt and, if it brings them, outputs: {"prompt"} or
 * {"messages"}, and {"outputs":[{"text","policy"?}]}; other members are left out. Fills form,
 * prompt and outputs (without ids) of *out with malloc'd strings. False: *err, and nothing. */
bool api_task_line_read(store_task *out, const char *line, size_t len, api_error *err);

/* Appends ,"prompt":"…" as a person reads it and ,"messages":[…]|null. form: of the stored text. */
bool api_task_prompt_write(buf *out, const char *form, const char *prompt, api_error *err);

/* What a labeler gets. order: of the outputs. Whose they are is not told. */
bool api_task_write(buf *out, const store_task *t, const uint32_t *order, int64_t expires_at,
                    api_error *err);

/* The prompt of a task as its model reads it, in out->tokens, malloc'd also on failure. */
bool api_task_tokens(gen_prompt *out, const eng_tokenizer *tok, const store_task *t,
                     api_error *err);

/* {"object":"label.tasks","counts":[{"kind","state","n"}]} */
void api_task_counts_write(buf *out, const store_task_count *rows, size_t n);

#endif
