#include "human/keccak.h"

#include <assert.h>
#include <string.h>

enum { ROUNDS = 24, LANES = 25 };

static uint64_t rotated(uint64_t v, unsigned by)
{
    return by ? v << by | v >> (64 - by) : v;
}

static void theta(uint64_t a[LANES])
{
    uint64_t column[5];
    for (int x = 0; x < 5; x++)
        column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (int i = 0; i < LANES; i++)
        a[i] ^= column[(i + 4) % 5] ^ rotated(column[(i + 1) % 5], 1);
}

/* Rho and pi together: lanes walk through the plane, turned by the triangular numbers. */
static void rho_pi(uint64_t a[LANES])
{
    int x = 1, y = 0;
    uint64_t carried = a[1];
    for (unsigned t = 0; t < 24; t++) {
        const int next = (2 * x + 3 * y) % 5;
        x = y;
        y = next;
        const uint64_t lane = a[x + 5 * y];
        a[x + 5 * y] = rotated(carried, (t + 1) * (t + 2) / 2 % 64);
        carried = lane;
    }
}

static void chi(uint64_t a[LANES])
{
    for (int y = 0; y < LANES; y += 5) {
        uint64_t row[5];
        memcpy(row, a + y, sizeof row);
        for (int x = 0; x < 5; x++)
            a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
}

/* The round's constant: bits 2^j - 1 come from a shift register over x^8 + x^6 + x^5 + x^4 + 1. */
static uint64_t iota(uint8_t *shift)
{
    uint64_t constant = 0;
    for (int j = 0; j < 7; j++) {
        if (*shift & 1)
            constant |= UINT64_C(1) << ((1 << j) - 1);
        *shift = (uint8_t)(*shift << 1 ^ (*shift & 0x80 ? 0x71 : 0));
    }
    return constant;
}

void keccak_256(uint8_t out[32], const uint8_t *text, size_t len)
{
    assert(len < KECCAK_RATE);
    uint8_t block[KECCAK_RATE] = {0}, shift = 1;
    uint64_t a[LANES] = {0};
    memcpy(block, text, len);
    block[len] ^= 0x01;
    block[KECCAK_RATE - 1] ^= 0x80;
    for (int i = 0; i < KECCAK_RATE; i++)
        a[i / 8] ^= (uint64_t)block[i] << 8 * (i % 8);
    for (int round = 0; round < ROUNDS; round++) {
        theta(a);
        rho_pi(a);
        chi(a);
        a[0] ^= iota(&shift);
    }
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)(a[i / 8] >> 8 * (i % 8));
}
