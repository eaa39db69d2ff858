/* Policies and the names people use for them.
 *
 * A policy is immutable: a model with its id, `pol_` + the first 16 hex digits of its digest. An
 * alias is the only mutable thing: a name that points at a policy. A request resolves its name once
 * and holds a reference until its last token, so a policy is freed by the last one out.
 *
 * Threads: every function may be called by any thread; the registry's mutex guards its pointers,
 * and references are taken under it. Memory of policies is given back by the registry's own thread:
 * whoever drops the last reference never waits for it. */
#ifndef DAEMON_POLICY_POLICY_H
#define DAEMON_POLICY_POLICY_H

#include "base/buf.h"
#include "engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_ID_CHARS = 20, POLICY_STAGE_BYTES = 16 }; /* "pol_" + 16 hex */

typedef struct policy policy;
typedef struct policy_registry policy_registry;

/* ---- a policy ---- */

/* Takes the model's reference over, also on failure. id NULL: from the model's digest. NULL when
 * memory is out. */
policy *policy_create(eng_model *model, const char *id, const char *stage, int64_t created);
policy *policy_ref(policy *p);
void policy_unref(policy *p);              /* NULL allowed */
const char *policy_id(const policy *p);    /* "pol_0123456789abcdef" */
const char *policy_hex(const policy *p);   /* the 16 digits alone */
eng_model *policy_model(const policy *p);  /* lives as long as the policy */
const char *policy_stage(const policy *p); /* "pretrained", "sft", ... */
int64_t policy_created(const policy *p);   /* Unix seconds */
void policy_count_request(policy *p);      /* for policy_requests_total */

bool policy_id_valid(const char *s); /* "pol_" and 16 lower-case hex digits, to the end */

/* ---- the registry: names ---- */
policy_registry *policy_registry_create(void); /* NULL when memory or threads are out */
/* Waits until all memory is given back, but for policies that someone still holds. */
void policy_registry_free(policy_registry *r);

typedef enum policy_lookup {
    POLICY_FOUND,
    POLICY_NOT_READY,   /* nothing is loaded yet: 503 not_ready */
    POLICY_NO_MODEL,    /* 404 model_not_found */
    POLICY_NOT_RESIDENT /* a well-formed pol_ id that is not in memory: 404 policy_not_resident */
} policy_lookup;

/* Resolves "alias", "alias@pol_<hex16>", "pol_<hex16>" or NULL (the default alias). On POLICY_FOUND
 * *out is a reference for the caller, and label (LIMIT_NAME_BYTES + 1 + POLICY_ID_CHARS + 1 bytes)
 * gets what a reply's "model" shows: "alias@pol_<hex16>", or "pol_<hex16>" alone. */
policy_lookup policy_resolve(policy_registry *r, const char *name, policy **out, char label[96]);

typedef struct policy_alias_view {
    char name[65];
    policy *policy; /* a reference; the caller unrefs */
} policy_alias_view;
/* Fills at most cap aliases in order of creation and returns how many there are. */
size_t policy_registry_aliases(policy_registry *r, policy_alias_view *out, size_t cap);
/* Do requests that name it (NULL: the default alias) move with it? True for an alias alone, without
 * a policy behind an @, that was told so. */
bool policy_registry_follows(policy_registry *r, const char *name);
void policy_registry_set_follows(policy_registry *r, const char *alias, bool follows);

/* Points an alias (created if needed; the first ever set is the default one) at p, which becomes
 * resident. `previous` (NULL: none) stays resident for a way back, until its room is needed.
 * ENG_FULL past the most aliases or resident policies there may be; nothing changed then. */
ENG_MUST_CHECK eng_status policy_registry_point(policy_registry *r, const char *alias, policy *p,
                                                policy *previous, eng_error *err);
/* policy_create of a model file or directory, then policy_registry_point: a model with a name and
 * without versions, for tests and tools. Blocks while the weights are read and packed. */
ENG_MUST_CHECK eng_status policy_registry_load(policy_registry *r, const char *alias,
                                               const char *path, const eng_model_options *options,
                                               eng_error *err);

/* ---- the registry: memory ---- */

typedef enum policy_keep {
    POLICY_SPARE, /* resident though nobody uses it, until its room is needed; two at most */
    POLICY_HELD   /* until policy_registry_release */
} policy_keep;

/* Makes p resident beside the aliases; an id that is resident already keeps its policy. False when
 * there are too many. */
bool policy_registry_add(policy_registry *r, policy *p, policy_keep keep);
void policy_registry_release(policy_registry *r, const char *id); /* of POLICY_HELD */
/* A reference to the resident policy of this id, or NULL. */
policy *policy_registry_find(policy_registry *r, const char *id);

typedef struct policy_room {
    size_t bytes;    /* of all policies, those being given back included */
    size_t n_of;     /* policies that were once the given alias's and are still in memory */
    uint64_t change; /* moves on whenever memory is given back */
} policy_room;
policy_room policy_registry_room(policy_registry *r, const char *alias);
/* Drops one policy that no request holds and no alias points at: a spare one, oldest first, then an
 * alias's previous one. False when there is none. */
bool policy_registry_evict(policy_registry *r);
/* Drops this one, if it is resident. False: a request holds it, an alias points at it, or it is
 * POLICY_HELD. */
bool policy_registry_drop(policy_registry *r, const char *id);
/* Waits until `change` has moved on or ms have passed. */
void policy_registry_wait(policy_registry *r, uint64_t change, uint32_t ms);

/* policy_info and policy_requests_total in Prometheus' format. */
void policy_registry_metrics(policy_registry *r, buf *out);

#endif
