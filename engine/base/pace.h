/* Places between pieces of long work, where a thread with a pace (eng_thread_pace) may be held up.
 * None is inside a lock. */
#ifndef ENG_BASE_PACE_H
#define ENG_BASE_PACE_H

#include "engine.h"

#include <stdbool.h>
#include <stddef.h>

/* What of bytes read, digested or written, and of tokens entered, is about 100 us. */
enum { ENG_PACE_BYTES = 128 * 1024, ENG_PACE_ITEMS = 256 };

/* Before item i of a loop over small ones. [any] */
static inline void eng__pace_item(size_t i)
{
    if (i % ENG_PACE_ITEMS == 0)
        eng_pace(NULL);
}

/* Before the calling thread waits for the disk. [any] */
void eng__pace_waits(void);
/* Is it worth finding out whether it will? [any] */
bool eng__pace_minds_waiting(void);

/* How many of n bytes come next. [any] */
static inline size_t eng__pace_bytes(size_t n)
{
    eng_pace(NULL);
    return n < ENG_PACE_BYTES ? n : (size_t)ENG_PACE_BYTES;
}

#endif
