/* Any bytes as JSON: what the reader takes, the checker must have passed; and the looser rules must
 * pass whatever the stricter ones do. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const eng_json_rules grammar = {.max_depth = 64};
    static const eng_json_rules request = {
        .max_depth = 32, .unique_keys = true, .no_nul_escape = true, .top_object = true};
    char *text = malloc(len + 1);
    size_t offset = 0;
    eng_error err;
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = 0;
    bool loose = eng_json_check((const char *)data, len, &grammar, &offset, &err) == ENG_OK;
    if (!loose && offset > len)
        abort();
    if (eng_json_check((const char *)data, len, &request, NULL, &err) == ENG_OK && !loose)
        abort();
    eng_arena arena;
    const eng_json *root;
    eng_arena_init(&arena, 16 << 20);
    if (eng_json_parse(&root, text, len, &arena, &err) == ENG_OK && !loose)
        abort();
    eng_arena_free(&arena);
    free(text);
    return 0;
}
