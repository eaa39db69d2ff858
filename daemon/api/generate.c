/* A body -> a gen_request. */
#include "api/generate.h"

#include "api/fields.h"
#include "api/model_name.h"
#include "api/prompt.h"
#include "api/strict_json.h"
#include "base/limits.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t DEFAULT_MAX_TOKENS = 16; /* completions; chat runs to the context's end */

static const eng_tokenizer *tokenizer_of(const gen_request *r)
{
    return eng_model_tokenizer(policy_model(r->policy));
}

/* ---- small nested fields ---- */

static bool read_stream_options(gen_request *r, const gen_fields *f, api_ignored *ignored,
                                api_error *err)
{
    static const char *const known[] = {"include_usage", "continuous_usage_stats"};
    if (!f->stream_options)
        return true;
    if (!f->stream)
        return api_invalid(err, "invalid_value", "stream_options",
                           "stream_options is allowed only with \"stream\": true");
    const cJSON *include = cJSON_GetObjectItemCaseSensitive(f->stream_options, known[0]);
    const cJSON *each = cJSON_GetObjectItemCaseSensitive(f->stream_options, known[1]);
    ignored_add_members(ignored, "stream_options", f->stream_options, known, 2);
    return field_bool(include, "stream_options.include_usage", &r->format.include_usage, err) &&
           field_bool(each, "stream_options.continuous_usage_stats", &r->format.continuous_usage,
                      err);
}

static bool add_stop(gen_request *r, const cJSON *value, const char *param, api_error *err)
{
    if (!cJSON_IsString(value))
        return field_wrong(err, param, "a string", value);
    size_t len = strlen(value->valuestring);
    if (len > LIMIT_STOP_BYTES)
        return api_invalid(err, "invalid_value", param, "%s: expected at most %d bytes, found %zu",
                           param, LIMIT_STOP_BYTES, len);
    if (len == 0)
        return true;
    char *text = strdup(value->valuestring);
    if (!text)
        return api_no_memory(err);
    r->stops[r->n_stops++] = (gen_stop){text, len};
    return true;
}

static bool read_stops(gen_request *r, const cJSON *stop, api_error *err)
{
    if (!stop)
        return true;
    r->stops = calloc(LIMIT_STOPS, sizeof *r->stops);
    if (!r->stops)
        return api_no_memory(err);
    if (cJSON_IsString(stop))
        return add_stop(r, stop, "stop", err);
    size_t i = 0;
    for (const cJSON *v = stop->child; v; v = v->next, i++) {
        char param[32];
        snprintf(param, sizeof param, "stop[%zu]", i);
        if (!add_stop(r, v, param, err))
            return false;
    }
    return true;
}

static bool read_stop_ids(gen_request *r, const cJSON *list, api_error *err)
{
    gen_prompt ids = {0};
    bool read = !list || prompt_from_ids(&ids, tokenizer_of(r), list, "stop_token_ids", err);
    r->stop_ids = ids.tokens;
    r->n_stop_ids = ids.n_tokens;
    return read;
}

/* The key of a bias is a token id in plain digits, so that no two keys name one token. */
static bool read_bias_key(const char *key, uint32_t n_vocab, int32_t *out, api_error *err)
{
    size_t n = strspn(key, "0123456789");
    if (n == 0 || key[n] || (key[0] == '0' && n > 1)) {
        char found[64];
        field_describe(&(cJSON){.type = cJSON_String, .valuestring = (char *)(uintptr_t)key},
                       found);
        return api_invalid(err, "invalid_value", "logit_bias",
                           "logit_bias: expected token ids as keys, found %s", found);
    }
    double id = strtod(key, NULL);
    if (id >= n_vocab)
        return api_invalid(err, "token_out_of_range", "logit_bias",
                           "logit_bias: the token id %.40s is outside the vocabulary of %u", key,
                           n_vocab);
    *out = (int32_t)id;
    return true;
}

static bool read_bias(gen_request *r, const cJSON *map, api_error *err)
{
    if (!map || !map->child)
        return true;
    uint32_t n_vocab = eng_token_roles_of(tokenizer_of(r))->n_vocab;
    eng_logit_bias *bias = calloc((size_t)cJSON_GetArraySize(map), sizeof *bias);
    if (!bias)
        return api_no_memory(err);
    r->sampling.bias = bias;
    for (const cJSON *v = map->child; v; v = v->next) {
        eng_logit_bias *b = &bias[r->sampling.n_bias];
        if (!read_bias_key(v->string, n_vocab, &b->token, err))
            return false;
        if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) <= 100)) {
            char expected[64];
            snprintf(expected, sizeof expected, "a number from -100 to 100 for token %d", b->token);
            return field_wrong(err, "logit_bias", expected, v);
        }
        b->bias = (float)v->valuedouble;
        r->sampling.n_bias++;
    }
    return true;
}

