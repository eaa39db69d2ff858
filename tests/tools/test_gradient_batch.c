/* Batches of eng-gradients: what each format gives, and what is refused with which words. */
#include "gradient_batch.h"
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const eng_config config = {.n_vocab = 10, .n_ctx = 8, .n_embd = 2};

static eng_status read_text(gradient_batch *batch, gradient_loss loss, const char *json,
                            eng_error *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/batch.json", test_dir());
    test_write_file(path, json, strlen(json));
    return gradient_batch_read(batch, path, loss, &config, err);
}

static gradient_batch read_good(gradient_loss loss, const char *json)
{
    gradient_batch batch;
    eng_error err;
    EXPECT_OK(read_text(&batch, loss, json, &err), err);
    return batch;
}

/* ---- what is read ---- */

TEST(texts_count_every_token_but_the_first_unless_masked)
{
    gradient_batch b = read_good(GRADIENT_LM, "{\"temperature\": 0.5, \"sequences\": ["
                                              "{\"tokens\": [3, 1, 4]}, {\"tokens\": [1]},"
                                              "{\"tokens\": [5, 9, 2], \"mask\": [1, false, true],"
                                              "\"weights\": [7, 8, 0.25]}]}");
    EXPECT_EQ(b.seqs.n, 3);
    EXPECT_EQ(b.seqs.n_counted, 3);
    EXPECT(b.temperature == 0.5f);
    const batch_seq *s = b.seqs.items;
    EXPECT_EQ(s[0].first, 1);
    EXPECT_MEM(s[0].tokens, ((const int32_t[]){3, 1, 4}), 3 * sizeof(int32_t));
    EXPECT(s[0].mask[0] && s[0].mask[1] && s[0].weights[1] == 1);
    EXPECT_EQ(s[1].n - s[1].first, 0);
    EXPECT(!s[2].mask[0] && s[2].mask[1]);
    EXPECT(s[2].weights[0] == 8 && s[2].weights[1] == 0.25f);
    gradient_batch_free(&b);
}

TEST(prompts_give_joined_sequences_with_ranks)
{
    gradient_batch b = read_good(
        GRADIENT_REWARD, "{\"prompts\": [{\"prompt\": [1, 2], \"outputs\": [[3], [], [4, 5]],"
                         "\"groups\": [[2], [0, 1]]},"
                         "{\"outputs\": [[6], [7]], \"groups\": [[1, 0]]}],"
                         "\"score\": {\"weight\": [0.5, -1], \"bias\": 2}}");
    EXPECT_EQ(b.n_prompts, 2);
    EXPECT_EQ(b.n_ranked, 1);
    EXPECT_EQ(b.seqs.n, 5);
    const batch_seq *s = b.seqs.items;
    EXPECT_MEM(s[2].tokens, ((const int32_t[]){1, 2, 4, 5}), 4 * sizeof(int32_t));
    EXPECT_EQ(s[1].n, 2);
    EXPECT(!s[0].joined && s[1].joined && s[2].joined && !s[3].joined && s[4].joined);
    EXPECT_MEM(b.prompts[0].group, ((const uint32_t[]){1, 1, 0}), 3 * sizeof(uint32_t));
    EXPECT(b.score_weight[1] == -1 && b.score_bias == 2);
    gradient_batch_free(&b);
}

TEST(responses_have_an_element_for_each_token_from_their_start)
{
    gradient_batch b = read_good(
        GRADIENT_VALUE, "{\"value_clip_range\": 0.5, \"sequences\": [{\"tokens\": [1, 2, 3, 4],"
                        "\"response_start\": 2, \"old_values\": [0.5, 1], \"returns\": [2, 3],"
                        "\"mask\": [1, 0]}]}");
    EXPECT_EQ(b.seqs.n_counted, 1);
    EXPECT_EQ(b.seqs.items[0].first, 2);
    EXPECT(b.seqs.items[0].old[1] == 1 && b.seqs.items[0].goal[0] == 2);
    EXPECT(b.clip == 0.5f && !b.score_weight);
    gradient_batch_free(&b);
}

