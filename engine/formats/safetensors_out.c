#include "formats/safetensors_out.h"

#include <string.h>

typedef unsigned long long ull; /* for %llu */

enum { LENGTH_BYTES = 8 };

uint64_t eng__safetensors_entry_bytes(const eng__safetensors_entry *entry)
{
    uint64_t n = entry->n_dims == 2 ? entry->shape[0] * entry->shape[1] : entry->shape[0];
    return n * eng_dtype_info_of((uint32_t)entry->dtype)->block_bytes;
}

static void put_entry(eng__text *out, const eng__safetensors_entry *entry, uint64_t at)
{
    eng__text_printf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu", entry->name,
                     entry->dtype == ENG_BF16 ? "BF16" : "F32", (ull)entry->shape[0]);
    if (entry->n_dims == 2)
        eng__text_printf(out, ",%llu", (ull)entry->shape[1]);
    eng__text_printf(out, "],\"data_offsets\":[%llu,%llu]}", (ull)at,
                     (ull)(at + eng__safetensors_entry_bytes(entry)));
}

void eng__safetensors_put_header(eng__text *out, const char *metadata,
                                 const eng__safetensors_entry *entries, size_t n)
{
    static const char no_length[LENGTH_BYTES];
    uint64_t at = 0;
    eng__text_put(out, no_length, LENGTH_BYTES);
    eng__text_put(out, "{\"__metadata__\":", strlen("{\"__metadata__\":"));
    eng__text_put(out, metadata, strlen(metadata));
    for (size_t i = 0; i < n; i++) {
        put_entry(out, &entries[i], at);
        at += eng__safetensors_entry_bytes(&entries[i]);
    }
    eng__text_put(out, "}", 1);
    while (!out->failed && out->len % 8)
        eng__text_put(out, " ", 1);
    if (out->failed)
        return;
    uint64_t len = (uint64_t)out->len - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++)
        out->data[i] = (char)(uint8_t)(len >> (8 * i));
}
