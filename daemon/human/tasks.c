#include "human/tasks.h"

#include <math.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

void task_order(const char *task, const char *labeler, uint32_t *order, uint32_t n)
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state sha;
    crypto_hash_sha256_init(&sha);
    crypto_hash_sha256_update(&sha, (const unsigned char *)task, strlen(task) + 1);
    crypto_hash_sha256_update(&sha, (const unsigned char *)labeler, strlen(labeler));
    crypto_hash_sha256_final(&sha, digest);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) { /* Fisher-Yates, two bytes a draw */
        const uint32_t draw = (uint32_t)digest[2 * i - 4] << 8 | digest[2 * i - 3];
        const uint32_t j = draw % i, kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

uint32_t task_overlap(uint64_t i, uint32_t overlap, double share, uint32_t sample_n)
{
    const bool in_sample = floor(((double)i + 1) * share) > floor((double)i * share);
    return in_sample ? sample_n : overlap;
}

uint32_t task_share(uint32_t k, uint32_t n, uint32_t p)
{
    return k / n + (p < k % n);
}
