/* The table that pii.c scans with: one row a pattern. */
#ifndef DAEMON_HUMAN_PII_RULES_H
#define DAEMON_HUMAN_PII_RULES_H

#include "human/pii.h"

typedef struct pii_rule {
    pii_kind kind;
    const char *pattern; /* PCRE2, over bytes */
    bool any_case;
    double score;        /* of a match, before context and checksum */
    const char *context; /* words that make it likely, between blanks, lower case; or NULL */
    bool (*checksum)(const char *s, size_t len);  /* true: certain; false: none. NULL: has none */
    bool (*plausible)(const char *s, size_t len); /* false: none. NULL: nothing more to ask */
    bool anywhere; /* the checksum may hold for whole words inside the match alone */
} pii_rule;

const pii_rule *pii_rules(size_t *n);

#endif
