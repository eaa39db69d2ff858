#include "human/cap.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void digest(cap_item *item, uint64_t seed)
{
    crypto_hash_sha256_state state;
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(seed >> (56 - 8 * i));
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, bytes, sizeof bytes);
    crypto_hash_sha256_update(&state, (const uint8_t *)item->id, strlen(item->id));
    crypto_hash_sha256_final(&state, item->digest);
}

static int by_user(const void *a, const void *b)
{
    const cap_item *x = a, *y = b;
    const int order = strcmp(x->user, y->user);
    return order ? order : memcmp(x->digest, y->digest, sizeof x->digest);
}

void cap_users(cap_item *items, size_t n, uint32_t cap, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        digest(&items[i], seed);
    if (n > 1)
        qsort(items, n, sizeof *items, by_user);
    uint32_t of_user = 0;
    for (size_t i = 0; i < n; i++) {
        of_user = i && strcmp(items[i].user, items[i - 1].user) == 0 ? of_user + 1 : 1;
        items[i].kept = of_user <= cap;
    }
}
