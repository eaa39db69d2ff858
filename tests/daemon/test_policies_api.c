/* /v1/policies and /v1/aliases through the whole daemon: what is told, moved and refused. */
#include "daemon/daemon_fixture.h"
#include "daemon/publish_fixture.h"

#include <stdarg.h>

/* A daemon over a data directory in which two policies were published before: `one` serves nobody,
 * `two` serves as "other". */
typedef struct scene {
    lab l;
    running *r;
    char one[POLICY_ID_CHARS + 1], two[POLICY_ID_CHARS + 1], base[POLICY_ID_CHARS + 1];
} scene;

static void open_scene(scene *s)
{
    lab_open(&s->l, NULL);
    strcpy(s->base, lab_base_id(&s->l));
    strcpy(s->one, lab_publish(&s->l, NULL));
    strcpy(s->two, lab_publish(&s->l, "other"));
    lab_close(&s->l);
    s->r = daemon_fixture(true);
    s->r->options.config.model = s->l.base;
    snprintf(s->r->options.config.data_dir, sizeof s->r->options.config.data_dir, "%s",
             s->l.data_dir);
    launch(s->r);
    await_ready(s->r);
}

static void close_scene(scene *s)
{
    EXPECT_EQ(stop(s->r), 0);
}

/* "METHOD PATH" with headers and a body; NULL: none. */
__attribute__((format(printf, 3, 4))) static int call(const scene *s, reply *out, const char *fmt,
                                                      ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *out = (reply){0};
    return ask(s->r, out, text);
}

static int get(const scene *s, reply *out, const char *path, const char *key)
{
    return call(s, out, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, key);
}

