#include "api/fields.h"

#include "api/strict_json.h"
#include "base/limits.h"
#include "text_stream.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- harmless values of what is refused ---- */

static bool is_empty_string(const cJSON *v)
{
    return cJSON_IsString(v) && !v->valuestring[0];
}

static bool is_empty_array(const cJSON *v)
{
    return cJSON_IsArray(v) && !v->child;
}

static bool is_none(const cJSON *v)
{
    return cJSON_IsString(v) && strcmp(v->valuestring, "none") == 0;
}

static bool is_text(const cJSON *v)
{
    return cJSON_IsString(v) && strcmp(v->valuestring, "text") == 0;
}

static bool is_text_modality(const cJSON *v)
{
    return cJSON_IsArray(v) && v->child && !v->child->next && is_text(v->child);
}

static bool is_text_format(const cJSON *v)
{
    return cJSON_IsObject(v) && is_text(cJSON_GetObjectItemCaseSensitive(v, "type"));
}

/* ---- the table ---- */

#define BOTH (FIELD_IN_COMPLETIONS | FIELD_IN_CHAT)
#define COMPLETIONS FIELD_IN_COMPLETIONS
#define CHAT FIELD_IN_CHAT
#define AT(member) .at = offsetof(gen_fields, member)
#define FLAG(name, families, preset_, member)                                                      \
    {                                                                                              \
        name, families, FIELD_BOOL, .preset = preset_, AT(member)                                  \
    }
#define INTEGER(name, families, min_, max_, preset_, member)                                       \
    {                                                                                              \
        name, families, FIELD_INT, .min = min_, .max = max_, .preset = preset_, AT(member)         \
    }
#define NUMBER(name, min_, max_, preset_, member)                                                  \
    {                                                                                              \
        name, BOTH, FIELD_NUMBER, .min = min_, .max = max_, .preset = preset_, AT(member)          \
    }
#define STRING(name, max_, member)                                                                 \
    {                                                                                              \
        name, BOTH, FIELD_STRING, .max = max_, AT(member)                                          \
    }
#define TREE(name, families, kind, max_, member)                                                   \
    {                                                                                              \
        name, families, kind, .max = max_, AT(member)                                              \
    }
#define REFUSED(name, families, harmless_)                                                         \
    {                                                                                              \
        name, families, FIELD_REFUSED, .harmless = harmless_                                       \
    }

