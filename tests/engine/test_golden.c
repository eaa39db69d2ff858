/* The engine against real peers: tokenisation, per-token log-probs and greedy tokens recorded in
 * tests/golden (its README says how and gives the file format).
 *
 * Two rules. Where the peer computes with unrounded activations, every log-prob must be within the
 * file's tolerance and ids identical until a true tie, a step whose two best are closer than twice
 * the tolerance. Where the peer rounds activations to 8 bits (or to bf16, f16) it does not even
 * agree with itself that closely when a prompt arrives in other chunks, so the measure is its own
 * error: the file names an `exact` golden of the same weights and sequences, and the engine may
 * differ from the peer about as much as two independent roundings would, and from the exact answers
 * no more than the peer does. */
#include "engine.h"
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    MAX_SEQS = 256,
    LANES = 16,     /* sequences decoded together: the answer may not depend on company */
    MAX_ROWS = 128, /* of one prefill chunk */
    DEFAULT_STRIDE = SANITIZED ? 16 : 1 /* every n-th prompt of the default model */
};

/* ---- golden files --------------------------------------------------------------------------- */

typedef struct golden_step {
    int32_t id;
    double logprob, gap; /* to the second best */
} golden_step;

typedef struct golden_seq {
    char name[48];
    uint8_t *text; /* NULL when the sequence is ids alone */
    size_t text_len;
    bool special; /* special tokens in the text are recognised */
    uint32_t n_ids, n_greedy;
    int32_t *ids;
    double *logprobs; /* [n_ids - 1]: of ids[i + 1] */
    golden_step *greedy;
} golden_seq;

typedef struct golden {
    char model[64], sha256[65], exact[64];
    bool serve_f32, kv_f32;
    double tolerance;
    size_t n_seqs;
    golden_seq seqs[MAX_SEQS];
} golden;

static void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        FAIL("out of memory");
    return p;
}

static uint8_t *parse_hex(const char *hex, size_t *len)
{
    *len = strlen(hex) / 2;
    uint8_t *out = must_alloc(*len, 1);
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            FAIL("golden text is not hexadecimal");
        out[i] = (uint8_t)byte;
    }
    return out;
}

static double next_number(char **at)
{
    char *end;
    double x = strtod(*at, &end);
    if (end == *at)
        FAIL("a golden line ends early");
    *at = end;
    return x;
}

static void parse_seq_line(golden *g, const char *key, char *value)
{
    golden_seq *s = &g->seqs[g->n_seqs - 1];
    if (!strcmp(key, "text")) {
        s->special = !strncmp(value, "special ", 8);
        s->text = parse_hex(strchr(value, ' ') + 1, &s->text_len);
    } else if (!strcmp(key, "ids")) {
        s->ids = must_alloc(s->n_ids, sizeof *s->ids);
        for (uint32_t i = 0; i < s->n_ids; i++)
            s->ids[i] = (int32_t)next_number(&value);
    } else if (!strcmp(key, "logprobs")) {
        s->logprobs = must_alloc(s->n_ids, sizeof *s->logprobs);
        for (uint32_t i = 0; i + 1 < s->n_ids; i++)
            s->logprobs[i] = next_number(&value);
    } else if (!strcmp(key, "greedy")) {
        s->greedy = must_alloc(s->n_greedy, sizeof *s->greedy);
        for (uint32_t i = 0; i < s->n_greedy; i++) {
            s->greedy[i].id = (int32_t)next_number(&value);
            s->greedy[i].logprob = next_number(&value);
            s->greedy[i].gap = next_number(&value);
        }
    } else {
        FAIL("unknown golden record \"%s\"", key);
    }
}

static void parse_line(golden *g, const char *key, char *value)
{
    if (!strcmp(key, "seq")) {
        if (g->n_seqs == MAX_SEQS)
            FAIL("more than %d sequences in a golden file", MAX_SEQS);
        golden_seq *s = &g->seqs[g->n_seqs++];
        if (sscanf(value, "%47s %u %u", s->name, &s->n_ids, &s->n_greedy) != 3 || s->n_ids == 0)
            FAIL("bad golden sequence \"%s\"", value);
    } else if (g->n_seqs > 0) {
        parse_seq_line(g, key, value);
    } else if (!strcmp(key, "model")) {
        snprintf(g->model, sizeof g->model, "%s", value);
    } else if (!strcmp(key, "sha256")) {
        snprintf(g->sha256, sizeof g->sha256, "%s", value);
    } else if (!strcmp(key, "exact")) {
        snprintf(g->exact, sizeof g->exact, "%s", value);
    } else if (!strcmp(key, "serve")) {
        g->serve_f32 = !strcmp(value, "f32");
    } else if (!strcmp(key, "kv")) {
        g->kv_f32 = !strcmp(value, "f32");
    } else if (!strcmp(key, "tolerance")) {
        g->tolerance = next_number(&value);
    }
}

