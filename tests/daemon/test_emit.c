/* Random tokens, broken UTF-8 among them, against a model of the rule that looks at all the text at
 * once: what the released pieces join to, which records come, when, and with which offsets. */
#include "serve_fixture.h"

#include "serve/emit.h"
#include "serve/stop.h"

enum { MAX_TOKENS = 60, MAX_BYTES = 4096 };

typedef struct script_token {
    int32_t id;
    bool sampled, silent;
    size_t at, end; /* its bytes of the choice's raw bytes */
} script_token;

/* A choice, and what must come of it. */
typedef struct script {
    gen_request *request;
    script_token tokens[MAX_TOKENS];
    uint32_t n_tokens; /* those after the stop are never pushed */
    char raw[MAX_BYTES];
    size_t raw_len;
    /* expected */
    char text[3 * MAX_BYTES];
    size_t text_len, cut; /* cut: where records end to be sent, SIZE_MAX = no stop */
    bool stopped;
} script;

/* What was released. */
typedef struct released {
    char text[3 * MAX_BYTES];
    size_t text_len;
    gen_token records[MAX_TOKENS];
    uint32_t n_records;
    int32_t ids[MAX_TOKENS];
    uint32_t n_ids;
} released;

static policy_registry *registry(void)
{
    static policy_registry *r;
    if (!r) {
        r = policy_registry_create();
        serve_load(r, "a", 1);
    }
    return r;
}

static gen_request *new_request(void)
{
    gen_request *r = gen_request_create();
    char label[96];
    EXPECT_EQ(policy_resolve(registry(), NULL, &r->policy, label), POLICY_FOUND);
    r->n_logprobs = 1;
    r->format.return_token_ids = true;
    return r;
}

static const eng_tokenizer *tokenizer_of(const gen_request *r)
{
    return eng_model_tokenizer(policy_model(r->policy));
}

static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

/* ---- scripts ---- */

static void script_add(script *s, int32_t id, bool sampled, bool silent)
{
    size_t len;
    const eng_tokenizer *tok = tokenizer_of(s->request);
    const char *bytes = eng_token_bytes(tok, id, &len);
    script_token *t = &s->tokens[s->n_tokens++];
    *t = (script_token){.id = id, .sampled = sampled, .silent = silent, .at = s->raw_len};
    if (!silent && !(sampled && eng_token_is_special(tok, id))) {
        memcpy(s->raw + s->raw_len, bytes, len);
        s->raw_len += len;
    }
    t->end = s->raw_len;
}

static void script_add_bytes(script *s, const char *bytes)
{
    for (; *bytes; bytes++)
        script_add(s, TEST_TOKEN_BYTE0 + (unsigned char)*bytes, true, false);
}

