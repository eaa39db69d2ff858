#include "rlhf/tokenise.h"

#include <stdlib.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

token_limits token_limits_fit(uint64_t max_prompt, uint64_t max_response, uint32_t n_ctx)
{
    uint64_t left = n_ctx > max_prompt ? n_ctx - max_prompt : 0;
    uint64_t half = n_ctx / 2;
    uint64_t response = least(max_response, left > half ? left : half);
    return (token_limits){.prompt = (uint32_t)least(max_prompt, n_ctx - response),
                          .response = (uint32_t)response};
}

static job_code limit(eng_example *e, token_limits limits, bool *fits, bool *cut)
{
    *fits = e->n_prompt <= limits.prompt;
    *cut = *fits && e->n_tokens - e->n_prompt > limits.response;
    if (*cut)
        e->n_tokens = e->n_prompt + limits.response;
    if (!*fits)
        eng_example_free(e);
    return INSTRUCTD_OK;
}

/* n messages of the data, then the answer if there is one. */
static job_code compose_chat(const eng_tokenizer *tok, const data_message *messages, uint32_t n,
                             const eng_chat_message *answer, eng_example *out, eng_error *err)
{
    eng_chat_message *all = calloc((size_t)n + 1, sizeof *all);
    if (!all)
        return code_fail(err, INSTRUCTD_E_NOMEM, "no memory for %u messages", n);
    for (uint32_t i = 0; i < n; i++)
        all[i] = (eng_chat_message){messages[i].role, messages[i].content, messages[i].content_len};
    if (answer)
        all[n] = *answer;
    eng_status status = eng_compose_chat(tok, all, (size_t)n + (answer ? 1 : 0), out, err);
    free(all);
    return code_of(status);
}

job_code tokenise(const eng_tokenizer *tok, const data_text *prompt, const data_text *answer,
                  token_limits limits, eng_example *out, bool *fits, bool *cut, eng_error *err)
{
    const char *text = NULL;
    size_t len = 0;
    if (answer) {
        text = answer->messages ? answer->messages[0].content : answer->text;
        len = answer->messages ? answer->messages[0].content_len : answer->len;
    }
    const eng_chat_message message = {"assistant", text, len};
    job_code code =
        prompt->messages
            ? compose_chat(tok, prompt->messages, prompt->n_messages, answer ? &message : NULL, out,
                           err)
            : code_of(eng_compose_text(tok, prompt->text, prompt->len, text, len, out, err));
    return code == INSTRUCTD_OK ? limit(out, limits, fits, cut) : code;
}

job_code tokenise_turn(const eng_tokenizer *tok, const data_text *conversation, uint32_t last,
                       token_limits limits, eng_example *out, bool *fits, bool *cut, eng_error *err)
{
    job_code code = compose_chat(tok, conversation->messages, last + 1, NULL, out, err);
    return code == INSTRUCTD_OK ? limit(out, limits, fits, cut) : code;
}

job_code tokens_agree(const char *what, const eng_tokenizer *tok, const eng_tokenizer *policy,
                      eng_error *err)
{
    uint32_t n = eng_token_roles_of(policy)->n_vocab, m = eng_token_roles_of(tok)->n_vocab;
    if (n != m)
        return code_fail(err, INSTRUCTD_E_INVALID,
                         "%s: its tokenizer has %u tokens, the policy's %u", what, m, n);
    for (uint32_t id = 0; id < n; id++) {
        size_t la = 0, lb = 0;
        const char *x = eng_token_bytes(tok, (int32_t)id, &la),
                   *y = eng_token_bytes(policy, (int32_t)id, &lb);
        if (!x != !y || la != lb || (x && memcmp(x, y, la) != 0))
            return code_fail(err, INSTRUCTD_E_INVALID,
                             "%s: its tokenizer's token %u is not the "
                             "policy's",
                             what, id);
    }
    return INSTRUCTD_OK;
}
