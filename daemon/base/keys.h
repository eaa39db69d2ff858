/* API keys: who a request is and what it may do.
 *
 * The first start writes two keys in clear (0600), so that their owner can read them:
 *
 *   <data-dir>/admin.key   everything
 *   <data-dir>/page.key    what the pages of a browser on this machine need: playground, label:*,
 *                          train; role researcher
 *
 * Further keys come from a text file with one key a line,
 *
 *   NAME SCOPES SHA256 [user=USER] [role=ROLE]
 *   anna label:demo,label:rank 9f86d081884c7d659a2feaa0c55ad015... role=trainer
 *
 * where SHA256 is the digest of the whole key (printf %s "$KEY" | sha256sum) and # starts a
 * comment. Keys of one person name the same USER; without it a key is a person of its NAME. ROLE is
 * user, trainer, heldout or researcher; without it the scopes tell: researcher with train or admin,
 * heldout with label:eval, trainer with another label scope, else user. In memory there are digests
 * only, compared in constant time with every entry. Immutable after creation: any thread. */
#ifndef DAEMON_BASE_KEYS_H
#define DAEMON_BASE_KEYS_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum key_scope {
    KEY_INFER = 1,
    KEY_PLAYGROUND = 2, /* opens the infer routes too */
    KEY_LABEL_DEMO = 4,
    KEY_LABEL_RANK = 8,
    KEY_LABEL_EVAL = 16,
    KEY_TRAIN = 32,
    KEY_ADMIN = 64,                                               /* everything */
    KEY_LABEL = KEY_LABEL_DEMO | KEY_LABEL_RANK | KEY_LABEL_EVAL, /* label:* */
    KEY_ANY = 127
} key_scope;

/* What a person is to the human side: whose labels may train, whose must not. */
typedef enum key_role {
    KEY_ROLE_USER,
    KEY_ROLE_TRAINER,   /* labels for training */
    KEY_ROLE_HELDOUT,   /* evaluates; no row of theirs is ever trained on */
    KEY_ROLE_RESEARCHER /* makes tasks, and the references that others are compared with */
} key_role;

typedef struct key_info {
    int index;      /* 0..keys_count-1; -1 for a request without a key */
    char name[65];  /* [A-Za-z0-9_-]; for the log */
    unsigned scope; /* key_scope bits */
    char user[65];  /* who holds it, likewise; "" without a key */
    key_role role;
    uint64_t tenant; /* salt of the prefix cache: differs between keys, never 0 */
} key_info;

typedef enum key_match {
    KEY_NONE,    /* no value, or one without the prefix sk-inst- */
    KEY_UNKNOWN, /* has the prefix, matches nothing */
    KEY_FOUND
} key_match;

typedef struct keys keys;

/* Reads or creates data_dir/admin.key and page.key, then reads key_file (NULL: none). NULL with
 * *err naming the file and line otherwise. */
keys *keys_open(const char *data_dir, const char *key_file, error_text *err);
void keys_free(keys *k);
size_t keys_count(const keys *k);

/* *out is the key's info, or on KEY_NONE and KEY_UNKNOWN the keyless one (scope 0, tenant 1). */
key_match keys_find(const keys *k, const char *value, size_t len, key_info *out);

/* "infer,label:*" -> bits; false when a name is not a scope. */
bool key_scopes_parse(const char *text, unsigned *out);
/* Does a holder of these bits pass a gate that asks for `wanted`? KEY_ANY asks for any one. */
bool key_scope_allows(unsigned held, unsigned wanted);
/* The names of the bits, one by one: NULL after the last. `at` starts at 0. */
const char *key_scope_next(unsigned bits, size_t *at);
const char *key_role_text(key_role role);
/* Is what this key asks for somebody's use of the Playground, and not API traffic? It holds
 * playground and neither infer nor admin. */
bool key_is_playground(const key_info *key);

#endif
