#include "formats/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GGUF_VERSION = 3,
    MAX_TENSORS = 65536,
    MAX_KVS = 65536,
    MAX_KEY_BYTES = 64 * 1024,
    MAX_STRING_BYTES = 16 * 1024 * 1024,
    MAX_ELEMENTS = 16 * 1024 * 1024,
    WINDOW_BYTES = 64 * 1024
};

static const struct {
    const char *name;
    uint32_t bytes; /* 0: no fixed size */
} types[ENG__GGUF_N_TYPES] = {
    [ENG__GGUF_U8] = {"u8", 1},         [ENG__GGUF_I8] = {"i8", 1},
    [ENG__GGUF_U16] = {"u16", 2},       [ENG__GGUF_I16] = {"i16", 2},
    [ENG__GGUF_U32] = {"u32", 4},       [ENG__GGUF_I32] = {"i32", 4},
    [ENG__GGUF_F32] = {"f32", 4},       [ENG__GGUF_BOOL] = {"bool", 1},
    [ENG__GGUF_STRING] = {"string", 0}, [ENG__GGUF_ARRAY] = {"array", 0},
    [ENG__GGUF_U64] = {"u64", 8},       [ENG__GGUF_I64] = {"i64", 8},
    [ENG__GGUF_F64] = {"f64", 8},
};

/* ---- a cursor over the header ---- */

typedef struct cursor {
    const eng__file *file;
    eng_arena *arena;
    eng_error *err;
    uint64_t at;           /* next byte to hand out */
    uint64_t window_begin; /* what `window` holds of the file */
    size_t window_len;
    uint8_t *window;
    char item[160]; /* "key general.name", for errors */
} cursor;

static uint64_t cursor_left(const cursor *c)
{
    return c->file->size - c->at;
}

static void cursor_name(cursor *c, const char *kind, const char *name)
{
    snprintf(c->item, sizeof c->item, "%s %.140s", kind, name);
}

static eng_status cursor_short(cursor *c, uint64_t n)
{
    return eng_fail(c->err, ENG_FORMAT,
                    "%s: needs %" PRIu64 " bytes at byte %" PRIu64 ", the file has %" PRIu64,
                    c->item, n, c->at, c->file->size);
}

static eng_status cursor_read(cursor *c, void *dst, size_t n)
{
    uint8_t *p = dst;
    if (n > cursor_left(c))
        return cursor_short(c, n);
    while (n) {
        if (c->at < c->window_begin || c->at >= c->window_begin + c->window_len) {
            uint64_t left = cursor_left(c);
            c->window_begin = c->at;
            c->window_len = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
            eng_status status = eng__file_read(c->file, c->at, c->window, c->window_len, c->err);
            if (status != ENG_OK)
                return status;
        }
        size_t skip = (size_t)(c->at - c->window_begin), have = c->window_len - skip;
        size_t take = n < have ? n : have;
        memcpy(p, c->window + skip, take);
        p += take;
        n -= take;
        c->at += take;
    }
    return ENG_OK;
}

static eng_status read_u32(cursor *c, uint32_t *v)
{
    return cursor_read(c, v, sizeof *v);
}

static eng_status read_u64(cursor *c, uint64_t *v)
{
    return cursor_read(c, v, sizeof *v);
}

static eng_status no_memory(cursor *c, uint64_t bytes)
{
    return eng_fail(c->err, ENG_NOMEM, "%s: no memory for %" PRIu64 " bytes", c->item, bytes);
}

static eng_status read_string(cursor *c, uint64_t max, const char **out, uint32_t *len)
{
    uint64_t n;
    eng_status status = read_u64(c, &n);
    if (status != ENG_OK)
        return status;
    if (n > cursor_left(c))
        return cursor_short(c, n);
    if (n > max)
        return eng_fail(c->err, ENG_FORMAT,
                        "%s: a string of %" PRIu64 " bytes, expected at most %" PRIu64, c->item, n,
                        max);
    char *s = eng_arena_alloc(c->arena, (size_t)n + 1);
    if (!s)
        return no_memory(c, n);
    status = cursor_read(c, s, (size_t)n);
    if (status != ENG_OK)
        return status;
    if (memchr(s, 0, (size_t)n))
        return eng_fail(c->err, ENG_FORMAT, "%s: a string with a NUL byte in it", c->item);
    *out = s;
    if (len)
        *len = (uint32_t)n;
    return ENG_OK;
}