TEST(advantages_are_whitened_over_the_tokens_that_count)
{
    gradient_batch b = read_good(
        GRADIENT_PPO, "{\"whiten_advantages\": true, \"sequences\": ["
                      "{\"tokens\": [1, 2, 3], \"response_start\": 1, \"old_logprobs\": [-1, -2],"
                      " \"advantages\": [1, 100], \"mask\": [1, 0]},"
                      "{\"tokens\": [1, 2], \"response_start\": 1, \"old_logprobs\": [-1],"
                      " \"advantages\": [5]}]}");
    EXPECT_EQ(b.seqs.n_counted, 2);
    EXPECT_NEAR(b.seqs.items[0].goal[0], -1, 1e-6); /* 1 and 5: mean 3, deviation 2 */
    EXPECT_NEAR(b.seqs.items[1].goal[0], 1, 1e-6);
    EXPECT(b.seqs.items[0].goal[1] == 100);
    EXPECT(b.clip == 0.2f && b.temperature == 1 && b.ptx.n == 0);
    gradient_batch_free(&b);
}

TEST(ppo_may_carry_a_ptx_part)
{
    gradient_batch b = read_good(
        GRADIENT_PPO,
        "{\"sequences\": [{\"tokens\": [1, 2], \"response_start\": 1, \"old_logprobs\": [-1],"
        "\"advantages\": [5]}], \"ptx\": {\"coefficient\": 27.8, \"sequences\": [{\"tokens\":"
        "[1, 2, 3]}]}}");
    EXPECT(b.ptx_coef == 27.8f);
    EXPECT_EQ(b.ptx.n_counted, 2);
    gradient_batch_free(&b);
}

/* ---- what is refused ---- */

typedef struct refusal {
    gradient_loss loss;
    const char *json;
    const char *words; /* in the error */
} refusal;

#define SEQ(fields) "{\"sequences\": [{" fields "}]}"
#define RESPONSE(fields) SEQ("\"tokens\": [1, 2, 3], \"response_start\": 1, " fields)
#define PROMPT(fields) "{\"prompts\": [{\"outputs\": [[1], [2]], " fields "}]}"
#define GROUPS "\"groups\": [[0], [1]]"

