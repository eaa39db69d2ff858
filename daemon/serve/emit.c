#include "serve/emit.h"

#include "base/limits.h"
#include "serve/stop.h"

#include <stdlib.h>
#include <string.h>

/* A choice's unsent text: a whole context of long tokens, generously. */
enum { MAX_TEXT_BYTES = 64 * 1024 * 1024 };

void emit_init(emit *e, const gen_request *request)
{
    *e =
        (emit){.request = request, .tokenizer = eng_model_tokenizer(policy_model(request->policy))};
    buf_init(&e->text, MAX_TEXT_BYTES);
}

void emit_free(emit *e)
{
    for (uint32_t i = 0; i < e->n_records; i++)
        free(e->records[i].token.top);
    free(e->records);
    free(e->ids);
    free(e->id_logprobs);
    buf_free(&e->text);
}

/* ---- tokens in ---- */

static bool grow(void **array, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap)
        return true;
    uint32_t to = *cap ? *cap * 2 : 16;
    while (to < need)
        to *= 2;
    void *p = realloc(*array, to * size);
    if (!p)
        return false;
    *array = p;
    *cap = to;
    return true;
}

static uint32_t count_chars(const char *text, size_t len)
{
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* The record of a token that begins where the text ends now. */
static void add_record(emit *e, const emit_token *t, bool hidden)
{
    if (!grow((void **)&e->records, &e->cap_records, e->n_records + 1, sizeof *e->records)) {
        e->failed = true;
        return;
    }
    const eng_output *lp = t->logprobs;
    emit_record *r = &e->records[e->n_records++];
    *r = (emit_record){.start = e->sent_bytes + e->text.len, .end = SIZE_MAX};
    r->token = (gen_token){.id = t->id,
                           .logprob = lp ? lp->logprob : 0,
                           .first = t->first,
                           .hidden = hidden,
                           .text_offset = e->n_chars};
    const uint32_t n = lp && !t->first ? lp->n_top : 0;
    if (!n)
        return;
    r->token.top = malloc(n * sizeof *r->token.top);
    if (!r->token.top) {
        e->failed = true;
        return;
    }
    memcpy(r->token.top, lp->top, n * sizeof *r->token.top);
    r->token.n_top = (uint8_t)n;
}

static void add_id(emit *e, const emit_token *t)
{
    const bool drawn = e->request->drawn_logprobs;
    if (!grow((void **)&e->ids, &e->cap_ids, e->n_ids + 1, sizeof *e->ids) ||
        (drawn && !grow((void **)&e->id_logprobs, &e->cap_id_logprobs, e->n_ids + 1,
                        sizeof *e->id_logprobs))) {
        e->failed = true;
        return;
    }
    if (drawn)
        e->id_logprobs[e->n_ids] = t->drawn_logprob;
    e->ids[e->n_ids++] = t->id;
}

static void append_repaired(emit *e, const char *bytes, size_t len)
{
    char small[512], *room = small;
    if (eng_utf8_stream_room(len) > sizeof small) {
        room = malloc(eng_utf8_stream_room(len));
        if (!room) {
            e->failed = true;
            return;
        }
    }
    size_t n = eng_utf8_stream_push(&e->utf8, room, bytes, len);
    buf_append(&e->text, room, n);
    e->n_chars += count_chars(room, n);
    if (room != small)
        free(room);
    e->failed |= e->text.failed;
}

/* Records whose last byte is in the text now know where they end. */
static void close_records(emit *e)
{
    if (e->utf8.n_held)
        return;
    for (uint32_t i = e->n_records; i-- > 0 && e->records[i].end == SIZE_MAX;)
        e->records[i].end = e->sent_bytes + e->text.len;
}

/* Does a token that begins with this byte leave the held tail unfinished for good? */
static bool breaks_tail(const emit *e, char byte)
{
    char seq[sizeof e->utf8.held + 1];
    const size_t n = e->utf8.n_held;
    if (!n)
        return false;
    memcpy(seq, e->utf8.held, n);
    seq[n] = byte;
    return eng_utf8_complete(seq, n + 1) != 0 && !eng_utf8_valid(seq, n + 1);
}

/* The tail becomes U+FFFD, so that what comes next begins behind it. */
static void end_tail(emit *e)
{
    char tail[4];
    size_t n = eng_utf8_stream_finish(&e->utf8, tail);
    buf_append(&e->text, tail, n);
    e->n_chars += count_chars(tail, n);
    e->failed |= e->text.failed;
    close_records(e);
}

/* Cuts the text at byte `at` of the unsent part: a record whose text begins there or later goes,
 * the others end with the text (one without text may stand right there). */
static void cut_text(emit *e, size_t at)
{
    const size_t end = e->sent_bytes + at;
    e->text.len = at;
    e->text.data[at] = 0;
    e->utf8 = (eng_utf8_stream){0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->n_records; i++) {
        if (e->records[i].start >= end && e->records[i].end > end) {
            free(e->records[i].token.top);
            continue;
        }
        e->records[kept] = e->records[i];
        if (e->records[kept].end > end)
            e->records[kept].end = end;
        kept++;
    }
    e->n_records = kept;
}

/* Looks past e->ready, before which no stop string can begin any more; true when one was found. */
static bool look_for_stops(emit *e)
{
    const gen_request *r = e->request;
    const char *fresh = e->text.data + e->ready;
    const size_t len = e->text.len - e->ready;
    size_t at, stop_len;
    if (stop_find(r->stops, r->n_stops, fresh, len, &at, &stop_len)) {
        cut_text(e, e->ready + (r->include_stop_text ? at + stop_len : at));
        e->ready = e->text.len;
        return true;
    }
    e->ready = e->text.len - stop_hold(r->stops, r->n_stops, fresh, len);
    return false;
}

void emit_push(emit *e, const emit_token *t, bool look_for_stop, bool *stopped)
{
    const gen_request *r = e->request;
    const bool hidden = t->silent || eng_token_is_special(e->tokenizer, t->id);
    /* An echoed prompt shows its special tokens: they are part of what was sent. */
    const bool has_text = t->sampled ? !hidden : !t->silent;
    size_t len = 0;
    const char *bytes = has_text ? eng_token_bytes(e->tokenizer, t->id, &len) : NULL;
    *stopped = false;
    if (bytes && len && breaks_tail(e, bytes[0]))
        end_tail(e);
    if (r->n_logprobs >= 0)
        add_record(e, t, hidden);
    if (t->sampled && r->format.return_token_ids)
        add_id(e, t);
    if (bytes && len)
        append_repaired(e, bytes, len);
    close_records(e);
    if (!t->sampled || !r->n_stops || !e->text.len)
        e->ready = e->text.len;
    else if (look_for_stop)
        *stopped = look_for_stops(e);
    else /* too early to stop, but what a stop string may begin with stays */
        e->ready = e->text.len -
                   stop_hold(r->stops, r->n_stops, e->text.data + e->ready, e->text.len - e->ready);
}

/* ---- text out ---- */

void emit_finish(emit *e)
{
    end_tail(e);
    e->ready = e->text.len;
}

static bool take_records(emit *e, gen_chunk *chunk)
{
    const size_t end = e->sent_bytes + e->ready;
    uint32_t n = 0;
    while (n < e->n_records && e->records[n].end <= end)
        n++;
    if (!n)
        return true;
    chunk->tokens = malloc(n * sizeof *chunk->tokens);
    if (!chunk->tokens)
        return false;
    for (uint32_t i = 0; i < n; i++)
        chunk->tokens[i] = e->records[i].token;
    chunk->n_tokens = n;
    e->n_records -= n;
    memmove(e->records, e->records + n, e->n_records * sizeof *e->records);
    return true;
}

static bool take_text(emit *e, gen_chunk *chunk)
{
    chunk->text = malloc(e->ready + 1);
    if (!chunk->text)
        return false;
    if (e->ready)
        memcpy(chunk->text, e->text.data, e->ready);
    chunk->text[e->ready] = 0;
    chunk->text_len = e->ready;
    e->sent_bytes += e->ready;
    if (e->ready)
        memmove(e->text.data, e->text.data + e->ready, e->text.len - e->ready + 1);
    e->text.len -= e->ready;
    e->ready = 0;
    return true;
}

bool emit_take(emit *e, gen_chunk *chunk)
{
    *chunk = (gen_chunk){0};
    if (!take_records(e, chunk) || !take_text(e, chunk)) {
        e->failed = true;
        return false;
    }
    chunk->ids = e->ids;
    chunk->n_ids = e->n_ids;
    chunk->id_logprobs = e->id_logprobs;
    e->ids = NULL;
    e->id_logprobs = NULL;
    e->n_ids = e->cap_ids = e->cap_id_logprobs = 0;
    return chunk->text_len || chunk->n_tokens || chunk->n_ids;
}
