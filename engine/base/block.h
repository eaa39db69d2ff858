/* Large blocks of memory straight from the system: zeroed, page-aligned, on huge pages where the
 * system grants them (fewer TLB misses). Pages cost memory once they are touched. [any] */
#ifndef ENG_BASE_BLOCK_H
#define ENG_BASE_BLOCK_H

#include <stddef.h>

/* NULL when the system refuses; bytes > 0. */
void *eng_block_alloc(size_t bytes);
/* The same bytes as at birth; block may be NULL. */
void eng_block_free(void *block, size_t bytes);

/* Likewise, but its memory stays for the next eng_block_reuse of as much, unless the system runs
 * short and takes the pages back: fresh ones cost their clearing, and where a host lends them to a
 * virtual machine many times that. The process keeps one such spare; the one before is freed. [any
 * thread] */
void eng_block_spare(void *block, size_t bytes);
/* As eng_block_alloc, but the bytes may be anything. [any thread] */
void *eng_block_reuse(size_t bytes);

#endif
