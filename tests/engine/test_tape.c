/* Training's forward against serving's, and what a tape promises about its gradients: the same
 * bits whatever the threads and the checkpoints, the same numbers however a batch is packed. That
 * they are the right gradients is test_gradients' affair. */
#include "engine.h"
#include "parallel_threads.h"
#include "tape_fixture.h"

#include <math.h>

enum { V = TEST_N_VOCAB };

/* ---- serving's log-probs -------------------------------------------------------------------- */

/* Log-probs of tokens[1..n) of one sequence as infer/forward gives them, in f32 throughout. */
static void infer_logprobs(const char *path, const int32_t *tokens, uint32_t n, float *out)
{
    const eng_model_options how = {.serve_type = ENG_SERVE_F32, .n_threads = 1};
    eng_model *model;
    eng_runtime *rt;
    eng_error err;
    EXPECT_OK(eng_model_open(&model, path, &how, &err), err);
    const eng_runtime_options options = {.n_threads = 1,
                                         .max_rows = FIXTURE_MAX_TOKENS,
                                         .max_seqs = 1,
                                         .kv_bytes = 8 << 20,
                                         .kv_f32 = true};
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    eng_seq *seq = eng_seq_create(rt, model);
    EXPECT(eng_seq_reserve(rt, seq, n));
    eng_step_begin(rt, model);
    const uint32_t row = eng_step_add(rt, seq, tokens, n);
    static eng_output outputs[FIXTURE_MAX_TOKENS];
    for (uint32_t i = 0; i + 1 < n; i++) {
        outputs[i] = (eng_output){.target = tokens[i + 1], .want_logprob = true};
        eng_step_want(rt, row + i, &outputs[i]);
    }
    eng_step_run(rt);
    for (uint32_t i = 0; i + 1 < n; i++)
        out[i] = outputs[i].logprob;
    eng_seq_free(rt, seq);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

/* One pack of several sequences equals each of them alone in the serving engine. */
static void expect_equals_infer(const char *path)
{
    static const uint32_t lengths[] = {1, 70, 2, 128, 64, 33};
    eng_net *net = fixture_open(path, ENG_HEAD_LM);
    const eng_tape_options options = fixture_options(&eng_serial);
    eng_tape *tape = fixture_tape(net, &options);
    static fixture_pack p;
    static fixture_targets t;
    fixture_fill(&p, lengths, 6, eng_net_config(net)->n_vocab, 3);
    fixture_target(&t, &p, 1);
    float got[FIXTURE_MAX_TOKENS], want[FIXTURE_MAX_TOKENS];
    eng_tape_forward(tape, net, &p.pack, NULL);
    eng_lm_forward(tape, net, &t.lm, got, NULL, NULL);
    for (uint32_t s = 0, at = 0; s < p.pack.n_seqs; s++) {
        const uint32_t n = lengths[s];
        infer_logprobs(path, p.tokens + p.starts[s], n, want);
        for (uint32_t i = 0; i + 1 < n; i++, at++)
            EXPECT_NEAR((double)got[at], (double)want[i], 1e-5);
    }
    eng_tape_free(tape);
    eng_net_free(net);
}

TEST(log_probs_of_the_golden_models_equal_the_serving_engine)
{
    static const char *const names[] = {
        "tiny-llama",          "tiny-gpt2",          "tiny-qwen2",         "tiny-gpt2-banded",
        "tiny-llama-f32.gguf", "tiny-gpt2-f32.gguf", "tiny-qwen2-f32.gguf"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "golden/models/%s", names[i]);
        expect_equals_infer(test_data(name));
    }
}

static const test_model_spec specs[] = {
    {.arch = "llama"},
    {.arch = "llama", .embd = 48, .heads = 6, .kv_heads = 1, .ff = 40, .qkv_bias = true},
    {.arch = "llama", .untied = true, .rope_freqs = true, .window = 24, .window_period = 2},
    {.arch = "qwen2", .layers = 1, .heads = 8, .kv_heads = 8},
    {.arch = "gpt2"},
    {.arch = "gpt2", .embd = 24, .heads = 3, .window = 70, .window_period = 1},
};
enum { N_SPECS = sizeof specs / sizeof *specs };

TEST(log_probs_of_any_shape_equal_the_serving_engine)
{
    for (int i = 0; i < N_SPECS; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%d.gguf", test_dir(), i);
        test_write_gguf(path, &specs[i]);
        expect_equals_infer(path);
    }
}