static const refusal refusals[] = {
    {GRADIENT_LM, "{", "batch.json: "},
    {GRADIENT_LM, "[]", "the batch: an array, expected an object"},
    {GRADIENT_LM, "{}", "sequences: nothing, expected an array"},
    {GRADIENT_LM, "{\"sequences\": []}", "sequences: 0 elements, expected at least 1"},
    {GRADIENT_LM, "{\"sequences\": [7]}", "sequences[0]: a number, expected an object"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 10]"),
     "sequences[0].tokens[1]: expected a token id from 0 to 9"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, -1]"), "sequences[0].tokens[1]: expected a token id"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 1.5]"), "sequences[0].tokens[1]: expected a token id"},
    {GRADIENT_LM, SEQ("\"tokens\": []"), "sequences[0].tokens: 0 elements, expected at least 1"},
    {GRADIENT_LM, SEQ("\"tokens\": [1,2,3,4,5,6,7,8,9]"),
     "sequences[0].tokens: 9 elements, expected at most 8"},
    {GRADIENT_LM, SEQ("\"tokens\": [1]"), "sequences: no token counts"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 2], \"mask\": [1, 0]"), "sequences: no token counts"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 2], \"mask\": [1]"),
     "sequences[0].mask: 1 elements, expected 2"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 2], \"mask\": [1, 2]"),
     "sequences[0].mask[1]: expected 0, 1, false or true"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 2], \"weights\": [1, null]"),
     "sequences[0].weights[1]: null, expected a finite number"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 2], \"weights\": [1, 1e300]"),
     "sequences[0].weights[1]: a number, expected a finite number"},
    {GRADIENT_LM, SEQ("\"tokens\": [1, 2], \"maks\": [1, 1]"),
     "sequences[0]: the key \"maks\" is not known here"},
    {GRADIENT_LM, "{\"temperature\": 0, \"sequences\": [{\"tokens\": [1, 2]}]}",
     "temperature: 0, expected 0.001 to 1000"},
    {GRADIENT_REWARD, "{\"prompts\": [{\"outputs\": [[1]], \"groups\": [[0]]}]}",
     "prompts[0].outputs: 1 elements, expected at least 2"},
    {GRADIENT_REWARD,
     "{\"prompts\": [{\"outputs\": [[1],[1],[1],[1],[1],[1],[1],[1],[1],[1]], " GROUPS "}]}",
     "prompts[0].outputs: 10 elements, expected at most 9"},
    {GRADIENT_REWARD, "{\"prompts\": [{\"outputs\": [[1], []], " GROUPS "}]}",
     "prompts[0].outputs[1]: 0 elements, expected at least 1"},
    {GRADIENT_REWARD,
     "{\"prompts\": [{\"prompt\": [1,2,3,4,5,6,7], \"outputs\": [[1], [1, 2]], " GROUPS "}]}",
     "prompts[0].outputs[1]: 2 elements, expected at most 1"},
    {GRADIENT_REWARD, PROMPT("\"groups\": [[0], [2]]"),
     "prompts[0].groups[1][0]: expected the index of an output, from 0 to 1"},
    {GRADIENT_REWARD, PROMPT("\"groups\": [[0], [0, 1]]"),
     "prompts[0].groups[1][0]: output 0 stands in two places"},
    {GRADIENT_REWARD, PROMPT("\"groups\": [[0]]"), "prompts[0].groups: output 1 stands in none"},
    {GRADIENT_REWARD, PROMPT("\"groups\": [[0, 1], []]"),
     "prompts[0].groups[1]: 0 elements, expected at least 1"},
    {GRADIENT_REWARD, PROMPT("\"groups\": [[0, 1]]"), "prompts: everything ties"},
    {GRADIENT_REWARD,
     "{\"score\": {\"weight\": [1]}, \"prompts\": [{\"outputs\": [[1], [2]], " GROUPS "}]}",
     "score.weight: 1 elements, expected 2"},
    {GRADIENT_VALUE, SEQ("\"tokens\": [1, 2], \"response_start\": 0"),
     "sequences[0].response_start: expected the index of the first response token, from 1 to 1"},
    {GRADIENT_VALUE, SEQ("\"tokens\": [1, 2], \"response_start\": 2"),
     "sequences[0].response_start: "},
    {GRADIENT_VALUE, SEQ("\"tokens\": [1, 2]"), "sequences[0].response_start: "},
    {GRADIENT_VALUE, SEQ("\"tokens\": [1], \"response_start\": 1"), "sequences[0]: 1 token"},
    {GRADIENT_VALUE, RESPONSE("\"old_values\": [1, 2]"),
     "sequences[0].returns: nothing, expected an array"},
    {GRADIENT_VALUE, RESPONSE("\"old_values\": [1, 2, 3], \"returns\": [1, 2]"),
     "sequences[0].old_values: 3 elements, expected 2"},
    {GRADIENT_PPO, RESPONSE("\"advantages\": [1, 2]"),
     "sequences[0].old_logprobs: nothing, expected an array"},
    {GRADIENT_PPO, RESPONSE("\"old_logprobs\": [1, 2], \"returns\": [1, 2]"),
     "sequences[0]: the key \"returns\" is not known here"},
    {GRADIENT_PPO, "{\"clip_range\": -0.1, \"sequences\": []}",
     "clip_range: -0.1, expected 0 to 1"},
    {GRADIENT_PPO, "{\"whiten_advantages\": 1, \"sequences\": []}",
     "whiten_advantages: a number, expected a boolean"},
    {GRADIENT_PTX, SEQ("\"tokens\": [1, 2]"), "coefficient: nothing, expected a finite number"},
};

TEST(refusals_name_the_field_with_expected_and_found)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        gradient_batch batch;
        eng_error err = {{0}};
        eng_status status = read_text(&batch, refusals[i].loss, refusals[i].json, &err);
        if (status == ENG_OK || !strstr(err.text, refusals[i].words))
            FAIL("%s is %s: \"%s\", expected \"%s\"", refusals[i].json,
                 status == ENG_OK ? "read" : "refused", err.text, refusals[i].words);
    }
}

TEST(a_file_that_is_not_there_is_named)
{
    gradient_batch batch;
    eng_error err;
    EXPECT_EQ(gradient_batch_read(&batch, "/nowhere/batch.json", GRADIENT_LM, &config, &err),
              ENG_IO);
    EXPECT(strstr(err.text, "/nowhere/batch.json"));
}
