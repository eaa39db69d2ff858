/* eng-gradients: the loss of one batch and its gradient in every tensor (README.md). */
#include "compute/team.h"
#include "formats/finite.h"
#include "gradient_batch.h"
#include "gradient_file.h"
#include "gradient_run.h"
#include "train/net.h"
#include "train/optimizer.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PACK_TOKENS = 2048, MAX_PACK_TOKENS = 1 << 20, MAX_THREADS = 256 };
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
    "usage: eng-gradients --model PATH --batch FILE.json --loss LOSS --out FILE.safetensors\n"
    "Writes d(loss)/d(tensor) for every tensor of a model, named and laid out as in a Hugging\n"
    "Face directory; the loss goes into the file's metadata and to stdout, as a line of JSON.\n"
    "  --model PATH     checkpoint directory or GGUF file\n"
    "  --batch FILE     the batch; its format is in tests/tools/README.md\n"
    "  --loss LOSS      lm, reward, value, ppo or ptx\n"
    "  --out FILE       replaced\n"
    "  --threads N      (one a core)\n"
    "  --pack N         tokens that are run together (2048); changes nothing but rounding\n"
    "  --checkpoint     recompute activations in the backward pass: less memory\n"
    "  --kernels NAME   scalar, avx2 or avx512 (the widest this CPU runs)\n";

typedef struct arguments {
    const char *model, *batch, *out, *kernels;
    gradient_loss loss;
    uint32_t n_threads, pack_tokens;
    bool checkpoint;
} arguments;

_Noreturn static void refuse(const char *what, const char *value, const char *expected)
{
    fprintf(stderr, "eng-gradients: %s takes %s, not '%s'\n", what, expected, value);
    exit(EXIT_USAGE);
}

static uint32_t read_number(const char *option, const char *text, uint32_t max)
{
    char *end, expected[64];
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || v < 1 || v > max) {
        snprintf(expected, sizeof expected, "a number from 1 to %u", max);
        refuse(option, text, expected);
    }
    return (uint32_t)v;
}

static void require(const char *value, const char *option)
{
    if (value)
        return;
    fprintf(stderr, "eng-gradients: %s is missing\n%s", option, usage_text);
    exit(EXIT_USAGE);
}

static arguments read_arguments(int argc, char **argv)
{
    enum { MODEL = 256, BATCH, LOSS, OUT, THREADS, PACK, CHECKPOINT, KERNELS, HELP };
    static const struct option options[] = {{"model", 1, NULL, MODEL},
                                            {"batch", 1, NULL, BATCH},
                                            {"loss", 1, NULL, LOSS},
                                            {"out", 1, NULL, OUT},
                                            {"threads", 1, NULL, THREADS},
                                            {"pack", 1, NULL, PACK},
                                            {"checkpoint", 0, NULL, CHECKPOINT},
                                            {"kernels", 1, NULL, KERNELS},
                                            {"help", 0, NULL, HELP},
                                            {0}};
    arguments a = {.n_threads = eng_cpu_count(), .pack_tokens = DEFAULT_PACK_TOKENS};
    const char *loss = NULL;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case MODEL:
            a.model = optarg;
            break;
        case BATCH:
            a.batch = optarg;
            break;
        case LOSS:
            loss = optarg;
            break;
        case OUT:
            a.out = optarg;
            break;
        case THREADS:
            a.n_threads = read_number("--threads", optarg, MAX_THREADS);
            break;
        case PACK:
            a.pack_tokens = read_number("--pack", optarg, MAX_PACK_TOKENS);
            break;
        case CHECKPOINT:
            a.checkpoint = true;
            break;
        case KERNELS:
            a.kernels = optarg;
            break;
        case HELP:
        case 'h':
            fputs(usage_text, stdout);
            exit(EXIT_OK);
        default:
            fputs(usage_text, stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc)
        refuse("the command line", argv[optind], "options only");
    require(a.model, "--model");
    require(a.batch, "--batch");
    require(loss, "--loss");
    require(a.out, "--out");
    if (!gradient_loss_parse(loss, &a.loss))
        refuse("--loss", loss, "lm, reward, value, ppo or ptx");
    return a;
}

/* ---- the run ---- */

