#include "formats/source.h"

#include "base/sha256.h"
#include "formats/finite.h"
#include "formats/gguf.h"
#include "formats/names.h"
#include "formats/source_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef unsigned long long ull; /* for %llu */

static const size_t arena_limit_bytes = (size_t)2 << 30;
enum { READ_BYTES = 256 * 1024, TILE = 32 };

/* ---- opening ---- */

eng_source *eng__source_blank(void)
{
    eng_source *src = calloc(1, sizeof *src);
    if (!src)
        return NULL;
    eng_arena_init(&src->arena, arena_limit_bytes);
    src->file.fd = -1;
    src->dir_fd = -1;
    return src;
}

void eng__source_close(eng_source *src)
{
    if (!src)
        return;
    eng__digesting_free(src->digesting);
    eng__file_close(&src->file);
    if (src->dir_fd >= 0)
        close(src->dir_fd);
    eng_arena_free(&src->arena);
    free(src);
}

static eng_status load_gguf(eng_source *src, eng_error *err)
{
    eng__gguf gguf;
    eng_status status = eng__gguf_read(&gguf, &src->file, &src->arena, err);
    if (status == ENG_OK)
        status = eng__gguf_config(&gguf, &src->config, err);
    if (status == ENG_OK)
        status = eng__gguf_vocab(&gguf, &src->arena, &src->vocab, err);
    if (status != ENG_OK)
        return status;
    src->tensors = gguf.tensors;
    for (size_t i = 0; i < gguf.tensors.n; i++) {
        const char *name = gguf.tensors.tensors[i].info.name;
        if (!eng__name_is_canonical(&src->config, name))
            return eng_fail(err, ENG_UNSUPPORTED,
                            "tensor %.140s: not part of a %s model of %u "
                            "layers",
                            name, src->config.arch, src->config.n_layer);
    }
    return ENG_OK;
}

/* Rows past the last token are padding; a token without a row cannot be embedded. */
static eng_status check_vocab_fits(const eng_source *src, eng_error *err)
{
    if (src->vocab.n_tokens > src->config.n_vocab)
        return eng_fail(err, ENG_FORMAT,
                        "tensor token_embd.weight: %u rows, the tokenizer has %u "
                        "tokens",
                        src->config.n_vocab, src->vocab.n_tokens);
    return ENG_OK;
}

/* Hands the source out, or closes it when `status` says it is no good. */
static eng_status finish_open(eng_source **out, eng_source *src, eng_status status, eng_error *err)
{
    if (status == ENG_OK)
        status = check_vocab_fits(src, err);
    if (status != ENG_OK) {
        eng__source_close(src);
        return status;
    }
    *out = src;
    return ENG_OK;
}

eng_status eng__source_adopt_gguf(eng_source **out, int fd, eng_error *err)
{
    eng_source *src = eng__source_blank();
    if (!src) {
        close(fd);
        return eng_fail(err, ENG_NOMEM, "no memory to open a model");
    }
    eng_status status = eng__file_adopt(&src->file, fd, err);
    if (status == ENG_OK)
        status = load_gguf(src, err);
    return finish_open(out, src, status, err);
}

enum { TOKENIZER_OPTIONAL = 1, DIGESTING = 2 };

static eng_status open_path(eng_source **out, const char *path, unsigned how, eng_error *err)
{
    *out = NULL;
    eng_source *src = eng__source_blank();
    if (!src)
        return eng_fail(err, ENG_NOMEM, "no memory to open a model");
    eng_status status;
    src->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (src->dir_fd >= 0) {
        status = eng__source_load_hf(src, how & TOKENIZER_OPTIONAL, err);
    } else if (errno == ENOTDIR) {
        status = eng__file_open(&src->file, AT_FDCWD, path, err);
        if (status == ENG_OK && how & DIGESTING)
            src->digesting = eng__digesting_start(&src->file);
        if (status == ENG_OK)
            status = load_gguf(src, err);
    } else {
        status = eng_fail(err, ENG_IO, "%s: %s", path, strerror(errno));
    }
    return finish_open(out, src, status, err);
}

