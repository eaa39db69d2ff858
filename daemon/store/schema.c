#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 16 * 1024 * 1024 }; /* one value; far beyond any that the daemon stores */

/* Lists run newest first: `row` grows with every insert. Status is a store_job_status. */
static const char *const steps[] = {
    "CREATE TABLE files ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, filename TEXT NOT NULL,"
    " purpose TEXT NOT NULL, status TEXT NOT NULL, status_details TEXT, format TEXT,"
    " sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL) STRICT;"

    "CREATE TABLE jobs ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status INTEGER NOT NULL,"
    " started INTEGER NOT NULL, pause_requested INTEGER NOT NULL,"
    " cancel_requested INTEGER NOT NULL, method TEXT NOT NULL, model TEXT NOT NULL,"
    " model_policy TEXT NOT NULL, training_file TEXT NOT NULL, validation_file TEXT,"
    " method_json TEXT NOT NULL, publish_json TEXT, suffix TEXT, metadata_json TEXT,"
    " seed INTEGER NOT NULL, fine_tuned_model TEXT, error_code TEXT, error_message TEXT,"
    " error_param TEXT, trained_tokens INTEGER NOT NULL, progress_done INTEGER NOT NULL,"
    " progress_total INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX jobs_by_status ON jobs(status, row);"

    "CREATE TABLE events ("
    " job TEXT NOT NULL REFERENCES jobs(id), seq INTEGER NOT NULL, id TEXT NOT NULL UNIQUE,"
    " created_at INTEGER NOT NULL, level TEXT NOT NULL, type TEXT NOT NULL,"
    " message TEXT NOT NULL, data_json TEXT, PRIMARY KEY (job, seq)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE metrics ("
    " job TEXT NOT NULL REFERENCES jobs(id), step INTEGER NOT NULL, values_json TEXT NOT NULL,"
    " PRIMARY KEY (job, step)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE checkpoints ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, job TEXT NOT NULL REFERENCES jobs(id),"
    " policy TEXT NOT NULL, metrics_json TEXT NOT NULL, step INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX checkpoints_of_job ON checkpoints(job, row);"

    "CREATE TABLE policies ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stage TEXT NOT NULL,"
    " state TEXT NOT NULL, job TEXT, created_at INTEGER NOT NULL) STRICT;"

    "CREATE TABLE moves ("
    " alias TEXT NOT NULL, version INTEGER NOT NULL, policy TEXT NOT NULL, previous TEXT,"
    " in_flight TEXT NOT NULL, reason TEXT, updated_by TEXT NOT NULL,"
    " updated_at INTEGER NOT NULL, PRIMARY KEY (alias, version)) STRICT, WITHOUT ROWID;",
};

const schema schema_current = {steps, sizeof steps / sizeof steps[0]};

/* ---- the file ---- */

/* SQLite would make it 0644; its journal takes over the mode. */
static bool make_private(const char *path, error_text *err)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_text_set(err, "%s: %s", path, strerror(errno));
    close(fd);
    return true;
}

ON_STORE static bool tell(database *db, int rc, const char *path, error_text *err)
{
    error_text why;
    database_failure(db, rc, &why);
    if ((rc & 0xff) == SQLITE_BUSY)
        return error_text_set(err, "%s is held by another process", path);
    return error_text_set(err, "%s: %.400s", path, why.text);
}

/* Runs a script of several statements, once. */
ON_STORE static int run_script(database *db, const char *script)
{
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && *script) {
        sqlite3_stmt *prepared = NULL;
        rc = sqlite3_prepare_v2(db->handle, script, -1, &prepared, &script);
        while (prepared && rc == SQLITE_OK && (rc = sqlite3_step(prepared)) == SQLITE_ROW)
            rc = SQLITE_OK;
        if (rc == SQLITE_DONE)
            rc = SQLITE_OK;
        sqlite3_finalize(prepared);
    }
    return rc;
}

/* Exclusive before WAL: the index of the log then lies in our memory, and no second connection can
 * meet the bug of this SQLite's WAL. */
ON_STORE static int apply_pragmas(database *db)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, TEXT_MAX);
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM INTO attaches its target */
    int rc = sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc != SQLITE_OK)
        return rc;
    return run_script(db, "PRAGMA locking_mode = EXCLUSIVE;"
                          "PRAGMA journal_mode = WAL;"
                          "PRAGMA synchronous = FULL;"
                          "PRAGMA foreign_keys = ON;"
                          "PRAGMA trusted_schema = OFF;"
                          "PRAGMA cell_size_check = ON;"
                          "PRAGMA mmap_size = 0;"
                          "PRAGMA journal_size_limit = 4194304;");
}

