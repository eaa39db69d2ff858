/* A hostile vocabulary and a text under it. The input: rule, flags, then records "<kind><length>
 * <bytes>": kind 0 ends them, 1 to 6 are tokens of that type, 7 a merge, 8 sets a role's id. What
 * is left is the text; its bytes are trusted or not by the parity of their position's high bits. */
#include "text/tokenizer.h"
#include "text_stream.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_RECORDS = 600 };

typedef struct vocabulary {
    eng_vocab v;
    const char *tokens[256 + MAX_RECORDS], *merges[MAX_RECORDS];
    uint32_t token_lens[256 + MAX_RECORDS], merge_lens[MAX_RECORDS];
    uint8_t types[256 + MAX_RECORDS];
    char bytes[256][2];
} vocabulary;

static void add_token(vocabulary *w, const char *text, uint32_t len, uint8_t type)
{
    w->tokens[w->v.n_tokens] = text;
    w->token_lens[w->v.n_tokens] = len;
    w->types[w->v.n_tokens++] = type;
}

/* The bytes that the alphabet writes as themselves in ASCII. */
static void add_ascii(vocabulary *w)
{
    for (int b = 33; b < 127; b++) {
        w->bytes[b][0] = (char)b;
        add_token(w, w->bytes[b], 1, ENG_TOKEN_NORMAL);
    }
}

static size_t read_records(vocabulary *w, const char *p, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < MAX_RECORDS && at + 2 <= size; i++) {
        unsigned kind = (unsigned char)p[at] % 9, len = (unsigned char)p[at + 1];
        at += kind ? 2 : 1;
        if (kind == 0)
            break;
        if (len > size - at)
            len = (unsigned)(size - at);
        if (kind <= 6) {
            add_token(w, p + at, len, (uint8_t)kind);
        } else if (kind == 7) {
            w->merges[w->v.n_merges] = p + at;
            w->merge_lens[w->v.n_merges++] = len;
        } else if (len == 2) {
            int32_t *roles[] = {&w->v.bos, &w->v.eos, &w->v.unk, &w->v.pad};
            *roles[p[at] & 3] = p[at + 1];
        }
        at += len;
    }
    return at;
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_tokens(const eng_tokenizer *tok, const char *text, size_t len,
                         const uint8_t *trusted, unsigned flags)
{
    eng_error err;
    size_t n, again = 0;
    check(eng_tokenize(tok, text, len, trusted, flags, NULL, 0, &n, &err) == ENG_OK);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    check(ids && eng_tokenize(tok, text, len, trusted, flags, ids, n, &again, &err) == ENG_OK);
    check(again == n);
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes;
        check(eng_token_bytes(tok, ids[i], &n_bytes) != NULL);
        check(flags || trusted || !eng_token_is_special(tok, ids[i]) ||
              ids[i] == eng_token_roles_of(tok)->unk);
    }
    free(ids);
}

static void check_stream(const char *text, size_t len)
{
    char *whole = malloc(3 * len + 1), *parts = malloc(3 * len + 16);
    eng_utf8_stream stream = {0};
    size_t n = eng_utf8_repair(whole, text, len), out = 0;
    for (size_t at = 0, step; at < len; at += step) {
        step = 1 + at % 5 < len - at ? 1 + at % 5 : len - at;
        out += eng_utf8_stream_push(&stream, parts + out, text + at, step);
    }
    out += eng_utf8_stream_finish(&stream, parts + out);
    check(out == n && memcmp(whole, parts, n) == 0 && eng_utf8_valid(whole, n));
    free(whole);
    free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static vocabulary w;
    eng_tokenizer *tok;
    eng_error err;
    if (size < 2)
        return 0;
    memset(&w, 0, sizeof w);
    w.v = (eng_vocab){.pre = data[0] % 5,
                      .tokens = w.tokens,
                      .token_lens = w.token_lens,
                      .types = w.types,
                      .merges = w.merges,
                      .merge_lens = w.merge_lens,
                      .bos = -1,
                      .eos = -1,
                      .eot = -1,
                      .unk = -1,
                      .pad = -1,
                      .add_bos = data[1] & 8,
                      .add_eos = data[1] & 16};
    if (data[1] & 4)
        add_ascii(&w);
    const char *p = (const char *)data + 2;
    size_t at = read_records(&w, p, size - 2), len = size - 2 - at;
    check_stream(p, size - 2);
    if (eng__tokenizer_create(&tok, &w.v, &err) != ENG_OK)
        return 0;
    uint8_t *trusted = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        trusted[i] = (i >> 3 & 1) ^ 1;
    check_tokens(tok, p + at, len, NULL, 0);
    check_tokens(tok, p + at, len, trusted, data[1] & 3);
    free(trusted);
    eng__tokenizer_free(tok);
    return 0;
}
