/* Personal data and secrets in texts: patterns, checked by what is near them and by checksums.
 * Names and postal addresses are not looked for.
 *
 * A candidate scores its pattern's 0.3 to 0.6, 0.35 more with a word of its kind within 40
 * characters, 1 with a checksum; from 0.5 on it is found. A kind that has a checksum and fails it
 * is none. A text that takes the matcher beyond its limits counts as found: nobody may hide behind
 * a text that is slow to search.
 *
 * A scanner has one owner at a time. */
#ifndef DAEMON_HUMAN_PII_H
#define DAEMON_HUMAN_PII_H

#include "base/error_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PII_KIND_MAP(X)                                                                            \
    X(EMAIL, "email")                                                                              \
    X(IP, "ip")                                                                                    \
    X(MAC, "mac")                                                                                  \
    X(PHONE, "phone")                                                                              \
    X(CARD, "card")                                                                                \
    X(IBAN, "iban")                                                                                \
    X(US_SSN, "us_ssn")                                                                            \
    X(UK_NHS, "uk_nhs")                                                                            \
    X(UK_NINO, "uk_nino")                                                                          \
    X(PASSPORT, "passport")                                                                        \
    X(LICENCE, "licence")                                                                          \
    X(SECRET, "secret")                                                                            \
    X(WALLET, "wallet")

typedef enum pii_kind {
#define PII__ENUM(name, text) PII_##name,
    PII_KIND_MAP(PII__ENUM)
#undef PII__ENUM
        PII_KINDS
} pii_kind;

const char *pii_kind_text(pii_kind kind);

enum { PII_MATCH_LIMIT = 100000, PII_HEAP_KIB = 1024 };

typedef struct pii_scanner pii_scanner;

/* match_limit: PII_MATCH_LIMIT, or less to see what happens beyond it. NULL with *err: memory is
 * out.
 */
pii_scanner *pii_create(uint32_t match_limit, error_text *err);
void pii_free(pii_scanner *scanner); /* NULL allowed */

/* Bits 1 << pii_kind of what the text holds. */
unsigned pii_scan(pii_scanner *scanner, const char *text, size_t len);

#endif
