/* Residual dropout whose mask is a function of names, not of order: see eng_dropout in train.h. */
#include "base/random.h"
#include "train/ops.h"

enum { PURPOSE = 0x64726f70 }; /* "drop": no other draw shares these counters */

/* One key a sequence, drawn from (seed, step, sequence). */
void eng__dropout_begin(eng_tape *t)
{
    const eng_dropout *d = t->dropout;
    for (uint32_t s = 0; d && s < t->pack->n_seqs; s++) {
        uint32_t x[4] = {(uint32_t)d->step, (uint32_t)(d->step >> 32), (uint32_t)d->seq_keys[s],
                         (uint32_t)(d->seq_keys[s] >> 32)};
        eng__philox4x32(x, (uint32_t)d->seed, (uint32_t)(d->seed >> 32));
        t->drop_keys[s][0] = x[0];
        t->drop_keys[s][1] = x[1];
    }
}

void eng__dropout_row(const eng_tape *t, float *y, const float *x, uint32_t row, uint32_t sublayer)
{
    const uint32_t counter[3] = {t->position[row], sublayer, PURPOSE};
    const double rate = (double)t->dropout->rate;
    t->k->dropout(y, x, t->c.n_embd, counter, t->drop_keys[t->seq[row]], (uint32_t)(rate * 0x1p32),
                  (float)(1.0 / (1.0 - rate)));
}
