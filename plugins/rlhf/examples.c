#include "rlhf/examples.h"

#include "base/sha256.h"
#include "rlhf/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct loader {
    const job_host *host;
    example_set *set;
    const eng_tokenizer *tok;
    token_limits limits;
    uint32_t window; /* pretrain: tokens of a window */
    size_t cap_items, cap_groups;
    int32_t *stream; /* pretrain: the joined texts so far */
    size_t n_stream, cap_stream;
    eng_error *err;
} loader;

static job_code no_memory(const loader *l)
{
    return code_fail(l->err, INSTRUCTD_E_NOMEM, "no memory for more than %zu examples", l->set->n);
}

/* The array, moved where it must grow by doubling to hold one more; NULL when memory is out. */
static void *with_room(void *array, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 256;
    void *grown = reallocarray(array, more, size);
    if (grown)
        *cap = more;
    return grown;
}

static job_code add_item(loader *l, const int32_t *tokens, uint32_t n, uint32_t n_prompt)
{
    example_set *s = l->set;
    int32_t *copy = eng_arena_array(&s->arena, n, sizeof *copy);
    example *items = with_room(s->items, &l->cap_items, s->n, sizeof *items);
    if (items)
        s->items = items;
    if (!copy || !items)
        return no_memory(l);
    memcpy(copy, tokens, n * sizeof *copy);
    s->items[s->n++] = (example){.tokens = copy, .n = n, .n_prompt = n_prompt};
    s->n_tokens += n;
    if (n > s->longest)
        s->longest = n;
    if (n_prompt > s->longest_prompt)
        s->longest_prompt = n_prompt;
    return INSTRUCTD_OK;
}

/* Takes over a tokenized row's example. */
static job_code take(loader *l, job_code code, eng_example *e, bool fits, bool cut)
{
    if (code != INSTRUCTD_OK || !fits)
        return code;
    l->set->cut += cut;
    code = add_item(l, e->tokens, e->n_tokens, e->n_prompt);
    eng_example_free(e);
    return code;
}

/* ---- rows ---- */

static job_code add_supervised(loader *l, const data_row *row)
{
    eng_example e;
    bool fits = false, cut = false;
    if (row->n_outputs) {
        job_code code = tokenise(l->tok, &row->prompt, &row->outputs[0].text, l->limits, &e, &fits,
                                 &cut, l->err);
        code = take(l, code, &e, fits, cut);
        l->set->dropped += code == INSTRUCTD_OK && !fits;
        return code;
    }
    for (uint32_t i = 0; i < row->prompt.n_messages; i++) {
        if (!row->prompt.messages[i].learn)
            continue;
        job_code code = tokenise_turn(l->tok, &row->prompt, i, l->limits, &e, &fits, &cut, l->err);
        code = take(l, code, &e, fits, cut);
        if (code != INSTRUCTD_OK)
            return code;
        l->set->dropped += !fits;
    }
    return INSTRUCTD_OK;
}

static job_code add_ranked(loader *l, const data_row *row)
{
    example_set *s = l->set;
    example_group *groups = with_room(s->groups, &l->cap_groups, s->n_groups, sizeof *groups);
    if (!groups)
        return no_memory(l);
    s->groups = groups;
    example_group *group = &groups[s->n_groups];
    *group = (example_group){.first = (uint32_t)s->n, .k = row->n_outputs};
    for (uint32_t k = 0; k < row->n_outputs; k++) {
        eng_example e;
        bool fits = false, cut = false;
        job_code code = tokenise(l->tok, &row->prompt, &row->outputs[k].text, l->limits, &e, &fits,
                                 &cut, l->err);
        code = take(l, code, &e, fits, cut);
        if (code != INSTRUCTD_OK)
            return code;
        if (!fits) { /* the prompt is the same for all: the first tells */
            s->dropped++;
            return INSTRUCTD_OK;
        }
        group->rank[k] = row->outputs[k].group;
    }
    s->n_groups++;
    return INSTRUCTD_OK;
}

static job_code add_prompt(loader *l, const data_row *row)
{
    eng_example e;
    bool fits = false, cut = false;
    job_code code = tokenise(l->tok, &row->prompt, NULL, l->limits, &e, &fits, &cut, l->err);
    code = take(l, code, &e, fits, cut);
    l->set->dropped += code == INSTRUCTD_OK && !fits;
    return code;
}