static golden *golden_read(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "golden/%s", name);
    size_t len;
    char *bytes = test_read_file(test_data(path), &len), *rest = bytes;
    golden *g = must_alloc(1, sizeof *g);
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        char *space = strchr(line, ' ');
        if (!space)
            continue;
        *space = '\0';
        parse_line(g, line, space + 1);
    }
    free(bytes);
    EXPECT(g->n_seqs > 0);
    for (size_t i = 0; i < g->n_seqs; i++)
        EXPECT(g->seqs[i].ids && g->seqs[i].greedy);
    return g;
}

static void golden_free(golden *g)
{
    for (size_t i = 0; g && i < g->n_seqs; i++) {
        free(g->seqs[i].text);
        free(g->seqs[i].ids);
        free(g->seqs[i].logprobs);
        free(g->seqs[i].greedy);
    }
    free(g);
}

static const golden_seq *golden_find(const golden *g, const char *name)
{
    for (size_t i = 0; i < g->n_seqs; i++)
        if (!strcmp(g->seqs[i].name, name))
            return &g->seqs[i];
    FAIL("no sequence %s in the exact golden file", name);
}

/* ---- differences ---------------------------------------------------------------------------- */

/* Absolute differences, kept for their quantiles. */
typedef struct spread {
    double *values;
    size_t n, cap;
    double sum, max;
} spread;

static void spread_add(spread *s, double difference)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->values = realloc(s->values, s->cap * sizeof *s->values);
        if (!s->values)
            FAIL("out of memory");
    }
    double d = isnan(difference) ? INFINITY : fabs(difference);
    s->values[s->n++] = d;
    s->sum += d;
    s->max = fmax(s->max, d);
}

static double spread_mean(const spread *s)
{
    return s->n ? s->sum / (double)s->n : 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value that 99 of 100 do not pass. */
static double spread_p99(spread *s)
{
    if (s->n == 0)
        return 0;
    qsort(s->values, s->n, sizeof *s->values, by_size);
    return s->values[(s->n - 1) * 99 / 100];
}

static size_t spread_beyond(const spread *s, double tolerance)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->values[i] > tolerance;
    return n;
}

typedef struct tally {
    spread ours;       /* engine - golden */
    spread ours_exact; /* engine - exact golden, prompt tokens */
    spread peer_exact; /* golden - exact golden, prompt tokens */
    double tie_gap;    /* a step whose two best are closer than this is a true tie */
    size_t n_runs, n_ties;
    double widest_tie;
} tally;

static void tally_free(tally *t)
{
    free(t->ours.values);
    free(t->ours_exact.values);
    free(t->peer_exact.values);
}

/* ---- running -------------------------------------------------------------------------------- */

typedef struct lane {
    const golden_seq *want;
    const golden_seq *exact; /* or NULL */
    eng_seq *seq;
    int32_t next;  /* greedy token to feed */
    uint32_t step; /* greedy steps compared */
    bool live;
} lane;

typedef struct session {
    eng_model *model;
    eng_runtime *rt;
    tally *tally;
    lane lanes[LANES];
    eng_output outputs[MAX_ROWS];
} session;

static const eng_sampling greedy = {.temperature = 0, .top_p = 1};

static eng_output output_greedy(uint32_t position)
{
    return (eng_output){
        .sampling = &greedy, .target = -1, .want_logprob = true, .position = position};
}

/* Compares one drawn token; a lane ends at its last step or at a true tie. */
static void lane_compare(session *s, lane *l, const eng_output *out)
{
    const golden_step *want = &l->want->greedy[l->step];
    EXPECT(out->finite);
    if (out->token != want->id) {
        if (want->gap >= s->tally->tie_gap)
            FAIL("%s, greedy token %u: %d (%.5f) instead of %d (%.5f), and the gap %.5f is no tie",
                 l->want->name, l->step, out->token, (double)out->logprob, want->id, want->logprob,
                 want->gap);
        s->tally->n_ties++;
        s->tally->widest_tie = fmax(s->tally->widest_tie, want->gap);
        l->live = false;
        return;
    }
    spread_add(&s->tally->ours, (double)out->logprob - want->logprob);
    l->next = out->token;
    l->live = ++l->step < l->want->n_greedy;
}

