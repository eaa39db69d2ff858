/* CRC-32C (Castagnoli; RFC 3720 appendix B.4), of short texts. Pure. */
#ifndef DAEMON_BASE_CRC32C_H
#define DAEMON_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t n);

#endif
