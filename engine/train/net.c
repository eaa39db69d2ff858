#include "train/net.h"

#include "base/block.h"
#include "base/random.h"
#include "infer/rope.h"
#include "text/tokenizer.h"
#include "train/net_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- birth and death ---- */

static void shared_unref(eng__net_shared *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    eng__tokenizer_free(s->tokenizer);
    free(s->rope_cos);
    free(s->rope_sin);
    free(s);
}

void eng_net_free(eng_net *net)
{
    if (!net)
        return;
    eng_block_free(net->floats, net->layout.n_floats * sizeof *net->floats);
    eng__layout_free(&net->layout);
    shared_unref(net->shared);
    free(net);
}

static eng_status net_shape(eng_net *net, eng_head head, eng_error *err)
{
    const eng__net_shared *s = net->shared;
    net->head = head;
    return eng__layout_build(&net->layout, &s->config, head, s->fused_qkv, err);
}

/* A zeroed flat block for the layout. */
static eng_status net_allocate(eng_net *net, eng_error *err)
{
    eng__layout *l = &net->layout;
    net->floats = eng_block_alloc(l->n_floats * sizeof *net->floats);
    if (!net->floats)
        return eng_fail(err, ENG_NOMEM, "the parameters need %zu bytes, which the system refused",
                        l->n_floats * sizeof *net->floats);
    for (uint32_t i = 0; i < l->n_params; i++)
        l->params[i].data = net->floats + l->params[i].offset;
    return ENG_OK;
}

/* ---- from a file ---- */

static bool is_score(const eng_param *p)
{
    return strncmp(p->name, "score.", 6) == 0;
}

/* Vectors have one dimension in files; the score's weight is a matrix of one row. */
static eng_status find_param(const eng_source *src, const eng_param *p, const eng_tensor_info **out,
                             eng_error *err)
{
    const bool vector = p->rows == 1 && strcmp(p->name, "score.weight") != 0;
    return eng__source_expect(src, p->name, p->cols, vector ? 0 : p->rows, out, err);
}

/* Every parameter is looked for before memory is asked for, so that a file's numbers are borne out
 * by its tensors. */
static eng_status check_params(const eng_net *net, const eng_source *src, eng_error *err)
{
    for (uint32_t i = 0; i < net->layout.n_params; i++) {
        const eng_param *p = &net->layout.params[i];
        const eng_tensor_info *t = eng__source_find(src, p->name);
        eng_status st = is_score(p) && !t ? ENG_OK : find_param(src, p, &t, err);
        if (st != ENG_OK)
            return st;
    }
    return ENG_OK;
}

static eng_status read_params(eng_net *net, const eng_source *src, eng_error *err)
{
    for (uint32_t i = 0; i < net->layout.n_params; i++) {
        const eng_param *p = &net->layout.params[i];
        const eng_tensor_info *t = eng__source_find(src, p->name);
        eng_status st = t ? eng__source_read_f32(src, t, p->data, err) : ENG_OK;
        if (st != ENG_OK)
            return st;
    }
    return ENG_OK;
}

static eng_status fill_shared(eng__net_shared *s, const eng_source *src, eng_error *err)
{
    s->config = *eng__source_config(src);
    s->fused_qkv = eng__source_find(src, "blk.0.attn_qkv.weight") != NULL;
    const eng_vocab *vocab = eng__source_vocab(src);
    eng_status st = vocab->n_tokens ? eng__tokenizer_create(&s->tokenizer, vocab, err) : ENG_OK;
    const size_t n = eng__rope_floats(&s->config);
    if (st != ENG_OK || !n)
        return st;
    s->rope_cos = malloc(n * sizeof *s->rope_cos);
    s->rope_sin = malloc(n * sizeof *s->rope_sin);
    if (!s->rope_cos || !s->rope_sin)
        return eng_fail(err, ENG_NOMEM, "rotary positions: out of memory");
    return eng__rope_fill(s->rope_cos, s->rope_sin, src, err);
}

static eng_status fill_net(eng_net *net, const eng_source *src, eng_head head, eng_error *err)
{
    if (head == ENG_HEAD_LM && eng__source_find(src, "score.weight") &&
        !eng__source_find(src, "output.weight"))
        return eng_fail(err, ENG_UNSUPPORTED,
                        "the model has a score head and no unembedding, expected output.weight");
    eng_status st = fill_shared(net->shared, src, err);
    if (st == ENG_OK)
        st = net_shape(net, head, err);
    if (st == ENG_OK)
        st = check_params(net, src, err);
    if (st == ENG_OK)
        st = net_allocate(net, err);
    if (st == ENG_OK)
        st = read_params(net, src, err);
    return st;
}

