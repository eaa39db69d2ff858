#include "human/build.h"

#include "human/cap.h"
#include "human/dedupe.h"
#include "human/normalise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct build {
    record_list *rows;
    const build_parameters *p;
    eng_arena *arena;
    build_counts *counts;
    error_text *err;
} build;

static bool no_memory(const build *b)
{
    return error_text_set(b->err, "more text than a data set may hold");
}

static bool is_kept(const build *b, size_t i)
{
    return b->rows->rows[i].fate == FATE_KEPT;
}

static void drop(const build *b, size_t i, record_fate fate, uint64_t *count)
{
    b->rows->rows[i].fate = fate;
    ++*count;
}

/* ---- stages ---- */

static bool fit(build *b)
{
    b->counts->read = b->rows->n;
    for (size_t i = 0; i < b->rows->n; i++)
        if (!is_kept(b, i) || !dataset_kind_fit(b->p->kind, &b->rows->rows[i]))
            drop(b, i, FATE_UNFIT, &b->counts->unfit);
    return true;
}

static bool cap(build *b)
{
    size_t n = 0;
    cap_item *items = calloc(b->rows->n + 1, sizeof *items);
    if (!items)
        return no_memory(b);
    for (size_t i = 0; i < b->rows->n; i++) {
        const record *r = &b->rows->rows[i];
        if (is_kept(b, i) && r->user)
            items[n++] = (cap_item){.user = r->user, .id = r->id, .index = i};
    }
    cap_users(items, n, b->p->cap_per_user, b->p->seed);
    for (size_t i = 0; i < n; i++)
        if (!items[i].kept)
            drop(b, items[i].index, FATE_CAPPED, &b->counts->capped);
    free(items);
    return true;
}

/* A row of a file that compares answers, and is no part of a task or of a tree. */
static bool is_lone_comparison(const record *r)
{
    return r->n_outputs >= RECORD_MIN_RANKED && !r->task_id && strcmp(r->unit, r->id) == 0;
}

/* All that such a row says: prompt, answers, ranks. */
static const char *comparison_text(const record *r, eng_arena *arena)
{
    const char *prompt = record_prompt_text(&r->prompt, arena);
    size_t bytes = prompt ? strlen(prompt) + 1 : 1, len = 0;
    for (uint32_t i = 0; i < r->n_outputs; i++)
        bytes += strlen(r->outputs[i].text) + sizeof "\n4294967295 ";
    char *text = prompt ? eng_arena_alloc(arena, bytes) : NULL;
    if (!text)
        return NULL;
    len += (size_t)snprintf(text, bytes, "%s", prompt);
    for (uint32_t i = 0; i < r->n_outputs; i++)
        len += (size_t)snprintf(text + len, bytes - len, "\n%u %s", r->outputs[i].rank,
                                r->outputs[i].text);
    return text;
}

typedef struct comparison {
    const char *text;
    size_t index;
} comparison;

