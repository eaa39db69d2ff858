/* What people gave: consent, prompts, votes, labels; and the tasks that ask for labels. The same
 * database and rules as store.h: functions wait for the store thread, rows own their strings.
 *
 * Whose text may be kept and used is decided here, inside the transaction that writes or reads it:
 *
 *   a prompt is inserted only while its user's choice is "share" for the notice in force;
 *   tasks and data sets see prompts of people who share, as things stand when they look;
 *   erasing a person overwrites their text in the file and its log, and leaves rows without text,
 *   so that what was made from them can be told (erased_at).
 *
 * No text of API traffic comes near these functions. */
#ifndef DAEMON_STORE_STORE_HUMAN_H
#define DAEMON_STORE_STORE_HUMAN_H

#include "store/store.h"

/* ---- people -----------------------------------------------------------------------------------
 */

typedef struct store_consent {
    uint32_t notice; /* the version that was answered */
    bool share;      /* else "decline" */
    int64_t decided_at;
} store_consent;

/* STORE_NOT_FOUND: this person was never asked. */
store_status store_consent_get(store *s, const char *user, store_consent *out, error_text *err);
store_status store_consent_put(store *s, const char *user, const store_consent *c, error_text *err);

/* How many rows lost their text. */
typedef struct store_erasure {
    uint64_t prompts, tasks /* drawn from those prompts */, demonstrations, rankings, skips, votes;
    uint64_t datasets; /* that became stale */
} store_erasure;

/* Erases what this person typed, labelled and voted, and what was drawn from their prompts. When it
 * returns, neither the database nor its log nor a copy from before a migration holds the text. */
store_status store_person_erase(store *s, const char *user, store_erasure *out, error_text *err);

/* ---- requests of the Playground: what a vote can refer to -------------------------------------
 */

enum { STORE_REQUEST_KEPT_S = 24 * 3600 };

typedef struct store_request {
    char *user, *id;      /* of the person's key; x-request-id */
    char *policy, *model; /* "pol_...", "instruct@pol_..." */
    int64_t created_at;
} store_request;

void store_request_free(store_request *r);
/* Posted: returns at once and may be called on the loop. Applied before whatever is asked of the
 * store later, synced as queued writes are. The strings, malloc'd, become the store's, whatever
 * the answer. False: memory is out or too much waits, and the row is lost. An id that the person
 * has used already keeps its first row. */
bool store_request_post(store *s, store_request *r);
/* STORE_NOT_FOUND: not this person's, or older than STORE_REQUEST_KEPT_S. */
store_status store_request_get(store *s, const char *user, const char *id, store_request *out,
                               error_text *err);

/* ---- captured prompts -------------------------------------------------------------------------
 */

typedef struct store_prompt {
    char *id; /* "prompt-..." */
    char *user;
    char *form;   /* "text" or "messages": what `prompt` is, a text or a JSON array of messages */
    char *prompt; /* never NULL */
    char *output, *policy, *request;
    uint32_t notice; /* the version under which it was given */
    int64_t created_at;
    uint64_t row; /* grows with every insert; given by the store */
} store_prompt;

void store_prompt_free(store_prompt *p);
/* Posted, as store_request_post; nothing is written unless the user's choice for p->notice is to
 * share when it is applied. */
bool store_prompt_post(store *s, store_prompt *p);

/* ---- votes ------------------------------------------------------------------------------------
 */

typedef struct store_vote {
    char *id; /* "vote-..." */
    char *user;
    char *left_request, *right_request;                          /* ids of store_request */
    char *left_policy, *right_policy, *left_model, *right_model; /* filled in by the insert */
    char *vote;                                                  /* "a", "b", "tie", "both_bad" */
    char *shown_left;                                            /* "a" or "b" */
    bool blind;
    int64_t created_at;
} store_vote;

void store_vote_free(store_vote *v);
/* Resolves both requests and stores the vote, all strings of which are the caller's; *out gets
 * copies of everything. STORE_NOT_FOUND: a request is not this person's or too old, and *missing
 * says which ("left", "right"). STORE_CONFLICT: there is a vote on these two already. */
store_status store_vote_insert(store *s, const store_vote *v, store_vote *out, const char **missing,
                               error_text *err);

/* ---- label tasks ------------------------------------------------------------------------------
 */

typedef struct store_output {
    char *id;     /* "out-...": random, so that it tells nothing of the policy */
    char *policy; /* or a name that a file gave */
    char *text;
} store_output;

typedef enum store_task_state {
    STORE_TASK_SAMPLING, /* its outputs are not there yet */
    STORE_TASK_OPEN,
    STORE_TASK_DONE,  /* as many labels as were asked for */
    STORE_TASK_FAILED /* its outputs could not be drawn */
} store_task_state;

