#include "text/bpe.h"

#include "base/pace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHORT_PIECE = 64, /* up to here merging scans an array; beyond, it keeps a tree */
    WHOLE_CHECK = 256 /* longer tokens are not tried for the whole-piece table */
};
#define NO_RANK UINT32_MAX

struct eng__merge_slot {
    uint32_t left, right, rank, result; /* rank NO_RANK: an empty slot */
};

struct eng__piece_slot {
    uint32_t hash;
    uint32_t id_plus_1 : 31; /* 0: an empty slot */
    uint32_t whole : 1;      /* a piece of these bytes is this token */
};

/* ---- tables --------------------------------------------------------------------------------- */

static uint32_t hash_pair(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32) ^ ((uint32_t)h >> 15);
}

static uint64_t load64(const char *s)
{
    uint64_t w;
    memcpy(&w, s, 8);
    return w;
}

static uint32_t load32(const char *s)
{
    uint32_t w;
    memcpy(&w, s, 4);
    return w;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static uint32_t hash_bytes(const char *s, size_t len)
{
    uint64_t h = len;
    size_t i = 0;
    for (; i + 8 <= len; i += 8)
        h = mix(h, load64(s + i));
    if (i > 0 && i < len) /* the tail, overlapping what is hashed already */
        h = mix(h, load64(s + len - 8));
    else if (i < len && len >= 4)
        h = mix(h, (uint64_t)load32(s) << 32 | load32(s + len - 4));
    else if (i < len) /* 1 to 3 bytes: first, middle, last */
        h = mix(h, (uint64_t)(unsigned char)s[0] << 16 | (uint64_t)(unsigned char)s[len / 2] << 8 |
                       (unsigned char)s[len - 1]);
    return (uint32_t)mix(h, 0x9E3779B97F4A7C15u);
}

/* The slot of this pair, or the empty one where it belongs. */
static eng__merge_slot *find_merge(const eng__bpe *bpe, int32_t left, int32_t right)
{
    for (uint32_t i = hash_pair((uint32_t)left, (uint32_t)right);; i++) {
        eng__merge_slot *s = &bpe->merges[i & bpe->merge_mask];
        if (s->rank == NO_RANK || (s->left == (uint32_t)left && s->right == (uint32_t)right))
            return s;
    }
}

/* The slot of these bytes, or the empty one where they belong. */
static eng__piece_slot *find_piece(const eng__bpe *bpe, const char *bytes, size_t len)
{
    uint32_t hash = hash_bytes(bytes, len);
    for (uint32_t i = hash;; i++) {
        eng__piece_slot *s = &bpe->pieces[i & bpe->piece_mask];
        if (s->id_plus_1 == 0)
            return s;
        if (s->hash == hash) {
            size_t n;
            const char *text = eng__vocab_text_of(bpe->texts, s->id_plus_1 - 1, &n);
            if (n == len && memcmp(text, bytes, len) == 0)
                return s;
        }
    }
}

/* ---- merging -------------------------------------------------------------------------------- */

static void push_symbol(const eng__bpe *bpe, eng__ids *ids, int32_t symbol)
{
    if (symbol >= 0)
        eng__ids_push(ids, symbol);
    else if (bpe->unknown >= 0)
        eng__ids_push(ids, bpe->unknown);
}

/* Up to SHORT_PIECE bytes: the ranks of all pairs in an array that shrinks. */
static void merge_short(const eng__bpe *bpe, const char *piece, size_t n, eng__ids *ids)
{
    int32_t sym[SHORT_PIECE];
    const eng__merge_slot *pair[SHORT_PIECE]; /* of sym[i] and sym[i + 1] */
    for (size_t i = 0; i < n; i++)
        sym[i] = bpe->byte_token[(unsigned char)piece[i]];
    for (size_t i = 0; i + 1 < n; i++)
        pair[i] = find_merge(bpe, sym[i], sym[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (pair[i]->rank < pair[best]->rank)
                best = i;
        if (pair[best]->rank == NO_RANK)
            break;
        sym[best] = (int32_t)pair[best]->result;
        n--;
        memmove(sym + best + 1, sym + best + 2, (n - best - 1) * sizeof *sym);
        if (best + 1 < n) {
            memmove(pair + best + 1, pair + best + 2, (n - best - 2) * sizeof *pair);
            pair[best] = find_merge(bpe, sym[best], sym[best + 1]);
        }
        if (best > 0)
            pair[best - 1] = find_merge(bpe, sym[best - 1], sym[best]);
    }
    for (size_t i = 0; i < n; i++)
        push_symbol(bpe, ids, sym[i]);
}

/* The symbols of a long piece as a doubly linked list over its bytes, and over their pairs a binary
 * tree of minimum ranks: its root is the lowest rank, and going left on ties leads to the leftmost
 * pair. A merge changes three leaves. */
typedef struct long_piece {
    int32_t *sym;          /* [n] by byte position; only list members count */
    uint32_t *next, *prev; /* [n] n = none, and n + 1 entries so that prev[n] may be written */
    uint32_t *tree;        /* [2 * n_leaves] node k has children 2k and 2k + 1; leaves last */
    uint32_t n, n_leaves;  /* n_leaves: n rounded up to a power of two */
} long_piece;

static void set_rank(long_piece *lp, uint32_t at, uint32_t rank)
{
    uint32_t k = lp->n_leaves + at;
    lp->tree[k] = rank;
    while (k > 1) {
        uint32_t a = lp->tree[k], b = lp->tree[k ^ 1], lower = a < b ? a : b;
        k /= 2;
        if (lp->tree[k] == lower)
            break;
        lp->tree[k] = lower;
    }
}

static uint32_t pair_rank(const eng__bpe *bpe, const long_piece *lp, uint32_t at)
{
    uint32_t right = lp->next[at];
    return right < lp->n ? find_merge(bpe, lp->sym[at], lp->sym[right])->rank : NO_RANK;
}

static void link_symbols(const eng__bpe *bpe, long_piece *lp, const char *piece)
{
    for (uint32_t i = 0; i < lp->n; i++) {
        lp->sym[i] = bpe->byte_token[(unsigned char)piece[i]];
        lp->next[i] = i + 1;
        lp->prev[i + 1] = i;
    }
    lp->prev[0] = lp->n;
    for (uint32_t i = 0; i < lp->n_leaves; i++)
        lp->tree[lp->n_leaves + i] = i < lp->n ? pair_rank(bpe, lp, i) : NO_RANK;
    for (uint32_t k = lp->n_leaves - 1; k > 0; k--) {
        uint32_t a = lp->tree[2 * k], b = lp->tree[2 * k + 1];
        lp->tree[k] = a < b ? a : b;
    }
}

static void merge_all(const eng__bpe *bpe, long_piece *lp)
{
    while (lp->tree[1] != NO_RANK) {
        uint32_t k = 1;
        while (k < lp->n_leaves)
            k = lp->tree[2 * k] == lp->tree[k] ? 2 * k : 2 * k + 1;
        uint32_t at = k - lp->n_leaves, gone = lp->next[at];
        lp->sym[at] = (int32_t)find_merge(bpe, lp->sym[at], lp->sym[gone])->result;
        lp->next[at] = lp->next[gone];
        lp->prev[lp->next[gone]] = at;
        set_rank(lp, gone, NO_RANK);
        set_rank(lp, at, pair_rank(bpe, lp, at));
        if (lp->prev[at] < lp->n)
            set_rank(lp, lp->prev[at], pair_rank(bpe, lp, lp->prev[at]));
    }
}

static eng_status merge_long(const eng__bpe *bpe, const char *piece, size_t len, eng__ids *ids)
{
    if (len > INT32_MAX / 2)
        return ENG_NOMEM;
    long_piece lp = {.n = (uint32_t)len, .n_leaves = 1};
    while (lp.n_leaves < lp.n)
        lp.n_leaves *= 2;
    size_t n = len + 1;
    uint32_t *room = malloc((3 * n + 2 * (size_t)lp.n_leaves) * sizeof *room);
    if (!room)
        return ENG_NOMEM;
    lp.sym = (int32_t *)room;
    lp.next = room + n;
    lp.prev = room + 2 * n;
    lp.tree = room + 3 * n;
    link_symbols(bpe, &lp, piece);
    merge_all(bpe, &lp);
    for (uint32_t i = 0; i < lp.n; i = lp.next[i])
        push_symbol(bpe, ids, lp.sym[i]);
    free(room);
    return ENG_OK;
}

eng_status eng__bpe_piece(const eng__bpe *bpe, const char *piece, size_t len, eng__ids *ids)
{
    if (len <= bpe->max_piece) {
        const eng__piece_slot *s = find_piece(bpe, piece, len);
        if (s->whole) {
            eng__ids_push(ids, (int32_t)(s->id_plus_1 - 1));
            return ENG_OK;
        }
    }
    if (len > SHORT_PIECE)
        return merge_long(bpe, piece, len, ids);
    merge_short(bpe, piece, len, ids);
    return ENG_OK;
}

/* ---- building ------------------------------------------------------------------------------- */

/* The power of two that keeps n entries under half full. */
static uint32_t table_size(uint32_t n)
{
    uint32_t size = 16;
    while (size / 2 <= n)
        size *= 2;
    return size;
}

static void add_tokens(eng__bpe *bpe, const eng_vocab *vocab)
{
    memset(bpe->byte_token, -1, sizeof bpe->byte_token);
    for (uint32_t id = 0; id < bpe->texts->n; id++) {
        size_t len;
        eng__pace_item(id);
        const char *bytes = eng__vocab_text_of(bpe->texts, id, &len);
        bool is_byte = len == 1 && vocab->types[id] == ENG_TOKEN_BYTE;
        if (!bpe->texts->spelled[id] && !is_byte)
            continue;
        int32_t *single = &bpe->byte_token[(unsigned char)bytes[0]];
        if (len == 1 && (*single < 0 || (!is_byte && vocab->types[*single] == ENG_TOKEN_BYTE)))
            *single = (int32_t)id;
        if (is_byte)
            continue;
        eng__piece_slot *s = find_piece(bpe, bytes, len);
        if (s->id_plus_1 == 0)
            *s = (eng__piece_slot){.hash = hash_bytes(bytes, len), .id_plus_1 = id + 1};
    }
}

/* How merging a token's own bytes makes it, as far as entering the merges in their order tells. */
typedef struct origin {
    uint32_t when;        /* its last merge's rank + FIRST_MERGE, or one of the below */
    uint32_t left, right; /* what that merge joins; both were made before */
} origin;

enum { NOT_KNOWN, A_BYTE, FIRST_MERGE };

/* While the bytes of left and right are merged side by side, would anything be merged across the
 * seam before both stand there whole? Time runs backwards from that moment: of the two at the seam
 * the one with the later merge came last (of equals the right one, because the leftmost pair goes
 * first), and before it its part was there. That pair went unmerged if its rank is not below the
 * rank of the merge that ended its time, nor equal to it and further left. */
static bool merges_across(const eng__bpe *bpe, const origin *of, uint32_t left, uint32_t right)
{
    while (of[left].when >= FIRST_MERGE || of[right].when >= FIRST_MERGE) {
        const bool left_last = of[left].when > of[right].when;
        const uint32_t end = of[left_last ? left : right].when - FIRST_MERGE;
        if (left_last)
            left = of[left].right;
        else
            right = of[right].left;
        const uint32_t rank = find_merge(bpe, (int32_t)left, (int32_t)right)->rank;
        if (rank < end || (rank == end && !left_last))
            return true;
    }
    return false;
}

static void note_origin(const eng__bpe *bpe, origin *of, const eng__merge_slot *made)
{
    if (of[made->result].when == NOT_KNOWN && of[made->left].when != NOT_KNOWN &&
        of[made->right].when != NOT_KNOWN && !merges_across(bpe, of, made->left, made->right))
        of[made->result] = (origin){made->rank + FIRST_MERGE, made->left, made->right};
}

/* Enters merge number `rank`; of equal pairs the first counts. */
static bool add_merge(eng__bpe *bpe, origin *of, char *buf, const char *text, size_t len,
                      uint32_t rank)
{
    const char *space = len > 1 ? memchr(text + 1, ' ', len - 1) : NULL;
    if (!space)
        return false;
    const size_t n_left = (size_t)(space - text), n_right = len - n_left - 1;
    size_t n, m;
    if (n_right == 0 || !eng__alphabet_decode(buf, &n, text, n_left) ||
        !eng__alphabet_decode(buf + n, &m, space + 1, n_right))
        return false;
    const uint32_t left = find_piece(bpe, buf, n)->id_plus_1;
    const uint32_t right = find_piece(bpe, buf + n, m)->id_plus_1;
    const uint32_t result = find_piece(bpe, buf, n + m)->id_plus_1;
    if (left == 0 || right == 0 || result == 0)
        return false;
    eng__merge_slot *s = find_merge(bpe, (int32_t)left - 1, (int32_t)right - 1);
    if (s->rank != NO_RANK)
        return true;
    *s = (eng__merge_slot){left - 1, right - 1, rank, result - 1};
    note_origin(bpe, of, s);
    return true;
}

static eng_status add_merges(eng__bpe *bpe, origin *of, const eng_vocab *vocab, eng_error *err)
{
    size_t longest = 1;
    for (uint32_t i = 0; i < vocab->n_merges; i++)
        if (vocab->merge_lens[i] > longest)
            longest = vocab->merge_lens[i];
    char *buf = malloc(longest);
    if (!buf)
        return eng_fail(err, ENG_NOMEM, "no memory for merges");
    eng_status status = ENG_OK;
    for (uint32_t i = 0; status == ENG_OK && i < vocab->n_merges; i++) {
        eng__pace_item(i);
        if (!add_merge(bpe, of, buf, vocab->merges[i], vocab->merge_lens[i], i))
            status = eng_fail(err, ENG_FORMAT,
                              "tokenizer.ggml.merges[%" PRIu32 "] \"%.*s\" is not two tokens whose "
                              "joined text is a token",
                              i, (int)(vocab->merge_lens[i] < 80 ? vocab->merge_lens[i] : 80),
                              vocab->merges[i]);
    }
    free(buf);
    return status;
}

/* Do the bytes of a token merge into it? What the order of the merges did not tell is tried. */
static bool merges_whole(const eng__bpe *bpe, const origin *of, uint32_t id, const char *bytes,
                         size_t len)
{
    int32_t first = -1;
    eng__ids ids = {&first, 1, 0};
    if (of[id].when != NOT_KNOWN)
        return true;
    if (len > WHOLE_CHECK)
        return false;
    if (len <= SHORT_PIECE)
        merge_short(bpe, bytes, len, &ids);
    else if (merge_long(bpe, bytes, len, &ids) != ENG_OK)
        return false;
    return ids.n == 1 && first == (int32_t)id;
}

/* Marks the tokens that their own bytes merge into; a token that merging never makes (or would make
 * in other parts) must not be found by the short cut. */
static void mark_whole(eng__bpe *bpe, const origin *of, bool whole_first)
{
    for (uint32_t i = 0; i <= bpe->piece_mask; i++) {
        eng__piece_slot *s = &bpe->pieces[i];
        eng__pace_item(i);
        if (s->id_plus_1 == 0)
            continue;
        size_t len;
        const char *bytes = eng__vocab_text_of(bpe->texts, s->id_plus_1 - 1, &len);
        s->whole = whole_first || merges_whole(bpe, of, s->id_plus_1 - 1, bytes, len);
        if (s->whole && len > bpe->max_piece)
            bpe->max_piece = len;
    }
}

/* Everything behind the tables' allocation. */
static eng_status fill_tables(eng__bpe *bpe, const eng_vocab *vocab, bool whole_first,
                              eng_error *err)
{
    origin *of = calloc(vocab->n_tokens, sizeof *of);
    if (!of)
        return eng_fail(err, ENG_NOMEM, "no memory for %" PRIu32 " tokens", vocab->n_tokens);
    add_tokens(bpe, vocab);
    for (int b = 0; b < 256; b++)
        if (bpe->byte_token[b] >= 0)
            of[bpe->byte_token[b]].when = A_BYTE;
    eng_status status = add_merges(bpe, of, vocab, err);
    if (status == ENG_OK)
        mark_whole(bpe, of, whole_first);
    free(of);
    return status;
}

eng_status eng__bpe_init(eng__bpe *bpe, eng_arena *arena, const eng_vocab *vocab,
                         const eng__vocab_text *texts, bool whole_first, int32_t unknown,
                         eng_error *err)
{
    enum { MOST = 1 << 28 }; /* keeps table sizes in 32 bits */
    if (vocab->n_tokens > MOST || vocab->n_merges > MOST)
        return eng_fail(err, ENG_UNSUPPORTED,
                        "tokenizer.ggml: %" PRIu32 " tokens, %" PRIu32 " merges; the limit is %d",
                        vocab->n_tokens, vocab->n_merges, MOST);
    uint32_t n_merges = table_size(vocab->n_merges), n_pieces = table_size(vocab->n_tokens);
    *bpe = (eng__bpe){.texts = texts,
                      .unknown = unknown,
                      .merges = eng_arena_array(arena, n_merges, sizeof *bpe->merges),
                      .pieces = eng_arena_array(arena, n_pieces, sizeof *bpe->pieces),
                      .merge_mask = n_merges - 1,
                      .piece_mask = n_pieces - 1};
    if (!bpe->merges || !bpe->pieces)
        return eng_fail(err, ENG_NOMEM, "no memory for %" PRIu32 " merges", vocab->n_merges);
    for (uint32_t i = 0; i < n_merges; i++)
        bpe->merges[i].rank = NO_RANK;
    return fill_tables(bpe, vocab, whole_first, err);
}
