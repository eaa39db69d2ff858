/* Policies and the names people use for them.
 *
 * A policy is immutable: a model with its id, `pol_` + the first 16 hex digits of its digest. An
 * alias is the only mutable thing: a name that points at a policy. A request resolves its name once
 * and holds a reference until its last token, so a policy is freed by the last one out.
 *
 * Threads: every function may be called by any thread; the registry's mutex guards its pointers,
 * and references are taken under it. */
#ifndef DAEMON_POLICY_POLICY_H
#define DAEMON_POLICY_POLICY_H

#include "engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_ID_CHARS = 20 }; /* "pol_" + 16 hex */

typedef struct policy policy;
typedef struct policy_registry policy_registry;

/* ---- a policy ---- */
policy *policy_ref(policy *p);
void policy_unref(policy *p);              /* NULL allowed */
const char *policy_id(const policy *p);    /* "pol_0123456789abcdef" */
const char *policy_hex(const policy *p);   /* the 16 digits alone */
eng_model *policy_model(const policy *p);  /* lives as long as the policy */
const char *policy_stage(const policy *p); /* "pretrained", "sft", ... */
int64_t policy_created(const policy *p);   /* Unix seconds */

/* ---- the registry ---- */
policy_registry *policy_registry_create(void); /* NULL when memory is out */
void policy_registry_free(policy_registry *r);

/* Loads a model file or directory and, on success, makes it a resident policy and points `alias`
 * (created if needed) at it; the first alias ever set is the default one. Blocks while the weights
 * are read and packed. */
ENG_MUST_CHECK eng_status policy_registry_load(policy_registry *r, const char *alias,
                                               const char *path, const eng_model_options *options,
                                               eng_error *err);

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
bool policy_registry_ready(policy_registry *r); /* is the default alias set? */

#endif
