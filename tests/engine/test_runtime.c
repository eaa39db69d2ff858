/* Steps of a runtime: the same bits however a prompt arrives, shared prefixes computed once,
 * nothing allocated on the way. */
#include "count_allocations.h"
#include "engine.h"
#include "harness.h"
#include "infer/model.h" /* the kernels it calls and its matrices: counted below */
#include "model_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V = TEST_N_VOCAB, MAX_ROWS = 128, PROMPT = 70 };

/* ---- a model, a runtime, prompts ---- */

static eng_model *open_model(const test_model_spec *spec, const char *kernels)
{
    static int serial;
    char path[256];
    eng_model *model;
    eng_error err;
    const eng_model_options options = {.n_threads = 1, .kernels = kernels};
    snprintf(path, sizeof path, "%s/%d.gguf", test_dir(), serial++);
    test_write_gguf(path, spec);
    EXPECT_OK(eng_model_open(&model, path, &options, &err), err);
    return model;
}

static eng_runtime *make_runtime(const eng_model *model, uint32_t n_threads)
{
    const eng_runtime_options options = {
        .n_threads = n_threads, .max_rows = MAX_ROWS, .max_seqs = 16, .kv_bytes = (size_t)16 << 20};
    eng_runtime *rt;
    eng_error err;
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    return rt;
}

static void fill_prompt(int32_t *t, uint32_t n, uint64_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        t[i] = (int32_t)((seed >> 33) % V);
    }
}

/* Appends tokens[seq's length..n) in steps of `chunk` rows, asking for every row's logits:
 * logits[position][V]. */
static void feed(eng_runtime *rt, eng_model *model, eng_seq *seq, const int32_t *tokens, uint32_t n,
                 uint32_t chunk, float *logits)
{
    static eng_output outputs[MAX_ROWS];
    while (eng_seq_len(seq) < n) {
        const uint32_t at = eng_seq_len(seq), left = n - at, rows = left < chunk ? left : chunk;
        EXPECT(eng_seq_reserve(rt, seq, rows));
        eng_step_begin(rt, model);
        const uint32_t row = eng_step_add(rt, seq, tokens + at, rows);
        EXPECT_EQ(eng_step_rows(rt), rows);
        for (uint32_t i = 0; i < rows; i++) {
            outputs[i] = (eng_output){.target = -1, .logits = logits + (size_t)(at + i) * V};
            eng_step_want(rt, row + i, &outputs[i]);
        }
        eng_step_run(rt);
        for (uint32_t i = 0; i < rows; i++)
            EXPECT(outputs[i].finite && outputs[i].token == -1);
        EXPECT_EQ(eng_seq_len(seq), at + rows);
    }
}

static float *logits_of(eng_runtime *rt, eng_model *model, const int32_t *tokens, uint32_t n,
                        uint32_t chunk)
{
    float *logits = calloc((size_t)n * V, sizeof *logits);
    eng_seq *seq = eng_seq_create(rt, model);
    feed(rt, model, seq, tokens, n, chunk, logits);
    eng_seq_free(rt, seq);
    return logits;
}

/* ---- the same bits however the prompt arrives ---- */

static void expect_chunks_change_nothing(const test_model_spec *spec)
{
    static const uint32_t chunks[] = {1, 3, 16, 17, 64};
    eng_model *model = open_model(spec, NULL);
    int32_t t[PROMPT];
    fill_prompt(t, PROMPT, 3);
    eng_runtime *one = make_runtime(model, 1), *two = make_runtime(model, 2);
    float *want = logits_of(one, model, t, PROMPT, PROMPT);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        float *got = logits_of(i % 2 ? one : two, model, t, PROMPT, chunks[i]);
        EXPECT_MEM(got, want, PROMPT * V * sizeof *got);
        free(got);
    }
    /* and with all whole blocks but the last from the cache */
    eng_seq *first = eng_seq_create(one, model), *second = eng_seq_create(one, model);
    float *got = calloc(PROMPT * V, sizeof *got);
    EXPECT_EQ(eng_seq_attach_prefix(one, first, 9, t, PROMPT), 0);
    feed(one, model, first, t, PROMPT, 17, got);
    EXPECT_MEM(got, want, PROMPT * V * sizeof *got);
    eng_seq_free(one, first);
    EXPECT_EQ(eng_seq_attach_prefix(one, second, 9, t, PROMPT), 64);
    memset(got, 0, PROMPT * V * sizeof *got);
    feed(one, model, second, t, PROMPT, 3, got);
    EXPECT_MEM(got + 64 * V, want + 64 * V, (PROMPT - 64) * V * sizeof *got);
    eng_seq_free(one, second);
    free(got), free(want);
    eng_runtime_free(one);
    eng_runtime_free(two);
    eng_model_unref(model);
}

