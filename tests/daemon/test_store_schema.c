/* How the database is opened: rules, refusals, migrations. */
#include "daemon/store_fixture.h"

#include "base/thread_roles.h"
#include "store/schema.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t ask(database *db, const char *sql)
{
    role_enter_store();
    error_text err = {{0}};
    statement q = statement_begin(db, sql);
    const int64_t v = statement_row(&q) ? column_i64(&q) : -1;
    const store_status status = statement_end(&q, &err);
    role_leave_store();
    if (status != STORE_OK)
        FAIL("%s: %s", sql, err.text);
    return v;
}

static bool open_schema(database *db, const schema *to, error_text *err)
{
    role_enter_store();
    const bool ok = database_open(db, fixture_path(), to, err);
    role_leave_store();
    return ok;
}

static void shut(database *db)
{
    role_enter_store();
    database_close(db);
    role_leave_store();
}

TEST(the_connection_follows_the_rules)
{
    database db;
    error_text err;
    EXPECT(open_schema(&db, &schema_current, &err));
    EXPECT_EQ(ask(&db, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    EXPECT_EQ(ask(&db, "SELECT count(*) FROM pragma_locking_mode WHERE locking_mode = 'exclusive'"),
              1);
    EXPECT_EQ(ask(&db, "PRAGMA synchronous"), 2); /* FULL */
    EXPECT_EQ(ask(&db, "PRAGMA foreign_keys"), 1);
    EXPECT_EQ(ask(&db, "PRAGMA trusted_schema"), 0);
    EXPECT_EQ(ask(&db, "PRAGMA cell_size_check"), 1);
    EXPECT_EQ(ask(&db, "PRAGMA user_version"), schema_current.n_steps);
    int defensive = 0;
    sqlite3_db_config(db.handle, SQLITE_DBCONFIG_DEFENSIVE, -1, &defensive);
    EXPECT_EQ(defensive, 1);
    shut(&db);
}

/* The reason why the database cannot be opened. */
static const char *refusal(void)
{
    static error_text err;
    store *s = NULL;
    strcpy(err.text, "");
    if (store_open(&s, fixture_path(), &err)) {
        store_close(s);
        return "it was opened";
    }
    return err.text;
}

static void expect_refusal(const char *part)
{
    const char *got = refusal();
    if (!strstr(got, part))
        FAIL("\"%s\" is not in \"%s\"", part, got);
}

TEST(what_is_no_database_is_refused)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    test_write_file(fixture_path(), text, sizeof text);
    expect_refusal("file is not a database");
}

TEST(a_folder_that_is_missing_is_told)
{
    char path[512];
    store *s;
    error_text err;
    snprintf(path, sizeof path, "%s/nowhere/db", test_dir());
    EXPECT(!store_open(&s, path, &err));
    EXPECT(strstr(err.text, "No such file"));
}

TEST(a_damaged_database_is_refused)
{
    store *s = fixture_open();
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "file-%d", i);
        const store_file f = fixture_file(id);
        STORE_GOOD(store_file_insert(s, &f, &err));
    }
    store_close(s);
    size_t len;
    char *bytes = test_read_file(fixture_path(), &len);
    memset(bytes + len / 2, 0xa5, 4096); /* some page of the tables */
    test_write_file(fixture_path(), bytes, len);
    free(bytes);
    expect_refusal("damaged");
}

TEST(a_newer_database_is_refused)
{
    database db;
    error_text err;
    EXPECT(open_schema(&db, &schema_current, &err));
    ask(&db, "SELECT 1");
    role_enter_store();
    EXPECT_EQ(database_run(&db, "PRAGMA user_version = 1000", &err), STORE_OK);
    role_leave_store();
    shut(&db);
    expect_refusal("has version 1000");
}

TEST(a_database_has_one_owner)
{
    store *s = fixture_open();
    expect_refusal("is held by another process");
    store_close(s);
}

TEST(a_link_is_not_followed)
{
    char other[512];
    snprintf(other, sizeof other, "%s/other", test_dir());
    test_write_file(other, "", 0);
    EXPECT_EQ(symlink(other, fixture_path()), 0);
    expect_refusal("Too many levels of symbolic links");
}

/* ---- migrations ---- */

static const char *const two_steps[] = {
    "CREATE TABLE things (name TEXT NOT NULL) STRICT;",
    "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;"
    "CREATE INDEX things_by_size ON things(size);",
};
static const schema first = {two_steps, 1}, second = {two_steps, 2};

