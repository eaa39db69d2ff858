#include "options.h"

#include "cases.h"
#include "crew.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_text[] =
    "usage: bench-engine [options]        figures as JSON on stdout\n"
    "  --model PATH      GGUF file or checkpoint directory; may be given again\n"
    "                    (default: $INSTRUCTD_TEST_MODEL or the default model in the user's "
    "cache)\n"
    "  --threads N       engine threads (all cores)\n"
    "  --rounds R        measurements of each case, of which the median is told (5)\n"
    "  --quick           3 rounds, the limits measured in less time\n"
    "  --smoke           sizes of a self-check: seconds, and figures without meaning\n"
    "  --kernels NAME    scalar, avx2 or avx512 (the widest this CPU runs)\n"
    "  --serve-type T    file, f32, bf16 or q8_0: convert while loading (file)\n"
    "  --only CASES      of limits,load,prefill,decode,streams,prefix,busy,train,sgemm\n"
    "                    (all but train)\n"
    "  --prefill N       prompt of the prefill and prefix cases (512)\n"
    "  --contexts LIST   tokens before the single stream's decode (128,512)\n"
    "  --streams LIST    simultaneous streams (2,4,8,16,32)\n"
    "  --in N, --out N   tokens in and out of each stream (128, 64)\n"
    "  --train-seqs N, --train-tokens N   the training step's sequences and their tokens (8, 128)\n"
    "  --checkpoint      the training step keeps layer inputs alone and recomputes the rest\n"
    "  --compute TYPE    bf16: training steps and products in it too, by turns with f32's (f32)\n"
    "  --spin N          measure nothing: N busy threads until stdin closes\n"
    "  --nice K          their nice value (0)\n";

_Noreturn static void refuse(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "bench-engine: %s takes %s, not '%s'\n", option, expected, value);
    exit(2);
}

static uint32_t read_number(const char *option, const char *text, uint32_t min, uint32_t max)
{
    char *end, expected[64];
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || v < min || v > max) {
        snprintf(expected, sizeof expected, "a number from %u to %u", min, max);
        refuse(option, text, expected);
    }
    return (uint32_t)v;
}

static void read_list(const char *option, const char *text, uint32_t max, number_list *list)
{
    char copy[256], *save = NULL;
    if (strlen(text) >= sizeof copy)
        refuse(option, text, "a short list");
    strcpy(copy, text);
    list->n = 0;
    for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
        if (list->n == OPTIONS_MAX_LIST)
            refuse(option, text, "at most 16 numbers");
        list->items[list->n++] = read_number(option, t, 1, max);
    }
}

static unsigned read_cases(const char *text)
{
    static const char *const names[] = {"limits", "load", "prefill", "decode", "streams",
                                        "prefix", "busy", "train",   "sgemm"};
    char copy[256], *save = NULL;
    unsigned cases = 0;
    if (strlen(text) >= sizeof copy)
        refuse("--only", text, "names of cases");
    strcpy(copy, text);
    for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
        size_t i = 0;
        while (i < sizeof names / sizeof *names && strcmp(t, names[i]) != 0)
            i++;
        if (i == sizeof names / sizeof *names)
            refuse("--only", t,
                   "limits, load, prefill, decode, streams, prefix, busy, train or sgemm");
        cases |= 1u << i;
    }
    return cases;
}

static eng_serve_type read_serve_type(const char *text)
{
    static const char *const names[] = {"file", "f32", "bf16", "q8_0"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0)
            return (eng_serve_type)i;
    refuse("--serve-type", text, "file, f32, bf16 or q8_0");
}

static const char *default_model(void)
{
    static char path[4096];
    static const char name[] = "instructd/SmolLM2-135M-Instruct.Q4_1.gguf";
    const char *given = getenv("INSTRUCTD_TEST_MODEL"), *cache = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (given)
        return given;
    if (cache && *cache)
        snprintf(path, sizeof path, "%s/%s", cache, name);
    else
        snprintf(path, sizeof path, "%s/.cache/%s", home ? home : "", name);
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "bench-engine: no model at %s; give one with --model\n", path);
        exit(2);
    }
    return path;
}

static void shrink_to_smoke(bench_options *o)
{
    o->smoke = true;
    o->rounds = 1;
    o->prefill = 32;
    o->contexts = (number_list){{8, 16}, 2};
    o->streams = (number_list){{2, 4}, 2};
    o->in = 8;
    o->out = 4;
    o->prefix_n = 2;
    o->train_seqs = 2;
    o->train_tokens = 8;
    o->busy_threads = 1;
}

