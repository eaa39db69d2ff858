/* A request's tokens and log-probs are the same bits alone and among fifteen others, whatever the
 * others' prompts, the sizes of the prefill chunks and the place in the step. */
#include "engine.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, MAX_IDS = 96, MAX_NEW = 16, MAX_ROWS = 256 };

/* One request and what came of it. */
typedef struct request {
    int32_t ids[MAX_IDS];
    uint32_t n_ids, n_new;
    eng_sampling sampling;
    /* answered */
    float prompt_logprobs[MAX_IDS]; /* of ids[i + 1] */
    int32_t tokens[MAX_NEW];
    float logprobs[MAX_NEW];
    uint32_t n_done;
    /* while running */
    eng_seq *seq;
    uint32_t n_fed;   /* prompt ids already in the sequence */
    uint32_t n_chunk; /* of them, in this step */
    uint32_t first_output;
} request;

/* How many prompt ids a lane feeds in a step. */
typedef uint32_t chunk_fn(uint32_t step, uint32_t lane);

static uint32_t whole_prompt(uint32_t step, uint32_t lane)
{
    (void)step, (void)lane;
    return MAX_IDS;
}

static uint32_t mixed_chunks(uint32_t step, uint32_t lane)
{
    return 1 + (step * 7 + lane * 5) % 13;
}

/* Adds the request's rows and outputs to the step: a chunk of its prompt, or its last token. */
static void add_rows(eng_runtime *rt, request *r, eng_output *outputs, uint32_t *n_outputs,
                     uint32_t chunk)
{
    uint32_t left = r->n_ids - r->n_fed;
    r->n_chunk = left < chunk ? left : chunk;
    r->first_output = *n_outputs;
    uint32_t n_rows = left ? r->n_chunk : 1;
    uint32_t row =
        eng_step_add(rt, r->seq, left ? r->ids + r->n_fed : &r->tokens[r->n_done - 1], n_rows);
    for (uint32_t i = 0; i < n_rows; i++) {
        bool draws = r->n_fed + i + 1 >= r->n_ids;
        eng_output *out = &outputs[(*n_outputs)++];
        *out = (eng_output){.sampling = draws ? &r->sampling : NULL,
                            .position = r->n_ids + r->n_done,
                            .target = draws ? -1 : r->ids[r->n_fed + i + 1],
                            .want_logprob = true};
        eng_step_want(rt, row + i, out);
    }
}

static void take_answers(request *r, const eng_output *outputs)
{
    uint32_t n_rows = r->n_chunk ? r->n_chunk : 1;
    for (uint32_t i = 0; i < n_rows; i++) {
        const eng_output *out = &outputs[r->first_output + i];
        EXPECT(out->finite);
        if (r->n_fed + i + 1 < r->n_ids) {
            r->prompt_logprobs[r->n_fed + i] = out->logprob;
        } else {
            r->tokens[r->n_done] = out->token;
            r->logprobs[r->n_done++] = out->logprob;
        }
    }
    r->n_fed += r->n_chunk;
}

/* Steps until every request is answered; those that finish leave at once. */
static void run_requests(eng_model *model, request *requests, uint32_t n, chunk_fn *chunk)
{
    const eng_runtime_options options = {
        .n_threads = 2, .max_rows = MAX_ROWS, .max_seqs = LANES, .kv_bytes = (size_t)256 << 20};
    eng_error err;
    eng_runtime *rt;
    EXPECT_OK(eng_runtime_create(&rt, model, &options, &err), err);
    for (uint32_t i = 0; i < n; i++) {
        requests[i].seq = eng_seq_create(rt, model);
        EXPECT(requests[i].seq != NULL);
        EXPECT(eng_seq_reserve(rt, requests[i].seq, requests[i].n_ids + requests[i].n_new));
    }
    static eng_output outputs[MAX_ROWS];
    for (uint32_t step = 0;; step++) {
        uint32_t n_outputs = 0;
        eng_step_begin(rt, model);
        for (uint32_t i = 0; i < n; i++)
            if (requests[i].n_done < requests[i].n_new)
                add_rows(rt, &requests[i], outputs, &n_outputs, chunk(step, i));
        if (n_outputs == 0)
            break;
        eng_step_run(rt);
        for (uint32_t i = 0; i < n; i++)
            if (requests[i].n_done < requests[i].n_new)
                take_answers(&requests[i], outputs);
    }
    for (uint32_t i = 0; i < n; i++)
        eng_seq_free(rt, requests[i].seq);
    eng_runtime_free(rt);
}