static eng_status read_type(cursor *c, eng__gguf_type *out)
{
    uint32_t type;
    eng_status status = read_u32(c, &type);
    if (status != ENG_OK)
        return status;
    if (type >= ENG__GGUF_N_TYPES)
        return eng_fail(c->err, ENG_FORMAT, "%s: value type %u, expected 0 to %d", c->item, type,
                        ENG__GGUF_N_TYPES - 1);
    *out = (eng__gguf_type)type;
    return ENG_OK;
}

/* ---- key-values ---- */

static eng_status read_strings(cursor *c, eng__gguf_kv *kv)
{
    uint32_t n = kv->array.n;
    kv->array.strings = eng_arena_array(c->arena, n, sizeof *kv->array.strings);
    kv->array.string_lens = eng_arena_array(c->arena, n, sizeof *kv->array.string_lens);
    if (!kv->array.strings || !kv->array.string_lens)
        return no_memory(c, (uint64_t)n * 12);
    for (uint32_t i = 0; i < n; i++) {
        eng_status status =
            read_string(c, MAX_STRING_BYTES, &kv->array.strings[i], &kv->array.string_lens[i]);
        if (status != ENG_OK)
            return status;
    }
    return ENG_OK;
}

static eng_status read_array(cursor *c, eng__gguf_kv *kv)
{
    uint64_t n;
    eng_status status = read_type(c, &kv->array.type);
    if (status == ENG_OK)
        status = read_u64(c, &n);
    if (status != ENG_OK)
        return status;
    if (kv->array.type == ENG__GGUF_ARRAY)
        return eng_fail(c->err, ENG_UNSUPPORTED, "%s: an array of arrays", c->item);
    if (n > MAX_ELEMENTS)
        return eng_fail(c->err, ENG_FORMAT,
                        "%s: an array of %" PRIu64 " elements, expected at most %d", c->item, n,
                        MAX_ELEMENTS);
    /* A string takes at least its 8-byte length. */
    bool strings = kv->array.type == ENG__GGUF_STRING;
    uint64_t bytes = n * (strings ? 8 : types[kv->array.type].bytes);
    if (bytes > cursor_left(c))
        return cursor_short(c, bytes);
    kv->array.n = (uint32_t)n;
    if (strings)
        return read_strings(c, kv);
    void *elements = eng_arena_alloc(c->arena, (size_t)bytes);
    if (!elements)
        return no_memory(c, bytes);
    kv->array.elements = elements;
    return cursor_read(c, elements, (size_t)bytes);
}

static uint64_t sign_extended(uint64_t bits, uint32_t bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return (uint64_t)((int64_t)(bits << shift) >> shift);
}

static eng_status read_scalar(cursor *c, eng__gguf_kv *kv)
{
    uint64_t bits = 0;
    uint32_t bytes = types[kv->type].bytes;
    eng_status status = cursor_read(c, &bits, bytes);
    if (status != ENG_OK)
        return status;
    switch (kv->type) {
    case ENG__GGUF_I8:
    case ENG__GGUF_I16:
    case ENG__GGUF_I32:
        kv->bits = sign_extended(bits, bytes);
        break;
    case ENG__GGUF_F32: {
        float f;
        memcpy(&f, &bits, sizeof f);
        kv->real = (double)f;
        break;
    }
    case ENG__GGUF_F64:
        memcpy(&kv->real, &bits, sizeof kv->real);
        break;
    case ENG__GGUF_BOOL:
        if (bits > 1)
            return eng_fail(c->err, ENG_FORMAT, "%s: bool byte %u, expected 0 or 1", c->item,
                            (unsigned)bits);
        kv->bits = bits;
        break;
    default:
        kv->bits = bits;
        break;
    }
    return ENG_OK;
}

