#include "formats/checkpoint.h"
#include "formats/hf.h"
#include "formats/names.h"
#include "formats/safetensors.h"
#include "formats/source_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_JSON_BYTES = 128 * 1024 * 1024, MAX_TEMPLATE_BYTES = 1024 * 1024 };

static bool exists(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, F_OK, 0) == 0;
}

/* ---- the JSON files ---- */

static eng_status parse_file(int dir_fd, const char *name, eng_arena *arena, const eng_json **out,
                             eng_error *err)
{
    char *text;
    size_t len;
    eng_error why;
    eng_status status = eng__file_slurp(dir_fd, name, MAX_JSON_BYTES, &text, &len, err);
    if (status != ENG_OK)
        return status;
    status = eng_json_parse(out, text, len, arena, &why);
    free(text);
    if (status != ENG_OK)
        return eng_fail(err, status, "%s: %.400s", name, why.text);
    if (!eng_json_is(*out, ENG_JSON_OBJECT))
        return eng_fail(err, ENG_FORMAT, "%s: expected an object", name);
    return ENG_OK;
}

/* Leaves *out NULL when there is no such file. */
static eng_status parse_optional(int dir_fd, const char *name, eng_arena *arena,
                                 const eng_json **out, eng_error *err)
{
    *out = NULL;
    return exists(dir_fd, name) ? parse_file(dir_fd, name, arena, out, err) : ENG_OK;
}

static eng_status load_config(eng_source *src, eng_arena *scratch, eng_error *err)
{
    const eng_json *root;
    eng_status status = parse_file(src->dir_fd, "config.json", scratch, &root, err);
    return status == ENG_OK ? eng__hf_config(root, &src->config, err) : status;
}

eng_status eng__hf_read_vocab(int dir_fd, const char *name, eng_arena *arena, eng_vocab *vocab,
                              eng_error *err)
{
    eng_arena scratch;
    eng__hf_tokenizer files = {0};
    char *template = NULL;
    size_t len;
    eng_arena_init(&scratch, arena->limit_bytes);
    eng_status status = parse_file(dir_fd, name, &scratch, &files.tokenizer, err);
    if (status == ENG_OK)
        status = parse_optional(dir_fd, "tokenizer_config.json", &scratch, &files.config, err);
    if (status == ENG_OK)
        status = parse_optional(dir_fd, "generation_config.json", &scratch, &files.generation, err);
    if (status == ENG_OK && exists(dir_fd, "chat_template.jinja"))
        status = eng__file_slurp(dir_fd, "chat_template.jinja", MAX_TEMPLATE_BYTES, &template, &len,
                                 err);
    files.chat_template = template;
    if (status == ENG_OK)
        status = eng__hf_vocab(&files, arena, vocab, err);
    free(template);
    eng_arena_free(&scratch);
    return status;
}

/* ---- tensors ---- */

/* Gives a stored tensor its canonical name and dims; *keep tells whether a model needs it. */
static eng_status translate(eng_source *src, eng__stored *t, bool *keep, eng_error *err)
{
    char name[ENG__NAME_BYTES];
    bool conv1d = false;
    eng__name_kind kind = eng__name_from_hf(&src->config, t->info.name, name, &conv1d);
    *keep = kind == ENG__NAME_TENSOR;
    if (kind == ENG__NAME_UNKNOWN)
        return eng_fail(err, ENG_UNSUPPORTED, "tensor %.140s: not part of a %s model of %u layers",
                        t->info.name, src->config.arch, src->config.n_layer);
    if (!*keep)
        return ENG_OK;
    if (t->foreign)
        return eng_fail(err, ENG_UNSUPPORTED, "tensor %s: dtype %s, expected F32, F16 or BF16",
                        t->info.name, t->foreign);
    if (conv1d && t->info.n_dims == 2) {
        uint64_t out = t->info.dims[0];
        t->info.dims[0] = t->info.dims[1];
        t->info.dims[1] = out;
        t->transposed = true;
    }
    t->info.name = eng_arena_strndup(&src->arena, name, strlen(name));
    return t->info.name ? ENG_OK : eng_fail(err, ENG_NOMEM, "no memory for the names of tensors");
}

static eng_status translate_all(eng_source *src, const eng__directory *stored, eng_error *err)
{
    eng__directory *dir = &src->tensors;
    dir->tensors = eng_arena_array(&src->arena, stored->n, sizeof *dir->tensors);
    if (!dir->tensors)
        return eng_fail(err, ENG_NOMEM, "no memory for %zu tensors", stored->n);
    for (size_t i = 0; i < stored->n; i++) {
        bool keep;
        dir->tensors[dir->n] = stored->tensors[i];
        eng_status status = translate(src, &dir->tensors[dir->n], &keep, err);
        if (status != ENG_OK)
            return status;
        dir->n += keep;
    }
    return eng__directory_index(dir, &src->arena, err);
}

static eng_status load_tensors(eng_source *src, eng_error *err)
{
    eng__directory stored;
    if (!exists(src->dir_fd, "model.safetensors") &&
        exists(src->dir_fd, "model.safetensors.index.json"))
        return eng_fail(err, ENG_UNSUPPORTED,
                        "model.safetensors.index.json: weights in several "
                        "files, expected one model.safetensors");
    eng_status status = eng__file_open(&src->file, src->dir_fd, "model.safetensors", err);
    if (status == ENG_OK)
        status = eng__safetensors_read(&stored, &src->file, &src->arena, err);
    if (status == ENG_OK)
        status = translate_all(src, &stored, err);
    return status;
}

/* Where config.json leaves a choice, the tensors decide: reward and value models have no head. */
static eng_status settle_config(eng_source *src, eng_error *err)
{
    eng_config *c = &src->config;
    const eng_tensor_info *embd;
    eng_status status =
        eng__source_expect(src, "token_embd.weight", c->n_embd, c->n_vocab, &embd, err);
    if (status != ENG_OK)
        return status;
    bool head = eng__source_find(src, "output.weight") != NULL;
    bool scored = eng__source_find(src, "score.weight") != NULL;
    if (!c->tied && !head && !scored)
        return eng_fail(err, ENG_FORMAT,
                        "tensor lm_head.weight: missing, and config.json says "
                        "tie_word_embeddings false");
    c->tied = !head;
    c->qkv_bias = c->qkv_bias || eng__source_find(src, "blk.0.attn_q.bias");
    return ENG_OK;
}

/* Every token is absent. */
static const eng_vocab no_vocab = {.bos = -1, .eos = -1, .eot = -1, .unk = -1, .pad = -1};

eng_status eng__source_load_hf(eng_source *src, bool tokenizer_optional, eng_error *err)
{
    eng_arena scratch;
    eng_arena_init(&scratch, src->arena.limit_bytes);
    eng_status status = ENG_OK;
    if (exists(src->dir_fd, "manifest.json"))
        status = eng__manifest_check(src->dir_fd, false, err);
    if (status == ENG_OK)
        status = load_config(src, &scratch, err);
    src->vocab = no_vocab;
    if (status == ENG_OK && !(tokenizer_optional && !exists(src->dir_fd, "tokenizer.json")))
        status = eng__hf_read_vocab(src->dir_fd, "tokenizer.json", &src->arena, &src->vocab, err);
    if (status == ENG_OK)
        status = load_tensors(src, err);
    if (status == ENG_OK)
        status = settle_config(src, err);
    eng_arena_free(&scratch);
    return status;
}
