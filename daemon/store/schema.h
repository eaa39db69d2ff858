/* Opening the database for this process alone, each commit synced and nothing in the file trusted
 * (store/README.md, "Start"), and bringing its tables up to what this build expects. Store
 * thread. */
#ifndef DAEMON_STORE_SCHEMA_H
#define DAEMON_STORE_SCHEMA_H

#include "base/error_text.h"
#include "store/statement.h"

/* steps[i] is a script that takes a database of version i to i + 1 (PRAGMA user_version). */
typedef struct schema {
    const char *const *steps;
    int n_steps;
} schema;

extern const schema schema_current;

/* Opens or makes the file (0600), refuses one that is damaged, newer than `to` or held by another
 * process, saves a copy beside it (<path>.v<version>) before an older one is changed, and migrates
 * it. False with *err: nothing stays open. */
bool database_open(database *db, const char *path, const schema *to, error_text *err) ON_STORE;
/* Makes what was deleted unreadable: empties the log, and removes copies from before a migration
 * that hold people's text. Not inside a transaction. STORE_UNAVAILABLE: text may be left. */
store_status database_scrub(database *db, error_text *err) ON_STORE;
void database_close(database *db) ON_STORE; /* one that is not open: nothing happens */

#endif
