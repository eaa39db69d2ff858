/* Data files as token sequences: what is prompt, what is learnt, what is left out. */
#include "harness.h"
#include "mock_host.h"
#include "model_files.h"
#include "rlhf/examples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A model whose tokenizer is one token a byte but for 29 merges (model_files.h). */
typedef struct fixture {
    mock_host *mock;
    job_host host;
    eng_model *model;
    example_set set;
} fixture;

static void begin(fixture *f)
{
    char path[256];
    eng_error err;
    const eng_model_options options = {.n_threads = 1};
    snprintf(path, sizeof path, "%s/model.gguf", test_dir());
    test_write_gguf(path, NULL);
    EXPECT_OK(eng_model_open(&f->model, path, &options, &err), err);
    f->mock = mock_host_create(&(mock_options){.dir = test_dir()});
    job_host_init(&f->host, mock_host_table(f->mock), mock_host_job(f->mock));
    f->set = (example_set){0};
}

static void end(fixture *f)
{
    examples_free(&f->set);
    mock_host_free(f->mock);
    eng_model_unref(f->model);
}

static job_code load(fixture *f, const char *text, data_format format, uint32_t prompt,
                     uint32_t response, eng_error *err)
{
    examples_free(&f->set);
    mock_host_file(f->mock, "file-a", text);
    return examples_load(&f->set, &f->host, "training_file", "file-a", format,
                         eng_model_tokenizer(f->model),
                         token_limits_fit(prompt, response, eng_model_config(f->model)->n_ctx),
                         eng_model_config(f->model)->n_ctx, err);
}

static void must_load(fixture *f, const char *text, data_format format, uint32_t prompt,
                      uint32_t response)
{
    eng_error err;
    if (load(f, text, format, prompt, response, &err) != INSTRUCTD_OK)
        FAIL("refused: %s", err.text);
}

/* The bytes of tokens [from, to), specials by their names. */
static const char *text_of(const fixture *f, const example *e, uint32_t from, uint32_t to)
{
    static char text[2048];
    char *p = text;
    for (uint32_t i = from; i < to; i++) {
        size_t len;
        const char *bytes = eng_token_bytes(eng_model_tokenizer(f->model), e->tokens[i], &len);
        memcpy(p, bytes, len);
        p += len;
    }
    *p = 0;
    return text;
}

TEST(limits_share_a_context_that_is_too_short_for_both)
{
    token_limits l = token_limits_fit(1024, 1024, 8192);
    EXPECT_EQ(l.prompt, 1024);
    EXPECT_EQ(l.response, 1024);
    l = token_limits_fit(1024, 1024, 256);
    EXPECT_EQ(l.prompt, 128);
    EXPECT_EQ(l.response, 128);
    l = token_limits_fit(1024, 32, 256);
    EXPECT_EQ(l.prompt, 224);
    EXPECT_EQ(l.response, 32);
    l = token_limits_fit(64, 1024, 256);
    EXPECT_EQ(l.prompt, 64);
    EXPECT_EQ(l.response, 192);
}

TEST(a_completion_is_learnt_with_its_end_token)
{
    fixture f;
    begin(&f);
    must_load(&f, "{\"prompt\":\"Q:\",\"completion\":\"xyz\"}", DATA_SUPERVISED, 100, 100);
    const example *e = &f.set.items[0];
    EXPECT_EQ(f.set.n, 1);
    EXPECT_STR(text_of(&f, e, 0, e->n_prompt), "Q:");
    EXPECT_STR(text_of(&f, e, e->n_prompt, e->n), "xyz<|im_end|>");
    EXPECT_EQ(f.set.longest, e->n);
    end(&f);
}

TEST(each_answer_of_weight_1_is_an_example_with_all_before_it_as_prompt)
{
    fixture f;
    begin(&f);
    must_load(&f,
              "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
              "{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"},"
              "{\"role\":\"assistant\",\"content\":\"d\",\"weight\":0},"
              "{\"role\":\"user\",\"content\":\"e\"},{\"role\":\"assistant\",\"content\":\"f\"}]}",
              DATA_SUPERVISED, 200, 50);
    EXPECT_EQ(f.set.n, 2);
    const example *e = &f.set.items[0];
    EXPECT_STR(text_of(&f, e, 0, e->n_prompt),
               "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
    EXPECT_STR(text_of(&f, e, e->n_prompt, e->n), "b<|im_end|>");
    e = &f.set.items[1];
    EXPECT_STR(text_of(&f, e, 0, e->n_prompt),
               "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
               "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\nd<|im_end|>\n"
               "<|im_start|>user\ne<|im_end|>\n<|im_start|>assistant\n");
    EXPECT_STR(text_of(&f, e, e->n_prompt, e->n), "f<|im_end|>");
    end(&f);
}

TEST(content_cannot_forge_the_templates_tokens)
{
    fixture f;
    begin(&f);
    must_load(&f, "{\"messages\":[{\"role\":\"user\",\"content\":\"<|im_end|>\"}]}", DATA_PPO, 200,
              50);
    const example *e = &f.set.items[0];
    uint32_t ends = 0;
    for (uint32_t i = 0; i < e->n; i++)
        ends += e->tokens[i] == TEST_TOKEN_IM_END;
    EXPECT_EQ(ends, 1);
    EXPECT_EQ(e->n, e->n_prompt);
    end(&f);
}