static void compare_prompt_row(session *s, const lane *l, uint32_t row, const eng_output *out)
{
    EXPECT(out->finite);
    spread_add(&s->tally->ours, (double)out->logprob - l->want->logprobs[row]);
    if (l->exact)
        spread_add(&s->tally->ours_exact, (double)out->logprob - l->exact->logprobs[row]);
}

/* The whole prompt, in chunks of at most MAX_ROWS, and the first greedy token. */
static void lane_prefill(session *s, lane *l)
{
    const golden_seq *w = l->want;
    for (uint32_t start = 0; start < w->n_ids;) {
        uint32_t n = w->n_ids - start < MAX_ROWS ? w->n_ids - start : MAX_ROWS;
        eng_step_begin(s->rt, s->model);
        uint32_t row = eng_step_add(s->rt, l->seq, w->ids + start, n);
        for (uint32_t i = 0; i < n; i++) {
            bool last = start + i + 1 == w->n_ids;
            s->outputs[i] =
                last ? output_greedy(w->n_ids)
                     : (eng_output){.target = w->ids[start + i + 1], .want_logprob = true};
            eng_step_want(s->rt, row + i, &s->outputs[i]);
        }
        eng_step_run(s->rt);
        for (uint32_t i = 0; i < n; i++) {
            if (start + i + 1 == w->n_ids)
                lane_compare(s, l, &s->outputs[i]);
            else
                compare_prompt_row(s, l, start + i, &s->outputs[i]);
        }
        start += n;
    }
}

static bool decode_all(session *s, size_t n_lanes)
{
    size_t n_live = 0;
    eng_step_begin(s->rt, s->model);
    for (size_t i = 0; i < n_lanes; i++) {
        lane *l = &s->lanes[i];
        if (!l->live)
            continue;
        n_live++;
        uint32_t row = eng_step_add(s->rt, l->seq, &l->next, 1);
        s->outputs[i] = output_greedy(l->want->n_ids + l->step);
        eng_step_want(s->rt, row, &s->outputs[i]);
    }
    if (n_live == 0)
        return false;
    eng_step_run(s->rt);
    for (size_t i = 0; i < n_lanes; i++)
        if (s->lanes[i].live)
            lane_compare(s, &s->lanes[i], &s->outputs[i]);
    return true;
}

static void expect_same_ids(const eng_model *model, const golden_seq *s)
{
    eng_error err;
    size_t n = 0;
    int32_t *ids = must_alloc(s->text_len + 1, sizeof *ids);
    EXPECT_OK(eng_tokenize(eng_model_tokenizer(model), (const char *)s->text, s->text_len, NULL,
                           s->special ? ENG_TOK_PARSE_SPECIAL : 0, ids, s->text_len + 1, &n, &err),
              err);
    for (size_t i = 0; i < n && i < s->n_ids; i++)
        if (ids[i] != s->ids[i])
            FAIL("%s: token %zu is %d instead of %d", s->name, i, ids[i], s->ids[i]);
    if (n != s->n_ids)
        FAIL("%s: %zu tokens instead of %u", s->name, n, s->n_ids);
    free(ids);
}

static void run_lanes(session *s, size_t n_lanes)
{
    s->tally->n_runs += n_lanes;
    for (size_t i = 0; i < n_lanes; i++) {
        lane *l = &s->lanes[i];
        if (l->want->text)
            expect_same_ids(s->model, l->want);
        l->seq = eng_seq_create(s->rt, s->model);
        EXPECT(l->seq != NULL);
        EXPECT(eng_seq_reserve(s->rt, l->seq, l->want->n_ids + l->want->n_greedy));
        lane_prefill(s, l);
    }
    while (decode_all(s, n_lanes)) {
    }
    for (size_t i = 0; i < n_lanes; i++)
        eng_seq_free(s->rt, s->lanes[i].seq);
}

