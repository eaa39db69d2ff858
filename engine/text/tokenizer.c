#include "text/tokenizer.h"

#include "text/bpe.h"
#include "text/chat_template.h"
#include "text/pretokenize.h"
#include "text/special.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_END_IDS = 8 };
/* A vocabulary of 256,000 tokens takes about 30 MiB. */
static const size_t max_tokenizer_bytes = (size_t)2 << 30;

struct eng_tokenizer {
    eng_arena arena; /* everything below lives in it */
    eng__vocab_text texts;
    const uint8_t *types; /* [n_vocab] ENG_TOKEN_* */
    eng_pretokenizer pre;
    eng__special special;
    eng__bpe bpe;
    eng_token_roles roles;
    bool add_eos;
    int32_t end_set[MAX_END_IDS];
    size_t n_end;
    const char *template_source; /* NULL = none */
    eng__chat_template *chat;    /* NULL = none, or refused for the reason in why_no_chat */
    eng_error why_no_chat;
};

/* ---- building ------------------------------------------------------------------------------- */

static eng_status check_role(const char *name, int32_t id, uint32_t n_tokens, eng_error *err)
{
    if (id >= -1 && id < (int64_t)n_tokens)
        return ENG_OK;
    return eng_fail(err, ENG_FORMAT,
                    "tokenizer.ggml.%s_token_id is %" PRId32 ", the vocabulary has %" PRIu32
                    " tokens",
                    name, id, n_tokens);
}

static eng_status check_roles(const eng_vocab *v, eng_error *err)
{
    const struct {
        const char *name;
        int32_t id;
    } roles[] = {
        {"bos", v->bos}, {"eos", v->eos}, {"eot", v->eot}, {"unknown", v->unk}, {"padding", v->pad},
    };
    eng_status status = ENG_OK;
    for (size_t i = 0; status == ENG_OK && i < sizeof roles / sizeof roles[0]; i++)
        status = check_role(roles[i].name, roles[i].id, v->n_tokens, err);
    return status;
}

static int32_t find_text(const eng__vocab_text *texts, const char *text)
{
    for (uint32_t id = 0; id < texts->n; id++) {
        size_t len;
        const char *bytes = eng__vocab_text_of(texts, id, &len);
        if (len == strlen(text) && memcmp(bytes, text, len) == 0)
            return (int32_t)id;
    }
    return -1;
}

static void add_end(eng_tokenizer *tok, int32_t id)
{
    if (id >= 0 && !eng_token_is_end(tok, id))
        tok->end_set[tok->n_end++] = id;
}

static void set_roles(eng_tokenizer *tok, const eng_vocab *v)
{
    int32_t end_of_text = find_text(&tok->texts, "<|endoftext|>");
    add_end(tok, v->eos);
    add_end(tok, v->eot);
    add_end(tok, find_text(&tok->texts, "<|im_end|>"));
    add_end(tok, end_of_text);
    add_end(tok, find_text(&tok->texts, "<|eot_id|>"));
    tok->roles = (eng_token_roles){
        .bos = v->bos,
        .eos = v->eos,
        .eot = v->eot,
        .pad = v->pad,
        .unk = v->unk,
        .end_of_text = end_of_text >= 0 ? end_of_text : v->eos,
        .n_vocab = v->n_tokens,
        .add_bos = v->add_bos && v->bos >= 0,
    };
    tok->add_eos = v->add_eos && v->eos >= 0;
}

/* The token for bytes that have none. Where that is a control token or ends answers it is not used:
 * stray bytes of a user's text must not write one (such bytes are then left out, as the reference
 * implementations leave them out of models that name no unknown token). */
static int32_t usable_unknown(const eng_tokenizer *tok)
{
    int32_t unk = tok->roles.unk;
    return unk >= 0 && tok->types[unk] != ENG_TOKEN_CONTROL && !eng_token_is_end(tok, unk) ? unk
                                                                                           : -1;
}

static const char *token_text(const eng_tokenizer *tok, int32_t id)
{
    size_t len;
    const char *text = eng_token_bytes(tok, id, &len);
    return text ? text : "";
}

static eng_status set_template(eng_tokenizer *tok, const char *source, eng_error *err)
{
    eng_fail(&tok->why_no_chat, ENG_UNSUPPORTED, "the model has no chat template");
    if (!source)
        return ENG_OK;
    size_t len = strlen(source);
    tok->template_source = eng_arena_strndup(&tok->arena, source, len);
    if (!tok->template_source)
        return eng_fail(err, ENG_NOMEM, "no memory for the chat template");
    eng_status status = eng__chat_template_create(
        &tok->chat, &tok->arena, tok->template_source, len, token_text(tok, tok->roles.bos),
        token_text(tok, tok->roles.eos), &tok->why_no_chat);
    if (status == ENG_NOMEM)
        return eng_fail(err, ENG_NOMEM, "%s", tok->why_no_chat.text);
    return ENG_OK;
}

