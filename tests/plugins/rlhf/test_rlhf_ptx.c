/* What reinforcement costs in language, and what pays for it.
 *
 * A small model is pretrained on Shakespeare and then rewarded for capital letters. Plain PPO
 * forgets Shakespeare on the way; with pretraining gradients mixed in (ptx) the same reward is had
 * for a fraction of the loss; holding the policy back with a larger beta is no substitute.
 *
 * The alias refuses every publish, so that each one's gate measures against the same start: reward
 * and held-out loss every five iterations. INSTRUCTD_TEST_LONG=1 runs it with a million parameters.
 */
#include "base/random.h"
#include "formats/text_out.h"
#include "rlhf_fixture.h"

#include <math.h>
#include <stdlib.h>

typedef struct sizes {
    uint32_t n_layer, n_embd, n_ctx;
    size_t text_bytes; /* of Shakespeare to pretrain on; the 20,000 after it judge that */
    const char *pretraining;
    double gamma;                   /* ptx_coef */
    double target;                  /* the reward at which runs are compared */
    uint32_t plain, ptx, held_back; /* iterations of each kind of run */
} sizes;

enum { EPISODES = 64, N_PROMPTS = 200, PROMPT_BYTES = 12, VALID_BYTES = 20000 };

/* ---- the world ---- */

/* The share of a completion that is capital letters. */
static double capitals(void *ctx, const char *prompt, const char *completion)
{
    double n = 0, all = 0;
    (void)ctx, (void)prompt;
    for (const char *p = completion; *p; p++, all++)
        n += *p >= 'A' && *p <= 'Z';
    return all > 0 ? n / all : 0;
}

static void add_text(mock_host *m, const char *id, const char *text, size_t n)
{
    eng__text rows;
    eng__text_init(&rows, n * 4 + 64);
    eng__text_printf(&rows, "{\"text\":");
    eng__text_json(&rows, text, n);
    eng__text_printf(&rows, "}\n");
    mock_host_file(m, id, rows.data);
    eng__text_free(&rows);
}

/* Pieces of the text that begin with a word. */
static void add_prompts(mock_host *m, const char *text, size_t n)
{
    eng__text rows;
    eng__text_init(&rows, 1 << 20);
    for (uint32_t i = 0; i < N_PROMPTS; i++) {
        const char *p = text + (size_t)(eng__uniform(5, 0, i) * (double)n);
        eng__text_printf(&rows, "{\"prompt\":");
        eng__text_json(&rows, strchr(p, ' ') + 1, PROMPT_BYTES);
        eng__text_printf(&rows, "}\n");
    }
    mock_host_file(m, "file-prompts", rows.data);
    eng__text_free(&rows);
}

/* A host whose model "start" has been pretrained on the text. */
static mock_host *pretrained_host(const sizes *s)
{
    char id[ENG_POLICY_ID_BYTES];
    eng_error err;
    char *text = test_read_file(test_shared("data/text/tinyshakespeare.txt"), NULL);
    mock_host *m = mock_host_create(&(mock_options){.dir = test_dir(), .never_end = true});
    const eng_new_model model = {.arch = "llama",
                                 .n_layer = s->n_layer,
                                 .n_embd = s->n_embd,
                                 .n_head = 4,
                                 .n_ctx = s->n_ctx,
                                 .seed = 1};
    EXPECT_OK(eng_model_new(in_dir("new"), &model, id, &err), err);
    mock_host_policy(m, "new", in_dir("new"));
    mock_host_endpoint(m, capitals, NULL);
    add_text(m, "file-text", text, s->text_bytes);
    add_text(m, "file-valid", text + s->text_bytes, VALID_BYTES);
    add_prompts(m, text, s->text_bytes);
    free(text);
    const mock_job spec = {.method = "pretrain",
                           .model = "new",
                           .training_file = "file-text",
                           .validation_file = "file-valid",
                           .method_json = s->pretraining};
    mock_host_must_run(m, &spec);
    const uint64_t last = mock_host_last_step(m);
    printf("  pretrained for %llu steps: loss %.3f, held out %.3f nats a byte\n",
           (unsigned long long)last, mock_host_metric(m, last, "loss"),
           mock_host_metric(m, last, "valid_loss"));
    mock_host_policy(m, "start", mock_host_publish(m, 0)->path);
    return m;
}

/* ---- runs ---- */

