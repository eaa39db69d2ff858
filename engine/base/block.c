#include "base/block.h"

#include <pthread.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 * 1024 * 1024 };

static size_t whole_pages(size_t bytes)
{
    return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *eng_block_alloc(size_t bytes)
{
    const size_t length = whole_pages(bytes);
    if (length < bytes)
        return NULL;
    void *block = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    madvise(block, length, MADV_HUGEPAGE); /* a wish */
    return block;
}

void eng_block_free(void *block, size_t bytes)
{
    if (block)
        munmap(block, whole_pages(bytes));
}

/* ---- the spare ---- */

static struct {
    pthread_mutex_t mutex;
    void *block;  /* (m) or NULL */
    size_t bytes; /* (m) whole pages */
} spare = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Puts a block in the spare's place and returns that. */
static void *exchange(void *block, size_t bytes, size_t *old_bytes)
{
    pthread_mutex_lock(&spare.mutex);
    void *old = spare.block;
    *old_bytes = spare.bytes;
    spare.block = block;
    spare.bytes = bytes;
    pthread_mutex_unlock(&spare.mutex);
    return old;
}

void eng_block_spare(void *block, size_t bytes)
{
    const size_t length = whole_pages(bytes);
    size_t old_length;
    if (!block)
        return;
    if (madvise(block, length, MADV_FREE) != 0) {
        munmap(block, length);
        return;
    }
    void *old = exchange(block, length, &old_length);
    eng_block_free(old, old_length);
}

void *eng_block_reuse(size_t bytes)
{
    size_t length;
    void *block = exchange(NULL, 0, &length);
    if (block && length == whole_pages(bytes))
        return block;
    eng_block_free(block, length);
    return eng_block_alloc(bytes);
}
