#include "infer/kv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TOKENS = ENG_KV_BLOCK_TOKENS, NONE = -1 };

typedef struct block_info {
    uint32_t refs;
    uint64_t entry; /* its number in the cache, 0 = not entered */
    uint64_t parent;
    eng_kv_scope scope;
    int32_t tokens[TOKENS];
    int32_t hash_next;          /* in its bucket */
    int32_t lru_prev, lru_next; /* while cached with refs 0 */
    int32_t free_next;          /* while free */
} block_info;

struct eng_kv {
    uint8_t *pool;
    size_t pool_bytes, block_bytes, layer_bytes, head_bytes;
    uint32_t n_layer, n_head, n_kv_head, head_dim;
    bool f32;

    block_info *blocks; /* [n_blocks] */
    uint32_t n_blocks, n_free, n_cached;
    int32_t free_head;
    int32_t lru_head, lru_tail; /* oldest at the head */
    int32_t *buckets;           /* [n_buckets], a power of two */
    uint32_t n_buckets;
    uint64_t last_entry;
};

/* ---- the hash of exact keys ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint32_t bucket_of(const eng_kv *kv, eng_kv_scope scope, uint64_t parent,
                          const int32_t *tokens)
{
    uint64_t h = mix(mix(mix(1, scope.model_uid), scope.salt), parent);
    for (int i = 0; i < TOKENS; i++)
        h = mix(h, (uint32_t)tokens[i]);
    return (uint32_t)(h >> 32) & (kv->n_buckets - 1);
}

static bool same_key(const block_info *b, eng_kv_scope scope, uint64_t parent,
                     const int32_t *tokens)
{
    return b->parent == parent && b->scope.model_uid == scope.model_uid &&
           b->scope.salt == scope.salt && memcmp(b->tokens, tokens, sizeof b->tokens) == 0;
}

int32_t eng__kv_find(eng_kv *kv, eng_kv_scope scope, uint64_t parent, const int32_t *tokens,
                     uint64_t *entry)
{
    int32_t i = kv->buckets[bucket_of(kv, scope, parent, tokens)];
    while (i != NONE && !same_key(&kv->blocks[i], scope, parent, tokens))
        i = kv->blocks[i].hash_next;
    if (i != NONE)
        *entry = kv->blocks[i].entry;
    return i;
}

uint64_t eng__kv_enter(eng_kv *kv, uint32_t block, eng_kv_scope scope, uint64_t parent,
                       const int32_t *tokens)
{
    uint64_t entry;
    if (eng__kv_find(kv, scope, parent, tokens, &entry) != NONE)
        return entry;
    block_info *b = &kv->blocks[block];
    b->entry = ++kv->last_entry;
    b->parent = parent;
    b->scope = scope;
    memcpy(b->tokens, tokens, sizeof b->tokens);
    int32_t *bucket = &kv->buckets[bucket_of(kv, scope, parent, tokens)];
    b->hash_next = *bucket;
    *bucket = (int32_t)block;
    return b->entry;
}

static void leave_cache(eng_kv *kv, int32_t block)
{
    block_info *b = &kv->blocks[block];
    int32_t *at = &kv->buckets[bucket_of(kv, b->scope, b->parent, b->tokens)];
    while (*at != block)
        at = &kv->blocks[*at].hash_next;
    *at = b->hash_next;
    b->entry = 0;
}

/* ---- the list of cached blocks nobody holds ---- */

static void lru_append(eng_kv *kv, int32_t block)
{
    block_info *b = &kv->blocks[block];
    b->lru_prev = kv->lru_tail;
    b->lru_next = NONE;
    if (kv->lru_tail == NONE)
        kv->lru_head = block;
    else
        kv->blocks[kv->lru_tail].lru_next = block;
    kv->lru_tail = block;
    kv->n_cached++;
}

static void lru_remove(eng_kv *kv, int32_t block)
{
    block_info *b = &kv->blocks[block];
    if (b->lru_prev == NONE)
        kv->lru_head = b->lru_next;
    else
        kv->blocks[b->lru_prev].lru_next = b->lru_next;
    if (b->lru_next == NONE)
        kv->lru_tail = b->lru_prev;
    else
        kv->blocks[b->lru_next].lru_prev = b->lru_prev;
    kv->n_cached--;
}

/* ---- blocks ---- */

uint32_t eng__kv_available(const eng_kv *kv)
{
    return kv->n_free + kv->n_cached;
}

int32_t eng__kv_take(eng_kv *kv)
{
    int32_t i = kv->free_head;
    if (i != NONE) {
        kv->free_head = kv->blocks[i].free_next;
        kv->n_free--;
    } else if ((i = kv->lru_head) != NONE) {
        lru_remove(kv, i);
        leave_cache(kv, i);
    } else {
        return NONE;
    }
    kv->blocks[i].refs = 1;
    return i;
}

