/* Head gate and parser over any bytes, cut in any way: nothing crashes, and the way the bytes were
 * cut changes neither the verdicts nor the bodies. The first byte of the input chooses the cuts. */
#include "../daemon/http_drive.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next piece's length: 1 to 64 bytes, from a small generator. */
static size_t next_piece(uint32_t *state, size_t left)
{
    *state = *state * 1664525u + 1013904223u;
    size_t n = (*state >> 16) % 64 + 1;
    return n < left ? n : left;
}

static void expect_same(const http_drive *whole, const http_drive *cut)
{
    int n = whole->n_statuses < DRIVE_STATUSES ? whole->n_statuses : DRIVE_STATUSES;
    bool same = whole->n_statuses == cut->n_statuses && whole->closed == cut->closed &&
                whole->body_sum == cut->body_sum && whole->body_hash == cut->body_hash;
    for (int i = 0; same && i < n; i++)
        same = whole->statuses[i] == cut->statuses[i];
    if (same)
        return;
    fprintf(stderr, "whole: %d replies, cut: %d replies\n", whole->n_statuses, cut->n_statuses);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static http_drive whole, cut;
    if (size == 0)
        return 0;
    uint32_t state = data[0];
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1;
    memset(&whole, 0, sizeof whole);
    memset(&cut, 0, sizeof cut);
    drive_feed(&whole, bytes, len);
    for (size_t at = 0; at < len;) {
        size_t n = state == 0 ? 1 : next_piece(&state, len - at);
        drive_feed(&cut, bytes + at, n);
        at += n;
    }
    expect_same(&whole, &cut);
    drive_free(&whole);
    drive_free(&cut);
    return 0;
}
