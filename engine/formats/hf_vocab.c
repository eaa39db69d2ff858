#include "base/pace.h"
#include "formats/config.h"
#include "formats/hf.h"
#include "formats/vocab.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const eng__hf_tokenizer *files;
    eng_arena *arena;
    eng_vocab *v;
    eng_error *err;
} reader;

static eng_status no_memory(const reader *r, const char *what)
{
    return eng_fail(r->err, ENG_NOMEM, "tokenizer.json: no memory for its %s", what);
}

static bool is_true(const eng_json *object, const char *name)
{
    const eng_json *node = eng_json_get(object, name);
    return eng_json_is(node, ENG_JSON_BOOL) && node->boolean;
}

/* ---- tokens ---- */

static eng_status put_token(const reader *r, const char *text, uint32_t len, uint64_t id,
                            uint8_t type)
{
    eng_vocab *v = r->v;
    const char *held = v->tokens[id];
    if (held && (v->token_lens[id] != len || memcmp(held, text, len) != 0))
        return eng_fail(r->err, ENG_FORMAT,
                        "tokenizer.json, token id %llu: both \"%.40s\" and "
                        "\"%.40s\"",
                        (unsigned long long)id, held, text);
    if (!held) {
        v->tokens[id] = eng_arena_strndup(r->arena, text, len);
        if (!v->tokens[id])
            return no_memory(r, "tokens");
        v->token_lens[id] = len;
    }
    v->types[id] = type;
    return ENG_OK;
}

/* Ids must be below `cap`: as many tokens as are listed, since the list may have no holes. */
static eng_status check_id(const reader *r, const eng_json *id, const char *text, uint64_t cap,
                           uint64_t *out)
{
    if (cap && eng_json_uint(id, 0, cap - 1, out))
        return ENG_OK;
    return eng_fail(r->err, ENG_FORMAT,
                    "tokenizer.json, token \"%.60s\": its id is not a whole "
                    "number below the %llu tokens",
                    text, (unsigned long long)cap);
}

static eng_status get_vocab(const reader *r, const eng_json *vocab, uint64_t cap)
{
    for (uint32_t i = 0; i < vocab->n; i++) {
        const eng_json *entry = &vocab->items[i];
        uint64_t id;
        eng__pace_item(i);
        eng_status status = check_id(r, entry, entry->key, cap, &id);
        if (status == ENG_OK)
            status = put_token(r, entry->key, entry->key_len, id, ENG_TOKEN_NORMAL);
        if (status != ENG_OK)
            return status;
    }
    return ENG_OK;
}

static eng_status get_added(const reader *r, const eng_json *added, uint64_t cap)
{
    for (uint32_t i = 0; added && i < added->n; i++) {
        const eng_json *entry = &added->items[i], *content = eng_json_get(entry, "content");
        uint64_t id;
        if (!eng_json_string(content))
            return eng_fail(r->err, ENG_FORMAT,
                            "tokenizer.json, added_tokens: element %u has no "
                            "content",
                            i);
        eng_status status = check_id(r, eng_json_get(entry, "id"), content->string, cap, &id);
        if (status == ENG_OK)
            status = put_token(r, content->string, content->n, id,
                               is_true(entry, "special") ? ENG_TOKEN_CONTROL : ENG_TOKEN_USER);
        if (status != ENG_OK)
            return status;
    }
    return ENG_OK;
}

/* The first id without a token ends the vocabulary; nothing may follow it. */
static eng_status count_tokens(const reader *r, uint64_t cap)
{
    uint32_t n = 0;
    while (n < cap && r->v->tokens[n])
        n++;
    for (uint64_t i = n; i < cap; i++)
        if (r->v->tokens[i])
            return eng_fail(r->err, ENG_FORMAT, "tokenizer.json: no token has the id %u", n);
    r->v->n_tokens = n;
    return ENG_OK;
}

static eng_status get_tokens(const reader *r, const eng_json *model)
{
    const eng_json *vocab = eng_json_get(model, "vocab");
    const eng_json *added = eng_json_get(r->files->tokenizer, "added_tokens");
    if (!eng_json_is(vocab, ENG_JSON_OBJECT))
        return eng_fail(r->err, ENG_FORMAT, "tokenizer.json, model.vocab: expected an object");
    if (added && added->type != ENG_JSON_ARRAY)
        return eng_fail(r->err, ENG_FORMAT, "tokenizer.json, added_tokens: expected a list");
    uint64_t cap = (uint64_t)vocab->n + (added ? added->n : 0);
    if (cap > ENG__MAX_VOCAB)
        return eng_fail(r->err, ENG_FORMAT, "tokenizer.json: %llu tokens, expected at most %d",
                        (unsigned long long)cap, ENG__MAX_VOCAB);
    r->v->tokens = eng_arena_array(r->arena, cap, sizeof *r->v->tokens);
    r->v->token_lens = eng_arena_array(r->arena, cap, sizeof *r->v->token_lens);
    r->v->types = eng_arena_alloc(r->arena, cap);
    if (!r->v->tokens || !r->v->token_lens || !r->v->types)
        return no_memory(r, "tokens");
    eng_status status = get_vocab(r, vocab, cap);
    if (status == ENG_OK)
        status = get_added(r, added, cap);
    if (status == ENG_OK)
        status = count_tokens(r, cap);
    return status;
}