eng_status eng__source_open(eng_source **out, const char *path, eng_error *err)
{
    return open_path(out, path, 0, err);
}

eng_status eng__source_open_digesting(eng_source **out, const char *path, eng_error *err)
{
    return open_path(out, path, DIGESTING, err);
}

eng_status eng__source_open_weights(eng_source **out, const char *path, eng_error *err)
{
    return open_path(out, path, TOKENIZER_OPTIONAL, err);
}

/* ---- what is in it ---- */

const eng_config *eng__source_config(const eng_source *src)
{
    return &src->config;
}

const eng_vocab *eng__source_vocab(const eng_source *src)
{
    return &src->vocab;
}

size_t eng__source_n_tensors(const eng_source *src)
{
    return src->tensors.n;
}

const eng_tensor_info *eng__source_tensor(const eng_source *src, size_t i)
{
    return &src->tensors.tensors[i].info;
}

const eng_tensor_info *eng__source_find(const eng_source *src, const char *name)
{
    const eng__stored *t = eng__directory_find(&src->tensors, name);
    return t ? &t->info : NULL;
}

static void print_dims(char out[96], const uint64_t *dims, uint32_t n_dims)
{
    int at = 0;
    for (uint32_t i = 0; i < n_dims && at < 90; i++)
        at += snprintf(out + at, (size_t)(96 - at), "%s%llu", i ? "x" : "", (ull)dims[i]);
}

eng_status eng__source_expect(const eng_source *src, const char *name, uint64_t dim0, uint64_t dim1,
                              const eng_tensor_info **out, eng_error *err)
{
    const uint64_t dims[2] = {dim0, dim1};
    uint32_t n_dims = dim1 ? 2 : 1;
    char found[96] = "", expected[96] = "";
    print_dims(expected, dims, n_dims);
    const eng_tensor_info *info = eng__source_find(src, name);
    if (!info)
        return eng_fail(err, ENG_FORMAT, "tensor %s: missing, expected %s", name, expected);
    bool same = info->n_dims == n_dims && info->dims[0] == dim0 && (!dim1 || info->dims[1] == dim1);
    if (!same) {
        print_dims(found, info->dims, info->n_dims);
        return eng_fail(err, ENG_FORMAT, "tensor %s: %s in the file, expected %s", name, found,
                        expected);
    }
    *out = info;
    return ENG_OK;
}

/* ---- reading ---- */

static const eng__stored *stored_of(const eng_tensor_info *tensor)
{
    return (const eng__stored *)(const void *)((const char *)tensor - offsetof(eng__stored, info));
}

static eng_status prefix_error(const eng_tensor_info *tensor, eng_status status,
                               const eng_error *why, eng_error *err)
{
    return eng_fail(err, status, "tensor %s: %.400s", tensor->name, why->text);
}

static eng_status not_finite(const eng_tensor_info *tensor, eng_error *err)
{
    return eng_fail(err, ENG_FORMAT, "tensor %s: a weight that is not finite", tensor->name);
}

/* dst[n_out][n_in] = src[n_in][n_out], in tiles so that both sides stay in cache. */
static void transpose(void *dst, const void *src, size_t n_in, size_t n_out, size_t element_bytes)
{
    uint16_t *d2 = dst;
    const uint16_t *s2 = src;
    uint32_t *d4 = dst;
    const uint32_t *s4 = src;
    for (size_t o0 = 0; o0 < n_out; o0 += TILE)
        for (size_t i0 = 0; i0 < n_in; i0 += TILE) {
            size_t o1 = o0 + TILE < n_out ? o0 + TILE : n_out;
            size_t i1 = i0 + TILE < n_in ? i0 + TILE : n_in;
            for (size_t o = o0; o < o1; o++)
                for (size_t i = i0; i < i1; i++)
                    if (element_bytes == 2)
                        d2[o * n_in + i] = s2[i * n_out + o];
                    else
                        d4[o * n_in + i] = s4[i * n_out + o];
        }
}

