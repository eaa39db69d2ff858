/* What tells a real number of its kind from any other digits. Each takes the candidate as it stands
 * in a text, blanks and dashes included, and answers whether it can be one. Pure. */
#ifndef DAEMON_HUMAN_CHECKSUMS_H
#define DAEMON_HUMAN_CHECKSUMS_H

#include <stdbool.h>
#include <stddef.h>

/* 13 to 19 digits that pass Luhn's test (ISO/IEC 7812-1), not all the same. */
bool check_card(const char *s, size_t len);
/* The country's length, and mod 97 = 1 (ISO 13616, ISO/IEC 7064). */
bool check_iban(const char *s, size_t len);
/* Ten digits, mod 11 (NHS Data Dictionary). */
bool check_nhs(const char *s, size_t len);
/* A number that the US Social Security Administration may have given: no zero group, not 000, 666
 * or 9xx, none of the known samples. */
bool check_ssn(const char *s, size_t len);
/* A bitcoin address: 25 bytes in base 58, the last four a double SHA-256 of the others. */
bool check_base58(const char *s, size_t len);
/* A segwit address: bech32 or bech32m (BIP 173, BIP 350), in one case. */
bool check_bech32(const char *s, size_t len);
/* 0x and 40 hex digits whose letters' cases are those of EIP-55. */
bool check_eip55(const char *s, size_t len);

/* An IPv4 or IPv6 address that can be somebody's: global unicast, no range for documentation. */
bool check_ip(const char *s, size_t len);
/* A MAC address that a maker gave: not local, no group's, not of the range for documentation. */
bool check_mac(const char *s, size_t len);

/* At least 20 characters of at least 3 bits of entropy each, counted by frequency. */
bool check_secret(const char *s, size_t len);

#endif
