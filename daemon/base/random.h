/* Random identifiers from the system's generator. [any thread] */
#ifndef DAEMON_BASE_RANDOM_H
#define DAEMON_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t random_u64(void);
/* 2*n lower-case hex digits and a NUL; n <= 32. */
void random_hex(char *out, size_t n);

#endif