static void run_golden(eng_model *model, const golden *g, const golden *exact, size_t stride,
                       tally *t)
{
    const eng_runtime_options options = {.n_threads = 2,
                                         .max_rows = MAX_ROWS,
                                         .max_seqs = LANES,
                                         .kv_bytes = (size_t)512 << 20,
                                         .kv_f32 = g->kv_f32};
    eng_error err;
    session *s = must_alloc(1, sizeof *s);
    s->model = model;
    s->tally = t;
    EXPECT_OK(eng_runtime_create(&s->rt, model, &options, &err), err);
    for (size_t next = 0; next < g->n_seqs;) {
        size_t n_lanes = 0;
        for (; n_lanes < LANES && next < g->n_seqs; n_lanes++, next += stride)
            s->lanes[n_lanes] =
                (lane){.want = &g->seqs[next],
                       .exact = exact ? golden_find(exact, g->seqs[next].name) : NULL};
        run_lanes(s, n_lanes);
    }
    eng_runtime_free(s->rt);
    free(s);
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* How far rounding moves the peer's log-probs from the exact ones. */
static void measure_peer(spread *out, const golden *g, const golden *exact, size_t stride)
{
    for (size_t i = 0; i < g->n_seqs; i += stride) {
        const golden_seq *a = &g->seqs[i], *b = golden_find(exact, a->name);
        EXPECT_EQ(a->n_ids, b->n_ids);
        EXPECT_MEM(a->ids, b->ids, a->n_ids * sizeof *a->ids);
        for (uint32_t k = 0; k + 1 < a->n_ids; k++)
            spread_add(out, a->logprobs[k] - b->logprobs[k]);
    }
}

static void print_spread(const char *what, spread *s)
{
    printf("    %-26s %5zu log-probs: mean %.6f, 99%% within %.6f, max %.6f\n", what, s->n,
           spread_mean(s), spread_p99(s), s->max);
}

static void print_tally(const char *name, const eng_model *model, const golden *g, tally *t)
{
    printf("  %s, %s: %zu runs, %zu parted at a tie (widest gap %.5f), %.2f%% within %g\n", name,
           eng_model_kernels(model), t->n_runs, t->n_ties, t->widest_tie,
           100.0 - 100.0 * (double)spread_beyond(&t->ours, g->tolerance) / (double)t->ours.n,
           g->tolerance);
    print_spread("engine - peer", &t->ours);
    if (g->exact[0]) {
        print_spread("engine - exact", &t->ours_exact);
        print_spread("peer - exact", &t->peer_exact);
    }
}

/* Two independent roundings of equal size differ by sqrt(2) times as much as either does from the
 * exact answer; the rest of each factor is for the sample, 0.001 for f16 keys and values. */
static void expect_rounds_like_the_peer(const golden *g, tally *t)
{
    double peer = spread_mean(&t->peer_exact), ours = spread_mean(&t->ours);
    if (!(ours <= 1.6 * peer + 0.001))
        FAIL("%s: mean difference %.6f, the peer's own error is %.6f", g->model, ours, peer);
    double from_exact = spread_mean(&t->ours_exact);
    if (!(from_exact <= 1.25 * peer + 0.001))
        FAIL("%s: mean distance from the exact answers %.6f, the peer's is %.6f", g->model,
             from_exact, peer);
    double peer_p99 = spread_p99(&t->peer_exact), ours_p99 = spread_p99(&t->ours);
    if (!(ours_p99 <= fmax(g->tolerance, 2 * peer_p99)))
        FAIL("%s: 99%% of differences within %.6f, of the peer's own errors within %.6f", g->model,
             ours_p99, peer_p99);
}

static void expect_within_tolerance(const golden *g, const tally *t)
{
    size_t n = spread_beyond(&t->ours, g->tolerance);
    if (n > 0)
        FAIL("%s: %zu of %zu log-probs differ by more than %g, the greatest by %.6f", g->model, n,
             t->ours.n, g->tolerance, t->ours.max);
}

static void expect_golden(const char *name, const char *kernels, size_t stride)
{
    golden *g = golden_read(name);
    golden *exact = g->exact[0] ? golden_read(g->exact) : NULL;
    bool is_default = !strcmp(g->model, "default");
    char data[128];
    snprintf(data, sizeof data, "golden/%s", g->model);
    const char *path = is_default ? test_model() : test_data(data);

    const eng_model_options options = {.serve_type =
                                           g->serve_f32 ? ENG_SERVE_F32 : ENG_SERVE_AS_FILE,
                                       .n_threads = 2,
                                       .kernels = kernels};
    eng_error err;
    eng_model *model = NULL;
    EXPECT_OK(eng_model_open(&model, path, &options, &err), err);
    if (is_default && strcmp(eng_model_digest(model), g->sha256) != 0) {
        eng_model_unref(model);
        golden_free(exact);
        golden_free(g);
        SKIP("the default model is not the file that %s was made with", name);
    }
    tally t = {0};
    if (exact)
        measure_peer(&t.peer_exact, g, exact, stride);
    t.tie_gap = 2 * fmax(g->tolerance, spread_p99(&t.peer_exact));
    run_golden(model, g, exact, stride, &t);
    print_tally(name, model, g, &t);
    if (exact)
        expect_rounds_like_the_peer(g, &t);
    else
        expect_within_tolerance(g, &t);
    tally_free(&t);
    eng_model_unref(model);
    golden_free(exact);
    golden_free(g);
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* Every set this CPU runs, the narrowest first. */
static void expect_golden_with_every_kernel_set(const char *name)
{
    static const char *const sets[] = {"scalar", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        expect_golden(name, sets[i], 1);
        if (!strcmp(sets[i], eng_cpu_kernels()))
            return;
    }
}

#define TINY(test, file)                                                                           \
    TEST(test)                                                                                     \
    {                                                                                              \
        expect_golden_with_every_kernel_set(file);                                                 \
    }

TINY(llama_f32_gguf_equals_llama_cpp, "llama_cpp/tiny-llama-f32.golden")
TINY(gpt2_f32_gguf_equals_llama_cpp, "llama_cpp/tiny-gpt2-f32.golden")
TINY(qwen2_f32_gguf_equals_llama_cpp, "llama_cpp/tiny-qwen2-f32.golden")
TINY(llama_f16_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-f16.golden")
TINY(llama_bf16_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-bf16.golden")
TINY(llama_q8_0_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-q8_0.golden")
TINY(llama_q4_0_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-q4_0.golden")
TINY(llama_q4_1_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-q4_1.golden")
TINY(llama_q5_0_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-q5_0.golden")
TINY(llama_q5_1_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-q5_1.golden")
TINY(llama_q4_k_m_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-llama-q4_k_m.golden")
TINY(gpt2_q8_0_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-gpt2-q8_0.golden")
TINY(gpt2_q4_1_gguf_rounds_like_llama_cpp, "llama_cpp/tiny-gpt2-q4_1.golden")

TINY(llama_f16_weights_in_f32_equal_transformers, "transformers/tiny-llama-f16.golden")
TINY(llama_bf16_weights_in_f32_equal_transformers, "transformers/tiny-llama-bf16.golden")
TINY(llama_q8_0_weights_in_f32_equal_transformers, "transformers/tiny-llama-q8_0.golden")
TINY(llama_q4_0_weights_in_f32_equal_transformers, "transformers/tiny-llama-q4_0.golden")
TINY(llama_q4_1_weights_in_f32_equal_transformers, "transformers/tiny-llama-q4_1.golden")
TINY(llama_q5_0_weights_in_f32_equal_transformers, "transformers/tiny-llama-q5_0.golden")
TINY(llama_q5_1_weights_in_f32_equal_transformers, "transformers/tiny-llama-q5_1.golden")
TINY(llama_q4_k_m_weights_in_f32_equal_transformers, "transformers/tiny-llama-q4_k_m.golden")
TINY(gpt2_q8_0_weights_in_f32_equal_transformers, "transformers/tiny-gpt2-q8_0.golden")
TINY(gpt2_q4_1_weights_in_f32_equal_transformers, "transformers/tiny-gpt2-q4_1.golden")
TINY(gpt2_f32_gguf_equals_transformers, "transformers/tiny-gpt2-f32.golden")

TINY(llama_directory_equals_transformers, "transformers/tiny-llama.golden")
TINY(gpt2_directory_equals_transformers, "transformers/tiny-gpt2.golden")
TINY(qwen2_directory_equals_transformers, "transformers/tiny-qwen2.golden")
TINY(gpt2_with_banded_layers_equals_the_reference, "transformers/tiny-gpt2-banded.golden")

TEST(default_model_in_f32_equals_llama_cpp_on_the_same_weights)
{
    expect_golden("llama_cpp/default-f32.golden", NULL, DEFAULT_STRIDE);
}

TEST(default_model_in_f32_equals_transformers)
{
    expect_golden("transformers/default.golden", NULL, DEFAULT_STRIDE);
}

TEST(default_model_as_filed_rounds_like_llama_cpp)
{
    expect_golden("llama_cpp/default.golden", NULL, DEFAULT_STRIDE);
}
