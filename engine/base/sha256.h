/* SHA-256 (FIPS 180-4), incrementally; uses the CPU's SHA instructions where it has them. */
#ifndef ENG_BASE_SHA256_H
#define ENG_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENG_SHA256_BYTES = 32, ENG_SHA256_HEX = 65 };

typedef struct eng_sha256 {
    uint32_t state[8];
    uint64_t n_bytes; /* fed so far */
    uint8_t block[64];
    bool portable;
} eng_sha256;

/* One owner per struct; different structs may be used by any threads. */
void eng_sha256_init(eng_sha256 *sha);
/* Likewise, but never with special instructions: the other path's oracle. */
void eng_sha256_init_portable(eng_sha256 *sha);
void eng_sha256_update(eng_sha256 *sha, const void *data, size_t n);
/* The struct must be initialised again before more use. */
void eng_sha256_final(eng_sha256 *sha, uint8_t digest[ENG_SHA256_BYTES]);
/* Likewise as 64 lower-case hex digits and a NUL. */
void eng_sha256_final_hex(eng_sha256 *sha, char hex[ENG_SHA256_HEX]);
/* Of one buffer, as hex. */
void eng_sha256_hex(const void *data, size_t n, char hex[ENG_SHA256_HEX]);

#endif