typedef struct run_result {
    double best;      /* reward gained at the most */
    double loss_rise; /* where the target was reached first, between two gates; NAN: never */
} run_result;

static run_result run(mock_host *m, const sizes *s, const char *name, double beta, double ptx_coef,
                      uint32_t iterations)
{
    char method[1024];
    snprintf(method, sizeof method,
             "{\"reward_model\":\"http:capitals\",\"pretrain\":\"file-text\",\"hyperparameters\":{"
             "\"kl_coef\":%g,\"ptx_coef\":%g,\"ptx_ratio\":1,\"episodes\":%u,\"batch_size\":%d,"
             "\"minibatch_size\":16,\"max_response_tokens\":16,\"learning_rate\":0.0006,"
             "\"value_learning_rate\":0.001}}",
             beta, ptx_coef, iterations * EPISODES, EPISODES);
    const mock_job spec = {.method = "ppo",
                           .model = "start",
                           .training_file = "file-prompts",
                           .method_json = method,
                           .publish_json = "{\"alias\":\"start\",\"every\":5,\"weights\":\"raw\"}",
                           .seed = 1};
    uint32_t i = mock_host_publishes(m);
    mock_host_refuse(m, iterations);
    mock_host_must_run(m, &spec);
    run_result out = {.loss_rise = NAN};
    double reward = 0, rise = 0;
    for (; i < mock_host_publishes(m); i++) {
        const mock_publish *p = mock_host_publish(m, i);
        double r = mock_publish_measured(p, "rm_delta"),
               l = mock_publish_measured(p, "lm_loss_rise");
        if (!p->refused)
            continue;
        if (isnan(out.loss_rise) && r >= s->target)
            out.loss_rise = rise + (l - rise) * (s->target - reward) / (r - reward);
        out.best = fmax(out.best, r);
        reward = r;
        rise = l;
    }
    printf("  %-22s best reward %+.3f; held-out loss %+.4f when the reward is %+.2f\n", name,
           out.best, out.loss_rise, s->target);
    return out;
}

static void expect_ptx_to_pay(const sizes *s)
{
    mock_host *m = pretrained_host(s);
    run_result plain = run(m, s, "plain (beta 0.02)", 0.02, 0, s->plain),
               ptx = run(m, s, "ptx", 0.02, s->gamma, s->ptx);
    EXPECT(plain.loss_rise > 0.1); /* there is a tax to begin with */
    double removed = 1 - ptx.loss_rise / plain.loss_rise;
    printf("  ptx removes %.0f%% of the rise\n", 100 * removed);
    EXPECT(removed >= 0.7);
    for (double beta = 0.2; beta <= 2; beta *= 10) {
        char name[64];
        snprintf(name, sizeof name, "beta %g", beta);
        run_result held = run(m, s, name, beta, 0, s->held_back);
        /* Either the reward is not had at all, or at more than 30% of the rise. */
        EXPECT(isnan(held.loss_rise) || held.loss_rise > 0.3 * plain.loss_rise);
    }
    mock_host_free(m);
}

TEST(ptx_keeps_the_language_at_equal_reward_and_beta_does_not)
{
    static const sizes small = {.n_layer = 2,
                                .n_embd = 48,
                                .n_ctx = 64,
                                .text_bytes = 60000,
                                .pretraining =
                                    "{\"hyperparameters\":{\"n_epochs\":10,\"batch_size\":16,"
                                    "\"learning_rate\":0.003}}",
                                .gamma = 1,
                                .target = 0.5,
                                .plain = 30,
                                .ptx = 240,
                                .held_back = 60};
    test_skip_unless_heavy();
    expect_ptx_to_pay(&small);
}

TEST(the_same_with_a_million_parameters)
{
    static const sizes large = {.n_layer = 4,
                                .n_embd = 128,
                                .n_ctx = 128,
                                .text_bytes = 1000000,
                                .pretraining =
                                    "{\"hyperparameters\":{\"n_epochs\":3,\"batch_size\":16,"
                                    "\"learning_rate\":0.002}}",
                                .gamma = 1,
                                .target = 0.5,
                                .plain = 40,
                                .ptx = 400,
                                .held_back = 100};
    if (!getenv("INSTRUCTD_TEST_LONG"))
        SKIP("INSTRUCTD_TEST_LONG=1 runs it: several minutes on two cores");
    expect_ptx_to_pay(&large);
}