static const field FIELDS[] = {
    STRING("model", LIMIT_BODY_BYTES, model),
    TREE("prompt", COMPLETIONS, FIELD_STRING_OR_ARRAY, LIMIT_BODY_BYTES, prompt),
    TREE("messages", CHAT, FIELD_ARRAY, LIMIT_MESSAGES, messages),
    INTEGER("max_tokens", COMPLETIONS, 0, INT32_MAX, -1, max_tokens),
    INTEGER("max_tokens", CHAT, 1, INT32_MAX, -1, max_tokens),
    INTEGER("max_completion_tokens", CHAT, 1, INT32_MAX, -1, max_completion_tokens),
    INTEGER("min_tokens", BOTH, 0, INT32_MAX, 0, min_tokens),
    INTEGER("n", BOTH, 1, LIMIT_CHOICES, 1, n),
    INTEGER("best_of", COMPLETIONS, 0, LIMIT_BEST_OF, 0, best_of),
    NUMBER("temperature", 0, 2, 1, temperature),
    {"top_p", BOTH, FIELD_NUMBER, .min = 0, .max = 1, .above_min = true, .preset = 1, AT(top_p)},
    INTEGER("top_k", BOTH, 0, FIELD_MAX_VOCAB, 0, top_k),
    NUMBER("min_p", 0, 1, 0, min_p),
    NUMBER("presence_penalty", -2, 2, 0, presence_penalty),
    NUMBER("frequency_penalty", -2, 2, 0, frequency_penalty),
    TREE("logit_bias", BOTH, FIELD_OBJECT, LIMIT_LOGIT_BIAS, logit_bias),
    {"seed", BOTH, FIELD_SEED, AT(seed)},
    TREE("stop", BOTH, FIELD_STRING_OR_ARRAY, LIMIT_STOPS, stop),
    TREE("stop_token_ids", BOTH, FIELD_ARRAY, LIMIT_STOP_IDS, stop_token_ids),
    FLAG("ignore_eos", BOTH, 0, ignore_eos),
    FLAG("include_stop_str_in_output", BOTH, 0, include_stop_text),
    INTEGER("logprobs", COMPLETIONS, 0, LIMIT_TOP_LOGPROBS, -1, logprobs),
    FLAG("logprobs", CHAT, 0, chat_logprobs),
    INTEGER("top_logprobs", CHAT, 0, LIMIT_TOP_LOGPROBS, -1, top_logprobs),
    FLAG("stream", BOTH, 0, stream),
    TREE("stream_options", BOTH, FIELD_OBJECT, LIMIT_BODY_BYTES, stream_options),
    FLAG("echo", COMPLETIONS, 0, echo),
    FLAG("return_token_ids", BOTH, 0, return_token_ids),
    FLAG("return_timings", BOTH, 0, return_timings),
    FLAG("return_progress", BOTH, 0, return_progress),
    FLAG("add_special_tokens", BOTH, 1, add_special),
    FLAG("parse_special", BOTH, 1, parse_special),
    STRING("user", LIMIT_USER_CHARS, user),
    STRING("safety_identifier", LIMIT_USER_CHARS, safety_identifier),
    STRING("priority", LIMIT_BODY_BYTES, priority),
    REFUSED("suffix", COMPLETIONS, is_empty_string),
    REFUSED("tools", CHAT, is_empty_array),
    REFUSED("tool_choice", CHAT, is_none),
    REFUSED("functions", CHAT, is_empty_array),
    REFUSED("function_call", CHAT, is_none),
    REFUSED("audio", CHAT, NULL),
    REFUSED("modalities", CHAT, is_text_modality),
    REFUSED("web_search_options", CHAT, NULL),
    REFUSED("response_format", CHAT, is_text_format),
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

const field *field_table(size_t *n)
{
    *n = N_FIELDS;
    return FIELDS;
}

/* ---- messages ---- */

/* At most 40 bytes of a string, cut between characters. */
static void describe_string(const char *s, char out[64])
{
    size_t len = strlen(s), shown = len > 40 ? eng_utf8_complete(s, 40) : len;
    snprintf(out, 64, "\"%.*s\"%s", (int)shown, s, shown < len ? "..." : "");
}

void field_describe(const cJSON *value, char out[64])
{
    if (cJSON_IsString(value)) {
        describe_string(value->valuestring, out);
    } else if (cJSON_IsNumber(value)) {
        snprintf(out, 64, "%.15g", value->valuedouble);
        if (strtod(out, NULL) != value->valuedouble)
            snprintf(out, 64, "%.17g", value->valuedouble);
    } else if (cJSON_IsArray(value)) {
        snprintf(out, 64, "an array of %d", cJSON_GetArraySize(value));
    } else {
        snprintf(out, 64, "%s",
                 cJSON_IsObject(value)  ? "an object"
                 : cJSON_IsTrue(value)  ? "true"
                 : cJSON_IsFalse(value) ? "false"
                                        : "null");
    }
}

bool field_wrong(api_error *err, const char *param, const char *expected, const cJSON *value)
{
    char found[64];
    field_describe(value, found);
    return api_invalid(err, "invalid_value", param, "%s: expected %s, found %s", param, expected,
                       found);
}

static void describe_range(const field *f, double max, char *out, size_t size)
{
    const char *noun = f->kind == FIELD_INT ? "an integer" : "a number";
    if (f->above_min)
        snprintf(out, size, "%s above %g and at most %g", noun, f->min, max);
    else if (max >= INT32_MAX)
        snprintf(out, size, "%s of at least %.0f", noun, f->min);
    else
        snprintf(out, size, "%s from %.10g to %.10g", noun, f->min, max);
}

static void describe_expected(const field *f, double max, char *out, size_t size)
{
    bool bounded = max < LIMIT_BODY_BYTES;
    switch (f->kind) {
    case FIELD_BOOL:
        snprintf(out, size, "true or false");
        break;
    case FIELD_INT:
    case FIELD_NUMBER:
        describe_range(f, max, out, size);
        break;
    case FIELD_SEED:
        snprintf(out, size, "a 64-bit integer");
        break;
    case FIELD_STRING:
        snprintf(out, size, bounded ? "a string of at most %.0f characters" : "a string", max);
        break;
    case FIELD_ARRAY:
        snprintf(out, size, "an array of at most %.0f elements", max);
        break;
    case FIELD_OBJECT:
        snprintf(out, size, bounded ? "an object of at most %.0f entries" : "an object", max);
        break;
    default:
        snprintf(out, size,
                 bounded ? "a string or an array of at most %.0f" : "a string or an array", max);
    }
}

/* ---- reading ---- */

static size_t count_characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static bool is_whole(double v)
{
    return isfinite(v) && v == floor(v);
}

/* An integer that a double cannot hold is taken from its digits; 1.0 and 1e3 are integers too. */
static bool read_seed(const char *text, size_t n, int64_t *out)
{
    char copy[64];
    if (n == 0 || n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = 0;
    char *end;
    errno = 0;
    long long v = strtoll(copy, &end, 10);
    if (*end) {
        double d = strtod(copy, &end);
        if (*end || !is_whole(d) || fabs(d) > 0x1p53)
            return false;
        v = (long long)d;
    }
    *out = v;
    return errno == 0;
}

/* Does the value fit its row, and if so, where does it go? */
static bool store(const field *f, double max, const cJSON *v, gen_fields *out)
{
    void *at = (char *)out + f->at;
    double d = v->valuedouble;
    bool is_string = cJSON_IsString(v), is_array = cJSON_IsArray(v);
    switch (f->kind) {
    case FIELD_BOOL:
        *(bool *)at = cJSON_IsTrue(v);
        return cJSON_IsBool(v);
    case FIELD_INT:
        if (!cJSON_IsNumber(v) || !is_whole(d) || d < f->min || d > max)
            return false;
        *(int64_t *)at = (int64_t)d;
        return true;
    case FIELD_NUMBER:
        *(double *)at = d;
        return cJSON_IsNumber(v) && d <= max && (f->above_min ? d > f->min : d >= f->min);
    case FIELD_STRING:
        *(const char **)at = v->valuestring;
        return is_string && count_characters(v->valuestring) <= (size_t)max;
    case FIELD_STRING_OR_ARRAY:
    case FIELD_ARRAY:
        *(const cJSON **)at = v;
        return (is_string && f->kind == FIELD_STRING_OR_ARRAY) ||
               (is_array && cJSON_GetArraySize(v) <= max);
    case FIELD_OBJECT:
        *(const cJSON **)at = v;
        return cJSON_IsObject(v) && cJSON_GetArraySize(v) <= max;
    default:
        return f->harmless && f->harmless(v);
    }
}

static void set_presets(gen_fields *out, gen_family family)
{
    *out = (gen_fields){0};
    for (size_t i = 0; i < N_FIELDS; i++) {
        const field *f = &FIELDS[i];
        void *at = (char *)out + f->at;
        if (!(f->families & (1u << family)))
            continue;
        if (f->kind == FIELD_BOOL)
            *(bool *)at = f->preset != 0;
        else if (f->kind == FIELD_INT)
            *(int64_t *)at = (int64_t)f->preset;
        else if (f->kind == FIELD_NUMBER)
            *(double *)at = f->preset;
    }
}

static const field *find(gen_family family, const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const field *f = &FIELDS[i];
        if (f->name[0] == name[0] && (f->families & (1u << family)) && strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

static bool read_one(const field *f, const cJSON *v, uint32_t n_vocab, gen_fields *out,
                     api_error *err)
{
    double max = f->max == FIELD_MAX_VOCAB ? n_vocab : f->max;
    if (store(f, max, v, out))
        return true;
    if (f->kind == FIELD_REFUSED)
        return api_invalid(err, "unsupported_parameter", f->name, "%s is not supported", f->name);
    char expected[96];
    describe_expected(f, max, expected, sizeof expected);
    return field_wrong(err, f->name, expected, v);
}

static bool read_seed_member(const char *body, size_t len, size_t index, const cJSON *v,
                             gen_fields *out, api_error *err)
{
    const char *text;
    size_t n;
    out->has_seed = cJSON_IsNumber(v) && strict_json_member(body, len, index, &text, &n) &&
                    read_seed(text, n, &out->seed);
    return out->has_seed || field_wrong(err, "seed", "a 64-bit integer", v);
}

bool fields_read(gen_fields *out, gen_family family, uint32_t n_vocab, const char *body, size_t len,
                 const cJSON *root, api_ignored *ignored, api_error *err)
{
    set_presets(out, family);
    size_t index = 0;
    for (const cJSON *v = root->child; v; v = v->next, index++) {
        if (cJSON_IsNull(v))
            continue;
        const field *f = find(family, v->string);
        if (!f) {
            ignored_add(ignored, "", v->string);
            continue;
        }
        bool read = f->kind == FIELD_SEED ? read_seed_member(body, len, index, v, out, err)
                                          : read_one(f, v, n_vocab, out, err);
        if (!read)
            return false;
    }
    return true;
}

bool field_token_id(const cJSON *value, uint32_t n_vocab, const char *param, int32_t *out,
                    api_error *err)
{
    double d = value->valuedouble;
    if (!cJSON_IsNumber(value) || !is_whole(d))
        return field_wrong(err, param, "a token id", value);
    if (d < 0 || d >= n_vocab)
        return api_invalid(err, "token_out_of_range", param,
                           "%s: the token id %.0f is outside the vocabulary of %u", param, d,
                           n_vocab);
    *out = (int32_t)d;
    return true;
}

bool field_bool(const cJSON *value, const char *param, bool *out, api_error *err)
{
    if (!value || cJSON_IsNull(value))
        return true;
    if (!cJSON_IsBool(value))
        return field_wrong(err, param, "true or false", value);
    *out = cJSON_IsTrue(value);
    return true;
}
