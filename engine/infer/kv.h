/* The paged KV pool: fixed blocks of 16 positions, reference counts, prefix cache.
 *
 * A block is free, held by sequences (refs > 0), or cached (refs 0, its content kept until the room
 * is needed, least recently used first). A full block whose tokens are known can be entered in the
 * cache; its key is exact, not a hash: the entry before it, the model, the salt and its 16 tokens
 * are compared, so no collision can hand one tenant another's prefix.
 *
 * Owner: the runtime's thread. */
#ifndef ENG_INFER_KV_H
#define ENG_INFER_KV_H

#include "base/status.h"
#include "compute/backend.h"
#include "engine.h"

enum { ENG_KV_BLOCK_TOKENS = ENG_GROUP_ROWS, ENG_KV_NO_BLOCK = -1 };

typedef struct eng_kv eng_kv;

/* Which weights and whose text a cached block belongs to. */
typedef struct eng_kv_scope {
    uint64_t model_uid;
    uint64_t salt; /* never 0 */
} eng_kv_scope;

ENG_MUST_CHECK eng_status eng__kv_create(eng_kv **out, const eng_config *config, size_t pool_bytes,
                                         bool f32, eng_error *err);
void eng__kv_free(eng_kv *kv);

/* The layout, with layer_offset of layer 0; advance it by eng__kv_layer_bytes a layer. */
eng_kv_view eng__kv_view(const eng_kv *kv);
size_t eng__kv_layer_bytes(const eng_kv *kv);

/* Blocks that eng__kv_take could give now: the free and the cached ones. */
uint32_t eng__kv_available(const eng_kv *kv);
/* A block with one reference, evicting the oldest cached block if none is free; -1 = pool full. */
int32_t eng__kv_take(eng_kv *kv);
void eng__kv_hold(eng_kv *kv, uint32_t block); /* one more reference; revives a cached block */
void eng__kv_drop(eng_kv *kv, uint32_t block); /* one less; at 0 it is cached or free */
bool eng__kv_shared(const eng_kv *kv, uint32_t block); /* more than one reference? */
void eng__kv_copy(eng_kv *kv, uint32_t to, uint32_t from);

/* The cached block that continues entry `parent` (0: the start) with these 16 tokens, or -1; *entry
 * is then its own entry number. */
int32_t eng__kv_find(eng_kv *kv, eng_kv_scope scope, uint64_t parent, const int32_t *tokens,
                     uint64_t *entry);
/* Enters a held, full block; returns its entry number, or the one that already stands for the same
 * tokens (the block then stays private). */
uint64_t eng__kv_enter(eng_kv *kv, uint32_t block, eng_kv_scope scope, uint64_t parent,
                       const int32_t *tokens);

void eng__kv_stats(const eng_kv *kv, eng_kv_stats *out); /* block counts only */

#endif
