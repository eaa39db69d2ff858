/* How many rows of one person a data set takes: the `cap` smallest by SHA-256(seed, row id), a
 * choice that nobody can steer and that stays as it is while others' rows come and go. Pure. */
#ifndef DAEMON_HUMAN_CAP_H
#define DAEMON_HUMAN_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cap_item {
    const char *user, *id; /* ids are distinct */
    size_t index;          /* the caller's */
    bool kept;             /* the answer */
    uint8_t digest[32];    /* filled in: of 8 bytes of seed, big-endian, and the id */
} cap_item;

/* Sorts the items by user, then by digest, and fills `kept`. */
void cap_users(cap_item *items, size_t n, uint32_t cap, uint64_t seed);

#endif
