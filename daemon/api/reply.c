/* Events -> the JSON of a reply, as a stream or whole. */
#include "api/generate.h"

#include "api/json_out.h"
#include "api/logprobs.h"
#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct choice {
    bool started;                  /* streaming: its first chunk has been written */
    event **parts;                 /* whole: its EV_CHUNK events, owned */
    const gen_chunk **part_chunks; /* their chunks, in the same order */
    uint32_t n_parts, cap;
} choice;

struct gen_reply {
    gen_request *request;
    const eng_tokenizer *tok;
    buf head; /* what every object begins with, up to and with `"choices":[` */
    choice *choices;
    uint32_t n_choices;
    gen_usage usage;
    gen_timings timings;
};

/* ---- life ---- */

static void write_head(gen_reply *reply, const char *request_name, const char *build,
                       int64_t created)
{
    const gen_format *format = &reply->request->format;
    bool chat = format->family == GEN_CHAT;
    const char *prefix = chat ? "chatcmpl-" : "cmpl-";
    if (strncmp(request_name, "req_", 4) == 0)
        request_name += 4;
    size_t room = LIMIT_NAME_BYTES - strlen(prefix), n = strlen(request_name);
    buf *out = &reply->head;
    buf_puts(out, "{\"id\":\"");
    buf_puts(out, prefix);
    json_string_part(out, request_name, n < room ? n : room);
    buf_puts(out, "\",\"object\":");
    json_cstring(out, !chat            ? "text_completion"
                      : format->stream ? "chat.completion.chunk"
                                       : "chat.completion");
    buf_puts(out, ",\"created\":");
    json_int(out, created);
    buf_puts(out, ",\"model\":");
    json_cstring(out, format->model);
    buf_puts(out, ",\"system_fingerprint\":\"fp_");
    json_string_part(out, build, strlen(build));
    buf_puts(out, "_");
    buf_puts(out, policy_hex(reply->request->policy));
    buf_puts(out, "\",\"choices\":[");
}

gen_reply *gen_reply_create(gen_request *request, const char *request_name, const char *build,
                            int64_t created)
{
    gen_reply *reply = calloc(1, sizeof *reply);
    if (!reply)
        return NULL;
    reply->request = gen_request_ref(request);
    reply->tok = eng_model_tokenizer(policy_model(request->policy));
    reply->n_choices = request->n_prompts * request->n;
    reply->choices = calloc(reply->n_choices, sizeof *reply->choices);
    buf_init(&reply->head, 4096);
    write_head(reply, request_name, build, created);
    if (!reply->choices || reply->head.failed) {
        gen_reply_free(reply);
        return NULL;
    }
    return reply;
}

void gen_reply_free(gen_reply *reply)
{
    if (!reply)
        return;
    for (uint32_t i = 0; i < reply->n_choices && reply->choices; i++) {
        choice *c = &reply->choices[i];
        for (uint32_t k = 0; k < c->n_parts; k++)
            event_free(c->parts[k]);
        free(c->parts);
        free(c->part_chunks);
    }
    free(reply->choices);
    buf_free(&reply->head);
    gen_request_unref(reply->request);
    free(reply);
}

/* ---- pieces that both forms share ---- */

static const char *finish_reason(gen_finish finish)
{
    return finish == GEN_FINISH_STOP ? "stop" : finish == GEN_FINISH_LENGTH ? "length" : NULL;
}