TEST(llama_prompt_gives_the_same_bits_in_any_chunks)
{
    expect_chunks_change_nothing(&(test_model_spec){.type = ENG_Q4_1});
    expect_chunks_change_nothing(&(test_model_spec){.type = ENG_F32, .untied = true});
}

TEST(gpt2_prompt_gives_the_same_bits_in_any_chunks)
{
    expect_chunks_change_nothing(&(test_model_spec){.arch = "gpt2", .type = ENG_Q8_0});
}

TEST(qwen2_prompt_gives_the_same_bits_in_any_chunks)
{
    expect_chunks_change_nothing(
        &(test_model_spec){.arch = "qwen2", .type = ENG_F16, .heads = 8, .kv_heads = 1});
}

TEST(windowed_prompt_gives_the_same_bits_in_any_chunks)
{
    expect_chunks_change_nothing(&(test_model_spec){.window = 20, .window_period = 2});
    expect_chunks_change_nothing(
        &(test_model_spec){.arch = "gpt2", .window = 1, .window_period = 1});
}

TEST(k_quant_prompt_gives_the_same_bits_in_any_chunks)
{
    expect_chunks_change_nothing(&(test_model_spec){.type = ENG_Q4_K, .layers = 1});
}

/* Heads of 12: neither 8 nor 16 divides them. */
TEST(odd_widths_give_the_same_bits_in_any_chunks)
{
    expect_chunks_change_nothing(
        &(test_model_spec){.embd = 36, .heads = 3, .kv_heads = 1, .ff = 51, .type = ENG_BF16});
}

