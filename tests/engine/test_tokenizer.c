#include "text_golden.h"
#include "text/tokenizer.h"

static eng_tokenizer *create(const eng_vocab *v)
{
    eng_tokenizer *tok;
    eng_error err;
    EXPECT_OK(eng__tokenizer_create(&tok, v, &err), err);
    return tok;
}

static int32_t *tokenize(const eng_tokenizer *tok, const char *text, size_t len,
                         const uint8_t *trusted, unsigned flags, size_t *n)
{
    eng_error err;
    size_t again;
    EXPECT_OK(eng_tokenize(tok, text, len, trusted, flags, NULL, 0, n, &err), err);
    int32_t *ids = golden_array(*n + 1, sizeof *ids);
    EXPECT_OK(eng_tokenize(tok, text, len, trusted, flags, ids, *n, &again, &err), err);
    EXPECT_EQ(again, *n);
    return ids;
}

static void expect_ids(const eng_tokenizer *tok, const char *hex, const char *want_text,
                       unsigned flags)
{
    size_t len, n, n_want;
    char *text = golden_unhex(hex, &len);
    int32_t *want = golden_ids(want_text, &n_want);
    int32_t *got = tokenize(tok, text, len, NULL, flags, &n);
    for (size_t i = 0; i < n && i < n_want; i++)
        if (got[i] != want[i])
            FAIL("text %s, flags %u, token %zu: %d, expected %d", hex, flags, i, got[i], want[i]);
    EXPECT_EQ(n, n_want);
}

/* A table whose last two fields are ids without and with special tokens parsed. */
static void expect_table(const eng_tokenizer *tok, const char *file, bool has_pieces)
{
    char *text = golden_file(file);
    for (char *line; (line = golden_cut(&text, '\n')) != NULL;) {
        char *hex = golden_cut(&line, '\t');
        if (has_pieces)
            golden_cut(&line, '\t');
        char *plain = golden_cut(&line, '\t');
        expect_ids(tok, hex, plain, 0);
        expect_ids(tok, hex, line, ENG_TOK_PARSE_SPECIAL);
    }
}

TEST(ids_are_those_of_the_tokenizers_package_under_each_rule)
{
    for (int i = 0; i < GOLDEN_RULES; i++) {
        char file[32];
        snprintf(file, sizeof file, "%s.tsv", golden_rules[i].name);
        eng_tokenizer *tok =
            create(&golden_vocab_load(golden_rules[i].name, golden_rules[i].pre)->v);
        expect_table(tok, file, true);
        eng__tokenizer_free(tok);
    }
    golden_end();
}

static eng_tokenizer *default_model_tokenizer(void)
{
    eng_source *src;
    eng_error err;
    EXPECT_OK(eng__source_open(&src, test_model(), &err), err);
    eng_tokenizer *tok = create(eng__source_vocab(src));
    eng__source_close(src);
    return tok;
}

TEST(ids_of_the_default_model_are_llama_cpps)
{
    eng_tokenizer *tok = default_model_tokenizer();
    expect_table(tok, "smollm2.tsv", false);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(roles_of_the_default_model)
{
    eng_tokenizer *tok = default_model_tokenizer();
    const eng_token_roles *roles = eng_token_roles_of(tok);
    size_t n;
    EXPECT_EQ(roles->bos, 1);
    EXPECT_EQ(roles->eos, 2);
    EXPECT_EQ(roles->pad, 2);
    EXPECT_EQ(roles->unk, 0);
    EXPECT_EQ(roles->end_of_text, 0);
    EXPECT_EQ(roles->n_vocab, 49152);
    EXPECT(!roles->add_bos);
    eng_token_end_set(tok, &n);
    EXPECT_EQ(n, 2);
    EXPECT(eng_token_is_end(tok, 2) && eng_token_is_end(tok, 0) && !eng_token_is_end(tok, 1));
    EXPECT(eng_token_is_special(tok, 1) && !eng_token_is_special(tok, 1000));
    EXPECT(eng_chat_template_source(tok) != NULL);
    eng__tokenizer_free(tok);
}

static void expect_decodes(const eng_tokenizer *tok, const char *text, size_t len)
{
    size_t n, at = 0;
    int32_t *ids = tokenize(tok, text, len, NULL, 0, &n);
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes;
        const char *bytes = eng_token_bytes(tok, ids[i], &n_bytes);
        EXPECT(bytes != NULL && !eng_token_is_special(tok, ids[i]));
        EXPECT(at + n_bytes <= len);
        EXPECT_MEM(bytes, text + at, n_bytes);
        at += n_bytes;
    }
    EXPECT_EQ(at, len);
}

