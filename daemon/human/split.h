/* Which of train, valid and test a person belongs to: a function of salt and name alone, so that it
 * stays as the data grow and nobody is in two parts. Pure. */
#ifndef DAEMON_HUMAN_SPLIT_H
#define DAEMON_HUMAN_SPLIT_H

#include "human/record.h"

enum { SPLIT_SLOTS = 10000 };

/* Slots below `train` are train's, below train + valid valid's, the rest test's; whoever makes one
 * sees to train + valid <= SPLIT_SLOTS. */
typedef struct split_shares {
    uint32_t train, valid;
} split_shares;

/* 0 ... SPLIT_SLOTS - 1: the first 8 bytes of SHA-256(salt, name), big-endian, mod SPLIT_SLOTS. */
uint32_t split_slot(const char *salt, const char *name);
record_part split_part(split_shares shares, const char *salt, const char *name);

#endif
