/* The versions directory: immutable policies, and the aliases that name them, as they lie on disk.
 *
 *   <data-dir>/policies/pol_<hex16>/   a checkpoint directory; its name is its manifest's digest
 *   <data-dir>/policies/.tmp-<hex16>/  being written or being removed; swept at the start
 *   <data-dir>/aliases/<name>          see alias_file.h
 *   <data-dir>/quarantine/             what did not verify, for a person to look at
 *
 * A directory is complete and synced before it gets its name, and loses its name before its files
 * are removed, so a name never stands for half a policy.
 *
 * Threads: names are made and moved by one thread at a time (the publisher's locks); reading paths
 * and lists by any. */
#ifndef DAEMON_POLICY_VERSIONS_H
#define DAEMON_POLICY_VERSIONS_H

#include "base/error_text.h"
#include "policy/alias_file.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VERSIONS_PATH_BYTES = 1200, VERSIONS_MAX = 4096 /* policies on disk */ };

typedef struct versions versions;

/* Makes what is missing and sweeps what a crash left half done. */
bool versions_open(versions **out, const char *data_dir, error_text *err);
void versions_free(versions *v); /* NULL allowed */

/* ---- policies ---- */

/* The path of a directory that does not exist yet, for a policy to be written in. */
void versions_draft(const versions *v, char path[VERSIONS_PATH_BYTES]);
typedef enum versions_commit_result {
    VERSIONS_COMMITTED,
    VERSIONS_EXISTS, /* a policy of this id is there; the draft is still one */
    VERSIONS_FAILED  /* *err; the draft may have the name or not: discard both */
} versions_commit_result;
/* Step 6 of a publish (policy/README.md): the draft, whose files are synced, gets its name, and
 * policies/ is synced. */
versions_commit_result versions_commit(versions *v, const char *draft, const char *id,
                                       error_text *err);
void versions_discard(versions *v, const char *draft);
/* False: there is no such policy. */
bool versions_path(const versions *v, const char *id, char path[VERSIONS_PATH_BYTES]);
/* Seconds when the directory got its name, roughly; 0: there is none. */
int64_t versions_time(const versions *v, const char *id);
/* Ids of all policies on disk, at most cap of them, in no order. */
size_t versions_list(const versions *v, char (*ids)[POLICY_ID_CHARS + 1], size_t cap);
bool versions_remove(versions *v, const char *id, error_text *err);
bool versions_quarantine(versions *v, const char *id, error_text *err);

/* ---- aliases ---- */

/* All alias files, at most cap; those that cannot be read at all, or hold no line, come with n 0
 * and are in quarantine. */
size_t versions_aliases(versions *v, alias_file *out, size_t cap);
bool versions_write_alias(versions *v, const alias_file *f, error_text *err);
void versions_remove_alias(versions *v, const char *name); /* of which nobody has been told */

#endif
