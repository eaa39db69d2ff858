/* Bodies -> requests and replies: every input is offered to each route that takes a body, and what
 * becomes a request is answered with one chunk. */
#include "api/generate.h"
#include "api/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same model in every run. */
static policy_registry *load_registry(void)
{
    static const char path[] = TEST_SOURCE_DIR "/tests/golden/models/tiny-llama-f32.gguf";
    policy_registry *registry = policy_registry_create();
    eng_model_options options = {.n_threads = 1};
    eng_error err;
    if (!registry || policy_registry_load(registry, "instruct", path, &options, &err) != ENG_OK) {
        fprintf(stderr, "%s does not load\n", path);
        abort();
    }
    return registry;
}

static void answer(gen_request *request, buf *out)
{
    gen_reply *reply = gen_reply_create(request, "req_fuzz", "fuzz", 0);
    eng_top_logprob top = {1, -1};
    gen_token token = {.id = 0, .logprob = -0.5f, .n_top = 1, .top = &top};
    event ev = {.kind = EV_CHUNK};
    ev.chunk = (gen_chunk){.choice = request->n_prompts * request->n - 1,
                           .text = request->n_stops ? request->stops[0].text : (char[]){"text"},
                           .tokens = &token,
                           .n_tokens = 1,
                           .finish = GEN_FINISH_STOP};
    ev.chunk.text_len = strlen(ev.chunk.text);
    if (!reply)
        abort();
    gen_reply_stream(reply, &ev, out);
    buf_clear(out);
    gen_reply_finish(reply, out);
    gen_reply_free(reply);
}

/* A header's value: whatever the names of a body are, one line of what may stand there. */
static void check_header(const api_ignored *ignored)
{
    const size_t len = strlen(ignored->text);
    if (len >= IGNORED_TEXT_BYTES ||
        strspn(ignored->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_.-*+, ") != len)
        abort();
}

static void try_generate(policy_registry *registry, gen_family family, const char *body, size_t len,
                         buf *out)
{
    api_context context = {.registry = registry, .tenant = 1, .default_class = GEN_API};
    gen_request *request;
    api_ignored ignored = {0};
    api_error err;
    buf_clear(out);
    if (!api_generate_parse(family, body, len, &context, &request, &ignored, &err)) {
        if (err.status < 400 || err.status > 503 || !err.message[0])
            abort();
        api_error_write(&err, out);
        return;
    }
    check_header(&ignored);
    answer(request, out);
    gen_request_unref(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static policy_registry *registry;
    if (!registry)
        registry = load_registry();
    const char *body = (const char *)data;
    buf out;
    api_ignored ignored = {0};
    api_error err;
    buf_init(&out, 64 << 20);
    try_generate(registry, GEN_COMPLETIONS, body, size, &out);
    try_generate(registry, GEN_CHAT, body, size, &out);
    buf_clear(&out);
    if (!api_tokenize(registry, body, size, &out, &ignored, &err))
        api_error_write(&err, &out);
    buf_clear(&out);
    if (!api_detokenize(registry, body, size, &out, &ignored, &err))
        api_error_write(&err, &out);
    check_header(&ignored);
    buf_free(&out);
    return 0;
}