static int put(const scene *s, reply *out, const char *alias, const char *condition,
               const char *body)
{
    return call(s, out,
                "PUT /v1/aliases/%s HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY
                "Content-Type: application/json\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                alias, condition, condition[0] ? "\r\n" : "", strlen(body), body);
}

static int roll_back(const scene *s, reply *out, const char *alias, const char *body)
{
    return call(s, out,
                "POST /v1/aliases/%s/rollback HTTP/1.1\r\nHost: localhost\r\n" TRAIN_KEY
                "%sContent-Length: %zu\r\n\r\n%s",
                alias, body[0] ? "Content-Type: application/json\r\n" : "", strlen(body), body);
}

static const char *policy_body(const char *id)
{
    static char text[2][128];
    static unsigned turn;
    char *t = text[turn++ % 2];
    snprintf(t, sizeof text[0], "{\"policy\":\"%s\",\"reason\":\"a \\\"test\\\"\"}", id);
    return t;
}

static void expect_error(const scene *s, reply *out, int got, int status, const char *part)
{
    (void)s;
    if (got != status)
        FAIL("status %d, expected %d with %s: %s", got, status, part, out->body ? out->body : "");
    expect_in(out, part);
    reply_free(out);
}

TEST(aliases_are_told_with_their_version)
{
    scene s;
    reply out;
    char want[256];
    open_scene(&s);
    EXPECT_EQ(get(&s, &out, "/v1/aliases/instruct", ""), 200);
    EXPECT_STR(reply_header(&out, "etag"), "\"1\"");
    snprintf(want, sizeof want,
             "{\"name\":\"instruct\",\"object\":\"alias\",\"policy\":\"%s\",\"previous\":null,"
             "\"version\":1,\"in_flight\":\"pin\",\"updated_at\":",
             s.base);
    expect_in(&out, want);
    expect_in(&out, "\"updated_by\":\"start\"}");
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/v1/aliases", ""), 200);
    expect_in(&out, "{\"object\":\"list\",\"data\":[{\"name\":\"instruct\"");
    expect_in(&out, "{\"name\":\"other\"");
    expect_in(&out, "\"has_more\":false}");
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/v1/aliases?limit=1", ""), 200);
    expect_in(&out, "\"has_more\":true}");
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/v1/aliases?after=instruct", ""), 200);
    expect_in(&out, "\"data\":[{\"name\":\"other\"");
    reply_free(&out);
    expect_error(&s, &out, get(&s, &out, "/v1/aliases?after=nobody", ""), 404, "after");
    expect_error(&s, &out, get(&s, &out, "/v1/aliases/nobody", ""), 404, "not_found");
    close_scene(&s);
}

TEST(policies_are_told_from_manifest_and_audit)
{
    scene s;
    reply out;
    char path[128], want[256];
    open_scene(&s);
    snprintf(path, sizeof path, "/v1/policies/%s", s.two);
    EXPECT_EQ(get(&s, &out, path, ""), 200);
    snprintf(want, sizeof want, "{\"id\":\"%s\",\"object\":\"policy\",\"created_at\":", s.two);
    expect_in(&out, want);
    expect_in(&out,
              "\"stage\":\"ppo\",\"state\":\"active\",\"resident\":true,\"weights_sha256\":\"");
    expect_in(&out, "\"dtype\":\"f32\",\"tokenizer_sha256\":\"");
    expect_in(&out, "\"lineage\":{\"parent\":null,\"job\":null,\"datasets\":[],"
                    "\"reward_model\":null,\"code_rev\":\"test\"},\"metrics\":{}}");
    reply_free(&out);
    snprintf(path, sizeof path, "/v1/policies/%s", s.one);
    EXPECT_EQ(get(&s, &out, path, ""), 200);
    expect_in(&out, "\"state\":\"validated\",\"resident\":false");
    reply_free(&out);
    snprintf(path, sizeof path, "/v1/policies/%s", s.base);
    EXPECT_EQ(get(&s, &out, path, ""), 200);
    expect_in(&out, "\"stage\":\"pretrained\",\"state\":\"active\",\"resident\":true");
    expect_in(&out, "\"tokenizer_sha256\":null");
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/v1/policies?limit=2", ""), 200);
    expect_in(&out, "\"has_more\":true}");
    reply_free(&out);
    snprintf(path, sizeof path, "/v1/policies?after=%s", "pol_0123456789abcdef");
    expect_error(&s, &out, get(&s, &out, path, ""), 404, "after");
    expect_error(&s, &out, get(&s, &out, "/v1/policies/pol_0123456789abcdef", ""), 404,
                 "not_found");
    expect_error(&s, &out, get(&s, &out, "/v1/policies/..%2f..%2fadmin.key", ""), 404, "not_found");
    close_scene(&s);
}

static int delete_policy(const scene *s, reply *out, const char *id, const char *key)
{
    return call(s, out, "DELETE /v1/policies/%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", id, key);
}

TEST(a_policy_that_nothing_needs_can_be_deleted)
{
    scene s;
    reply out;
    char want[128];
    open_scene(&s);
    expect_error(&s, &out, delete_policy(&s, &out, s.one, ""), 401, "missing_api_key");
    expect_error(&s, &out, delete_policy(&s, &out, s.two, TRAIN_KEY), 409, "serves as other");
    expect_error(&s, &out, delete_policy(&s, &out, s.base, TRAIN_KEY), 409, "state_conflict");
    EXPECT_EQ(delete_policy(&s, &out, s.one, TRAIN_KEY), 200);
    snprintf(want, sizeof want, "{\"id\":\"%s\",\"object\":\"policy\",\"deleted\":true}", s.one);
    EXPECT_STR(out.body, want);
    reply_free(&out);
    expect_error(&s, &out, delete_policy(&s, &out, s.one, TRAIN_KEY), 404, "not_found");
    close_scene(&s);
}

TEST(a_move_needs_a_condition_and_the_condition_must_hold)
{
    static const struct {
        const char *alias, *condition;
        int status;
        const char *part;
    } rows[] = {
        {"instruct", "", 428, "etag_required"},
        {"instruct", "If-Match: \"7\"", 412, "etag_mismatch"},
        {"instruct", "If-None-Match: *", 412, "etag_mismatch"},
        {"instruct", "If-Match: 1", 400, "If-Match"},
        {"instruct", "If-Match: W/\"1\"", 400, "If-Match"},
        {"instruct", "If-None-Match: \"1\"", 400, "If-None-Match"},
        {"instruct", "If-Match: \"1\"\r\nIf-None-Match: *", 400, "If-Match"},
        {"nobody", "If-Match: \"1\"", 404, "not_found"},
        {"Not.Valid", "If-None-Match: *", 400, "a-z 0-9"},
    };
    scene s;
    reply out;
    open_scene(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_error(&s, &out, put(&s, &out, rows[i].alias, rows[i].condition, policy_body(s.one)),
                     rows[i].status, rows[i].part);
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: \"1\"", policy_body(s.one)), 200);
    EXPECT_STR(reply_header(&out, "etag"), "\"2\"");
    expect_in(&out, "\"version\":2");
    expect_in(&out, "\"updated_by\":\"train\"}");
    reply_free(&out);
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: *", policy_body(s.two)), 200);
    reply_free(&out);
    EXPECT_EQ(put(&s, &out, "fresh", "If-None-Match: *", policy_body(s.one)), 200);
    EXPECT_STR(reply_header(&out, "etag"), "\"1\"");
    reply_free(&out);
    close_scene(&s);
}