/* The integer that a query gives, or -1. */
ON_STORE static int64_t ask(database *db, const char *sql)
{
    statement q = statement_begin(db, sql);
    const int64_t v = statement_row(&q) ? column_i64(&q) : -1;
    error_text unused;
    return statement_end(&q, &unused) == STORE_OK ? v : -1;
}

ON_STORE static bool check_integrity(database *db, const char *path, error_text *err)
{
    statement q = statement_begin(db, "PRAGMA integrity_check(1)");
    char *finding = statement_row(&q) ? column_text(&q) : NULL;
    const int rc = q.rc;
    error_text unused;
    statement_end(&q, &unused);
    const bool sound = finding && strcmp(finding, "ok") == 0;
    if (!finding)
        tell(db, rc, path, err);
    else if (!sound)
        error_text_set(err, "%s is damaged: %.300s", path, finding);
    free(finding);
    return sound;
}

/* ---- migration ---- */

static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    const int fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A copy of the database as <path>.v<version>, whole or absent. */
ON_STORE static bool back_up(database *db, const char *path, int version, error_text *err)
{
    char to[PATH_MAX], temp[PATH_MAX];
    if (snprintf(to, sizeof to, "%s.v%d", path, version) >= (int)sizeof to ||
        snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp)
        return error_text_set(err, "%s: the path is too long", path);
    unlink(temp);
    if (!make_private(temp, err))
        return false;
    statement q = statement_begin(db, "VACUUM INTO ?");
    bind_text(&q, temp);
    error_text why;
    bool ok = statement_run(&q, &why) == STORE_OK;
    const int fd = ok ? open(temp, O_RDONLY | O_CLOEXEC) : -1;
    if (ok)
        ok = (fd >= 0 && fsync(fd) == 0 && rename(temp, to) == 0 && sync_folder_of(path)) ||
             error_text_set(&why, "%s", strerror(errno));
    if (fd >= 0)
        close(fd);
    if (!ok)
        unlink(temp);
    return ok || error_text_set(err, "%s: no copy could be made before its migration: %.300s", to,
                                why.text);
}

/* One step and its version number, together or not at all. */
ON_STORE static int migrate_step(database *db, const char *script, int version)
{
    char set_version[64];
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d;COMMIT;", version);
    int rc = run_script(db, "BEGIN EXCLUSIVE;");
    if (rc == SQLITE_OK)
        rc = run_script(db, script);
    if (rc == SQLITE_OK)
        rc = run_script(db, set_version);
    if (rc != SQLITE_OK && database_in_transaction(db))
        run_script(db, "ROLLBACK;");
    return rc;
}

ON_STORE static bool migrate(database *db, const char *path, const schema *to, error_text *err)
{
    const int64_t version = ask(db, "PRAGMA user_version");
    const int64_t tables = ask(db, "SELECT count(*) FROM sqlite_schema");
    if (version < 0 || tables < 0)
        return error_text_set(err, "%s: its version cannot be read", path);
    if (version > to->n_steps)
        return error_text_set(err,
                              "%s has version %lld, this build knows up to %d: it was made "
                              "by a newer instructd",
                              path, (long long)version, to->n_steps);
    if (version < to->n_steps && tables > 0 && !back_up(db, path, (int)version, err))
        return false;
    for (int i = (int)version; i < to->n_steps; i++) {
        const int rc = migrate_step(db, to->steps[i], i + 1);
        if (rc != SQLITE_OK)
            return error_text_set(err, "%s: cannot be taken to version %d: %s", path, i + 1,
                                  sqlite3_errmsg(db->handle));
    }
    return true;
}

bool database_open(database *db, const char *path, const schema *to, error_text *err)
{
    *db = (database){0};
    if (!make_private(path, err))
        return false;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (rc == SQLITE_OK)
        rc = apply_pragmas(db);
    bool ok = rc == SQLITE_OK || tell(db, rc, path, err);
    if (ok && ask(db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'") != 1)
        ok = error_text_set(err, "%s: the file system refuses a write-ahead log", path);
    ok = ok && check_integrity(db, path, err) && migrate(db, path, to, err);
    if (!ok)
        database_close(db);
    return ok;
}

void database_close(database *db)
{
    database_forget_statements(db);
    sqlite3_close(db->handle);
    db->handle = NULL;
}
