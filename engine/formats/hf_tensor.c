#include "formats/hf_tensor.h"

#include "formats/tensor_out.h"

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
    t.rope_heads = config->pos == ENG_POS_ROPE_PAIRS ? eng__rope_heads(config, info->name) : 0;
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

static size_t width_of(const eng__hf_tensor *tensor)
{
    return tensor->n_dims == 2 ? (size_t)tensor->shape[1] : 1;
}

size_t eng__hf_relayout_floats(const eng__hf_tensor *tensor, const eng_config *config)
{
    if (tensor->conv1d)
        return (size_t)tensor->shape[0] * width_of(tensor);
    return tensor->rope_heads ? config->rope_dims * width_of(tensor) : 0;
}

float *eng__hf_relayout(const eng__hf_tensor *tensor, const eng_config *config, float *data,
                        float *other)
{
    if (tensor->rope_heads)
        eng__rope_to_half(data, other, config, tensor->rope_heads, width_of(tensor));
    if (!tensor->conv1d)
        return data;
    to_conv1d(other, data, (size_t)tensor->shape[0], (size_t)tensor->shape[1]);
    return other;
}