/* A text and its end token join the stream; windows are cut at the end. */
static job_code add_text(loader *l, const data_row *row)
{
    const int32_t end = eng_token_roles_of(l->tok)->end_of_text;
    size_t n = 0, room = (size_t)row->prompt.len + 1;
    while (l->n_stream + room > l->cap_stream) {
        size_t cap = l->cap_stream ? l->cap_stream * 2 : 4096;
        int32_t *stream = reallocarray(l->stream, cap, sizeof *stream);
        if (!stream)
            return no_memory(l);
        l->stream = stream;
        l->cap_stream = cap;
    }
    /* Without specials a token stands for a byte at least: the room is enough. */
    eng_status status = eng_tokenize(l->tok, row->prompt.text, row->prompt.len, NULL, 0,
                                     l->stream + l->n_stream, room, &n, l->err);
    if (status != ENG_OK)
        return code_of(status);
    l->n_stream += n;
    if (end >= 0)
        l->stream[l->n_stream++] = end;
    return INSTRUCTD_OK;
}

static job_code cut_windows(loader *l)
{
    for (size_t at = 0; at + 1 < l->n_stream; at += l->window) {
        size_t left = l->n_stream - at;
        uint32_t n = left < l->window ? (uint32_t)left : l->window;
        job_code code = add_item(l, l->stream + at, n, 1);
        if (code != INSTRUCTD_OK)
            return code;
    }
    return INSTRUCTD_OK;
}

/* ---- files ---- */

static job_code load_rows(loader *l, int fd, data_format format)
{
    static job_code (*const adders[])(loader *, const data_row *) = {add_supervised, add_ranked,
                                                                     add_prompt, add_text};
    data_reader *reader;
    const data_row *row;
    job_code code = data_open(&reader, fd, format, l->err);
    while (code == INSTRUCTD_OK) {
        code = data_next(reader, &row, l->err);
        if (code != INSTRUCTD_OK || !row)
            break;
        l->set->rows++;
        code = host_go_on(l->host, l->err);
        if (code != INSTRUCTD_OK)
            break;
        code = adders[format](l, row);
        if (code != INSTRUCTD_OK) {
            eng_error why = *l->err;
            code_fail(l->err, code, "line %llu: %.460s", (unsigned long long)row->line, why.text);
        }
    }
    data_close(reader);
    return code == INSTRUCTD_OK && format == DATA_PRETRAIN ? cut_windows(l) : code;
}

static void digest(example_set *s)
{
    eng_sha256 sha;
    eng_sha256_init(&sha);
    for (size_t i = 0; i < s->n; i++) {
        const uint32_t head[2] = {s->items[i].n, s->items[i].n_prompt};
        eng_sha256_update(&sha, head, sizeof head);
        eng_sha256_update(&sha, s->items[i].tokens, s->items[i].n * sizeof(int32_t));
    }
    for (size_t i = 0; i < s->n_groups; i++)
        eng_sha256_update(&sha, &s->groups[i], sizeof s->groups[i]);
    eng_sha256_final_hex(&sha, s->sha256);
}

job_code examples_load(example_set *out, const job_host *host, const char *field,
                       const char *file_id, data_format format, const eng_tokenizer *tok,
                       token_limits limits, uint32_t n_ctx, eng_error *err)
{
    int fd;
    eng_error why;
    *out = (example_set){0};
    eng_arena_init(&out->arena, SIZE_MAX / 2);
    loader l = {.host = host,
                .set = out,
                .tok = tok,
                .limits = limits,
                .window = n_ctx < PRETRAIN_WINDOW ? n_ctx : PRETRAIN_WINDOW,
                .err = &why};
    job_code code = host_file_open(host, file_id, &fd, &why);
    if (code == INSTRUCTD_OK) {
        code = load_rows(&l, fd, format);
        close(fd);
    }
    free(l.stream);
    if (code == INSTRUCTD_OK && out->n == 0)
        code = code_fail(&why, INSTRUCTD_E_INVALID,
                         "nothing is left of %llu rows: %llu prompts are longer than %u tokens",
                         (unsigned long long)out->rows, (unsigned long long)out->dropped,
                         limits.prompt);
    if (code != INSTRUCTD_OK)
        return code_fail(err, code, "%s %.64s: %.400s", field, file_id, why.text);
    digest(out);
    return INSTRUCTD_OK;
}

void examples_report(const example_set *s, const job_host *host, const char *field)
{
    host_event(
        host, s->dropped || s->cut ? INSTRUCTD_LOG_WARN : INSTRUCTD_LOG_INFO,
        "%s: %llu rows, %zu sequences, %llu tokens in all; %llu prompts left out as too long, "
        "%llu answers cut",
        field, (unsigned long long)s->rows, s->n, (unsigned long long)s->n_tokens,
        (unsigned long long)s->dropped, (unsigned long long)s->cut);
}

void examples_free(example_set *s)
{
    free(s->items);
    free(s->groups);
    eng_arena_free(&s->arena);
    *s = (example_set){0};
}
