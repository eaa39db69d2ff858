#include "base/random.h"

#include <sodium.h>

uint64_t random_u64(void)
{
    uint64_t v;
    randombytes_buf(&v, sizeof v);
    return v;
}

void random_hex(char *out, size_t n)
{
    unsigned char bytes[32];
    randombytes_buf(bytes, n);
    sodium_bin2hex(out, 2 * n + 1, bytes, n);
}
