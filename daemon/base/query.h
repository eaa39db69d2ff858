/* Percent-encoding and query strings, taken apart. Pure. */
#ifndef DAEMON_BASE_QUERY_H
#define DAEMON_BASE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

/* %XX-decodes into out (cap bytes with the NUL); false: malformed, a NUL byte, or too long. */
bool uri_decode(const char *at, size_t len, char *out, size_t cap);
/* The decoded value of a query parameter; false: absent or malformed. */
bool query_value(const char *query, const char *name, char *out, size_t cap);

#endif