/* ---- merges ---- */

/* "a b" as it is; ["a","b"] joined. */
static eng_status get_merge(const reader *r, const eng_json *entry, uint32_t i)
{
    eng_vocab *v = r->v;
    bool pair = entry->type == ENG_JSON_ARRAY && entry->n == 2 &&
                eng_json_string(&entry->items[0]) && eng_json_string(&entry->items[1]);
    char *text = NULL;
    if (pair) {
        const eng_json *a = &entry->items[0], *b = &entry->items[1];
        v->merge_lens[i] = a->n + 1 + b->n;
        text = eng_arena_alloc(r->arena, (size_t)a->n + b->n + 2);
        if (text) {
            memcpy(text, a->string, a->n);
            text[a->n] = ' ';
            memcpy(text + a->n + 1, b->string, b->n);
        }
    } else if (entry->type == ENG_JSON_STRING) {
        v->merge_lens[i] = entry->n;
        text = eng_arena_strndup(r->arena, entry->string, entry->n);
    } else {
        return eng_fail(r->err, ENG_FORMAT,
                        "tokenizer.json, model.merges: element %u is neither a "
                        "string nor a pair",
                        i);
    }
    v->merges[i] = text;
    return text ? ENG_OK : no_memory(r, "merges");
}

static eng_status get_merges(const reader *r, const eng_json *model)
{
    const eng_json *merges = eng_json_get(model, "merges");
    if (!eng_json_is(merges, ENG_JSON_ARRAY))
        return eng_fail(r->err, ENG_FORMAT, "tokenizer.json, model.merges: expected a list");
    eng_vocab *v = r->v;
    v->n_merges = merges->n;
    v->merges = eng_arena_array(r->arena, merges->n, sizeof *v->merges);
    v->merge_lens = eng_arena_array(r->arena, merges->n, sizeof *v->merge_lens);
    if (!v->merges || !v->merge_lens)
        return no_memory(r, "merges");
    eng_status status = ENG_OK;
    for (uint32_t i = 0; i < merges->n && status == ENG_OK; i++) {
        eng__pace_item(i);
        status = get_merge(r, &merges->items[i], i);
    }
    return status;
}

/* ---- kind ---- */

static bool is_empty(const eng_json *node)
{
    const char *s = eng_json_string(node);
    return !node || node->type == ENG_JSON_NULL || (s && !s[0]);
}

/* What would change the ids, were it not refused here. Qwen2's NFC is let through: it leaves text
 * that is already composed alone, and its GGUF files drop it too. */
static eng_status refuse_variants(const reader *r, const eng_json *model)
{
    const eng_json *normalizer = eng_json_get(r->files->tokenizer, "normalizer");
    const char *type = eng_json_string(eng_json_get(model, "type"));
    if (type && strcmp(type, "BPE") != 0)
        return eng_fail(r->err, ENG_UNSUPPORTED, "tokenizer.json, model.type: %.40s, expected BPE",
                        type);
    if (is_true(model, "byte_fallback"))
        return eng_fail(r->err, ENG_UNSUPPORTED,
                        "tokenizer.json, model.byte_fallback: true, "
                        "expected byte-level BPE");
    if (!is_empty(eng_json_get(model, "continuing_subword_prefix")) ||
        !is_empty(eng_json_get(model, "end_of_word_suffix")))
        return eng_fail(r->err, ENG_UNSUPPORTED,
                        "tokenizer.json, model: a subword prefix or "
                        "suffix, expected none");
    if (normalizer && normalizer->type != ENG_JSON_NULL) {
        const char *kind = eng_json_string(eng_json_get(normalizer, "type"));
        if (!kind || strcmp(kind, "NFC") != 0)
            return eng_fail(r->err, ENG_UNSUPPORTED,
                            "tokenizer.json, normalizer: %.40s, expected "
                            "none or NFC",
                            kind ? kind : "no type");
    }
    return ENG_OK;
}

/* ---- roles ---- */

static int32_t find_token(const eng_vocab *v, const char *text, uint32_t len)
{
    for (uint32_t i = 0; i < v->n_tokens; i++)
        if (v->token_lens[i] == len && memcmp(v->tokens[i], text, len) == 0)
            return (int32_t)i;
    return -1;
}

