/* Small parts of the trainers: orders, micro-batches, checkpoints on disk. */
#include "rlhf/checkpoint.h"
#include "rlhf/micro.h"
#include "rlhf/order.h"
#include "rlhf_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- orders ---- */

TEST(each_epoch_is_a_permutation_of_its_own)
{
    enum { N = 101 };
    order o;
    eng_error err;
    uint32_t first[N], second[N];
    bool seen[2][N] = {{false}};
    EXPECT_EQ(order_init(&o, 3, KEY_ORDER, N, &err), INSTRUCTD_OK);
    for (uint32_t i = 0; i < N; i++)
        seen[0][first[i] = order_at(&o, i)] = true;
    for (uint32_t i = 0; i < N; i++)
        seen[1][second[i] = order_at(&o, N + i)] = true;
    for (uint32_t i = 0; i < N; i++)
        EXPECT(seen[0][i] && seen[1][i]);
    EXPECT(memcmp(first, second, sizeof first) != 0);
    for (uint32_t i = N; i-- > 0;) /* from anywhere, in any direction */
        EXPECT_EQ(order_at(&o, i), first[i]);
    order_free(&o);
    EXPECT_EQ(order_init(&o, 4, KEY_ORDER, N, &err), INSTRUCTD_OK);
    uint32_t same = 0;
    for (uint32_t i = 0; i < N; i++)
        same += order_at(&o, i) == first[i];
    EXPECT(same < 20);
    order_free(&o);
    EXPECT_EQ(order_init(&o, 4, KEY_ORDER, 0, &err), INSTRUCTD_E_INVALID);
}

TEST(permutations_are_uniform)
{
    enum { N = 4, DRAWS = 24000 };
    uint32_t count[N][N] = {{0}}, p[N];
    for (uint32_t d = 0; d < DRAWS; d++) {
        permute(p, N, key_of(1, KEY_ORDER, d, 0));
        for (uint32_t i = 0; i < N; i++)
            count[i][p[i]]++;
    }
    /* each is Binomial(24000, 1/4): mean 6000, standard deviation 67; 5 of those */
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < N; j++)
            EXPECT_NEAR(count[i][j], DRAWS / N, 335);
}

/* ---- micro-batches ---- */

TEST(a_micro_batch_packs_sequences_and_the_rows_that_predict)
{
    micro m;
    eng_error err;
    const int32_t a[] = {10, 11, 12, 13}, b[] = {20, 21};
    EXPECT_EQ(micro_init(&m, 100, &err), INSTRUCTD_OK);
    EXPECT_EQ(m.max_tokens, MICRO_TOKENS);
    EXPECT(micro_add(&m, a, 4, 2, 7));
    EXPECT(micro_add(&m, b, 2, 1, 8));
    EXPECT_EQ(m.pack.n_seqs, 2);
    const uint32_t starts[] = {0, 4, 6}, rows[] = {1, 2, 4}, first[] = {0, 2, 3}, last[] = {3, 5};
    const int32_t targets[] = {12, 13, 21};
    EXPECT_MEM(m.pack.starts, starts, sizeof starts);
    EXPECT_EQ(m.n_rows, 3);
    EXPECT_MEM(m.rows, rows, sizeof rows);
    EXPECT_MEM(m.targets, targets, sizeof targets);
    EXPECT_MEM(m.first_row, first, sizeof first);
    EXPECT_MEM(m.last, last, sizeof last);
    EXPECT_EQ(m.keys[1], 8);
    micro_free(&m);
}

TEST(a_micro_batch_is_full_by_tokens_or_by_sequences)
{
    micro m;
    eng_error err;
    int32_t *tokens = calloc(3000, sizeof *tokens);
    EXPECT_EQ(micro_init(&m, 3000, &err), INSTRUCTD_OK);
    EXPECT(micro_add(&m, tokens, 2999, 1, 0));
    EXPECT(!micro_add(&m, tokens, 2, 1, 0));
    EXPECT(micro_add(&m, tokens, 1, 1, 0));
    EXPECT_EQ(m.pack.starts[2], 3000);
    micro_clear(&m);
    for (int i = 0; i < MICRO_SEQS; i++)
        EXPECT(micro_add(&m, tokens, 2, 1, 0));
    EXPECT(!micro_add(&m, tokens, 2, 1, 0));
    EXPECT_EQ(m.n_rows, MICRO_SEQS);
    micro_free(&m);
    free(tokens);
}

/* ---- checkpoints ---- */

typedef struct saved_job {
    mock_host *mock;
    job_host host;
    eng_net *net;
    float *moments;
    uint64_t step;
    double numbers[3];
    checkpoint_part parts[3];
    state_field fields[2];
    checkpoint all;
} saved_job;

static void begin(saved_job *s)
{
    eng_error err;
    s->mock = make_host(NULL);
    job_host_init(&s->host, mock_host_table(s->mock), mock_host_job(s->mock));
    EXPECT_OK(eng_net_open(&s->net, in_dir("base"), ENG_HEAD_LM, &err), err);
    size_t n = eng_net_n_floats(s->net);
    s->moments = calloc(n, sizeof(float));
    for (size_t i = 0; i < n; i++)
        s->moments[i] = (float)i;
    s->parts[0] = (checkpoint_part){"model.safetensors", "", s->net, eng_net_floats(s->net)};
    s->parts[1] = (checkpoint_part){"optimizer.safetensors", "m.", s->net, s->moments};
    s->parts[2] = (checkpoint_part){"value/model.safetensors", "", s->net, s->moments};
    s->fields[0] = (state_field){"step", STATE_COUNT, &s->step, 1};
    s->fields[1] = (state_field){"numbers", STATE_NUMBER, s->numbers, 3};
    s->all = (checkpoint){.parts = s->parts, .n_parts = 3, .fields = s->fields, .n_fields = 2};
    strcpy(s->all.identity, "this job");
}

