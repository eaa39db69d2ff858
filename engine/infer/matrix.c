#include "infer/matrix.h"

#include "base/pace.h"
#include "compute/pack.h"

#include <stdlib.h>

static void encode_row(const eng_kernels *kernels, eng_dtype type, uint8_t *dst, const float *x,
                       uint32_t k)
{
    if (type == ENG_Q8_0)
        kernels->encode_q8_0(dst, x, k);
    else
        eng__encode_row(type, x, dst, k);
}

/* Rows of a matrix on their way from the source into its packed groups. */
typedef struct packing {
    eng_packed *to;
    const eng_source *src;
    const eng_tensor_info *tensor;
    uint64_t row0; /* of the tensor: the matrix's first */
    const eng_kernels *kernels;
    bool convert;     /* from floats: what is stored is of another type */
    size_t row_bytes; /* of what is read: stored bytes, or floats */
    uint8_t *encoded; /* one group in its served type, for `convert` */
} packing;

static uint32_t rows_of_group(const eng_packed *w, uint32_t g)
{
    const uint32_t left = w->n - g * ENG_GROUP_ROWS;
    return left < ENG_GROUP_ROWS ? left : ENG_GROUP_ROWS;
}

/* The group's rows in their served type; floats may not be finite (reading checked bytes). */
static eng_status encode_group(const packing *p, uint32_t g, const float *floats, eng_error *err)
{
    const eng_packed *w = p->to;
    const size_t row_bytes = eng__row_bytes(w->type, w->k);
    for (uint32_t r = 0; r < rows_of_group(w, g); r++) {
        uint8_t *row = p->encoded + r * row_bytes;
        encode_row(p->kernels, w->type, row, floats + (size_t)r * w->k, w->k);
        if (!eng__row_finite(w->type, row, w->k))
            return eng_fail(err, ENG_FORMAT, "tensor %s: a weight that is not finite, in row %llu",
                            p->tensor->name,
                            (unsigned long long)(p->row0 + (uint64_t)g * ENG_GROUP_ROWS + r));
    }
    return ENG_OK;
}

/* Groups [first, end) from their rows, one behind the other. */
static eng_status pack_groups(const packing *p, uint32_t first, uint32_t end, const void *rows,
                              eng_error *err)
{
    eng_packed *w = p->to;
    const uint8_t *at = rows;
    for (uint32_t g = first; g < end; g++, at += p->row_bytes * ENG_GROUP_ROWS) {
        eng_pace(NULL);
        eng_status st =
            p->convert ? encode_group(p, g, (const float *)(const void *)at, err) : ENG_OK;
        if (st != ENG_OK)
            return st;
        eng__pack_group(w, g, p->convert ? p->encoded : at, eng__row_bytes(w->type, w->k),
                        rows_of_group(w, g));
    }
    return ENG_OK;
}

/* Groups that are read at once: a piece that stays in the cache. */
static uint32_t groups_of_piece(size_t row_bytes)
{
    enum { PIECE_BYTES = 128 * 1024 };
    const size_t group_bytes = row_bytes * ENG_GROUP_ROWS;
    return group_bytes < PIECE_BYTES ? (uint32_t)(PIECE_BYTES / group_bytes) : 1;
}

static eng_status pack_by_rows(const packing *p, eng_error *err)
{
    const eng_packed *w = p->to;
    const uint32_t step = groups_of_piece(p->row_bytes);
    void *piece = malloc(step * p->row_bytes * ENG_GROUP_ROWS);
    if (!piece)
        return eng_fail(err, ENG_NOMEM, "tensor %s: out of memory", p->tensor->name);
    eng_status st = ENG_OK;
    for (uint32_t g = 0, end; g < w->n_groups && st == ENG_OK; g = end) {
        end = w->n_groups - g < step ? w->n_groups : g + step;
        const uint64_t row0 = (uint64_t)g * ENG_GROUP_ROWS;
        const uint64_t row1 = end == w->n_groups ? w->n : (uint64_t)end * ENG_GROUP_ROWS;
        const uint64_t first = p->row0 + row0, n = row1 - row0;
        st = p->convert ? eng__source_read_rows_f32(p->src, p->tensor, first, n, piece, err)
                        : eng__source_read_rows(p->src, p->tensor, first, n, piece, err);
        if (st == ENG_OK)
            st = pack_groups(p, g, end, piece, err);
    }
    free(piece);
    return st;
}

/* What is made or transposed comes whole. */
static eng_status pack_whole(const packing *p, eng_error *err)
{
    const eng_tensor_info *t = p->tensor;
    uint8_t *data = malloc(p->row_bytes * (size_t)t->dims[1]);
    if (!data)
        return eng_fail(err, ENG_NOMEM, "tensor %s: out of memory", t->name);
    eng_status st = p->convert ? eng__source_read_f32(p->src, t, (float *)(void *)data, err)
                               : eng__source_read(p->src, t, data, err);
    if (st == ENG_OK)
        st = pack_groups(p, 0, p->to->n_groups, data + p->row0 * p->row_bytes, err);
    free(data);
    return st;
}

/* `floats`: what is read is converted. */
static size_t read_row_bytes(const eng_packed *to, const eng_tensor_info *tensor, bool floats)
{
    return floats ? to->k * sizeof(float) : eng__row_bytes(tensor->type, to->k);
}

size_t eng__matrix_scratch(const eng_packed *to, const eng_source *src,
                           const eng_tensor_info *tensor)
{
    const bool convert = to->type != tensor->type;
    const size_t row_bytes = read_row_bytes(to, tensor, convert);
    const size_t encoded = convert ? eng__row_bytes(to->type, to->k) * ENG_GROUP_ROWS : 0;
    const size_t rows = eng__source_has_rows(src, tensor)
                            ? (size_t)groups_of_piece(row_bytes) * ENG_GROUP_ROWS
                            : (size_t)tensor->dims[1];
    return encoded + rows * row_bytes + eng__source_read_scratch(src, tensor);
}

eng_status eng__load_matrix(eng_packed *to, const eng_source *src, const eng_tensor_info *tensor,
                            uint64_t row0, const eng_kernels *kernels, eng_error *err)
{
    const float *lent = eng__source_lent(src, tensor);
    packing p = {.to = to, .src = src, .tensor = tensor, .row0 = row0, .kernels = kernels};
    p.convert = lent || to->type != tensor->type;
    p.row_bytes = read_row_bytes(to, tensor, p.convert);
    if (p.convert) {
        p.encoded = malloc(eng__row_bytes(to->type, to->k) * ENG_GROUP_ROWS);
        if (!p.encoded)
            return eng_fail(err, ENG_NOMEM, "tensor %s: out of memory", tensor->name);
    }
    eng_status st = lent ? pack_groups(&p, 0, to->n_groups, lent + row0 * to->k, err)
                    : eng__source_has_rows(src, tensor) ? pack_by_rows(&p, err)
                                                        : pack_whole(&p, err);
    free(p.encoded);
    return st;
}
