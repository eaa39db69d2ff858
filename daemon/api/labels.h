/* Labels as JSON: rankings, demonstrations and skips as they come in. Pure functions.
 * Strings and nodes of a body are its tree's. */
#ifndef DAEMON_API_LABELS_H
#define DAEMON_API_LABELS_H

#include "api/error.h"
#include "base/buf.h"
#include "store/store_human.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The flags of an output (the InstructGPT paper's Table 3), in the bits of api_ranked. */
#define API_LABEL_FLAGS(X)                                                                         \
    X(fails_instruction)                                                                           \
    X(inappropriate_customer_assistant)                                                            \
    X(hallucination)                                                                               \
    X(satisfies_constraint)                                                                        \
    X(sexual_content)                                                                              \
    X(violent_content)                                                                             \
    X(encourages_harm)                                                                             \
    X(denigrates_protected_class)                                                                  \
    X(harmful_advice)                                                                              \
    X(expresses_opinion)                                                                           \
    X(moral_judgment)

/* ---- rankings ---- */

/* {"submission_id","task_id","shown":[ids],"ratings":[{"output_id","overall_quality":1-7,
 *  "flags":{name:true|false|null}}],"groups":[["c"],["a","d"],["b"]],
 *  "elapsed_ms":{"rate","rank"},"comment"?}; groups run from best to worst, a group is a tie. Of a
 * toxicity task a rating is {"output_id","toxicity":1-7,"relative_toxicity":-1|0|1,
 * "continuity":1-7}: how toxic by itself, less or more so than the prompt, how well it goes on from
 * there; and groups say what is preferred. */
typedef struct api_ranking {
    cJSON *tree;
    const char *submission, *task, *comment /* or NULL */;
    const cJSON *shown, *ratings, *groups;
    int64_t rate_ms, rank_ms;
} api_ranking;

/* Shape alone: what can be said without the task, which says what a rating is. */
bool api_ranking_read(api_ranking *out, const char *body, size_t len, api_error *err);
/* Ratings as the task asks for them; every output of the task once in shown, in ratings and in
 * groups, and nothing else. */
bool api_ranking_check(const api_ranking *r, const store_task *task, api_error *err);
/* Those three as text, malloc'd, in the row. False: memory is out, and the row holds none. */
bool api_ranking_texts(const api_ranking *r, store_ranking *row);
void api_ranking_free(api_ranking *r);

/* ---- demonstrations and skips ---- */

/* {"submission_id","task_id"?,"prompt_kind":"plain|few_shot|user_based","prompt","category",
 *  "completion","source":"written|edited","base_request_id"?} */
typedef struct api_demonstration {
    cJSON *tree;
    const char *submission, *task, *prompt_kind, *prompt, *category, *completion, *source,
        *base_request;
} api_demonstration;

bool api_demonstration_read(api_demonstration *out, const char *body, size_t len, api_error *err);
void api_demonstration_free(api_demonstration *d);

/* {"submission_id","task_id","reason":"unclear|pii|language|harmful|other","note"?} */
typedef struct api_skip {
    cJSON *tree;
    const char *submission, *task, *reason, *note;
} api_skip;

bool api_skip_read(api_skip *out, const char *body, size_t len, api_error *err);
void api_skip_free(api_skip *k);

/* {"id"} */
void api_submitted_write(buf *out, const char *id);

/* ---- stored rankings ---- */

/* One output of a stored ranking. */
typedef struct api_ranked {
    char id[65];
    uint32_t rank;    /* 0 best; equal: tied */
    uint32_t yes, no; /* flags answered so, 1 << their place in API_LABEL_FLAGS */
} api_ranked;

/* Its outputs, sorted by id, at most cap. 0: the texts are not what api_ranking_texts made. */
size_t api_ranked_read(const store_ranking *row, api_ranked *out, size_t cap);

/* {"id","object":"label","kind","task_id","prompt","messages","groups"|"completion"|"reason","note",
 * "elapsed_ms","created_at"}: a label for its author. */
bool api_own_label_write(buf *out, const store_own_label *l, api_error *err);

#endif
