#include "human/record.h"

#include <stdlib.h>
#include <string.h>

record *record_list_add(record_list *list)
{
    if (list->n == list->cap) {
        const size_t cap = list->cap ? 2 * list->cap : 256;
        if (cap > SIZE_MAX / sizeof(record))
            return NULL;
        record *rows = realloc(list->rows, cap * sizeof(record));
        if (!rows)
            return NULL;
        list->rows = rows;
        list->cap = cap;
    }
    record *r = &list->rows[list->n++];
    *r = (record){0};
    return r;
}

void record_list_free(record_list *list)
{
    free(list->rows);
    *list = (record_list){0};
}

/* ---- prompts ---- */

const char *record_prompt_text(const record_prompt *prompt, eng_arena *arena)
{
    if (prompt->text)
        return prompt->text;
    size_t total = 1;
    for (uint32_t i = 0; i < prompt->n_messages; i++)
        total += strlen(prompt->messages[i].content) + 1;
    char *text = eng_arena_alloc(arena, total), *at = text;
    for (uint32_t i = 0; text && i < prompt->n_messages; i++) {
        if (i)
            *at++ = '\n';
        const size_t len = strlen(prompt->messages[i].content);
        memcpy(at, prompt->messages[i].content, len);
        at += len;
    }
    return text;
}

bool record_prompt_equal(const record_prompt *a, const record_prompt *b)
{
    if (a->text || b->text)
        return a->text && b->text && strcmp(a->text, b->text) == 0;
    if (a->n_messages != b->n_messages)
        return false;
    for (uint32_t i = 0; i < a->n_messages; i++)
        if (strcmp(a->messages[i].role, b->messages[i].role) != 0 ||
            strcmp(a->messages[i].content, b->messages[i].content) != 0)
            return false;
    return true;
}

const char *record_prompt_origin(const record_prompt *prompt)
{
    if (prompt->text)
        return prompt->text;
    for (uint32_t i = 0; i < prompt->n_messages; i++)
        if (strcmp(prompt->messages[i].role, "user") == 0)
            return prompt->messages[i].content;
    return prompt->n_messages ? prompt->messages[0].content : "";
}

/* ---- ranks ---- */

uint32_t record_ranks(const record *r)
{
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < r->n_outputs; i++) {
        uint32_t k = 0;
        while (r->outputs[k].rank != r->outputs[i].rank)
            k++;
        distinct += k == i;
    }
    return distinct;
}

uint64_t record_pairs(const record *r)
{
    uint64_t pairs = 0;
    for (uint32_t i = 0; i < r->n_outputs; i++)
        for (uint32_t j = 0; j < r->n_outputs; j++)
            pairs += r->outputs[i].rank < r->outputs[j].rank;
    return pairs;
}
