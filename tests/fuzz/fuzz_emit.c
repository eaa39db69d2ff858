/* Tokens and stop strings against the emitter: taking after every token and taking once at the end
 * must give the same text, records and ids. The input: flags, how many stops, their lengths and
 * bytes, then one byte a token; the vocabulary is the 256 bytes, 4 longer texts and an end token.
 */
#include "serve/emit.h"
#include "serve/stop.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { N_TEXTS = 4, END = 256 + N_TEXTS, N_VOCAB, MAX_STOPS = 3, MAX_TOKENS = 400 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the others count up from 256. */
static uint32_t spell_byte(int byte, char out[2])
{
    static int next;
    int cp = byte;
    if (byte < 33 || (byte > 126 && byte < 161) || byte == 173)
        cp = 256 + next++;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    out[0] = (char)(0xC0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 0x3F));
    return 2;
}

static eng_tokenizer *make_tokenizer(void)
{
    static const char *const texts[] = {"ab", "stop", "\xC3\xA9\xC3\xA9", "\xE2\x82\xAC!", "<end>"};
    static char spelled[256][2];
    static const char *tokens[N_VOCAB];
    static uint32_t lens[N_VOCAB];
    static uint8_t types[N_VOCAB];
    for (int i = 0; i < N_VOCAB; i++) {
        tokens[i] = i < 256 ? spelled[i] : texts[i - 256];
        lens[i] = i < 256 ? spell_byte(i, spelled[i]) : (uint32_t)strlen(tokens[i]);
        types[i] = i < 256 ? ENG_TOKEN_NORMAL : i < END ? ENG_TOKEN_USER : ENG_TOKEN_CONTROL;
    }
    const eng_vocab v = {.pre = ENG_PRE_GPT2,
                         .n_tokens = N_VOCAB,
                         .tokens = tokens,
                         .token_lens = lens,
                         .types = types,
                         .bos = -1,
                         .eos = END,
                         .eot = -1,
                         .unk = -1,
                         .pad = -1};
    eng_tokenizer *tok;
    eng_error err;
    check(eng__tokenizer_create(&tok, &v, &err) == ENG_OK);
    return tok;
}

/* What one way of taking released, as bytes that must not depend on the way. */
typedef struct released {
    buf text, records, ids;
} released;

static void take(emit *e, released *got)
{
    gen_chunk c;
    emit_take(e, &c);
    check(!e->failed && eng_utf8_valid(c.text, c.text_len));
    buf_append(&got->text, c.text, c.text_len);
    buf_append(&got->ids, c.ids, c.n_ids * sizeof *c.ids);
    for (uint32_t i = 0; i < c.n_tokens; i++) {
        const gen_token *t = &c.tokens[i];
        const uint32_t fields[] = {(uint32_t)t->id, t->text_offset, t->hidden};
        buf_append(&got->records, fields, sizeof fields);
    }
    free(c.tokens);
    free(c.ids);
    free(c.text);
}

static void released_free(released *got)
{
    buf_free(&got->text);
    buf_free(&got->records);
    buf_free(&got->ids);
}

/* Without an echo, text that no stop ended has none in it, but perhaps in a replaced tail. */
static bool run(const gen_request *r, const eng_tokenizer *tok, const uint8_t *ids, size_t n,
                size_t n_echo, bool every, released *got)
{
    emit e = {.request = r, .tokenizer = tok};
    bool stopped = false;
    buf_init(&e.text, 1 << 20);
    buf_init(&got->text, 1 << 20);
    buf_init(&got->records, 1 << 20);
    buf_init(&got->ids, 1 << 20);
    for (size_t i = 0; i < n && !stopped; i++) {
        const int32_t id = ids[i] < 250 ? ids[i] : 256 + (ids[i] - 250) % (N_VOCAB - 256);
        const emit_token t = {.id = id, .sampled = i >= n_echo, .first = i == 0};
        emit_push(&e, &t, i >= n_echo, &stopped);
        if (every)
            take(&e, got);
    }
    const bool tail = e.utf8.n_held;
    emit_finish(&e);
    take(&e, got);
    emit_free(&e);
    size_t at, len;
    if (!n_echo && !stopped && !tail && got->text.len)
        check(!stop_find(r->stops, r->n_stops, got->text.data, got->text.len, &at, &len));
    return stopped;
}

static void check_same(const buf *a, const buf *b)
{
    check(a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static eng_tokenizer *tok;
    gen_stop stops[MAX_STOPS];
    gen_request r = {.stops = stops};
    released every, once;
    if (!tok)
        tok = make_tokenizer();
    if (size < 2)
        return 0;
    const uint8_t flags = data[0];
    uint32_t wanted = data[1] % (MAX_STOPS + 1);
    data += 2, size -= 2;
    for (; r.n_stops < wanted && size >= 2; r.n_stops++) {
        size_t len = 1 + data[0] % 7 < size - 1 ? 1 + data[0] % 7 : size - 1;
        if (!eng_utf8_valid((const char *)data + 1, len))
            return 0; /* stops come from JSON */
        stops[r.n_stops] = (gen_stop){.text = (char *)(uintptr_t)(data + 1), .len = len};
        data += 1 + len, size -= 1 + len;
    }
    r.n_logprobs = flags & 1 ? 0 : -1;
    r.include_stop_text = flags & 2;
    r.format.return_token_ids = flags & 4;
    const size_t n = size < MAX_TOKENS ? size : MAX_TOKENS, n_echo = flags & 8 ? n / 3 : 0;
    bool stopped = run(&r, tok, data, n, n_echo, true, &every);
    check(run(&r, tok, data, n, n_echo, false, &once) == stopped);
    check_same(&every.text, &once.text);
    check_same(&every.records, &once.records);
    check_same(&every.ids, &once.ids);
    released_free(&every);
    released_free(&once);
    return 0;
}
