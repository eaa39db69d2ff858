/* From weights to a policy that serves: the one way in for new weights, crash-safe.
 *
 *   weights -> gates, likeness -> .tmp-* directory -> verify -> load a private copy -> canary ->
 *   rename to pol_<hex16> -> alias file -> registry -> store row
 *
 * On disk, under <data-dir>: versions.h. Whatever call a crash comes at, a restart finds the old
 * policy or the new one, never a mix; an acknowledged move survives.
 *
 * Threads: every function may block for seconds (disk, packing); none runs on the loop or compute
 * thread. Heavy work is done one at a time, on a thread that gives way to serving; a move to a
 * policy that is resident waits for no publish. */
#ifndef DAEMON_POLICY_PUBLISH_H
#define DAEMON_POLICY_PUBLISH_H

#include "base/error_text.h"
#include "base/metrics.h"
#include "base/spare_time.h"
#include "host/events.h"
#include "policy/policy.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct publisher publisher;

typedef struct publisher_options {
    const char *data_dir;
    const char *base_model;        /* the configured model: serves when no version does */
    const char *base_alias;        /* its alias, the default one */
    bool reset_alias;              /* point it at the base model, whatever was published */
    eng_model_options base;        /* how it is packed */
    eng_serve_type published_type; /* how published policies are packed; ENG_SERVE_AS_FILE: f32 if
                                      the base serves as f32, else q8_0 */
    uint32_t max_resident;         /* policies of one alias in memory; 0 = 3 */
    uint64_t max_bytes;            /* of all resident policies; 0 = what the system has free */
    const char *code_rev;          /* for lineages */
    spare_time *spare;             /* what the worker does it does then; outlives the publisher;
                                      NULL: at any time */
    /* Told of each move of an alias whose in_flight is "recompute", in the order of moves; must not
     * wait or call back. May be NULL. [any thread] */
    void (*moved)(void *arg, const char *alias, policy *to);
    void *moved_arg;
} publisher_options;

/* Makes the directories, sweeps .tmp-*, verifies what the alias files name, quarantines what is
 * broken, loads the policies that serve and fills the registry; adds missing audit rows. Blocks
 * while weights are read. ENG_INVALID when the alias serves a published policy of another shape
 * than the base model's. rows, bus and counters may be NULL: nothing is told then; all outlive
 * the publisher. [loader thread] */
ENG_MUST_CHECK eng_status publisher_open(publisher **out, const publisher_options *options,
                                         policy_registry *registry, store *rows, events *bus,
                                         metrics *counters, eng_error *err);
void publisher_free(publisher *p); /* NULL allowed */

/* One tensor by canonical name, n floats in the base policy's layout. */
typedef eng_weight publish_tensor;

typedef struct publish_weights {
    const char *base_policy; /* id: config, tokenizer, template */
    const publish_tensor *tensors;
    uint32_t n_tensors;
} publish_weights;

/* A bound that a job set, and what was measured for it (NaN: nothing). */
typedef struct publish_gate {
    const char *name;       /* "min_rm_delta", "max_kl_ref", "max_lm_loss_rise", "max_seconds" */
    double bound, measured; /* min_*: measured >= bound; max_*: measured <= bound */
} publish_gate;

typedef struct publish_request {
    publish_weights weights;
    const char *stage;                                         /* "sft", "rm", "ppo", ... */
    const char *alias;                                         /* NULL: register only */
    const char *parent, *job, *reward_model, *job_spec_sha256; /* or NULL */
    const char *const *datasets;                               /* [n_datasets] digests */
    size_t n_datasets;
    double kl_coef, ptx_coef; /* NaN: none */
    uint64_t seed;
    const publish_gate *gates;
    size_t n_gates;
    const publish_gate *metrics; /* for the manifest: name and measured alone */
    size_t n_metrics;
    const char *actor, *reason; /* for the audit; reason may be NULL */
} publish_request;

typedef enum publish_result {
    PUBLISH_OK,
    PUBLISH_REFUSED,     /* not finite, a canary or a gate said no; err says which; nothing moved */
    PUBLISH_INVALID,     /* the weights do not fit the base policy */
    PUBLISH_NO_MEMORY,   /* would not fit; nothing moved */
    PUBLISH_UNAVAILABLE, /* disk: nothing moved */
    PUBLISH_NOT_FOUND,   /* no such policy or alias */
    PUBLISH_STALE,       /* expected_version is not the alias's */
    PUBLISH_EXISTS,      /* create only, and it is there */
    PUBLISH_IN_USE,      /* publisher_remove alone: err says by what */
    PUBLISH_FULL,        /* publisher_hold alone: as many are held as may be */
    PUBLISH_LATER        /* publish_move.at_once alone: the policy would have to be loaded */
} publish_result;

