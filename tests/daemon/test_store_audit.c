/* The audit: a row for each act, in the transaction of the act, and a chain that tells of changes.
 */
#include "human_fixture.h"

#include "base/thread_roles.h"
#include "store/schema.h"

static store_audit_state state_of(store *s)
{
    store_audit_state state;
    STORE_GOOD(store_audit_check(s, &state, &err));
    return state;
}

/* "actor event object; " from the oldest on. */
static const char *told(store *s)
{
    static char text[1024];
    store_audit *rows;
    size_t n;
    bool more;
    STORE_GOOD(store_audit_list(s, (store_page){"", 100, false}, &rows, &n, &more, &err));
    text[0] = 0;
    for (size_t i = n; i-- > 0;) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s %s %s; ", rows[i].actor,
                 rows[i].event, rows[i].object);
        store_audit_free(&rows[i]);
    }
    free(rows);
    return text;
}

static void move(store *s, uint64_t version)
{
    const store_move m = {.alias = "instruct",
                          .policy = "pol_0123456789abcdef",
                          .in_flight = "pin",
                          .updated_by = "boss",
                          .version = version,
                          .updated_at = NOW};
    STORE_GOOD(store_move_put(s, &m, &err));
}

TEST(each_act_leaves_a_row)
{
    store *s = fixture_open();
    store_erasure n;
    choose(s, "anna", true);
    choose(s, "anna", false);
    add_task(s, a_task("t1", "rank", ""));
    move(s, 1);
    move(s, 1); /* a restart brings it again */
    store_job job = fixture_job("ftjob-1");
    job.actor = "boss";
    STORE_GOOD(store_job_insert(s, &job, &err));
    const store_dataset d = {.id = "ds_1",
                             .name = "a",
                             .kind = "ppo",
                             .parameters_json = "{}",
                             .manifest_json = "{}",
                             .created_by = "boss"};
    STORE_GOOD(store_dataset_insert(s, &d, NULL, 0, &err));
    STORE_GOOD(store_person_erase(s, "anna", &n, &err));
    EXPECT_STR(told(s), "anna consent.share notice-1; anna consent.decline notice-1; "
                        "boss tasks.made t1; boss alias.moved instruct/1/pol_0123456789abcdef; "
                        "boss job.created ftjob-1; boss dataset.built ds_1; "
                        "anna data.deleted anna; ");
    EXPECT_EQ(state_of(s).rows, 7);
    EXPECT_EQ(state_of(s).broken, 0);
    store_close(s);
}

TEST(an_act_that_failed_leaves_none)
{
    store *s = fixture_open();
    const store_job job = fixture_job("ftjob-1");
    STORE_GOOD(store_job_insert(s, &job, &err));
    STORE_EXPECT(store_job_insert(s, &job, &err), STORE_CONFLICT);
    EXPECT_STR(told(s), "unknown job.created ftjob-1; ");
    store_close(s);
}

TEST(pages_go_back_to_the_first_row)
{
    store *s = fixture_open();
    store_audit *rows;
    size_t n;
    bool more;
    for (int i = 0; i < 3; i++)
        choose(s, "anna", i % 2);
    STORE_GOOD(store_audit_list(s, (store_page){"", 2, false}, &rows, &n, &more, &err));
    EXPECT(n == 2 && more && rows[0].seq == 3 && rows[1].seq == 2);
    EXPECT_STR(rows[0].prev, rows[1].hash);
    for (size_t i = 0; i < n; i++)
        store_audit_free(&rows[i]);
    free(rows);
    STORE_GOOD(store_audit_list(s, (store_page){"2", 2, false}, &rows, &n, &more, &err));
    EXPECT(n == 1 && !more && rows[0].seq == 1);
    EXPECT_STR(rows[0].prev, "00000000000000000000000000000000"
                             "00000000000000000000000000000000");
    store_audit_free(&rows[0]);
    free(rows);
    store_close(s);
}

/* Runs SQL on the closed database, as whoever holds the file could. */
static store_status run(const char *sql)
{
    database db;
    error_text err;
    role_enter_store();
    if (!database_open(&db, fixture_path(), &schema_current, &err))
        FAIL("%s", err.text);
    const store_status status = database_run(&db, sql, &err);
    database_close(&db);
    role_leave_store();
    return status;
}

static void five_acts(void)
{
    store *s = fixture_open();
    for (int i = 0; i < 5; i++)
        choose(s, "anna", i % 2);
    EXPECT_EQ(state_of(s).rows, 5);
    store_close(s);
}

TEST(the_table_takes_no_change)
{
    five_acts();
    EXPECT_EQ(run("UPDATE audit SET actor = 'bert' WHERE seq = 2"), STORE_CONFLICT);
    EXPECT_EQ(run("DELETE FROM audit WHERE seq = 5"), STORE_CONFLICT);
}

/* The first row that is not what it was. */
static uint64_t broken_after(const char *sql)
{
    five_acts();
    EXPECT_EQ(run("DROP TRIGGER audit_is_not_rewritten"), STORE_OK);
    EXPECT_EQ(run("DROP TRIGGER audit_is_not_shortened"), STORE_OK);
    EXPECT_EQ(run(sql), STORE_OK);
    store *s = fixture_open();
    const uint64_t broken = state_of(s).broken;
    store_close(s);
    return broken;
}

TEST(a_row_that_was_rewritten_is_found)
{
    EXPECT_EQ(broken_after("UPDATE audit SET object = 'notice-2' WHERE seq = 2"), 2);
}

TEST(a_row_that_was_taken_out_is_found)
{
    EXPECT_EQ(broken_after("DELETE FROM audit WHERE seq = 3"), 4);
}

TEST(a_row_that_was_put_in_is_found)
{
    EXPECT_EQ(broken_after("INSERT INTO audit VALUES (6, 0, 'x', 'y', 'z', 'p', 'q')"), 6);
}

TEST(a_cut_at_the_end_shows_in_the_digest_that_the_log_told)
{
    five_acts();
    store *s = fixture_open();
    const store_audit_state before = state_of(s);
    store_close(s);
    EXPECT_EQ(run("DROP TRIGGER audit_is_not_shortened"), STORE_OK);
    EXPECT_EQ(run("DELETE FROM audit WHERE seq = 5"), STORE_OK);
    s = fixture_open();
    const store_audit_state after = state_of(s);
    EXPECT_EQ(after.broken, 0);
    EXPECT_EQ(after.rows, 4);
    EXPECT(strcmp(before.hash, after.hash) != 0);
    store_close(s);
}