void eng__kv_hold(eng_kv *kv, uint32_t block)
{
    if (kv->blocks[block].refs++ == 0)
        lru_remove(kv, (int32_t)block);
}

void eng__kv_drop(eng_kv *kv, uint32_t block)
{
    block_info *b = &kv->blocks[block];
    if (--b->refs)
        return;
    if (b->entry) {
        lru_append(kv, (int32_t)block);
        return;
    }
    b->free_next = kv->free_head;
    kv->free_head = (int32_t)block;
    kv->n_free++;
}

bool eng__kv_shared(const eng_kv *kv, uint32_t block)
{
    return kv->blocks[block].refs > 1;
}

void eng__kv_copy(eng_kv *kv, uint32_t to, uint32_t from)
{
    memcpy(kv->pool + (size_t)to * kv->block_bytes, kv->pool + (size_t)from * kv->block_bytes,
           kv->block_bytes);
}

/* ---- the pool ---- */

eng_kv_view eng__kv_view(const eng_kv *kv)
{
    return (eng_kv_view){.pool = kv->pool,
                         .block_bytes = kv->block_bytes,
                         .head_bytes = kv->head_bytes,
                         .head_dim = kv->head_dim,
                         .n_head = kv->n_head,
                         .n_kv_head = kv->n_kv_head,
                         .f32 = kv->f32};
}

size_t eng__kv_layer_bytes(const eng_kv *kv)
{
    return kv->layer_bytes;
}

void eng__kv_stats(const eng_kv *kv, eng_kv_stats *out)
{
    out->block_tokens = TOKENS;
    out->n_blocks = kv->n_blocks;
    out->n_cached = kv->n_cached;
    out->n_used = kv->n_blocks - kv->n_free - kv->n_cached;
}

static eng_status allocate(eng_kv *kv, eng_error *err)
{
    kv->n_buckets = 64;
    while (kv->n_buckets < kv->n_blocks * 2)
        kv->n_buckets *= 2;
    kv->blocks = calloc(kv->n_blocks, sizeof *kv->blocks);
    kv->buckets = malloc(kv->n_buckets * sizeof *kv->buckets);
    /* NORESERVE: a page costs memory when its block is first written, not before. */
    void *pool = mmap(NULL, kv->pool_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool != MAP_FAILED) {
        kv->pool = pool;
        madvise(pool, kv->pool_bytes, MADV_HUGEPAGE); /* a wish: attention walks many pages */
    }
    if (!kv->blocks || !kv->buckets || !kv->pool)
        return eng_fail(err, ENG_NOMEM, "the KV pool of %zu bytes: out of memory", kv->pool_bytes);
    for (uint32_t i = 0; i < kv->n_buckets; i++)
        kv->buckets[i] = NONE;
    for (uint32_t i = 0; i < kv->n_blocks; i++)
        kv->blocks[i].free_next = i + 1 < kv->n_blocks ? (int32_t)i + 1 : NONE;
    kv->free_head = 0;
    kv->n_free = kv->n_blocks;
    return ENG_OK;
}

eng_status eng__kv_create(eng_kv **out, const eng_config *c, size_t pool_bytes, bool f32,
                          eng_error *err)
{
    eng_kv *kv = calloc(1, sizeof *kv);
    if (!kv)
        return eng_fail(err, ENG_NOMEM, "KV pool: out of memory");
    *kv = (eng_kv){.n_layer = c->n_layer,
                   .n_head = c->n_head,
                   .n_kv_head = c->n_kv_head,
                   .head_dim = c->head_dim,
                   .f32 = f32,
                   .lru_head = NONE,
                   .lru_tail = NONE};
    kv->head_bytes = 2 * (size_t)TOKENS * c->head_dim * (f32 ? 4 : 2);
    kv->layer_bytes = kv->head_bytes * c->n_kv_head;
    kv->block_bytes = kv->layer_bytes * c->n_layer;
    const size_t block_bytes = kv->block_bytes, n = pool_bytes / block_bytes;
    if (n < 2 || n > INT32_MAX / 2) {
        eng__kv_free(kv);
        return eng_fail(err, ENG_INVALID,
                        "a KV pool of %zu bytes holds %zu blocks of %zu bytes; at least 2 expected",
                        pool_bytes, n, block_bytes);
    }
    kv->n_blocks = (uint32_t)n;
    kv->pool_bytes = n * kv->block_bytes;
    eng_status st = allocate(kv, err);
    if (st != ENG_OK) {
        eng__kv_free(kv);
        return st;
    }
    *out = kv;
    return ENG_OK;
}

void eng__kv_free(eng_kv *kv)
{
    if (!kv)
        return;
    if (kv->pool)
        munmap(kv->pool, kv->pool_bytes);
    free(kv->blocks);
    free(kv->buckets);
    free(kv);
}