/* All steps of a publish (policy/README.md). id receives the policy's id also when it
 * existed before. */
publish_result publisher_publish(publisher *p, const publish_request *request,
                                 char id[POLICY_ID_CHARS + 1], error_text *err);

enum { PUBLISH_ANY_VERSION = -1, PUBLISH_CREATE = -2 };
typedef struct publish_move {
    const char *alias, *policy; /* policy NULL: the previous one (rollback) */
    int64_t expected_version;   /* or PUBLISH_ANY_VERSION, PUBLISH_CREATE */
    bool recompute;             /* in_flight */
    bool keep_in_flight;        /* leave in_flight as it is */
    bool at_once;               /* rather not than wait for the worker; nothing is done then */
    const char *actor, *reason;
} publish_move;

typedef struct alias_state {
    char name[65], policy[POLICY_ID_CHARS + 1], previous[POLICY_ID_CHARS + 1], updated_by[65];
    uint64_t version;
    bool recompute;
    int64_t updated_at;
} alias_state;

/* Moves an alias; returns once durable and in the registry. */
publish_result publisher_move(publisher *p, const publish_move *move, alias_state *out,
                              error_text *err);
bool publisher_alias(publisher *p, const char *name, alias_state *out);
/* May the alias come to name a model that scores, or, with `scores` false, one that writes? A name
 * keeps its kind and a new one takes either, but for `reward`: it begins as one for scores, and may
 * become one. */
bool publisher_alias_takes(publisher *p, const char *name, bool scores);
size_t publisher_aliases(publisher *p, alias_state *out, size_t cap);

/* Makes weights samplable without disk or alias: a resident policy that only its id finds, until
 * publisher_unload. For a job's rollouts. */
publish_result publisher_load_raw(publisher *p, const publish_weights *weights,
                                  char id[POLICY_ID_CHARS + 1], error_text *err);
void publisher_unload(publisher *p, const char *id);

/* Loads a policy of the disk into the registry if it is not resident (a pin, a reward model). */
publish_result publisher_ensure(publisher *p, const char *id, error_text *err);

/* Where a policy lies (directory or GGUF file), and a hold that keeps it on disk until released.
 * PUBLISH_FULL: err tells how many are held. */
publish_result publisher_hold(publisher *p, const char *id, char *path, size_t cap,
                              error_text *err);
void publisher_release(publisher *p, const char *id);
/* A job has ended or let something go: what disk need not keep any more goes, soon. Does not wait.
 */
void publisher_tidy(publisher *p);

/* Removes a policy from disk, and from memory if nobody uses it: a job's result that is wanted no
 * more. PUBLISH_IN_USE: it serves, is what a rollback goes to, is needed by a job or held, requests
 * run on it, or it is the base model. */
publish_result publisher_remove(publisher *p, const char *id, const char *actor, error_text *err);

/* ---- what there is ---- */

typedef struct policy_record {
    char id[POLICY_ID_CHARS + 1], stage[POLICY_STAGE_BYTES], state[16];
    char job[65];       /* that made it, "" if none */
    int64_t created_at; /* Unix seconds */
    bool resident;
    bool base;       /* the configured model */
    char digest[65]; /* of the base model's file or listing; "" otherwise: the manifest tells */
    char dtype[16];  /* of the base model as it is served; "" otherwise */
    uint64_t bytes;  /* of the base model's file; 0 otherwise */
    char *manifest;  /* manifest.json, NUL-terminated, or NULL if there is none */
} policy_record;
void policy_record_free(policy_record *r);

/* PUBLISH_NOT_FOUND: neither on disk nor the base model. */
publish_result publisher_record(publisher *p, const char *id, policy_record *out, error_text *err);
/* Ids and times of all policies, newest first; *ids is the caller's to free. False: memory is out.
 */
typedef struct policy_listing {
    char id[POLICY_ID_CHARS + 1];
    int64_t created_at;
} policy_listing;
bool publisher_list(publisher *p, policy_listing **list, size_t *n);

#endif