TEST(long_prompts_are_dropped_and_long_answers_cut_without_end)
{
    fixture f;
    eng_error err;
    begin(&f);
    must_load(&f,
              "{\"prompt\":\"qqqqqq\",\"completion\":\"x\"}\n"
              "{\"prompt\":\"q\",\"completion\":\"xyzxyz\"}\n"
              "{\"prompt\":\"q\",\"completion\":\"xy\"}",
              DATA_SUPERVISED, 5, 3);
    EXPECT_EQ(f.set.rows, 3);
    EXPECT_EQ(f.set.n, 2);
    EXPECT_EQ(f.set.dropped, 1);
    EXPECT_EQ(f.set.cut, 1);
    EXPECT_STR(text_of(&f, &f.set.items[0], 1, f.set.items[0].n), "xyz");
    EXPECT_STR(text_of(&f, &f.set.items[1], 1, f.set.items[1].n), "xy<|im_end|>");
    EXPECT_EQ(load(&f, "{\"prompt\":\"qqqqqq\"}", DATA_PPO, 5, 3, &err), INSTRUCTD_E_INVALID);
    EXPECT(strstr(err.text, "1 prompts are longer than 5 tokens"));
    end(&f);
}

TEST(ranked_outputs_stay_together)
{
    fixture f;
    begin(&f);
    must_load(&f,
              "{\"prompt\":\"qqqqqq\",\"chosen\":\"x\",\"rejected\":\"y\"}\n"
              "{\"prompt\":\"q\",\"chosen\":\"x\",\"rejected\":\"\"}\n"
              "{\"prompt\":\"r\",\"outputs\":[{\"id\":\"1\",\"text\":\"a\"},"
              "{\"id\":\"2\",\"text\":\"b\"},{\"id\":\"3\",\"text\":\"c\"}],"
              "\"groups\":[[\"3\",\"1\"],[\"2\"]]}",
              DATA_REWARD_MODEL, 5, 10);
    EXPECT_EQ(f.set.n_groups, 2);
    EXPECT_EQ(f.set.n, 5);
    EXPECT_EQ(f.set.dropped, 1);
    const example_group *g = &f.set.groups[1];
    EXPECT_EQ(g->first, 2);
    EXPECT_EQ(g->k, 3);
    EXPECT_EQ(g->rank[0], 0);
    EXPECT_EQ(g->rank[1], 1);
    EXPECT_EQ(g->rank[2], 0);
    EXPECT_STR(text_of(&f, &f.set.items[1], 0, f.set.items[1].n), "q<|im_end|>");
    EXPECT_STR(text_of(&f, &f.set.items[3], 0, f.set.items[3].n), "rb<|im_end|>");
    end(&f);
}

TEST(texts_are_joined_by_their_end_and_cut_into_windows)
{
    fixture f;
    char text[1200], *p = text;
    begin(&f);
    p += sprintf(p, "{\"text\":\"");
    memset(p, 'q', 300);
    p += 300;
    strcpy(p, "\"}\n{\"text\":\"<|im_end|>\"}\n");
    must_load(&f, text, DATA_PRETRAIN, 100, 100);
    EXPECT_EQ(f.set.n, 2);
    const example *e = f.set.items;
    EXPECT_EQ(e[0].n, PRETRAIN_WINDOW);
    EXPECT_EQ(e[0].n_prompt, 1);
    EXPECT_EQ(e[1].tokens[300 - PRETRAIN_WINDOW], TEST_TOKEN_END_OF_TEXT);
    EXPECT_STR(text_of(&f, &e[1], 300 - PRETRAIN_WINDOW + 1, e[1].n), "<|im_end|><|endoftext|>");
    for (uint32_t i = 0; i < e[1].n; i++)
        EXPECT(e[1].tokens[i] != TEST_TOKEN_IM_END); /* text is text */
    end(&f);
}

TEST(the_digest_tells_data_apart)
{
    fixture f;
    char before[65];
    begin(&f);
    must_load(&f, "{\"prompt\":\"ab\",\"completion\":\"c\"}", DATA_SUPERVISED, 100, 100);
    strcpy(before, f.set.sha256);
    must_load(&f, "{\"completion\":\"c\",\"prompt\":\"ab\"}", DATA_SUPERVISED, 100, 100);
    EXPECT_STR(f.set.sha256, before);
    must_load(&f, "{\"prompt\":\"a\",\"completion\":\"bc\"}", DATA_SUPERVISED, 100, 100);
    EXPECT(strcmp(f.set.sha256, before) != 0);
    end(&f);
}

TEST(a_report_tells_the_tokens_of_all_sequences)
{
    fixture f;
    begin(&f);
    must_load(&f,
              "{\"prompt\":\"q\",\"completion\":\"z\"}\n{\"prompt\":\"q\",\"completion\":\"zqz\"}",
              DATA_SUPERVISED, 100, 100);
    examples_report(&f.set, &f.host, "training_file");
    /* a token a byte, and the end of each */
    EXPECT(mock_host_had_event(f.mock, "training_file: 2 rows, 2 sequences, 8 tokens in all; "));
    end(&f);
}

TEST(a_bad_line_is_named_with_its_field_and_file)
{
    fixture f;
    eng_error err;
    begin(&f);
    EXPECT_EQ(load(&f, "{\"prompt\":\"a\"}\n{\"prompt\":2}", DATA_PPO, 9, 9, &err),
              INSTRUCTD_E_INVALID);
    EXPECT_STR(err.text, "training_file file-a: line 2: prompt: expected a string or a list of "
                         "messages, found 2");
    end(&f);
}
