#include "infer/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = ENG_KV_BLOCK_TOKENS };

static uint32_t blocks_for(uint32_t positions)
{
    return (positions + TOKENS - 1) / TOKENS;
}

/* Room in the tables for n blocks. */
static bool grow_tables(eng_seq *seq, uint32_t n)
{
    if (n <= seq->cap_blocks)
        return true;
    uint32_t cap = seq->cap_blocks ? seq->cap_blocks : 8;
    while (cap < n)
        cap *= 2;
    uint32_t *blocks = realloc(seq->blocks, cap * sizeof *blocks);
    if (!blocks)
        return false;
    seq->blocks = blocks;
    int32_t *tokens = realloc(seq->tokens, (size_t)cap * TOKENS * sizeof *tokens);
    if (!tokens)
        return false;
    seq->tokens = tokens;
    seq->cap_blocks = cap;
    return true;
}

eng_seq *eng_seq_create(eng_runtime *rt, eng_model *model)
{
    eng_seq *seq = rt->unused;
    if (!seq)
        return NULL;
    rt->unused = seq->next;
    *seq = (eng_seq){.model = eng_model_ref(model),
                     .blocks = seq->blocks,
                     .tokens = seq->tokens,
                     .cap_blocks = seq->cap_blocks};
    return seq;
}

void eng_seq_free(eng_runtime *rt, eng_seq *seq)
{
    enum { KEEP_BLOCKS = 64 }; /* larger tables go back to the allocator */
    if (!seq)
        return;
    /* Last block first: the cache evicts the oldest entry first, and a prefix must outlive what
     * continues it. */
    while (seq->n_blocks)
        eng__kv_drop(rt->kv, seq->blocks[--seq->n_blocks]);
    eng_model_unref(seq->model);
    if (seq->cap_blocks > KEEP_BLOCKS) {
        free(seq->blocks);
        free(seq->tokens);
        *seq = (eng_seq){0};
    }
    seq->model = NULL;
    seq->next = rt->unused;
    rt->unused = seq;
}

uint32_t eng_seq_len(const eng_seq *seq)
{
    return seq->len;
}

eng_seq *eng_seq_fork(eng_runtime *rt, const eng_seq *src)
{
    const uint32_t filled = blocks_for(src->len); /* reserved blocks past them stay src's own */
    eng_seq *seq = eng_seq_create(rt, src->model);
    if (!seq)
        return NULL;
    if (!grow_tables(seq, filled)) {
        eng_seq_free(rt, seq);
        return NULL;
    }
    for (uint32_t i = 0; i < filled; i++) {
        eng__kv_hold(rt->kv, src->blocks[i]);
        seq->blocks[i] = src->blocks[i];
    }
    if (src->len)
        memcpy(seq->tokens, src->tokens, src->len * sizeof *seq->tokens);
    seq->len = src->len;
    seq->n_blocks = filled;
    seq->salt = src->salt;
    seq->entry = src->entry;
    seq->n_entered = src->n_entered;
    return seq;
}

uint32_t eng_seq_attach_prefix(eng_runtime *rt, eng_seq *seq, uint64_t salt, const int32_t *tokens,
                               uint32_t n)
{
    if (!salt || seq->len || n == 0)
        return 0;
    seq->salt = salt;
    const eng_kv_scope scope = {seq->model->uid, salt};
    const uint32_t most = (n - 1) / TOKENS; /* a row is left to compute */
    rt->prefix_queries += n;
    if (!grow_tables(seq, blocks_for(n)))
        return 0;
    while (seq->n_blocks < most) {
        uint64_t entry;
        const int32_t *next = tokens + (size_t)seq->n_blocks * TOKENS;
        int32_t block = eng__kv_find(rt->kv, scope, seq->entry, next, &entry);
        if (block == ENG_KV_NO_BLOCK)
            break;
        eng__kv_hold(rt->kv, (uint32_t)block);
        seq->blocks[seq->n_blocks++] = (uint32_t)block;
        seq->entry = entry;
    }
    seq->n_entered = seq->n_blocks;
    seq->len = seq->n_blocks * TOKENS;
    memcpy(seq->tokens, tokens, seq->len * sizeof *tokens);
    rt->prefix_hits += seq->len;
    return seq->len;
}

bool eng_seq_reserve(eng_runtime *rt, eng_seq *seq, uint32_t n)
{
    const uint32_t want = blocks_for(seq->len + n);
    const uint32_t tail = seq->len / TOKENS; /* the block the next position falls in */
    const bool copy = n && tail < seq->n_blocks && eng__kv_shared(rt->kv, seq->blocks[tail]);
    const uint32_t more = want > seq->n_blocks ? want - seq->n_blocks : 0;
    if (more + copy > eng__kv_available(rt->kv) || !grow_tables(seq, want))
        return false;
    if (copy) {
        uint32_t own = (uint32_t)eng__kv_take(rt->kv);
        eng__kv_copy(rt->kv, own, seq->blocks[tail]);
        eng__kv_drop(rt->kv, seq->blocks[tail]);
        seq->blocks[tail] = own;
    }
    while (seq->n_blocks < want)
        seq->blocks[seq->n_blocks++] = (uint32_t)eng__kv_take(rt->kv);
    return true;
}

void eng__seq_enter_full_blocks(eng_kv *kv, eng_seq *seq)
{
    if (!seq->salt)
        return;
    const eng_kv_scope scope = {seq->model->uid, seq->salt};
    for (; seq->n_entered < seq->len / TOKENS; seq->n_entered++)
        seq->entry = eng__kv_enter(kv, seq->blocks[seq->n_entered], scope, seq->entry,
                                   seq->tokens + (size_t)seq->n_entered * TOKENS);
}
