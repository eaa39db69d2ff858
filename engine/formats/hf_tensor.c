#include "formats/hf_tensor.h"

#include <string.h>

static uint32_t rope_heads_of(const eng_config *c, const char *name)
{
    const char *part = strstr(name, ".attn_");
    if (c->pos != ENG_POS_ROPE_PAIRS || !part)
        return 0;
    return strncmp(part, ".attn_q.", 8) == 0   ? c->n_head
           : strncmp(part, ".attn_k.", 8) == 0 ? c->n_kv_head
                                               : 0;
}

eng_status eng__hf_tensor_of(eng__hf_tensor *out, const eng_config *config,
                             const eng_tensor_info *info, eng_error *err)
{
    eng__hf_tensor t = {.n_dims = info->n_dims};
    if (eng__name_to_hf(config, info->name, t.name, &t.conv1d) != ENG__NAME_TENSOR)
        return eng_fail(err, ENG_UNSUPPORTED, "tensor %s: has no place in a Hugging Face directory",
                        info->name);
    if (info->n_dims < 1 || info->n_dims > 2)
        return eng_fail(err, ENG_UNSUPPORTED, "tensor %s: %u dimensions, expected 1 or 2",
                        info->name, info->n_dims);
    uint64_t rows = info->dims[info->n_dims - 1];
    t.rope_heads = rope_heads_of(config, info->name);
    if (t.rope_heads && rows != (uint64_t)t.rope_heads * config->head_dim)
        return eng_fail(err, ENG_FORMAT, "tensor %s: %llu rows, expected %u heads of %u",
                        info->name, (unsigned long long)rows, t.rope_heads, config->head_dim);
    t.conv1d = t.conv1d && info->n_dims == 2;
    t.shape[0] = t.conv1d ? info->dims[0] : rows;
    if (info->n_dims == 2)
        t.shape[1] = t.conv1d ? rows : info->dims[0];
    *out = t;
    return ENG_OK;
}

/* Adjacent pairs to half-split, in place: row 2i+a of each head becomes row a*r/2 + i, where r
 * rotating rows lead a head. `head` is scratch for one head. */
static void undo_rope_pairs(float *data, float *head, uint32_t n_heads, uint32_t head_dim,
                            uint32_t r, size_t n_in)
{
    for (uint32_t h = 0; h < n_heads; h++) {
        float *rows = data + (size_t)h * head_dim * n_in;
        memcpy(head, rows, (size_t)r * n_in * sizeof *head);
        for (uint32_t i = 0; i < r / 2; i++)
            for (uint32_t a = 0; a < 2; a++)
                memcpy(rows + ((size_t)a * (r / 2) + i) * n_in, head + (2 * (size_t)i + a) * n_in,
                       n_in * sizeof *head);
    }
}

/* dst[n_in][n_out] = src[n_out][n_in] */
static void to_conv1d(float *dst, const float *src, size_t n_in, size_t n_out)
{
    enum { TILE = 32 };
    for (size_t o0 = 0; o0 < n_out; o0 += TILE)
        for (size_t i0 = 0; i0 < n_in; i0 += TILE)
            for (size_t o = o0; o < n_out && o < o0 + TILE; o++)
                for (size_t i = i0; i < n_in && i < i0 + TILE; i++)
                    dst[i * n_out + o] = src[o * n_in + i];
}

float *eng__hf_relayout(const eng__hf_tensor *tensor, const eng_config *config, float *data,
                        float *other)
{
    if (tensor->rope_heads)
        undo_rope_pairs(data, other, tensor->rope_heads, config->head_dim, config->rope_dims,
                        tensor->n_dims == 2 ? (size_t)tensor->shape[1] : 1);
    if (!tensor->conv1d)
        return data;
    to_conv1d(other, data, (size_t)tensor->shape[0], (size_t)tensor->shape[1]);
    return other;
}
