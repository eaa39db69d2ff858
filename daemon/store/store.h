/* What must outlive the process, but for weights and files' bytes: one SQLite database, owned by
 * one thread, behind typed functions. Another database can stand behind this header.
 *
 * Every function posts to the store thread and waits for its answer; none may be called on the loop
 * or compute thread (asserted). A write has been synced when it returns, except where a line says
 * "queued": those are written together within a second, in order, before any later synced write.
 *
 * Rows own their strings: *_free releases what a get or list filled. Strings given to a function
 * are copied. Times are Unix seconds. */
#ifndef DAEMON_STORE_STORE_H
#define DAEMON_STORE_STORE_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct store store;

typedef enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,
    STORE_CONFLICT,   /* a state or id that does not allow it; nothing was changed */
    STORE_UNAVAILABLE /* input/output error, full disk, no memory: err says which */
} store_status;

/* Opens or makes the database (0600), migrates it, checks its integrity and starts the thread.
 * False with *err: not opened. [main thread, before the loop runs] */
bool store_open(store **out, const char *path, error_text *err);
void store_close(store *s); /* writes what is queued, joins the thread; NULL allowed */
/* Waits until everything queued so far is synced. */
store_status store_flush(store *s, error_text *err);

/* A page of a list: rows newest first, at most `limit`, those after the row `after` ("" = from the
 * start). An unknown `after` is STORE_NOT_FOUND. A list's *rows is a malloc'd array of *n (NULL if
 * there are none), the caller's; *more: further rows exist. */
typedef struct store_page {
    const char *after;
    uint32_t limit;
    bool oldest_first; /* files only */
} store_page;

/* ---- files ------------------------------------------------------------------------------------
 */

typedef struct store_file {
    char *id; /* "file-..." */
    char *filename, *purpose, *status /* "processed" | "error" */, *status_details /* or NULL */;
    char *format; /* found by a plugin, or NULL */
    char *sha256;
    uint64_t bytes, rows;
    int64_t created_at;
} store_file;

void store_file_free(store_file *f);
store_status store_file_insert(store *s, const store_file *f, error_text *err);
store_status store_file_get(store *s, const char *id, store_file *out, error_text *err);
store_status store_file_list(store *s, store_page page, store_file **rows, size_t *n, bool *more,
                             error_text *err);
/* STORE_CONFLICT while a job that has not ended names it. */
store_status store_file_delete(store *s, const char *id, error_text *err);

/* ---- jobs -------------------------------------------------------------------------------------
 */

#define STORE_JOB_STATUS_MAP(X)                                                                    \
    X(VALIDATING, "validating_files")                                                              \
    X(QUEUED, "queued")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(PAUSED, "paused")                                                                            \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")

typedef enum store_job_status {
#define STORE__ENUM(name, text) STORE_JOB_##name,
    STORE_JOB_STATUS_MAP(STORE__ENUM)
#undef STORE__ENUM
} store_job_status;

const char *store_job_status_text(store_job_status status); /* [any] */

/* Bits 1 << store_job_status, as the masks below take them. */
#define STORE_JOB_BIT(status) (1u << (status))
#define STORE_JOB_LIVE                                                                             \
    (STORE_JOB_BIT(STORE_JOB_VALIDATING) | STORE_JOB_BIT(STORE_JOB_QUEUED) |                       \
     STORE_JOB_BIT(STORE_JOB_RUNNING) | STORE_JOB_BIT(STORE_JOB_PAUSED))

