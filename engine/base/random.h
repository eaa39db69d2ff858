/* Random numbers by counter: what comes out depends on what is asked for, never on when or by which
 * thread. Only correctly rounded operations are used, so every machine gives the same bits.
 *
 * Pure functions. [any thread] */
#ifndef ENG_BASE_RANDOM_H
#define ENG_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), in place.
 */
void eng__philox4x32(uint32_t counter[4], uint32_t key0, uint32_t key1);

/* A number in [0, 1): key = seed, counter = (position, choice, 0, 0), 53 bits of the first two
 * words. */
double eng__uniform(uint64_t seed, uint32_t choice, uint32_t position);

/* dst[i] = sd * z_i rounded to float, z_i the i-th standard normal number of (seed, stream): key =
 * seed, counter = (pair, pair >> 32, stream, attempt), by Marsaglia's polar method. */
void eng__fill_normal(float *dst, size_t n, double sd, uint64_t seed, uint32_t stream);

#endif