/* Request k: a prompt of its own length and ids; every third samples, the rest are greedy. */
static request make_request(const eng_model *model, uint32_t k, uint32_t n_ids, uint32_t n_new)
{
    request r = {.n_ids = n_ids, .n_new = n_new, .sampling = {.top_p = 1, .seed = 1000 + k}};
    r.sampling.temperature = k % 3 == 0 ? 0.9f : 0.0f;
    uint64_t state = 77 + k;
    for (uint32_t i = 0; i < n_ids; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        r.ids[i] = (int32_t)((state >> 33) % eng_model_config(model)->n_vocab);
    }
    return r;
}

static void expect_same_bits(const request *got, const request *want)
{
    EXPECT_EQ(got->n_done, want->n_done);
    EXPECT_MEM(got->prompt_logprobs, want->prompt_logprobs, (want->n_ids - 1) * sizeof(float));
    EXPECT_MEM(got->tokens, want->tokens, want->n_done * sizeof(int32_t));
    EXPECT_MEM(got->logprobs, want->logprobs, want->n_done * sizeof(float));
}

/* Requests 0 and 1 (one samples, one is greedy) alone, then first, in the middle and last among
 * others. `scale` divides the lengths for models that are slow to run. */
static void expect_company_changes_nothing(const char *path, const char *kernels, uint32_t scale)
{
    const eng_model_options options = {.n_threads = 2, .kernels = kernels};
    static const uint32_t places[] = {0, 9, LANES - 1};
    eng_error err;
    eng_model *model;
    EXPECT_OK(eng_model_open(&model, path, &options, &err), err);
    for (uint32_t which = 0; which < 2; which++) {
        request subject = make_request(model, which, 75 / scale, 12 / scale);
        request alone = subject;
        run_requests(model, &alone, 1, whole_prompt);
        for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
            request all[LANES];
            for (uint32_t i = 0; i < LANES; i++)
                all[i] = make_request(model, 100 + i, (3 + 6 * i) / scale + 1, 4 + i % 9);
            all[places[p]] = subject;
            run_requests(model, all, LANES, mixed_chunks);
            expect_same_bits(&all[places[p]], &alone);
        }
    }
    eng_model_unref(model);
}

static void expect_with_every_kernel_set(const char *data)
{
    static const char *const sets[] = {"scalar", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        expect_company_changes_nothing(test_data(data), sets[i], 1);
        if (!strcmp(sets[i], eng_cpu_kernels()))
            return;
    }
}

TEST(f32_llama_answers_the_same_bits_in_company)
{
    expect_with_every_kernel_set("golden/models/tiny-llama-f32.gguf");
}

TEST(bf16_llama_answers_the_same_bits_in_company)
{
    expect_with_every_kernel_set("golden/models/tiny-llama-bf16.gguf");
}

TEST(q4_1_llama_answers_the_same_bits_in_company)
{
    expect_with_every_kernel_set("golden/models/tiny-llama-q4_1.gguf");
}

TEST(q4_k_m_llama_answers_the_same_bits_in_company)
{
    expect_with_every_kernel_set("golden/models/tiny-llama-q4_k_m.gguf");
}

TEST(gpt2_answers_the_same_bits_in_company)
{
    expect_with_every_kernel_set("golden/models/tiny-gpt2-q8_0.gguf");
}

TEST(default_model_answers_the_same_bits_in_company)
{
    expect_company_changes_nothing(test_model(), NULL, 3);
}
