/* bench-http: load on an OpenAI-shaped server on this machine; what its clients felt, as JSON. */
#include "http_load.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
    "usage: bench-http [options]          figures as JSON on stdout\n"
    "  --url URL           a server on a loopback address (http://127.0.0.1:8080)\n"
    "  --key KEY           its API key (default: $INSTRUCTD_API_KEY)\n"
    "  --model NAME        asked for (the server's default)\n"
    "  --clients C         connections, each with one request at a time (16)\n"
    "  --requests N        in all (64)\n"
    "  --prompt-tokens P   random ids in each prompt (128)\n"
    "  --max-tokens M      generated for each, end tokens ignored (64)\n"
    "  --stream            server-sent events: tells first-token and inter-token times\n"
    "  --same-prompt       one prompt for all\n"
    "  --vocab V           ids are below V (asked from the server)\n"
    "  --timeout-s S       of one request (120)\n"
    "  --slo-ttft-ms T     goodput counts requests with the first token within T (1000)\n"
    "  --slo-gap-ms G      and every gap between tokens within G (200)\n"
    "Exit status: 0 when every request was answered, 1 when not, 2 for a wrong command line.\n";

typedef struct http_options {
    const char *url;
    const char *key;
    load_options load;
} http_options;

static double read_number(const char *option, const char *text, double min, double max)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (errno || end == text || *end || !(v >= min && v <= max)) {
        fprintf(stderr, "bench-http: %s takes a number from %g to %g, not '%s'\n", option, min, max,
                text);
        exit(2);
    }
    return v;
}

static const struct option long_options[] = {{"url", required_argument, NULL, 'u'},
                                             {"key", required_argument, NULL, 'k'},
                                             {"model", required_argument, NULL, 'm'},
                                             {"clients", required_argument, NULL, 'c'},
                                             {"requests", required_argument, NULL, 'n'},
                                             {"prompt-tokens", required_argument, NULL, 'p'},
                                             {"max-tokens", required_argument, NULL, 't'},
                                             {"stream", no_argument, NULL, 's'},
                                             {"same-prompt", no_argument, NULL, 'e'},
                                             {"vocab", required_argument, NULL, 'v'},
                                             {"timeout-s", required_argument, NULL, 'w'},
                                             {"slo-ttft-ms", required_argument, NULL, 'f'},
                                             {"slo-gap-ms", required_argument, NULL, 'g'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static void take_option(http_options *o, int option)
{
    load_options *l = &o->load;
    switch (option) {
    case 'u':
        o->url = optarg;
        return;
    case 'k':
        o->key = optarg;
        return;
    case 'm':
        l->model = optarg;
        return;
    case 'c':
        l->clients = (uint32_t)read_number("--clients", optarg, 1, 10000);
        return;
    case 'n':
        l->requests = (uint32_t)read_number("--requests", optarg, 1, 10e6);
        return;
    case 'p':
        l->prompt_tokens = (uint32_t)read_number("--prompt-tokens", optarg, 1, 1e6);
        return;
    case 't':
        l->max_tokens = (uint32_t)read_number("--max-tokens", optarg, 1, 1e6);
        return;
    case 's':
        l->stream = true;
        return;
    case 'e':
        l->same_prompt = true;
        return;
    case 'v':
        l->vocab = (uint32_t)read_number("--vocab", optarg, 1, 1e9);
        return;
    case 'w':
        l->timeout_s = read_number("--timeout-s", optarg, 0.001, 1e6);
        return;
    case 'f':
        l->slo_ttft_s = read_number("--slo-ttft-ms", optarg, 0, 1e9) * 1e-3;
        return;
    case 'g':
        l->slo_gap_s = read_number("--slo-gap-ms", optarg, 0, 1e9) * 1e-3;
        return;
    case 'h':
        fputs(usage_text, stdout);
        exit(0);
    default:
        fputs(usage_text, stderr);
        exit(2);
    }
}

/* These go into a header line and a JSON string as they are. */
static bool is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    return strlen(text) < 256;
}

static void put_result(const http_options *o, load_result *r)
{
    const load_options *l = &o->load;
    report out;
    report_begin(&out, stdout);
    report_string(&out, "bench", "http");
    report_string(&out, "url", o->url);
    report_count(&out, "clients", l->clients);
    report_count(&out, "requests", l->requests);
    report_count(&out, "prompt_tokens", l->prompt_tokens);
    report_count(&out, "max_tokens", l->max_tokens);
    report_bool(&out, "stream", l->stream);
    report_bool(&out, "same_prompt", l->same_prompt);
    report_number(&out, "seconds", r->seconds);
    report_count(&out, "ok", r->ok);
    report_object(&out, "errors");
    report_count(&out, "connect", r->failed_to_connect);
    report_count(&out, "refused", r->refused);
    report_count(&out, "cut", r->cut);
    report_count(&out, "timeout", r->timed_out);
    report_string(&out, "first", *r->first_error ? r->first_error : NULL);
    report_close_object(&out);
    report_count(&out, "tokens", r->tokens);
    report_number(&out, "tokens_per_s", (double)r->tokens / r->seconds);
    report_number(&out, "requests_per_s", (double)r->ok / r->seconds);
    report_quantiles(&out, "ttft_ms", &r->ttft, 1e3);
    report_quantiles(&out, "gap_ms", &r->gaps, 1e3);
    report_quantiles(&out, "total_ms", &r->total, 1e3);
    report_quantiles(&out, "added_ttft_ms", &r->added, 1e3);
    report_quantiles(&out, "added_ttft_at_once_ms", &r->added_at_once, 1e3);
    report_object(&out, "goodput");
    report_number(&out, "ttft_within_ms", l->slo_ttft_s * 1e3);
    report_number(&out, "gaps_within_ms", l->slo_gap_s * 1e3);
    report_number(&out, "requests_per_s", (double)r->within_slo / r->seconds);
    report_number(&out, "share", (double)r->within_slo / l->requests);
    report_close_object(&out);
    report_end(&out);
}

int main(int argc, char **argv)
{
    http_options o = {.url = "http://127.0.0.1:8080",
                      .key = getenv("INSTRUCTD_API_KEY"),
                      .load = {.clients = 16,
                               .requests = 64,
                               .prompt_tokens = 128,
                               .max_tokens = 64,
                               .timeout_s = 120,
                               .slo_ttft_s = 1,
                               .slo_gap_s = 0.2}};
    http_target target;
    load_result result;
    const char *why;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
        take_option(&o, c);
    if (optind < argc || (o.key && !is_plain(o.key)) || (o.load.model && !is_plain(o.load.model))) {
        fputs(usage_text, stderr);
        return 2;
    }
    if (!http_target_read(&target, o.url, &why)) {
        fprintf(stderr, "bench-http: --url %s: %s\n", o.url, why);
        return 2;
    }
    target.key = o.key;
    if (!o.load.vocab && !(o.load.vocab = load_vocab(&target, o.load.timeout_s))) {
        fprintf(stderr,
                "bench-http: %s does not tell its vocabulary's size (is a server there?); "
                "give --vocab\n",
                o.url);
        return 2;
    }
    load_run(&result, &target, &o.load);
    put_result(&o, &result);
    const bool all = result.ok == o.load.requests;
    load_result_free(&result);
    return all ? 0 : 1;
}
