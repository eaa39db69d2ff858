#include "formats/directory.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull; /* for %llu */

eng_status eng__stored_measure(eng__stored *tensor, uint32_t block_elements, uint32_t block_bytes,
                               eng_error *err)
{
    eng_tensor_info *info = &tensor->info;
    uint64_t n = 1, bytes;
    for (uint32_t i = 0; i < info->n_dims; i++) {
        if (info->dims[i] == 0)
            return eng_fail(err, ENG_FORMAT, "tensor %s: dimension %u is 0", info->name, i);
        if (__builtin_mul_overflow(n, info->dims[i], &n))
            return eng_fail(err, ENG_FORMAT, "tensor %s: its dimensions overflow 64 bits",
                            info->name);
    }
    if (info->n_dims && info->dims[0] % block_elements)
        return eng_fail(err, ENG_FORMAT,
                        "tensor %s: rows of %llu elements, expected a multiple of "
                        "%u",
                        info->name, (ull)info->dims[0], block_elements);
    if (__builtin_mul_overflow(n / block_elements, (uint64_t)block_bytes, &bytes) ||
        bytes > (uint64_t)INT64_MAX)
        return eng_fail(err, ENG_FORMAT, "tensor %s: its size overflows 64 bits", info->name);
    info->n_elements = n;
    info->n_bytes = bytes;
    return ENG_OK;
}

static int compare_names(const void *a, const void *b, void *dir)
{
    const eng__stored *t = ((const eng__directory *)dir)->tensors;
    return strcmp(t[*(const uint32_t *)a].info.name, t[*(const uint32_t *)b].info.name);
}

eng_status eng__directory_index(eng__directory *dir, eng_arena *arena, eng_error *err)
{
    dir->by_name = eng_arena_array(arena, dir->n, sizeof *dir->by_name);
    if (!dir->by_name)
        return eng_fail(err, ENG_NOMEM, "no memory for an index of %zu tensors", dir->n);
    for (size_t i = 0; i < dir->n; i++)
        dir->by_name[i] = (uint32_t)i;
    qsort_r(dir->by_name, dir->n, sizeof *dir->by_name, compare_names, dir);
    for (size_t i = 1; i < dir->n; i++) {
        const char *name = dir->tensors[dir->by_name[i]].info.name;
        if (strcmp(dir->tensors[dir->by_name[i - 1]].info.name, name) == 0)
            return eng_fail(err, ENG_FORMAT, "tensor %s: listed twice", name);
    }
    return ENG_OK;
}

const eng__stored *eng__directory_find(const eng__directory *dir, const char *name)
{
    size_t lo = 0, hi = dir->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const eng__stored *t = &dir->tensors[dir->by_name[mid]];
        int order = strcmp(name, t->info.name);
        if (order == 0)
            return t;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

static int compare_offsets(const void *a, const void *b, void *dir)
{
    const eng__stored *t = ((const eng__directory *)dir)->tensors;
    const eng__stored *x = &t[*(const uint32_t *)a], *y = &t[*(const uint32_t *)b];
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->info.n_bytes < y->info.n_bytes ? -1 : x->info.n_bytes > y->info.n_bytes;
}

static eng_status check_neighbours(const eng__directory *dir, const uint32_t *order, uint64_t begin,
                                   uint64_t end, bool dense, eng_error *err)
{
    uint64_t at = begin;
    for (size_t i = 0; i < dir->n; i++) {
        const eng__stored *t = &dir->tensors[order[i]];
        const char *name = t->info.name;
        if (t->offset < at)
            return eng_fail(err, ENG_FORMAT,
                            "tensor %s: begins at byte %llu, inside tensor %s, "
                            "which ends at %llu",
                            name, (ull)t->offset,
                            i ? dir->tensors[order[i - 1]].info.name : "header", (ull)at);
        if (dense && t->offset != at)
            return eng_fail(err, ENG_FORMAT,
                            "tensor %s: begins at byte %llu, expected %llu (a "
                            "hole)",
                            name, (ull)t->offset, (ull)at);
        at = t->offset + t->info.n_bytes;
    }
    if (dense && at != end)
        return eng_fail(err, ENG_FORMAT, "%llu bytes follow the last tensor, expected none",
                        (ull)(end - at));
    return ENG_OK;
}

eng_status eng__directory_check_extents(const eng__directory *dir, uint64_t begin, uint64_t end,
                                        bool dense, eng_error *err)
{
    for (size_t i = 0; i < dir->n; i++) {
        const eng__stored *t = &dir->tensors[i];
        if (t->offset < begin || t->offset > end || t->info.n_bytes > end - t->offset)
            return eng_fail(err, ENG_FORMAT,
                            "tensor %s: %llu bytes at byte %llu, the file has "
                            "%llu",
                            t->info.name, (ull)t->info.n_bytes, (ull)t->offset, (ull)end);
    }
    uint32_t *order = malloc(dir->n * sizeof *order + 1);
    if (!order)
        return eng_fail(err, ENG_NOMEM, "no memory to order %zu tensors", dir->n);
    for (size_t i = 0; i < dir->n; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, dir->n, sizeof *order, compare_offsets, (void *)(uintptr_t)dir);
    eng_status status = check_neighbours(dir, order, begin, end, dense, err);
    free(order);
    return status;
}