static eng_status read_transposed(const eng_source *src, const eng__stored *t, void *dst,
                                  eng_error *err)
{
    const eng_tensor_info *info = &t->info;
    void *raw = malloc((size_t)info->n_bytes);
    if (!raw)
        return eng_fail(err, ENG_NOMEM, "no memory for %llu bytes", (ull)info->n_bytes);
    eng_status status = eng__file_read(&src->file, t->offset, raw, (size_t)info->n_bytes, err);
    if (status == ENG_OK)
        transpose(dst, raw, (size_t)info->dims[0], (size_t)info->dims[1],
                  eng_dtype_info_of((uint32_t)info->type)->block_bytes);
    free(raw);
    return status;
}

eng_status eng__source_read(const eng_source *src, const eng_tensor_info *tensor, void *dst,
                            eng_error *err)
{
    const eng__stored *t = stored_of(tensor);
    eng_error why;
    eng_status status =
        src->make       ? src->make(src->make_ctx, tensor, dst, &why)
        : t->transposed ? read_transposed(src, t, dst, &why)
                        : eng__file_read(&src->file, t->offset, dst, (size_t)tensor->n_bytes, &why);
    if (status != ENG_OK)
        return prefix_error(tensor, status, &why, err);
    if (!eng__is_finite(tensor->type, dst, (size_t)tensor->n_elements))
        return not_finite(tensor, err);
    return ENG_OK;
}

uint64_t eng__source_place(const eng_tensor_info *tensor)
{
    return stored_of(tensor)->offset;
}

bool eng__source_has_rows(const eng_source *src, const eng_tensor_info *tensor)
{
    return !src->make && !stored_of(tensor)->transposed;
}

size_t eng__source_read_scratch(const eng_source *src, const eng_tensor_info *tensor)
{
    const bool converted = tensor->type != ENG_F32;
    if (eng__source_has_rows(src, tensor))
        return converted ? READ_BYTES : 0;
    return ((size_t)stored_of(tensor)->transposed + converted) * (size_t)tensor->n_bytes;
}

/* Where a row begins: blocks never straddle rows. */
static uint64_t row_block(const eng_tensor_info *tensor, uint64_t row)
{
    return row * (tensor->dims[0] / eng_dtype_info_of((uint32_t)tensor->type)->block_elements);
}

eng_status eng__source_read_rows(const eng_source *src, const eng_tensor_info *tensor,
                                 uint64_t first, uint64_t n, void *dst, eng_error *err)
{
    const uint64_t block_bytes = eng_dtype_info_of((uint32_t)tensor->type)->block_bytes;
    const uint64_t offset = stored_of(tensor)->offset + row_block(tensor, first) * block_bytes;
    eng_error why;
    eng_status status =
        eng__file_read(&src->file, offset, dst, (size_t)(row_block(tensor, n) * block_bytes), &why);
    if (status != ENG_OK)
        return prefix_error(tensor, status, &why, err);
    return eng__is_finite(tensor->type, dst, (size_t)(n * tensor->dims[0]))
               ? ENG_OK
               : not_finite(tensor, err);
}

/* n blocks from `first` on. A whole tensor converts like one long row. */
static eng_status read_converted(const eng_source *src, const eng__stored *t, uint64_t first,
                                 uint64_t n_blocks, float *dst, eng_error *err)
{
    const eng_dtype_info *type = eng_dtype_info_of((uint32_t)t->info.type);
    uint64_t step = READ_BYTES / type->block_bytes;
    uint8_t *piece = malloc(READ_BYTES);
    if (!piece)
        return eng_fail(err, ENG_NOMEM, "no memory to read it");
    eng_status status = ENG_OK;
    for (uint64_t at = 0; at < n_blocks && status == ENG_OK; at += step) {
        size_t n = (size_t)(n_blocks - at < step ? n_blocks - at : step);
        status = eng__file_read(&src->file, t->offset + (first + at) * type->block_bytes, piece,
                                n * type->block_bytes, err);
        if (status == ENG_OK)
            eng_dequantize_row(t->info.type, piece, dst + at * type->block_elements,
                               n * type->block_elements);
    }
    free(piece);
    return status;
}