/* Scores by a head that is zero everywhere would leave every other gradient at zero. */
static eng_status set_score_head(eng_net *net, const gradient_batch *batch, const char *model,
                                 eng_error *err)
{
    const eng_param *weight = eng_net_find(net, "score.weight");
    const eng_param *bias = eng_net_find(net, "score.bias");
    if (batch->score_weight) {
        memcpy(weight->data, batch->score_weight, weight->cols * sizeof *weight->data);
        bias->data[0] = batch->score_bias;
        return ENG_OK;
    }
    for (uint32_t i = 0; i < weight->cols; i++)
        if (weight->data[i] != 0)
            return ENG_OK;
    return eng_fail(err, ENG_INVALID,
                    "%.200s has no score head (score.weight): give one as \"score\" in the batch",
                    model);
}

/* A file of NaN would compare with nothing: the first tensor that has one is told instead. */
static eng_status check_finite(const eng_net *net, const float *grads, double loss, eng_error *err)
{
    uint32_t n;
    const eng_param *params = eng_net_params(net, &n);
    if (!isfinite(loss))
        return eng_fail(err, ENG_INVALID, "the loss is not finite (%g)", loss);
    for (uint32_t i = 0; i < n; i++) {
        const float *g = grads + params[i].offset;
        if (!eng__is_finite(ENG_F32, g, (size_t)params[i].rows * params[i].cols))
            return eng_fail(err, ENG_INVALID, "the gradient of %s is not finite", params[i].name);
    }
    return ENG_OK;
}

static void print_result(const gradient_result *r, gradient_loss loss, double norm,
                         uint32_t n_tensors)
{
    printf("{\"kind\":\"%s\",\"loss\":%.17g,\"main_loss\":%.17g,\"ptx_loss\":%.17g,"
           "\"grad_norm\":%.17g,\"tokens\":%" PRIu64 ",\"ptx_tokens\":%" PRIu64
           ",\"pairs\":%" PRIu64 ",\"packs\":%u,\"tensors\":%u}\n",
           gradient_loss_name(loss), r->loss, r->main_loss, r->ptx_loss, norm, r->n_tokens,
           r->n_ptx_tokens, r->n_pairs, r->n_packs, n_tensors);
}

static eng_status run_batch(const arguments *a, eng_net *net, const gradient_batch *batch,
                            const eng_parallel *parallel, eng_error *err)
{
    gradient_result result;
    uint32_t n_tensors;
    const gradient_options options = {.parallel = parallel,
                                      .kernels = a->kernels,
                                      .pack_tokens = a->pack_tokens,
                                      .checkpoint = a->checkpoint};
    float *grads = calloc(eng_net_n_floats(net), sizeof *grads);
    if (!grads)
        return eng_fail(err, ENG_NOMEM, "no memory for %zu gradients", eng_net_n_floats(net));
    eng_status status = gradient_run(net, batch, &options, grads, &result, err);
    if (status == ENG_OK)
        status = check_finite(net, grads, result.loss, err);
    double norm = status == ENG_OK ? eng_grad_norm(parallel, grads, eng_net_n_floats(net)) : 0;
    if (status == ENG_OK)
        status = gradient_file_write(a->out, net, grads, a->loss, &result, &n_tensors, err);
    if (status == ENG_OK)
        print_result(&result, a->loss, norm, n_tensors);
    free(grads);
    return status;
}

static eng_status run(const arguments *a, eng_error *err)
{
    eng_net *net = NULL;
    gradient_batch batch = {0};
    eng_team *team = NULL;
    bool scores = gradient_loss_scores(a->loss);
    eng_status status =
        eng_net_open_weights(&net, a->model, scores ? ENG_HEAD_SCORE : ENG_HEAD_LM, err);
    if (status == ENG_OK)
        status = gradient_batch_read(&batch, a->batch, a->loss, eng_net_config(net), err);
    if (status == ENG_OK && scores)
        status = set_score_head(net, &batch, a->model, err);
    if (status == ENG_OK)
        status = eng__team_create(&team, a->n_threads, 0, err);
    if (status == ENG_OK) {
        const eng_parallel parallel = eng__team_parallel(team);
        status = run_batch(a, net, &batch, &parallel, err);
    }
    eng__team_free(team);
    gradient_batch_free(&batch);
    eng_net_free(net);
    return status;
}

int main(int argc, char **argv)
{
    eng_error err;
    arguments a = read_arguments(argc, argv);
    if (run(&a, &err) == ENG_OK)
        return EXIT_OK;
    fprintf(stderr, "eng-gradients: %s\n", err.text);
    return EXIT_FAILED;
}
