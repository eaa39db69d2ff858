/* Prompts and answers to the ids that training and scoring read. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CHAT_BYTES = 4 * 1024 * 1024 };

/* Appends a text's ids. A token stands for at least a byte but for a BOS or EOS around the text. */
static eng_status append_text(const eng_tokenizer *tok, eng_example *e, const char *text,
                              size_t len, const uint8_t *trusted, unsigned flags, eng_error *err)
{
    enum { AROUND = 2 };
    size_t n = 0, cap = len + AROUND;
    for (;;) {
        int32_t *grown = realloc(e->tokens, (e->n_tokens + cap) * sizeof *grown);
        if (!grown)
            return eng_fail(err, ENG_NOMEM, "no memory to tokenize %zu bytes", len);
        e->tokens = grown;
        eng_status st =
            eng_tokenize(tok, text, len, trusted, flags, e->tokens + e->n_tokens, cap, &n, err);
        if (st != ENG_OK)
            return st;
        if (n <= cap)
            break;
        cap = n;
    }
    e->n_tokens += (uint32_t)n;
    return ENG_OK;
}

static eng_status append_id(eng_example *e, int32_t id, eng_error *err)
{
    int32_t *grown = realloc(e->tokens, (e->n_tokens + 1) * sizeof *grown);
    if (!grown)
        return eng_fail(err, ENG_NOMEM, "no memory for a token");
    e->tokens = grown;
    e->tokens[e->n_tokens++] = id;
    return ENG_OK;
}

static eng_status append_answer(const eng_tokenizer *tok, eng_example *e, const char *text,
                                size_t len, eng_error *err)
{
    const eng_token_roles *roles = eng_token_roles_of(tok);
    const int32_t end = roles->eos >= 0 ? roles->eos : roles->end_of_text;
    if (end < 0)
        return eng_fail(err, ENG_UNSUPPORTED, "the tokenizer has no token that ends an answer");
    eng_status st = append_text(tok, e, text, len, NULL, 0, err);
    return st == ENG_OK ? append_id(e, end, err) : st;
}

/* A BOS where the model's files ask for one and the template wrote none. */
static eng_status lead_with_bos(const eng_tokenizer *tok, eng_example *e, eng_error *err)
{
    const eng_token_roles *roles = eng_token_roles_of(tok);
    if (!roles->add_bos || roles->bos < 0 || (e->n_tokens && e->tokens[0] == roles->bos))
        return ENG_OK;
    eng_status st = append_id(e, roles->bos, err);
    if (st == ENG_OK) {
        memmove(e->tokens + 1, e->tokens, (e->n_tokens - 1) * sizeof *e->tokens);
        e->tokens[0] = roles->bos;
    }
    return st;
}

static eng_status append_rendered(const eng_tokenizer *tok, eng_example *e,
                                  const eng_chat_message *messages, size_t n, eng_error *err)
{
    eng_chat_text text;
    eng_status st = eng_chat_render(tok, messages, n, true, MAX_CHAT_BYTES, &text, err);
    if (st != ENG_OK)
        return st;
    st = append_text(tok, e, text.text, text.len, text.trusted, 0, err);
    eng_chat_text_free(&text);
    return st == ENG_OK ? lead_with_bos(tok, e, err) : st;
}

/* The prompt is complete: the answer follows, if there is one. */
static eng_status finish(const eng_tokenizer *tok, eng_example *e, eng_status st,
                         const char *answer, size_t len, eng_error *err)
{
    e->n_prompt = e->n_tokens;
    if (st == ENG_OK && answer)
        st = append_answer(tok, e, answer, len, err);
    if (st != ENG_OK)
        eng_example_free(e);
    return st;
}

eng_status eng_compose_text(const eng_tokenizer *tok, const char *prompt, size_t prompt_len,
                            const char *answer, size_t answer_len, eng_example *out, eng_error *err)
{
    const eng_token_roles *roles = eng_token_roles_of(tok);
    *out = (eng_example){0};
    eng_status st = append_text(tok, out, prompt, prompt_len, NULL,
                                ENG_TOK_ADD_SPECIAL | ENG_TOK_PARSE_SPECIAL, err);
    if (st == ENG_OK && out->n_tokens == 0)
        st = roles->end_of_text >= 0 ? append_id(out, roles->end_of_text, err)
                                     : eng_fail(err, ENG_INVALID,
                                                "the prompt is empty, and the model has no "
                                                "end-of-text token to start from");
    return finish(tok, out, st, answer, answer_len, err);
}

eng_status eng_compose_chat(const eng_tokenizer *tok, const eng_chat_message *messages, size_t n,
                            eng_example *out, eng_error *err)
{
    const bool answered = n && strcmp(messages[n - 1].role, "assistant") == 0;
    const eng_chat_message *last = answered ? &messages[n - 1] : NULL;
    *out = (eng_example){0};
    eng_status st = append_rendered(tok, out, messages, answered ? n - 1 : n, err);
    return finish(tok, out, st, last ? last->content : NULL, last ? last->content_len : 0, err);
}

void eng_example_free(eng_example *example)
{
    free(example->tokens);
    *example = (eng_example){0};
}
