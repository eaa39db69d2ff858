/* A sequence: its tokens and the blocks that hold their keys and values. */
#ifndef ENG_INFER_SEQ_H
#define ENG_INFER_SEQ_H

#include "infer/kv.h"
#include "infer/model.h"

struct eng_seq {
    eng_model *model; /* a reference */
    uint32_t len;     /* positions filled */
    uint32_t *blocks; /* [cap_blocks], n_blocks in use */
    uint32_t n_blocks, cap_blocks;
    int32_t *tokens; /* [16 * cap_blocks] */

    uint64_t salt;      /* 0: neither attaches nor enters cached blocks */
    uint64_t entry;     /* the cache's number of the last entered block, 0 at the start */
    uint32_t n_entered; /* leading blocks that are in the cache, or equal to one that is */
    eng_seq *next;      /* in the runtime's list of unused sequences */
};

/* After a step filled positions up to seq->len: enters the blocks that became full. */
void eng__seq_enter_full_blocks(eng_kv *kv, eng_seq *seq);

#endif