typedef struct store_task {
    char *id;            /* "task-..." */
    char *kind;          /* "demo", "rank", "eval" */
    char *criterion;     /* "general", or of an eval task "toxicity": what is asked of outputs */
    char *prompt_id;     /* of a captured prompt, or NULL */
    char *file;          /* "file-..." it was read from, or NULL */
    char *owner;         /* who typed the prompt; "" for a file's */
    char *form, *prompt; /* as in store_prompt */
    char *policies;      /* "pol_... pol_...", to draw outputs from in turn; "" for none */
    char *created_by;
    store_task_state state;
    uint32_t k;          /* outputs; 0 for demo */
    uint32_t max_tokens; /* of an output that is drawn */
    uint32_t overlap;    /* labelers asked for */
    bool gold;           /* every labeler gets it, once a researcher has labelled it */
    uint32_t guideline;
    uint64_t seed; /* of the draws */
    int64_t created_at;
    uint64_t row;          /* given by the store */
    store_output *outputs; /* [n_outputs], malloc'd */
    size_t n_outputs;
} store_task;

void store_task_free(store_task *t);

/* Prompts that are no task of this kind and criterion yet (or a failed one), oldest first, of
 * people who share; for a new batch. */
store_status store_prompts_without_task(store *s, const char *kind, const char *criterion,
                                        uint32_t limit, store_prompt **rows, size_t *n,
                                        error_text *err);
/* All or none. Tasks that carry outputs are open, others are to be sampled (but for demo, which
 * needs none). */
store_status store_tasks_insert(store *s, const store_task *tasks, size_t n, error_text *err);
store_status store_task_get(store *s, const char *id, store_task *out, error_text *err);
/* The oldest task that waits for its outputs, or STORE_NOT_FOUND. */
store_status store_task_to_sample(store *s, store_task *out, error_text *err);
/* Its outputs are there: it is open from now on. STORE_CONFLICT unless it is waiting for them. */
store_status store_task_sampled(store *s, const char *id, const store_output *outputs, size_t n,
                                error_text *err);
/* They never will be. */
store_status store_task_failed(store *s, const char *id, error_text *err);

typedef struct store_task_count {
    char *kind;
    store_task_state state;
    uint64_t n;
} store_task_count;
/* How many tasks of each kind and state there are; *rows is the caller's, with its kinds. */
store_status store_task_counts(store *s, store_task_count **rows, size_t *n, error_text *err);

/* ---- handing tasks out ------------------------------------------------------------------------
 */

enum { STORE_LEASE_S = 30 * 60 };

typedef struct store_labeler {
    const char *user, *role; /* key_role_text */
    bool reference;          /* a researcher: their labels of gold tasks are what others meet */
} store_labeler;

/* The labeler's next task of this kind, leased for STORE_LEASE_S from `now`: the oldest one that
 * they hold already, else the oldest that still wants labelers. `after` (a task's id or ""): one
 * that they hold and want another one beside. One in ten tasks is a gold one while there are any.
 * STORE_NOT_FOUND: nothing to do. */
store_status store_task_lease(store *s, const char *kind, const store_labeler *who,
                              const char *after, int64_t now, store_task *out, int64_t *expires_at,
                              error_text *err);

/* ---- labels -----------------------------------------------------------------------------------
 */

/* Texts are JSON as it was checked by the caller, where the name says so. Strings or NULL. */
typedef struct store_ranking {
    char *id;         /* "ranking-..." */
    char *submission; /* the client's, for telling a repetition */
    char *labeler, *role;
    char *task, *kind; /* kind: filled in on reading, and from the task on writing */
    char *shown_json, *ratings_json, *groups_json;
    char *comment; /* or NULL */
    uint64_t rate_ms, rank_ms;
    uint32_t guideline; /* the task's, filled in, as are these: */
    bool gold;
    char *criterion;
    int64_t created_at;
    uint64_t row;
} store_ranking;

typedef struct store_demonstration {
    char *id; /* "demo-..." */
    char *submission, *labeler, *role;
    char *task;        /* or NULL */
    char *prompt_kind; /* "plain", "few_shot", "user_based" */
    char *prompt, *category, *completion;
    char *source;       /* "written", "edited" */
    char *base_request; /* or NULL */
    uint32_t guideline;
    int64_t created_at;
    uint64_t row;
} store_demonstration;

typedef struct store_skip {
    char *id; /* "skip-..." */
    char *submission, *labeler, *role, *task, *reason;
    char *note; /* or NULL */
    int64_t created_at;
} store_skip;

void store_ranking_free(store_ranking *r);
void store_demonstration_free(store_demonstration *d);

