/* A hostile chat template over messages. The input: the template up to a NUL, then the messages'
 * contents, NUL-separated, users and assistants in turn. */
#include "base/arena.h"
#include "text/chat_template.h"
#include "text/jinja.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 8, MAX_BYTES = 1 << 16 };

static void render(const eng__chat_template *tmpl, const eng_chat_message *messages, size_t n)
{
    eng_chat_text out;
    eng_error err;
    if (eng__chat_template_render(tmpl, messages, n, true, MAX_BYTES, &out, &err) == ENG_OK) {
        if (out.len > MAX_BYTES || out.text[out.len] != 0)
            abort();
        for (size_t i = 0; i < out.len; i++)
            if (out.trusted[i] > 1)
                abort();
    } else if (out.text || out.trusted || !memchr(err.text, 0, sizeof err.text)) {
        abort();
    }
    eng_chat_text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eng_chat_message messages[MAX_MESSAGES];
    size_t n = 0;
    const char *p = (const char *)data, *end = p + size;
    const char *stop = size ? memchr(p, 0, size) : NULL;
    size_t len = stop ? (size_t)(stop - p) : size;
    eng_arena arena;
    eng_error err;
    eng__chat_template *tmpl;
    eng_arena_init(&arena, (size_t)64 << 20);
    if (eng__chat_template_create(&tmpl, &arena, p, len, "<s>", "</s>", &err) == ENG_OK) {
        for (p += len; p < end && n < MAX_MESSAGES; n++) {
            const char *start = ++p;
            while (p < end && *p)
                p++;
            messages[n] =
                (eng_chat_message){n % 2 ? "assistant" : "user", start, (size_t)(p - start)};
        }
        render(tmpl, messages, n);
    }
    eng_arena_free(&arena);
    return 0;
}