enum {
    OPT_MODEL = 1,
    OPT_THREADS,
    OPT_ROUNDS,
    OPT_QUICK,
    OPT_SMOKE,
    OPT_KERNELS,
    OPT_SERVE_TYPE,
    OPT_ONLY,
    OPT_PREFILL,
    OPT_CONTEXTS,
    OPT_STREAMS,
    OPT_IN,
    OPT_OUT,
    OPT_TRAIN_SEQS,
    OPT_TRAIN_TOKENS,
    OPT_CHECKPOINT,
    OPT_COMPUTE,
    OPT_SPIN,
    OPT_NICE,
    OPT_HELP
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, OPT_MODEL},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"quick", no_argument, NULL, OPT_QUICK},
    {"smoke", no_argument, NULL, OPT_SMOKE},
    {"kernels", required_argument, NULL, OPT_KERNELS},
    {"serve-type", required_argument, NULL, OPT_SERVE_TYPE},
    {"only", required_argument, NULL, OPT_ONLY},
    {"prefill", required_argument, NULL, OPT_PREFILL},
    {"contexts", required_argument, NULL, OPT_CONTEXTS},
    {"streams", required_argument, NULL, OPT_STREAMS},
    {"in", required_argument, NULL, OPT_IN},
    {"out", required_argument, NULL, OPT_OUT},
    {"train-seqs", required_argument, NULL, OPT_TRAIN_SEQS},
    {"train-tokens", required_argument, NULL, OPT_TRAIN_TOKENS},
    {"checkpoint", no_argument, NULL, OPT_CHECKPOINT},
    {"compute", required_argument, NULL, OPT_COMPUTE},
    {"spin", required_argument, NULL, OPT_SPIN},
    {"nice", required_argument, NULL, OPT_NICE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

enum { MAX_TOKENS = 1 << 20, MAX_ROUNDS = 1000 };

static void take_option(bench_options *o, int option)
{
    switch (option) {
    case OPT_MODEL:
        if (o->n_models == OPTIONS_MAX_MODELS)
            refuse("--model", optarg, "at most 16 paths");
        o->models[o->n_models++] = optarg;
        return;
    case OPT_THREADS:
        o->n_threads = read_number("--threads", optarg, 1, CREW_MAX);
        return;
    case OPT_ROUNDS:
        o->rounds = read_number("--rounds", optarg, 1, MAX_ROUNDS);
        return;
    case OPT_QUICK:
        o->rounds = 3;
        return;
    case OPT_SMOKE:
        shrink_to_smoke(o);
        return;
    case OPT_KERNELS:
        o->kernels = optarg;
        return;
    case OPT_SERVE_TYPE:
        o->serve_type = read_serve_type(optarg);
        return;
    case OPT_ONLY:
        o->cases = read_cases(optarg);
        return;
    case OPT_PREFILL:
        o->prefill = read_number("--prefill", optarg, 1, MAX_TOKENS);
        return;
    case OPT_CONTEXTS:
        read_list("--contexts", optarg, MAX_TOKENS, &o->contexts);
        return;
    case OPT_STREAMS:
        read_list("--streams", optarg, CASE_MAX_STREAMS, &o->streams);
        return;
    case OPT_IN:
        o->in = read_number("--in", optarg, 1, MAX_TOKENS);
        return;
    case OPT_OUT:
        o->out = read_number("--out", optarg, 1, MAX_TOKENS);
        return;
    case OPT_TRAIN_SEQS:
        o->train_seqs = read_number("--train-seqs", optarg, 1, MAX_ROUNDS);
        return;
    case OPT_TRAIN_TOKENS:
        o->train_tokens = read_number("--train-tokens", optarg, 2, MAX_TOKENS);
        return;
    case OPT_CHECKPOINT:
        o->checkpoint = true;
        return;
    case OPT_COMPUTE:
        o->bf16 = strcmp(optarg, "bf16") == 0;
        if (!o->bf16 && strcmp(optarg, "f32") != 0)
            refuse("--compute", optarg, "f32 or bf16");
        return;
    case OPT_SPIN:
        o->spin_threads = (int)read_number("--spin", optarg, 1, CREW_MAX);
        return;
    case OPT_NICE:
        o->spin_nice = (int)read_number("--nice", optarg, 0, 19);
        return;
    case OPT_HELP:
        fputs(usage_text, stdout);
        exit(0);
    default:
        fputs(usage_text, stderr);
        exit(2);
    }
}

void options_read(bench_options *o, int argc, char **argv)
{
    *o = (bench_options){.n_threads = eng_cpu_count(),
                         .rounds = 5,
                         .cases = CASES_USUAL,
                         .prefill = 512,
                         .contexts = {{128, 512}, 2},
                         .streams = {{2, 4, 8, 16, 32}, 5},
                         .in = 128,
                         .out = 64,
                         .prefix_n = 8,
                         .train_seqs = 8,
                         .train_tokens = 128,
                         .busy_threads = 2};
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
        take_option(o, c);
    if (optind < argc)
        refuse("the command line", argv[optind], "options only");
    for (uint32_t i = 0; i < o->n_models; i++)
        if (access(o->models[i], R_OK) != 0)
            refuse("--model", o->models[i], "a path that can be read");
    if (!o->n_models && (o->cases & ~(unsigned)CASES_WITHOUT_MODEL) && !o->spin_threads)
        o->models[o->n_models++] = default_model();
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

uint32_t options_max_positions(const bench_options *o)
{
    uint32_t n = larger(o->prefill * o->prefix_n, o->in + o->out);
    for (uint32_t i = 0; i < o->streams.n; i++)
        n = larger(n, o->streams.items[i] * (o->in + o->out));
    for (uint32_t i = 0; i < o->contexts.n; i++)
        n = larger(n, o->contexts.items[i] + o->out);
    return n;
}
