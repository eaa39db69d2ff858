/* The publisher's state, shared by its files.
 *
 *   publisher.c   birth and end
 *   worker.c      the thread that does what takes long
 *   recover.c     the start: from what lies on disk to what serves
 *   residency.c   policies into memory: where they lie, room, loading, holds
 *   publish.c     weights to a policy
 *   moves.c       aliases
 *   collect.c     what disk need not keep, or is asked not to
 *   records.c     rows, events, and what the API tells
 *
 * Writing, verifying, loading and collecting happen on the worker alone (w), so one at a time.
 * Locks, in this order: moving (one alias move at a time), mutex (the fields marked m; never held
 * while anything blocks). */
#ifndef DAEMON_POLICY_STATE_H
#define DAEMON_POLICY_STATE_H

#include "policy/alias_file.h"
#include "policy/publish.h"
#include "policy/versions.h"
#include "policy/worker.h"

#include <pthread.h>

enum { PUBLISHER_ALIASES = 16, PUBLISHER_HOLDS = 256 };

typedef struct known_alias {
    alias_file file;
    uint64_t last_number; /* the highest ever given out, also to a move that failed */
} known_alias;

typedef struct hold {
    char id[POLICY_ID_CHARS + 1];
    uint32_t count;
} hold;

struct publisher {
    char *data_dir, *base_model, *base_alias, *code_rev;     /* (i) */
    eng_model_options base_options, published_options;       /* (i) */
    uint32_t max_resident;                                   /* (i) */
    uint64_t max_bytes;                                      /* (i) 0 = ask the system */
    policy_registry *registry;                               /* (i) these four are the caller's */
    store *store;                                            /* (i) or NULL */
    events *events;                                          /* (i) or NULL */
    metrics *metrics;                                        /* (i) or NULL */
    void (*moved)(void *arg, const char *alias, policy *to); /* (i) or NULL */
    void *moved_arg;                                         /* (i) */
    spare_time *spare;                                       /* (i) or NULL */
    versions *versions;                                      /* (i) */
    char base_id[POLICY_ID_CHARS + 1], base_digest[65];      /* (i) */
    char base_stage[POLICY_STAGE_BYTES];                     /* (i) */
    int64_t base_time;                                       /* (i) when its file was written */
    eng_model_facts base;                                    /* (i) as it is served */
    worker *worker;                                          /* (i) NULL during the start, whose
                                                                thread does everything itself */

    pthread_mutex_t moving, mutex;
    known_alias aliases[PUBLISHER_ALIASES]; /* (m) */
    size_t n_aliases;                       /* (m) */
    hold holds[PUBLISHER_HOLDS];            /* (m) */
    size_t n_holds;                         /* (m) */
    char doomed[POLICY_ID_CHARS + 1];       /* (m) being removed from disk, "" if none */
    bool warm;                              /* previous policies have been seen to [worker] */
};

/* ---- residency.c ---- */

/* Where an id lies. False: neither on disk nor the base model. */
bool publisher_locate(const publisher *p, const char *id, char path[VERSIONS_PATH_BYTES]);
/* For one more policy. */
typedef struct make_room {
    const char *alias;                /* whose it is; NULL: nobody's */
    const char *path;                 /* where it lies, or one of its shape */
    const eng_model_options *options; /* how it is packed, on how many threads */
    bool writes;                      /* it is made: checked against that one, and written, first */
} make_room;
/* Drops policies that nobody uses, waits for requests that hold others. [worker] PUBLISH_INVALID:
 * of another shape than what is served. */
publish_result publisher_make_room(publisher *p, const make_room *m, error_text *err);
/* A reference to the policy, loaded by the worker if it is not resident. A damaged one
 * moves to quarantine and is not found. */
publish_result publisher_bring_in(publisher *p, const char *id, const char *alias, policy **out,
                                  error_text *err);
/* Brings the policy in as a spare one, if nobody has to give way for it. [worker] */
void publisher_warm(publisher *p, const char *id, const char *alias);
/* False if the policy is held; else no hold on it can begin from now on. [worker] */
bool publisher_doom(publisher *p, const char *id);
void publisher_spare(publisher *p); /* takes the last doom back, or ends it [worker] */
/* Runs fn(arg) on the worker and waits for it. */
void publisher_run(publisher *p, void (*fn)(void *arg), void *arg);
publish_result publish_result_of(eng_status status);

/* ---- moves.c ---- */

/* The newest line of an alias and the one before it; false: there is no such alias. previous may be
 * NULL and is all zeros if there is none. */
bool publisher_lookup_alias(publisher *p, const char *name, alias_version *current,
                            alias_version *previous);
/* publisher_alias_takes, of a model. */
publish_result publisher_check_head(publisher *p, const char *alias, const eng_model *to,
                                    error_text *err);
/* After a restart: brings the previous policies of all aliases in, so that going back takes no
 * loading. [worker] */
void publisher_warm_previous(publisher *p);
/* Does any alias point at it now? */
bool publisher_is_current(publisher *p, const char *id);
/* Enters what was read from disk, without writing. [start] */
void publisher_enter_alias(publisher *p, const alias_file *f, uint64_t last_number);

/* ---- collect.c ---- */

/* Removes what the README's table lets go. [worker] */
void publisher_collect(publisher *p);

/* ---- records.c ---- */

/* A policy's row, and an event when its state changes. stage and job NULL: as they were. */
void publisher_note_state(publisher *p, const char *id, const char *stage, const char *state,
                          const char *job);
/* A move's row and, unless it is an old one told late, its event. */
void publisher_note_move(publisher *p, const char *alias, const alias_version *v,
                         const char *previous, const char *reason, bool late);

#endif
