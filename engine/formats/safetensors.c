#include "formats/safetensors.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull; /* for %llu */

enum { MAX_HEADER_BYTES = 100 * 1000 * 1000, MAX_TENSORS = 65536, MAX_NAME_BYTES = 1024 };

static const struct {
    const char *name;
    uint32_t bytes;
    eng_dtype type;
    bool foreign;
} dtypes[] = {
    {"F32", 4, ENG_F32, false}, {"F16", 2, ENG_F16, false},    {"BF16", 2, ENG_BF16, false},
    {"F64", 8, ENG_F32, true},  {"I64", 8, ENG_F32, true},     {"I32", 4, ENG_F32, true},
    {"I16", 2, ENG_F32, true},  {"I8", 1, ENG_F32, true},      {"U64", 8, ENG_F32, true},
    {"U32", 4, ENG_F32, true},  {"U16", 2, ENG_F32, true},     {"U8", 1, ENG_F32, true},
    {"BOOL", 1, ENG_F32, true}, {"F8_E4M3", 1, ENG_F32, true}, {"F8_E5M2", 1, ENG_F32, true},
};
enum { N_DTYPES = sizeof dtypes / sizeof dtypes[0] };

static eng_status read_shape(const eng_json *shape, eng_tensor_info *info, eng_error *err)
{
    if (!eng_json_is(shape, ENG_JSON_ARRAY))
        return eng_fail(err, ENG_FORMAT, "tensor %s: no shape", info->name);
    if (shape->n > 4)
        return eng_fail(err, ENG_FORMAT, "tensor %s: %u dimensions, expected at most 4", info->name,
                        shape->n);
    for (uint32_t i = 0; i < 4; i++)
        info->dims[i] = 1;
    info->n_dims = shape->n;
    for (uint32_t i = 0; i < shape->n; i++)
        if (!eng_json_uint(&shape->items[i], 1, (uint64_t)1 << 53, &info->dims[shape->n - 1 - i]))
            return eng_fail(err, ENG_FORMAT,
                            "tensor %s: dimension %u of its shape is not a whole "
                            "number from 1",
                            info->name, i);
    return ENG_OK;
}

/* `begin` is where the buffer begins in the file, `bytes` how long it is. */
static eng_status read_range(const eng_json *range, eng__stored *tensor, uint64_t begin,
                             uint64_t bytes, eng_error *err)
{
    uint64_t from, to;
    const char *name = tensor->info.name;
    if (!eng_json_is(range, ENG_JSON_ARRAY) || range->n != 2 ||
        !eng_json_uint(&range->items[0], 0, (uint64_t)1 << 53, &from) ||
        !eng_json_uint(&range->items[1], 0, (uint64_t)1 << 53, &to))
        return eng_fail(err, ENG_FORMAT, "tensor %s: data_offsets are not two whole numbers", name);
    if (from > to || to > bytes)
        return eng_fail(err, ENG_FORMAT,
                        "tensor %s: data_offsets %llu to %llu, the buffer has %llu "
                        "bytes",
                        name, (ull)from, (ull)to, (ull)bytes);
    if (to - from != tensor->info.n_bytes)
        return eng_fail(err, ENG_FORMAT,
                        "tensor %s: %llu bytes by its data_offsets, %llu by its "
                        "shape",
                        name, (ull)(to - from), (ull)tensor->info.n_bytes);
    tensor->offset = begin + from;
    return ENG_OK;
}

static eng_status read_dtype(const eng_json *dtype, eng__stored *tensor, eng_error *err)
{
    const char *name = eng_json_string(dtype);
    if (!name)
        return eng_fail(err, ENG_FORMAT, "tensor %s: no dtype", tensor->info.name);
    for (size_t i = 0; i < N_DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            tensor->info.type = dtypes[i].type;
            tensor->foreign = dtypes[i].foreign ? dtypes[i].name : NULL;
            return eng__stored_measure(tensor, 1, dtypes[i].bytes, err);
        }
    return eng_fail(err, ENG_UNSUPPORTED, "tensor %s: dtype %.32s, expected F32, F16 or BF16",
                    tensor->info.name, name);
}