TEST(a_window_hides_what_lies_before_it)
{
    /* one layer: a position's logits depend on the last 5 tokens alone, but on all of those */
    eng_model *model =
        open_model(&(test_model_spec){.layers = 1, .window = 5, .window_period = 1}, NULL);
    eng_runtime *rt = make_runtime(model, 1);
    int32_t t[40];
    fill_prompt(t, 40, 3);
    float *a = logits_of(rt, model, t, 40, 40);
    t[20] = (t[20] + 1) % V;
    float *b = logits_of(rt, model, t, 40, 40);
    for (uint32_t p = 0; p < 40; p++)
        EXPECT_EQ(memcmp(a + p * V, b + p * V, V * sizeof *a) != 0, p >= 20 && p < 25);
    free(a), free(b);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

TEST(every_kernel_set_gives_the_scalar_set_s_logits)
{
    static const char *const sets[] = {"avx2", "avx512"};
    const test_model_spec spec = {.type = ENG_Q5_1};
    int32_t t[PROMPT];
    fill_prompt(t, PROMPT, 3);
    eng_model *scalar = open_model(&spec, "scalar");
    eng_runtime *rt = make_runtime(scalar, 1);
    float *want = logits_of(rt, scalar, t, PROMPT, 32);
    for (int i = 0; i < 2; i++) {
        if (strcmp(sets[i], eng_cpu_kernels()) > 0 || !strcmp(eng_cpu_kernels(), "scalar"))
            continue;
        eng_model *model = open_model(&spec, sets[i]);
        float *got = logits_of(rt, model, t, PROMPT, 32);
        EXPECT_MEM(got, want, PROMPT * V * sizeof *got);
        free(got);
        eng_model_unref(model);
    }
    free(want);
    eng_runtime_free(rt);
    eng_model_unref(scalar);
}

/* ---- sharing ---- */

TEST(a_fork_that_diverges_equals_a_separate_run)
{
    eng_model *model = open_model(&(test_model_spec){.type = ENG_Q4_0}, NULL);
    eng_runtime *rt = make_runtime(model, 2);
    int32_t a[PROMPT], b[PROMPT];
    fill_prompt(a, PROMPT, 1);
    fill_prompt(b, PROMPT, 2);
    memcpy(b, a, 37 * sizeof *b);
    float *want_a = logits_of(rt, model, a, PROMPT, 16);
    float *want_b = logits_of(rt, model, b, PROMPT, 16);
    float *got = calloc(PROMPT * V, sizeof *got);
    eng_seq *seq = eng_seq_create(rt, model);
    feed(rt, model, seq, a, 37, 37, got);
    eng_seq *fork = eng_seq_fork(rt, seq);
    feed(rt, model, fork, b, PROMPT, 5, got);
    EXPECT_MEM(got, want_b, PROMPT * V * sizeof *got);
    feed(rt, model, seq, a, PROMPT, 7, got);
    EXPECT_MEM(got, want_a, PROMPT * V * sizeof *got);
    eng_seq_free(rt, seq);
    eng_seq_free(rt, fork);
    free(want_a), free(want_b), free(got);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

TEST(two_models_of_one_shape_take_turns_without_mixing)
{
    eng_model *models[2] = {open_model(&(test_model_spec){.seed = 1}, NULL),
                            open_model(&(test_model_spec){.seed = 2}, NULL)};
    eng_runtime *rt = make_runtime(models[0], 2);
    int32_t t[PROMPT];
    fill_prompt(t, PROMPT, 5);
    float *want[2], *got = calloc(PROMPT * V, sizeof *got);
    eng_seq *seqs[2];
    for (int i = 0; i < 2; i++) {
        want[i] = logits_of(rt, models[i], t, PROMPT, PROMPT);
        seqs[i] = eng_seq_create(rt, models[i]);
        EXPECT_EQ(eng_seq_attach_prefix(rt, seqs[i], 6, t, PROMPT), 0);
    }
    EXPECT(memcmp(want[0], want[1], PROMPT * V * sizeof *got) != 0);
    for (uint32_t n = 10; n <= PROMPT; n += 10)
        for (int i = 0; i < 2; i++) {
            feed(rt, models[i], seqs[i], t, n, 10, got);
            EXPECT_MEM(got + (n - 10) * V, want[i] + (n - 10) * V, 10 * V * sizeof *got);
        }
    for (int i = 0; i < 2; i++) {
        eng_seq_free(rt, seqs[i]);
        free(want[i]);
        eng_model_unref(models[i]);
    }
    free(got);
    eng_runtime_free(rt);
}

/* Draws each choice's next token and feeds it; tokens[choice][n]. */
static void decode(eng_runtime *rt, eng_model *model, eng_seq *const *seqs, uint32_t n_choices,
                   const eng_sampling *samplings, int32_t tokens[][8], uint32_t n)
{
    for (uint32_t step = 1; step < n; step++) {
        eng_output outputs[8];
        eng_step_begin(rt, model);
        for (uint32_t c = 0; c < n_choices; c++) {
            EXPECT(eng_seq_reserve(rt, seqs[c], 1));
            outputs[c] = (eng_output){
                .sampling = &samplings[c], .position = eng_seq_len(seqs[c]) + 1, .target = -1};
            eng_step_want(rt, eng_step_add(rt, seqs[c], &tokens[c][step - 1], 1), &outputs[c]);
        }
        eng_step_run(rt);
        for (uint32_t c = 0; c < n_choices; c++)
            tokens[c][step] = outputs[c].token;
    }
}

/* One step: the prompt's last rows, and each choice's first token from its last row. */
static void prefill(eng_runtime *rt, eng_model *model, eng_seq *seq, const int32_t *prompt,
                    uint32_t n, const eng_sampling *samplings, uint32_t n_choices,
                    int32_t tokens[][8])
{
    while (eng_seq_len(seq) < n) {
        const uint32_t at = eng_seq_len(seq), rows = n - at < MAX_ROWS ? n - at : MAX_ROWS;
        eng_output outputs[8];
        EXPECT(eng_seq_reserve(rt, seq, rows));
        eng_step_begin(rt, model);
        const uint32_t row = eng_step_add(rt, seq, prompt + at, rows);
        for (uint32_t c = 0; c < n_choices && at + rows == n; c++) {
            outputs[c] = (eng_output){.sampling = &samplings[c], .position = n, .target = -1};
            eng_step_want(rt, row + rows - 1, &outputs[c]);
        }
        eng_step_run(rt);
        for (uint32_t c = 0; c < n_choices && at + rows == n; c++)
            tokens[c][0] = outputs[c].token;
    }
}

static uint64_t rows_computed(const eng_runtime *rt)
{
    eng_kv_stats stats;
    eng_runtime_kv_stats(rt, &stats);
    return stats.rows_computed;
}

TEST(eight_choices_of_a_prompt_compute_the_prompt_once)
{
    enum { N = 512, CHOICES = 8, NEW = 8 };
    eng_model *model = open_model(&(test_model_spec){.type = ENG_Q8_0, .ctx = 1024}, NULL);
    eng_runtime *rt = make_runtime(model, 2);
    int32_t prompt[N], together[CHOICES][8], alone[1][8];
    eng_sampling samplings[CHOICES];
    eng_seq *seqs[CHOICES];
    fill_prompt(prompt, N, 8);
    for (uint32_t c = 0; c < CHOICES; c++)
        samplings[c] = (eng_sampling){.temperature = 1, .top_p = 0.95f, .seed = 4, .choice = c};
    seqs[0] = eng_seq_create(rt, model);
    prefill(rt, model, seqs[0], prompt, N, samplings, CHOICES, together);
    EXPECT_EQ(rows_computed(rt), N);
    for (uint32_t c = 1; c < CHOICES; c++)
        seqs[c] = eng_seq_fork(rt, seqs[0]);
    decode(rt, model, seqs, CHOICES, samplings, together, NEW);
    EXPECT_EQ(rows_computed(rt), N + CHOICES * (NEW - 1));
    for (uint32_t c = 0; c < CHOICES; c++) {
        eng_seq_free(rt, seqs[c]);
        eng_seq *seq = eng_seq_create(rt, model);
        prefill(rt, model, seq, prompt, N, &samplings[c], 1, alone);
        decode(rt, model, &seq, 1, &samplings[c], alone, NEW);
        EXPECT_MEM(together[c], alone[0], sizeof alone[0]);
        eng_seq_free(rt, seq);
    }
    eng_runtime_free(rt);
    eng_model_unref(model);
}

TEST(a_cached_prefix_is_not_computed_again)
{
    eng_model *model = open_model(NULL, NULL);
    eng_runtime *rt = make_runtime(model, 1);
    int32_t t[PROMPT];
    float *logits = calloc(PROMPT * V, sizeof *logits);
    fill_prompt(t, PROMPT, 5);
    for (int round = 0; round < 3; round++) {
        eng_seq *seq = eng_seq_create(rt, model);
        eng_seq_attach_prefix(rt, seq, 1, t, PROMPT);
        feed(rt, model, seq, t, PROMPT, 32, logits);
        eng_seq_free(rt, seq);
    }
    EXPECT_EQ(rows_computed(rt), PROMPT + 2 * (PROMPT - 64));
    free(logits);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

/* ---- steps ---- */

TEST(an_empty_step_does_nothing)
{
    eng_model *model = open_model(NULL, NULL);
    eng_runtime *rt = make_runtime(model, 2);
    eng_step_begin(rt, model);
    eng_step_run(rt);
    EXPECT_EQ(eng_step_rows(rt), 0);
    EXPECT_EQ(rows_computed(rt), 0);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

TEST(a_step_answers_more_rows_than_fit_its_logits_buffer)
{
    eng_model *model = open_model(NULL, NULL);
    eng_runtime *rt = make_runtime(model, 2);
    int32_t t[100];
    fill_prompt(t, 100, 6);
    /* 100 rows in one step, two outputs each of the last 28 */
    static eng_output outputs[128];
    static float logits[128][V];
    eng_seq *seq = eng_seq_create(rt, model);
    EXPECT(eng_seq_reserve(rt, seq, 100));
    eng_step_begin(rt, model);
    eng_step_add(rt, seq, t, 100);
    uint32_t n = 0;
    for (uint32_t r = 0; r < 100; r++)
        for (uint32_t twice = 0; twice < (r < 72 ? 1u : 2u); twice++, n++) {
            outputs[n] = (eng_output){.target = -1, .logits = logits[n]};
            eng_step_want(rt, r, &outputs[n]);
        }
    EXPECT_EQ(n, 128);
    eng_step_run(rt);
    eng_seq_free(rt, seq);
    float *want = logits_of(rt, model, t, 100, 1);
    for (uint32_t i = 0; i < n; i++)
        EXPECT_MEM(logits[i], want + (i < 72 ? i : 72 + (i - 72) / 2) * V, sizeof logits[i]);
    free(want);
    eng_runtime_free(rt);
    eng_model_unref(model);
}

TEST(logits_that_overflow_are_reported_not_finite)
{
    /* a norm's weights near the largest float, in the served types whose kernels differ */
    static const eng_dtype types[] = {ENG_F32, ENG_BF16, ENG_Q4_0, ENG_Q8_0, ENG_Q6_K};
    for (int i = 0; i < 5; i++) {
        const test_model_spec spec = {.type = types[i], .embd = 256, .layers = 1};
        char path[256];
        size_t len;
        uint8_t *file = test_build_gguf(&spec, &len);
        float huge[256];
        for (int j = 0; j < 256; j++)
            huge[j] = 3e38f;
        memcpy(file + len - sizeof huge, huge, sizeof huge); /* output_norm.weight is the last */
        snprintf(path, sizeof path, "%s/huge%d.gguf", test_dir(), i);
        test_write_file(path, file, len);
        free(file);
        eng_model *model;
        eng_error err;
        EXPECT_OK(eng_model_open(&model, path, NULL, &err), err);
        eng_runtime *rt = make_runtime(model, 1);
        eng_seq *seq = eng_seq_create(rt, model);
        bool all_finite = true;
        for (int32_t t = 0; t < 4; t++) { /* a normed element above 1.13 passes the largest float */
            eng_output out = {.target = -1};
            EXPECT(eng_seq_reserve(rt, seq, 1));
            eng_step_begin(rt, model);
            eng_step_want(rt, eng_step_add(rt, seq, &t, 1), &out);
            eng_step_run(rt);
            all_finite = all_finite && out.finite;
        }
        if (all_finite)
            FAIL("%s: an overflow went unseen", eng_model_dtype(model));
        eng_seq_free(rt, seq);
        eng_runtime_free(rt);
        eng_model_unref(model);
    }
}

TEST(a_step_allocates_nothing)
{
#ifndef COUNTS_ALLOCATIONS
    SKIP("allocations cannot be counted here (sanitizer, or not glibc)");
#endif
    static const eng_dtype types[] = {ENG_F32, ENG_Q4_1, ENG_Q4_K};
    free(malloc(1));
    EXPECT(atomic_load(&allocations) > 0); /* it does count */
    for (int i = 0; i < 3; i++) {
        eng_model *model = open_model(&(test_model_spec){.type = types[i]}, NULL);
        eng_runtime *rt = make_runtime(model, 2);
        eng_seq *seq = eng_seq_create(rt, model);
        int32_t t[PROMPT];
        fill_prompt(t, PROMPT, 5);
        const eng_sampling samplings[] = {{.temperature = 0, .top_p = 1},
                                          {.temperature = 1, .top_p = 1},
                                          {.temperature = 2, .top_p = 0.999f},
                                          {.temperature = 1, .top_p = 1, .top_k = 200},
                                          {.temperature = 1, .top_p = 0.9f, .min_p = 0.01f}};
        for (uint32_t step = 0; step < 5; step++) {
            eng_output out = {.sampling = &samplings[step], .target = -1, .n_top = ENG_MAX_TOP};
            EXPECT(eng_seq_reserve(rt, seq, step ? 1 : PROMPT));
            eng_step_begin(rt, model);
            const uint32_t before = atomic_load(&allocations);
            eng_step_add(rt, seq, t, step ? 1 : PROMPT);
            eng_step_want(rt, step ? 0 : PROMPT - 1, &out);
            eng_step_run(rt);
            EXPECT_EQ(atomic_load(&allocations) - before, 0);
            EXPECT(out.token >= 0);
        }
        eng_seq_free(rt, seq);
        eng_runtime_free(rt);
        eng_model_unref(model);
    }
}

/* A model whose products count the weights they read. */
static const eng_kernels *counted;
static atomic_ullong weight_bytes, unembed_bytes;
static const eng_packed *unembed;

static void count_product(float *out, size_t ld, const eng_packed *w, uint32_t g0, uint32_t ng,
                          const eng_acts *a, uint32_t m0, uint32_t m)
{
    atomic_fetch_add(&weight_bytes, ng * w->group_bytes);
    if (w->data == unembed->data)
        atomic_fetch_add(&unembed_bytes, ng * w->group_bytes);
    counted->gemm[w->type](out, ld, w, g0, ng, a, m0, m);
}

static uint64_t bytes_of_all_products(const eng_model *m)
{
    uint64_t bytes = (uint64_t)m->unembed.w.group_bytes * m->unembed.w.n_groups;
    for (uint32_t l = 0; l < m->config.n_layer; l++) {
        const eng_layer *layer = &m->layers[l];
        const eng_linear *parts[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                     &layer->gate, &layer->up, &layer->down};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            bytes += (uint64_t)parts[i]->w.group_bytes * parts[i]->w.n_groups;
    }
    return bytes;
}

TEST(a_step_reads_each_weight_once_however_many_sequences_are_in_it)
{
    static const uint32_t streams[] = {1, 2, 16};
    eng_model *model = open_model(&(test_model_spec){.type = ENG_Q8_0}, NULL);
    eng_kernels counting = *model->kernels;
    counted = model->kernels;
    unembed = &model->unembed.w;
    for (size_t i = 0; i < sizeof counting.gemm / sizeof *counting.gemm; i++)
        counting.gemm[i] = counted->gemm[i] ? count_product : NULL;
    model->kernels = &counting;
    eng_runtime *rt = make_runtime(model, 2);
    static const eng_sampling sampling = {.temperature = 1, .top_p = 1};
    for (size_t s = 0; s < sizeof streams / sizeof *streams; s++) {
        eng_seq *seqs[16];
        eng_output outputs[16];
        atomic_store(&weight_bytes, 0);
        atomic_store(&unembed_bytes, 0);
        eng_step_begin(rt, model);
        for (uint32_t i = 0; i < streams[s]; i++) {
            seqs[i] = eng_seq_create(rt, model);
            EXPECT(eng_seq_reserve(rt, seqs[i], 1));
            outputs[i] = (eng_output){.sampling = &sampling, .target = -1};
            eng_step_want(rt, eng_step_add(rt, seqs[i], &(int32_t){(int32_t)i}, 1), &outputs[i]);
        }
        eng_step_run(rt);
        EXPECT_EQ(atomic_load(&weight_bytes), bytes_of_all_products(model));
        EXPECT_EQ(atomic_load(&unembed_bytes), unembed->group_bytes * unembed->n_groups);
        for (uint32_t i = 0; i < streams[s]; i++)
            eng_seq_free(rt, seqs[i]);
    }
    eng_runtime_free(rt);
    model->kernels = counted;
    eng_model_unref(model);
}

TEST(a_runtime_without_rows_or_sequences_is_refused)
{
    eng_model *model = open_model(NULL, NULL);
    eng_runtime *rt;
    eng_error err;
    eng_runtime_options options = {.n_threads = 1, .max_seqs = 1, .kv_bytes = 1 << 20};
    EXPECT_EQ(eng_runtime_create(&rt, model, &options, &err), ENG_INVALID);
    options.max_rows = 1;
    options.max_seqs = 0;
    EXPECT_EQ(eng_runtime_create(&rt, model, &options, &err), ENG_INVALID);
    options.max_seqs = 1;
    options.kv_bytes = 100;
    EXPECT_EQ(eng_runtime_create(&rt, model, &options, &err), ENG_INVALID);
    EXPECT(strstr(err.text, "100 bytes") != NULL);
    eng_model_unref(model);
}