/* Whole and broken characters, letters that stops are made of, merged and special tokens. */
static void script_add_random(script *s, uint64_t *rng, bool sampled)
{
    static const unsigned char pieces[] = {0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F,
                                           0x98, 0x80, 0xEF, 0xBF, 0xBD, 0xFF, 0xE0};
    int32_t id = TEST_TOKEN_BYTE0 + 'a' + (int32_t)random_below(rng, 3);
    switch (random_below(rng, 8)) {
    case 0:
    case 1:
        id = TEST_TOKEN_BYTE0 + pieces[random_below(rng, sizeof pieces)];
        break;
    case 2:
        id = TEST_TOKEN_MERGED0 + (int32_t)random_below(rng, TEST_N_MERGES);
        break;
    case 3:
        if (random_below(rng, 3) == 0)
            id = (int32_t)random_below(rng, 3);
        break;
    case 4: {
        static const char *const whole[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
        const char *bytes = whole[random_below(rng, 3)];
        for (; bytes[1]; bytes++)
            if (s->n_tokens + 1 < MAX_TOKENS)
                script_add(s, TEST_TOKEN_BYTE0 + (unsigned char)*bytes, sampled, false);
        id = TEST_TOKEN_BYTE0 + (unsigned char)*bytes;
        break;
    }
    default:
        break;
    }
    if (s->n_tokens < MAX_TOKENS)
        script_add(s, id, sampled, false);
}

/* ---- the model ---- */

/* Length of the text that raw[0..n) shows while more may come. */
static size_t shown(const script *s, size_t n, char *text)
{
    static char unused[3 * MAX_BYTES];
    return eng_utf8_repair(text ? text : unused, s->raw, eng_utf8_complete(s->raw, n));
}

static bool has_tail(const script *s, size_t n)
{
    return eng_utf8_complete(s->raw, n) < n;
}

/* Does raw[n] go on with the tail that raw[0..n) ends in? */
static bool continues(const script *s, size_t n)
{
    const size_t whole = eng_utf8_complete(s->raw, n);
    return eng_utf8_complete(s->raw, n + 1) == whole ||
           eng_utf8_valid(s->raw + whole, n + 1 - whole);
}

/* Where in the text a token starts; a silent one stands before what replaces an open tail. */
static size_t start_in_text(const script *s, const script_token *t)
{
    const bool broken = t->end > t->at && has_tail(s, t->at) && !continues(s, t->at);
    return shown(s, t->at, NULL) + (broken ? 3 : 0);
}

/* Where in the text the character ends that holds the token's last byte. */
static size_t end_in_text(const script *s, const script_token *t, size_t pushed)
{
    size_t n = t->end;
    while (n < pushed && has_tail(s, n) && continues(s, n))
        n++;
    return shown(s, n, NULL) + (has_tail(s, n) ? 3 : 0);
}

static uint32_t chars(const char *text, size_t len)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* Looks for a stop in all the text after each sampled token; sets the expected text. */
static void script_solve(script *s)
{
    const gen_request *r = s->request;
    size_t searched = 0, at, len;
    s->cut = SIZE_MAX;
    s->stopped = false;
    for (uint32_t i = 0; i < s->n_tokens && !s->stopped; i++) {
        const script_token *t = &s->tokens[i];
        size_t n = shown(s, t->end, s->text);
        if (!t->sampled) {
            searched = n;
        } else if (stop_find(r->stops, r->n_stops, s->text + searched, n - searched, &at, &len)) {
            s->cut = s->text_len = searched + at + (r->include_stop_text ? len : 0);
            s->n_tokens = i + 1;
            s->raw_len = t->end;
            s->stopped = true;
        }
    }
    if (!s->stopped)
        s->text_len = eng_utf8_repair(s->text, s->raw, s->raw_len);
}

/* The records in order, of which those that the first `sent` bytes hold must have been released. */
static void expect_records(const script *s, const released *got, size_t sent, uint32_t n_pushed)
{
    const size_t pushed = s->tokens[n_pushed - 1].end;
    const size_t cut = n_pushed == s->n_tokens ? s->cut : SIZE_MAX; /* the last token brings it */
    uint32_t n = 0;
    bool more = true;
    for (uint32_t i = 0; i < n_pushed && more; i++) {
        const script_token *t = &s->tokens[i];
        const size_t start = start_in_text(s, t), end = end_in_text(s, t, pushed);
        if (start >= cut && end > cut)
            continue;
        more = (end < cut ? end : cut) <= sent;
        if (!more || ++n > got->n_records)
            continue;
        const gen_token *g = &got->records[n - 1];
        EXPECT_EQ(g->id, t->id);
        EXPECT_EQ((int)g->logprob, -(int)i);
        char text[3 * MAX_BYTES];
        eng_utf8_repair(text, s->raw, s->raw_len);
        EXPECT_EQ(g->text_offset, chars(text, start));
        EXPECT_EQ(g->hidden, t->silent || eng_token_is_special(tokenizer_of(s->request), t->id));
    }
    EXPECT_EQ(got->n_records, n);
}

/* ---- the emitter ---- */

static void take(emit *e, released *got)
{
    gen_chunk c;
    bool any = emit_take(e, &c);
    EXPECT(!e->failed);
    EXPECT_EQ(any, c.text_len || c.n_tokens || c.n_ids);
    EXPECT(eng_utf8_valid(c.text, c.text_len));
    EXPECT_EQ(c.text[c.text_len], 0);
    memcpy(got->text + got->text_len, c.text, c.text_len);
    got->text_len += c.text_len;
    for (uint32_t i = 0; i < c.n_tokens; i++) {
        EXPECT(c.tokens[i].first || c.tokens[i].n_top == 1);
        got->records[got->n_records++] = c.tokens[i];
        free(c.tokens[i].top);
    }
    for (uint32_t i = 0; i < c.n_ids; i++)
        got->ids[got->n_ids++] = c.ids[i];
    free(c.tokens);
    free(c.ids);
    free(c.text);
}

/* Pushes the script, taking after every token (1), never before the end (0), or at random (2). */
static void run(const script *s, int how, released *got)
{
    uint64_t rng = s->raw_len;
    emit e;
    bool stopped = false;
    emit_init(&e, s->request);
    got->text_len = got->n_records = got->n_ids = 0;
    for (uint32_t i = 0; i < s->n_tokens; i++) {
        const script_token *t = &s->tokens[i];
        eng_output out = {.logprob = -(float)i, .n_top = 1};
        EXPECT(!stopped);
        emit_push(&e,
                  &(emit_token){.id = t->id,
                                .sampled = t->sampled,
                                .silent = t->silent,
                                .first = !t->sampled && i == 0,
                                .logprobs = &out},
                  t->sampled, &stopped);
        if (how == 1 || (how == 2 && random_below(&rng, 3) == 0))
            take(&e, got);
        if (how == 1 && !stopped)
            expect_records(s, got, got->text_len, i + 1);
    }
    EXPECT_EQ(stopped, s->stopped);
    emit_finish(&e);
    take(&e, got);
    emit_free(&e);
}

static void expect_solved(script *s)
{
    static released got;
    script_solve(s);
    for (int how = 0; how < 3; how++) {
        run(s, how, &got);
        EXPECT_EQ(got.text_len, s->text_len);
        EXPECT_MEM(got.text, s->text, s->text_len);
        expect_records(s, &got, s->text_len, s->n_tokens);
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->n_tokens; i++)
            if (s->tokens[i].sampled)
                EXPECT_EQ(got.ids[n++], s->tokens[i].id);
        EXPECT_EQ(got.n_ids, n);
    }
    gen_request_unref(s->request);
}

