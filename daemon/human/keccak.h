/* Keccak-256 as Ethereum uses it: the padding is that of the submission, not that of SHA-3
 * (The Keccak reference 3.0, Bertoni et al. 2011). For the checksum of EIP-55 alone. Pure. */
#ifndef DAEMON_HUMAN_KECCAK_H
#define DAEMON_HUMAN_KECCAK_H

#include <stddef.h>
#include <stdint.h>

enum { KECCAK_RATE = 136 }; /* bytes a block */

/* len < KECCAK_RATE: one block is all that an address needs. */
void keccak_256(uint8_t out[32], const uint8_t *text, size_t len);

#endif