static eng_status read_tensor(const eng_json *entry, eng__stored *tensor, uint64_t begin,
                              uint64_t bytes, eng_arena *arena, eng_error *err)
{
    if (entry->key_len > MAX_NAME_BYTES)
        return eng_fail(err, ENG_FORMAT, "tensor %.60s...: a name of %u bytes, expected at most %d",
                        entry->key, entry->key_len, MAX_NAME_BYTES);
    tensor->info.name = eng_arena_strndup(arena, entry->key, entry->key_len);
    if (!tensor->info.name)
        return eng_fail(err, ENG_NOMEM, "no memory for the names of tensors");
    eng_status status = read_shape(eng_json_get(entry, "shape"), &tensor->info, err);
    if (status == ENG_OK)
        status = read_dtype(eng_json_get(entry, "dtype"), tensor, err);
    if (status == ENG_OK)
        status = read_range(eng_json_get(entry, "data_offsets"), tensor, begin, bytes, err);
    return status;
}

static eng_status read_entries(eng__directory *dir, const eng_json *root, uint64_t begin,
                               uint64_t end, eng_arena *arena, eng_error *err)
{
    if (root->n > MAX_TENSORS)
        return eng_fail(err, ENG_FORMAT, "header: %u tensors, expected at most %d", root->n,
                        MAX_TENSORS);
    dir->tensors = eng_arena_array(arena, root->n, sizeof *dir->tensors);
    if (!dir->tensors)
        return eng_fail(err, ENG_NOMEM, "no memory for %u tensors", root->n);
    eng_status status = ENG_OK;
    for (uint32_t i = 0; i < root->n && status == ENG_OK; i++)
        if (strcmp(root->items[i].key, "__metadata__") != 0)
            status = read_tensor(&root->items[i], &dir->tensors[dir->n++], begin, end - begin,
                                 arena, err);
    if (status == ENG_OK)
        status = eng__directory_check_extents(dir, begin, end, true, err);
    if (status == ENG_OK)
        status = eng__directory_index(dir, arena, err);
    return status;
}

static eng_status read_header(eng__directory *dir, const eng__file *file, char *header, size_t len,
                              eng_arena *arena, eng_error *err)
{
    eng_arena scratch;
    const eng_json *root;
    eng_status status = eng__file_read(file, 8, header, len, err);
    if (status != ENG_OK)
        return status;
    header[len] = 0;
    if (header[0] != '{')
        return eng_fail(err, ENG_FORMAT, "header: begins with byte 0x%02x, expected '{'",
                        (uint8_t)header[0]);
    eng_arena_init(&scratch, 16 * len + (1u << 20));
    status = eng_json_parse(&root, header, len, &scratch, err);
    if (status == ENG_OK)
        status = read_entries(dir, root, 8 + (uint64_t)len, file->size, arena, err);
    eng_arena_free(&scratch);
    return status;
}

eng_status eng__safetensors_read(eng__directory *dir, const eng__file *file, eng_arena *arena,
                                 eng_error *err)
{
    uint8_t raw[8];
    uint64_t len = 0;
    *dir = (eng__directory){0};
    eng_status status = eng__file_read(file, 0, raw, sizeof raw, err);
    if (status != ENG_OK)
        return status;
    for (int i = 7; i >= 0; i--)
        len = len << 8 | raw[i];
    if (len < 2 || len > MAX_HEADER_BYTES || len > file->size - 8)
        return eng_fail(err, ENG_FORMAT,
                        "header: %llu bytes, the file has %llu (at most %d are "
                        "read)",
                        (ull)len, (ull)file->size, MAX_HEADER_BYTES);
    char *header = malloc((size_t)len + 1);
    if (!header)
        return eng_fail(err, ENG_NOMEM, "no memory for a header of %llu bytes", (ull)len);
    status = read_header(dir, file, header, (size_t)len, arena, err);
    free(header);
    return status;
}