/* An emitter's whole output for a text given byte by byte, with up to two stops. */
static void expect_text(const char *bytes, const char *stop, const char *stop2, bool include,
                        const char *want)
{
    static script s;
    static released got;
    memset(&s, 0, sizeof s);
    s.request = new_request();
    s.request->include_stop_text = include;
    if (stop)
        serve_add_stop(s.request, stop);
    if (stop2)
        serve_add_stop(s.request, stop2);
    script_add_bytes(&s, bytes);
    script_solve(&s);
    run(&s, 1, &got);
    got.text[got.text_len] = 0;
    EXPECT_STR(got.text, want);
    gen_request_unref(s.request);
}

/* ---- tests ---- */

TEST(text_without_stops_passes_through)
{
    expect_text("plain text", NULL, NULL, false, "plain text");
    expect_text("caf\xC3\xA9 \xF0\x9F\x98\x80!", NULL, NULL, false,
                "caf\xC3\xA9 \xF0\x9F\x98\x80!");
}

TEST(stop_across_tokens_is_cut)
{
    expect_text("one STOP two", "STOP", NULL, false, "one ");
    expect_text("one STOP two", "STOP", NULL, true, "one STOP");
    expect_text("one STO", "STOP", NULL, false, "one STO");
    expect_text("abcabd", "abd", "c", false, "ab");
    expect_text("xyyz", "yyz", "yz", false, "x"); /* both end here; the first to begin wins */
    expect_text("\xE2\x82\xAC\xC3\xA9!", "\xC3\xA9", NULL, false, "\xE2\x82\xAC");
}

TEST(unfinished_tail_becomes_a_replacement_character_at_the_end)
{
    expect_text("a\xE2\x82", NULL, NULL, false, "a\xEF\xBF\xBD");
    expect_text("a\xE2\x82", "STOP", NULL, false, "a\xEF\xBF\xBD");
    expect_text("a\xE2\x82z", NULL, NULL, false, "a\xEF\xBF\xBDz");
}

TEST(random_tokens_without_stops_match_the_model)
{
    uint64_t rng = 1;
    for (int round = 0; round < 1500; round++) {
        static script s;
        memset(&s, 0, sizeof s);
        s.request = new_request();
        for (uint32_t n = 1 + random_below(&rng, MAX_TOKENS - 1); s.n_tokens < n;)
            script_add_random(&s, &rng, true);
        expect_solved(&s);
    }
}

