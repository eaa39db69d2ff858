/* Requests that the loop posts, and the votes that name them. */
#include "human_fixture.h"

#include "base/thread_roles.h"

#include <time.h>

/* ---- posting ---- */

static void post_on_loop(store *s) NO_THREAD_CHECK
{
    role_enter_loop();
    store_request r = {.user = strdup("anna"),
                       .id = strdup("req_1"),
                       .policy = strdup("pol_0123456789abcdef"),
                       .model = strdup("instruct@pol_0123456789abcdef"),
                       .created_at = time(NULL)};
    const bool posted = store_request_post(s, &r);
    role_leave_loop();
    EXPECT(posted);
}

TEST(the_loop_may_post_and_later_calls_see_it)
{
    store *s = fixture_open();
    store_request got;
    post_on_loop(s);
    STORE_GOOD(store_request_get(s, "anna", "req_1", &got, &err));
    EXPECT_STR(got.policy, "pol_0123456789abcdef");
    EXPECT_STR(got.model, "instruct@pol_0123456789abcdef");
    store_request_free(&got);
    store_close(s);
}

TEST(what_was_posted_survives_a_close)
{
    store *s = fixture_open();
    store_request got;
    post_on_loop(s);
    store_close(s);
    s = fixture_open();
    STORE_GOOD(store_request_get(s, "anna", "req_1", &got, &err));
    store_request_free(&got);
    store_close(s);
}

/* ---- requests and votes ---- */

static void post_request(store *s, const char *user, const char *id, const char *policy,
                         int64_t created_at)
{
    store_request r = {.user = strdup(user),
                       .id = strdup(id),
                       .policy = strdup(policy),
                       .model = strdup("instruct"),
                       .created_at = created_at};
    EXPECT(store_request_post(s, &r));
}

TEST(a_request_is_known_to_its_author_for_a_day)
{
    store *s = fixture_open();
    store_request got;
    const int64_t now = time(NULL);
    post_request(s, "anna", "r1", "pol_1", now);
    post_request(s, "anna", "r1", "pol_2", now); /* the id again: the first one counts */
    post_request(s, "anna", "old", "pol_1", now - STORE_REQUEST_KEPT_S - 60);
    STORE_GOOD(store_request_get(s, "anna", "r1", &got, &err));
    EXPECT_STR(got.policy, "pol_1");
    store_request_free(&got);
    STORE_EXPECT(store_request_get(s, "bert", "r1", &got, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_request_get(s, "anna", "old", &got, &err), STORE_NOT_FOUND);
    STORE_EXPECT(store_request_get(s, "anna", "r2", &got, &err), STORE_NOT_FOUND);
    post_request(s, "anna", "r3", "pol_1", now); /* sweeps */
    STORE_GOOD(store_flush(s, &err));
    EXPECT(!on_disk("oldpol_1"));
    store_close(s);
}

static store_vote a_vote(const char *left, const char *right)
{
    static char ids[8][16];
    static unsigned turn;
    char *id = ids[turn++ % 8];
    snprintf(id, 16, "vote-%u", turn);
    return (store_vote){.id = id,
                        .user = "anna",
                        .left_request = (char *)left,
                        .right_request = (char *)right,
                        .vote = "tie",
                        .shown_left = "b",
                        .blind = true,
                        .created_at = NOW};
}

TEST(a_vote_names_the_policies_of_both_answers)
{
    store *s = fixture_open();
    store_vote got;
    const char *missing;
    post_request(s, "anna", "r1", "pol_1", time(NULL));
    post_request(s, "anna", "r2", "pol_2", time(NULL));
    const store_vote v = a_vote("r1", "r2");
    STORE_GOOD(store_vote_insert(s, &v, &got, &missing, &err));
    EXPECT_STR(got.id, v.id);
    EXPECT_STR(got.left_policy, "pol_1");
    EXPECT_STR(got.right_policy, "pol_2");
    EXPECT_STR(got.left_model, "instruct");
    EXPECT_STR(got.vote, "tie");
    EXPECT_STR(got.shown_left, "b");
    EXPECT(got.blind);
    store_vote_free(&got);
    store_close(s);
}

TEST(two_answers_take_one_vote_whichever_way_round)
{
    store *s = fixture_open();
    store_vote got;
    const char *missing;
    post_request(s, "anna", "r1", "pol_1", time(NULL));
    post_request(s, "anna", "r2", "pol_2", time(NULL));
    post_request(s, "anna", "r3", "pol_2", time(NULL));
    const store_vote first = a_vote("r1", "r2"), again = a_vote("r1", "r2"),
                     turned = a_vote("r2", "r1"), other = a_vote("r1", "r3");
    STORE_GOOD(store_vote_insert(s, &first, &got, &missing, &err));
    store_vote_free(&got);
    STORE_EXPECT(store_vote_insert(s, &again, &got, &missing, &err), STORE_CONFLICT);
    STORE_EXPECT(store_vote_insert(s, &turned, &got, &missing, &err), STORE_CONFLICT);
    STORE_GOOD(store_vote_insert(s, &other, &got, &missing, &err));
    store_vote_free(&got);
    store_close(s);
}

TEST(a_vote_on_what_somebody_else_asked_is_refused)
{
    store *s = fixture_open();
    store_vote got;
    const char *missing = NULL;
    post_request(s, "anna", "r1", "pol_1", time(NULL));
    post_request(s, "bert", "r2", "pol_2", time(NULL));
    const store_vote right = a_vote("r1", "r2"), left = a_vote("r2", "r1");
    STORE_EXPECT(store_vote_insert(s, &right, &got, &missing, &err), STORE_NOT_FOUND);
    EXPECT_STR(missing, "right");
    STORE_EXPECT(store_vote_insert(s, &left, &got, &missing, &err), STORE_NOT_FOUND);
    EXPECT_STR(missing, "left");
    store_close(s);
}
