#include "human/kind.h"

#include <string.h>

static const char *const texts[] = {
#define KIND__TEXT(name, text) text,
    DATASET_KIND_MAP(KIND__TEXT)
#undef KIND__TEXT
};

const char *dataset_kind_text(dataset_kind kind)
{
    return texts[kind];
}

bool dataset_kind_parse(const char *text, dataset_kind *out)
{
    for (int k = 0; k < DATASET_KINDS; k++)
        if (strcmp(text, texts[k]) == 0) {
            *out = (dataset_kind)k;
            return true;
        }
    return false;
}

bool dataset_kind_trains(dataset_kind kind)
{
    return kind != DATASET_EVAL && kind != DATASET_TOXICITY;
}

/* The first of rank 0 that says something. */
static bool keep_best(record *r)
{
    for (uint32_t i = 0; i < r->n_outputs; i++)
        if (r->outputs[i].rank == 0 && r->outputs[i].text[0]) {
            r->outputs += i;
            r->n_outputs = 1;
            return true;
        }
    return false;
}

bool dataset_kind_fit(dataset_kind kind, record *r)
{
    if (dataset_kind_trains(kind) && r->role && strcmp(r->role, "heldout") == 0)
        return false;
    if (kind == DATASET_PPO) {
        r->n_outputs = 0;
        return true;
    }
    if (kind == DATASET_SFT)
        return keep_best(r);
    return r->n_outputs >= RECORD_MIN_RANKED && r->n_outputs <= RECORD_MAX_RANKED;
}