static void end(saved_job *s)
{
    eng_net_free(s->net);
    free(s->moments);
    mock_host_free(s->mock);
}

static void save(saved_job *s, uint64_t step, int64_t best)
{
    eng_error err;
    s->step = step;
    if (checkpoint_save(test_dir(), step, best, &s->all, &err) != INSTRUCTD_OK)
        FAIL("save: %s", err.text);
}

static bool there(const char *name)
{
    return access(in_dir(name), F_OK) == 0;
}

TEST(a_checkpoint_gives_back_every_bit)
{
    saved_job s;
    eng_error err;
    bool found;
    begin(&s);
    size_t bytes = eng_net_n_floats(s.net) * sizeof(float);
    float *weights = malloc(bytes), *moments = malloc(bytes);
    memcpy(weights, eng_net_floats(s.net), bytes);
    memcpy(moments, s.moments, bytes);
    const double numbers[] = {0.1, NAN, -1e-300};
    memcpy(s.numbers, numbers, sizeof numbers);
    save(&s, 5, CHECKPOINT_NO_BEST);
    memset(eng_net_floats(s.net), 0, bytes);
    memset(s.moments, 0, bytes);
    memset(s.numbers, 0, sizeof s.numbers);
    s.step = 0;
    EXPECT_EQ(checkpoint_load(&s.host, test_dir(), &s.all, &found, &err), INSTRUCTD_OK);
    EXPECT(found);
    EXPECT_EQ(s.step, 5);
    EXPECT(s.numbers[0] == 0.1 && isnan(s.numbers[1]) && s.numbers[2] == -1e-300);
    EXPECT_MEM(eng_net_floats(s.net), weights, bytes);
    EXPECT_MEM(s.moments, moments, bytes);
    free(weights);
    free(moments);
    end(&s);
}

TEST(the_last_two_checkpoints_and_the_best_stay)
{
    saved_job s;
    begin(&s);
    save(&s, 1, CHECKPOINT_NO_BEST);
    save(&s, 2, 2);
    save(&s, 3, 2);
    EXPECT(!there("step-000000000001"));
    save(&s, 4, 2);
    save(&s, 5, 2);
    EXPECT(there("step-000000000002"));
    EXPECT(!there("step-000000000003"));
    EXPECT(there("step-000000000004"));
    EXPECT(there("step-000000000005"));
    end(&s);
}

TEST(what_a_crash_left_half_written_is_swept)
{
    saved_job s;
    eng_error err;
    bool found;
    begin(&s);
    mkdir(in_dir(".tmp-000000000009"), 0700);
    test_write_file(in_dir(".tmp-000000000009/state.json"), "{", 1);
    EXPECT_EQ(checkpoint_load(&s.host, test_dir(), &s.all, &found, &err), INSTRUCTD_OK);
    EXPECT(!found);
    EXPECT(!there(".tmp-000000000009"));
    end(&s);
}

/* Whatever byte of whatever file is flipped: the one before is loaded. */
TEST(a_flipped_byte_anywhere_is_noticed)
{
    static const char *const files[] = {"SHA256SUMS", "state.json", "model.safetensors",
                                        "optimizer.safetensors", "value/model.safetensors"};
    saved_job s;
    eng_error err;
    bool found;
    begin(&s);
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        for (int place = 0; place < 3; place++) {
            char path[128];
            size_t len;
            save(&s, 1, CHECKPOINT_NO_BEST);
            save(&s, 2, CHECKPOINT_NO_BEST);
            snprintf(path, sizeof path, "step-000000000002/%s", files[f]);
            char *bytes = test_read_file(in_dir(path), &len);
            bytes[(len - 1) * (size_t)place / 2] ^= 4;
            test_write_file(in_dir(path), bytes, len);
            free(bytes);
            EXPECT_EQ(checkpoint_load(&s.host, test_dir(), &s.all, &found, &err), INSTRUCTD_OK);
            EXPECT(found);
            if (s.step != 1)
                FAIL("byte %zu of %s was not noticed", (len - 1) * (size_t)place / 2, files[f]);
        }
    }
    EXPECT(mock_host_had_event(s.mock, "checkpoint of step 2 is not used"));
    end(&s);
}

TEST(a_missing_file_is_noticed)
{
    saved_job s;
    eng_error err;
    bool found;
    begin(&s);
    save(&s, 1, CHECKPOINT_NO_BEST);
    save(&s, 2, CHECKPOINT_NO_BEST);
    EXPECT_EQ(unlink(in_dir("step-000000000002/value/model.safetensors")), 0);
    EXPECT_EQ(checkpoint_load(&s.host, test_dir(), &s.all, &found, &err), INSTRUCTD_OK);
    EXPECT(found);
    EXPECT_EQ(s.step, 1);
    end(&s);
}
