#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 16, ARENA_CHUNK_BYTES = 64 * 1024 };

struct eng_arena_chunk {
    eng_arena_chunk *next;
    size_t used, cap;
    alignas(ARENA_ALIGN) unsigned char data[];
};

void eng_arena_init(eng_arena *arena, size_t limit_bytes)
{
    *arena = (eng_arena){.limit_bytes = limit_bytes};
}

void eng_arena_free(eng_arena *arena)
{
    eng_arena_chunk *c = arena->head;
    while (c) {
        eng_arena_chunk *next = c->next;
        free(c);
        c = next;
    }
    arena->head = NULL;
    arena->used_bytes = 0;
}

void *eng_arena_alloc(eng_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    size_t need = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (need == 0)
        need = ARENA_ALIGN;
    if (need > arena->limit_bytes - arena->used_bytes)
        return NULL;
    eng_arena_chunk *c = arena->head;
    if (!c || c->cap - c->used < need) {
        size_t cap = need > ARENA_CHUNK_BYTES ? need : ARENA_CHUNK_BYTES;
        c = calloc(1, sizeof *c + cap);
        if (!c)
            return NULL;
        c->cap = cap;
        c->next = arena->head;
        arena->head = c;
    }
    void *p = c->data + c->used;
    c->used += need;
    arena->used_bytes += need;
    return p;
}

void *eng_arena_array(eng_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return eng_arena_alloc(arena, bytes);
}

char *eng_arena_strndup(eng_arena *arena, const char *s, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *p = eng_arena_alloc(arena, len + 1);
    if (p && len)
        memcpy(p, s, len);
    return p;
}