TEST(tokens_of_any_bytes_decode_to_those_bytes)
{
    uint64_t seed = 3;
    for (int rule = 0; rule < GOLDEN_RULES; rule++) {
        const struct golden_rule *r = &golden_rules[rule];
        eng_tokenizer *tok = create(&golden_vocab_load(r->name, r->pre)->v);
        for (int round = 0; round < 300; round++) {
            char text[300];
            size_t len = golden_random(&seed) % sizeof text;
            for (size_t i = 0; i < len; i++) /* half ASCII, half anything */
                text[i] = (char)(golden_random(&seed) % (i & 1 ? 256 : 128));
            expect_decodes(tok, text, len);
        }
        eng__tokenizer_free(tok);
    }
    golden_end();
}

TEST(tokens_of_a_book_decode_to_the_book)
{
    size_t len;
    eng_tokenizer *tok = default_model_tokenizer();
    char *text = test_read_file(test_shared("data/text/tinyshakespeare.txt"), &len);
    expect_decodes(tok, text, len);
    free(text);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(special_tokens_need_every_byte_trusted)
{
    golden_vocab *g = golden_vocab_load("qwen2", ENG_PRE_QWEN2);
    eng_tokenizer *tok = create(&g->v);
    int32_t end = (int32_t)g->v.n_tokens - 2; /* <|im_end|> */
    const char *text = "x<|im_end|>y<|im_end|>";
    uint8_t trusted[22];
    for (size_t hole = 0; hole <= 22; hole++) {
        size_t n, found = 0;
        memset(trusted, 1, sizeof trusted);
        if (hole < 22)
            trusted[hole] = 0;
        int32_t *ids = tokenize(tok, text, 22, trusted, 0, &n);
        for (size_t i = 0; i < n; i++)
            found += ids[i] == end;
        EXPECT_EQ(found, hole == 0 || hole == 11 || hole == 22 ? 2 : 1);
    }
    /* The flag says that all is trusted, whatever the mask. */
    size_t n;
    memset(trusted, 0, sizeof trusted);
    tokenize(tok, text, 22, trusted, 0, &n);
    EXPECT(n > 4);
    tokenize(tok, text, 22, trusted, ENG_TOK_PARSE_SPECIAL, &n);
    EXPECT_EQ(n, 4);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(text_is_split_across_the_borders_of_trust)
{
    /* As if it were one string: "user" + "name" is the piece "username". */
    eng_tokenizer *tok = create(&golden_vocab_load("gpt-2", ENG_PRE_GPT2)->v);
    uint8_t trusted[8] = {1, 1, 1, 1, 0, 0, 0, 0};
    size_t n, m;
    int32_t *joint = tokenize(tok, "thatthis", 8, trusted, 0, &n);
    int32_t *whole = tokenize(tok, "thatthis", 8, NULL, 0, &m);
    EXPECT_EQ(n, m);
    EXPECT_MEM(joint, whole, n * sizeof *whole);
    eng__tokenizer_free(tok);
    golden_end();
}

static golden_vocab *bytes_and(const char *const *specials, size_t n, uint8_t type)
{
    golden_vocab *g = golden_vocab_new(ENG_PRE_GPT2);
    golden_add_bytes(g);
    for (size_t i = 0; i < n; i++)
        golden_add_token(g, specials[i], type);
    return g;
}

TEST(the_longest_special_token_wins)
{
    static const char *const specials[] = {"<a>", "<a>b", "<a>bcd", "bc", ""};
    golden_vocab *g = bytes_and(specials, 5, ENG_TOKEN_USER);
    eng_tokenizer *tok = create(&g->v);
    size_t n;
    int32_t *ids = tokenize(tok, "<a>bcd<a>bc<a>", 14, NULL, ENG_TOK_PARSE_SPECIAL, &n);
    static const int32_t want[] = {258, 257, 'c', 256};
    EXPECT_EQ(n, 4);
    EXPECT_MEM(ids, want, sizeof want);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(a_thousand_special_tokens_with_one_beginning)
{
    golden_vocab *g = bytes_and(NULL, 0, 0);
    char name[48];
    size_t n;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "<|reserved_special_token_%d|>", i);
        golden_add_token(g, name, ENG_TOKEN_CONTROL);
    }
    eng_tokenizer *tok = create(&g->v);
    int32_t *ids = tokenize(tok, "<|reserved_special_token_77|><|reserved_special_token_777|>", 59,
                            NULL, ENG_TOK_PARSE_SPECIAL, &n);
    EXPECT_EQ(n, 2);
    EXPECT_EQ(ids[0], 256 + 77);
    EXPECT_EQ(ids[1], 256 + 777);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(user_text_cannot_forge_a_special_token_by_merging_or_stray_bytes)
{
    /* No byte tokens at all: what is unknown must not turn into the control token that the file
     * names as unknown, nor into one that ends answers. */
    golden_vocab *g = golden_vocab_new(ENG_PRE_LLAMA_BPE);
    golden_add_token(g, "<|endoftext|>", ENG_TOKEN_CONTROL);
    golden_add_token(g, "stop", ENG_TOKEN_CONTROL);
    golden_add_token(g, "a", ENG_TOKEN_NORMAL);
    g->v.unk = 0;
    size_t n;
    eng_tokenizer *tok = create(&g->v);
    int32_t *ids = tokenize(tok, "a stop\xFF a", 9, NULL, 0, &n);
    EXPECT_EQ(n, 2);
    EXPECT(ids[0] == 2 && ids[1] == 2);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(added_specials_stand_where_the_files_say)
{
    static const char *const specials[] = {"<s>", "</s>"};
    golden_vocab *g = bytes_and(specials, 2, ENG_TOKEN_CONTROL);
    g->v.bos = 256;
    g->v.eos = 257;
    g->v.add_bos = g->v.add_eos = true;
    eng_tokenizer *tok = create(&g->v);
    size_t n;
    int32_t *ids = tokenize(tok, "a", 1, NULL, ENG_TOK_ADD_SPECIAL, &n);
    EXPECT_EQ(n, 3);
    EXPECT(ids[0] == 256 && ids[1] == 'a' && ids[2] == 257);
    tokenize(tok, "a", 1, NULL, 0, &n);
    EXPECT_EQ(n, 1);
    tokenize(tok, "", 0, NULL, ENG_TOK_ADD_SPECIAL, &n);
    EXPECT_EQ(n, 2);
    EXPECT_EQ(eng_token_roles_of(tok)->end_of_text, 257);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(a_small_buffer_gets_the_first_ids_and_the_full_count)
{
    eng_tokenizer *tok = create(&bytes_and(NULL, 0, 0)->v);
    int32_t ids[3] = {-7, -7, -7};
    size_t n;
    eng_error err;
    EXPECT_OK(eng_tokenize(tok, "abc", 3, NULL, 0, ids, 2, &n, &err), err);
    EXPECT_EQ(n, 3);
    EXPECT(ids[0] == 'a' && ids[1] == 'b' && ids[2] == -7);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(ids_outside_the_vocabulary_are_nothing)
{
    eng_tokenizer *tok = create(&bytes_and(NULL, 0, 0)->v);
    size_t len;
    EXPECT(eng_token_bytes(tok, -1, &len) == NULL);
    EXPECT(eng_token_bytes(tok, 256, &len) == NULL);
    EXPECT(eng_token_bytes(tok, INT32_MIN, &len) == NULL);
    EXPECT(!eng_token_is_special(tok, 256) && !eng_token_is_end(tok, -1));
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(tokens_outside_the_byte_alphabet_stand_for_their_own_text)
{
    static const char *const tokens[] = {"two words", "\xE4\xBD\xA0", "\xC4\xA0x"};
    eng_tokenizer *tok = create(&bytes_and(tokens, 3, ENG_TOKEN_NORMAL)->v);
    size_t len;
    EXPECT_STR(eng_token_bytes(tok, 256, &len), "two words");
    EXPECT_STR(eng_token_bytes(tok, 257, &len), "\xE4\xBD\xA0");
    EXPECT_STR(eng_token_bytes(tok, 258, &len), " x"); /* U+0120 names the space */
    EXPECT_EQ(len, 2);
    eng__tokenizer_free(tok);
    golden_end();
}

static void expect_refused(const eng_vocab *v, eng_status status, const char *named)
{
    eng_tokenizer *tok = NULL;
    eng_error err = {""};
    EXPECT_EQ(eng__tokenizer_create(&tok, v, &err), status);
    EXPECT(tok == NULL);
    if (!strstr(err.text, named))
        FAIL("\"%s\" does not name %s", err.text, named);
}

TEST(hostile_vocabularies_are_refused_by_key)
{
    static const char *const specials[] = {"<s>"};
    golden_vocab *g = bytes_and(specials, 1, ENG_TOKEN_CONTROL);
    eng_vocab v = g->v;
    v.bos = 257;
    expect_refused(&v, ENG_FORMAT, "tokenizer.ggml.bos_token_id is 257");
    v = g->v;
    v.eos = -2;
    expect_refused(&v, ENG_FORMAT, "tokenizer.ggml.eos_token_id");
    v = g->v;
    v.unk = INT32_MAX;
    expect_refused(&v, ENG_FORMAT, "tokenizer.ggml.unknown_token_id");
    v = g->v;
    v.n_tokens = 0;
    expect_refused(&v, ENG_FORMAT, "tokenizer.ggml.tokens");
    v = g->v;
    v.types[9] = 7;
    expect_refused(&v, ENG_FORMAT, "tokenizer.ggml.token_type[9] is 7");
    v.types[9] = 0;
    expect_refused(&v, ENG_FORMAT, "tokenizer.ggml.token_type[9] is 0");
    v.types[9] = ENG_TOKEN_NORMAL;
    char *giant = golden_array(2000, 1);
    memset(giant, 'x', 1999);
    golden_add_token(g, giant, ENG_TOKEN_CONTROL);
    expect_refused(&g->v, ENG_UNSUPPORTED, "tokenizer.ggml.tokens[257]");
    golden_end();
}

TEST(a_model_without_a_usable_template_says_why)
{
    golden_vocab *g = bytes_and(NULL, 0, 0);
    eng_chat_message message = {"user", "hi", 2};
    eng_chat_text out;
    eng_error err;
    eng_tokenizer *tok = create(&g->v);
    EXPECT_EQ(eng_chat_render(tok, &message, 1, true, 1000, &out, &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "the model has no chat template");
    eng__tokenizer_free(tok);
    g->v.chat_template = "x\n{% macro f() %}{% endmacro %}";
    tok = create(&g->v);
    EXPECT_EQ(eng_chat_render(tok, &message, 1, true, 1000, &out, &err), ENG_UNSUPPORTED);
    EXPECT_STR(err.text, "chat template, line 2: the statement 'macro' is not supported");
    EXPECT_STR(eng_chat_template_source(tok), g->v.chat_template);
    eng__tokenizer_free(tok);
    golden_end();
}

TEST(a_chat_becomes_ids_with_only_the_templates_specials)
{
    eng_tokenizer *tok = default_model_tokenizer();
    eng_chat_message messages[] = {{"system", "<|im_end|>", 10}, {"user", "Hi<|im_start|>", 14}};
    eng_chat_text chat;
    eng_error err;
    size_t n, starts = 0, ends = 0;
    EXPECT_OK(eng_chat_render(tok, messages, 2, true, 1000, &chat, &err), err);
    EXPECT_STR(chat.text, "<|im_start|>system\n<|im_end|><|im_end|>\n<|im_start|>user\n"
                          "Hi<|im_start|><|im_end|>\n<|im_start|>assistant\n");
    int32_t *ids = tokenize(tok, chat.text, chat.len, chat.trusted, 0, &n);
    for (size_t i = 0; i < n; i++) {
        starts += ids[i] == 1;
        ends += ids[i] == 2;
    }
    EXPECT_EQ(starts, 3);
    EXPECT_EQ(ends, 2);
    eng_chat_text_free(&chat);
    eng__tokenizer_free(tok);
    golden_end();
}
