#include "rlhf/key.h"

#include "base/random.h"

uint64_t key_of(uint64_t seed, key_purpose purpose, uint64_t a, uint32_t b)
{
    uint32_t x[4] = {(uint32_t)a, (uint32_t)(a >> 32), b, (uint32_t)purpose};
    eng__philox4x32(x, (uint32_t)seed, (uint32_t)(seed >> 32));
    return (uint64_t)x[0] << 32 | x[1];
}
