/* aliases/<name>: what an alias points at and pointed at before, one version a line, newest first:
 *
 *   7 pol_0123456789abcdef published pin 1767225600 admin 1f0c4e2a
 *
 * version, policy, where it lies (base: the configured model), in_flight, Unix seconds, by whom,
 * and the CRC-32C of all before it in hex. A line that a bit error took leaves the ones below it.
 * The file holds the last ALIAS_VERSIONS policies, each once, and is replaced whole, never written
 * to.
 *
 * Threads: one at a time. */
#ifndef DAEMON_POLICY_ALIAS_FILE_H
#define DAEMON_POLICY_ALIAS_FILE_H

#include "base/error_text.h"
#include "base/limits.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ALIAS_VERSIONS = 3, ALIAS_BY_BYTES = LIMIT_NAME_BYTES + 1 };

typedef struct alias_version {
    uint64_t number; /* >= 1; grows with each move */
    char policy[POLICY_ID_CHARS + 1];
    bool base;      /* the model that the daemon was started with, not a published directory */
    bool recompute; /* in_flight */
    int64_t at;     /* Unix seconds */
    char by[ALIAS_BY_BYTES];
} alias_version;

typedef struct alias_file {
    char name[LIMIT_NAME_BYTES + 1];
    alias_version list[ALIAS_VERSIONS]; /* newest first */
    size_t n;
    bool lost; /* the newest line does not parse, or its CRC does not agree */
} alias_file;

/* Puts a version in front; the policy's older line, or the last line of a full file, falls out.
 * `fallen` (POLICY_ID_CHARS + 1 bytes) is the policy that no line names any more, "" if none. */
void alias_file_push(alias_file *f, const alias_version *v, char *fallen);

/* Text of the file; cap >= ALIAS_FILE_BYTES. Returns its length. */
enum { ALIAS_FILE_BYTES = ALIAS_VERSIONS * 256 };
size_t alias_file_format(const alias_file *f, char *out, size_t cap);
/* Fills list, n and lost; a damaged line is left out. */
void alias_file_parse(alias_file *f, const char *text, size_t len);

/* Reads <dir>/<name>. False: it cannot be read (*err says why). */
bool alias_file_read(int dir_fd, const char *name, alias_file *out, error_text *err);
/* Step 7 of a publish (policy/README.md): as file_replace. */
bool alias_file_write(int dir_fd, const alias_file *f, error_text *err);

#endif
