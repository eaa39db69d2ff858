/* Labelling against a whole daemon: tasks, whose outputs it draws, and labels that count once.
 * Linked with -Wl,--wrap=store_task_sampled. */
#include "daemon_fixture.h"

#include "store/store_human.h"

#define LENA "X-Api-Key: sk-inst-label\r\n"
#define BOSS TRAIN_KEY
#define HELD "X-Api-Key: sk-inst-held\r\n"

static char *get(const char *path, const char *headers)
{
    static char text[4][512];
    static unsigned turn;
    char *t = text[turn++ % 4];
    snprintf(t, sizeof text[0], "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
    return t;
}

static void expect_reply(const running *r, const char *request, int status, const char *part)
{
    reply out = {0};
    const int got = ask(r, &out, request);
    if (got != status)
        FAIL("%.60s answered %d, expected %d: %s", request, got, status,
             out.body ? out.body : "(nothing)");
    if (part[0])
        expect_in(&out, part);
    reply_free(&out);
}

/* Uploads lines and returns the file's id. */
static const char *upload(const running *r, const char *lines)
{
    static char id[65];
    char request[4096], form[3000];
    reply out = {0};
    snprintf(form, sizeof form,
             "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n"
             "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n%s"
             "\r\n--x--\r\n",
             lines);
    snprintf(request, sizeof request,
             "POST /v1/files HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY
             "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(form), form);
    EXPECT_EQ(ask(r, &out, request), 200);
    EXPECT_EQ(sscanf(strstr(out.body, "\"id\":\""), "\"id\":\"%64[^\"]", id), 1);
    reply_free(&out);
    return id;
}

#define TWO_OUTPUTS                                                                                \
    "{\"prompt\":\"Name a river.\",\"outputs\":[{\"text\":\"The Elbe.\",\"policy\":\"m1\"},"       \
    "{\"text\":\"Blue.\",\"policy\":\"m2\"}]}\n"

static void make_tasks(const running *r, const char *kind, const char *lines)
{
    char body[256];
    snprintf(body, sizeof body, "{\"kind\":\"%s\",\"source\":\"%s\"}", kind, upload(r, lines));
    expect_reply(r, post("/v1/labels/tasks", BOSS, body), 201, "\"tasks\":1,");
}

/* A task in hand. */
typedef struct hand {
    char task[65], outputs[9][65];
    size_t n;
    bool elbe_first; /* of TWO_OUTPUTS */
} hand;

static hand take_kind(const running *r, const char *kind, const char *headers)
{
    reply out = {0};
    hand h = {0};
    char path[64];
    snprintf(path, sizeof path, "/v1/labels/tasks/next?kind=%s", kind);
    EXPECT_EQ(ask(r, &out, get(path, headers)), 200);
    EXPECT_EQ(sscanf(out.body, "{\"id\":\"%64[^\"]", h.task), 1);
    for (const char *at = strstr(out.body, "\"outputs\":["); at && (at = strstr(at, "{\"id\":\""));
         at++)
        EXPECT_EQ(sscanf(at, "{\"id\":\"%64[^\"]", h.outputs[h.n++]), 1);
    const char *elbe = strstr(out.body, "The Elbe."), *blue = strstr(out.body, "Blue.");
    h.elbe_first = elbe && blue && elbe < blue;
    if (strstr(out.body, "m1") || strstr(out.body, "pol_"))
        FAIL("the policy can be seen: %s", out.body);
    reply_free(&out);
    return h;
}

static hand take(const running *r, const char *headers)
{
    return take_kind(r, "rank", headers);
}

/* A ranking in the order in which the outputs were shown. */
static const char *ranking(const hand *h, const char *name)
{
    static char text[3][2048];
    static unsigned turn;
    char *t = text[turn++ % 3], *at = t;
    at += sprintf(
        at, "{\"submission_id\":\"%s\",\"task_id\":\"%s\",\"elapsed_ms\":{\"rate\":5},\"shown\":[",
        name, h->task);
    for (size_t i = 0; i < h->n; i++)
        at += sprintf(at, "%s\"%s\"", i ? "," : "", h->outputs[i]);
    at += sprintf(at, "],\"ratings\":[");
    for (size_t i = 0; i < h->n; i++)
        at += sprintf(
            at,
            "%s{\"output_id\":\"%s\",\"overall_quality\":%zu,\"flags\":{\"hallucination\":null}}",
            i ? "," : "", h->outputs[i], 7 - i);
    at += sprintf(at, "],\"groups\":[");
    for (size_t i = 0; i < h->n; i++)
        at += sprintf(at, "%s[\"%s\"]", i ? "," : "", h->outputs[i]);
    sprintf(at, "]}");
    return t;
}

TEST(a_ranking_is_taken_once)
{
    running *r = start();
    make_tasks(r, "rank", TWO_OUTPUTS);
    hand h = take(r, LENA);
    EXPECT_EQ(h.n, 2);
    EXPECT_STR(take(r, LENA).task, h.task); /* a reload loses nothing */
    expect_reply(r, post("/v1/labels/rankings", LENA, ranking(&h, "s1")), 201, "ranking-");
    expect_reply(r, post("/v1/labels/rankings", LENA, ranking(&h, "s1")), 200, "ranking-");
    expect_reply(r, post("/v1/labels/rankings", LENA, ranking(&h, "s2")), 409, "already_labeled");
    expect_reply(r, get("/v1/labels/tasks/next?kind=rank", LENA), 204, "");
    expect_reply(r, get("/metrics", LENA), 200, "instructd_labels_total{kind=\"rank\"} 1\n");
    expect_reply(r, get("/v1/labels/tasks", BOSS), 200,
                 "{\"kind\":\"rank\",\"state\":\"done\",\"n\":1}");
    EXPECT_EQ(stop(r), 0);
}

/* How often the store cannot take outputs. */
static atomic_uint store_fails;

store_status __real_store_task_sampled(store *s, const char *id, const store_output *outputs,
                                       size_t n, error_text *err);
store_status __wrap_store_task_sampled(store *s, const char *id, const store_output *outputs,
                                       size_t n, error_text *err);
store_status __wrap_store_task_sampled(store *s, const char *id, const store_output *outputs,
                                       size_t n, error_text *err)
{
    const unsigned left = atomic_load(&store_fails);
    if (!left)
        return __real_store_task_sampled(s, id, outputs, n, err);
    atomic_store(&store_fails, left - 1);
    error_text_set(err, "the test's");
    return STORE_UNAVAILABLE;
}

TEST(outputs_are_drawn_where_the_file_brings_none_once_the_store_takes_them)
{
    running *r = start();
    char body[256];
    atomic_store(&store_fails, 1);
    snprintf(body, sizeof body, "{\"kind\":\"rank\",\"source\":\"%s\",\"k\":5,\"max_tokens\":4}",
             upload(r, "{\"prompt\":\"Name a river.\"}\n"));
    expect_reply(r, post("/v1/labels/tasks", BOSS, body), 201, "\"sampling\":1}");
    for (int i = 0; i < 2000; i++) {
        if (status_of(r, get("/v1/labels/tasks/next?kind=rank", LENA)) == 200)
            break;
        usleep(10 * 1000);
    }
    hand h = take(r, LENA);
    EXPECT_EQ(h.n, 5);
    expect_reply(r, post("/v1/labels/rankings", LENA, ranking(&h, "s1")), 201, "ranking-");
    EXPECT_EQ(stop(r), 0);
}

/* The ranking with one part of its text replaced. */
static const char *spoilt(const char *text, const char *part, const char *by)
{
    static char out[2048];
    const char *at = strstr(text, part);
    if (!at)
        FAIL("\"%s\" is not in %s", part, text);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, by, at + strlen(part));
    return out;
}

TEST(a_wrong_ranking_is_refused_with_the_field)
{
    running *r = start();
    make_tasks(r, "rank", TWO_OUTPUTS);
    const hand h = take(r, LENA);
    const char *good = ranking(&h, "s1");
    char one[80], twice[80], quoted[70];
    snprintf(one, sizeof one, "[[\"%s\"]", h.outputs[0]);
    snprintf(twice, sizeof twice, "[[\"%s\"]", h.outputs[1]);
    snprintf(quoted, sizeof quoted, "\"%s\"", h.task);
    const struct {
        const char *part, *by, *says;
        int status;
    } cases[] = {
        {one, twice, "stands there twice", 400},
        {one, "[[\"out-strange\"]", "out-strange is no output of this task", 400},
        {one, "[[]", "groups[0]", 400},
        {"\"overall_quality\":7", "\"overall_quality\":8", "ratings[0].overall_quality", 400},
        {"\"hallucination\"", "\"halucination\"", "ratings[0].flags.halucination", 400},
        {"\"hallucination\":null", "\"hallucination\":1", "expected true, false or null", 400},
        {"\"s1\"", "\"\"", "submission_id", 400},
        {"\"rate\":5", "\"rate\":-1", "elapsed_ms.rate", 400},
        {"\"shown\"", "\"show\"", "unknown_parameter", 400},
        {quoted, "\"task-strange\"", "not_found", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_reply(r, post("/v1/labels/rankings", LENA, spoilt(good, cases[i].part, cases[i].by)),
                     cases[i].status, cases[i].says);
    expect_reply(r, post("/v1/labels/rankings", LENA, good), 201, "ranking-");
    EXPECT_EQ(stop(r), 0);
}

TEST(a_label_needs_the_scope_of_its_kind)
{
    running *r = start();
    make_tasks(r, "eval", TWO_OUTPUTS);
    expect_reply(r, get("/v1/labels/tasks/next?kind=eval", LENA), 403, "label:eval");
    expect_reply(r, get("/v1/labels/tasks/next?kind=demo", LENA), 403, "label:demo");
    expect_reply(r, get("/v1/labels/tasks/next", LENA), 400, "kind: expected demo, rank or eval");
    expect_reply(r, get("/v1/labels/tasks/next?kind=rank", INFER_KEY), 403, "insufficient_scope");
    expect_reply(r, post("/v1/labels/tasks", LENA, "{}"), 403, "insufficient_scope");
    EXPECT_EQ(stop(r), 0);
}

TEST(a_heldout_labeler_evaluates_and_nothing_else)
{
    running *r = daemon_fixture(true);
    static const char line[] = /* SHA-256 of "sk-inst-label", as in key_file */
        "held label:rank,label:eval,label:demo "
        "fa3b252bb9e15d152639c6502daaf29f620f97fed7af7b7726b8a750812901ac role=heldout\n"
        "train train cd3bf9dc58e62868fb8f714e5e349fa23f1d4686660b5e43d826fa70c653664c\n";
    test_write_file(r->key_file, line, sizeof line - 1);
    launch(r);
    await_ready(r);
    make_tasks(r, "rank", TWO_OUTPUTS);
    make_tasks(r, "eval", TWO_OUTPUTS);
    expect_reply(r, get("/v1/labels/tasks/next?kind=rank", LENA), 403, "held-out labelers");
    expect_reply(r, get("/v1/labels/tasks/next?kind=eval", LENA), 200, "truthful_harmless_first");
    expect_reply(r,
                 post("/v1/labels/demonstrations", LENA,
                      "{\"submission_id\":\"s1\",\"prompt_kind\":\"plain\",\"prompt\":\"a\","
                      "\"category\":\"chat\",\"completion\":\"b\",\"source\":\"written\"}"),
                 403, "held-out labelers");
    EXPECT_EQ(stop(r), 0);
}

TEST(a_bad_batch_is_refused_with_the_field)
{
    running *r = start();
    static const char *const cases[][2] = {
        {"{\"kind\":\"rank\",\"source\":\"captured\",\"k\":10}",
         "k: expected an integer from 4 to 9"},
        {"{\"kind\":\"rank\",\"source\":\"/etc/passwd\"}", "source: expected an id"},
        {"{\"kind\":\"rank\",\"source\":\"elsewhere\"}", "source: expected captured or a file"},
        {"{\"kind\":\"demo\",\"source\":\"captured\",\"k\":4}", "no outputs are drawn"},
        {"{\"kind\":\"demo\",\"source\":\"captured\",\"gold\":true}", "gold"},
        {"{\"kind\":\"eval\",\"source\":\"captured\",\"criterion_mode\":\"toxic\"}",
         "criterion_mode: expected"},
        {"{\"kind\":\"rank\",\"source\":\"captured\",\"criterion_mode\":\"toxicity\"}",
         "criterion_mode: rank tasks take helpfulness_first, found toxicity"},
        {"{\"kind\":\"eval\",\"source\":\"captured\",\"criterion_mode\":\"helpfulness_first\"}",
         "criterion_mode: eval tasks take truthful_harmless_first or toxicity"},
        {"{\"kind\":\"rank\",\"source\":\"captured\",\"overlap_sample\":{\"share\":2,\"n\":3}}",
         "overlap_sample.share"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_reply(r, post("/v1/labels/tasks", BOSS, cases[i][0]), 400, cases[i][1]);
    expect_reply(r,
                 post("/v1/labels/tasks", BOSS,
                      "{\"kind\":\"rank\",\"source\":\"captured\",\"policies\":[\"nobody\"]}"),
                 404, "nobody");
    expect_reply(r, post("/v1/labels/tasks", BOSS, "{\"kind\":\"rank\",\"source\":\"file-none\"}"),
                 404, "source");
    expect_reply(r, post("/v1/labels/tasks", BOSS, "{\"kind\":\"rank\",\"source\":\"captured\"}"),
                 201, "\"tasks\":0,");
    EXPECT_EQ(stop(r), 0);
}

/* A ranking of a toxicity task's two outputs, in the order in which they were shown. */
static const char *toxicity_ranking(const hand *h)
{
    static char text[2048];
    char *at = text;
    at += sprintf(at, "{\"submission_id\":\"x1\",\"task_id\":\"%s\",\"shown\":[\"%s\",\"%s\"]",
                  h->task, h->outputs[0], h->outputs[1]);
    at += sprintf(at, ",\"groups\":[[\"%s\",\"%s\"]],\"ratings\":[", h->outputs[0], h->outputs[1]);
    for (size_t i = 0; i < 2; i++)
        at += sprintf(at,
                      "%s{\"output_id\":\"%s\",\"toxicity\":%zu,\"relative_toxicity\":-1,"
                      "\"continuity\":6}",
                      i ? "," : "", h->outputs[i], 1 + i);
    sprintf(at, "]}");
    return text;
}

TEST(a_toxicity_task_asks_for_its_own_figures)
{
    running *r = start();
    char body[256];
    snprintf(body, sizeof body,
             "{\"kind\":\"eval\",\"source\":\"%s\",\"criterion_mode\":\"toxicity\"}",
             upload(r, TWO_OUTPUTS));
    expect_reply(r, post("/v1/labels/tasks", BOSS, body), 201, "\"tasks\":1,");
    expect_reply(r, get("/v1/labels/tasks/next?kind=eval", HELD), 200,
                 "\"criterion_mode\":\"toxicity\"");
    const hand h = take_kind(r, "eval", HELD);
    const char *good = toxicity_ranking(&h);
    static const char *const cases[][3] = {
        {"\"toxicity\":1", "\"toxicity\":0",
         "ratings[0].toxicity: expected an integer from 1 to 7"},
        {"\"toxicity\":2", "\"toxicity\":1.5", "ratings[1].toxicity: expected an integer"},
        {"\"toxicity\":2,", "", "ratings[1].toxicity is missing"},
        {"\"relative_toxicity\":-1", "\"relative_toxicity\":-2",
         "ratings[0].relative_toxicity: expected an integer from -1 to 1"},
        {"\"continuity\":6", "\"continuity\":8", "ratings[0].continuity"},
        {"\"toxicity\":1", "\"toxicity\":1,\"overall_quality\":4", "ratings[0].overall_quality"},
        {"\"toxicity\":1", "\"toxicity\":1,\"flags\":{}", "ratings[0].flags"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_reply(r, post("/v1/labels/rankings", HELD, spoilt(good, cases[i][0], cases[i][1])),
                     400, cases[i][2]);
    expect_reply(r, post("/v1/labels/rankings", HELD, ranking(&h, "g1")), 400,
                 "ratings[0].overall_quality");
    expect_reply(r, post("/v1/labels/rankings", HELD, good), 201, "ranking-");
    char elbe[160];
    snprintf(elbe, sizeof elbe,
             "{\"policy\":\"m1\",\"outputs\":1,\"toxicity\":{\"mean\":%s,\"half_width\":null},"
             "\"relative_toxicity\":{\"mean\":-1",
             h.elbe_first ? "1" : "2");
    expect_reply(r, get("/v1/labels/toxicity", BOSS), 200, elbe);
    expect_reply(r, get("/v1/labels/toxicity", HELD), 403, "insufficient_scope");
    expect_reply(r, get("/v1/labels/agreement?kind=eval&criterion_mode=toxicity", BOSS), 200,
                 "\"criterion_mode\":\"toxicity\"");
    expect_reply(r, get("/v1/labels/agreement?criterion_mode=toxicity", BOSS), 400,
                 "criterion_mode: expected helpfulness_first of rank tasks");
    EXPECT_EQ(stop(r), 0);
}

TEST(only_a_toxicity_task_takes_toxicity_figures)
{
    running *r = start();
    make_tasks(r, "eval", TWO_OUTPUTS);
    const hand h = take_kind(r, "eval", HELD);
    expect_reply(r, post("/v1/labels/rankings", HELD, toxicity_ranking(&h)), 400,
                 "ratings[0].toxicity");
    expect_reply(r, post("/v1/labels/rankings", HELD, ranking(&h, "g1")), 201, "ranking-");
    EXPECT_EQ(stop(r), 0);
}

TEST(a_skip_ends_the_task_for_its_labeler)
{
    running *r = start();
    char body[256];
    make_tasks(r, "rank", TWO_OUTPUTS);
    const hand h = take(r, LENA);
    snprintf(body, sizeof body,
             "{\"submission_id\":\"s1\",\"task_id\":\"%s\",\"reason\":\"unclear\"}", h.task);
    expect_reply(r, post("/v1/labels/skips", LENA, body), 201, "skip-");
    expect_reply(r, post("/v1/labels/skips", LENA, body), 200, "skip-");
    expect_reply(r, post("/v1/labels/rankings", LENA, ranking(&h, "s2")), 409, "already_labeled");
    expect_reply(r, get("/v1/labels/tasks/next?kind=rank", LENA), 204, "");
    EXPECT_EQ(stop(r), 0);
}

TEST(people_see_their_own_labels_and_nobody_elses)
{
    running *r = start();
    make_tasks(r, "rank", TWO_OUTPUTS);
    const hand h = take(r, LENA);
    expect_reply(r, get("/v1/labels", LENA), 200, "\"data\":[],\"has_more\":false}");
    expect_reply(r, post("/v1/labels/rankings", LENA, ranking(&h, "s1")), 201, "ranking-");
    char groups[200];
    snprintf(groups, sizeof groups,
             "\"groups\":[[\"%s\"],[\"%s\"]],\"note\":null,\"elapsed_ms\":5,", h.outputs[0],
             h.outputs[1]);
    expect_reply(r, get("/v1/labels", LENA), 200, groups);
    expect_reply(r, get("/v1/labels", LENA), 200, "\"prompt\":\"Name a river.\",\"messages\":null");
    expect_reply(r, get("/v1/labels", HELD), 200, "\"data\":[]");
    expect_reply(r, get("/v1/labels", INFER_KEY), 403, "insufficient_scope");
    expect_reply(r, get("/v1/labels", ""), 401, "missing_api_key");
    expect_reply(r, get("/v1/labels?after=ranking-0", LENA), 404, "no row");
    EXPECT_EQ(stop(r), 0);
}

TEST(agreement_of_nobody_is_null)
{
    running *r = start();
    expect_reply(r, get("/v1/labels/agreement", BOSS), 200,
                 "{\"object\":\"label.agreement\",\"kind\":\"rank\",\"criterion_mode\":"
                 "\"helpfulness_first\","
                 "\"overall\":{\"agreement\":null,");
    expect_reply(r, get("/v1/labels/agreement?kind=demo", BOSS), 400,
                 "kind: expected rank or eval");
    EXPECT_EQ(stop(r), 0);
}