/* A special token's text: "x" or {"content": "x"}; -1 for null and absent. */
static eng_status get_role(const reader *r, const eng_json *node, const char *name, int32_t *out)
{
    if (eng_json_is(node, ENG_JSON_OBJECT))
        node = eng_json_get(node, "content");
    if (!eng_json_string(node))
        return ENG_OK;
    *out = find_token(r->v, node->string, node->n);
    if (*out < 0)
        return eng_fail(r->err, ENG_FORMAT,
                        "tokenizer_config.json, %s: \"%.60s\" is no token of "
                        "tokenizer.json",
                        name, node->string);
    return ENG_OK;
}

/* generation_config.json lists the ids that end an answer; the first two beside each other's are
 * kept as eos and eot. */
static eng_status get_end_ids(const reader *r)
{
    eng_vocab *v = r->v;
    const eng_json *ids = eng_json_get(r->files->generation, "eos_token_id");
    const eng_json *items = ids && ids->type == ENG_JSON_ARRAY ? ids->items : ids;
    uint32_t n = !ids ? 0 : ids->type == ENG_JSON_ARRAY ? ids->n : ids->type != ENG_JSON_NULL;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t id;
        if (!v->n_tokens || !eng_json_uint(&items[i], 0, v->n_tokens - 1, &id))
            return eng_fail(r->err, ENG_FORMAT,
                            "generation_config.json, eos_token_id: not an id "
                            "below the %u tokens",
                            v->n_tokens);
        if (v->eos < 0)
            v->eos = (int32_t)id;
        else if (v->eot < 0 && (int32_t)id != v->eos)
            v->eot = (int32_t)id;
    }
    return ENG_OK;
}

static eng_status get_roles(const reader *r, const eng_json *model)
{
    eng_vocab *v = r->v;
    const eng_json *config = r->files->config;
    v->bos = v->eos = v->eot = v->unk = v->pad = -1;
    eng_status status = get_role(r, eng_json_get(model, "unk_token"), "unk_token", &v->unk);
    if (status == ENG_OK)
        status = get_role(r, eng_json_get(config, "unk_token"), "unk_token", &v->unk);
    if (status == ENG_OK)
        status = get_role(r, eng_json_get(config, "bos_token"), "bos_token", &v->bos);
    if (status == ENG_OK)
        status = get_role(r, eng_json_get(config, "eos_token"), "eos_token", &v->eos);
    if (status == ENG_OK)
        status = get_role(r, eng_json_get(config, "pad_token"), "pad_token", &v->pad);
    if (status == ENG_OK)
        status = get_end_ids(r);
    return status;
}

/* ---- template ---- */

/* A string, or a list of named ones, of which "default" counts. */
static const eng_json *default_template(const eng_json *node)
{
    if (!eng_json_is(node, ENG_JSON_ARRAY))
        return node;
    for (uint32_t i = 0; i < node->n; i++) {
        const char *name = eng_json_string(eng_json_get(&node->items[i], "name"));
        if (name && strcmp(name, "default") == 0)
            return eng_json_get(&node->items[i], "template");
    }
    return NULL;
}

static eng_status get_template(const reader *r)
{
    const char *text =
        eng_json_string(default_template(eng_json_get(r->files->config, "chat_template")));
    if (!text)
        text = r->files->chat_template;
    if (!text)
        return ENG_OK;
    r->v->chat_template = eng_arena_strndup(r->arena, text, strlen(text));
    return r->v->chat_template ? ENG_OK : no_memory(r, "chat template");
}

static void get_flags(const reader *r)
{
    const eng_json *add_bos = eng_json_get(r->files->config, "add_bos_token");
    r->v->add_bos = r->v->pre == ENG_PRE_LLAMA_BPE;
    if (eng_json_is(add_bos, ENG_JSON_BOOL))
        r->v->add_bos = add_bos->boolean;
    r->v->add_eos = is_true(r->files->config, "add_eos_token");
}

eng_status eng__hf_vocab(const eng__hf_tokenizer *files, eng_arena *arena, eng_vocab *vocab,
                         eng_error *err)
{
    reader r = {.files = files, .arena = arena, .v = vocab, .err = err};
    *vocab = (eng_vocab){0};
    const eng_json *model = eng_json_get(files->tokenizer, "model");
    if (!eng_json_is(model, ENG_JSON_OBJECT))
        return eng_fail(err, ENG_FORMAT, "tokenizer.json, model: missing");
    eng_status status = refuse_variants(&r, model);
    if (status == ENG_OK)
        status =
            eng__hf_pretokenizer(eng_json_get(files->tokenizer, "pre_tokenizer"), &vocab->pre, err);
    if (status == ENG_OK)
        status = get_tokens(&r, model);
    if (status == ENG_OK)
        status = get_merges(&r, model);
    if (status == ENG_OK)
        status = get_roles(&r, model);
    if (status == ENG_OK)
        status = get_template(&r);
    if (status != ENG_OK)
        return status;
    get_flags(&r);
    return eng__vocab_check(vocab, err);
}
