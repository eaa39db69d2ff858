/* Threads for measuring: a crew that starts one function together, and busy threads that take the
 * cores away from whoever else wants them. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <stdint.h>

enum { CREW_MAX = 256 };

/* Runs fn(arg, member) on n threads (at most CREW_MAX) that begin together; returns the seconds
 * from the first begin to the last end. */
double crew_run(uint32_t n, void (*fn)(void *arg, uint32_t member), void *arg);

typedef struct busy busy;
/* n threads that compute without pause or memory traffic, at this nice value (0..19). Never NULL.
 */
busy *busy_start(uint32_t n, int nice_value);
void busy_stop(busy *b); /* joins and frees */

#endif
