/* Counts the allocations of a test program: `allocations` moves on with every malloc, calloc,
 * realloc and aligned_alloc, in libraries too, and the one that brings it to `allocation_to_fail`
 * gets no memory (0: none does). glibc's own entry points lie behind ours; where that cannot be
 * (sanitizers, another libc) COUNTS_ALLOCATIONS stays undefined and tests skip.
 *
 * Include it in one file of a program. */
#ifndef TESTS_SUPPORT_COUNT_ALLOCATIONS_H
#define TESTS_SUPPORT_COUNT_ALLOCATIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static atomic_uint allocations __attribute__((unused));
static atomic_uint allocation_to_fail __attribute__((unused));

#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS_ALLOCATIONS 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static bool allocation_fails(void)
{
    const unsigned number = atomic_fetch_add(&allocations, 1) + 1;
    return number == atomic_load(&allocation_to_fail);
}

#define EXPORTED __attribute__((visibility("default")))
EXPORTED void *malloc(size_t n)
{
    return allocation_fails() ? NULL : __libc_malloc(n);
}
EXPORTED void *calloc(size_t n, size_t size)
{
    return allocation_fails() ? NULL : __libc_calloc(n, size);
}
EXPORTED void *realloc(void *p, size_t n)
{
    return allocation_fails() ? NULL : __libc_realloc(p, n);
}
EXPORTED void *aligned_alloc(size_t align, size_t n)
{
    return allocation_fails() ? NULL : __libc_memalign(align, n);
}
#undef EXPORTED
#endif

#endif