typedef struct store_submitted {
    char id[40];   /* of the row: new, or of the first submission with this name */
    bool repeated; /* it had been there already; nothing was changed */
} store_submitted;

/* Each stores one row for good: once it returns STORE_OK the label survives anything. A submission
 * that this labeler made before is STORE_OK and `repeated`. STORE_NOT_FOUND: no such task, or it
 * was never handed to this labeler. STORE_CONFLICT: they have labelled or skipped it already. A
 * task that has its labels still takes one from whoever held it. */
store_status store_ranking_insert(store *s, const store_ranking *r, store_submitted *out,
                                  error_text *err);
store_status store_demonstration_insert(store *s, const store_demonstration *d,
                                        store_submitted *out, error_text *err);
store_status store_skip_insert(store *s, const store_skip *k, store_submitted *out,
                               error_text *err);

/* Rankings of tasks that two or more people ranked, by task, then by age: for agreement. Rows
 * beyond (task_row, row) in that order; begin with 0, 0. */
typedef struct store_shared_ranking {
    store_ranking ranking;
    uint64_t task_row;
} store_shared_ranking;
store_status store_rankings_shared(store *s, uint64_t after_task_row, uint64_t after_row,
                                   uint32_t limit, store_shared_ranking **rows, size_t *n,
                                   error_text *err);

/* A label as its author sees it; erased ones are gone. Strings or NULL. */
typedef struct store_own_label {
    char *id, *kind; /* "rank", "eval", "demo", "skip" */
    char *task;      /* or NULL */
    char *form;      /* of the prompt: "text", "messages" */
    char *prompt;    /* "" once its author has taken it back */
    char *content;   /* a ranking's groups as JSON, a demonstration's completion, a skip's reason */
    char *note;      /* a ranking's comment, a skip's note; or NULL */
    uint64_t elapsed_ms; /* of a ranking's two steps */
    int64_t created_at;
} store_own_label;

void store_own_label_free(store_own_label *l);
/* The labeler's labels and skips, as store_page says; another's id in `after` is STORE_NOT_FOUND.
 */
store_status store_own_labels(store *s, const char *labeler, store_page page,
                              store_own_label **rows, size_t *n, bool *more, error_text *err);

/* ---- where data sets come from ----------------------------------------------------------------
 *
 * Each gives rows beyond `after` (0 at first), oldest first, without erased ones and without those
 * that rest on a prompt whose owner does not share now. What is for training and what is for
 * evaluation are different functions over different rows: none of the training ones can give a row
 * whose role is heldout. */

store_status store_train_prompts(store *s, uint64_t after, uint32_t limit, store_prompt **rows,
                                 size_t *n, error_text *err);
store_status store_train_demonstrations(store *s, uint64_t after, uint32_t limit,
                                        store_demonstration **rows, size_t *n, error_text *err);
/* Of rank tasks that are not gold, by anybody but held-out labelers. The task comes with
 * store_task_get. */
store_status store_train_rankings(store *s, uint64_t after, uint32_t limit, store_ranking **rows,
                                  size_t *n, error_text *err);
/* Of eval tasks of this criterion, by held-out labelers alone. */
store_status store_heldout_rankings(store *s, const char *criterion, uint64_t after, uint32_t limit,
                                    store_ranking **rows, size_t *n, error_text *err);

/* What each of these sources keeps back. */
typedef struct store_withheld {
    uint64_t declined; /* its owner does not share now */
    uint64_t erased;   /* its text is gone */
} store_withheld;

store_status store_train_prompts_withheld(store *s, store_withheld *out, error_text *err);
store_status store_train_demonstrations_withheld(store *s, store_withheld *out, error_text *err);
store_status store_train_rankings_withheld(store *s, store_withheld *out, error_text *err);
store_status store_heldout_rankings_withheld(store *s, const char *criterion, store_withheld *out,
                                             error_text *err);

typedef struct store_dataset {
    char *id; /* "ds_..." */
    char *name, *kind, *parameters_json, *manifest_json;
    char *train_file, *valid_file, *test_file; /* "file-...", or NULL */
    char *created_by;
    bool stale; /* somebody in it has had their text erased since */
    int64_t created_at;
} store_dataset;

void store_dataset_free(store_dataset *d);
/* rows: the ids of the prompts, demonstrations or rankings in it. STORE_CONFLICT: the id is there
 * already. */
store_status store_dataset_insert(store *s, const store_dataset *d, const char *const *rows,
                                  size_t n, error_text *err);
store_status store_dataset_get(store *s, const char *id, store_dataset *out, error_text *err);
store_status store_dataset_list(store *s, store_page page, store_dataset **rows, size_t *n,
                                bool *more, error_text *err);

#endif