static eng_status build(eng_tokenizer *tok, const eng_vocab *v, eng_error *err)
{
    if (v->n_tokens == 0 || v->n_tokens > INT32_MAX)
        return eng_fail(err, ENG_FORMAT, "tokenizer.ggml.tokens has %" PRIu32 " entries",
                        v->n_tokens);
    if (v->pre > ENG_PRE_QWEN2)
        return eng_fail(err, ENG_UNSUPPORTED, "tokenizer.ggml.pre: unknown split rule");
    eng_status status = check_roles(v, err);
    if (status == ENG_OK)
        status = eng__vocab_text_init(&tok->texts, &tok->arena, v, err);
    if (status == ENG_OK)
        status = eng__special_init(&tok->special, &tok->arena, v, &tok->texts, err);
    if (status != ENG_OK)
        return status;
    uint8_t *types = eng_arena_alloc(&tok->arena, v->n_tokens);
    if (!types)
        return eng_fail(err, ENG_NOMEM, "no memory for %" PRIu32 " tokens", v->n_tokens);
    memcpy(types, v->types, v->n_tokens);
    tok->types = types;
    tok->pre = v->pre;
    set_roles(tok, v);
    status = eng__bpe_init(&tok->bpe, &tok->arena, v, &tok->texts, v->pre == ENG_PRE_LLAMA_BPE,
                           usable_unknown(tok), err);
    return status == ENG_OK ? set_template(tok, v->chat_template, err) : status;
}

eng_status eng__tokenizer_create(eng_tokenizer **out, const eng_vocab *vocab, eng_error *err)
{
    eng_tokenizer *tok = calloc(1, sizeof *tok);
    *out = NULL;
    if (!tok)
        return eng_fail(err, ENG_NOMEM, "no memory for the tokenizer");
    eng_arena_init(&tok->arena, max_tokenizer_bytes);
    eng_status status = build(tok, vocab, err);
    if (status == ENG_OK)
        *out = tok;
    else
        eng__tokenizer_free(tok);
    return status;
}

void eng__tokenizer_free(eng_tokenizer *tok)
{
    if (!tok)
        return;
    eng_arena_free(&tok->arena);
    free(tok);
}

/* ---- text to ids ---------------------------------------------------------------------------- */

/* Text without special tokens. */
static eng_status tokenize_stretch(const eng_tokenizer *tok, const char *text, size_t len,
                                   eng__ids *ids)
{
    eng_status status = ENG_OK;
    for (size_t at = 0; status == ENG_OK && at < len;) {
        size_t n = eng__pretoken_len(tok->pre, text + at, len - at);
        status = eng__bpe_piece(&tok->bpe, text + at, n, ids);
        at += n;
    }
    return status;
}

eng_status eng_tokenize(const eng_tokenizer *tok, const char *text, size_t len,
                        const uint8_t *trusted, unsigned flags, int32_t *out, size_t cap, size_t *n,
                        eng_error *err)
{
    eng__ids ids = {out, cap, 0};
    bool parse_all = flags & ENG_TOK_PARSE_SPECIAL;
    eng_status status = ENG_OK;
    if ((flags & ENG_TOK_ADD_SPECIAL) && tok->roles.add_bos)
        eng__ids_push(&ids, tok->roles.bos);
    for (size_t at = 0; status == ENG_OK && at < len;) {
        eng__special_match match = {len, 0, -1};
        if (parse_all || trusted)
            match = eng__special_next(&tok->special, text, len, at, parse_all ? NULL : trusted);
        status = tokenize_stretch(tok, text + at, match.start - at, &ids);
        if (status == ENG_OK && match.len)
            eng__ids_push(&ids, match.id);
        at = match.start + match.len;
    }
    if ((flags & ENG_TOK_ADD_SPECIAL) && tok->add_eos)
        eng__ids_push(&ids, tok->roles.eos);
    *n = ids.n;
    return status == ENG_OK ? ENG_OK
                            : eng_fail(err, status, "no memory to tokenize %zu bytes", len);
}

/* ---- questions about tokens ----------------------------------------------------------------- */

static bool in_vocabulary(const eng_tokenizer *tok, int32_t id)
{
    return id >= 0 && (uint32_t)id < tok->texts.n;
}

const char *eng_token_bytes(const eng_tokenizer *tok, int32_t id, size_t *len)
{
    *len = 0;
    return in_vocabulary(tok, id) ? eng__vocab_text_of(&tok->texts, (uint32_t)id, len) : NULL;
}

bool eng_token_is_special(const eng_tokenizer *tok, int32_t id)
{
    return in_vocabulary(tok, id) &&
           (tok->types[id] == ENG_TOKEN_CONTROL || tok->types[id] == ENG_TOKEN_UNKNOWN);
}

bool eng_token_is_end(const eng_tokenizer *tok, int32_t id)
{
    for (size_t i = 0; i < tok->n_end; i++)
        if (tok->end_set[i] == id)
            return true;
    return false;
}

const eng_token_roles *eng_token_roles_of(const eng_tokenizer *tok)
{
    return &tok->roles;
}

const int32_t *eng_token_end_set(const eng_tokenizer *tok, size_t *n)
{
    *n = tok->n_end;
    return tok->end_set;
}

const char *eng_chat_template_source(const eng_tokenizer *tok)
{
    return tok->template_source;
}

/* ---- chat ----------------------------------------------------------------------------------- */

eng_status eng_chat_render(const eng_tokenizer *tok, const eng_chat_message *messages, size_t n,
                           bool add_generation_prompt, size_t max_bytes, eng_chat_text *out,
                           eng_error *err)
{
    *out = (eng_chat_text){0};
    if (!tok->chat)
        return eng_fail(err, ENG_UNSUPPORTED, "%s", tok->why_no_chat.text);
    return eng__chat_template_render(tok->chat, messages, n, add_generation_prompt, max_bytes, out,
                                     err);
}

void eng_chat_text_free(eng_chat_text *text)
{
    free(text->text);
    free(text->trusted);
    *text = (eng_chat_text){0};
}