/* `first` and `n` count blocks, which become floats. */
static eng_status read_blocks_f32(const eng_source *src, const eng_tensor_info *tensor,
                                  uint64_t first, uint64_t n, float *dst, eng_error *err)
{
    const size_t floats = (size_t)n * eng_dtype_info_of((uint32_t)tensor->type)->block_elements;
    eng_error why;
    eng_status status = read_converted(src, stored_of(tensor), first, n, dst, &why);
    if (status != ENG_OK)
        return prefix_error(tensor, status, &why, err);
    return eng__is_finite(ENG_F32, dst, floats) ? ENG_OK : not_finite(tensor, err);
}

eng_status eng__source_read_rows_f32(const eng_source *src, const eng_tensor_info *tensor,
                                     uint64_t first, uint64_t n, float *dst, eng_error *err)
{
    return tensor->type == ENG_F32 ? eng__source_read_rows(src, tensor, first, n, dst, err)
                                   : read_blocks_f32(src, tensor, row_block(tensor, first),
                                                     row_block(tensor, n), dst, err);
}

eng_status eng__source_read_f32(const eng_source *src, const eng_tensor_info *tensor, float *dst,
                                eng_error *err)
{
    const eng_dtype_info *type = eng_dtype_info_of((uint32_t)tensor->type);
    if (tensor->type == ENG_F32)
        return eng__source_read(src, tensor, dst, err);
    if (eng__source_has_rows(src, tensor))
        return read_blocks_f32(src, tensor, 0, tensor->n_elements / type->block_elements, dst, err);
    void *raw = malloc((size_t)tensor->n_bytes);
    if (!raw)
        return eng_fail(err, ENG_NOMEM, "tensor %s: no memory for %llu bytes", tensor->name,
                        (ull)tensor->n_bytes);
    eng_status status = eng__source_read(src, tensor, raw, err);
    if (status == ENG_OK)
        eng_dequantize_row(tensor->type, raw, dst, (size_t)tensor->n_elements);
    free(raw);
    return status;
}

/* ---- digest ---- */

static eng_status digest_named(int dir_fd, const char *name, char hex[65], eng_error *err)
{
    eng__file file;
    eng_status status = eng__file_open(&file, dir_fd, name, err);
    if (status != ENG_OK)
        return status;
    status = eng__file_digest(&file, hex, err);
    eng__file_close(&file);
    return status;
}

static eng_status digest_listing(int dir_fd, char out[65], eng_error *err)
{
    static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json"};
    eng_sha256 sha;
    eng_sha256_init(&sha);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char hex[ENG_SHA256_HEX], line[128];
        eng_status status = digest_named(dir_fd, names[i], hex, err);
        if (status != ENG_OK)
            return status;
        int n = snprintf(line, sizeof line, "%s  %s\n", hex, names[i]);
        eng_sha256_update(&sha, line, (size_t)n);
    }
    eng_sha256_final_hex(&sha, out);
    return ENG_OK;
}

eng_status eng__source_digest(const eng_source *src, char out[65], eng_error *err)
{
    if (src->make)
        return eng_fail(err, ENG_UNSUPPORTED, "a model in memory has no file to digest");
    if (src->digesting)
        return eng__digesting_wait(src->digesting, out, err);
    if (src->dir_fd < 0)
        return eng__file_digest(&src->file, out, err);
    if (faccessat(src->dir_fd, "manifest.json", F_OK, 0) == 0)
        return digest_named(src->dir_fd, "manifest.json", out, err);
    return digest_listing(src->dir_fd, out, err);
}