static eng_net *net_new(void)
{
    eng_net *net = calloc(1, sizeof *net);
    eng__net_shared *shared = calloc(1, sizeof *shared);
    if (!net || !shared) {
        free(net);
        free(shared);
        return NULL;
    }
    atomic_init(&shared->refs, 1);
    net->shared = shared;
    return net;
}

/* Takes the source over. */
static eng_status open_source(eng_net **out, eng_source *src, eng_head head, eng_error *err)
{
    eng_net *net = net_new();
    eng_status st =
        net ? fill_net(net, src, head, err) : eng_fail(err, ENG_NOMEM, "network: out of memory");
    eng__source_close(src);
    if (st != ENG_OK) {
        eng_net_free(net);
        return st;
    }
    *out = net;
    return ENG_OK;
}

eng_status eng_net_open(eng_net **out, const char *path, eng_head head, eng_error *err)
{
    eng_source *src;
    *out = NULL;
    eng_status st = eng__source_open(&src, path, err);
    return st == ENG_OK ? open_source(out, src, head, err) : st;
}

eng_status eng_net_open_weights(eng_net **out, const char *path, eng_head head, eng_error *err)
{
    eng_source *src;
    *out = NULL;
    eng_status st = eng__source_open_weights(&src, path, err);
    return st == ENG_OK ? open_source(out, src, head, err) : st;
}

/* ---- from another network ---- */

/* Everything but the heads stands at the same place in both. */
static void copy_params(eng_net *to, const eng_net *from)
{
    for (uint32_t i = 0; i < to->layout.n_params; i++) {
        const eng_param *p = &to->layout.params[i], *q = eng_net_find(from, p->name);
        if (q)
            memcpy(p->data, q->data, (size_t)p->rows * p->cols * sizeof *p->data);
    }
}

eng_status eng_net_clone(eng_net **out, const eng_net *from, eng_head head, eng_error *err)
{
    *out = NULL;
    if (head == ENG_HEAD_LM && from->head == ENG_HEAD_SCORE && !from->shared->config.tied)
        return eng_fail(err, ENG_INVALID,
                        "a network with a score head has no unembedding to clone");
    eng_net *net = calloc(1, sizeof *net);
    if (!net)
        return eng_fail(err, ENG_NOMEM, "network: out of memory");
    net->shared = from->shared;
    atomic_fetch_add_explicit(&net->shared->refs, 1, memory_order_relaxed);
    eng_status st = net_shape(net, head, err);
    if (st == ENG_OK)
        st = net_allocate(net, err);
    if (st != ENG_OK) {
        eng_net_free(net);
        return st;
    }
    copy_params(net, from);
    *out = net;
    return ENG_OK;
}

/* ---- what is in it ---- */

const eng_config *eng_net_config(const eng_net *net)
{
    return &net->shared->config;
}

const eng_tokenizer *eng_net_tokenizer(const eng_net *net)
{
    return net->shared->tokenizer;
}

eng_head eng_net_head(const eng_net *net)
{
    return net->head;
}

float *eng_net_floats(eng_net *net)
{
    return net->floats;
}

const float *eng_net_floats_const(const eng_net *net)
{
    return net->floats;
}

size_t eng_net_n_floats(const eng_net *net)
{
    return net->layout.n_floats;
}

const eng_param *eng_net_params(const eng_net *net, uint32_t *n)
{
    *n = net->layout.n_params;
    return net->layout.params;
}

const eng_param *eng_net_find(const eng_net *net, const char *name)
{
    for (uint32_t i = 0; i < net->layout.n_params; i++)
        if (strcmp(net->layout.params[i].name, name) == 0)
            return &net->layout.params[i];
    return NULL;
}

/* ---- a new score head ---- */

void eng_net_init_score(eng_net *net, uint64_t seed)
{
    enum { STREAM = 0x73636f72 }; /* "scor": no other draw of this seed shares it */
    const uint32_t c = net->shared->config.n_embd;
    eng__fill_normal(net->floats + net->layout.score, c, sqrt(1.0 / (c + 1.0)), seed, STREAM);
    net->floats[net->layout.score_bias] = 0;
}