static int by_text_and_age(const void *a, const void *b)
{
    const comparison *x = a, *y = b;
    const int order = strcmp(x->text, y->text);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The same comparison again. Another one of the same prompt is none: many sets have several pairs
 * for each, and a reward model learns from all. */
static bool drop_copies(build *b)
{
    size_t n = 0;
    bool ok = true;
    comparison *items = calloc(b->rows->n + 1, sizeof *items);
    if (!items)
        return no_memory(b);
    for (size_t i = 0; i < b->rows->n && ok; i++)
        if (is_kept(b, i) && is_lone_comparison(&b->rows->rows[i])) {
            const char *text = comparison_text(&b->rows->rows[i], b->arena);
            ok = text || no_memory(b);
            items[n++] = (comparison){text, i};
        }
    if (ok)
        qsort(items, n, sizeof *items, by_text_and_age);
    for (size_t i = 1; i < n && ok; i++)
        if (strcmp(items[i - 1].text, items[i].text) == 0)
            drop(b, items[i].index, FATE_DUPLICATE, &b->counts->duplicates);
    free(items);
    return ok;
}

static bool drop_duplicates(build *b)
{
    size_t n = 0;
    bool ok = true;
    dedupe_item *items = calloc(b->rows->n + 1, sizeof *items);
    if (!items)
        return no_memory(b);
    for (size_t i = 0; i < b->rows->n && ok; i++) {
        if (!is_kept(b, i))
            continue;
        const record *r = &b->rows->rows[i];
        const char *text = record_prompt_text(&r->prompt, b->arena);
        text = text ? text_normalise(text, b->arena) : NULL;
        ok = text || no_memory(b);
        const char *unit = is_lone_comparison(r) ? text : r->unit;
        items[n++] = (dedupe_item){.text = text, .unit = unit, .age = i};
    }
    if (ok)
        dedupe(items, n);
    for (size_t i = 0; i < n && ok; i++)
        if (!items[i].kept)
            drop(b, items[i].age, FATE_DUPLICATE, &b->counts->duplicates);
    free(items);
    return ok;
}

/* By user, or, for what is nobody's, by prompt. */
static bool split(build *b)
{
    const split_shares shares =
        dataset_kind_trains(b->p->kind) ? b->p->shares : (split_shares){0, 0};
    for (size_t i = 0; i < b->rows->n; i++) {
        record *r = &b->rows->rows[i];
        if (!is_kept(b, i))
            continue;
        const char *name = r->user;
        if (!name && !(name = text_normalise(record_prompt_origin(&r->prompt), b->arena)))
            return no_memory(b);
        r->part = split_part(shares, b->p->salt, name);
        b->counts->split[r->part]++;
    }
    return true;
}

static unsigned pii_of(pii_scanner *scanner, const record *r)
{
    unsigned kinds = 0;
    const record_prompt *p = &r->prompt;
    if (p->text)
        kinds |= pii_scan(scanner, p->text, strlen(p->text));
    for (uint32_t i = 0; i < p->n_messages; i++)
        kinds |= pii_scan(scanner, p->messages[i].content, strlen(p->messages[i].content));
    for (uint32_t i = 0; i < r->n_outputs; i++)
        kinds |= pii_scan(scanner, r->outputs[i].text, strlen(r->outputs[i].text));
    return kinds;
}

static bool drop_personal(build *b)
{
    pii_scanner *scanner = pii_create(PII_MATCH_LIMIT, b->err);
    if (!scanner)
        return false;
    for (size_t i = 0; i < b->rows->n; i++) {
        const record *r = &b->rows->rows[i];
        const unsigned kinds = is_kept(b, i) && r->part == PART_TRAIN ? pii_of(scanner, r) : 0;
        for (int k = 0; k < PII_KINDS; k++)
            b->counts->pii_kinds[k] += kinds >> k & 1;
        if (kinds)
            drop(b, i, FATE_PII, &b->counts->pii);
    }
    pii_free(scanner);
    return true;
}

static void count_tag(build_counts *c, const char *name)
{
    size_t k = 0;
    while (k < c->n_tags && strcmp(c->tags[k].name, name) != 0)
        k++;
    if (k == BUILD_TAGS)
        return;
    if (k == c->n_tags)
        c->tags[c->n_tags++].name = name;
    c->tags[k].rows++;
}

static bool count(build *b)
{
    for (size_t i = 0; i < b->rows->n; i++) {
        const record *r = &b->rows->rows[i];
        if (!is_kept(b, i))
            continue;
        b->counts->rows[r->part]++;
        b->counts->pairs[r->part] += record_pairs(r);
        count_tag(b->counts, r->category ? r->category : "none");
    }
    return true;
}

bool dataset_build(record_list *rows, const build_parameters *p, eng_arena *arena,
                   build_counts *out, error_text *err)
{
    build b = {rows, p, arena, out, err};
    *out = (build_counts){0};
    return fit(&b) && cap(&b) && drop_copies(&b) && drop_duplicates(&b) && split(&b) &&
           drop_personal(&b) && count(&b);
}
