#include "human/split.h"

#include <sodium.h>
#include <string.h>

uint32_t split_slot(const char *salt, const char *name)
{
    crypto_hash_sha256_state state;
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)salt, strlen(salt));
    crypto_hash_sha256_update(&state, (const uint8_t *)name, strlen(name));
    crypto_hash_sha256_final(&state, digest);
    uint64_t first = 0;
    for (int i = 0; i < 8; i++)
        first = first << 8 | digest[i];
    return (uint32_t)(first % SPLIT_SLOTS);
}

record_part split_part(split_shares shares, const char *salt, const char *name)
{
    const uint32_t slot = split_slot(salt, name);
    return slot < shares.train                  ? PART_TRAIN
           : slot < shares.train + shares.valid ? PART_VALID
                                                : PART_TEST;
}