typedef struct store_job {
    char *id; /* "ftjob-..." */
    store_job_status status;
    bool started; /* run was entered once: a restart resumes it */
    bool pause_requested, cancel_requested;
    char *method;       /* "ppo" */
    char *model;        /* as the user wrote it */
    char *model_policy; /* resolved at creation: pol_... */
    char *training_file, *validation_file /* or NULL */;
    char *method_json; /* the method's object, normalised: every default filled in */
    char *publish_json /* or NULL */, *suffix /* or NULL */, *metadata_json /* or NULL */;
    uint64_t seed;
    char *fine_tuned_model;                         /* or NULL */
    char *error_code, *error_message, *error_param; /* or NULL */
    uint64_t trained_tokens, progress_done, progress_total;
    int64_t created_at, finished_at /* 0 = not yet */;
    const char *actor; /* who asked for it, for the audit: given on insert, never read */
} store_job;

void store_job_free(store_job *j);
store_status store_job_insert(store *s, const store_job *j, error_text *err);
store_status store_job_get(store *s, const char *id, store_job *out, error_text *err);
/* status_mask: bits 1 << store_job_status; 0 = all. */
store_status store_job_list(store *s, store_page page, unsigned status_mask, store_job **rows,
                            size_t *n, bool *more, error_text *err);
/* The oldest job whose status is in the mask, or STORE_NOT_FOUND. */
store_status store_job_oldest(store *s, unsigned status_mask, store_job *out, error_text *err);
/* Moves the job to `to` if its status is in from_mask, else STORE_CONFLICT. The error strings and
 * fine_tuned_model of `change` are stored with it (NULL = leave; `change` itself may be NULL).
 * Reaching an end state sets finished_at and clears both requests; PAUSED clears pause_requested,
 * which it fulfils; RUNNING sets started. */
store_status store_job_move(store *s, const char *id, unsigned from_mask, store_job_status to,
                            const store_job *change, error_text *err);
/* Sets pause_requested and, only ever to true, cancel_requested if the status is in from_mask, else
 * STORE_CONFLICT. */
store_status store_job_request(store *s, const char *id, unsigned from_mask, bool pause,
                               bool cancel, error_text *err);
store_status store_job_result(store *s, const char *id, const char *fine_tuned_model,
                              error_text *err);
/* Queued. */
store_status store_job_progress(store *s, const char *id, uint64_t done, uint64_t total,
                                uint64_t trained_tokens, error_text *err);

/* A policy that the job needs on disk, beside its model_policy, until it ends (the rows go with the
 * move to an end state) or lets it go. Putting one that is there and dropping one that is not is
 * STORE_OK. */
store_status store_need_put(store *s, const char *job, const char *policy, error_text *err);
store_status store_need_drop(store *s, const char *job, const char *policy, error_text *err);
typedef struct store_need {
    char policy[65];
} store_need;
/* *needs is a malloc'd array of *n, the caller's; NULL if there are none. */
store_status store_need_list(store *s, const char *job, store_need **needs, size_t *n,
                             error_text *err);

/* ---- what a job tells -------------------------------------------------------------------------
 */

typedef struct store_event {
    char *id;     /* "ftevent-..." */
    uint64_t seq; /* of its job, from 1 */
    int64_t created_at;
    char *level, *type, *message, *data_json /* or NULL */;
} store_event;

void store_event_free(store_event *e);
/* Queued; gives the event its id and seq at once (out may be NULL). STORE_NOT_FOUND: no such job.
 */
store_status store_event_append(store *s, const char *job, const char *level, const char *type,
                                const char *message, const char *data_json, store_event *out,
                                error_text *err);
/* Newest first, as OpenAI's list does. */
store_status store_event_list(store *s, const char *job, store_page page, store_event **rows,
                              size_t *n, bool *more, error_text *err);
/* Oldest first, those with seq > since: for streams. No such job: an empty list, as above. */
store_status store_event_since(store *s, const char *job, uint64_t since, uint32_t limit,
                               store_event **rows, size_t *n, error_text *err);

typedef struct store_metric {
    const char *name;
    double value; /* NaN = null */
} store_metric;

/* Queued. A step that comes again replaces its row and all later ones (a resume). */
store_status store_metrics_put(store *s, const char *job, uint64_t step, const store_metric *values,
                               size_t n, error_text *err);
