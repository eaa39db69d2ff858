#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT_MAX = 16 * 1024 * 1024, /* one value; far beyond any that the daemon stores */
    FIRST_WITH_TEXT = 2          /* the version whose tables hold what people wrote */
};

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

    /* What people gave (store_human.h). From here on a copy of the database holds people's text:
     * database_scrub removes those that later migrations leave. erased_at: when its text went. */
    "CREATE TABLE people ("
    " name TEXT PRIMARY KEY, notice INTEGER NOT NULL, share INTEGER NOT NULL,"
    " decided_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE requests ("
    " user TEXT NOT NULL, id TEXT NOT NULL, policy TEXT NOT NULL, model TEXT NOT NULL,"
    " created_at INTEGER NOT NULL, PRIMARY KEY (user, id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX requests_by_age ON requests(created_at);"

    "CREATE TABLE prompts ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user TEXT NOT NULL,"
    " form TEXT NOT NULL CHECK (form IN ('text', 'messages')), prompt TEXT NOT NULL,"
    " output TEXT NOT NULL, policy TEXT NOT NULL, request TEXT NOT NULL,"
    " notice INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " erased_at INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX prompts_of_user ON prompts(user, row);"

    "CREATE TABLE votes ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, user TEXT NOT NULL,"
    " left_request TEXT NOT NULL, right_request TEXT NOT NULL, left_policy TEXT NOT NULL,"
    " right_policy TEXT NOT NULL, left_model TEXT NOT NULL, right_model TEXT NOT NULL,"
    " vote TEXT NOT NULL CHECK (vote IN ('a', 'b', 'tie', 'both_bad')),"
    " shown_left TEXT NOT NULL CHECK (shown_left IN ('a', 'b')), blind INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, UNIQUE (user, left_request, right_request)) STRICT;"

    "CREATE TABLE tasks ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " kind TEXT NOT NULL CHECK (kind IN ('demo', 'rank', 'eval')), prompt_id TEXT, file TEXT,"
    " owner TEXT NOT NULL, form TEXT NOT NULL, prompt TEXT NOT NULL, policies TEXT NOT NULL,"
    " created_by TEXT NOT NULL, state INTEGER NOT NULL, k INTEGER NOT NULL,"
    " max_tokens INTEGER NOT NULL, overlap INTEGER NOT NULL, gold INTEGER NOT NULL,"
    " guideline INTEGER NOT NULL, seed INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " n_labels INTEGER NOT NULL DEFAULT 0, erased_at INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX tasks_by_state ON tasks(kind, state, row);"
    "CREATE INDEX tasks_of_prompt ON tasks(prompt_id, kind);"
    "CREATE INDEX tasks_of_owner ON tasks(owner);"

    "CREATE TABLE outputs ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL REFERENCES tasks(id),"
    " policy TEXT NOT NULL, text TEXT NOT NULL) STRICT;"
    "CREATE INDEX outputs_of_task ON outputs(task, row);"

    "CREATE TABLE leases ("
    " labeler TEXT NOT NULL, task TEXT NOT NULL REFERENCES tasks(id), given_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (labeler, task)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX leases_of_task ON leases(task);"

    "CREATE TABLE rankings ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, submission TEXT NOT NULL,"
    " labeler TEXT NOT NULL, role TEXT NOT NULL, task TEXT NOT NULL REFERENCES tasks(id),"
    " kind TEXT NOT NULL, shown_json TEXT NOT NULL, ratings_json TEXT NOT NULL,"
    " groups_json TEXT NOT NULL, comment TEXT, rate_ms INTEGER NOT NULL,"
    " rank_ms INTEGER NOT NULL, guideline INTEGER NOT NULL, gold INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, erased_at INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (labeler, submission), UNIQUE (task, labeler),"
    " CHECK (role <> 'heldout' OR kind = 'eval')) STRICT;"

    "CREATE TABLE demonstrations ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, submission TEXT NOT NULL,"
    " labeler TEXT NOT NULL, role TEXT NOT NULL, task TEXT REFERENCES tasks(id),"
    " prompt_kind TEXT NOT NULL, prompt TEXT NOT NULL, category TEXT NOT NULL,"
    " completion TEXT NOT NULL, source TEXT NOT NULL, base_request TEXT,"
    " guideline INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " erased_at INTEGER NOT NULL DEFAULT 0, UNIQUE (labeler, submission),"
    " CHECK (role <> 'heldout')) STRICT;"
    "CREATE INDEX demonstrations_of_task ON demonstrations(task);"

    "CREATE TABLE skips ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, submission TEXT NOT NULL,"
    " labeler TEXT NOT NULL, role TEXT NOT NULL, task TEXT NOT NULL REFERENCES tasks(id),"
    " reason TEXT NOT NULL, note TEXT, created_at INTEGER NOT NULL,"
    " erased_at INTEGER NOT NULL DEFAULT 0, UNIQUE (labeler, submission)) STRICT;"
    "CREATE INDEX skips_of_task ON skips(task);"

    "CREATE TABLE datasets ("
    " row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, kind TEXT NOT NULL,"
    " parameters_json TEXT NOT NULL, manifest_json TEXT NOT NULL, train_file TEXT,"
    " valid_file TEXT, test_file TEXT, created_by TEXT NOT NULL,"
    " stale INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL) STRICT;"
    "CREATE TABLE dataset_rows ("
    " source TEXT NOT NULL, dataset TEXT NOT NULL REFERENCES datasets(id),"
    " PRIMARY KEY (source, dataset)) STRICT, WITHOUT ROWID;",

    /* What outputs are judged by (store_task.criterion). Only evaluation judges toxicity, so that
     * no such row can be one to train on. */
    "ALTER TABLE tasks ADD COLUMN criterion TEXT NOT NULL DEFAULT 'general'"
    " CHECK (criterion = 'general' OR (criterion = 'toxicity' AND kind = 'eval'));"
    "ALTER TABLE rankings ADD COLUMN criterion TEXT NOT NULL DEFAULT 'general'"
    " CHECK (criterion = 'general' OR (criterion = 'toxicity' AND kind = 'eval'));",

    /* What jobs that have not ended need of the disk, beside the model that their row names. */
    "CREATE TABLE needs ("
    " job TEXT NOT NULL REFERENCES jobs(id), policy TEXT NOT NULL,"
    " PRIMARY KEY (job, policy)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX policies_of_job ON policies(job, row);",

    /* What was done (store_audit.c). prev is unique: nothing can branch off. */
    "CREATE TABLE audit ("
    " seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, event TEXT NOT NULL,"
    " object TEXT NOT NULL, prev TEXT NOT NULL UNIQUE, hash TEXT NOT NULL) STRICT;"
    "CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit BEGIN"
    " SELECT RAISE(ABORT, 'the audit is only ever added to'); END;"
    "CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN"
    " SELECT RAISE(ABORT, 'the audit is only ever added to'); END;",
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
                          "PRAGMA secure_delete = ON;" /* what is erased is overwritten */
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

store_status database_scrub(database *db, error_text *err)
{
    statement q = statement_begin(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    const bool busy = statement_row(&q) && column_i64(&q) != 0;
    const store_status status = statement_end(&q, err);
    if (status != STORE_OK)
        return status;
    if (busy) {
        error_text_set(err, "the log of the database cannot be emptied now");
        return STORE_UNAVAILABLE;
    }
    char copy[PATH_MAX];
    for (int v = FIRST_WITH_TEXT; v <= schema_current.n_steps; v++) {
        snprintf(copy, sizeof copy, "%s.v%d", sqlite3_db_filename(db->handle, "main"), v);
        if (unlink(copy) != 0 && errno != ENOENT) {
            error_text_set(err, "%s: %s", copy, strerror(errno));
            return STORE_UNAVAILABLE;
        }
    }
    return STORE_OK;
}

void database_close(database *db)
{
    database_forget_statements(db);
    sqlite3_close(db->handle);
    db->handle = NULL;
}
