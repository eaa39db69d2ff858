#include "infer/model.h"

#include "compute/pack.h"
#include "formats/checkpoint.h"
#include "formats/descent.h"
#include "formats/source.h"
#include "infer/loader.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_uid(void)
{
    static atomic_uint_fast64_t last;
    return atomic_fetch_add(&last, 1) + 1;
}

/* weights NULL: the file's own. */
static eng_status fill_model(eng_model *m, const char *path, const eng_weights *weights,
                             const eng_model_options *options, eng_error *err)
{
    eng_source *src;
    const bool known = !weights && options->digest, digest = !weights && !known;
    eng_status st = digest && options->n_threads != 1 ? eng__source_open_digesting(&src, path, err)
                                                      : eng__source_open(&src, path, err);
    if (st != ENG_OK)
        return st;
    if (weights)
        st = eng__source_take_weights(src, weights, err);
    if (known)
        snprintf(m->digest, sizeof m->digest, "%s", options->digest);
    if (st == ENG_OK)
        st = eng__load_model(m, src, digest, options->serve_type, options->n_threads, err);
    eng__source_close(src);
    return st;
}

eng_status eng_model_open_with(eng_model **out, const char *path, const eng_weights *weights,
                               const eng_model_options *options, eng_error *err)
{
    static const eng_model_options defaults = {0};
    if (!options)
        options = &defaults;
    eng_model *m = calloc(1, sizeof *m);
    if (!m)
        return eng_fail(err, ENG_NOMEM, "model: out of memory");
    atomic_init(&m->refs, 1);
    m->uid = next_uid();
    m->kernels = eng__kernels_choose(options->kernels);
    eng_status st = m->kernels
                        ? fill_model(m, path, weights, options, err)
                        : eng_fail(err, ENG_UNSUPPORTED,
                                   "this CPU does not run the kernel set \"%s\"", options->kernels);
    if (st != ENG_OK) {
        eng_model_unref(m);
        return st;
    }
    *out = m;
    return ENG_OK;
}

eng_status eng_model_open(eng_model **out, const char *path, const eng_model_options *options,
                          eng_error *err)
{
    return eng_model_open_with(out, path, NULL, options, err);
}

/* ---- without loading ---- */

eng_status eng_model_inspect(eng_model_facts *out, const char *path, eng_serve_type serve_type,
                             eng_error *err)
{
    eng_source *src;
    eng_dtype type;
    eng_status st = eng__source_open(&src, path, err);
    if (st != ENG_OK)
        return st;
    st = eng__measure_weights(src, serve_type, &out->bytes, &out->load_scratch, &type, err);
    out->config = *eng__source_config(src);
    out->scored = eng__source_find(src, "score.weight") != NULL;
    out->dtype = eng_dtype_info_of(type)->name;
    size_t writing, turned;
    eng__checkpoint_scratch(src, &writing, &turned);
    const size_t checking = eng__descent_scratch(src);
    out->write_scratch = checking > writing ? checking : writing;
    out->reload_scratch = 2 * turned > out->load_scratch ? 2 * turned : out->load_scratch;
    eng__source_close(src);
    return st;
}

eng_status eng_model_file_digest(const char *path, char digest[65], eng_error *err)
{
    eng_source *src;
    eng_status st = eng__source_open_digesting(&src, path, err);
    if (st != ENG_OK)
        return st;
    st = eng__source_digest(src, digest, err);
    eng__source_close(src);
    return st;
}

bool eng_config_same_shape(const eng_config *a, const eng_config *b)
{
    return a->n_layer == b->n_layer && a->n_embd == b->n_embd && a->n_head == b->n_head &&
           a->n_kv_head == b->n_kv_head && a->head_dim == b->head_dim && a->n_ff == b->n_ff &&
           a->n_vocab == b->n_vocab && a->n_ctx == b->n_ctx;
}

bool eng_config_equal(const eng_config *a, const eng_config *b)
{
    return eng_config_same_shape(a, b) && strcmp(a->arch, b->arch) == 0 && a->norm == b->norm &&
           a->norm_eps == b->norm_eps && a->pos == b->pos && a->rope_base == b->rope_base &&
           a->rope_dims == b->rope_dims && a->mlp == b->mlp && a->qkv_bias == b->qkv_bias &&
           a->out_bias == b->out_bias && a->tied == b->tied && a->window == b->window &&
           a->window_period == b->window_period;
}

eng_model *eng_model_ref(eng_model *model)
{
    atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

void eng_model_unref(eng_model *model)
{
    if (!model || atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) != 1)
        return;
    eng__free_weights(model);
    eng__tokenizer_free(model->tokenizer);
    free(model);
}

const eng_config *eng_model_config(const eng_model *model)
{
    return &model->config;
}

const eng_tokenizer *eng_model_tokenizer(const eng_model *model)
{
    return model->tokenizer;
}

const char *eng_model_digest(const eng_model *model)
{
    return model->digest;
}

size_t eng_model_bytes(const eng_model *model)
{
    return model->matrix_bytes + model->vector_floats * sizeof(float);
}

const char *eng_model_kernels(const eng_model *model)
{
    return model->kernels->name;
}

const char *eng_model_dtype(const eng_model *model)
{
    return eng_dtype_info_of(model->common_type)->name;
}

bool eng_model_has_score(const eng_model *model)
{
    return model->score != NULL;
}