typedef struct store_metrics_row {
    uint64_t step;
    char *values_json; /* {"loss":1.25,...} */
} store_metrics_row;
/* Steps > since, ascending, at most limit. Free the array's strings, then the array. */
store_status store_metrics_since(store *s, const char *job, uint64_t since, uint32_t limit,
                                 store_metrics_row **rows, size_t *n, error_text *err);

typedef struct store_checkpoint {
    char *id; /* "ftckpt-..." */
    char *job, *policy, *metrics_json;
    uint64_t step;
    int64_t created_at;
} store_checkpoint;

void store_checkpoint_free(store_checkpoint *c);
store_status store_checkpoint_insert(store *s, const store_checkpoint *c, error_text *err);
store_status store_checkpoint_list(store *s, const char *job, store_page page,
                                   store_checkpoint **rows, size_t *n, bool *more, error_text *err);

/* ---- policies and aliases: the audit beside the versions directory ----------------------------
 */

/* What the directory of a policy cannot say (its manifest holds no clock and no state). */
typedef struct store_policy {
    char *id, *stage, *state /* "validated", "active", "retired", "quarantined", "removed" */;
    char *job; /* that made it, or NULL */
    int64_t created_at;
} store_policy;

void store_policy_free(store_policy *p);
store_status store_policy_put(store *s, const store_policy *p,
                              error_text *err); /* insert or replace */
store_status store_policy_get(store *s, const char *id, store_policy *out, error_text *err);

/* What a policy is to the jobs. */
typedef struct store_policy_use {
    char job[65];   /* that has not ended and needs it: its model, a name in its method's object, or
                       a need; "" if none */
    bool result;    /* some job's fine_tuned_model */
    bool making;    /* the job that made it has not ended */
    uint64_t newer; /* later policies of the same job that never served */
} store_policy_use;
store_status store_policy_uses(store *s, const char *id, store_policy_use *out, error_text *err);

typedef struct store_move {
    char *alias, *policy, *previous /* or NULL */, *in_flight /* "pin" | "recompute" */;
    char *reason /* or NULL */, *updated_by;
    uint64_t version;
    int64_t updated_at;
} store_move;

void store_move_free(store_move *m);
/* A version that is there already is replaced: a restart adds what a crash left out. */
store_status store_move_put(store *s, const store_move *m, error_text *err);
/* Newest first; page.after is a version in decimal. */
store_status store_move_list(store *s, const char *alias, store_page page, store_move **rows,
                             size_t *n, bool *more, error_text *err);

/* ---- audit ------------------------------------------------------------------------------------
 */

/* What was done, by whom, to what: alias.moved ("alias/version/policy"), job.created, tasks.made
 * (the first of a batch), dataset.built, consent.share and consent.decline ("notice-1"),
 * data.deleted. A row is written in the transaction of the act, and rows are only ever added: the
 * database refuses other changes, and hash = SHA-256(prev || the row as compact JSON, {"seq","at",
 * "actor","event","object"} in this order) in hex tells of those made past it. prev is the hash of
 * the row before, 64 zeros for the first. */
typedef struct store_audit {
    uint64_t seq; /* from 1, without gaps */
    int64_t at;
    char *actor, *event, *object, *prev, *hash;
} store_audit;

void store_audit_free(store_audit *a);
/* Newest first; page.after is a seq in decimal. */
store_status store_audit_list(store *s, store_page page, store_audit **rows, size_t *n, bool *more,
                              error_text *err);

typedef struct store_audit_state {
    uint64_t rows;   /* that were read */
    uint64_t broken; /* seq of the first one that does not follow from those before; 0: all do */
    char hash[65];   /* of the last that does: whoever kept it elsewhere can tell a cut end */
} store_audit_state;

/* Reads the whole chain. */
store_status store_audit_check(store *s, store_audit_state *out, error_text *err);

#endif
