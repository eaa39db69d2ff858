/* Policies and aliases as JSON. Pure functions. */
#ifndef DAEMON_API_POLICIES_H
#define DAEMON_API_POLICIES_H

#include "api/error.h"
#include "base/buf.h"
#include "policy/publish.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The policy's object; lineage, digests and metrics come from its manifest. False: the manifest
 * does not parse, or memory is out. */
bool api_policy_write(buf *out, const policy_record *r, api_error *err);

/* One file of a policy. */
typedef struct api_policy_file {
    char name[128], sha256[65];
    uint64_t bytes;
} api_policy_file;
/* {"name","bytes","sha256"}, a row of a list. */
void api_policy_file_write(buf *out, const api_policy_file *f);
/* The files that a manifest lists, at most cap. False as above. */
bool api_policy_files(const char *manifest, api_policy_file *out, size_t cap, size_t *n,
                      api_error *err);

void api_alias_write(buf *out, const alias_state *a); /* the alias's object */
/* A row of an alias's history. */
void api_move_write(buf *out, const store_move *m);

/* A body that moves an alias. Strings are the caller's to free with api_move_free. */
typedef struct api_move {
    char *policy; /* NULL: not given */
    char *reason; /* NULL: not given */
    bool has_in_flight, recompute;
} api_move;
/* PUT: {"policy","in_flight","reason"}, policy required. */
bool api_alias_put_read(api_move *out, const char *body, size_t len, api_error *err);
/* Rollback: {"to","reason"}, or no body at all. */
bool api_rollback_read(api_move *out, const char *body, size_t len, api_error *err);
void api_move_free(api_move *m);

/* If-Match and If-None-Match of a PUT to an expected version of publish_move; 428 without either,
 * 400 for what is neither "N" nor *. */
bool api_expected_version(const char *if_match, const char *if_none_match, int64_t *out,
                          api_error *err);
/* False, with the error of a result other than PUBLISH_OK. param: the field that named the policy,
 * or NULL. */
bool api_publish_fail(api_error *err, publish_result result, const char *param,
                      const error_text *why);

#endif
