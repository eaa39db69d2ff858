#include "base/sha256.h"

#include "base/pace.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* The names a..h, W, Ch, Maj, Sigma are FIPS 180-4's. */
static void compress_portable(uint32_t state[8], const uint8_t *p, size_t n_blocks)
{
    for (; n_blocks; n_blocks--, p += 64) {
        uint32_t w[64], s[8];
        for (int t = 0; t < 16; t++)
            w[t] = load_be(p + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t x = w[t - 15], y = w[t - 2];
            uint32_t sigma0 = rotr(x, 7) ^ rotr(x, 18) ^ x >> 3;
            uint32_t sigma1 = rotr(y, 17) ^ rotr(y, 19) ^ y >> 10;
            w[t] = sigma1 + w[t - 7] + sigma0 + w[t - 16];
        }
        memcpy(s, state, sizeof s);
        for (int t = 0; t < 64; t++) {
            uint32_t a = s[0], b = s[1], c = s[2], e = s[4];
            uint32_t ch = (e & s[5]) ^ (~e & s[6]);
            uint32_t maj = (a & b) ^ (a & c) ^ (b & c);
            uint32_t t1 = s[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ch + k[t] + w[t];
            uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + maj;
            memmove(s + 1, s, 7 * sizeof s[0]);
            s[4] += t1;
            s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++)
            state[i] += s[i];
    }
}

#if defined(__x86_64__)
/* sha256rnds2 keeps the state as the two vectors (A B E F) and (C D G H), A and C uppermost. */
__attribute__((target("sha,sse4.1"))) static void compress_sha_ni(uint32_t state[8],
                                                                  const uint8_t *p, size_t n_blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; n_blocks; n_blocks--, p += 64) {
        __m128i w[4], abef0 = abef, cdgh0 = cdgh;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), swap);
#pragma GCC unroll 16 /* keeps w in registers: rolled up, the loop is a third slower */
        for (int i = 0; i < 16; i++) {
            __m128i now = w[i & 3];
            __m128i wk = _mm_add_epi32(now, _mm_loadu_si128((const __m128i *)(k + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
            if (i >= 12)
                continue;
            __m128i last = w[(i + 3) & 3], next = w[(i + 1) & 3];
            __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, next),
                                        _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
            w[i & 3] = _mm_sha256msg2_epu32(sum, last);
        }
        abef = _mm_add_epi32(abef, abef0);
        cdgh = _mm_add_epi32(cdgh, cdgh0);
    }
    uint32_t hi[4], lo[4];
    _mm_storeu_si128((__m128i *)hi, abef);
    _mm_storeu_si128((__m128i *)lo, cdgh);
    const uint32_t out[8] = {hi[3], hi[2], lo[3], lo[2], hi[1], hi[0], lo[1], lo[0]};
    memcpy(state, out, sizeof out);
}

static bool has_sha_ni(void)
{
    uint32_t a, b, c, d;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
    if (a < 7)
        return false;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
}
#endif

static void compress(eng_sha256 *sha, const uint8_t *p, size_t n_blocks)
{
#if defined(__x86_64__)
    if (!sha->portable) {
        compress_sha_ni(sha->state, p, n_blocks);
        return;
    }
#endif
    compress_portable(sha->state, p, n_blocks);
}

void eng_sha256_init_portable(eng_sha256 *sha)
{
    *sha = (eng_sha256){.portable = true,
                        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                  0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void eng_sha256_init(eng_sha256 *sha)
{
    eng_sha256_init_portable(sha);
#if defined(__x86_64__)
    sha->portable = !has_sha_ni();
#endif
}

void eng_sha256_update(eng_sha256 *sha, const void *data, size_t n)
{
    const uint8_t *p = data;
    size_t held = sha->n_bytes % 64;
    sha->n_bytes += n;
    if (held) {
        size_t take = n < 64 - held ? n : 64 - held;
        memcpy(sha->block + held, p, take);
        p += take;
        n -= take;
        if (held + take < 64)
            return;
        compress(sha, sha->block, 1);
    }
    for (size_t piece; n >= 64; p += piece, n -= piece) {
        piece = eng__pace_bytes(n) / 64 * 64;
        compress(sha, p, piece / 64);
    }
    if (n)
        memcpy(sha->block, p, n);
}

void eng_sha256_final(eng_sha256 *sha, uint8_t digest[ENG_SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t n_bits = sha->n_bytes * 8;
    uint8_t length[8];
    store_be(length, (uint32_t)(n_bits >> 32));
    store_be(length + 4, (uint32_t)n_bits);
    size_t held = sha->n_bytes % 64;
    eng_sha256_update(sha, padding, (held < 56 ? 56 : 120) - held);
    eng_sha256_update(sha, length, sizeof length);
    for (int i = 0; i < 8; i++)
        store_be(digest + 4 * i, sha->state[i]);
}

void eng_sha256_final_hex(eng_sha256 *sha, char hex[ENG_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[ENG_SHA256_BYTES];
    eng_sha256_final(sha, digest);
    for (int i = 0; i < ENG_SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = 0;
}

void eng_sha256_hex(const void *data, size_t n, char hex[ENG_SHA256_HEX])
{
    eng_sha256 sha;
    eng_sha256_init(&sha);
    eng_sha256_update(&sha, data, n);
    eng_sha256_final_hex(&sha, hex);
}
