/* Who somebody is to a whole daemon, whose words it keeps, and votes. */
#include "daemon_fixture.h"
#include "human/notice.h"
#include "policy/policy.h"
#include "store/store_human.h"

#define PAGE_KEY "X-Api-Key: sk-inst-page\r\n"
#define LABEL_KEY "X-Api-Key: sk-inst-label\r\n"

static char *plain(const char *method, const char *path, const char *headers)
{
    static char text[4][512];
    static unsigned turn;
    char *t = text[turn++ % 4];
    snprintf(t, sizeof text[0], "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path,
             headers);
    return t;
}

/* A POST as a PUT. */
static char *put(const char *path, const char *headers, const char *body)
{
    static char text[4096];
    snprintf(text, sizeof text, "PUT%s", post(path, headers, body) + 4);
    return text;
}

static void expect_reply(const running *r, const char *request, int status, const char *part)
{
    reply out = {0};
    const int got = ask(r, &out, request);
    if (got != status)
        FAIL("%.60s answered %d, expected %d: %s", request, got, status,
             out.body ? out.body : "(nothing)");
    expect_in(&out, part);
    reply_free(&out);
}

static void choose(const running *r, const char *headers, const char *choice)
{
    char body[96];
    snprintf(body, sizeof body, "{\"notice_version\":%d,\"choice\":\"%s\"}", NOTICE_VERSION,
             choice);
    expect_reply(r, put("/v1/me/consent", headers, body), 200, choice);
}

TEST(me_tells_who_a_key_is)
{
    running *r = start();
    expect_reply(
        r, plain("GET", "/v1/me", PAGE_KEY), 200,
        "{\"object\":\"me\",\"user\":\"page\",\"role\":\"user\",\"scopes\":[\"playground\"],"
        "\"notice\":{\"version\":1,\"text\":\"If you agree");
    expect_reply(r, plain("GET", "/v1/me", PAGE_KEY), 200, "\"due\":true,\"choice\":null}");
    expect_reply(r, plain("GET", "/v1/me?language=de", PAGE_KEY), 200,
                 "\"notice\":{\"version\":1,\"text\":\"Wenn du zustimmst");
    expect_reply(r, plain("GET", "/v1/me?language=fr", PAGE_KEY), 200, "\"text\":\"If you agree");
    expect_reply(r, plain("GET", "/v1/me", LABEL_KEY), 200,
                 "\"role\":\"trainer\",\"scopes\":[\"label:rank\"],\"notice\":null}");
    expect_reply(r, plain("GET", "/v1/me", ""), 200,
                 "\"user\":null,\"role\":null,\"scopes\":[\"infer\"],\"notice\":null}");
    EXPECT_EQ(stop(r), 0);
}

TEST(a_choice_is_made_for_the_notice_in_force)
{
    running *r = start();
    expect_reply(r, put("/v1/me/consent", PAGE_KEY, "{\"notice_version\":99,\"choice\":\"share\"}"),
                 409, "state_conflict");
    expect_reply(r, put("/v1/me/consent", PAGE_KEY, "{\"notice_version\":1,\"choice\":\"maybe\"}"),
                 400, "choice: expected one of share|decline, found \\\"maybe\\\"");
    expect_reply(r, put("/v1/me/consent", PAGE_KEY, "{\"choice\":\"share\"}"), 400,
                 "notice_version is missing");
    expect_reply(
        r, put("/v1/me/consent", PAGE_KEY, "{\"notice_version\":1,\"choice\":\"share\",\"x\":1}"),
        400, "unknown_parameter");
    expect_reply(r, put("/v1/me/consent", "", "{\"notice_version\":1,\"choice\":\"share\"}"), 401,
                 "missing_api_key");
    choose(r, PAGE_KEY, "share");
    expect_reply(r, plain("GET", "/v1/me", PAGE_KEY), 200, "\"due\":false,\"choice\":\"share\"");
    choose(r, PAGE_KEY, "decline");
    expect_reply(r, plain("GET", "/v1/me", PAGE_KEY), 200, "\"due\":false,\"choice\":\"decline\"");
    EXPECT_EQ(stop(r), 0);
}

/* ---- what is kept ---- */

enum { MAX_KEPT = 8 };

typedef struct kept {
    store_prompt rows[MAX_KEPT];
    size_t n;
} kept;

/* Stops the daemon and reads what it kept. */
static kept stop_and_look(running *r)
{
    char path[1100];
    store *s;
    store_prompt *rows;
    kept k = {0};
    error_text err = {{0}};
    snprintf(path, sizeof path, "%s/instructd.db", r->options.config.data_dir);
    EXPECT_EQ(stop(r), 0);
    if (!store_open(&s, path, &err))
        FAIL("%s", err.text);
    EXPECT_EQ(store_train_prompts(s, 0, MAX_KEPT, &rows, &k.n, &err), STORE_OK);
    if (k.n)
        memcpy(k.rows, rows, k.n * sizeof *rows);
    free(rows);
    store_close(s);
    return k;
}

static void kept_free(kept *k)
{
    for (size_t i = 0; i < k->n; i++)
        store_prompt_free(&k->rows[i]);
}