static bool read_priority(gen_request *r, const char *name, gen_class surface, api_error *err)
{
    static const char *const names[GEN_CLASSES] = {"interactive", "api", "background"};
    r->class = surface;
    if (!name)
        return true;
    for (gen_class c = 0; c < GEN_CLASSES; c++) {
        if (strcmp(name, names[c]) != 0)
            continue;
        if (c < surface)
            return api_invalid(err, "invalid_value", "priority",
                               "priority may only be lowered, and requests here start as \"%s\"",
                               names[surface]);
        r->class = c;
        return true;
    }
    cJSON found = {.type = cJSON_String, .valuestring = (char *)(uintptr_t)name};
    return field_wrong(err, "priority", "\"interactive\", \"api\" or \"background\"", &found);
}

/* ---- rules between fields ---- */

static bool read_counts(gen_request *r, const gen_fields *f, api_error *err)
{
    r->n = (uint32_t)f->n;
    r->best_of = f->best_of ? (uint32_t)f->best_of : r->n;
    if (r->best_of < r->n)
        return api_invalid(err, "invalid_value", "best_of",
                           "best_of: expected at least n (%u), found %u", r->n, r->best_of);
    if (f->best_of && f->stream)
        return api_invalid(err, "invalid_value", "best_of", "best_of cannot be streamed");
    return true;
}

static bool read_logprobs(gen_request *r, const gen_fields *f, api_error *err)
{
    if (r->format.family == GEN_COMPLETIONS) {
        r->n_logprobs = (int)f->logprobs;
        return true;
    }
    if (f->top_logprobs >= 0 && !f->chat_logprobs)
        return api_invalid(err, "invalid_value", "top_logprobs",
                           "top_logprobs is allowed only with \"logprobs\": true");
    r->n_logprobs = !f->chat_logprobs ? -1 : f->top_logprobs < 0 ? 0 : (int)f->top_logprobs;
    return true;
}

static void read_sampling(gen_request *r, const gen_fields *f, const api_context *context)
{
    eng_sampling *s = &r->sampling;
    s->temperature = (float)f->temperature;
    s->top_p = fmaxf((float)f->top_p, FLT_MIN);
    s->min_p = (float)f->min_p;
    s->top_k = (uint32_t)f->top_k;
    s->presence_penalty = (float)f->presence_penalty;
    s->frequency_penalty = (float)f->frequency_penalty;
    s->seed = f->has_seed ? (uint64_t)f->seed : context->random_seed;
}

static void read_format(gen_request *r, const gen_fields *f)
{
    r->format.stream = f->stream;
    r->format.return_token_ids = f->return_token_ids;
    r->format.return_timings = f->return_timings;
    r->format.return_progress = f->return_progress;
    r->echo = f->echo;
    r->ignore_eos = f->ignore_eos;
    r->include_stop_text = f->include_stop_text;
}

static bool read_prompts(gen_request *r, const gen_fields *f, api_error *err)
{
    if (r->format.family == GEN_COMPLETIONS)
        return prompts_read(r, f->prompt, f->add_special, f->parse_special, err);
    if (!f->messages)
        return api_invalid(err, "missing_required_parameter", "messages", "messages is missing");
    r->prompts = calloc(1, sizeof *r->prompts);
    if (!r->prompts)
        return api_no_memory(err);
    r->n_prompts = 1;
    return prompt_from_messages(&r->prompts[0], tokenizer_of(r), f->messages, true, err);
}

static bool check_sequences(const gen_request *r, api_error *err)
{
    uint32_t n = r->n_prompts * r->best_of;
    if (n <= LIMIT_SEQUENCES)
        return true;
    return api_invalid(err, "invalid_value", r->best_of > r->n ? "best_of" : "n",
                       "%u prompts times %u choices are %u sequences, more than %d", r->n_prompts,
                       r->best_of, n, LIMIT_SEQUENCES);
}

/* To the end of the context in a chat, else the API's 16; never past what the KV pool holds. */
static uint32_t default_max_tokens(bool chat, uint32_t room, uint32_t prompt, uint32_t pool_tokens)
{
    uint32_t most = chat || room < DEFAULT_MAX_TOKENS ? room : DEFAULT_MAX_TOKENS;
    if (!pool_tokens)
        return most;
    uint32_t pool = pool_tokens > prompt ? pool_tokens - prompt : 1;
    return most < pool ? most : pool;
}

