/* A bump arena: many small allocations that share one lifetime and are freed together.
 *
 * Owner: whoever called eng_arena_init. Not thread-safe. Memory is zeroed and 16-byte aligned.
 * The arena never grows past the limit given at birth; an allocation beyond it returns NULL, so an
 * arena can hold what a file or a client chose the size of. */
#ifndef ENG_BASE_ARENA_H
#define ENG_BASE_ARENA_H

#include <stddef.h>

typedef struct eng_arena_chunk eng_arena_chunk;

typedef struct eng_arena {
    eng_arena_chunk *head;
    size_t used_bytes;  /* handed out so far, padding included */
    size_t limit_bytes; /* set at birth */
} eng_arena;

void eng_arena_init(eng_arena *arena, size_t limit_bytes);
void eng_arena_free(eng_arena *arena);

/* NULL when the limit or memory is exhausted; `bytes` 0 gives a valid pointer. */
void *eng_arena_alloc(eng_arena *arena, size_t bytes);
/* n elements of `size` bytes; NULL also when n*size overflows. */
void *eng_arena_array(eng_arena *arena, size_t n, size_t size);
/* A NUL-terminated copy of len bytes. */
char *eng_arena_strndup(eng_arena *arena, const char *s, size_t len);

#endif
