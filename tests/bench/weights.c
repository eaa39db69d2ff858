#include "weights.h"

#include "infer/model.h" /* the sizes of the packed matrices, which are nobody else's business */

#include <string.h>

static void add_matrix(weight_cost *c, const eng_packed *w, double *ops)
{
    if (!w->data)
        return;
    c->step_bytes += (uint64_t)w->group_bytes * w->n_groups;
    *ops += 2.0 * w->n * w->k;
}

static void choose_limit(weight_cost *c, const char *dtype, const machine_limits *limits)
{
    if (strcmp(dtype, "f32") == 0 || strcmp(dtype, "f16") == 0) {
        c->unit = "fp32";
        c->limit_gop_s = limits->fp32_gflop_s;
    } else if (strcmp(dtype, "bf16") == 0) {
        const bool has_dot = limits_bf16_loop().run != NULL;
        c->unit = has_dot ? "bf16" : "fp32";
        c->limit_gop_s = has_dot ? limits->bf16_gflop_s : limits->fp32_gflop_s;
    } else {
        c->unit = "int8";
        c->limit_gop_s = limits->int8_gop_s;
    }
}

weight_cost weight_cost_of(const eng_model *model, const machine_limits *limits)
{
    weight_cost c = {0};
    for (uint32_t l = 0; l < model->config.n_layer; l++) {
        const eng_layer *layer = &model->layers[l];
        const eng_linear *parts[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                                     &layer->gate, &layer->up, &layer->down};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            add_matrix(&c, &parts[i]->w, &c.row_ops);
    }
    add_matrix(&c, model->config.tied ? &model->embed : &model->unembed.w, &c.output_ops);
    choose_limit(&c, eng_model_dtype(model), limits);
    return c;
}