TEST(bodies_that_say_something_else_are_refused_by_name)
{
    static const struct {
        const char *body;
        int status;
        const char *part;
    } rows[] = {
        {"", 400, "invalid_json"},
        {"{}", 400, "\"param\":\"policy\",\"code\":\"missing_required_parameter\""},
        {"{\"policy\":null}", 400, "missing_required_parameter"},
        {"{\"policy\":7}", 400, "\"param\":\"policy\",\"code\":\"invalid_value\""},
        {"{\"policy\":\"\"}", 400, "\"param\":\"policy\""},
        {"{\"policy\":\"pol_\"}", 400, "16 hexadecimal digits"},
        {"{\"policy\":\"pol_0123456789abcdef\"}", 404, "\"param\":\"policy\""},
        {"{\"policy\":\"pol_0123456789abcdef\",\"path\":\"/\"}", 400, "unknown_parameter"},
        {"{\"policy\":\"pol_0123456789abcdef\",\"in_flight\":\"later\"}", 400,
         "\"param\":\"in_flight\""},
        {"{\"policy\":\"pol_0123456789abcdef\",\"reason\":[]}", 400, "\"param\":\"reason\""},
    };
    scene s;
    reply out;
    open_scene(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_error(&s, &out, put(&s, &out, "instruct", "If-Match: \"1\"", rows[i].body),
                     rows[i].status, rows[i].part);
    EXPECT_EQ(get(&s, &out, "/v1/aliases/instruct", ""), 200);
    EXPECT_STR(reply_header(&out, "etag"), "\"1\"");
    reply_free(&out);
    close_scene(&s);
}

TEST(rollback_goes_to_the_previous_policy_or_the_one_named)
{
    scene s;
    reply out;
    char body[64], want[96];
    open_scene(&s);
    expect_error(&s, &out, roll_back(&s, &out, "instruct", ""), 409, "state_conflict");
    expect_error(&s, &out, roll_back(&s, &out, "nobody", ""), 404, "not_found");
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: \"1\"", policy_body(s.one)), 200);
    reply_free(&out);
    EXPECT_EQ(roll_back(&s, &out, "instruct", ""), 200);
    snprintf(want, sizeof want, "\"policy\":\"%s\",\"previous\":\"%s\"", s.base, s.one);
    expect_in(&out, want);
    EXPECT_STR(reply_header(&out, "etag"), "\"3\"");
    reply_free(&out);
    snprintf(body, sizeof body, "{\"to\":\"%s\"}", s.two);
    EXPECT_EQ(roll_back(&s, &out, "instruct", body), 200);
    expect_in(&out, s.two);
    reply_free(&out);
    expect_error(&s, &out, roll_back(&s, &out, "instruct", "{\"to\":\"pol_0123456789abcdef\"}"),
                 404, "\"param\":\"to\"");
    expect_error(&s, &out, roll_back(&s, &out, "instruct", "{\"policy\":\"x\"}"), 400,
                 "unknown_parameter");
    EXPECT_EQ(get(&s, &out, "/v1/aliases/instruct/history?limit=2", ""), 200);
    expect_in(&out, "{\"id\":\"4\",\"version\":4,");
    expect_in(&out, "\"reason\":\"rollback\"");
    expect_in(&out, "\"has_more\":true}");
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/v1/aliases/instruct/history?after=3", ""), 200);
    expect_in(&out, "\"reason\":\"a \\\"test\\\"\"");
    expect_in(&out, "\"version\":1,");
    expect_in(&out, "\"has_more\":false}");
    reply_free(&out);
    close_scene(&s);
}

