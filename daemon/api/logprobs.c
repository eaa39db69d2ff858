#include "api/logprobs.h"

#include "api/json_out.h"
#include "text_stream.h"

#include <string.h>

/* ---- tokens as text ---- */

/* "bytes:\xf0\x9f", in JSON with doubled backslashes. */
static void put_bytes_name(buf *out, const char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    JSON_LIT(out, "\"bytes:");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        char code[5] = {'\\', '\\', 'x', digits[c >> 4], digits[c & 15]};
        buf_append(out, code, sizeof code);
    }
    buf_putc(out, '"');
}

static const char *token_text(const eng_tokenizer *tok, int32_t id, size_t *len)
{
    const char *bytes = eng_token_bytes(tok, id, len);
    if (bytes)
        return bytes;
    *len = 0;
    return "";
}

static void put_token(buf *out, const eng_tokenizer *tok, int32_t id)
{
    size_t len;
    const char *bytes = token_text(tok, id, &len);
    if (eng_utf8_valid(bytes, len))
        json_string(out, bytes, len);
    else
        put_bytes_name(out, bytes, len);
}

static void put_byte_list(buf *out, const eng_tokenizer *tok, int32_t id)
{
    size_t len;
    const char *bytes = token_text(tok, id, &len);
    buf_putc(out, '[');
    for (size_t i = 0; i < len; i++) {
        if (i)
            buf_putc(out, ',');
        json_uint(out, (unsigned char)bytes[i]);
    }
    buf_putc(out, ']');
}

/* ---- completions: four parallel arrays ---- */

/* The keys written into one map so far, as spans of the output. */
typedef struct map_keys {
    size_t start[ENG_MAX_TOP + 1], len[ENG_MAX_TOP + 1];
    uint32_t n;
} map_keys;

static bool key_is_taken(const buf *out, const map_keys *keys, size_t start)
{
    size_t len = out->len - start;
    for (uint32_t i = 0; i < keys->n; i++)
        if (keys->len[i] == len && memcmp(out->data + keys->start[i], out->data + start, len) == 0)
            return true;
    return false;
}

/* Two tokens may print alike (a special token and the same text): the second is named by its id. */
static void put_map_entry(buf *out, const eng_tokenizer *tok, map_keys *keys, int32_t id,
                          float logprob)
{
    if (keys->n)
        buf_putc(out, ',');
    size_t start = out->len;
    put_token(out, tok, id);
    if (!out->failed && key_is_taken(out, keys, start)) {
        out->len = start;
        JSON_LIT(out, "\"token_id:");
        json_int(out, id);
        buf_putc(out, '"');
    }
    keys->start[keys->n] = start;
    keys->len[keys->n++] = out->len - start;
    buf_putc(out, ':');
    json_logprob(out, logprob);
}

static void put_top_map(buf *out, const eng_tokenizer *tok, const gen_token *t)
{
    map_keys keys = {.n = 0};
    bool listed = false;
    buf_putc(out, '{');
    for (uint8_t i = 0; i < t->n_top && i < ENG_MAX_TOP; i++) {
        listed |= t->top[i].token == t->id;
        put_map_entry(out, tok, &keys, t->top[i].token, t->top[i].logprob);
    }
    if (!listed)
        put_map_entry(out, tok, &keys, t->id, t->logprob);
    buf_putc(out, '}');
}

typedef enum column { COLUMN_TOKEN, COLUMN_LOGPROB, COLUMN_TOP, COLUMN_OFFSET } column;

static void put_cell(buf *out, const eng_tokenizer *tok, const gen_token *t, column which)
{
    if (which == COLUMN_TOKEN)
        put_token(out, tok, t->id);
    else if (which == COLUMN_OFFSET)
        json_uint(out, t->text_offset);
    else if (t->first)
        JSON_LIT(out, "null");
    else if (which == COLUMN_LOGPROB)
        json_logprob(out, t->logprob);
    else
        put_top_map(out, tok, t);
}

static void put_column(buf *out, const eng_tokenizer *tok, token_records records, column which)
{
    bool more = false;
    buf_putc(out, '[');
    for (uint32_t c = 0; c < records.n_chunks; c++) {
        for (uint32_t i = 0; i < records.chunks[c]->n_tokens; i++) {
            if (more)
                buf_putc(out, ',');
            put_cell(out, tok, &records.chunks[c]->tokens[i], which);
            more = true;
        }
    }
    buf_putc(out, ']');
}

void logprobs_completion(buf *out, const eng_tokenizer *tok, token_records records)
{
    JSON_LIT(out, "{\"tokens\":");
    put_column(out, tok, records, COLUMN_TOKEN);
    JSON_LIT(out, ",\"token_logprobs\":");
    put_column(out, tok, records, COLUMN_LOGPROB);
    JSON_LIT(out, ",\"top_logprobs\":");
    put_column(out, tok, records, COLUMN_TOP);
    JSON_LIT(out, ",\"text_offset\":");
    put_column(out, tok, records, COLUMN_OFFSET);
    buf_putc(out, '}');
}

/* ---- chat: a list of records ---- */

static void put_entry_open(buf *out, const eng_tokenizer *tok, int32_t id, float logprob)
{
    JSON_LIT(out, "{\"token\":");
    put_token(out, tok, id);
    JSON_LIT(out, ",\"logprob\":");
    json_logprob(out, logprob);
    JSON_LIT(out, ",\"bytes\":");
    put_byte_list(out, tok, id);
}

static void put_record(buf *out, const eng_tokenizer *tok, const gen_token *t)
{
    put_entry_open(out, tok, t->id, t->logprob);
    JSON_LIT(out, ",\"top_logprobs\":[");
    for (uint8_t i = 0; i < t->n_top; i++) {
        if (i)
            buf_putc(out, ',');
        put_entry_open(out, tok, t->top[i].token, t->top[i].logprob);
        buf_putc(out, '}');
    }
    JSON_LIT(out, "]}");
}

void logprobs_chat(buf *out, const eng_tokenizer *tok, token_records records)
{
    bool more = false;
    JSON_LIT(out, "{\"content\":[");
    for (uint32_t c = 0; c < records.n_chunks; c++) {
        for (uint32_t i = 0; i < records.chunks[c]->n_tokens; i++) {
            const gen_token *t = &records.chunks[c]->tokens[i];
            if (t->hidden)
                continue;
            if (more)
                buf_putc(out, ',');
            put_record(out, tok, t);
            more = true;
        }
    }
    JSON_LIT(out, "],\"refusal\":null}");
}
