#include "rlhf/state.h"

#include <math.h>

static const uint64_t MOST = UINT64_C(1) << 53;

void state_guard_fields(state_field out[GUARD_FIELDS], const char *const names[GUARD_FIELDS],
                        guard *g)
{
    out[0] = (state_field){names[0], STATE_NUMBER, g->norms, GUARD_WINDOW};
    out[1] = (state_field){names[1], STATE_COUNT, &g->taken, 1};
    out[2] = (state_field){names[2], STATE_COUNT, &g->skipped, 1};
    out[3] = (state_field){names[3], STATE_COUNT, &g->in_row, 1};
    out[4] = (state_field){names[4], STATE_COUNT, &g->spike_batch, 1};
}

static void put_value(eng__text *out, const state_field *f, uint32_t i)
{
    if (f->kind == STATE_COUNT)
        eng__text_printf(out, "%llu", (unsigned long long)((const uint64_t *)f->at)[i]);
    else
        eng__text_double(out, ((const double *)f->at)[i]);
}

void state_put(eng__text *out, const state_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const state_field *f = &fields[i];
        eng__text_printf(out, "%s\"%s\":%s", i ? "," : "", f->name, f->n > 1 ? "[" : "");
        for (uint32_t k = 0; k < f->n; k++) {
            eng__text_put(out, ",", k ? 1 : 0);
            put_value(out, f, k);
        }
        eng__text_put(out, "]", f->n > 1 ? 1 : 0);
    }
}

static bool get_value(const state_field *f, uint32_t i, const eng_json *node)
{
    if (f->kind == STATE_COUNT)
        return eng_json_uint(node, 0, MOST, &((uint64_t *)f->at)[i]);
    if (!eng_json_is(node, ENG_JSON_NUMBER) && !eng_json_is(node, ENG_JSON_NULL))
        return false;
    ((double *)f->at)[i] = node->type == ENG_JSON_NULL ? NAN : node->number;
    return true;
}

static bool get_field(const state_field *f, const eng_json *node)
{
    if (f->n == 1)
        return get_value(f, 0, node);
    if (!eng_json_is(node, ENG_JSON_ARRAY) || node->n != f->n)
        return false;
    for (uint32_t k = 0; k < f->n; k++)
        if (!get_value(f, k, &node->items[k]))
            return false;
    return true;
}

job_code state_get(const eng_json *object, const state_field *fields, size_t n, eng_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!get_field(&fields[i], eng_json_get(object, fields[i].name)))
            return code_fail(err, INSTRUCTD_E_INVALID, "state.json: %s is missing or no %s of %u",
                             fields[i].name,
                             fields[i].kind == STATE_COUNT ? "count" : "list or number",
                             fields[i].n);
    return INSTRUCTD_OK;
}