static const char *backup_path(void)
{
    static char path[600];
    snprintf(path, sizeof path, "%s.v1", fixture_path());
    return path;
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static void make_first(void)
{
    database db;
    error_text err;
    EXPECT(open_schema(&db, &first, &err));
    role_enter_store();
    EXPECT_EQ(database_run(&db, "INSERT INTO things VALUES ('kept')", &err), STORE_OK);
    role_leave_store();
    shut(&db);
    EXPECT(!exists(backup_path())); /* a new one needs no copy */
}

TEST(an_older_database_is_copied_and_migrated)
{
    database db;
    error_text err = {{0}};
    make_first();
    if (!open_schema(&db, &second, &err))
        FAIL("%s", err.text);
    EXPECT_EQ(ask(&db, "PRAGMA user_version"), 2);
    EXPECT_EQ(ask(&db, "SELECT size FROM things WHERE name = 'kept'"), 7);
    shut(&db);

    struct stat st;
    EXPECT_EQ(stat(backup_path(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    EXPECT_EQ(rename(backup_path(), fixture_path()), 0);
    EXPECT(open_schema(&db, &first, &err));
    EXPECT_EQ(ask(&db, "PRAGMA user_version"), 1);
    EXPECT_EQ(ask(&db, "SELECT count(*) FROM things"), 1);
    shut(&db);
}

TEST(a_migration_that_fails_changes_nothing)
{
    static const char *const bad_steps[] = {
        "CREATE TABLE things (name TEXT NOT NULL) STRICT;",
        "ALTER TABLE things ADD COLUMN size INTEGER; CREATE TABLE things (x);",
    };
    const schema bad = {bad_steps, 2};
    database db;
    error_text err;
    make_first();
    EXPECT(!open_schema(&db, &bad, &err));
    EXPECT(strstr(err.text, "cannot be taken to version 2"));
    EXPECT(open_schema(&db, &first, &err));
    EXPECT_EQ(ask(&db, "PRAGMA user_version"), 1);
    EXPECT_EQ(ask(&db, "SELECT count(*) FROM pragma_table_info('things')"), 1);
    EXPECT_EQ(ask(&db, "SELECT count(*) FROM things"), 1);
    shut(&db);
}

/* ---- threads ---- */

/* The signal that ends a child which asks the store on the thread of this role. */
static int ask_on(void (*enter)(void))
{
    const pid_t child = fork();
    if (child == 0) {
        error_text err;
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        store *s = fixture_open();
        enter();
        store_flush(s, &err);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void enter_loop(void) NO_THREAD_CHECK
{
    role_enter_loop();
}

static void enter_compute(void) NO_THREAD_CHECK
{
    role_enter_compute();
}

static void enter_nothing(void)
{
}

TEST(loop_and_compute_never_wait_for_the_store)
{
    EXPECT_EQ(ask_on(enter_nothing), 0);
    EXPECT_EQ(ask_on(enter_loop), SIGABRT);
    EXPECT_EQ(ask_on(enter_compute), SIGABRT);
}

/* ---- our own steps ---- */

TEST(labels_from_before_toxicity_tasks_are_general_ones)
{
    database db;
    error_text err = {{0}};
    const schema before = {schema_current.steps, 2};
    EXPECT(open_schema(&db, &before, &err));
    role_enter_store();
    EXPECT_EQ(
        database_run(&db,
                     "INSERT INTO tasks (id, kind, owner, form, prompt, policies, created_by,"
                     " state, k, max_tokens, overlap, gold, guideline, seed, created_at)"
                     " VALUES ('t', 'eval', '', 'text', 'p', '', 'b', 1, 2, 1, 1, 0, 1, 0, 0)",
                     &err),
        STORE_OK);
    EXPECT_EQ(
        database_run(&db,
                     "INSERT INTO rankings (id, submission, labeler, role, task, kind,"
                     " shown_json, ratings_json, groups_json, rate_ms, rank_ms, guideline, gold,"
                     " created_at) VALUES ('r', 's', 'l', 'heldout', 't', 'eval', '[]', '[]',"
                     " '[]', 0, 0, 1, 0, 0)",
                     &err),
        STORE_OK);
    role_leave_store();
    shut(&db);
    if (!open_schema(&db, &schema_current, &err))
        FAIL("%s", err.text);
    EXPECT_EQ(ask(&db, "SELECT count(*) FROM tasks JOIN rankings ON task = tasks.id"
                       " WHERE tasks.criterion = 'general' AND rankings.criterion = 'general'"),
              1);
    shut(&db);
}