static void complete(const running *r, const char *headers, const char *prompt, const char *more)
{
    char body[512];
    snprintf(body, sizeof body, "{\"prompt\":%s,\"max_tokens\":2,\"temperature\":0%s}", prompt,
             more);
    reply out = {0};
    const int status = ask(r, &out, post("/v1/completions", headers, body));
    if (status != 200)
        FAIL("%d: %s", status, out.body ? out.body : "");
    reply_free(&out);
}

TEST(what_a_sharing_person_asks_is_kept_and_nothing_else)
{
    running *r = start();
    complete(r, PAGE_KEY, "\"before any choice\"", "");
    choose(r, PAGE_KEY, "share");
    complete(r, PAGE_KEY "X-Request-Id: mine-1\r\n", "\"whole\"", "");
    complete(r, PAGE_KEY, "\"streamed\"", ",\"stream\":true");
    complete(r, INFER_KEY, "\"of the API\"", "");
    complete(r, "", "\"of nobody\"", "");
    complete(r, PAGE_KEY, "[1,2,3]", "");
    complete(r, PAGE_KEY, "[\"one\",\"two\"]", ",\"n\":2");
    choose(r, PAGE_KEY, "decline");
    complete(r, PAGE_KEY, "\"after declining\"", "");
    choose(r, PAGE_KEY, "share");
    kept k = stop_and_look(r);
    static const char *const want[] = {"whole", "streamed", "one", "two"};
    EXPECT_EQ(k.n, 4);
    for (size_t i = 0; i < k.n; i++) {
        EXPECT_STR(k.rows[i].prompt, want[i]);
        EXPECT_STR(k.rows[i].form, "text");
        EXPECT_STR(k.rows[i].user, "page");
        EXPECT(policy_id_valid(k.rows[i].policy));
        EXPECT_EQ(k.rows[i].notice, NOTICE_VERSION);
    }
    EXPECT_STR(k.rows[0].request, "mine-1");
    kept_free(&k);
}

TEST(a_kept_answer_is_the_text_that_was_sent)
{
    running *r = start();
    reply out = {0};
    choose(r, PAGE_KEY, "share");
    static const char *const more[] = {"", ",\"stream\":true", ",\"echo\":true", ",\"n\":2"};
    for (int i = 0; i < 4; i++)
        complete(r, PAGE_KEY, "\"the same words\"", more[i]);
    EXPECT_EQ(ask(r, &out,
                  post("/v1/completions", INFER_KEY,
                       "{\"prompt\":\"the same words\",\"max_tokens\":2,\"temperature\":0}")),
              200);
    kept k = stop_and_look(r);
    EXPECT_EQ(k.n, 4);
    for (int i = 0; i < 4; i++) {
        char part[256];
        EXPECT_STR(k.rows[i].output, k.rows[0].output);
        snprintf(part, sizeof part, "\"text\":\"%.100s\"", k.rows[i].output);
        if (!strpbrk(k.rows[i].output, "\"\\")) /* else the reply has escapes */
            expect_in(&out, part);
    }
    reply_free(&out);
    kept_free(&k);
}

/* ---- votes ---- */

#define VOTE(left, right)                                                                          \
    "{\"left\":{\"request_id\":\"" left "\"},\"right\":{\"request_id\":\"" right "\"},"            \
    "\"vote\":\"a\",\"blind\":true,\"shown_left\":\"b\"}"

TEST(a_vote_reveals_both_policies_and_locks)
{
    running *r = start();
    complete(r, PAGE_KEY "X-Request-Id: one\r\n", "\"a\"", "");
    complete(r, PAGE_KEY "X-Request-Id: two\r\n", "\"a\"", "");
    expect_reply(r, post("/v1/votes", PAGE_KEY, VOTE("one", "two")), 201,
                 "\"alias\":\"instruct\"},\"right\":{\"policy\":\"pol_");
    expect_reply(r, post("/v1/votes", PAGE_KEY, VOTE("two", "one")), 409, "state_conflict");
    expect_reply(r, post("/v1/votes", PAGE_KEY, VOTE("one", "three")), 404, "right.request_id");
    expect_reply(r, post("/v1/votes", PAGE_KEY, VOTE("one", "one")), 400, "right.request_id");
    expect_reply(r, post("/v1/votes", INFER_KEY, VOTE("one", "two")), 403, "insufficient_scope");
    expect_reply(r, plain("GET", "/metrics", INFER_KEY), 200, "instructd_votes_total 1\n");
    EXPECT_EQ(stop(r), 0);
}

TEST(deleting_ones_data_takes_prompts_and_votes_along)
{
    running *r = start();
    choose(r, PAGE_KEY, "share");
    complete(r, PAGE_KEY "X-Request-Id: one\r\n", "\"remember me\"", "");
    complete(r, PAGE_KEY "X-Request-Id: two\r\n", "\"remember me\"", "");
    expect_reply(r, post("/v1/votes", PAGE_KEY, VOTE("one", "two")), 201, "vote-");
    expect_reply(r, plain("DELETE", "/v1/me/data", PAGE_KEY), 200, "\"prompts\":2,");
    expect_reply(r, post("/v1/votes", PAGE_KEY, VOTE("one", "two")), 404, "left.request_id");
    expect_reply(r, plain("DELETE", "/v1/me/data", ""), 401, "missing_api_key");
    kept k = stop_and_look(r);
    EXPECT_EQ(k.n, 0);
}
