#include "base/block.h"

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
