/* Large blocks of memory straight from the system: zeroed, page-aligned, on huge pages where the
 * system grants them (fewer TLB misses). Pages cost memory once they are touched. [any] */
#ifndef ENG_BASE_BLOCK_H
#define ENG_BASE_BLOCK_H

#include <stddef.h>

/* NULL when the system refuses; bytes > 0. */
void *eng_block_alloc(size_t bytes);
/* The same bytes as at birth; block may be NULL. */
void eng_block_free(void *block, size_t bytes);

#endif
