#include "text/special.h"

#include <inttypes.h>
#include <string.h>

/* Vocabularies in use hold about a thousand special tokens of 10 to 40 bytes. The caps keep a
 * hostile one from making the trie large or matching slow. */
enum { MAX_SPECIAL_BYTES = 1024, MAX_NODES = 4 * 1024 * 1024 };

struct eng__special_node {
    uint32_t child;   /* first child; 0 = none */
    uint32_t sibling; /* next child of the same parent, by rising byte; 0 = none */
    int32_t id;       /* the token that ends here, or -1 */
    uint8_t byte;
};

static bool is_special(uint8_t type)
{
    return type == ENG_TOKEN_UNKNOWN || type == ENG_TOKEN_CONTROL || type == ENG_TOKEN_USER;
}

static uint32_t find_child(const eng__special *special, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return special->first[byte];
    uint32_t child = special->nodes[node].child;
    while (child && special->nodes[child].byte < byte)
        child = special->nodes[child].sibling;
    return child && special->nodes[child].byte == byte ? child : 0;
}

static uint32_t add_child(eng__special *special, uint32_t node, uint8_t byte)
{
    uint32_t fresh = special->n_nodes++;
    uint32_t *link = &special->nodes[node].child;
    while (*link && special->nodes[*link].byte < byte)
        link = &special->nodes[*link].sibling;
    special->nodes[fresh] = (eng__special_node){.sibling = *link, .id = -1, .byte = byte};
    *link = fresh;
    if (node == 0)
        special->first[byte] = fresh;
    return fresh;
}

static void add_token(eng__special *special, const char *bytes, size_t len, int32_t id)
{
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t child = find_child(special, node, (uint8_t)bytes[i]);
        node = child ? child : add_child(special, node, (uint8_t)bytes[i]);
    }
    if (special->nodes[node].id < 0)
        special->nodes[node].id = id;
}

eng_status eng__special_init(eng__special *special, eng_arena *arena, const eng_vocab *vocab,
                             const eng__vocab_text *texts, eng_error *err)
{
    uint64_t most = 1;
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        size_t len;
        eng__vocab_text_of(texts, id, &len);
        if (!is_special(vocab->types[id]))
            continue;
        if (len > MAX_SPECIAL_BYTES)
            return eng_fail(err, ENG_UNSUPPORTED,
                            "tokenizer.ggml.tokens[%" PRIu32 "]: a special token of %zu bytes, the "
                            "limit is %d",
                            id, len, MAX_SPECIAL_BYTES);
        most += len;
    }
    if (most > MAX_NODES)
        return eng_fail(err, ENG_UNSUPPORTED,
                        "tokenizer.ggml.tokens: special tokens of %" PRIu64
                        " bytes together, the limit is %d",
                        most, MAX_NODES);
    *special = (eng__special){.n_nodes = 1};
    special->nodes = eng_arena_array(arena, most, sizeof *special->nodes);
    if (!special->nodes)
        return eng_fail(err, ENG_NOMEM, "no memory for special tokens");
    special->nodes[0].id = -1;
    for (uint32_t id = 0; id < vocab->n_tokens; id++) {
        size_t len;
        const char *bytes = eng__vocab_text_of(texts, id, &len);
        if (is_special(vocab->types[id]) && len > 0)
            add_token(special, bytes, len, (int32_t)id);
    }
    return ENG_OK;
}

eng__special_match eng__special_next(const eng__special *special, const char *text, size_t len,
                                     size_t from, const uint8_t *trusted)
{
    for (size_t start = from; start < len; start++) {
        if (trusted && !trusted[start]) {
            const uint8_t *next = memchr(trusted + start, 1, len - start);
            if (!next)
                break;
            start = (size_t)(next - trusted);
        }
        eng__special_match match = {start, 0, -1};
        uint32_t node = special->first[(uint8_t)text[start]];
        for (size_t i = start + 1; node; i++) {
            if (special->nodes[node].id >= 0) {
                match.len = i - start;
                match.id = special->nodes[node].id;
            }
            if (i == len || (trusted && !trusted[i]))
                break;
            node = find_child(special, node, (uint8_t)text[i]);
        }
        if (match.len)
            return match;
    }
    return (eng__special_match){len, 0, -1};
}