static void put_usage(buf *out, const gen_usage *usage)
{
    JSON_LIT(out, "{\"prompt_tokens\":");
    json_uint(out, usage->prompt_tokens);
    JSON_LIT(out, ",\"completion_tokens\":");
    json_uint(out, usage->completion_tokens);
    JSON_LIT(out, ",\"total_tokens\":");
    json_uint(out, (uint64_t)usage->prompt_tokens + usage->completion_tokens);
    JSON_LIT(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
    json_uint(out, usage->cached_tokens);
    JSON_LIT(out, "}}");
}

static void put_ms(buf *out, double ms)
{
    buf_printf(out, "%.3f", ms >= 0 && ms < 1e12 ? ms : 0.0);
}

static void put_timings(buf *out, const gen_timings *timings)
{
    JSON_LIT(out, ",\"timings\":{\"queue_ms\":");
    put_ms(out, timings->queue_ms);
    JSON_LIT(out, ",\"prefill_ms\":");
    put_ms(out, timings->prefill_ms);
    JSON_LIT(out, ",\"decode_ms\":");
    put_ms(out, timings->decode_ms);
    buf_putc(out, '}');
}

static void put_logprobs(buf *out, const gen_reply *reply, token_records records)
{
    JSON_LIT(out, ",\"logprobs\":");
    if (reply->request->n_logprobs < 0 || records.n_chunks == 0)
        JSON_LIT(out, "null");
    else if (reply->request->format.family == GEN_CHAT)
        logprobs_chat(out, reply->tok, records);
    else
        logprobs_completion(out, reply->tok, records);
}

/* Of a choice that is complete and whose request follows its alias. */
static void put_spans(buf *out, const gen_chunk *last)
{
    if (!last || !last->n_spans)
        return;
    for (uint32_t i = 0; i < last->n_spans; i++) {
        buf_puts(out, i ? ",{\"policy\":" : ",\"policy_spans\":[{\"policy\":");
        json_cstring(out, last->spans[i].policy);
        JSON_LIT(out, ",\"from\":");
        json_uint(out, last->spans[i].from);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_prompt_ids(buf *out, const gen_reply *reply, uint32_t index)
{
    const gen_prompt *prompt = &reply->request->prompts[index / reply->request->n];
    JSON_LIT(out, ",\"prompt_token_ids\":");
    json_ids(out, prompt->tokens, prompt->n_tokens);
}

/* ---- streaming ---- */

static void open_object(const gen_reply *reply, buf *out)
{
    JSON_LIT(out, "data: ");
    buf_append(out, reply->head.data, reply->head.len);
}

/* After the choices: usage by what the stream's options say, NULL where none is known yet. */
static void close_choices(const gen_reply *reply, const gen_usage *usage, buf *out)
{
    const gen_format *format = &reply->request->format;
    buf_putc(out, ']');
    if (!format->include_usage && !format->continuous_usage)
        return;
    JSON_LIT(out, ",\"usage\":");
    if (usage)
        put_usage(out, usage);
    else
        JSON_LIT(out, "null");
}

static void close_object(buf *out)
{
    JSON_LIT(out, "}\n\n");
}

/* What one chunk object says about its choice. */
typedef struct choice_piece {
    uint32_t index;
    bool role, last;       /* chat's opening chunk; the chunk with the finish_reason */
    const gen_chunk *text; /* its text and log-probs, or NULL */
    const gen_chunk *ids;  /* its sampled ids, or NULL */
    const gen_chunk *end;  /* the chunk that ends the choice, or NULL */
    gen_finish finish;
} choice_piece;

static void put_delta(const gen_reply *reply, const choice_piece *piece, buf *out)
{
    bool chat = reply->request->format.family == GEN_CHAT;
    if (chat)
        buf_puts(out, piece->role   ? ",\"delta\":{\"role\":\"assistant\",\"content\":"
                      : piece->last ? ",\"delta\":{"
                                    : ",\"delta\":{\"content\":");
    else
        JSON_LIT(out, ",\"text\":");
    if (!chat || !piece->last)
        json_string(out, piece->text && !piece->last ? piece->text->text : "",
                    piece->text && !piece->last ? piece->text->text_len : 0);
    if (chat)
        buf_putc(out, '}');
}

static void put_choice_piece(gen_reply *reply, const choice_piece *piece, const gen_usage *usage,
                             buf *out)
{
    choice *c = &reply->choices[piece->index];
    open_object(reply, out);
    JSON_LIT(out, "{\"index\":");
    json_uint(out, piece->index);
    put_delta(reply, piece, out);
    token_records records = {&piece->text, piece->text && piece->text->n_tokens ? 1 : 0};
    put_logprobs(out, reply, records);
    JSON_LIT(out, ",\"finish_reason\":");
    json_cstring(out, finish_reason(piece->finish));
    if (reply->request->format.return_token_ids) {
        if (!c->started)
            put_prompt_ids(out, reply, piece->index);
        JSON_LIT(out, ",\"token_ids\":");
        json_ids(out, piece->ids ? piece->ids->ids : NULL, piece->ids ? piece->ids->n_ids : 0);
    }
    put_spans(out, piece->end);
    buf_putc(out, '}');
    c->started = true;
    close_choices(reply, reply->request->format.continuous_usage ? usage : NULL, out);
    close_object(out);
}

static bool has_visible_token(const gen_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->n_tokens; i++)
        if (!chunk->tokens[i].hidden)
            return true;
    return false;
}

/* A chunk becomes up to three objects: chat's role, the text, and the end with empty text. */
static void stream_chunk(gen_reply *reply, const event *ev, buf *out)
{
    const gen_chunk *chunk = &ev->chunk;
    bool chat = reply->request->format.family == GEN_CHAT;
    if (chunk->choice >= reply->n_choices)
        return;
    choice_piece piece = {.index = chunk->choice};
    if (chat && !reply->choices[chunk->choice].started) {
        piece.role = true;
        put_choice_piece(reply, &piece, &ev->usage, out);
        piece.role = false;
    }
    bool ends = chunk->finish != GEN_RUNNING;
    bool has_text = chunk->text_len > 0 || has_visible_token(chunk);
    if (has_text || (!ends && (chunk->n_tokens || chunk->n_ids))) {
        piece.text = piece.ids = chunk;
        put_choice_piece(reply, &piece, &ev->usage, out);
    }
    if (!ends)
        return;
    /* An end token alone rides on the last chunk; chat shows no log-probs for it. */
    piece =
        (choice_piece){.index = chunk->choice, .last = true, .finish = chunk->finish, .end = chunk};
    if (!has_text) {
        piece.ids = chunk;
        piece.text = chat ? NULL : chunk;
    }
    put_choice_piece(reply, &piece, &ev->usage, out);
}

static void stream_progress(const gen_reply *reply, const event *ev, buf *out)
{
    open_object(reply, out);
    close_choices(reply, NULL, out);
    JSON_LIT(out, ",\"prompt_progress\":{\"total\":");
    json_uint(out, ev->progress.total);
    JSON_LIT(out, ",\"cached\":");
    json_uint(out, ev->progress.cached);
    JSON_LIT(out, ",\"processed\":");
    json_uint(out, ev->progress.processed);
    buf_putc(out, '}');
    close_object(out);
}

static void stream_done(const gen_reply *reply, const event *ev, buf *out)
{
    const gen_format *format = &reply->request->format;
    if (format->include_usage || format->return_timings) {
        open_object(reply, out);
        close_choices(reply, &ev->usage, out);
        if (format->return_timings)
            put_timings(out, &ev->timings);
        close_object(out);
    }
    JSON_LIT(out, "data: [DONE]\n\n");
}

void gen_reply_stream(gen_reply *reply, const event *ev, buf *out)
{
    api_error err;
    switch (ev->kind) {
    case EV_ADMITTED:
        break;
    case EV_PROGRESS:
        stream_progress(reply, ev, out);
        break;
    case EV_CHUNK:
        stream_chunk(reply, ev, out);
        break;
    case EV_DONE:
        stream_done(reply, ev, out);
        break;
    case EV_ERROR:
        gen_failure_error(ev, &err);
        JSON_LIT(out, "data: ");
        api_error_write(&err, out);
        JSON_LIT(out, "\n\n");
        break;
    }
}

/* ---- whole ---- */

static bool choice_grow(choice *c)
{
    if (c->n_parts < c->cap)
        return true;
    uint32_t cap = c->cap ? 2 * c->cap : 1;
    event **parts = realloc(c->parts, cap * sizeof *parts);
    if (parts)
        c->parts = parts;
    const gen_chunk **chunks = realloc(c->part_chunks, cap * sizeof *chunks);
    if (chunks)
        c->part_chunks = chunks;
    if (!parts || !chunks)
        return false;
    c->cap = cap;
    return true;
}

/* The chunk moves into an event of ours, so that event_free frees it the way it was made. */
static bool keep_chunk(gen_reply *reply, event *ev)
{
    if (ev->chunk.choice >= reply->n_choices)
        return true;
    choice *c = &reply->choices[ev->chunk.choice];
    event *kept = choice_grow(c) ? event_create(EV_CHUNK, ev->request_id) : NULL;
    if (!kept)
        return false;
    kept->chunk = ev->chunk;
    ev->chunk = (gen_chunk){.choice = kept->chunk.choice, .finish = kept->chunk.finish};
    c->parts[c->n_parts] = kept;
    c->part_chunks[c->n_parts++] = &kept->chunk;
    return true;
}

bool gen_reply_collect(gen_reply *reply, event *ev)
{
    if (ev->kind == EV_CHUNK)
        return keep_chunk(reply, ev);
    if (ev->kind == EV_DONE) {
        reply->usage = ev->usage;
        reply->timings = ev->timings;
    }
    return true;
}

static void put_whole_text(buf *out, const choice *c)
{
    buf_putc(out, '"');
    for (uint32_t i = 0; i < c->n_parts; i++)
        json_string_part(out, c->part_chunks[i]->text ? c->part_chunks[i]->text : "",
                         c->part_chunks[i]->text_len);
    buf_putc(out, '"');
}

static void put_whole_ids(buf *out, const choice *c)
{
    bool more = false;
    JSON_LIT(out, ",\"token_ids\":[");
    for (uint32_t i = 0; i < c->n_parts; i++) {
        for (uint32_t k = 0; k < c->part_chunks[i]->n_ids; k++) {
            if (more)
                buf_putc(out, ',');
            json_int(out, c->part_chunks[i]->ids[k]);
            more = true;
        }
    }
    buf_putc(out, ']');
}

static void put_whole_choice(const gen_reply *reply, uint32_t index, buf *out)
{
    const choice *c = &reply->choices[index];
    bool chat = reply->request->format.family == GEN_CHAT;
    JSON_LIT(out, "{\"index\":");
    json_uint(out, index);
    buf_puts(out, chat ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"text\":");
    put_whole_text(out, c);
    if (chat)
        JSON_LIT(out, ",\"refusal\":null}");
    put_logprobs(out, reply, (token_records){c->part_chunks, c->n_parts});
    JSON_LIT(out, ",\"finish_reason\":");
    json_cstring(out, c->n_parts ? finish_reason(c->part_chunks[c->n_parts - 1]->finish) : NULL);
    if (reply->request->format.return_token_ids) {
        put_prompt_ids(out, reply, index);
        put_whole_ids(out, c);
    }
    put_spans(out, c->n_parts ? c->part_chunks[c->n_parts - 1] : NULL);
    buf_putc(out, '}');
}

static void put_rewards(const gen_reply *reply, buf *out)
{
    JSON_LIT(out, "{\"object\":\"list\",\"model\":");
    json_cstring(out, reply->request->format.model);
    JSON_LIT(out, ",\"data\":[");
    for (uint32_t i = 0; i < reply->n_choices; i++) {
        const choice *c = &reply->choices[i];
        buf_puts(out,
                 i ? ",{\"object\":\"reward\",\"index\":" : "{\"object\":\"reward\",\"index\":");
        json_uint(out, i);
        JSON_LIT(out, ",\"reward\":");
        json_float(out, c->n_parts ? c->part_chunks[0]->score : NAN);
        buf_putc(out, '}');
    }
    JSON_LIT(out, "],\"usage\":");
    put_usage(out, &reply->usage);
    buf_putc(out, '}');
}

void gen_reply_finish(gen_reply *reply, buf *out)
{
    if (reply->request->format.family == GEN_REWARDS) {
        put_rewards(reply, out);
        return;
    }
    buf_append(out, reply->head.data, reply->head.len);
    for (uint32_t i = 0; i < reply->n_choices; i++) {
        if (i)
            buf_putc(out, ',');
        put_whole_choice(reply, i, out);
    }
    JSON_LIT(out, "],\"usage\":");
    put_usage(out, &reply->usage);
    if (reply->request->format.return_timings)
        put_timings(out, &reply->timings);
    buf_putc(out, '}');
}

/* ---- failures ---- */

void gen_failure_error(const event *ev, api_error *err)
{
    switch (ev->error.kind) {
    case GEN_FAIL_QUEUE_FULL:
        api_fail(err, 429, "rate_limit_error", "queue_full", NULL,
                 "too many requests are waiting; try again shortly");
        break;
    case GEN_FAIL_DRAINING:
        api_fail(err, 503, "unavailable_error", "draining", NULL, "the server is shutting down");
        break;
    case GEN_FAIL_OUT_OF_MEMORY:
        api_fail(err, 503, "unavailable_error", "out_of_memory", NULL,
                 "the server has no memory for a request of this size");
        break;
    case GEN_FAIL_OTHER_SHAPE:
        api_invalid(err, "invalid_value", "model",
                    "this policy has another shape than those being served");
        break;
    case GEN_FAIL_NOT_FINITE:
        api_fail(err, 500, "server_error", NULL, NULL,
                 "the model gave a value that is not a finite number");
        break;
    }
    if (ev->error.retry_after_ms && err->retry_after_ms)
        err->retry_after_ms = ev->error.retry_after_ms;
}
