#include "formats/tensor_out.h"

#include <string.h>

uint32_t eng__rope_heads(const eng_config *c, const char *name)
{
    const char *part = strstr(name, ".attn_");
    if (c->pos == ENG_POS_LEARNED || !part)
        return 0;
    return strncmp(part, ".attn_q.", 8) == 0   ? c->n_head
           : strncmp(part, ".attn_k.", 8) == 0 ? c->n_kv_head
                                               : 0;
}

static void turn_rows(float *data, float *scratch, const eng_config *c, uint32_t n_heads,
                      size_t n_in, bool to_pairs)
{
    const uint32_t half = c->rope_dims / 2;
    for (uint32_t h = 0; h < n_heads; h++) {
        float *rows = data + (size_t)h * c->head_dim * n_in;
        memcpy(scratch, rows, (size_t)c->rope_dims * n_in * sizeof *rows);
        for (uint32_t i = 0; i < half; i++)
            for (uint32_t a = 0; a < 2; a++) {
                size_t in_pairs = 2 * (size_t)i + a, in_halves = (size_t)a * half + i;
                size_t to = to_pairs ? in_pairs : in_halves, from = to_pairs ? in_halves : in_pairs;
                memcpy(rows + to * n_in, scratch + from * n_in, n_in * sizeof *rows);
            }
    }
}

void eng__rope_to_half(float *data, float *scratch, const eng_config *config, uint32_t n_heads,
                       size_t n_in)
{
    turn_rows(data, scratch, config, n_heads, n_in, false);
}

void eng__rope_to_pairs(float *data, float *scratch, const eng_config *config, uint32_t n_heads,
                        size_t n_in)
{
    turn_rows(data, scratch, config, n_heads, n_in, true);
}

/* Writing over the floats from the front is safe: element i goes to half its old place. */
void eng__narrow(float *data, size_t n, eng_dtype type)
{
    unsigned char *out = (unsigned char *)data;
    if (type == ENG_F32)
        return;
    for (size_t i = 0; i < n; i++) {
        float f;
        memcpy(&f, out + 4 * i, sizeof f);
        uint16_t h = type == ENG_F16 ? eng_f32_to_f16(f) : eng_f32_to_bf16(f);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}