TEST(answers_name_the_policy_that_gave_them)
{
    scene s;
    reply out;
    char want[96];
    static const char question[] = "{\"prompt\":\"hello\",\"max_tokens\":2}";
    open_scene(&s);
    EXPECT_EQ(ask(s.r, &out, post("/v1/completions", "", question)), 200);
    EXPECT_STR(reply_header(&out, "x-instructd-policy"), s.base);
    reply_free(&out);
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: \"1\"", policy_body(s.two)), 200);
    reply_free(&out);
    EXPECT_EQ(ask(s.r, &out, post("/v1/completions", "", question)), 200);
    EXPECT_STR(reply_header(&out, "x-instructd-policy"), s.two);
    snprintf(want, sizeof want, "\"model\":\"instruct@%s\"", s.two);
    expect_in(&out, want);
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/v1/models", ""), 200);
    snprintf(want, sizeof want, "\"policy\":\"%s\",\"stage\":\"ppo\"", s.two);
    expect_in(&out, want);
    reply_free(&out);
    EXPECT_EQ(get(&s, &out, "/metrics", INFER_KEY), 200);
    snprintf(want, sizeof want, "instructd_policy_info{alias=\"instruct\",policy=\"%s\"} 1", s.two);
    expect_in(&out, want);
    snprintf(want, sizeof want, "instructd_policy_requests_total{policy=\"%s\"} 1", s.base);
    expect_in(&out, want);
    reply_free(&out);
    close_scene(&s);
}

TEST(choices_of_an_alias_that_recomputes_tell_their_spans)
{
    scene s;
    reply out;
    char body[128], want[128], pinned[128];
    open_scene(&s);
    snprintf(body, sizeof body, "{\"policy\":\"%s\",\"in_flight\":\"recompute\"}", s.two);
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: \"1\"", body), 200);
    expect_in(&out, "\"in_flight\":\"recompute\"");
    reply_free(&out);
    snprintf(want, sizeof want,
             "\"finish_reason\":\"length\",\"policy_spans\":[{\"policy\":\"%s\",\"from\":0}]}",
             s.two);
    static const char *const questions[] = {
        "{\"prompt\":\"hello\",\"max_tokens\":2,\"ignore_eos\":true}",
        "{\"prompt\":\"hello\",\"max_tokens\":2,\"ignore_eos\":true,\"stream\":true}"};
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(ask(s.r, &out, post("/v1/completions", "", questions[i])), 200);
        expect_in(&out, want);
        reply_free(&out);
    }
    snprintf(pinned, sizeof pinned,
             "{\"model\":\"instruct@%s\",\"prompt\":\"hello\",\"max_tokens\":2}", s.two);
    EXPECT_EQ(ask(s.r, &out, post("/v1/completions", "", pinned)), 200);
    EXPECT(!strstr(out.body, "policy_spans"));
    reply_free(&out);
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: \"2\"", policy_body(s.one)), 200);
    expect_in(&out, "\"in_flight\":\"recompute\""); /* it stays as it was */
    reply_free(&out);
    snprintf(body, sizeof body, "{\"policy\":\"%s\",\"in_flight\":\"pin\"}", s.one);
    EXPECT_EQ(put(&s, &out, "instruct", "If-Match: \"3\"", body), 200);
    reply_free(&out);
    EXPECT_EQ(ask(s.r, &out, post("/v1/completions", "", questions[0])), 200);
    EXPECT(!strstr(out.body, "policy_spans"));
    reply_free(&out);
    close_scene(&s);
}

