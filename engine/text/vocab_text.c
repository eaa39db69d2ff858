#include "text/vocab_text.h"

#include "text/unicode.h"

#include <inttypes.h>
#include <string.h>

/* The byte a character of the alphabet names, or -1. */
static int alphabet_byte(uint32_t cp)
{
    if ((cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255))
        return (int)cp;
    if (cp < 0x100 || cp >= 0x100 + 68)
        return -1;
    /* The 68 others in order: 0-32, 127-160, 173. */
    uint32_t i = cp - 0x100;
    return (int)(i < 33 ? i : i < 67 ? i - 33 + 127 : 173);
}

bool eng__alphabet_decode(char *out, size_t *n, const char *text, size_t len)
{
    size_t written = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        if (text[i] >= 33 && text[i] <= 126) { /* most characters of most files */
            out[written++] = text[i++];
            continue;
        }
        int step = eng__utf8_scan(text + i, len - i, &cp);
        int byte = step > 0 ? alphabet_byte(cp) : -1;
        if (byte < 0)
            return false;
        out[written++] = (char)byte;
        i += (size_t)step;
    }
    *n = written;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* "<0x0A>", exactly, to the byte. */
static bool byte_token(const char *text, size_t len, char *byte)
{
    if (len != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return false;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    if (high < 0 || low < 0)
        return false;
    *byte = (char)(high * 16 + low);
    return true;
}

/* Writes the bytes of one token, at most as many as its text has. */
static size_t token_bytes(char *out, bool *spelled, const char *text, size_t len, uint8_t type)
{
    size_t n = len;
    *spelled = (type == ENG_TOKEN_NORMAL || type == ENG_TOKEN_UNUSED) && len > 0 &&
               eng__alphabet_decode(out, &n, text, len);
    if (*spelled)
        return n;
    if (type == ENG_TOKEN_BYTE && byte_token(text, len, out))
        return 1;
    if (len)
        memcpy(out, text, len);
    return len;
}

eng_status eng__vocab_text_init(eng__vocab_text *texts, eng_arena *arena, const eng_vocab *vocab,
                                eng_error *err)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        if (vocab->types[i] < ENG_TOKEN_NORMAL || vocab->types[i] > ENG_TOKEN_BYTE)
            return eng_fail(err, ENG_FORMAT,
                            "tokenizer.ggml.token_type[%" PRIu32 "] is %u, not one of 1 to 6", i,
                            (unsigned)vocab->types[i]);
        total += (uint64_t)vocab->token_lens[i] + 1;
    }
    if (total > INT32_MAX)
        return eng_fail(err, ENG_UNSUPPORTED,
                        "tokenizer.ggml.tokens: %" PRIu64 " bytes of text, the limit is %d", total,
                        INT32_MAX);
    char *bytes = eng_arena_alloc(arena, total);
    uint32_t *start = eng_arena_array(arena, (size_t)vocab->n_tokens + 1, sizeof *start);
    bool *spelled = eng_arena_array(arena, vocab->n_tokens, sizeof *spelled);
    if (!bytes || !start || !spelled)
        return eng_fail(err, ENG_NOMEM, "no memory for %" PRIu32 " tokens", vocab->n_tokens);
    uint32_t at = 0;
    for (uint32_t i = 0; i < vocab->n_tokens; i++) {
        start[i] = at;
        at += (uint32_t)token_bytes(bytes + at, &spelled[i], vocab->tokens[i], vocab->token_lens[i],
                                    vocab->types[i]);
        bytes[at++] = 0;
    }
    start[vocab->n_tokens] = at;
    *texts = (eng__vocab_text){vocab->n_tokens, bytes, start, spelled};
    return ENG_OK;
}
