/* What the API's tests share: a registry that serves one tiny model under the alias `instruct`, and
 * bodies parsed against it. The model has a context of 256, the vocabulary of model_files.h, ChatML
 * and no BOS; upper-case text is one token a byte, since no merge touches it. */
#ifndef TESTS_DAEMON_API_FIXTURE_H
#define TESTS_DAEMON_API_FIXTURE_H

#include "api/generate.h"
#include "harness.h"
#include "model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { API_CONTEXT = 256, API_RANDOM_SEED = 77 };

static inline policy_registry *api_registry_of(const test_model_spec *spec)
{
    char path[512];
    eng_error err;
    snprintf(path, sizeof path, "%s/tiny.gguf", test_dir());
    test_write_gguf(path, spec);
    policy_registry *registry = policy_registry_create();
    eng_model_options options = {.n_threads = 1};
    EXPECT_OK(policy_registry_load(registry, "instruct", path, &options, &err), err);
    return registry;
}

/* Loaded once a process. */
static inline policy_registry *api_registry(void)
{
    static policy_registry *registry;
    if (!registry)
        registry = api_registry_of(NULL);
    return registry;
}

/* The 16 hex digits of its policy. */
static inline const char *api_hex(void)
{
    static char hex[32];
    policy *p;
    char label[96];
    EXPECT_EQ(policy_resolve(api_registry(), NULL, &p, label), POLICY_FOUND);
    snprintf(hex, sizeof hex, "%s", policy_hex(p));
    policy_unref(p);
    return hex;
}

static inline bool api_try(gen_family family, const char *body, gen_request **out, api_error *err)
{
    api_context context = {.registry = api_registry(),
                           .tenant = 9,
                           .default_class = GEN_API,
                           .random_seed = API_RANDOM_SEED};
    return api_generate_parse(family, body, strlen(body), &context, out, NULL, err);
}

/* A body that must be taken; the caller unrefs. */
static inline gen_request *api_ok(gen_family family, const char *body)
{
    gen_request *request;
    api_error err;
    if (!api_try(family, body, &request, &err))
        FAIL("refused: %s\n  body: %.200s", err.message, body);
    return request;
}

/* A body that must be refused. */
static inline api_error api_refused(gen_family family, const char *body)
{
    gen_request *request;
    api_error err;
    if (api_try(family, body, &request, &err)) {
        gen_request_unref(request);
        FAIL("taken: %.300s", body);
    }
    EXPECT(request == NULL);
    return err;
}

static inline void api_expect_refusal(gen_family family, const char *body, const char *code,
                                      const char *param)
{
    api_error err = api_refused(family, body);
    if (strcmp(err.code ? err.code : "null", code) != 0 || strcmp(err.param, param) != 0)
        FAIL("%s: got %s on \"%s\" (%s), expected %s on \"%s\"", body, err.code, err.param,
             err.message, code, param);
}

/* text with every {HEX} replaced by the policy's digits; the caller frees. */
static inline char *api_expand(const char *text)
{
    buf out;
    size_t len;
    buf_init(&out, 1 << 20);
    for (const char *at; (at = strstr(text, "{HEX}")); text = at + 5) {
        buf_append(&out, text, (size_t)(at - text));
        buf_puts(&out, api_hex());
    }
    buf_puts(&out, text);
    return buf_take(&out, &len);
}

/* Compares and frees neither. */
static inline void api_expect_text(const buf *got, const char *want)
{
    char *expanded = api_expand(want);
    EXPECT_STR(got->data ? got->data : "", expanded);
    free(expanded);
}

#endif