static eng_status read_kv(cursor *c, size_t i, eng__gguf_kv *kv)
{
    snprintf(c->item, sizeof c->item, "key number %zu", i);
    eng_status status = read_string(c, MAX_KEY_BYTES, &kv->key, NULL);
    if (status != ENG_OK)
        return status;
    cursor_name(c, "key", kv->key);
    status = read_type(c, &kv->type);
    if (status != ENG_OK)
        return status;
    if (kv->type == ENG__GGUF_STRING)
        return read_string(c, MAX_STRING_BYTES, &kv->string, &kv->len);
    if (kv->type == ENG__GGUF_ARRAY)
        return read_array(c, kv);
    return read_scalar(c, kv);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const eng__gguf_kv *)a)->key, ((const eng__gguf_kv *)b)->key);
}

static eng_status read_kvs(cursor *c, eng__gguf *gguf, uint64_t n)
{
    gguf->kvs = eng_arena_array(c->arena, (size_t)n, sizeof *gguf->kvs);
    if (!gguf->kvs)
        return no_memory(c, n * sizeof *gguf->kvs);
    gguf->n_kvs = (size_t)n;
    for (size_t i = 0; i < n; i++) {
        eng_status status = read_kv(c, i, &gguf->kvs[i]);
        if (status != ENG_OK)
            return status;
    }
    qsort(gguf->kvs, gguf->n_kvs, sizeof *gguf->kvs, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (compare_keys(&gguf->kvs[i - 1], &gguf->kvs[i]) == 0)
            return eng_fail(c->err, ENG_FORMAT, "key %.140s: given twice", gguf->kvs[i].key);
    return ENG_OK;
}

/* ---- tensors ---- */

static eng_status read_dims(cursor *c, eng_tensor_info *info)
{
    eng_status status = read_u32(c, &info->n_dims);
    if (status != ENG_OK)
        return status;
    if (info->n_dims < 1 || info->n_dims > 4)
        return eng_fail(c->err, ENG_FORMAT, "%s: %u dimensions, expected 1 to 4", c->item,
                        info->n_dims);
    for (uint32_t i = 0; i < 4; i++)
        info->dims[i] = 1;
    for (uint32_t i = 0; i < info->n_dims && status == ENG_OK; i++)
        status = read_u64(c, &info->dims[i]);
    return status;
}

/* Leaves the offset relative to the data's start, which is known after the last info. */
static eng_status read_tensor(cursor *c, size_t i, uint32_t alignment, eng__stored *tensor)
{
    uint32_t type;
    snprintf(c->item, sizeof c->item, "tensor number %zu", i);
    eng_status status = read_string(c, MAX_KEY_BYTES, &tensor->info.name, NULL);
    if (status != ENG_OK)
        return status;
    cursor_name(c, "tensor", tensor->info.name);
    status = read_dims(c, &tensor->info);
    if (status == ENG_OK)
        status = read_u32(c, &type);
    if (status == ENG_OK)
        status = read_u64(c, &tensor->offset);
    if (status != ENG_OK)
        return status;
    const eng_dtype_info *dtype = eng_dtype_info_of(type);
    if (!dtype)
        return eng_fail(c->err, ENG_UNSUPPORTED,
                        "%s: storage type %u, which is not one of f32, "
                        "f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q6_k",
                        c->item, type);
    if (tensor->offset % alignment)
        return eng_fail(c->err, ENG_FORMAT, "%s: offset %" PRIu64 ", expected a multiple of %u",
                        c->item, tensor->offset, alignment);
    tensor->info.type = (eng_dtype)type;
    return eng__stored_measure(tensor, dtype->block_elements, dtype->block_bytes, c->err);
}

static eng_status place_tensors(cursor *c, eng__gguf *gguf, uint32_t alignment)
{
    uint64_t begin = (c->at + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < gguf->tensors.n; i++) {
        eng__stored *t = &gguf->tensors.tensors[i];
        if (__builtin_add_overflow(t->offset, begin, &t->offset))
            return eng_fail(c->err, ENG_FORMAT, "tensor %.140s: its offset overflows 64 bits",
                            t->info.name);
    }
    return eng__directory_check_extents(&gguf->tensors, begin, c->file->size, false, c->err);
}

static eng_status read_tensors(cursor *c, eng__gguf *gguf, uint64_t n)
{
    uint32_t alignment = 32;
    eng_status status =
        eng__gguf_get_uint(gguf, "general.alignment", 8, 1u << 30, &alignment, c->err);
    if (status != ENG_OK)
        return status;
    if (alignment & (alignment - 1))
        return eng_fail(c->err, ENG_FORMAT, "key general.alignment: %u, expected a power of two",
                        alignment);
    gguf->tensors.n = (size_t)n;
    gguf->tensors.tensors = eng_arena_array(c->arena, (size_t)n, sizeof(eng__stored));
    if (!gguf->tensors.tensors)
        return no_memory(c, n * sizeof(eng__stored));
    for (size_t i = 0; i < n && status == ENG_OK; i++)
        status = read_tensor(c, i, alignment, &gguf->tensors.tensors[i]);
    if (status == ENG_OK)
        status = place_tensors(c, gguf, alignment);
    if (status == ENG_OK)
        status = eng__directory_index(&gguf->tensors, c->arena, c->err);
    return status;
}

/* ---- the file ---- */

/* Counts are believed only as far as the file could hold that many of the smallest items. */
static eng_status check_count(cursor *c, const char *what, uint64_t n, uint64_t max,
                              uint64_t item_bytes)
{
    if (n > max)
        return eng_fail(c->err, ENG_FORMAT, "header: %" PRIu64 " %s, expected at most %" PRIu64, n,
                        what, max);
    if (n > cursor_left(c) / item_bytes)
        return eng_fail(c->err, ENG_FORMAT,
                        "header: %" PRIu64 " %s do not fit in a file of %" PRIu64 " bytes", n, what,
                        c->file->size);
    return ENG_OK;
}

static eng_status read_all(cursor *c, eng__gguf *gguf)
{
    char magic[4];
    uint32_t version;
    uint64_t n_tensors, n_kvs;
    eng_status status = cursor_read(c, magic, sizeof magic);
    if (status != ENG_OK)
        return status;
    if (memcmp(magic, "GGUF", 4) != 0)
        return eng_fail(c->err, ENG_FORMAT,
                        "not a GGUF file: it begins 0x%02x%02x%02x%02x, "
                        "expected \"GGUF\"",
                        (uint8_t)magic[0], (uint8_t)magic[1], (uint8_t)magic[2], (uint8_t)magic[3]);
    status = read_u32(c, &version);
    if (status != ENG_OK)
        return status;
    if (version != GGUF_VERSION)
        return eng_fail(c->err, ENG_UNSUPPORTED, "GGUF version %u, expected %d", version,
                        GGUF_VERSION);
    status = read_u64(c, &n_tensors);
    if (status == ENG_OK)
        status = read_u64(c, &n_kvs);
    if (status == ENG_OK) /* 8 length, 4 type, 1 value */
        status = check_count(c, "key-values", n_kvs, MAX_KVS, 13);
    if (status == ENG_OK) /* 8 length, 4 n_dims, 8 dim, 4 type, 8 offset */
        status = check_count(c, "tensors", n_tensors, MAX_TENSORS, 32);
    if (status == ENG_OK)
        status = read_kvs(c, gguf, n_kvs);
    if (status == ENG_OK)
        status = read_tensors(c, gguf, n_tensors);
    return status;
}

eng_status eng__gguf_read(eng__gguf *gguf, const eng__file *file, eng_arena *arena, eng_error *err)
{
    eng_error ignored;
    cursor c = {.file = file, .arena = arena, .err = err ? err : &ignored, .item = "header"};
    *gguf = (eng__gguf){0};
    c.window = malloc(WINDOW_BYTES);
    if (!c.window)
        return eng_fail(err, ENG_NOMEM, "no memory to read the header");
    eng_status status = read_all(&c, gguf);
    free(c.window);
    return status;
}

/* ---- look-up ---- */

const eng__gguf_kv *eng__gguf_find(const eng__gguf *gguf, const char *key)
{
    eng__gguf_kv wanted = {.key = key};
    if (!gguf->n_kvs)
        return NULL;
    return bsearch(&wanted, gguf->kvs, gguf->n_kvs, sizeof wanted, compare_keys);
}

static eng_status wrong_type(const eng__gguf_kv *kv, const char *expected, eng_error *err)
{
    return eng_fail(err, ENG_FORMAT, "key %.140s: of type %s, expected %s", kv->key,
                    types[kv->type].name, expected);
}

static bool is_integer(eng__gguf_type type)
{
    return type <= ENG__GGUF_I32 || type == ENG__GGUF_U64 || type == ENG__GGUF_I64;
}

static bool is_signed(eng__gguf_type type)
{
    return type == ENG__GGUF_I8 || type == ENG__GGUF_I16 || type == ENG__GGUF_I32 ||
           type == ENG__GGUF_I64;
}

eng_status eng__gguf_get_uint(const eng__gguf *gguf, const char *key, uint64_t min, uint64_t max,
                              uint32_t *out, eng_error *err)
{
    const eng__gguf_kv *kv = eng__gguf_find(gguf, key);
    if (!kv)
        return ENG_OK;
    if (!is_integer(kv->type))
        return wrong_type(kv, "an integer", err);
    if (is_signed(kv->type) && (int64_t)kv->bits < 0)
        return eng_fail(err, ENG_FORMAT, "key %s: %" PRId64 ", expected %" PRIu64 " to %" PRIu64,
                        key, (int64_t)kv->bits, min, max);
    if (kv->bits < min || kv->bits > max)
        return eng_fail(err, ENG_FORMAT, "key %s: %" PRIu64 ", expected %" PRIu64 " to %" PRIu64,
                        key, kv->bits, min, max);
    *out = (uint32_t)kv->bits;
    return ENG_OK;
}

eng_status eng__gguf_get_float(const eng__gguf *gguf, const char *key, float *out, eng_error *err)
{
    const eng__gguf_kv *kv = eng__gguf_find(gguf, key);
    if (!kv)
        return ENG_OK;
    if (kv->type != ENG__GGUF_F32 && kv->type != ENG__GGUF_F64)
        return wrong_type(kv, "f32", err);
    *out = (float)kv->real;
    return ENG_OK;
}

eng_status eng__gguf_get_bool(const eng__gguf *gguf, const char *key, bool *out, eng_error *err)
{
    const eng__gguf_kv *kv = eng__gguf_find(gguf, key);
    if (!kv)
        return ENG_OK;
    if (kv->type != ENG__GGUF_BOOL)
        return wrong_type(kv, "bool", err);
    *out = kv->bits != 0;
    return ENG_OK;
}

eng_status eng__gguf_get_string(const eng__gguf *gguf, const char *key, const char **out,
                                eng_error *err)
{
    const eng__gguf_kv *kv = eng__gguf_find(gguf, key);
    if (!kv)
        return ENG_OK;
    if (kv->type != ENG__GGUF_STRING)
        return wrong_type(kv, "string", err);
    *out = kv->string;
    return ENG_OK;
}

eng_status eng__gguf_get_array(const eng__gguf *gguf, const char *key, eng__gguf_type element,
                               const eng__gguf_kv **out, eng_error *err)
{
    const eng__gguf_kv *kv = eng__gguf_find(gguf, key);
    if (!kv)
        return eng_fail(err, ENG_FORMAT, "key %s: missing", key);
    if (kv->type != ENG__GGUF_ARRAY)
        return wrong_type(kv, "array", err);
    if (kv->array.type != element)
        return eng_fail(err, ENG_FORMAT, "key %s: an array of %s, expected of %s", key,
                        types[kv->array.type].name, types[element].name);
    *out = kv;
    return ENG_OK;
}
