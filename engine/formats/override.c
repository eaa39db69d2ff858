/* A source with other weights than its file's. */
#include "formats/source_parts.h"

#include <string.h>

typedef unsigned long long ull; /* for %llu */

/* ---- weights that the caller makes ---- */

static void make_f32(eng__stored *t)
{
    t->info.type = ENG_F32;
    t->info.n_bytes = t->info.n_elements * sizeof(float);
    t->foreign = NULL;
    t->transposed = false;
}

static eng__stored score_tensor(const char *name, uint32_t n_dims, uint64_t n)
{
    return (eng__stored){.info = {.name = name,
                                  .type = ENG_F32,
                                  .n_dims = n_dims,
                                  .dims = {n, n_dims == 2 ? 1 : 0},
                                  .n_elements = n,
                                  .n_bytes = n * sizeof(float)}};
}

eng_status eng__source_override(eng_source *src, bool scored, eng__source_maker make, void *ctx,
                                eng_error *err)
{
    const eng__directory *old = &src->tensors;
    eng__directory all = {0};
    all.tensors = eng_arena_array(&src->arena, old->n + 2, sizeof *all.tensors);
    if (!all.tensors)
        return eng_fail(err, ENG_NOMEM, "no memory for %zu tensors", old->n + 2);
    for (size_t i = 0; i < old->n; i++) {
        if (scored && strcmp(old->tensors[i].info.name, "output.weight") == 0)
            continue;
        all.tensors[all.n] = old->tensors[i];
        make_f32(&all.tensors[all.n++]);
    }
    if (scored && !eng__directory_find(old, "score.weight"))
        all.tensors[all.n++] = score_tensor("score.weight", 2, src->config.n_embd);
    if (scored && !eng__directory_find(old, "score.bias"))
        all.tensors[all.n++] = score_tensor("score.bias", 1, 1);
    src->config.tied = src->config.tied || scored; /* no unembedding of its own */
    src->tensors = all;
    src->make = make;
    src->make_ctx = ctx;
    return eng__directory_index(&src->tensors, &src->arena, err);
}

/* ---- weights in memory ---- */

static const eng_weight *find_weight(const eng_weights *weights, const char *name)
{
    for (uint32_t i = 0; i < weights->n; i++)
        if (strcmp(weights->list[i].name, name) == 0)
            return &weights->list[i];
    return NULL;
}

static eng_status copy_weight(void *ctx, const eng_tensor_info *tensor, float *dst, eng_error *err)
{
    const eng_weight *w = find_weight(ctx, tensor->name);
    (void)err; /* all of them were found before */
    memcpy(dst, w->data, (size_t)w->n * sizeof *dst);
    return ENG_OK;
}

/* Each tensor has its weight; as many weights as tensors then leave no other and none twice. */
static eng_status check_weights(const eng_source *src, const eng_weights *weights, eng_error *err)
{
    for (size_t i = 0; i < src->tensors.n; i++) {
        const eng_tensor_info *t = &src->tensors.tensors[i].info;
        const eng_weight *w = find_weight(weights, t->name);
        if (!w)
            return eng_fail(err, ENG_INVALID, "tensor %s: missing", t->name);
        if (w->n != t->n_elements)
            return eng_fail(err, ENG_INVALID, "tensor %s: %llu elements, expected %llu", t->name,
                            (ull)w->n, (ull)t->n_elements);
    }
    for (uint32_t i = 0; weights->n != src->tensors.n && i < weights->n; i++) {
        const char *name = weights->list[i].name;
        if (!eng__directory_find(&src->tensors, name))
            return eng_fail(err, ENG_INVALID, "tensor %.140s: the base model has none of this name",
                            name);
        if (find_weight(weights, name) != &weights->list[i])
            return eng_fail(err, ENG_INVALID, "tensor %s: listed twice", name);
    }
    return ENG_OK;
}

eng_status eng__source_take_weights(eng_source *src, const eng_weights *weights, eng_error *err)
{
    const bool scored = find_weight(weights, "score.weight") != NULL;
    eng_status status =
        eng__source_override(src, scored, copy_weight, (void *)(uintptr_t)weights, err);
    if (status == ENG_OK)
        status = check_weights(src, weights, err);
    if (status == ENG_OK)
        src->lent = weights;
    return status;
}

const float *eng__source_lent(const eng_source *src, const eng_tensor_info *tensor)
{
    return src->lent ? find_weight(src->lent, tensor->name)->data : NULL;
}
