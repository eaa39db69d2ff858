#include "gradient_file.h"

#include "formats/hf_tensor.h"
#include "formats/safetensors_out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER_BYTES = 64 * 1024 * 1024 };

/* The parameters that have a place in a Hugging Face directory. */
typedef struct plan {
    const eng_net *net;
    uint32_t n;
    const eng_param **params;        /* [n] */
    eng__hf_tensor *hf;              /* [n] */
    eng__safetensors_entry *entries; /* [n] */
} plan;

/* Vectors are told by their names: a matrix may have one row. */
static bool is_vector(const eng_param *p)
{
    size_t n = strlen(p->name);
    return (n > 5 && strcmp(p->name + n - 5, ".bias") == 0) ||
           (n > 11 && strcmp(p->name + n - 11, "norm.weight") == 0);
}

static eng_status add_param(plan *out, const eng_param *p, eng_error *err)
{
    bool unused;
    char name[ENG__NAME_BYTES];
    const eng_config *config = eng_net_config(out->net);
    if (eng__name_to_hf(config, p->name, name, &unused) == ENG__NAME_SKIP)
        return ENG_OK;
    eng_tensor_info info = {.name = p->name,
                            .n_dims = is_vector(p) ? 1 : 2,
                            .dims = {p->cols, p->rows, 1, 1},
                            .n_elements = (uint64_t)p->rows * p->cols};
    eng__hf_tensor *hf = &out->hf[out->n];
    eng_status status = eng__hf_tensor_of(hf, config, &info, err);
    if (status != ENG_OK)
        return status;
    out->entries[out->n] = (eng__safetensors_entry){.name = hf->name,
                                                    .dtype = ENG_F32,
                                                    .n_dims = hf->n_dims,
                                                    .shape = {hf->shape[0], hf->shape[1]}};
    out->params[out->n++] = p;
    return ENG_OK;
}

static eng_status make_plan(plan *out, const eng_net *net, eng_error *err)
{
    uint32_t n;
    const eng_param *params = eng_net_params(net, &n);
    *out = (plan){.net = net,
                  .params = calloc(n, sizeof *out->params),
                  .hf = calloc(n, sizeof *out->hf),
                  .entries = calloc(n, sizeof *out->entries)};
    if (!out->params || !out->hf || !out->entries)
        return eng_fail(err, ENG_NOMEM, "no memory for %u tensors", n);
    eng_status status = ENG_OK;
    for (uint32_t i = 0; i < n && status == ENG_OK; i++)
        status = add_param(out, &params[i], err);
    return status;
}

static void free_plan(plan *p)
{
    free(p->params);
    free(p->hf);
    free(p->entries);
}

/* {"<Hugging Face name>":"<canonical name>",...} */
static void put_names(eng__text *out, const plan *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        eng__text_printf(out, "%s\"%s\":\"%s\"", i ? "," : "{", p->hf[i].name, p->params[i]->name);
    eng__text_put(out, "}", 1);
}

static void put_figure(eng__text *out, const char *key, double v)
{
    eng__text_printf(out, ",\"%s\":\"%.17g\"", key, v);
}

/* A JSON object of strings, as safetensors has it. */
static void put_metadata(eng__text *out, const plan *p, gradient_loss loss,
                         const gradient_result *result)
{
    eng__text names;
    eng__text_init(&names, MAX_HEADER_BYTES);
    put_names(&names, p);
    eng__text_printf(out, "{\"format\":\"pt\",\"kind\":\"%s\"", gradient_loss_name(loss));
    put_figure(out, "loss", result->loss);
    put_figure(out, "main_loss", result->main_loss);
    put_figure(out, "ptx_loss", result->ptx_loss);
    eng__text_printf(out, ",\"tokens\":\"%" PRIu64 "\",\"ptx_tokens\":\"%" PRIu64 "\"",
                     result->n_tokens, result->n_ptx_tokens);
    eng__text_printf(out, ",\"pairs\":\"%" PRIu64 "\",\"names\":", result->n_pairs);
    eng__text_json(out, names.data, names.len);
    eng__text_put(out, "}", 1);
    out->failed = out->failed || names.failed;
    eng__text_free(&names);
}

static eng_status make_header(eng__text *out, const plan *p, gradient_loss loss,
                              const gradient_result *result, eng_error *err)
{
    eng__text metadata;
    eng__text_init(&metadata, MAX_HEADER_BYTES);
    put_metadata(&metadata, p, loss, result);
    if (!metadata.failed)
        eng__safetensors_put_header(out, metadata.data, p->entries, p->n);
    bool failed = metadata.failed || out->failed;
    eng__text_free(&metadata);
    return failed ? eng_fail(err, ENG_NOMEM, "no memory for the header of %u tensors", p->n)
                  : ENG_OK;
}

static eng_status write_all(FILE *file, const char *path, const plan *p, const eng__text *header,
                            float *grads, float *scratch, eng_error *err)
{
    const eng_config *config = eng_net_config(p->net);
    bool ok = fwrite(header->data, 1, header->len, file) == header->len;
    for (uint32_t i = 0; i < p->n && ok; i++) {
        const eng_param *param = p->params[i];
        size_t n = (size_t)param->rows * param->cols;
        float *laid_out = eng__hf_relayout(&p->hf[i], config, grads + param->offset, scratch);
        ok = fwrite(laid_out, sizeof *laid_out, n, file) == n;
    }
    if (!ok || fflush(file) != 0)
        return eng_fail(err, ENG_IO, "%.200s: %s", path, strerror(errno));
    return ENG_OK;
}

static eng_status write_file(const char *path, const plan *p, const eng__text *header, float *grads,
                             eng_error *err)
{
    size_t most = 1;
    for (uint32_t i = 0; i < p->n; i++) {
        size_t n = (size_t)p->params[i]->rows * p->params[i]->cols;
        most = n > most ? n : most;
    }
    float *scratch = malloc(most * sizeof *scratch);
    if (!scratch)
        return eng_fail(err, ENG_NOMEM, "no memory for %zu floats", most);
    FILE *file = fopen(path, "wb");
    eng_status status = file ? write_all(file, path, p, header, grads, scratch, err)
                             : eng_fail(err, ENG_IO, "%.200s: %s", path, strerror(errno));
    if (file && fclose(file) != 0 && status == ENG_OK)
        status = eng_fail(err, ENG_IO, "%.200s: %s", path, strerror(errno));
    if (file && status != ENG_OK)
        remove(path);
    free(scratch);
    return status;
}

eng_status gradient_file_write(const char *path, const eng_net *net, float *grads,
                               gradient_loss loss, const gradient_result *result,
                               uint32_t *n_tensors, eng_error *err)
{
    plan p;
    eng__text header;
    eng__text_init(&header, MAX_HEADER_BYTES);
    eng_status status = make_plan(&p, net, err);
    if (status == ENG_OK)
        status = make_header(&header, &p, loss, result, err);
    if (status == ENG_OK)
        status = write_file(path, &p, &header, grads, err);
    if (n_tensors)
        *n_tensors = p.n;
    eng__text_free(&header);
    free_plan(&p);
    return status;
}
