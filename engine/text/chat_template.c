#include "text/chat_template.h"

#include "text/jinja_eval.h"

#include <string.h>

enum { MAX_SOURCE_BYTES = 1024 * 1024 };

struct eng__chat_template {
    const eng__jinja_node *root;
    eng__span bos, eos;
};

eng_status eng__chat_template_create(eng__chat_template **out, eng_arena *arena, const char *source,
                                     size_t len, const char *bos, const char *eos, eng_error *err)
{
    *out = NULL;
    if (len > MAX_SOURCE_BYTES)
        return eng_fail(err, ENG_UNSUPPORTED, "the chat template has %zu bytes, the limit is %d",
                        len, MAX_SOURCE_BYTES);
    eng__chat_template *tmpl = eng_arena_alloc(arena, sizeof *tmpl);
    const char *bos_copy = eng_arena_strndup(arena, bos, strlen(bos));
    const char *eos_copy = eng_arena_strndup(arena, eos, strlen(eos));
    if (!tmpl || !bos_copy || !eos_copy)
        return eng_fail(err, ENG_NOMEM, "no memory for the chat template");
    tmpl->bos = (eng__span){bos_copy, strlen(bos), true};
    tmpl->eos = (eng__span){eos_copy, strlen(eos), true};
    eng_status status = eng__jinja_parse(&tmpl->root, arena, source, len, err);
    if (status == ENG_OK)
        *out = tmpl;
    return status;
}

eng_status eng__chat_template_render(const eng__chat_template *tmpl,
                                     const eng_chat_message *messages, size_t n,
                                     bool add_generation_prompt, size_t max_bytes,
                                     eng_chat_text *out, eng_error *err)
{
    eng__jinja_input input = {
        .messages = messages,
        .n = n,
        .add_generation_prompt = add_generation_prompt,
        .bos_token = tmpl->bos,
        .eos_token = tmpl->eos,
        .max_bytes = max_bytes,
    };
    return eng__jinja_run(tmpl->root, &input, out, err);
}