/* Every prompt with its answer must fit the context; a default length is cut to fit. */
static bool fit_context(gen_request *r, int64_t asked, uint32_t pool_tokens, api_error *err)
{
    bool chat = r->format.family == GEN_CHAT;
    uint32_t n_ctx = eng_model_config(policy_model(r->policy))->n_ctx, longest = 0;
    for (uint32_t i = 0; i < r->n_prompts; i++)
        if (r->prompts[i].n_tokens > longest)
            longest = r->prompts[i].n_tokens;
    if (longest == 0)
        return api_invalid(err, "invalid_value", "messages", "messages: the prompt has no tokens");
    uint32_t least = asked == 0 ? 0 : 1;
    if (longest > n_ctx || n_ctx - longest < least)
        return api_invalid(err, "context_length_exceeded", chat ? "messages" : "prompt",
                           "the model's context is %u tokens, and the prompt alone has %u", n_ctx,
                           longest);
    uint32_t room = n_ctx - longest;
    if (asked > room)
        return api_invalid(err, "context_length_exceeded", "max_tokens",
                           "the model's context is %u tokens; the prompt has %u and max_tokens "
                           "asks for %lld more",
                           n_ctx, longest, (long long)asked);
    r->max_tokens =
        asked >= 0 ? (uint32_t)asked : default_max_tokens(chat, room, longest, pool_tokens);
    return true;
}

static bool read_lengths(gen_request *r, const gen_fields *f, uint32_t pool_tokens, api_error *err)
{
    int64_t asked = f->max_completion_tokens > 0 ? f->max_completion_tokens : f->max_tokens;
    if (asked == 0 && !r->echo)
        return api_invalid(err, "invalid_value", "max_tokens",
                           "max_tokens: 0 is allowed only with \"echo\": true");
    if (!fit_context(r, asked, pool_tokens, err))
        return false;
    if (f->min_tokens > r->max_tokens)
        return api_invalid(err, "invalid_value", "min_tokens",
                           "min_tokens: expected at most max_tokens (%u), found %lld",
                           r->max_tokens, (long long)f->min_tokens);
    r->min_tokens = (uint32_t)f->min_tokens;
    return true;
}

/* ---- the whole ---- */

static bool fill(gen_request *r, const gen_fields *f, const api_context *context,
                 api_ignored *ignored, api_error *err)
{
    read_format(r, f);
    read_sampling(r, f, context);
    return read_stream_options(r, f, ignored, err) && read_counts(r, f, err) &&
           read_logprobs(r, f, err) && read_stops(r, f->stop, err) &&
           read_stop_ids(r, f->stop_token_ids, err) && read_bias(r, f->logit_bias, err) &&
           read_priority(r, f->priority, context->default_class, err) && read_prompts(r, f, err) &&
           check_sequences(r, err) && read_lengths(r, f, context->pool_tokens, err);
}

static bool parse_tree(gen_family family, const char *body, size_t len, const cJSON *root,
                       const api_context *context, gen_request *r, api_ignored *ignored,
                       api_error *err)
{
    r->format.family = family;
    r->tenant = context->tenant;
    if (!api_resolve_member(context->registry, root, &r->policy, r->format.model, err))
        return false;
    r->follows = api_member_follows(context->registry, root);
    if (eng_model_has_score(policy_model(r->policy)))
        return api_invalid(err, "invalid_value", "model",
                           "%s is a reward model: it scores (/v1/rewards) and writes nothing",
                           r->format.model);
    uint32_t n_vocab = eng_token_roles_of(tokenizer_of(r))->n_vocab;
    gen_fields fields;
    return fields_read(&fields, family, n_vocab, body, len, root, ignored, err) &&
           fill(r, &fields, context, ignored, err);
}

bool api_generate_parse(gen_family family, const char *body, size_t len, const api_context *context,
                        gen_request **out, api_ignored *ignored, api_error *err)
{
    *out = NULL;
    cJSON *root = strict_json_parse(body, len, err);
    if (!root)
        return false;
    gen_request *r = gen_request_create();
    bool parsed =
        r ? parse_tree(family, body, len, root, context, r, ignored, err) : api_no_memory(err);
    cJSON_Delete(root);
    if (parsed)
        *out = r;
    else
        gen_request_unref(r);
    return parsed;
}