TEST(files_of_a_policy_are_listed_and_given)
{
    static const char *const names[] = {"config.json",    "generation_config.json",
                                        "manifest.json",  "model.safetensors",
                                        "tokenizer.json", "tokenizer_config.json"};
    scene s;
    reply out;
    char path[160], on_disk[600], want[200];
    open_scene(&s);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len;
        snprintf(on_disk, sizeof on_disk, "%s/policies/%s/%s", s.l.data_dir, s.one, names[i]);
        char *data = test_read_file(on_disk, &len);
        snprintf(path, sizeof path, "/v1/policies/%s/files/%s", s.one, names[i]);
        EXPECT_EQ(get(&s, &out, path, TRAIN_KEY), 200);
        EXPECT_EQ(out.body_len, len);
        EXPECT_MEM(out.body, data, len);
        reply_free(&out);
        free(data);
        snprintf(path, sizeof path, "/v1/policies/%s/files", s.one);
        EXPECT_EQ(get(&s, &out, path, TRAIN_KEY), 200);
        snprintf(want, sizeof want, "{\"name\":\"%s\",\"bytes\":%zu,\"sha256\":\"", names[i], len);
        expect_in(&out, want);
        reply_free(&out);
    }
    snprintf(path, sizeof path, "/v1/policies/%s/files", s.base);
    EXPECT_EQ(get(&s, &out, path, TRAIN_KEY), 200);
    snprintf(want, sizeof want, "\"sha256\":\"%s", s.base + 4); /* the id is the digest's start */
    expect_in(&out, "\"data\":[{\"name\":\"model.gguf\"");
    expect_in(&out, want);
    reply_free(&out);
    snprintf(path, sizeof path, "/v1/policies/%s/files/model.gguf", s.base);
    EXPECT_EQ(get(&s, &out, path, TRAIN_KEY), 200);
    EXPECT_MEM(out.body, "GGUF", 4);
    reply_free(&out);
    static const char *const others[] = {"..%2f..%2f..%2fadmin.key", "config.json%00", ".", "x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(path, sizeof path, "/v1/policies/%s/files/%s", s.one, others[i]);
        expect_error(&s, &out, get(&s, &out, path, TRAIN_KEY), 404, "not_found");
    }
    close_scene(&s);
}

/* Reads take any key, writes and files a key that trains. */
TEST(scopes_are_kept)
{
    scene s;
    reply out;
    char path[2][128];
    open_scene(&s);
    snprintf(path[0], sizeof path[0], "/v1/policies/%s/files", s.one);
    snprintf(path[1], sizeof path[1], "/v1/policies/%s/files/config.json", s.one);
    for (int i = 0; i < 2; i++) {
        expect_error(&s, &out, get(&s, &out, path[i], ""), 401, "missing_api_key");
        expect_error(&s, &out, get(&s, &out, path[i], INFER_KEY), 403, "insufficient_scope");
    }
    EXPECT_EQ(get(&s, &out, "/v1/policies", INFER_KEY), 200);
    reply_free(&out);
    expect_error(&s, &out,
                 call(&s, &out,
                      "PUT /v1/aliases/instruct HTTP/1.1\r\nHost: localhost\r\n" INFER_KEY
                      "If-Match: *\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
                      "{}"),
                 403, "insufficient_scope");
    expect_error(&s, &out,
                 call(&s, &out,
                      "POST /v1/aliases/instruct/rollback HTTP/1.1\r\nHost: localhost\r\n"
                      "Content-Length: 0\r\n\r\n"),
                 401, "missing_api_key");
    close_scene(&s);
}
