/* The training threads: lent to plugins, below everything else in the machine's eyes.
 *
 * One caller at a time (member 0) shares n pieces of work with the pool's threads; whoever is free
 * takes the next piece. The caller waits for pieces, not for threads: a thread that gets no core
 * because serving has them all holds nobody up. Threads spin for some microseconds between two
 * calls and then sleep. Before each piece, the caller's too, they pass the gate of spare time.
 *
 * Threads: create and free [main]; run by any one thread at a time; the rest [any]. */
#ifndef DAEMON_HOST_TRAIN_POOL_H
#define DAEMON_HOST_TRAIN_POOL_H

#include "base/error_text.h"
#include "base/spare_time.h"

#include <stdint.h>

typedef struct train_pool train_pool;

/* `width` counts the caller; 0 is one for each core. The threads are lowered (eng_thread_lower);
 * the caller sees to itself. `spare` outlives the pool, or is NULL. NULL with *err. */
train_pool *train_pool_create(uint32_t width, spare_time *spare, error_text *err);
/* No run is under way. NULL allowed. */
void train_pool_free(train_pool *p);
uint32_t train_pool_width(const train_pool *p);

/* Calls fn(arg, i, member) once for each i in [0, n), member in [0, width), and returns when all
 * have returned and their writes are visible. While another thread's run is under way the caller
 * does its pieces alone. */
void train_pool_run(train_pool *p, uint32_t n, void (*fn)(void *arg, uint32_t i, uint32_t member),
                    void *arg);

/* Pieces begun so far, of all runs: the pool's sign of life. */
uint64_t train_pool_life(const train_pool *p);

#endif