TEST(random_tokens_with_stops_and_echo_match_the_model)
{
    static const char *const stops[] = {
        "a",  "ab",       "abc",       "cab",          "bb",
        "he", "\xC3\xA9", "c\xC3\xA9", "\xEF\xBF\xBD", "a\xEF\xBF\xBD"};
    uint64_t rng = 2;
    for (int round = 0; round < 4000; round++) {
        static script s;
        memset(&s, 0, sizeof s);
        s.request = new_request();
        s.request->include_stop_text = random_below(&rng, 2);
        for (uint32_t n = 1 + random_below(&rng, 3); n; n--)
            serve_add_stop(s.request, stops[random_below(&rng, 10)]);
        if (random_below(&rng, 3) == 0)
            for (uint32_t n = random_below(&rng, 9); s.n_tokens < n;)
                script_add_random(&s, &rng, false);
        for (uint32_t n = s.n_tokens + 1 + random_below(&rng, 30); s.n_tokens < n;)
            script_add_random(&s, &rng, true);
        if (s.n_tokens < MAX_TOKENS && random_below(&rng, 2))
            script_add(&s, TEST_TOKEN_IM_END, true, true);
        expect_solved(&s);
    }
}

/* The records of a script pushed whole. */
static void records_of(script *s, released *got)
{
    script_solve(s);
    run(s, 0, got);
}

TEST(tokens_that_begin_in_cut_stop_text_have_no_record)
{
    static script s;
    static released got;
    for (int include = 0; include < 2; include++) {
        memset(&s, 0, sizeof s);
        s.request = new_request();
        s.request->include_stop_text = include;
        serve_add_stop(s.request, "bc");
        script_add_bytes(&s, "aabcd");
        records_of(&s, &got);
        EXPECT_EQ(got.n_records, include ? 4 : 2);
        EXPECT_EQ(got.n_ids, 4); /* ids keep the stop's */
        gen_request_unref(s.request);
    }
}

TEST(token_that_begins_before_the_stop_keeps_its_record)
{
    static script s;
    static released got;
    memset(&s, 0, sizeof s);
    s.request = new_request();
    serve_add_stop(s.request, "ello w");
    int32_t ids[8];
    size_t n;
    eng_error err;
    EXPECT_OK(eng_tokenize(tokenizer_of(s.request), "hello world", 11, NULL, 0, ids, 8, &n, &err),
              err);
    EXPECT(n < 8);
    for (size_t i = 0; i < n; i++)
        script_add(&s, ids[i], true, false);
    records_of(&s, &got); /* "hello" is one token: the merges say so */
    EXPECT_EQ(got.text_len, 1);
    EXPECT_EQ(got.n_records, 1);
    EXPECT_EQ(got.records[0].id, ids[0]);
    gen_request_unref(s.request);
}

TEST(end_token_has_a_hidden_record_and_no_text)
{
    static script s;
    static released got;
    memset(&s, 0, sizeof s);
    s.request = new_request();
    script_add_bytes(&s, "\xC3\xA9!");
    script_add(&s, TEST_TOKEN_IM_END, true, true);
    records_of(&s, &got);
    EXPECT_EQ(got.n_records, 4);
    EXPECT(got.records[3].hidden);
    EXPECT(!got.records[2].hidden);
    EXPECT_EQ(got.records[1].text_offset, 0); /* inside the first character */
    EXPECT_EQ(got.records[2].text_offset, 1);
    EXPECT_EQ(got.records[3].text_offset, 2);
    gen_request_unref(s.request);
}

TEST(echo_shows_special_tokens_and_does_not_search_the_prompt)
{
    static script s;
    static released got;
    memset(&s, 0, sizeof s);
    s.request = new_request();
    serve_add_stop(s.request, "im_");
    script_add(&s, TEST_TOKEN_IM_START, false, false);
    script_add(&s, TEST_TOKEN_BYTE0 + 'x', false, false);
    script_add_bytes(&s, "yim_z");
    records_of(&s, &got);
    got.text[got.text_len] = 0;
    EXPECT_STR(got.text, "<|im_start|>xy");
    EXPECT_EQ(got.n_records, 3);
    EXPECT(got.records[0].first);
    EXPECT_EQ(got.records[1].text_offset, 12);
    gen_request_unref(s.request);
}

TEST(nothing_is_kept_that_was_not_asked_for)
{
    static script s;
    static released got;
    memset(&s, 0, sizeof s);
    s.request = new_request();
    s.request->n_logprobs = -1;
    s.request->format.return_token_ids = false;
    script_add_bytes(&s, "abc");
    records_of(&s, &got);
    EXPECT_EQ(got.text_len, 3);
    EXPECT_EQ(got.n_records, 0);
    EXPECT_EQ(got.n_ids, 0);
    gen_request_unref(s.request);
}
